/* answer: the answer of a request, made in one piece, and the headers of every answer. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "serve/internal.h"

void answer_add_headers(struct MHD_Response *r, const char *content_type)
{
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
}

void answer_buf(struct request *req, unsigned status, const char *content_type, struct buf *body)
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
        answer_add_headers(req->response, content_type);
    else
        free(data);
    if (conn_is_suspended(req->conn))
        conn_move(req->conn, CONN_ANSWERED);
}

void answer_text(struct request *req, unsigned status, const char *fmt, ...)
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
    answer_buf(req, status, TYPE_TEXT, &b);
}
