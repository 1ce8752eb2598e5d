/* config: text in, an immutable configuration out. It reads INI files and targets, expands
 * variables, reads secrets from files, checks everything and reports all that is wrong in one go.
 * It knows probe types only by their tables; it opens no socket and runs no loop. */
#ifndef PROBE_CONFIG_CONFIG_H
#define PROBE_CONFIG_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "config/mask.h"
#include "config/report.h"
#include "health/health.h"
#include "probe.h"

/* Where an agent has its socket, and where `probe status` looks for it. */
#define CONFIG_DEFAULT_SOCKET "/run/probe/probe.sock"

enum { LEVEL_ALIVE = 1, LEVEL_READY = 2 };

/* The labels of a probe, or of the agent; all text is their own. */
struct labels {
    struct label {
        char *name, *value;
    } * of;
    size_t n;
};

/* Which agent this is. */
struct identity {
    char *name; /* NULL: the machine's, which identity_name() finds */
    struct labels labels;
};

/* One configured probe. Immutable and counted: a reload keeps the old one for a probe whose
 * settings did not change, and runs in flight hold on to theirs. */
struct check_conf {
    atomic_uint refs; /* a configuration may be freed on another thread than its checks */
    char *name;
    char *target; /* redacted, one line: from prepare */
    const struct probe_type *type;
    void *conf; /* the type's own, from prepare */
    struct health_policy policy;
    bool of_file;    /* a section of the file, not a URL of the command line */
    unsigned levels; /* LEVEL_ALIVE | LEVEL_READY */
    bool required;
    int64_t warn_after; /* a success that takes longer warns, ns; 0: none does */
    bool timeout_given; /* `timeout` was set by the user (wait picks its own otherwise) */
    char **after;       /* names of probes, never its own */
    size_t n_after;
    struct labels labels;
    int64_t history;   /* ns of the past that is kept for its page; 0: none */
    char *fingerprint; /* equal exactly when the settings are; a hash, it tells nothing of them */
    struct mask mask;  /* its secrets, which a detail may echo */
    char *settings;    /* those that are given, as lines of a section, without secrets; only with
                          for_agent */

    /* Kept only with config_source.keep_values, for `explain`. `type` always has its text there. */
    struct probe_value *common; /* by config_common_keys */
    struct probe_value *values; /* by type->keys */
};

struct check_conf *check_conf_ref(struct check_conf *c);
void check_conf_unref(struct check_conf *c); /* NULL is fine */

/* [agent]. Text is owned by the config. */
struct agent_conf {
    struct identity identity; /* moves into the engine that loads this */
    char *socket;             /* path; NULL: off */
    unsigned socket_mode;
    char *listen; /* "host:port", "[v6]:port"; NULL: off */
    char *token;  /* that the API on TCP asks for; NULL: none */
    unsigned max_workers;
    uint32_t shard, n_shards; /* this agent runs the shard-th part; 0 of 1: all */
    bool allow_empty;         /* it may watch nothing */
    bool watch;               /* changed files are reloaded */
    bool log_json;            /* log_format = json, else logfmt */
    int log_level;            /* enum log_level */
    char *agent_check;        /* as listen; NULL: off */
    bool agent_check_drain;   /* not ready is told as drain, else down */
    char *ready_file;         /* path; NULL: off */
    int ready_fd;             /* -1: none */
    char **on_transition;     /* a command's words, NULL at the end; NULL: none */
    char *on_transition_url;  /* NULL: none */
    int64_t on_transition_timeout;
    struct probe_value *values; /* by config_agent_keys; only with keep_values */
};

struct config {
    char *path; /* of the file read; NULL: none */
    struct agent_conf agent;
    struct check_conf **checks; /* in the order of the file, then of the targets */
    size_t n_checks;
};

/* A key given on the command line (`--timeout 3s`): wins over the file, for every selected probe.
 */
struct config_override {
    const char *key, *value;
};

/* `--set [NAME.]KEY=VALUE`, split; see sets.h. It wins over the file as well. */
struct config_set {
    char *name; /* of the one target that is meant; NULL: every target that has the key */
    char *key, *value;
};

struct config_source {
    const char *path; /* a file that must be there; NULL: config_default_path() if it exists */
    const char *text; /* the content of `path`, then only a name for messages; NULL: it is a file */
    size_t text_len;
    char *const
        *targets; /* probes to select or make: NAME, URL, NAME=URL; none: all of the file's */
    size_t n_targets;
    const struct config_override *overrides; /* ends with a NULL key; may be NULL */
    const struct config_set *sets;
    size_t n_sets;
    bool keep_values;
    bool for_agent; /* it must watch something */
    bool partial;   /* `after` may name probes that are not in it */
    bool lint;      /* the files that it names may be missing here: only for `validate` */
    /* Would an agent find at ready_file's path what it cannot use? 0, or -1 with the words. NULL:
     * not asked, by commands that are no agent's and whose verdict must not hang on it. */
    int (*check_ready_file)(const char *path, struct err *e);
};

enum config_rc {
    CONFIG_OK = 0,
    CONFIG_BAD = -1,        /* the report has errors: exit 78 */
    CONFIG_BAD_TARGET = -2, /* only targets are wrong (unknown name, bad URL): exit 64 */
};

/* Reads and checks everything, on any thread: it touches nothing but what it is given and returns.
 * On CONFIG_OK *out is the caller's (config_free); warnings may be in
 * the report all the same. */
enum config_rc config_load(const struct config_source *src, struct config **out,
                           struct config_report *report);

void config_free(struct config *c); /* NULL is fine */

/* $PROBE_CONFIG, else /etc/probe/probe.ini; the second only if it exists (else NULL). */
const char *config_default_path(void);

/* The keys of every probe, and of [agent]; each table's order is that of check_conf.common and
 * agent_conf.values. */
extern const struct probe_key config_common_keys[];
extern const size_t config_n_common_keys;
extern const struct probe_key config_agent_keys[];
extern const size_t config_n_agent_keys;

#endif
