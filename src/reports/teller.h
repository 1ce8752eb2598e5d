/* teller: tells people of each transition, by a command of theirs that gets the event as JSON on
 * its standard input, or by a request to a webhook. One runs at a time, in the order of the events;
 * each is killed with its process group at its timeout, and left alone when that does not end it.
 * The line of events is bounded: the oldest goes first. */
#ifndef PROBE_REPORTS_TELLER_H
#define PROBE_REPORTS_TELLER_H

#include <stdint.h>

#include "config/config.h"
#include "engine/engine.h"
#include "view/told.h"

#define TELLER_LINE 64
#define TELLER_LEFT 4

struct teller_run;

/* The event as JSON, but for what is only known when it is told, and its end. */
struct teller_event {
    char *probe, *json;
};

/* Embedded; its memory must last until the loop is closed. */
struct teller {
    struct engine *engine;
    const char *key; /* of the configuration, for the log */
    char **argv;     /* the command; NULL: none */
    char *url;       /* the webhook; NULL: none */
    int64_t timeout;
    struct teller_event line[TELLER_LINE]; /* the first at `first` */
    size_t first, n;
    uint64_t dropped_now;                 /* since the line was empty */
    struct teller_run *run;               /* NULL: none */
    struct teller_run *left[TELLER_LEFT]; /* could not be ended; NULL once they end by themselves */
    struct sched_entry next;
    struct sched_entry deadline;
    struct told_counts counts;
    bool open;
};

/* `key` names it in the log, and lasts. Nobody is told until teller_set. */
void teller_open(struct teller *t, struct engine *e, const char *key);

/* Who is told from the next event on: takes `argv` or `url` (both NULL: nobody). */
void teller_set(struct teller *t, char **argv, char *url, int64_t timeout);

/* A status changed from `from`. Never waits. Nothing where nobody is to be told. */
void teller_on_transition(struct teller *t, const struct check *c, enum health_status from);

/* Forgets the events, kills what runs; its handles close in the loop's next turns. */
void teller_close(struct teller *t);

#endif
