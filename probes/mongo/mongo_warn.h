/* mongo_warn: what somebody should look at of a server or a set that is as it is wanted: a lag, and
 * a majority without a reserve, a member that drivers do not speak with. Only what has been found
 * out counts: who has not answered yet may be well. Pure. */
#ifndef PROBE_MONGO_MONGO_WARN_H
#define PROBE_MONGO_MONGO_WARN_H

#include "mongo/mongo_topology.h"

/* A secondary's lag beyond wish->warn_lag, or that it tells none: one line in `out`. False: nothing
 * to tell. `address` is the server's. */
bool mongo_warn_server(const struct mongo_hello *h, const struct mongo_wish *wish,
                       const char *address, char out[PROBE_DETAIL_MAX]);

/* The same of the members that have answered: the one that is farthest behind. */
bool mongo_warn_lag(const struct mongo_topology *t, const struct mongo_wish *wish,
                    char out[PROBE_DETAIL_MAX]);

/* The members that are known not to answer are so many that with one more there is no majority.
 * Never where wish->min_members is 0: such a check does not wait for members; nor before the
 * primary has named them; nor where some may have no vote. */
bool mongo_warn_reserve(const struct mongo_topology *t, const struct mongo_wish *wish,
                        char out[PROBE_DETAIL_MAX]);

/* A member that drivers do not speak with: they refuse the whole deployment once they see it. The
 * verdict goes by the others, since it would else depend on who answers first. */
bool mongo_warn_versions(const struct mongo_topology *t, char out[PROBE_DETAIL_MAX]);

#endif
