/* mongo_driver: the parent's side of the driver's child: the job that a check is, and the verdict
 * that a child's end means. */
#ifndef PROBE_MONGO_MONGO_DRIVER_H
#define PROBE_MONGO_MONGO_DRIVER_H

#include "child/worker.h"
#include "mongo/mongo_conf.h"

/* NULL: out of memory. */
struct worker *mongo_driver_start(struct probe_run *run, const struct mongo_conf *conf,
                                  void (*on_done)(struct probe_run *run,
                                                  const struct worker_result *result));

/* `*gone`: see probe_gone. */
enum reason mongo_driver_verdict(const struct mongo_conf *conf, const struct worker_result *result,
                                 char detail[PROBE_DETAIL_MAX], bool *gone);

#endif
