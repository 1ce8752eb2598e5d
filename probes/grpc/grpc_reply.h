/* grpc_reply: what the server says to grpc.health.v1.Health/Check, gathered from the lines and
 * bytes of its HTTP/2 reply and judged. Pure; the bytes may be anything. */
#ifndef PROBE_GRPC_GRPC_REPLY_H
#define PROBE_GRPC_GRPC_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/reason.h"

#define GRPC_MESSAGE_MAX 4096 /* bytes of the reply's body: the message has two */

struct grpc_reply {
    int http_status; /* 0: no head came */
    int status;      /* grpc-status; -1: none came; -2: it is no number */
    bool is_grpc;    /* by its Content-Type */
    bool too_long;
    char message[128]; /* grpc-message, printable */
    struct buf body;
};

/* grpc_reply_fini is owed. */
void grpc_reply_init(struct grpc_reply *r);
void grpc_reply_fini(struct grpc_reply *r);

/* A line of the head or of the trailers; bytes of the body. False: enough was seen. */
bool grpc_reply_line(struct grpc_reply *r, const char *line, size_t len);
bool grpc_reply_body(struct grpc_reply *r, const char *data, size_t len);

/* Of a reply that is whole. REASON_OK, or the reason with the words. `service`: "" is the server as
 * a whole. */
enum reason grpc_reply_judge(const struct grpc_reply *r, const char *service, struct err *e);

/* The request for `service`: its message with gRPC's prefix. -1: the name is too long. */
int grpc_request(struct buf *out, const char *service);

#endif
