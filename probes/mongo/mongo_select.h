/* mongo_select: which member of a deployment the reads of an application would go to, by the
 * readPreference of its connection string (mongo_prefer) and what its members said. Pure. */
#ifndef PROBE_MONGO_MONGO_SELECT_H
#define PROBE_MONGO_MONGO_SELECT_H

#include "mongo/mongo_prefer.h"
#include "mongo/mongo_topology.h"

/* May server `i` be read from, as far as is known? How stale a secondary is may turn out only once
 * others have answered. Of a sharded cluster or a standalone each may: the preference is for
 * mongos, or for nobody. */
bool mongo_select_fits(const struct mongo_topology *t, const struct mongo_prefer *p, size_t i);

/* Would a driver refuse each read, whatever the members say? */
bool mongo_select_is_vain(const struct mongo_topology *t, const struct mongo_prefer *p);

#endif
