/* reload: the agent's configuration is read anew on a thread, while the checks go on, and put in
 * the place of the one in use in one piece: all or nothing. */
#ifndef PROBE_AGENT_RELOAD_H
#define PROBE_AGENT_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "engine/engine.h"
#include "loop/work.h"

struct reload_job;

/* Embedded in the agent. */
struct reload {
    struct engine *engine;
    const struct config_source *source; /* lasts as long as the program: a thread may hang in it */
    void (*on_begin)(struct reload *r);
    /* Puts the configuration in use, or changes nothing. -1 with the words. */
    int (*apply)(struct reload *r, struct config *config, struct err *e);
    /* `config` is what is in use now, NULL where it was refused and nothing changed; then the
     * report says why. Both are valid during the call. */
    void (*on_end)(struct reload *r, const struct config *config,
                   const struct config_report *report);
    /* Private. */
    uint64_t number;        /* of the one at hand, or of the last */
    struct reload_job *job; /* the configuration that a thread reads; NULL: none */
    bool again;             /* asked for once more since the one at hand began to read */
    bool closed;
    struct work *work;         /* NULL before the first */
    struct sched_entry turn;   /* begins one */
    struct sched_entry giveup; /* the file system, or a device, does not answer */
};

/* The caller has filled what stands above "Private". */
void reload_init(struct reload *r);

/* Asks for one; the number of the reload that will have read everything from now on. */
uint64_t reload_ask(struct reload *r);

/* Drops the one at hand, answers nobody and takes no further one. Before the engine is stopped. */
void reload_close(struct reload *r);

#endif
