/* reports: tells others of the agent's verdict, each in its own convention: HAProxy's agent-check.
 * All of it comes from the engine's one state machine; nothing here decides on health, waits for
 * anybody or delays a check.
 *
 *   reports.c      opening, reload, closing; when the verdict is looked at
 *   verdict.c      the verdict in words
 *   agent_check.c  HAProxy's agent-check
 */
#ifndef PROBE_REPORTS_REPORTS_H
#define PROBE_REPORTS_REPORTS_H

#include <stdbool.h>

#include "base/err.h"
#include "config/config.h"
#include "engine/engine.h"

struct agent_check;

/* Embedded in the agent; its memory must last until the loop is closed. */
struct reports {
    struct engine *engine;
    struct agent_check *agent_check; /* NULL: off */
    char *agent_check_address;
    bool open;
};

/* Opens what `conf` asks for. -1: nothing is open and the reason is in `err`. */
int reports_open(struct reports *r, struct engine *e, const struct agent_conf *conf,
                 struct err *err);

/* What a reload changes, in two steps, so that it is all or nothing: prepare may fail and then
 * changes nothing; one of commit and discard follows. */
struct reports_draft {
    struct agent_check
        *agent_check;          /* opened anew; NULL: the one in use stays, or none is wanted */
    char *agent_check_address; /* NULL: none is wanted */
};
int reports_prepare(struct reports *r, const struct agent_conf *conf, struct reports_draft *draft,
                    struct err *err);
void reports_commit(struct reports *r, const struct agent_conf *conf, struct reports_draft *draft);
void reports_discard(struct reports_draft *draft);

/* Ends everything at once; the handles close in the loop's next turns. */
void reports_close(struct reports *r);

#endif
