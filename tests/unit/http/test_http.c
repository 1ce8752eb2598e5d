/* The http type against a server that does what a script says: good replies, every way to break
 * one, and a cancel in every phase. */
#include "http_rig.h"
#include "run_harness.h"

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"

/* ---- One exchange each, by table ---- */

struct scene {
    const char *name;
    struct step steps[STEPS_MAX];
    const char *keys[9]; /* beside url */
    enum reason reason;
    const char *words;
};

#define READ                                                                                       \
    {                                                                                              \
        ACT_READ, NULL                                                                             \
    }
#define SEND(t)                                                                                    \
    {                                                                                              \
        ACT_SEND, t                                                                                \
    }
#define REPLY(t)                                                                                   \
    {                                                                                              \
        READ, SEND(t),                                                                             \
        {                                                                                          \
            ACT_FIN, NULL                                                                          \
        }                                                                                          \
    }
#define JSON(doc)        REPLY("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" doc)
#define NO(status, rest) REPLY("HTTP/1.1 " status " No\r\n" rest)
#define LENGTH(n)        "Content-Length: " n "\r\n\r\n"
#define CHUNKED          "Transfer-Encoding: chunked\r\n\r\n"

static const struct scene scenes[] = {
    {"up", REPLY(OK_REPLY), {NULL}, REASON_OK, "HTTP 200 from 127.0.0.1:"},
    {"stays open", {READ, SEND(OK_REPLY), {ACT_HANG, NULL}}, {NULL}, REASON_OK, "HTTP 200"},
    {"dripped", {READ, {ACT_DRIP, OK_REPLY}}, {"expect_body", "yes"}, REASON_OK, "HTTP 200"},
    {"1.0, no length",
     REPLY("HTTP/1.0 200 OK\r\n\r\nyes"),
     {"expect_body", "^yes$"},
     REASON_OK,
     "HTTP 200"},
    {"1.1, no length",
     REPLY("HTTP/1.1 200 OK\r\n\r\nyes"),
     {"expect_body", "^yes$"},
     REASON_OK,
     "HTTP 200"},
    {"bare LF", REPLY("HTTP/1.1 200 OK\n\nyes"), {"expect_body", "^yes$"}, REASON_OK, "HTTP 200"},
    {"no phrase",
     REPLY("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
     {NULL},
     REASON_OK,
     "HTTP 200"},
    {"204",
     {READ, SEND("HTTP/1.1 204 No Content\r\n\r\n"), {ACT_HANG, NULL}},
     {NULL},
     REASON_OK,
     "HTTP 204"},
    {"304",
     {READ, SEND("HTTP/1.1 304 Not Modified\r\n\r\n"), {ACT_HANG, NULL}},
     {NULL},
     REASON_OK,
     "HTTP 304"},
    {"HEAD",
     {READ, SEND("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), {ACT_HANG, NULL}},
     {"method", "HEAD"},
     REASON_OK,
     "HTTP 200"},
    {"early hints",
     REPLY("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" OK_REPLY),
     {NULL},
     REASON_OK,
     "HTTP 200"},
    {"100 twice",
     REPLY("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" OK_REPLY),
     {"expect_header", "^Content-Length: 3$"},
     REASON_OK,
     "HTTP 200"},
    {"101 has no end",
     {READ, SEND("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), {ACT_HANG, NULL}},
     {"expect_status", "101"},
     REASON_OK,
     "HTTP 101"},
    {"chunked",
     REPLY("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nye\r\n1\r\ns\r\n0"
           "\r\n\r\n"),
     {"expect_body", "^yes$"},
     REASON_OK,
     "HTTP 200"},
    {"trailer",
     REPLY("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n"
           "X-Sum: 7\r\n\r\n"),
     {"expect_header", "^X-Sum: 7$"},
     REASON_OK,
     "HTTP 200"},
    {"huge body, not looked at",
     {READ, SEND("HTTP/1.1 200 OK\r\n\r\n"), {ACT_FLOOD, "0123456789abcdef0123456789abcdef"}},
     {NULL},
     REASON_OK,
     "HTTP 200"},
    {"huge body, found early",
     {READ, SEND("HTTP/1.1 200 OK\r\n\r\nfine"), {ACT_FLOOD, "0123456789abcdef0123456789abcdef"}},
     {"expect_body", "^fine"},
     REASON_OK,
     "HTTP 200"},
    {"json",
     JSON("{\"a\": {\"b/c\": [1, {\"~\": 2.0}]}, \"s\": \"up\"}"),
     {"expect_json", "/a/b~1c/1/~0 = 2\n/s = up\n/s=\"up\"\n/a/b~1c/0 = 1"},
     REASON_OK,
     "HTTP 200"},
    {"json with a big number",
     JSON("{\"n\": 18446744073709551616, \"s\": \"up\"}"),
     {"expect_json", "/s = up"},
     REASON_OK,
     "HTTP 200"},
    {"json after a BOM",
     JSON("\xef\xbb\xbf{\"s\": true}"),
     {"expect_json", "/s = true"},
     REASON_OK,
     "HTTP 200"},

    {"status",
     REPLY("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\ndown"),
     {NULL},
     REASON_MISMATCH,
     "HTTP 503 Service Unavailable from 127.0.0.1:"},
    {"status, body shown",
     REPLY("HTTP/1.1 500 No\r\n\r\ndisk full\n"),
     {NULL},
     REASON_MISMATCH,
     "expected 200-399: \"disk full\\n\""},
    {"status, body hangs",
     {READ, SEND("HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nx"), {ACT_HANG, NULL}},
     {NULL},
     REASON_MISMATCH,
     "HTTP 500 No"},
    {"status, cut body", NO("500", LENGTH("9")), {NULL}, REASON_MISMATCH, "HTTP 500 No"},
    {"status, no chunk", NO("943", CHUNKED "17co\r\n"), {NULL}, REASON_MISMATCH, "HTTP 943 No"},
    {"status, no length", NO("401", LENGTH("x")), {NULL}, REASON_AUTH, "HTTP 401 No"},
    {"status list",
     REPLY("HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"),
     {"expect_status", "200, 404"},
     REASON_MISMATCH,
     "HTTP 302 Found from"},
    {"401",
     REPLY("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"),
     {NULL},
     REASON_AUTH,
     "HTTP 401 Unauthorized from 127.0.0.1:"},
    {"401 expected",
     REPLY("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"),
     {"expect_status", "401"},
     REASON_OK,
     "HTTP 401"},
    {"body missing",
     REPLY(OK_REPLY),
     {"expect_body", "no"},
     REASON_MISMATCH,
     "the body does not match expect_body /no/: \"yes\""},
    {"body rejected",
     REPLY(OK_REPLY),
     {"reject_body", "e."},
     REASON_MISMATCH,
     "the body matches reject_body /e./"},
    {"gzip is told",
     REPLY("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b"),
     {"expect_body", "x"},
     REASON_MISMATCH,
     "(Content-Encoding: gzip)"},
    {"header missing",
     REPLY(OK_REPLY),
     {"expect_header", "^X-Up:"},
     REASON_MISMATCH,
     "no header matches expect_header /^X-Up:/"},
    {"huge body, undecided",
     {READ, SEND("HTTP/1.1 200 OK\r\n\r\n"), {ACT_FLOOD, "0123456789abcdef0123456789abcdef"}},
     {"reject_body", "x"},
     REASON_MISMATCH,
     "the body is over max_body 1MiB"},
    {"huge body, not found",
     {READ, SEND("HTTP/1.1 200 OK\r\n\r\n"), {ACT_FLOOD, "0123456789abcdef0123456789abcdef"}},
     {"expect_body", "xx", "max_body", "64KiB"},
     REASON_MISMATCH,
     "the first 64KiB of the body"},
    {"json wrong",
     JSON("{\"status\": \"down\"}"),
     {"expect_json", "/status = up"},
     REASON_MISMATCH,
     "JSON /status is \"down\", expected \"up\""},
    {"json of another type",
     JSON("{\"n\": \"5\"}"),
     {"expect_json", "/n = 5"},
     REASON_MISMATCH,
     "JSON /n is \"5\", expected 5"},
    {"json missing",
     JSON("{\"a\": []}"),
     {"expect_json", "/a/0 = 1"},
     REASON_MISMATCH,
     "JSON /a/0 is missing, expected 1"},
    {"json broken",
     JSON("<html>"),
     {"expect_json", "/a = 1"},
     REASON_MISMATCH,
     "the body is not JSON"},
    {"json empty", JSON(""), {"expect_json", "/a = 1"}, REASON_MISMATCH, "the body is not JSON"},

    {"closed at once", {{ACT_FIN, NULL}}, {NULL}, REASON_CLOSED, "closed the connection"},
    {"closed after the request",
     {READ, {ACT_FIN, NULL}},
     {NULL},
     REASON_CLOSED,
     "closed the connection without a reply"},
    {"closed in the status line",
     REPLY("HTTP/1.1 2"),
     {NULL},
     REASON_CLOSED,
     "closed the connection without a reply"},
    {"closed after the status line",
     REPLY("HTTP/1.1 200 OK\r\n"),
     {NULL},
     REASON_CLOSED,
     "closed the connection within the headers"},
    {"closed in a header",
     REPLY("HTTP/1.1 200 OK\r\nContent-Le"),
     {NULL},
     REASON_CLOSED,
     "closed the connection within the headers"},
    {"closed after 100",
     REPLY("HTTP/1.1 100 Continue\r\n\r\n"),
     {NULL},
     REASON_CLOSED,
     "closed the connection"},
    {"closed in the body",
     REPLY("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nyes"),
     {NULL},
     REASON_CLOSED,
     "within the body, after 3 bytes"},
    {"closed in a chunk",
     REPLY("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nyes"),
     {NULL},
     REASON_CLOSED,
     "within the body, after 3 bytes"},
    {"closed before the last chunk",
     REPLY("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n"),
     {NULL},
     REASON_CLOSED,
     "within the body, after 3 bytes"},
    {"reset after the request",
     {READ, {ACT_RESET, NULL}},
     {NULL},
     REASON_RESET,
     "reset the connection without a reply"},
    {"reset in the headers",
     {READ, SEND("HTTP/1.1 200 OK\r\nX: "), {ACT_RESET, NULL}},
     {NULL},
     REASON_RESET,
     "reset the connection"},
    {"reset in the body",
     {READ, SEND("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nyes"), {ACT_RESET, NULL}},
     {NULL},
     REASON_RESET,
     "reset the connection"},
    {"reset without a length",
     {READ, SEND("HTTP/1.1 200 OK\r\n\r\nyes"), {ACT_RESET, NULL}},
     {NULL},
     REASON_RESET,
     "reset the connection"},

    {"another protocol",
     {SEND("SSH-2.0-OpenSSH_9.2\r\n"), {ACT_HANG, NULL}},
     {NULL},
     REASON_PROTOCOL,
     "is not HTTP: \"SSH-2.0-OpenSSH_9.2\\r\\n\""},
    {"garbage", REPLY("\x01\x02\x03\xff\n\n"), {NULL}, REASON_PROTOCOL, "is not HTTP: \"\\x01"},
    {"HTTP/0.9", REPLY("<html>hello</html>"), {NULL}, REASON_PROTOCOL, "is not HTTP"},
    {"TLS alert",
     REPLY("\x15\x03\x01\x02\x02\x46"),
     {NULL},
     REASON_PROTOCOL,
     "speaks TLS: is the URL https://?"},
    {"no status", REPLY("HTTP/1.1 banana\r\n\r\n"), {NULL}, REASON_PROTOCOL, "127.0.0.1:"},
    {"status of two digits",
     REPLY("HTTP/1.1 20 OK\r\n\r\n"),
     {NULL},
     REASON_PROTOCOL,
     "127.0.0.1:"},
    {"status of four digits",
     REPLY("HTTP/1.1 2000 OK\r\n\r\n"),
     {NULL},
     REASON_PROTOCOL,
     "127.0.0.1:"},
    {"no reply after 100",
     REPLY("HTTP/1.1 100 Continue\r\n\r\nSSH-2.0-x\r\n"),
     {NULL},
     REASON_PROTOCOL,
     "is not HTTP: \"SSH-2.0-x"},
    {"another version", REPLY("HTTP/7.3 200 OK\r\n\r\n"), {NULL}, REASON_PROTOCOL, "127.0.0.1:"},
    {"broken length",
     REPLY("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
     {NULL},
     REASON_PROTOCOL,
     "Content-Length is not one number"},
    {"CR in it", REPLY("HTTP/1.1 200 OK\r\nA\rB: x\r\n\r\n"), {NULL}, REASON_PROTOCOL, ""},
    {"broken chunk",
     REPLY("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nyes\r\n"),
     {NULL},
     REASON_PROTOCOL,
     "is broken"},
    {"endless headers",
     {READ, SEND("HTTP/1.1 200 OK\r\n"), {ACT_FLOOD, "X-More: 0123456789\r\n"}},
     {NULL},
     REASON_PROTOCOL,
     "are over 256 KiB"},
    {"endless header line",
     {READ, SEND("HTTP/1.1 200 OK\r\nX: "), {ACT_FLOOD, "0123456789abcdef"}},
     {NULL},
     REASON_PROTOCOL,
     "header"},
    {"endless 1xx",
     {READ, {ACT_FLOOD, "HTTP/1.1 100 Continue\r\nX: y\r\n\r\n"}},
     {NULL},
     REASON_PROTOCOL,
     "are over 256 KiB"},
};

static void play(const struct scene *scene)
{
    struct server s = {.n_scripts = 0};
    struct harness r;
    const char *pairs[12] = {"url"};
    server_script(&s, scene->steps);
    server_start(&s, NULL);
    pairs[1] = url_of(&s, "http", "/health");
    for (size_t i = 0; i < 9 && scene->keys[i]; i++)
        pairs[i + 2] = scene->keys[i];
    rig_run(&r, pairs, NULL);
    server_stop(&s);
    if (r.reason != scene->reason || !strstr(r.detail, scene->words))
        fail_msg("%s: expected %s with '%s', got %s with '%s'", scene->name,
                 reason_name(scene->reason), scene->words, reason_name(r.reason), r.detail);
    if (!strstr(r.detail, "127.0.0.1:"))
        fail_msg("%s: no address in '%s'", scene->name, r.detail);
}

static void test_scenes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(scenes); i++)
        play(&scenes[i]);
}

/* ---- Connections ---- */

static void test_refused(void **state)
{
    (void)state;
    struct server s = {.n_scripts = 0};
    struct harness r;
    SCRIPT(&s, {ACT_HANG, NULL});
    server_start(&s, NULL);
    server_stop(&s);
    rig_run(&r, (const char *[]){"url", url_of(&s, "http", "/"), NULL}, NULL);
    expect_result(&r, REASON_REFUSED, "GET http://127.0.0.1:");
    assert_true(r.gone);
}

static void test_unix_socket(void **state)
{
    (void)state;
    char dir[] = "/tmp/probe-http-XXXXXX", path[64], url[128];
    struct harness r;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/a.sock", dir);
    snprintf(url, sizeof url, "http+unix://%s:/v1/ping?deep=1", path);
    for (int connects = 0; connects < 2; connects++) {
        struct server s = {.n_scripts = 0};
        SCRIPT(&s, {ACT_READ, NULL}, {ACT_SEND, OK_REPLY}, {ACT_FIN, NULL});
        server_start(&s, path);
        rig_run(&r, (const char *[]){"url", url, NULL}, NULL);
        expect_result(&r, REASON_OK, "HTTP 200 from unix:///tmp/probe-http-");
        server_stop(&s);
        unlink(path);
        const char *request = s.requests[s.n_requests - 1];
        assert_non_null(strstr(request, "GET /v1/ping?deep=1 HTTP/1.1\r\n"));
        assert_non_null(strstr(request, "Host: localhost\r\n"));
    }
    rig_run(&r, (const char *[]){"url", url, NULL}, NULL);
    expect_result(&r, REASON_REFUSED, "/a.sock");
    rmdir(dir);
}

static void test_request(void **state)
{
    (void)state;
    struct server s = {.n_scripts = 0};
    struct harness r;
    SCRIPT(&s, {ACT_READ, NULL}, {ACT_SEND, OK_REPLY}, {ACT_FIN, NULL});
    server_start(&s, NULL);
    char to[32];
    snprintf(to, sizeof to, "127.0.0.1:%u", (unsigned)s.port);
    rig_run(&r,
            (const char *[]){"url", "http://app.invalid/p?q=1", "connect_to", to, "method", "POST",
                             "body", "{}", "header", "X-One: 1\nX-Empty:\nUser-Agent: me",
                             "bearer_token", "tokentoken", NULL},
            NULL);
    expect_result(&r, REASON_OK, "HTTP 200");
    server_stop(&s);
    const char *q = s.requests[0];
    assert_int_equal(strncmp(q, "POST /p?q=1 HTTP/1.1\r\n", 22), 0);
    assert_non_null(strstr(q, "\r\nHost: app.invalid\r\n"));
    assert_non_null(strstr(q, "\r\nX-One: 1\r\n"));
    assert_non_null(strstr(q, "\r\nX-Empty:\r\n"));
    assert_non_null(strstr(q, "\r\nUser-Agent: me\r\n"));
    assert_non_null(strstr(q, "\r\nContent-Length: 2\r\n"));
    assert_non_null(strstr(q, "\r\nAuthorization: Bearer tokentoken\r\n"));
    assert_non_null(strstr(q, "\r\nConnection: close\r\n"));
    assert_null(strstr(q, "Content-Type"));
    assert_null(strstr(q, "Accept-Encoding"));
    assert_null(strstr(q, "Expect"));
}

/* Each check opens a connection of its own and leaves none behind: the server, which serves one at
 * a time until its client has gone, could not answer the second otherwise. */
static void test_fresh_connections(void **state)
{
    (void)state;
    struct server s = {.n_scripts = 0};
    struct harness h;
    struct probe_report report;
    char *target;
    SCRIPT(&s, {ACT_READ, NULL}, {ACT_SEND, OK_REPLY}, {ACT_HANG, NULL});
    server_start(&s, NULL);
    void *conf = make_conf(
        (const char *[]){"url", url_of(&s, "http", "/"), "header", "Connection: keep-alive", NULL},
        &report, &target);
    assert_non_null(conf);
    harness_open(&h);
    for (int i = 0; i < 3; i++) {
        harness_start(&h, &probe_type_http, conf, NULL);
        harness_wait(&h, GUARD_MS);
        expect_result(&h, REASON_OK, "HTTP 200");
    }
    harness_close(&h);
    probe_type_http.dispose(conf);
    free(target);
    server_stop(&s);
    assert_int_equal(s.n_requests, 3);
}

/* ---- Cancel ---- */

static void cancel_at(const char *note, const struct step *steps)
{
    struct server s = {.n_scripts = 0};
    struct harness r;
    server_script(&s, steps);
    server_start(&s, NULL);
    rig_run(&r, (const char *[]){"url", url_of(&s, "http", "/p"), "expect_body", "x", NULL}, note);
    server_stop(&s);
    assert_true(r.cancelled);
    assert_false(r.finished);
    assert_non_null(strstr(r.note, note));
}

static void test_cancel(void **state)
{
    (void)state;
    cancel_at("", (struct step[]){{ACT_HANG, NULL}, {ACT_END, NULL}});
    cancel_at("no reply to GET http://127.0.0.1:",
              (struct step[]){{ACT_HANG, NULL}, {ACT_END, NULL}});
    cancel_at(
        "its headers have no end",
        (struct step[]){READ, SEND("HTTP/1.1 200 OK\r\nX"), {ACT_HANG, NULL}, {ACT_END, NULL}});
    cancel_at(
        "no body yet",
        (struct step[]){READ, SEND("HTTP/1.1 200 OK\r\n\r\n"), {ACT_HANG, NULL}, {ACT_END, NULL}});
    cancel_at("the body stopped after 3 bytes",
              (struct step[]){
                  READ, SEND("HTTP/1.1 200 OK\r\n\r\nabc"), {ACT_HANG, NULL}, {ACT_END, NULL}});
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenes),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_unix_socket),
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_fresh_connections),
        cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
