/* stream: see stream.h. The dialled descriptor goes to a uv handle; TLS, where asked, stands
 * between its bytes and the owner's. An event may make the owner close the stream; its memory stays
 * until the loop says on_closed, so the state is looked at after each. */
#include "net/stream.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "host.h"
#include "net/socket.h"

#define READ_SIZE  16384
#define JUDGING_MS 250 /* for a server that says nothing more when it takes our certificate */
#define PARTING_MS 100 /* for the peer's FIN after ours */
#define HASTY_MS   5   /* the same once the run is cancelled, beside four round trips */

/* What one connection may take of one turn of the loop; the rest waits for the next turn. */
#define TURN_BYTES ((size_t)64 * 1024)
#define TURN_NS    (2 * NS_PER_MS)

/* Answers to a peer that reads none would pile up; one write may go beyond it. */
#define UNTAKEN_MAX ((size_t)256 * 1024)

/* A write in flight: the request and its bytes in one piece. */
struct out {
    uv_write_t req;
    struct stream *stream;
    char data[];
};

struct stream_dial {
    struct dial dial;
    struct stream *stream;
};

static void move(struct stream *s, enum stream_state to)
{
    enum { OVER = 1 << STREAM_FAILED | 1 << STREAM_CLOSING };
    static const unsigned next[] = {
        [STREAM_DIALLING] = 1 << STREAM_HANDSHAKING | 1 << STREAM_OPEN | OVER,
        [STREAM_HANDSHAKING] = 1 << STREAM_JUDGING | OVER,
        [STREAM_JUDGING] = 1 << STREAM_OPEN | OVER,
        [STREAM_OPEN] = 1 << STREAM_HANDSHAKING | 1 << STREAM_ENDED | 1 << STREAM_PARTING | OVER,
        [STREAM_ENDED] = OVER,
        [STREAM_FAILED] = 1 << STREAM_CLOSING,
        [STREAM_PARTING] = 1 << STREAM_CLOSING,
        [STREAM_CLOSING] = 0,
    };
    assert(next[s->state] & 1U << to);
    s->state = to;
}

/* False: it failed or was closed, perhaps by the event just told. */
static bool is_live(const struct stream *s)
{
    return s->state < STREAM_FAILED;
}

static void fail(struct stream *s, enum reason reason, const char *words)
{
    if (!is_live(s))
        return;
    move(s, STREAM_FAILED);
    char detail[700];
    snprintf(detail, sizeof detail, "%s: %s", s->peer, words);
    s->events->on_fail(s, reason, detail);
}

static void fail_uv(struct stream *s, int rc)
{
    enum reason reason = reason_from_errno(-rc);
    fail(s, rc == UV_ENOBUFS ? REASON_PROTOCOL : reason,
         rc == UV_ENOBUFS         ? "it has us answer without end, and takes no answer"
         : reason == REASON_RESET ? "connection reset"
                                  : uv_strerror(rc));
}

/* ---- Out. ---- */

static void on_written(uv_write_t *req, int status)
{
    struct out *o = container_of(req, struct out, req);
    struct stream *s = o->stream;
    free(o);
    if (status < 0 && status != UV_ECANCELED)
        fail_uv(s, status);
}

static int send_bytes(struct stream *s, const void *data, size_t len)
{
    if (!len)
        return 0;
    uv_buf_t b = uv_buf_init((char *)(uintptr_t)data, (unsigned)len);
    int sent = uv_try_write(&s->uv.stream, &b, 1);
    if (sent < 0 && sent != UV_EAGAIN)
        return sent;
    size_t done = sent > 0 ? (size_t)sent : 0;
    if (done == len || uv_stream_get_write_queue_size(&s->uv.stream) > UNTAKEN_MAX)
        return done == len ? 0 : UV_ENOBUFS;
    struct out *o = malloc(sizeof *o + len - done);
    if (!o)
        return UV_ENOMEM;
    o->stream = s;
    memcpy(o->data, (const char *)data + done, len - done);
    b = uv_buf_init(o->data, (unsigned)(len - done));
    int rc = uv_write(&o->req, &s->uv.stream, &b, 1, on_written);
    if (rc < 0)
        free(o);
    return rc;
}

void stream_write(struct stream *s, const void *data, size_t len)
{
    if (!is_live(s))
        return;
    int rc;
    if (!s->tls) {
        rc = send_bytes(s, data, len);
    } else {
        struct buf out;
        struct err e;
        buf_init(&out, SIZE_MAX / 2);
        if (tls_write(s->tls, data, len, &out, &e) < 0) {
            buf_fini(&out);
            fail(s, REASON_TLS, e.text);
            return;
        }
        rc = send_bytes(s, out.data, out.len);
        buf_fini(&out);
    }
    if (rc < 0)
        fail_uv(s, rc);
}

/* ---- In. ---- */

static void tell_open(struct stream *s)
{
    move(s, STREAM_OPEN);
    s->events->on_open(s);
}

static void tell_eof(struct stream *s)
{
    move(s, STREAM_ENDED);
    uv_read_stop(&s->uv.stream);
    s->events->on_eof(s);
}

static void on_timer(uv_timer_t *timer);

static void wait_in(struct stream *s, enum stream_state state, int64_t ms)
{
    move(s, state);
    s->until = clock_now() + ms * NS_PER_MS;
    uv_timer_start(&s->timer, on_timer, s->paused ? 0 : (uint64_t)ms, 0);
}

/* Is the certificate good for long enough? */
static void look_at_days(struct stream *s)
{
    struct err e;
    if (tls_days_left(tls_not_after(s->tls), s->tls_options.conf->min_days, &e) < 0)
        probe_degraded(s->run, "%s", e.text);
}

/* The handshake is over: is ours good for the server? */
static void after_handshake(struct stream *s)
{
    look_at_days(s);
    wait_in(s, STREAM_JUDGING, JUDGING_MS);
}

static void take_tls(struct stream *s, const void *data, size_t len)
{
    struct buf plain, out;
    struct err e;
    bool done = false, eof = false, knew = tls_not_after(s->tls) != 0;
    buf_init(&plain, SIZE_MAX / 2);
    buf_init(&out, SIZE_MAX / 2);
    int rc = tls_feed(s->tls, data, len, &plain, &out, &done, &eof, &e);
    enum reason reason = tls_reason(s->tls);
    int sent = send_bytes(s, out.data, out.len); /* an alert too */
    buf_fini(&out);
    if (!knew && tls_not_after(s->tls))
        probe_cert_expiry(s->run, tls_not_after(s->tls), tls_earliest(s->tls));
    if (done && s->state == STREAM_HANDSHAKING)
        after_handshake(s);
    if (rc == 0 && s->state == STREAM_JUDGING && tls_is_judged(s->tls))
        tell_open(s);
    if (plain.len && s->state == STREAM_OPEN)
        s->events->on_data(s, plain.data, plain.len);
    buf_fini(&plain);
    if (rc < 0)
        fail(s, reason, e.text);
    else if (sent < 0)
        fail_uv(s, sent);
    else if (eof && s->state == STREAM_OPEN)
        tell_eof(s);
    else if (eof)
        fail(s, REASON_CLOSED, "closed during the TLS handshake");
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *b)
{
    static char shared[READ_SIZE]; /* the loop is one thread, and the bytes are taken at once */
    (void)handle, (void)suggested;
    *b = uv_buf_init(shared, sizeof shared);
}

static void end_tls(struct stream *s)
{
    if (s->tls && s->run)
        tls_remember(s->tls, s->run);
    tls_delete(s->tls);
    s->tls = NULL;
}

static void shut(struct stream *s)
{
    end_tls(s);
    move(s, STREAM_CLOSING);
    closer_close(&s->closer);
}

/* After our FIN. False: nothing more is waited for. */
static bool take_late(struct stream *s, const char *data, ssize_t len)
{
    s->turn_bytes += len > 0 ? (size_t)len : 0;
    return len > 0 && s->turn_bytes < TURN_BYTES && tls_feed_late(s->tls, data, (size_t)len) == 0;
}

/* Reading goes on in the next turn where this one's share is used up. */
static void keep_share(struct stream *s, size_t n)
{
    uint64_t turn = uv_now(s->timer.loop);
    int64_t now = clock_now();
    if (turn != s->turn) {
        s->turn = turn;
        s->turn_bytes = 0;
        s->turn_began = now;
    }
    s->turn_bytes += n;
    if (s->turn_bytes < TURN_BYTES && now - s->turn_began < TURN_NS)
        return;
    uv_read_stop(&s->uv.stream);
    s->paused = true;
    uv_timer_start(&s->timer, on_timer, 0, 0);
}

static void on_read(uv_stream_t *handle, ssize_t n, const uv_buf_t *b)
{
    struct stream *s = container_of((uv_handle_t *)handle, struct stream, uv.handle);
    if (n == 0)
        return;
    if (s->state == STREAM_PARTING) {
        if (!take_late(s, b->base, n))
            shut(s);
        return;
    }
    if (n > 0)
        keep_share(s, (size_t)n); /* first: the stream may be closed by what the bytes are */
    if (n == UV_EOF)
        n = socket_eof_or_error(&s->uv.handle);
    if (!is_live(s))
        return;
    if (n > 0 && s->tls)
        take_tls(s, b->base, (size_t)n);
    else if (n > 0 && s->state == STREAM_OPEN)
        s->events->on_data(s, b->base, (size_t)n);
    else if (n == UV_EOF && s->state != STREAM_OPEN)
        fail(s, REASON_CLOSED, "closed during the TLS handshake");
    else if (n == UV_EOF) {
        s->is_cut = s->tls != NULL;
        tell_eof(s);
    } else if (n < 0)
        fail_uv(s, (int)n);
}

/* One timer: a pause ends, and a state that lasts for some time does. */
static void on_timer(uv_timer_t *timer)
{
    struct stream *s = container_of(timer, struct stream, timer);
    int64_t left = s->until - clock_now();
    if (s->paused && s->state != STREAM_CLOSING) {
        s->paused = false;
        if (s->state != STREAM_ENDED)
            uv_read_start(&s->uv.stream, on_alloc, on_read);
    }
    if (s->state != STREAM_JUDGING && s->state != STREAM_PARTING)
        return;
    if (left <= 0 && s->patience && s->run->deadline > clock_now()) {
        left += s->patience;
        s->until += s->patience;
        s->patience = 0;
    } else if (left <= 0 && s->patience) {
        left += socket_round_trips(&s->uv.handle, 4, s->patience);
    }
    if (left > 0)
        uv_timer_start(timer, on_timer, (uint64_t)(left / NS_PER_MS) + 1, 0);
    else if (s->state == STREAM_JUDGING)
        tell_open(s);
    else
        shut(s);
}

/* ---- Begin. ---- */

static void on_all_closed(struct closer *c)
{
    struct stream *s = container_of(c, struct stream, closer);
    s->on_closed(s);
}

static void init(struct stream *s)
{
    uv_loop_t *loop = s->run->env->loop;
    closer_init(&s->closer, loop, on_all_closed);
    uv_timer_init(loop, &s->timer);
    closer_add(&s->closer, &s->timer);
}

static int adopt_fd(struct stream *s, int fd, bool is_unix)
{
    uv_loop_t *loop = s->run->env->loop;
    int rc = is_unix ? uv_pipe_init(loop, &s->uv.pipe, 0) : uv_tcp_init(loop, &s->uv.tcp);
    if (rc == 0) {
        closer_add(&s->closer, &s->uv.handle);
        rc = is_unix ? uv_pipe_open(&s->uv.pipe, fd) : uv_tcp_open(&s->uv.tcp, fd);
    }
    if (rc < 0)
        close(fd);
    return rc < 0 ? rc : uv_read_start(&s->uv.stream, on_alloc, on_read);
}

static void begin_tls(struct stream *s, const char *host)
{
    struct err e;
    move(s, STREAM_HANDSHAKING);
    probe_phase(s->run, PHASE_TLS);
    probe_note(s->run, "connected to %s, TLS handshake under way", s->peer);
    s->tls = tls_open(&s->tls_options, host, &e);
    if (!s->tls)
        fail(s, REASON_TLS, e.text);
    if (!s->tls)
        return;
    tls_resume(s->tls, s->run, s->peer);
    take_tls(s, NULL, 0);
}

static void on_dial_closed(struct dial *d)
{
    struct stream_dial *sd = container_of(d, struct stream_dial, dial);
    struct stream *s = sd->stream;
    free(sd);
    closer_drop(&s->closer);
}

static void end_dial(struct stream *s)
{
    struct stream_dial *sd = s->dial;
    s->dial = NULL;
    if (sd)
        dial_close(&sd->dial, on_dial_closed);
}

static void on_dialled(struct dial *d)
{
    struct stream *s = container_of(d, struct stream_dial, dial)->stream;
    if (d->reason != REASON_OK) {
        move(s, STREAM_FAILED);
        s->gone = d->gone;
        s->events->on_fail(s, d->reason, d->detail);
        return;
    }
    memcpy(s->peer, d->peer, sizeof s->peer);
    const struct endpoint *ep = d->ep;
    int rc = adopt_fd(s, d->fd, ep->path != NULL);
    end_dial(s);
    if (rc < 0)
        fail_uv(s, rc);
    else if (s->tls_options.conf)
        begin_tls(s, ep->host);
    else
        tell_open(s);
}

void stream_open(struct stream *s, struct probe_run *run, const struct endpoint *ep,
                 const struct tls_options *tls, const struct stream_events *events, void *owner)
{
    *s = (struct stream){.run = run, .events = events, .owner = owner, .tls_options = *tls};
    init(s);
    s->dial = calloc(1, sizeof *s->dial);
    if (!s->dial) {
        fail(s, REASON_INTERNAL, "out of memory");
        return;
    }
    s->dial->stream = s;
    closer_hold(&s->closer);
    dial_start(&s->dial->dial, run, ep, on_dialled);
}

void stream_start(struct stream *s, struct probe_run *run, const struct endpoint *ep,
                  const struct tls_conf *tls, const struct stream_events *events, void *owner)
{
    const struct tls_options options = {.conf = (struct tls_conf *)(uintptr_t)tls};
    stream_open(s, run, ep, &options, events, owner);
}

void stream_start_tls(struct stream *s, const struct tls_options *tls, const char *host)
{
    if (!is_live(s))
        return;
    s->tls_options = *tls;
    begin_tls(s, host);
}

const char *stream_alpn(const struct stream *s)
{
    return s->tls ? tls_alpn(s->tls) : "";
}

int stream_listener_pid(const struct stream *s)
{
    return str_starts(s->peer, "unix:") ? socket_listener_pid(&s->uv.handle) : 0;
}

void stream_adopt(struct stream *s, struct probe_run *run)
{
    if (!run && s->run && s->tls)
        tls_remember(s->tls, s->run);
    s->run = run;
    if (run && s->tls)
        look_at_days(s);
}

/* ---- End. ---- */

static void on_shut_down(uv_shutdown_t *req, int status)
{
    struct stream *s = container_of(req, struct stream, shutdown);
    if (status < 0 && s->state == STREAM_PARTING)
        shut(s);
}

/* FIN, then the peer's is awaited while the run has time: bytes that are unread at the close, or
 * come later, reset the connection. A peer that never accepts must not hold up a command's end. */
static void part(struct stream *s)
{
    int64_t ms = PARTING_MS;
    if (s->run && s->run->deadline) {
        int64_t left = (s->run->deadline - clock_now()) / NS_PER_MS;
        ms = left < ms ? left : ms;
    }
    if (ms <= 0 || uv_shutdown(&s->shutdown, &s->uv.stream, on_shut_down) < 0) {
        shut(s);
        return;
    }
    if (s->run && s->run->deadline && HASTY_MS < ms)
        s->patience = (ms - HASTY_MS) * NS_PER_MS;
    wait_in(s, STREAM_PARTING, s->patience ? HASTY_MS : ms);
    s->turn_bytes = 0;
}

static void say_close_notify(struct stream *s)
{
    struct buf out;
    buf_init(&out, READ_SIZE);
    tls_shutdown(s->tls, &out);
    send_bytes(s, out.data, out.len);
    buf_fini(&out);
}

void stream_close(struct stream *s, void (*on_closed)(struct stream *s))
{
    bool was_open = s->state == STREAM_OPEN;
    assert(s->state < STREAM_PARTING);
    s->on_closed = on_closed;
    if (s->reset && (was_open || s->state == STREAM_ENDED))
        socket_reset_at_close(&s->uv.handle);
    else if (s->tls && (was_open || s->state == STREAM_ENDED))
        say_close_notify(s);
    if (s->tls && !(s->run && tls_may_remember(s->tls, s->run)))
        end_tls(s);
    end_dial(s);
    if (was_open && !s->reset && !s->at_once)
        part(s);
    else
        shut(s);
}
