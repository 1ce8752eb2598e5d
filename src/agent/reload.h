/* reload: the agent's configuration is read anew, built in pieces between the checks, and put in
 * the place of the one in use at once: all or nothing. */
#ifndef PROBE_AGENT_RELOAD_H
#define PROBE_AGENT_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "engine/engine.h"
#include "reports/reports.h"

/* Embedded in the agent. */
struct reload {
    struct engine *engine;
    struct reports *reports;
    const struct config_source *source;
    void (*on_begin)(struct reload *r);
    /* `config` is what is in use now, NULL where it was refused and nothing changed; then the
     * report says why. Both are valid during the call. */
    void (*on_end)(struct reload *r, const struct config *config,
                   const struct config_report *report);
    uint64_t number; /* of the one at hand, or of the last */
    enum reload_stage {
        RELOAD_NONE,
        RELOAD_ASKED,
        RELOAD_LOADING,
        RELOAD_DRAFTING,
        RELOAD_CLOSED
    } stage;
    bool again; /* asked for once more since the one at hand began to read */
    struct sched_entry piece;
    struct config_report report;
    struct config_load *load;
    struct config *config;
    struct engine_draft *draft;
};

/* The caller has filled what stands above `number`. */
void reload_init(struct reload *r);

/* Asks for one; the number of the reload that will have read everything from now on. */
uint64_t reload_ask(struct reload *r);

/* Drops the one at hand, answers nobody and takes no further one. Before the engine is stopped. */
void reload_close(struct reload *r);

#endif
