/* exec_job: what the child is told on its standard input: as whom, what, with which environment.
 * And the child, which becomes that program. Where it cannot, it writes a NUL and then why: no
 * program whose output is meant to be read begins with a NUL. */
#ifndef PROBE_EXEC_EXEC_JOB_H
#define PROBE_EXEC_EXEC_JOB_H

#include <stdbool.h>

#include "base/buf.h"

#define EXEC_CHILD_ENTRY "probe-exec-child"
#define EXEC_CANNOT      127 /* the child's exit status then */

struct exec_ids {
    bool change; /* false: it stays who we are */
    unsigned uid, gid;
};

/* In this order, each as often as there is one; a failed buffer says the rest. */
void exec_job_begin(struct buf *job, const struct exec_ids *ids);
void exec_job_add_arg(struct buf *job, const char *arg);
void exec_job_add_env(struct buf *job, const char *line);

/* Why the program was not begun, of what the child wrote; NULL: it was. */
const char *exec_job_failure(const struct buf *output);

/* As probe_type has it: becomes the program, or writes why not. */
int exec_child_main(void);

#endif
