/* mongo_child_knock: what is really there where the driver could not connect. It says "connection
 * refused" also of a server that accepts and hangs up, and "connection closed" also, with TLS, of a
 * port that nobody listens on; `wait --invert` depends on the difference. Blocks: for the driver's
 * child only. */
#ifndef PROBE_MONGO_MONGO_CHILD_KNOCK_H
#define PROBE_MONGO_MONGO_CHILD_KNOCK_H

#include <mongoc/mongoc.h>
#include <stdint.h>

enum mongo_knock {
    MONGO_KNOCK_REFUSED,  /* by each of its addresses */
    MONGO_KNOCK_ACCEPTED, /* by one of them at least */
    MONGO_KNOCK_UNKNOWN,
};

/* `deadline`: clock_now() time; looking up a name is not bounded by it. */
enum mongo_knock mongo_child_knock(const mongoc_host_list_t *host, int64_t deadline);

#endif
