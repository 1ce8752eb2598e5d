/* mongo_child: the driver, mongo-c-driver, in a process of its own: one check, from the job on
 * stdin to the answer on stdout. It may hang or crash: its parent kills it at the deadline. */
#ifndef PROBE_MONGO_MONGO_CHILD_H
#define PROBE_MONGO_MONGO_CHILD_H

#define MONGO_CHILD_ENTRY "__mongo"

/* Returns the exit status: 0 when an answer was written. */
int mongo_child_run(void);

#endif
