/* reports: tells others of the agent's verdict, each in its own convention: HAProxy's agent-check,
 * a file, s6's descriptor, the status line of systemd. All of it comes from the engine's one state
 * machine; nothing here decides on health, waits for anybody or delays a check. */
#ifndef PROBE_REPORTS_REPORTS_H
#define PROBE_REPORTS_REPORTS_H

#include <stdbool.h>

#include "base/err.h"
#include "config/config.h"
#include "engine/engine.h"
#include "loop/notify.h"
#include "reports/ready_file.h"
#include "reports/teller.h"

#define REPORTS_STATUS 320

struct agent_check;

/* Embedded in the agent; its memory must last until the loop is closed. */
struct reports {
    struct engine *engine;
    struct agent_check *agent_check; /* NULL: off */
    char *agent_check_address;
    const struct notify *notify;
    struct ready_file file;
    int ready_fd; /* -1: none, or it was told */
    struct teller command, webhook;
    struct sched_entry review;   /* the next by the clock */
    uv_idle_t at_once;           /* runs one in this turn; initialised while `open` */
    char status[REPORTS_STATUS]; /* the last that the service manager was told */
    bool open;
};

/* Opens what `conf` asks for; conf->ready_fd was taken (ready_fd_take) before. `n` must last as
 * long as `r`. -1: nothing is open and the reason is in `err`. */
int reports_open(struct reports *r, struct engine *e, struct agent_conf *conf,
                 const struct notify *n, struct err *err);

/* From the engine's hook: a status changed. All is told in the loop's next turn. */
void reports_on_transition(struct reports *r, const struct check *c, enum health_status from);

/* READY=1 with the verdict, to the service manager: after the start and after each reload. */
void reports_started(struct reports *r);

/* What a reload changes, in two steps, so that it is all or nothing: prepare may fail and then
 * changes nothing; one of commit and discard follows. */
struct reports_draft {
    struct agent_check
        *agent_check;          /* opened anew; NULL: the one in use stays, or none is wanted */
    char *agent_check_address; /* NULL: none is wanted */
    struct ready_file file;    /* opened anew; off: the one in use stays, or none is wanted */
};
int reports_prepare(struct reports *r, struct agent_conf *conf, struct reports_draft *draft,
                    struct err *err);
/* Takes the command and the URL out of `conf`. */
void reports_commit(struct reports *r, struct agent_conf *conf, struct reports_draft *draft);
void reports_discard(struct reports_draft *draft);

/* For the metrics: the command's and the webhook's events together. */
struct told_counts reports_told(const struct reports *r);

/* Ends everything at once; the handles close in the loop's next turns. */
void reports_close(struct reports *r);

#endif
