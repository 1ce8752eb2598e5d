/* http_fetch: see http_fetch.h. */
#include "net/http_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <uv.h>

#include "base/clock.h"
#include "base/str.h"
#include "host.h"
#include "loop/loop.h"

struct fetch {
    struct http_fetch *f;
    uv_loop_t loop;
    uv_timer_t timer;
    struct probe_env env;
    struct probe_run run; /* of nobody */
    struct http1 http1;
    struct tls_options tls;
    size_t head_bytes;
    bool has_head, head_too_long, body_too_long;
    bool is_over, is_late, is_closed;
};

static void on_open(struct http1 *c)
{
    struct http_fetch *f = container_of(c, struct fetch, http1)->f;
    c->stream.reset = f->follows; /* a FIN would end what `fd` goes on with */
    http1_send(c, f->request, HTTP_WIRE_ANY);
}

static bool on_line(void *owner, const char *line, size_t len)
{
    struct fetch *t = container_of((struct http1 *)owner, struct fetch, http1);
    bool empty = line[0] == '\r' || line[0] == '\n';
    t->head_bytes += len;
    t->head_too_long = t->head_bytes > t->f->head_max;
    t->has_head = t->has_head || (empty && t->http1.wire.status >= 200);
    return !t->head_too_long;
}

static bool on_body(void *owner, const char *data, size_t len)
{
    struct fetch *t = container_of((struct http1 *)owner, struct fetch, http1);
    if (t->f->content && buf_add(t->f->content, data, len) < 0)
        t->body_too_long = true;
    return !t->body_too_long;
}

/* HTTP1_STOPPED says it. */
static void on_junk(void *owner, const char *data, size_t len)
{
    (void)owner, (void)data, (void)len;
}

static void on_over(struct http1 *c)
{
    container_of(c, struct fetch, http1)->is_over = true;
}

static void on_closed(struct http1 *c)
{
    container_of(c, struct fetch, http1)->is_closed = true;
}

static void on_late(uv_timer_t *timer)
{
    container_of(timer, struct fetch, timer)->is_late = true;
}

/* What went wrong; 0: nothing did. */
static int judge(const struct fetch *t, enum reason *reason, struct err *e)
{
    const struct http1 *c = &t->http1;
    *reason = REASON_PROTOCOL;
    if (t->head_too_long)
        return err_set(e, "the head of the answer is over %zu bytes", t->f->head_max);
    if (t->body_too_long)
        return err_set(e, "the answer is over %zu bytes", t->f->content->cap);
    if (t->f->follows && t->has_head)
        return 0;
    if (!t->is_over) {
        *reason = REASON_TIMEOUT;
        return err_set(e, "no answer in time");
    }
    switch (c->outcome) {
    case HTTP1_WHOLE:
        return c->wire.extra ? err_set(e, "more came than the answer announced") : 0;
    case HTTP1_STOPPED:
        return err_set(e, "what answers there is not HTTP");
    case HTTP1_BROKEN:
        return err_set(e, "a broken answer: %s", c->wire.broken);
    case HTTP1_CLOSED:
        break;
    case HTTP1_FAILED:
        *reason = c->reason;
        *e = c->error;
        return -1;
    }
    *reason = REASON_CLOSED;
    return t->head_bytes || c->wire.line.len
               ? err_set(e, "the connection was closed before the answer was whole")
               : err_set(e, "the connection was closed without an answer");
}

/* A descriptor that outlives the stream. */
static int keep(struct fetch *t, struct err *e)
{
    uv_os_fd_t fd;
    int rc = uv_fileno(&t->http1.stream.uv.handle, &fd);
    t->f->fd = rc < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return t->f->fd < 0 ? err_errno(e, rc < 0 ? -rc : errno, "the connection") : 0;
}

static int run(struct fetch *t, enum reason *reason, struct err *e)
{
    static const struct http1_events events = {
        .on_open = on_open,
        .reply = {.on_line = on_line, .on_body = on_body, .on_junk = on_junk},
        .on_over = on_over,
    };
    int64_t left = t->f->deadline - clock_now();
    t->tls.conf = t->f->tls;
    http1_start(&t->http1, &t->run, t->f->ep, t->f->tls ? &t->tls : NULL, t->f->tls_host, &events);
    uv_timer_start(&t->timer, on_late, left > 0 ? (uint64_t)(left / NS_PER_MS + 2) : 0, 0);
    while (!t->is_over && !t->is_late && !(t->f->follows && t->has_head))
        uv_run(&t->loop, UV_RUN_ONCE);
    int rc = judge(t, reason, e);
    t->f->status = t->http1.wire.status;
    if (rc == 0 && t->f->follows && !t->is_over)
        rc = keep(t, e);
    http1_close(&t->http1, on_closed);
    return rc < 0 ? -1 : t->f->status;
}

int http_fetch(struct http_fetch *f, enum reason *reason, struct err *e)
{
    struct fetch t = {.f = f};
    f->fd = -1;
    *reason = REASON_INTERNAL;
    if (loop_init(&t.loop, e) < 0)
        return -1;
    t.env.loop = &t.loop;
    t.run = (struct probe_run){.env = &t.env, .started = clock_now(), .deadline = f->deadline};
    uv_timer_init(&t.loop, &t.timer);
    int status = run(&t, reason, e);
    while (!t.is_closed)
        uv_run(&t.loop, UV_RUN_ONCE);
    probe_env_close(&t.env);
    uv_close((uv_handle_t *)&t.timer, NULL);
    uv_run(&t.loop, UV_RUN_DEFAULT);
    uv_loop_close(&t.loop);
    return status;
}
