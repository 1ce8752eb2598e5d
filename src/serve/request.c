/* request: one HTTP request from its line to its answer: the callbacks of libmicrohttpd. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "serve/internal.h"

/* libmicrohttpd ends a connection without a word where a query's arguments do not fit into its
 * pool. It has not parsed them yet and has sent nothing, so the answer can be sent here. */
static void refuse_arguments(struct conn *c)
{
    static const char answer[] = "HTTP/1.1 414 URI Too Long\r\nConnection: close\r\n"
                                 "Content-Type: text/plain; charset=utf-8\r\n"
                                 "Content-Length: 36\r\n\r\ntoo many arguments: at most 32 here\n";
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

static void *begin(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct conn *c = info ? info->socket_context : NULL;
    if (!c)
        return NULL;
    struct request *req = calloc(1, sizeof *req);
    if (!req)
        return NULL;
    req->serve = cls;
    req->conn = c;
    req->uri_end = uri ? uri + strlen(uri) : NULL;
    c->request = req;
    if (uri && has_many_arguments(uri))
        refuse_arguments(c);
    return req;
}

static void end(void *cls, struct MHD_Connection *mhd, void **con_cls,
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
    waiting_drop(req);
    if (req->response)
        MHD_destroy_response(req->response);
    c->request = NULL;
    if (c->state == CONN_SENDING && c->listener->state != LISTENER_DRAINING)
        conn_move(c, CONN_READING);
    else if (c->state != CONN_READING && c->state != CONN_CUT)
        conn_move(c, CONN_CUT);
    buf_fini(&req->body.buf);
    free(req->body.name);
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

static enum MHD_Result handle(void *cls, struct MHD_Connection *mhd, const char *url,
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
        req->uploaded += *upload_size;
        *upload_size = 0;
        return req->uploaded > 16 * BODY_MAX ? MHD_NO : MHD_YES;
    }
    if (req->conn->state == CONN_ANSWERED)
        return req->response ? send_answer(req) : MHD_NO;
    /* An answer before the body came would end the connection, so only a refusal is given then. */
    if (!req->path)
        return parse_head(req, url, version) == 0 ? MHD_YES
               : req->response                    ? send_answer(req)
                                                  : MHD_NO;
    conn_move(req->conn, CONN_ROUTING);
    if (req->uploaded > BODY_MAX)
        answer_text(req, 413, "the body is over %d bytes\n", BODY_MAX);
    else if (req->serve->turn.closing)
        answer_text(req, MHD_HTTP_SERVICE_UNAVAILABLE, "the agent is stopping\n");
    else
        route_request(req, method);
    if (conn_is_suspended(req->conn))
        return MHD_YES;
    return req->response ? send_answer(req) : MHD_NO;
}

const struct listener_calls request_calls = {.handle = handle, .begin = begin, .end = end};

void request_stop(struct request *req)
{
    if (req->started)
        conn_move(req->conn, CONN_SENDING);
    else
        answer_text(req, MHD_HTTP_SERVICE_UNAVAILABLE, "the agent is stopping\n");
}
