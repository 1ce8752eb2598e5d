/* What the http type reads: by the first byte a status list, a URL and a Location, a JSON rule with
 * a body, or a whole reply, which comes over a loopback connection, in HTTP/1 or ('2') HTTP/2. Of a
 * reply that is taken for good, what makes it so must have been there. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/str.h"
#include "http/http_exchange.h"
#include "http/http_failure.h"
#include "http/http_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void fuzz_status(const char *text)
{
    struct status_set set;
    if (status_set_parse(&set, text, NULL) < 0)
        return;
    int n = 0;
    for (int status = -1; status <= HTTP_STATUS_END; status++)
        n += status_set_has(&set, status);
    must(n > 0 && n <= 500);
}

/* Text up to the first newline, the rest after it. */
static const char *split(char *text)
{
    char *end = strchr(text, '\n');
    if (!end)
        return "";
    *end = '\0';
    return end + 1;
}

static void fuzz_url(char *text)
{
    struct http_url base, to, again;
    const char *location = split(text);
    if (http_url_parse(&base, text, NULL) < 0)
        return;
    must(base.port != 0 && *base.host && *base.path == '/' && !strpbrk(base.shown, "\r\n"));
    if (http_url_resolve(&to, &base, location, NULL) == 0) {
        must(!to.user && !to.password && to.port != 0);
        /* What goes to the library means what was shown and dialled. */
        if (!to.socket_path && http_url_parse(&again, to.text, NULL) == 0) {
            must(again.port == to.port && again.tls == to.tls && !again.user);
            http_url_fini(&again);
        }
        http_url_fini(&to);
    }
    http_url_fini(&base);
}

static void fuzz_json(char *text, size_t size)
{
    struct json_rule rule;
    struct err e;
    const char *body = split(text);
    struct http_reply reply = {0};
    if (json_rule_parse(&rule, text, &e) < 0)
        return;
    buf_init(&reply.body, 1 << 16);
    buf_add(&reply.body, body, *body ? (size_t)(text + size - body) : 0);
    struct pattern_budget budget = {PATTERN_STEPS};
    json_rules_check(&rule, 1, &reply, &budget, &e);
    buf_fini(&reply.body);
    json_rule_fini(&rule);
}

/* ---- A reply ---- */

struct fuzz_run {
    struct probe_run run;
    struct http_exchange exchange;
    bool done, ended;
};

static void on_done(struct http_exchange *x)
{
    container_of(x, struct fuzz_run, exchange)->done = true;
}

static void on_ended(struct http_exchange *x)
{
    container_of(x, struct fuzz_run, exchange)->ended = true;
}

static int listener = -1;

/* Where the run finds it; everything but the accept is the kernel's. */
static uint16_t listen_once(void)
{
    static struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    if (listener < 0) {
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        must(bind(listener, (struct sockaddr *)&a, len) == 0 && listen(listener, 8) == 0);
        must(getsockname(listener, (struct sockaddr *)&a, &len) == 0);
    }
    return ntohs(a.sin_port);
}

static void check_result(struct fuzz_run *f)
{
    struct err e;
    struct http_exchange *x = &f->exchange;
    struct http_text location;
    enum reason reason = http_failure(x, &e);
    if (reason == REASON_OK) {
        /* A status that is not wanted is the verdict, whatever became of the body. */
        bool refused = !status_set_has(&x->conf->expect.status, x->reply.status);
        must(x->reached == HTTP_BODY);
        must(refused || x->outcome == HTTP_WHOLE || x->outcome == HTTP_ENOUGH);
        must(x->reply.status >= 0 && x->reply.status < HTTP_STATUS_END);
        reason = http_expect_check(&x->conf->expect, &x->reply, &e);
        must(!refused || reason == REASON_MISMATCH || reason == REASON_AUTH);
    } else {
        must(*e.text != '\0' && memchr(e.text, '\0', sizeof e.text));
    }
    must(x->reply.body.len <= x->conf->max_body);
    http_exchange_redirects(x, &location);
}

static void fuzz_reply(const struct http_conf *conf, const char *data, size_t size)
{
    uv_loop_t loop;
    struct endpoint ep = {.host = (char *)(uintptr_t) "127.0.0.1", .port = listen_once()};
    must(uv_loop_init(&loop) == 0);
    struct probe_env env = {.loop = &loop};
    struct fuzz_run f = {.run = {.conf = conf, .env = &env, .deadline = clock_now() + NS_PER_S}};
    f.exchange = (struct http_exchange){.run = &f.run,
                                        .conf = conf,
                                        .url = &conf->url,
                                        .ep = &ep,
                                        .method = "GET",
                                        .at_origin = true};
    http_exchange_start(&f.exchange, on_done);
    int fd = accept(listener, NULL, NULL);
    if (send(fd, data, size, MSG_NOSIGNAL) < 0)
        size = 0;
    shutdown(fd, SHUT_WR);
    while (!f.done)
        uv_run(&loop, UV_RUN_ONCE);
    check_result(&f);
    http_exchange_end(&f.exchange, on_ended);
    while (!f.ended)
        uv_run(&loop, UV_RUN_ONCE);
    probe_env_close(&env);
    uv_run(&loop, UV_RUN_DEFAULT);
    must(uv_loop_close(&loop) == 0);
    /* Reset: thousands of runs a second would leave as many TIME_WAITs. */
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    close(fd);
}

static const struct http_conf *make_conf(enum http_version version)
{
    static struct http_conf conf;
    static struct json_rule rule;
    conf.version = version;
    if (conf.max_body)
        return &conf;
    conf.max_body = 4096;
    conf.max_body_text = strdup("4KiB");
    conf.method = strdup("GET");
    conf.expect.status_text = strdup("200-399");
    must(http_patterns_add(&conf.expect.body, "u[a-z]*p", false, NULL) == 0);
    must(http_patterns_add(&conf.expect.header, "^X-Up: *y", true, NULL) == 0);
    conf.expect.json = &rule;
    conf.expect.n_json = 1;
    conf.follow = true;
    must(http_url_parse(&conf.url, "http://127.0.0.1/", NULL) == 0);
    must(status_set_parse(&conf.expect.status, "200-399", NULL) == 0);
    must(json_rule_parse(&rule, "/a/0/b~1c = up", NULL) == 0);
    return &conf;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = str_dup_n((const char *)data + 1, size - 1);
    if (!text)
        return 0;
    switch (data[0]) {
    case 's':
        fuzz_status(text);
        break;
    case 'u':
        fuzz_url(text);
        break;
    case 'j':
        fuzz_json(text, size - 1);
        break;
    default:
        fuzz_reply(make_conf(data[0] == '2' ? HTTP_VERSION_2 : HTTP_VERSION_ANY), text, size - 1);
        break;
    }
    free(text);
    return 0;
}
