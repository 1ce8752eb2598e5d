/* host.h: what the engine lends to the types: the run's memory, its end, phases and notes, what is
 * kept between runs, and what all runs of one loop share. It is defined in
 * src/engine/host.c, what is shared in src/engine/shared.c. */
#ifndef PROBE_HOST_H
#define PROBE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/reason.h"

struct probe_run;
struct probe_kept;
struct uv_loop_s;
struct work;

/* ---- What all runs of one loop share; made by the engine, filled by the helpers on first use. */

/* Embedded in what a helper or a type shares between all runs of the loop. */
struct probe_shared {
    const char *name; /* unique: "curl", "child" */
    /* Ends it when no run is left, before the loop's last turns; its memory goes by itself. */
    void (*close)(struct probe_shared *shared);
    struct probe_shared *next;
};

struct probe_env {
    struct uv_loop_s *loop;
    unsigned max_workers; /* children at once, [agent] max_workers */
    struct probe_shared *shared;
};

/* What was shared under that name; NULL: nothing yet. */
struct probe_shared *probe_shared_find(const struct probe_env *env, const char *name);

/* Shares it, until the engine stops. */
void probe_shared_add(struct probe_env *env, struct probe_shared *shared);

/* Threads (loop/work.h) for jobs of one kind, made on first use: at most `most` jobs run at once,
 * so that those that hang cost no other kind its place. NULL with the words. */
struct work *probe_work(struct probe_env *env, const char *name, size_t most, struct err *e);

/* Calls every close; call when no run is left and before the loop's last turn. */
void probe_env_close(struct probe_env *env);

/* ---- The run ---- */

enum probe_phase { PHASE_DNS, PHASE_CONNECT, PHASE_TLS, PHASE_REQUEST, PHASE_COUNT };

#define PROBE_DETAIL_MAX 400 /* bytes of a detail or note; longer ones are cut */

struct probe_run {
    const void *conf;        /* from prepare */
    struct probe_env *env;   /* the loop and what is shared on it */
    struct probe_kept *kept; /* NULL in a one-shot command or when the type keeps nothing */
    int64_t started;         /* clock_now() at the start; the type may move it to the true start */
    int64_t deadline;        /* clock_now() at which the engine ends the run; for children */
    void *owner;             /* the engine's; NULL: a run of nobody, see below */
};

/* A run with `env` alone, zero otherwise, is for a command that needs what types share (net, tls)
 * and no verdict: phases and notes go nowhere, and it is never finished nor released. */

/* The run enters a phase (time is counted to it until the next), may be called again for the same
 * one. `phase` names what is being waited for when the deadline comes. */
void probe_phase(struct probe_run *run, enum probe_phase phase);

/* What is known so far, in words that complete "timeout: ": "connected to 127.0.0.1:80, no reply
 * to GET /". Shown if the deadline comes. Formats at once: keep it off hot paths or short. */
void probe_note(struct probe_run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same, written only when the deadline comes: `describe` tells then what the state of the run
 * is. It stands until the next note. */
void probe_note_later(struct probe_run *run,
                      void (*describe)(struct probe_run *run, char out[PROBE_DETAIL_MAX]));

/* The server's certificate ends at this time, and `earliest` the first of all that it sent (seconds
 * since the epoch). */
void probe_cert_expiry(struct probe_run *run, int64_t not_after, int64_t earliest);

/* The status of the answer that has come (of a type that speaks_http); the last one counts. */
void probe_http_status(struct probe_run *run, unsigned status);

/* The target is truly gone: refused on every address, no such name, no such process. Said before
 * probe_finish; `--invert` succeeds on nothing else. */
void probe_gone(struct probe_run *run);

/* It works, but somebody should look: "the certificate expires on ..., in 9 days". Said before
 * probe_finish, where the run turns out to be REASON_OK; of a failure it is dropped. It is shown as
 * `warn` beside the verdict and counts nowhere, so readiness never hangs on it. Several are told
 * together. As with a detail: no secret in it; control bytes are replaced. */
void probe_degraded(struct probe_run *run, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* One of the servers that a target consists of, as a run found it. */
struct probe_member {
    const char *name;  /* "a.test:27017" */
    const char *state; /* one word, static: "primary", "unreachable" */
    bool up;           /* it answered right */
    int64_t lag;       /* ns that it is behind; -1: it does not tell */
    int64_t rtt;       /* ns until its first answer; -1: none */
    const char *error; /* NULL: none. No secret */
};

#define PROBE_MEMBERS_MAX 50

/* All that are known, before probe_finish; copied. They stand until a run tells others. */
void probe_members(struct probe_run *run, const struct probe_member *members, size_t n);

/* The verdict of this run, exactly once. The detail says the rest in a person's words, with the
 * address: "connect to 127.0.0.1:80: connection refused". It never holds a secret; control bytes
 * in it are replaced. For REASON_OK: what was seen ("HTTP 200 from 127.0.0.1:80"). */
void probe_finish(struct probe_run *run, enum reason reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Every handle is closed: the run's memory may go. If the run was not finished (it was cancelled)
 * no result is recorded. */
void probe_release(struct probe_run *run);

/* ---- What a helper remembers from one run of a check to the next, in an agent alone: memory of
 * bounded size, no handle (a TLS session). It saves work and is never a ground of a verdict: every
 * failure forgets it, and so does the end of the check. ---- */

struct probe_memory {
    void (*free)(struct probe_memory *memory);
};

/* Is anything remembered of this run's check? Not in a one-shot command, of a run of nobody, and
 * once the run has failed. */
bool probe_remembers(const struct probe_run *run);

/* The check's; NULL: nothing. Valid until the run fails. */
struct probe_memory *probe_recall(const struct probe_run *run);

/* Becomes the check's, in place of what it had, where it probe_remembers; else it is freed. */
void probe_remember(struct probe_run *run, struct probe_memory *memory);

/* Until it enters its next phase the run relies on what was recalled. A failure before that may be
 * the memory's fault: it is no result, the run is made again in what is left of its time, and for
 * an hour nothing is remembered of the check. Also a run that times out is followed by such an
 * hour. */
void probe_rely(struct probe_run *run);

/* ---- Kept state ---- */

struct probe_kept {
    const void *conf;
    struct probe_env *env;
    void *owner; /* the engine's */
};

/* Something watched between runs has changed (a process ended): check now, not at the next
 * interval. Ignored while a run is under way. */
void probe_wake(struct probe_kept *kept);

/* Every handle of it is closed: its memory may go. */
void probe_kept_closed(struct probe_kept *kept);

#endif
