/* body: the bodies of answers, which are made in slices while they are sent: status.c metrics.c
 * page.c events.c. They read the checks, and know neither connections nor requests. */
#ifndef PROBE_SERVE_BODY_H
#define PROBE_SERVE_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/jsonw.h"
#include "engine/engine.h"
#include "view/told.h"

#define EVENTS_KEPT 1024

/* The newest transitions, for all who listen, each as it is sent. */
struct events {
    char *ring[EVENTS_KEPT]; /* event n is at n % EVENTS_KEPT */
    uint64_t first, next;    /* sequence numbers of the oldest kept and of the next */
    uint64_t beat;           /* heartbeats so far: a listener sends one for each that it sees */
};

/* What bodies tell of. */
struct facts {
    struct engine *engine;
    struct told_counts (*told)(void *ctx); /* NULL: nothing is told */
    void *ctx;
    struct events events;
    struct metrics_labels *labels; /* NULL until they are asked for */
    bool reload_failed;            /* the last one */
    int64_t reloaded_wall;         /* when a configuration was taken last */
    /* Private. */
    struct readiness verdict; /* as of verdict_at */
    int64_t verdict_at;
    bool verdict_dirty;
};

/* How old a verdict may be that is given without being made anew. Every transition makes a new one;
 * this bounds how late staleness, which comes with time alone, is seen. */
#define VERDICT_AGE (20 * NS_PER_MS)

/* The verdict over all checks: kept for a moment, made anew when something changed. */
const struct readiness *facts_verdict(struct facts *f, int64_t now);
/* A check has changed, or (`by_result`) only ended: a verdict that was stale may not be so now. */
void facts_changed(struct facts *f, bool by_result);

#define NONCE_SIZE 33
#define TYPE_JSON  "application/json; charset=utf-8"
#define TYPE_TEXT  "text/plain; charset=utf-8"

enum made { MADE_SOME, MADE_ALL, MADE_WAIT /* for news */ };

struct body {
    struct facts *facts;
    unsigned status; /* of the answer; 0: `more` sets it with the first slice */
    const char *content_type;
    char *name;       /* of the probe that is asked for; NULL: of all */
    bool brief;       /* without history */
    bool openmetrics; /* the metrics in that format */
    bool failed;      /* cannot be finished truly */
    struct buf buf;
    /* Appends a little to buf: the work of at most a few hundred microseconds. */
    enum made (*more)(struct body *b, int64_t now);

    /* How far it is. */
    uint64_t generation; /* of the engine's checks that index counts in */
    size_t index;
    int part;
    struct jsonw json;
    char nonce[NONCE_SIZE]; /* of a page: names what may run in it; "": not a page */
    uint64_t event, beat;   /* of an event stream: the next event, and the last heartbeat */
};

/* The checks changed under a body that is half made: it has failed. */
bool body_is_outdated(struct body *b);

/* The probe of that name is gone since it was asked for: makes all of the body, which says so. */
enum made body_of_none(struct body *b);

enum made status_more(struct body *b, int64_t now);
enum made status_probe_more(struct body *b, int64_t now);
enum made metrics_more(struct body *b, int64_t now);
enum made page_more(struct body *b, int64_t now);
enum made page_probe_more(struct body *b, int64_t now);
enum made events_more(struct body *b, int64_t now); /* without end */

void metrics_free(struct metrics_labels *labels); /* NULL is fine */

void events_fini(struct events *ev);
void events_add(struct events *ev, const struct check *c, enum health_status from);
/* A heartbeat for this one only: is its client still there? */
void events_beat_one(struct body *b);

#endif
