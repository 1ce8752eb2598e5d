/* probe.h: THE interface between a probe type and the rest of the program.
 *
 * Three nouns, never mixed:
 *   type   a static const table of functions and keys: "tcp", "http", "mongo", "process";
 *   check  one configured probe: its settings, schedule and health (the engine's, not seen here);
 *   run    one attempt of a check.
 *
 * What a type owes: `start` begins a run and never blocks; every path ends in exactly one
 * probe_finish (later ones are ignored) and, when every handle is closed and every child is back,
 * in one probe_release, after which the run's memory is gone. The two are separate events, in that
 * order; both may come from inside `start` or `cancel`.
 *
 * Between good and bad there is no third verdict. A target that works and yet needs a hand (a
 * certificate that ends soon, a lag) is finished with REASON_OK, after one probe_degraded (host.h)
 * for each thing to look at.
 *
 * What the engine gives: it owns the deadline. When it passes, the engine finishes the run with
 * `timeout`, saying the phase and the last probe_note, and calls `cancel`. `cancel` is also called
 * at shutdown and reload. It may come at any time between `start` and probe_release, is called at
 * most once, must not block, and leads to probe_release soon (handles closed, child killed).
 *
 * A type's file keeps everything static but its `probe_type_NAME`. It includes this file, base/,
 * its own library and the helpers of this folder; never the engine, config or health.
 */
#ifndef PROBE_PROBE_H
#define PROBE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct probe_run;
struct probe_kept;
struct probe_report;

/* ---- Keys: what a type can be configured with. The configuration parses, defaults, prints,
 * redacts and documents from this table; a type reads the result by index. ---- */

enum probe_key_kind {
    KEY_TEXT,     /* any text */
    KEY_FILE,     /* a path; a change of the file's content is a change of the setting */
    KEY_BOOL,     /* yes/no, true/false, on/off, 1/0 -> num */
    KEY_INT,      /* decimal -> num, in [min, max] */
    KEY_DURATION, /* Go's grammar plus d and w -> num in ns, in [min, max] */
    KEY_SIZE,     /* bytes, with B, k, KiB, M, MiB, G, GiB (all powers of 1024) -> num */
    KEY_PERCENT,  /* "10%" -> num 10, in [min, max] */
    KEY_CHOICE,   /* one of `choices` -> num, its index */
    KEY_WORDS,    /* words split at commas and blanks -> lines */
    KEY_LINES,    /* one item a line -> lines */
};

enum {
    KEY_SECRET = 1 << 0,   /* redacted wherever shown; has a twin NAME_file */
    KEY_REQUIRED = 1 << 1, /* must be set */
    KEY_MAY_HIDE = 1 << 2, /* a URI that may hold credentials: shown without; has a twin as well */
    KEY_ESCAPES = 1 << 3,  /* the type reads C's escapes in it: what ${file:...} brings has them */
};

struct probe_key {
    const char *name;
    enum probe_key_kind kind;
    unsigned flags;
    const char *def;            /* default as one would write it; NULL: unset */
    int64_t min, max;           /* for the kinds with a range; both 0: the kind's own range */
    const char *const *choices; /* KEY_CHOICE: NULL-terminated */
    const char *doc;            /* one sentence for the manual and conf/probe.ini */
};

struct probe_value {
    const char *text; /* as written, expanded; the default when not given; NULL when unset */
    int64_t num;      /* parsed, for the kinds that have a number */
    char **lines;     /* KEY_WORDS, KEY_LINES: the items, without blanks around, never empty */
    size_t n_lines;
    bool given;     /* by the user, not the default */
    int line;       /* line of the file it was given on; 0: not from a file */
    char *file;     /* KEY_file that it was read from; NULL: none */
    char *inserted; /* what ${file:...} brought, one secret a line; NULL: nothing */
};

/* How a URL or word given as a target, or as the configuration's `target`, becomes a key. That key
 * also tells the type of a section without `type`; where types share it ("uri"), the one whose
 * prefix the value has, or the first of PROBE_TYPES that has all keys of the section: a new type
 * goes to the end of PROBE_TYPES. */
struct probe_scheme {
    const char *prefix; /* "tcp://", "pidfile:", ... */
    const char *key;    /* the key that it sets */
    bool strip;         /* the value is what follows the prefix, without it */
};

/* Says what is wrong with, or unwise about, the setting `key` (an index into the type's keys).
 * All of them are reported in one go, each with its file and line. Never repeat a secret. What is
 * wrong only because another setting is not there is told only where that is not missing, below. */
void probe_error(struct probe_report *report, size_t key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void probe_warn(struct probe_report *report, size_t key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Is the value of `key` not the user's, because that one is in error, or may be meant by a key that
 * is unknown? Both are reported; its default stands in, or NULL, also where it is required. */
bool probe_is_missing(const struct probe_report *report, size_t key);

/* Takes the value of `key` back where it stands in [defaults] alone, as though it were not given:
 * for a key that this probe has no use for, while others have. False: it is the probe's own. */
bool probe_leave_out(struct probe_report *report, size_t key);

/* A file that a setting names inside its value, as a uri does: what is in it is part of the
 * setting, as with KEY_FILE, and the agent reloads when it changes. False: it is not on this
 * machine, and that is no problem (`validate --lint`): go on without it. `path` is copied. */
bool probe_file(struct probe_report *report, const char *path);

/* ---- The type ---- */

struct probe_type {
    const char *name;
    const char *summary; /* one line for help */

    const struct probe_key *keys;
    size_t n_keys;
    const struct probe_scheme *schemes; /* ends with a NULL prefix */
    /* Its checks stand in a configuration alone: never in an argument, neither as a URL nor by
     * --set. */
    bool only_configured;

    /* Checks and compiles the settings into the type's own immutable form, which every run sees as
     * run->conf. Reports each problem; NULL when one was an error, or a required key is missing.
     * `values` are the configuration's and are freed afterwards: copy what is kept. `*target` is
     * set to a malloc'd line that names what is probed, without secrets: "127.0.0.1:80". */
    void *(*prepare)(const struct probe_value *values, struct probe_report *report, char **target);
    void (*dispose)(void *conf);

    /* The run: `run_size` bytes, zeroed, that begin with a struct probe_run. */
    size_t run_size;
    void (*start)(struct probe_run *run);
    void (*cancel)(struct probe_run *run);

    bool speaks_http; /* its runs tell probe_http_status where an answer comes */

    /* A type whose runs use a child process (child/worker.h): the hidden word that it is started
     * with, and what it then does; its exit status is returned. NULL: no child. */
    const char *child_entry;
    int (*child_main)(void);
    bool
        child_is_command; /* it becomes a program of the user's: its memory and files are its own */

    /* What is kept between the runs of one check in an agent (a connection, a watched process):
     * `kept_size` bytes, zeroed, that begin with a struct probe_kept; 0 where there is nothing.
     * Made before the first run; run->kept is NULL in a one-shot command. kept_close is called
     * once, when no run is left, and leads to probe_kept_closed. */
    size_t kept_size;
    void (*kept_open)(struct probe_kept *kept);
    void (*kept_close)(struct probe_kept *kept);
};

#endif
