/* request: one HTTP request from its line to its answer, and what is refused before any route sees
 * it. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/internal.h"

struct serve *request_serve(const struct request *req)
{
    return req->conn->listener->serve;
}

void request_end_wait(struct request *req)
{
    struct serve *s = request_serve(req);
    req->wait_until = 0;
    s->look_at_waits = true;
    serve_want_turn(s);
}

void request_stop(struct request *req)
{
    struct document *d = req->document;
    if (d && d->started)
        conn_move(req->conn, CONN_SENDING);
    else
        request_text(req, MHD_HTTP_SERVICE_UNAVAILABLE, "the agent is stopping\n");
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
    if (conn_is_suspended(req->conn))
        conn_move(req->conn, CONN_ANSWERED);
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

struct head {
    int lengths, codings, hosts;
    bool large, odd;
};

/* A name that RFC 9112 takes, directly before its value. libmicrohttpd takes a blank before the
 * colon into the name, and moves one that was folded away from its value: in both cases it and
 * others disagree on where the body ends. */
static bool is_plain(const char *key, const char *value)
{
    size_t len = strcspn(key, " \t");
    if (key[len])
        return false;
    const char *after = key + len + 1;
    if (!value || value < after || value - after > POOL_BYTES)
        return !value;
    while (after < value && (*after == ' ' || *after == '\t'))
        after++;
    return after == value;
}

static enum MHD_Result read_header(void *cls, enum MHD_ValueKind kind, const char *key,
                                   const char *value)
{
    struct head *h = cls;
    (void)kind;
    h->odd |= !is_plain(key, value);
    if (strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        h->lengths++;
        h->large |= value && strtoull(value, NULL, 10) > BODY_MAX;
    }
    h->codings += strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0;
    h->hosts += strcasecmp(key, MHD_HTTP_HEADER_HOST) == 0;
    return MHD_YES;
}

/* Is this a name that nobody else can have given to a loopback address? A page from elsewhere can
 * make a browser ask here, by a name of its own that leads to 127.0.0.1, and read the answer. */
static bool is_own_name(const char *host)
{
    char name[256], own[256] = "";
    struct in6_addr addr;
    bool bracketed = host[0] == '[';
    size_t len = bracketed ? strcspn(++host, "]") : strcspn(host, ":");
    if (len >= sizeof name)
        return false;
    memcpy(name, host, len);
    name[len] = '\0';
    if (bracketed)
        return inet_pton(AF_INET6, name, &addr) == 1;
    if (inet_pton(AF_INET, name, &addr) == 1)
        return true;
    if (len && name[len - 1] == '.')
        name[len - 1] = '\0';
    gethostname(own, sizeof own - 1);
    return strcasecmp(name, "localhost") == 0 || strcasecmp(name, own) == 0 || !*name;
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

/* The refusal is the answer then. */
static bool is_refused(struct request *req, const char *version)
{
    struct MHD_Connection *mhd = req->conn->mhd;
    struct head h = {0};
    MHD_get_connection_values(mhd, MHD_HEADER_KIND, read_header, &h);
    const char *host = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
    if (target_was_cut(req, version))
        request_text(req, MHD_HTTP_BAD_REQUEST, "bad request: a NUL byte in the request line\n");
    else if (strcmp(version, MHD_HTTP_VERSION_1_1) != 0 &&
             strcmp(version, MHD_HTTP_VERSION_1_0) != 0)
        request_text(req, MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.0 and HTTP/1.1\n");
    else if (h.odd)
        request_text(req, MHD_HTTP_BAD_REQUEST,
                     "bad request: a header with a blank in its name, or of more than one line\n");
    else if (h.lengths + h.codings > 1)
        request_text(req, MHD_HTTP_BAD_REQUEST, "bad request: more than one length of the body\n");
    /* libmicrohttpd 0.9 spins on a chunk's head that fills its buffer; no route needs a body. */
    else if (h.codings)
        request_text(req, MHD_HTTP_LENGTH_REQUIRED, "no chunked body is taken here\n");
    else if (h.large)
        request_text(req, 413, "the body is over %d bytes\n", BODY_MAX);
    else if (h.hosts > 1)
        request_text(req, MHD_HTTP_BAD_REQUEST, "bad request: more than one Host\n");
    else if (req->conn->by_loopback && host && !is_own_name(host))
        request_text(req, 421,
                     "misdirected: on loopback this agent answers to an IP address, to localhost "
                     "and to this machine's name; the Host header says something else\n");
    else
        return false;
    return true;
}

/* 0, or -1 with a refusal as the answer. */
static int examine(struct request *req, const char *url, const char *version)
{
    if (is_refused(req, version))
        return -1;
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

/* libmicrohttpd ends a connection without a word where a query's arguments do not fit into its
 * pool. Before it takes them apart nothing else of an answer is out: this is. */
static void refuse_arguments(struct conn *c)
{
    static const char answer[] = "HTTP/1.1 414 URI Too Long\r\nConnection: close\r\n"
                                 "Content-Type: text/plain; charset=utf-8\r\n"
                                 "Content-Length: 34\r\n\r\ntoo many arguments: at most 32 here\n";
    _Static_assert(ARGUMENTS_MAX == 32, "the answer names it");
    send(c->fd, answer, sizeof answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    conn_move(c, CONN_CUT);
}

static bool has_many_arguments(const char *uri)
{
    size_t n = 0;
    for (const char *at = strchr(uri, '?'); at && n <= ARGUMENTS_MAX; n++)
        at = strpbrk(at + 1, "&;");
    return n > ARGUMENTS_MAX;
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
    if (uri && has_many_arguments(uri))
        refuse_arguments(c);
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
    route_drop_wait(req);
    stream_free(req->document);
    if (req->response)
        MHD_destroy_response(req->response);
    c->request = NULL;
    if (c->state == CONN_SENDING && c->listener->state != LISTENER_DRAINING)
        conn_move(c, CONN_READING);
    else if (c->state != CONN_READING && c->state != CONN_CUT)
        conn_move(c, CONN_CUT);
    free(req->name);
    free(req->path);
    free(req);
}

static enum MHD_Result send_answer(struct request *req)
{
    struct MHD_Response *r = req->response;
    req->response = NULL;
    conn_move(req->conn, CONN_SENDING);
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
    if (!req || req->conn->state == CONN_CUT)
        return MHD_NO;
    if (*upload_size > 0) {
        /* Read and forgotten, so that the answer can be sent after it; not without end. */
        req->body += *upload_size;
        *upload_size = 0;
        return req->body > 16 * BODY_MAX ? MHD_NO : MHD_YES;
    }
    if (req->conn->state == CONN_ANSWERED)
        return req->response ? send_answer(req) : MHD_NO;
    /* An answer to the head alone would end the connection: only a refusal does. */
    if (!req->path)
        return examine(req, url, version) == 0 ? MHD_YES
               : req->response                 ? send_answer(req)
                                               : MHD_NO;
    conn_move(req->conn, CONN_ROUTING);
    if (req->body > BODY_MAX)
        request_text(req, 413, "the body is over %d bytes\n", BODY_MAX);
    else if (request_serve(req)->closing)
        request_text(req, MHD_HTTP_SERVICE_UNAVAILABLE, "the agent is stopping\n");
    else
        route_request(req, method);
    if (conn_is_suspended(req->conn))
        return MHD_YES;
    return req->response ? send_answer(req) : MHD_NO;
}
