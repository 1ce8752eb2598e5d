/* mongo_verdict: whether a deployment, as far as it has answered, is what is wanted, and the words
 * for it. Pure. */
#ifndef PROBE_MONGO_MONGO_VERDICT_H
#define PROBE_MONGO_MONGO_VERDICT_H

#include "mongo/mongo_topology.h"

/* The verdict, as soon as there can be one; false: not yet. What wish->require asks for and who
 * wish->prefer reads from may be two members. `*gone`: see probe_gone. */
bool mongo_verdict(const struct mongo_topology *t, const struct mongo_wish *wish,
                   enum reason *reason, char detail[PROBE_DETAIL_MAX], bool *gone);

/* "rs0: a:27017 secondary, b:27017 refused, c:27017 no answer yet". */
void mongo_verdict_describe(const struct mongo_topology *t, char out[PROBE_DETAIL_MAX]);

#endif
