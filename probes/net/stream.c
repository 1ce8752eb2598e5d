/* stream: see stream.h. The dialled descriptor goes to a uv handle; TLS, where asked, stands
 * between its bytes and the owner's. Events may make the owner close the stream: nothing is touched
 * after. */
#include "net/stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "host.h"

#define READ_SIZE  16384
#define JUDGING_MS 250 /* for a server that says nothing more when it takes our certificate */

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

static void fail(struct stream *s, enum reason reason, const char *words)
{
    if (s->failed || s->closing)
        return;
    s->failed = true;
    char detail[700];
    snprintf(detail, sizeof detail, "%s: %s", s->peer, words);
    s->events->on_fail(s, reason, detail);
}

static void fail_uv(struct stream *s, int rc)
{
    enum reason reason = reason_from_errno(-rc);
    fail(s, reason, reason == REASON_RESET ? "connection reset" : uv_strerror(rc));
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
    if (done == len)
        return 0;
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
    if (s->failed || s->closing)
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
    if (s->told_open || s->closing || s->failed)
        return;
    s->told_open = true;
    s->events->on_open(s);
}

static void on_judged(uv_timer_t *timer)
{
    tell_open(timer->data);
}

static void wait_for_judgement(struct stream *s)
{
    s->judging = calloc(1, sizeof *s->judging);
    if (!s->judging) {
        fail(s, REASON_INTERNAL, "out of memory");
        return;
    }
    uv_timer_init(s->run->env->loop, s->judging);
    s->judging->data = s;
    uv_timer_start(s->judging, on_judged, JUDGING_MS, 0);
    s->n_open++;
}

/* The handshake is over: is the certificate good for long enough, and ours for the server? */
static void after_handshake(struct stream *s)
{
    struct err e;
    s->opened = true;
    if (tls_days_left(tls_not_after(s->tls), s->tls_options.conf->min_days, &e) < 0) {
        fail(s, REASON_TLS, e.text);
    } else if (!tls_is_judged(s->tls)) {
        wait_for_judgement(s);
    }
}

static void take_tls(struct stream *s, const void *data, size_t len)
{
    struct buf plain, out;
    struct err e;
    bool done = false, eof = false, knew = tls_not_after(s->tls) != 0;
    buf_init(&plain, SIZE_MAX / 2);
    buf_init(&out, SIZE_MAX / 2);
    int rc = tls_feed(s->tls, data, len, &plain, &out, &done, &eof, &e);
    int sent = send_bytes(s, out.data, out.len); /* an alert too */
    buf_fini(&out);
    if (!knew && tls_not_after(s->tls))
        probe_cert_expiry(s->run, tls_not_after(s->tls));
    if (done && !s->opened)
        after_handshake(s);
    if (done && rc == 0 && s->tls && tls_is_judged(s->tls))
        tell_open(s);
    if (plain.len && !s->closing && !s->failed)
        s->events->on_data(s, plain.data, plain.len);
    buf_fini(&plain);
    if (rc < 0)
        fail(s, REASON_TLS, e.text);
    else if (sent < 0)
        fail_uv(s, sent);
    else if (eof && !s->closing && !s->failed)
        s->events->on_eof(s);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *b)
{
    static char shared[READ_SIZE]; /* the loop is one thread, and the bytes are taken at once */
    (void)handle;
    (void)suggested;
    *b = uv_buf_init(shared, sizeof shared);
}

/* libuv says EOF of a connection that was reset after the bytes it has just read. */
static int eof_or_error(const uv_handle_t *handle)
{
    uv_os_fd_t fd;
    int errnum = 0;
    socklen_t len = sizeof errnum;
    if (uv_fileno(handle, &fd) < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0)
        return UV_EOF;
    return errnum ? -errnum : UV_EOF;
}

static void on_read(uv_stream_t *handle, ssize_t n, const uv_buf_t *b)
{
    struct stream *s = container_of((uv_handle_t *)handle, struct stream, uv.handle);
    if (s->closing || s->failed || n == 0)
        return;
    if (n == UV_EOF)
        n = eof_or_error(&s->uv.handle);
    if (n > 0 && s->tls)
        take_tls(s, b->base, (size_t)n);
    else if (n > 0)
        s->events->on_data(s, b->base, (size_t)n);
    else if (n == UV_EOF && !s->told_open)
        fail(s, REASON_CLOSED, "closed during the TLS handshake");
    else if (n == UV_EOF) {
        uv_read_stop(handle);
        s->events->on_eof(s);
    } else
        fail_uv(s, (int)n);
}

/* ---- Begin. ---- */

static int adopt_fd(struct stream *s, int fd, bool is_unix)
{
    uv_loop_t *loop = s->run->env->loop;
    int rc = is_unix ? uv_pipe_init(loop, &s->uv.pipe, 0) : uv_tcp_init(loop, &s->uv.tcp);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    s->n_open++;
    s->has_handle = true;
    rc = is_unix ? uv_pipe_open(&s->uv.pipe, fd) : uv_tcp_open(&s->uv.tcp, fd);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    return uv_read_start(&s->uv.stream, on_alloc, on_read);
}

static void begin_tls(struct stream *s, const char *host)
{
    struct err e;
    probe_phase(s->run, PHASE_TLS);
    probe_note(s->run, "connected to %s, TLS handshake under way", s->peer);
    s->tls = tls_open(&s->tls_options, host, &e);
    if (!s->tls)
        fail(s, REASON_TLS, e.text);
    else
        take_tls(s, NULL, 0);
}

static void one_closed(struct stream *s)
{
    if (--s->n_open == 0)
        s->on_closed(s);
}

static void on_dial_closed(struct dial *d)
{
    struct stream_dial *sd = container_of(d, struct stream_dial, dial);
    struct stream *s = sd->stream;
    free(sd);
    one_closed(s);
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
    const struct endpoint *ep = d->ep;
    if (d->reason != REASON_OK) {
        s->failed = true;
        s->events->on_fail(s, d->reason, d->detail);
        return;
    }
    memcpy(s->peer, d->peer, sizeof s->peer);
    int rc = adopt_fd(s, d->fd, ep->path != NULL);
    if (s->has_handle)
        end_dial(s);
    if (rc < 0)
        fail_uv(s, rc);
    else if (s->tls_options.conf)
        begin_tls(s, ep->host);
    else {
        s->opened = s->told_open = true;
        s->events->on_open(s);
    }
}

void stream_open(struct stream *s, struct probe_run *run, const struct endpoint *ep,
                 const struct tls_options *tls, const struct stream_events *events, void *owner)
{
    *s = (struct stream){.run = run, .events = events, .owner = owner, .tls_options = *tls};
    s->dial = calloc(1, sizeof *s->dial);
    if (!s->dial) {
        fail(s, REASON_INTERNAL, "out of memory");
        return;
    }
    s->dial->stream = s;
    s->n_open = 1; /* the dial */
    dial_start(&s->dial->dial, run, ep, on_dialled);
}

void stream_start(struct stream *s, struct probe_run *run, const struct endpoint *ep,
                  const struct tls_conf *tls, const struct stream_events *events, void *owner)
{
    const struct tls_options options = {.conf = (struct tls_conf *)(uintptr_t)tls};
    stream_open(s, run, ep, &options, events, owner);
}

int stream_take(struct stream *s, struct probe_run *run, int fd, const char *peer,
                const struct stream_events *events, void *owner)
{
    *s = (struct stream){.run = run, .events = events, .owner = owner};
    snprintf(s->peer, sizeof s->peer, "%s", peer);
    int rc = adopt_fd(s, fd, str_starts(peer, "unix:"));
    s->opened = s->told_open = rc == 0;
    s->failed = rc < 0;
    return rc;
}

void stream_start_tls(struct stream *s, const struct tls_options *tls, const char *host)
{
    if (s->failed || s->closing)
        return;
    s->tls_options = *tls;
    s->opened = s->told_open = false;
    begin_tls(s, host);
}

const char *stream_alpn(const struct stream *s)
{
    return s->tls ? tls_alpn(s->tls) : "";
}

void stream_adopt(struct stream *s, struct probe_run *run)
{
    s->run = run;
}

/* ---- End. ---- */

static void on_handle_closed(uv_handle_t *handle)
{
    one_closed(container_of(handle, struct stream, uv.handle));
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct stream *s = handle->data;
    free(handle);
    one_closed(s);
}

static void close_handle(struct stream *s)
{
    bool is_tcp = uv_handle_get_type(&s->uv.handle) == UV_TCP;
    if (s->tls && s->opened && !s->failed) {
        struct buf out;
        buf_init(&out, READ_SIZE);
        tls_shutdown(s->tls, &out);
        send_bytes(s, out.data, out.len);
        buf_fini(&out);
    }
    if (!is_tcp || s->tls || s->in_order || uv_tcp_close_reset(&s->uv.tcp, on_handle_closed) < 0)
        uv_close(&s->uv.handle, on_handle_closed);
}

void stream_close(struct stream *s, void (*on_closed)(struct stream *s))
{
    s->on_closed = on_closed;
    s->closing = true;
    s->n_open++; /* this call */
    if (s->judging)
        uv_close((uv_handle_t *)s->judging, on_timer_closed);
    if (s->has_handle)
        close_handle(s);
    tls_free(s->tls);
    s->tls = NULL;
    end_dial(s);
    one_closed(s);
}
