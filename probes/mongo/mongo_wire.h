/* mongo_wire: the part of MongoDB's wire protocol that a probe needs: one command in an OP_MSG out,
 * its one reply back. Pure: bytes in, bytes out. Everything in a reply is checked as hostile; it
 * knows no command by name and gives no verdict.
 * Source: the OP_MSG section of MongoDB's wire protocol reference. */
#ifndef PROBE_MONGO_MONGO_WIRE_H
#define PROBE_MONGO_MONGO_WIRE_H

#include <bson/bson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "mongo/mongo_bson.h"

/* A hello of the largest set is under 32 KiB; and so a TLS record reads as a length over it. */
#define MONGO_MESSAGE_MAX (1 << 16)

/* The server's error codes that mean something to a probe. */
enum {
    MONGO_UNAUTHORIZED = 13,
    MONGO_AUTH_FAILED = 18,
    MONGO_COMMAND_NOT_FOUND = 59,
    MONGO_MECHANISM_UNAVAILABLE = 334,
    MONGO_ATLAS_ERROR = 8000, /* Atlas's own for many things, a refused login among them */
};

/* Adds the command as one message to `out`. 0, or -1 when the buffer failed. */
int mongo_wire_command(struct buf *out, int32_t request_id, const bson_t *command);

/* The same for { NAME: 1, $db: "admin" }; a name of at most 30 bytes. */
int mongo_wire_ask(struct buf *out, int32_t request_id, const char *name);

enum mongo_wire { MONGO_WIRE_MORE, MONGO_WIRE_REPLY, MONGO_WIRE_BAD };

/* A reply's document: a view of the bytes it was found in. */
struct mongo_reply {
    const uint8_t *document;
    size_t document_len;
    size_t message_len; /* bytes used of the input */
};

/* Looks for one whole reply to `request_id` at the start of the `len` bytes at `data`. MORE: the
 * bytes so far are right but not all there. BAD: they never can be a reply; `e` says why. */
enum mongo_wire mongo_wire_reply(const void *data, size_t len, int32_t request_id,
                                 struct mongo_reply *reply, struct err *e);

/* Is the document whole, valid and nested no deeper than MONGO_NESTING_MAX? Fills `doc` as a view
 * of the bytes. 0 or -1. See mongo_bson. */
int mongo_wire_document(bson_t *doc, const uint8_t *data, size_t len, struct err *e);

/* Whether the command succeeded: a field `ok` that is a number (or true) and exactly 1. */
bool mongo_reply_ok(const bson_t *doc);

/* The server's words for a failed command, printable: "Unauthorized (13): not authorized ...".
 * Returns its code, 0 when there is none. */
int32_t mongo_reply_error(const bson_t *doc, char *out, size_t size);

#endif
