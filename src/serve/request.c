/* request: one HTTP request from its line to its answer: what is refused before any route sees it,
 * suspending and resuming it, noticing that its client went away. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "serve/internal.h"

/* Watches a suspended connection's descriptor, which libmicrohttpd does not. */
struct watch {
    uv_poll_t poll;
    struct serve *serve;
    struct request *request; /* NULL: closing */
};

struct serve *request_serve(const struct request *req)
{
    return req->conn->shard->listener->serve;
}

/* ---- Suspending ---- */

static void on_watch_closed(uv_handle_t *h)
{
    struct watch *w = h->data;
    struct serve *s = w->serve;
    free(w);
    serve_handle_closed(s);
}

static void unwatch(struct request *req)
{
    if (!req->watch)
        return;
    req->watch->request = NULL;
    uv_close((uv_handle_t *)&req->watch->poll, on_watch_closed);
    req->watch = NULL;
}

static void on_gone(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;
    (void)status;
    (void)events;
    if (!w->request)
        return;
    w->request->gone = true;
    request_resume(w->request);
}

/* Without memory for it the client's end is seen when the answer is due. */
static void watch(struct request *req)
{
    struct serve *s = request_serve(req);
    struct watch *w = calloc(1, sizeof *w);
    if (!w)
        return;
    if (uv_poll_init(s->loop, &w->poll, req->conn->fd) < 0) {
        free(w);
        return;
    }
    w->poll.data = w;
    w->serve = s;
    w->request = req;
    req->watch = w;
    serve_handle_opened(s);
    uv_poll_start(&w->poll, UV_DISCONNECT, on_gone);
}

void request_suspend(struct request *req)
{
    if (req->suspended)
        return;
    MHD_suspend_connection(req->conn->mhd);
    req->suspended = true;
    watch(req);
}

void request_resume(struct request *req)
{
    if (!req->suspended)
        return;
    unwatch(req);
    req->suspended = false;
    MHD_resume_connection(req->conn->mhd);
    req->conn->shard->ready = true;
    serve_want_turn(request_serve(req));
}

void request_stop(struct request *req)
{
    if (req->stream)
        req->stream->failed = true;
    if (!req->response && !(req->stream && req->stream->started))
        request_text(req, MHD_HTTP_SERVICE_UNAVAILABLE, "the agent is stopping\n");
    request_resume(req);
}

/* ---- Answering ---- */

void request_headers(struct MHD_Response *r, const char *content_type)
{
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
}

void request_answer(struct request *req, unsigned status, const char *content_type,
                    struct buf *body)
{
    bool failed = body->failed;
    size_t len = body->len;
    char *data = buf_take(body);
    if (req->response)
        MHD_destroy_response(req->response);
    req->status = failed || !data ? MHD_HTTP_INTERNAL_SERVER_ERROR : status;
    req->response = data ? MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE)
                         : MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (req->response)
        request_headers(req->response, content_type);
    else
        free(data);
}

void request_text(struct request *req, unsigned status, const char *fmt, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    struct buf b;
    buf_init(&b, sizeof text);
    buf_add(&b, text, len);
    request_answer(req, status, "text/plain; charset=utf-8", &b);
}

/* ---- What came ---- */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decodes; refuses broken escapes, NUL and control bytes. */
static int decode(const char *in, char *out, size_t size)
{
    size_t n = 0;
    for (; *in; in++) {
        int c = (unsigned char)*in;
        if (c == '%') {
            int high = hex(in[1]), low = high < 0 ? -1 : hex(in[2]);
            if (low < 0)
                return -1;
            c = high * 16 + low;
            in += 2;
        }
        if (c < 0x20 || c == 0x7f || n + 1 >= size)
            return -1;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return 0;
}

int request_argument(struct request *req, const char *key, char *out, size_t size)
{
    const char *value = MHD_lookup_connection_value(req->conn->mhd, MHD_GET_ARGUMENT_KIND, key);
    if (!value)
        return 0;
    return decode(value, out, size) < 0 ? -1 : 1;
}

/* The path of an absolute-form target, "http://host/path", is what counts (RFC 9112, 3.2.2). */
static const char *path_of(const char *url)
{
    if (strncasecmp(url, "http://", 7) != 0)
        return url;
    const char *slash = strchr(url + 7, '/');
    return slash ? slash : "/";
}

struct framing {
    int lengths, codings;
    bool large;
};

static enum MHD_Result count_framing(void *cls, enum MHD_ValueKind kind, const char *key,
                                     const char *value)
{
    struct framing *f = cls;
    (void)kind;
    if (strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        f->lengths++;
        f->large |= value && strtoull(value, NULL, 10) > BODY_MAX;
    }
    f->codings += strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0;
    return MHD_YES;
}

/* Was there a NUL within the request's target? libmicrohttpd 0.9 ends the target at it, silently;
 * but the version follows the target's end directly in the same buffer. Later ones refuse it. */
static bool target_was_cut(const struct request *req, const char *version)
{
#if MHD_VERSION < 0x00097700
    return *version && req->uri_end && version != req->uri_end + 1;
#else
    (void)req;
    (void)version;
    return false;
#endif
}

/* 0, or -1 with a refusal as the answer. */
static int examine(struct request *req, const char *url, const char *version)
{
    struct framing f = {0};
    if (target_was_cut(req, version)) {
        request_text(req, MHD_HTTP_BAD_REQUEST, "bad request: a NUL byte in the request line\n");
        return -1;
    }
    if (strcmp(version, MHD_HTTP_VERSION_1_1) != 0 && strcmp(version, MHD_HTTP_VERSION_1_0) != 0) {
        request_text(req, MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.0 and HTTP/1.1\n");
        return -1;
    }
    MHD_get_connection_values(req->conn->mhd, MHD_HEADER_KIND, count_framing, &f);
    if (f.lengths + f.codings > 1) {
        request_text(req, MHD_HTTP_BAD_REQUEST, "bad request: more than one length of the body\n");
        return -1;
    }
    /* libmicrohttpd 0.9 spins on a chunk's head that fills its buffer; no route needs a body. */
    if (f.codings) {
        request_text(req, MHD_HTTP_LENGTH_REQUIRED, "no chunked body is taken here\n");
        return -1;
    }
    if (f.large) {
        request_text(req, 413, "the body is over %d bytes\n", BODY_MAX);
        return -1;
    }
    url = path_of(url);
    size_t size = strlen(url) + 1;
    req->path = malloc(size);
    if (!req->path) {
        request_text(req, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
        return -1;
    }
    if (decode(url, req->path, size) < 0) {
        request_text(req, MHD_HTTP_BAD_REQUEST,
                     "bad request: the path has a broken escape or a control byte\n");
        return -1;
    }
    return 0;
}

void *request_begin(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    (void)cls;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct conn *c = info ? info->socket_context : NULL;
    if (!c)
        return NULL;
    struct request *req = calloc(1, sizeof *req);
    if (!req)
        return NULL;
    req->conn = c;
    req->uri_end = uri ? uri + strlen(uri) : NULL;
    c->request = req;
    return req;
}

void request_end(void *cls, struct MHD_Connection *mhd, void **con_cls,
                 enum MHD_RequestTerminationCode code)
{
    struct request *req = *con_cls;
    (void)cls;
    (void)mhd;
    (void)code;
    *con_cls = NULL;
    if (!req)
        return;
    struct conn *c = req->conn;
    unwatch(req);
    route_drop_wait(req);
    stream_free(req->stream);
    if (req->response)
        MHD_destroy_response(req->response);
    c->request = NULL;
    c->busy = false;
    c->since = clock_now();
    c->deadline = time_add(c->since, REQUEST_TIMEOUT);
    free(req->name);
    free(req->path);
    free(req);
}

static enum MHD_Result send_answer(struct request *req)
{
    struct MHD_Response *r = req->response;
    req->response = NULL;
    req->conn->deadline = req->endless ? TIME_NEVER : time_add(clock_now(), ANSWER_TIMEOUT);
    enum MHD_Result rc = MHD_queue_response(req->conn->mhd, req->status, r);
    MHD_destroy_response(r);
    return rc;
}

enum MHD_Result request_handle(void *cls, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *upload,
                               size_t *upload_size, void **con_cls)
{
    struct request *req = *con_cls;
    (void)cls;
    (void)mhd;
    (void)upload;
    if (!req || req->gone)
        return MHD_NO;
    if (*upload_size > 0) {
        /* Read and forgotten, so that the answer can be sent after it; not without end. */
        req->body += *upload_size;
        *upload_size = 0;
        return req->body > 16 * BODY_MAX ? MHD_NO : MHD_YES;
    }
    if (req->response)
        return send_answer(req);
    /* An answer to the head alone would end the connection: only a refusal does. */
    if (!req->path)
        return examine(req, url, version) < 0 ? send_answer(req) : MHD_YES;
    req->conn->busy = true;
    req->conn->deadline = time_add(clock_now(), ANSWER_TIMEOUT);
    if (req->body > BODY_MAX)
        request_text(req, 413, "the body is over %d bytes\n", BODY_MAX);
    else if (request_serve(req)->closing)
        request_text(req, MHD_HTTP_SERVICE_UNAVAILABLE, "the agent is stopping\n");
    else
        route_request(req, method);
    if (req->suspended)
        return MHD_YES;
    return req->response ? send_answer(req) : MHD_NO;
}
