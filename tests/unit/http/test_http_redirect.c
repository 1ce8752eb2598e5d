/* Redirects of the http type, followed and refused, and what no server is told or makes us tell. */
#include "http_rig.h"
#include "run_harness.h"

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"

/* ---- Redirects ---- */

static void test_redirect_is_not_followed_unasked(void **state)
{
    (void)state;
    struct server s = {.n_scripts = 0};
    struct harness r;
    SCRIPT(&s, {ACT_READ, NULL}, {ACT_SEND, "HTTP/1.1 302 Found\r\nLocation: /new\r\n\r\n"},
           {ACT_FIN, NULL});
    server_start(&s, NULL);
    rig_run(&r, (const char *[]){"url", url_of(&s, "http", "/"), NULL}, NULL);
    server_stop(&s);
    expect_result(&r, REASON_OK, "HTTP 302");
    assert_int_equal(s.n_requests, 1);
}

static void test_redirect_followed(void **state)
{
    (void)state;
    struct server s = {.n_scripts = 0};
    struct harness r;
    SCRIPT(&s, {ACT_READ, NULL}, {ACT_SEND, "HTTP/1.1 303 See\r\nLocation: new?x=1\r\n\r\n"},
           {ACT_HANG, NULL});
    SCRIPT(&s, {ACT_READ, NULL}, {ACT_SEND, OK_REPLY}, {ACT_FIN, NULL});
    server_start(&s, NULL);
    rig_run(&r,
            (const char *[]){"url", url_of(&s, "http", "/a/old"), "follow_redirects", "yes", "user",
                             "u", "password", "pass", "method", "POST", "body", "data", NULL},
            NULL);
    server_stop(&s);
    expect_result(&r, REASON_OK, "after 1 redirect to http://127.0.0.1:");
    assert_non_null(strstr(r.detail, "/a/new?..."));
    assert_int_equal(s.n_requests, 2);
    assert_int_equal(strncmp(s.requests[1], "GET /a/new?x=1 HTTP/1.1\r\n", 25), 0);
    assert_null(strstr(s.requests[1], "Content-Length"));
    /* The same origin: it is told the same. */
    assert_non_null(strstr(s.requests[1], "Authorization: Basic dTpwYXNz\r\n"));
}

/* Another port is another origin: no credentials, no cookie, no unknown header. */
static void test_redirect_keeps_secrets(void **state)
{
    (void)state;
    struct server a = {.n_scripts = 0}, b = {.n_scripts = 0};
    struct harness r;
    char reply[256];
    SCRIPT(&b, {ACT_READ, NULL}, {ACT_SEND, OK_REPLY}, {ACT_FIN, NULL});
    server_start(&b, NULL);
    snprintf(reply, sizeof reply,
             "HTTP/1.1 302 Found\r\nLocation: http://evil:pw@127.0.0.1:%u/x\r\n\r\n",
             (unsigned)b.port);
    SCRIPT(&a, {ACT_READ, NULL}, {ACT_SEND, reply}, {ACT_FIN, NULL});
    server_start(&a, NULL);
    rig_run(&r,
            (const char *[]){"url", url_of(&a, "http", "/"), "follow_redirects", "yes", "user",
                             "someone", "password", "hush-hush", "header",
                             "Cookie: c=1\nX-Api-Key: key\nAccept: text/plain", NULL},
            NULL);
    server_end(&a);
    server_stop(&b);
    expect_result(&r, REASON_OK, "after 1 redirect");
    assert_non_null(strstr(a.requests[0], "Authorization: Basic "));
    assert_non_null(strstr(a.requests[0], "Cookie: c=1"));
    assert_non_null(strstr(b.requests[0], "Accept: text/plain"));
    assert_null(strstr(b.requests[0], "Authorization"));
    assert_null(strstr(b.requests[0], "Cookie"));
    assert_null(strstr(b.requests[0], "X-Api-Key"));
}

static void redirect_fails(const char *location, const char *words)
{
    struct server s = {.n_scripts = 0};
    struct harness r;
    char reply[8192];
    snprintf(reply, sizeof reply, "HTTP/1.1 302 Found\r\nLocation: %s\r\n\r\n", location);
    SCRIPT(&s, {ACT_READ, NULL}, {ACT_SEND, reply}, {ACT_FIN, NULL});
    server_start(&s, NULL);
    rig_run(&r, (const char *[]){"url", url_of(&s, "http", "/"), "follow_redirects", "yes", NULL},
            NULL);
    server_stop(&s);
    expect_result(&r, REASON_MISMATCH, words);
}

static void test_redirect_refused(void **state)
{
    (void)state;
    redirect_fails("/", "redirect loop: HTTP 302 leads back to http://127.0.0.1:");
    redirect_fails("ftp://127.0.0.1/x",
                   "redirects to \"ftp://127.0.0.1/x\", which cannot be followed");
    redirect_fails("file:///etc/passwd", "which cannot be followed");
    redirect_fails("http://127.0.0.1:99999/", "which cannot be followed");
    redirect_fails("", "which cannot be followed: it is empty");
}

static void test_redirect_chain(void **state)
{
    (void)state;
    struct server s = {.n_scripts = 0};
    struct harness r;
    char replies[12][64];
    for (int i = 0; i < 12; i++) {
        snprintf(replies[i], sizeof replies[i], "HTTP/1.1 301 M\r\nLocation: /%d\r\n\r\n", i);
        SCRIPT(&s, {ACT_READ, NULL}, {ACT_SEND, replies[i]}, {ACT_FIN, NULL});
    }
    server_start(&s, NULL);
    rig_run(&r, (const char *[]){"url", url_of(&s, "http", "/"), "follow_redirects", "yes", NULL},
            NULL);
    server_stop(&s);
    expect_result(&r, REASON_MISMATCH, "more than 10 redirects");
}

/* A login that sets a cookie and leads back to where one came from; the second has the cookie and
 * does the same again, which is a loop. */
static void test_redirect_sets_a_cookie(void **state)
{
    (void)state;
    static const char sets[] = "HTTP/1.1 302 Found\r\nSet-Cookie: old=; Max-Age=0\r\n"
                               "Set-Cookie: sid=a=b; Path=/; HttpOnly\r\n"
                               "Set-Cookie: far=1; Path=/elsewhere\r\n"
                               "Set-Cookie: tls=1; Secure\r\nLocation: /\r\n\r\n";
    const char *const keys[] = {"follow_redirects", "yes", "header", "Cookie: mine=1", NULL};
    for (int loops = 0; loops < 2; loops++) {
        struct server s = {.n_scripts = 0};
        struct harness r;
        SCRIPT(&s, {ACT_READ, NULL}, {ACT_SEND, sets}, {ACT_FIN, NULL});
        SCRIPT(&s, {ACT_READ, NULL}, {ACT_SEND, loops ? sets : OK_REPLY}, {ACT_FIN, NULL});
        server_start(&s, NULL);
        rig_run(&r,
                (const char *[]){"url", url_of(&s, "http", "/"), keys[0], keys[1], keys[2], keys[3],
                                 NULL},
                NULL);
        server_stop(&s);
        expect_result(&r, loops ? REASON_MISMATCH : REASON_OK,
                      loops ? "redirect loop" : "after 1 redirect");
        assert_non_null(strstr(s.requests[0], "Cookie: mine=1\r\n"));
        assert_non_null(strstr(s.requests[1], "Cookie: mine=1; sid=a=b\r\n"));
        assert_int_equal(s.n_requests, 2);
    }
}

/* As long as single sign-on makes them. */
static void test_redirect_to_a_long_address(void **state)
{
    (void)state;
    static char location[30000], reply[sizeof location + 64];
    struct server s = {.n_scripts = 0};
    struct harness r;
    memset(location, 'x', sizeof location - 1);
    snprintf(reply, sizeof reply, "HTTP/1.1 302 Found\r\nLocation: /?%s\r\n\r\n", location);
    SCRIPT(&s, {ACT_READ, NULL}, {ACT_SEND, reply}, {ACT_FIN, NULL});
    SCRIPT(&s, {ACT_SOME, NULL}, {ACT_SEND, OK_REPLY}, {ACT_FIN, NULL});
    server_start(&s, NULL);
    rig_run(&r, (const char *[]){"url", url_of(&s, "http", "/"), "follow_redirects", "yes", NULL},
            NULL);
    server_stop(&s);
    expect_result(&r, REASON_OK, "after 1 redirect");
}

/* 307 keeps the method; the body is for the configured origin alone. */
static void test_redirect_keeps_the_body(void **state)
{
    (void)state;
    struct server a = {.n_scripts = 0}, b = {.n_scripts = 0};
    struct harness r;
    char reply[256];
    SCRIPT(&b, {ACT_READ, NULL}, {ACT_SEND, OK_REPLY}, {ACT_FIN, NULL});
    server_start(&b, NULL);
    snprintf(reply, sizeof reply, "HTTP/1.1 307 There\r\nLocation: %s\r\n\r\n",
             url_of(&b, "http", "/x"));
    SCRIPT(&a, {ACT_READ, NULL}, {ACT_SEND, reply}, {ACT_FIN, NULL});
    server_start(&a, NULL);
    rig_run(&r,
            (const char *[]){"url", url_of(&a, "http", "/"), "follow_redirects", "yes", "method",
                             "POST", "body", "a=secret", NULL},
            NULL);
    server_end(&a);
    server_stop(&b);
    expect_result(&r, REASON_OK, "after 1 redirect");
    assert_non_null(strstr(a.requests[0], "Content-Length: 8\r\n"));
    assert_int_equal(strncmp(b.requests[0], "POST /x HTTP/1.1\r\n", 18), 0);
    assert_non_null(strstr(b.requests[0], "Content-Length: 0\r\n"));
    assert_null(strstr(b.requests[0], "secret"));
}

/* ---- Secrets ---- */

/* A server that sends back what it was sent does not make us show it. */
static void test_secrets_are_not_shown(void **state)
{
    (void)state;
    static const char echo[] = "HTTP/1.1 500 dTpodXNoLWh1c2g= hush-hush\r\n\r\n"
                               "you sent hush-hush and dTpodXNoLWh1c2g=";
    struct server s = {.n_scripts = 0};
    struct harness r;
    SCRIPT(&s, {ACT_READ, NULL}, {ACT_SEND, echo}, {ACT_FIN, NULL});
    server_start(&s, NULL);
    char url[96];
    snprintf(url, sizeof url, "http://u:hush%%2Dhush@127.0.0.1:%u/?token=hush-hush",
             (unsigned)s.port);
    rig_run(&r, (const char *[]){"url", url, NULL}, NULL);
    server_stop(&s);
    /* What the server echoes is the engine's to mask; the type shows none by itself. */
    expect_result(&r, REASON_MISMATCH, "GET http://127.0.0.1:");
    assert_null(strstr(r.detail, "token=hush"));
    assert_null(strstr(r.detail, "you sent"));
    assert_non_null(strstr(s.requests[0], "Authorization: Basic dTpodXNoLWh1c2g=\r\n"));
}

/* ---- An end that comes at any moment ---- */

struct stopper {
    uv_check_t check; /* after the sockets of a turn, before what was closed in it is gone */
    struct harness *harness;
    int turns_left;
};

static void on_check(uv_check_t *check)
{
    struct stopper *s = container_of(check, struct stopper, check);
    if (s->turns_left-- > 0 || s->harness->released || s->harness->cancelled)
        return;
    s->harness->cancelled = true;
    s->harness->type->cancel(s->harness->run);
}

/* A run of the settings, cancelled in the midst of that turn. False: it was over before. */
static bool cancel_at_turn(struct harness *h, const char *const *pairs, int turn)
{
    struct probe_report report;
    char *target;
    void *conf = make_conf(pairs, &report, &target);
    struct stopper s = {.harness = h, .turns_left = turn};
    harness_open(h);
    uv_check_init(&h->loop, &s.check);
    uv_check_start(&s.check, on_check);
    harness_start(h, &probe_type_http, conf, NULL);
    harness_wait(h, GUARD_MS);
    bool cancelled = h->cancelled;
    uv_close((uv_handle_t *)&s.check, NULL);
    harness_close(h);
    probe_type_http.dispose(conf);
    free(target);
    return cancelled;
}

static void test_cancelled_at_every_turn(void **state)
{
    (void)state;
    struct server s = {.n_scripts = 0};
    char replies[4][64];
    for (int i = 0; i < 4; i++) {
        snprintf(replies[i], sizeof replies[i], "HTTP/1.1 302 F\r\nLocation: /%d\r\n\r\n", i);
        SCRIPT(&s, {ACT_READ, NULL}, {ACT_SEND, replies[i]}, {ACT_FIN, NULL});
    }
    server_start(&s, NULL);
    char url[64];
    snprintf(url, sizeof url, "http://localhost:%u/", (unsigned)s.port);
    int turn = 0;
    struct harness r;
    do
        s.n_requests = 0;
    while (
        cancel_at_turn(&r, (const char *[]){"url", url, "follow_redirects", "yes", NULL}, turn++));
    server_stop(&s);
    assert_true(turn > 2);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_redirect_is_not_followed_unasked),
        cmocka_unit_test(test_redirect_followed),
        cmocka_unit_test(test_redirect_keeps_secrets),
        cmocka_unit_test(test_redirect_refused),
        cmocka_unit_test(test_redirect_chain),
        cmocka_unit_test(test_redirect_sets_a_cookie),
        cmocka_unit_test(test_redirect_to_a_long_address),
        cmocka_unit_test(test_redirect_keeps_the_body),
        cmocka_unit_test(test_secrets_are_not_shown),
        cmocka_unit_test(test_cancelled_at_every_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
