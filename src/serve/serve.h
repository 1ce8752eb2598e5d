/* serve: the HTTP API of the agent on the Unix socket and on TCP (libmicrohttpd on our loop). Reads
 * the engine's checks, never changes them but by engine_check_now. */
#ifndef PROBE_SERVE_SERVE_H
#define PROBE_SERVE_SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "config/config.h"
#include "engine/engine.h"
#include "view/told.h"

struct listener;
struct serve;

struct serve_hooks {
    /* POST /reload: asks for a reload that reads everything from now on; its number, one more than
     * that of the one before. serve_answer_reload says how it ended. */
    uint64_t (*reload)(void *ctx);
    void *ctx;
    /* Beside the agent's own in GET /metrics: what became of the transitions that people were to
     * be told of. May be NULL. */
    struct told_counts (*told)(void *ctx);
};

/* Opens what `conf` asks for. A live socket at the path is refused, a dead one replaced; a port in
 * use is a clear error. */
int serve_open(struct serve **out, struct engine *e, const struct agent_conf *conf,
               const struct serve_hooks *hooks, struct err *err);

/* What a reload changes, in two steps, so that it is all or nothing: prepare opens what is new
 * beside what is in use, and may fail; one of commit and discard follows. Commit closes what is
 * replaced once those are answered who asked there. */
struct serve_draft {
    struct listener *unix_, *tcp; /* NULL: none is opened anew */
    bool unix_changes, tcp_changes;
    char *token; /* that TCP asks for from then on; NULL: none */
};
int serve_prepare(struct serve *s, const struct agent_conf *conf, struct serve_draft *draft,
                  struct err *err);
void serve_commit(struct serve *s, struct serve_draft *draft);
void serve_discard(struct serve *s, struct serve_draft *draft);

/* From the engine's hooks. */
void serve_on_transition(struct serve *s, struct check *c, enum health_status from);
void serve_on_result(struct serve *s);
/* After a reload: checks may have come and gone; pointers to checks from before are invalid. */
void serve_on_reload(struct serve *s);
/* Answers those who asked for the reload of that number, or for an earlier one. */
void serve_answer_reload(struct serve *s, uint64_t number, bool done,
                         const struct config_report *report);

/* Ends everything at once, removes the socket; `on_closed` when every handle is closed. */
void serve_close(struct serve *s, void (*on_closed)(void *ctx), void *ctx);

#endif
