/* mongo_greet: says hello, in our own words, to every host of a deployment whose last check heard
 * nothing, and waits for anything at all. A child of the driver would hold its place until the
 * deadline to find out no more, and keep it from deployments that answer. It gives no verdict: as
 * soon as there is anything to hear, the driver is asked. */
#ifndef PROBE_MONGO_MONGO_GREET_H
#define PROBE_MONGO_MONGO_GREET_H

#include "mongo/mongo_conf.h"

struct mongo_greet;

/* Not those that are found by DNS alone, nor over TLS, where we would tell of a certificate that
 * the driver's checks never look at again. */
bool mongo_greet_can(const struct mongo_conf *conf);

/* NULL: out of memory. `on_heard` comes once, perhaps from inside mongo_greet_start: a host said
 * something, or none is left that could. Until then the run's note tells who is waited for. */
struct mongo_greet *mongo_greet_new(struct probe_run *run, const struct mongo_conf *conf,
                                    void (*on_heard)(struct probe_run *run));
void mongo_greet_start(struct mongo_greet *g);

/* Exactly once for each mongo_greet_new, in any state; `on_heard` does not come any more.
 * `on_closed`, perhaps from inside: its memory is gone. */
void mongo_greet_close(struct mongo_greet *g, void (*on_closed)(struct probe_run *run));

#endif
