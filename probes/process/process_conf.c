/* process_conf: see process_conf.h. Nothing is looked up in /proc here: a process that is not there
 * is a result, not an error of the configuration. */
#include "process/process_conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "process/proc_fs.h"

#define ROOT_MAX 255 /* bytes; proc_fs adds to it */

enum { PID, PIDFILE, NAME, CMDLINE, MIN_COUNT, MAX_COUNT, NAMESPACE, USER, PROC_ROOT };

static const char *const namespaces[] = {"own", "all", NULL};

const struct probe_key process_keys[N_PROCESS_KEYS] = {
    [PID] = {.name = "pid",
             .kind = KEY_INT,
             .min = 1,
             .max = PROC_PID_MAX,
             .doc = "Number of the process. One that gets the same number later is not it."},
    [PIDFILE] = {.name = "pidfile",
                 .kind = KEY_TEXT,
                 .doc = "File with the number in its first line, read anew at every check."},
    [NAME] = {.name = "name",
              .kind = KEY_TEXT,
              .doc = "Exact name: as ps shows it, or of its program's file, or of its first "
                     "argument's; with a slash, the whole of one of these."},
    [CMDLINE] = {.name = "cmdline",
                 .kind = KEY_TEXT,
                 .doc = "Regular expression over the command line, its arguments joined by one "
                        "blank each. The agent itself never matches."},
    [MIN_COUNT] = {.name = "min_count",
                   .kind = KEY_INT,
                   .def = "1",
                   .min = 0,
                   .max = PROC_PID_MAX,
                   .doc = "With name and cmdline: at least this many processes. 0 with max_count = "
                          "0: none may run."},
    [MAX_COUNT] = {.name = "max_count",
                   .kind = KEY_INT,
                   .min = 0,
                   .max = PROC_PID_MAX,
                   .doc =
                       "With name and cmdline: at most this many processes; default: any number."},
    [NAMESPACE] = {.name = "namespace",
                   .kind = KEY_CHOICE,
                   .def = "own",
                   .choices = namespaces,
                   .doc = "With name and cmdline, which processes count: those of the pid "
                          "namespace that proc_root shows, or all, in containers too."},
    [USER] = {.name = "user",
              .kind = KEY_TEXT,
              .doc = "Name (of the agent's own /etc/passwd) or number of the user it runs as."},
    [PROC_ROOT] = {.name = "proc_root",
                   .kind = KEY_TEXT,
                   .def = "/proc",
                   .doc =
                       "Where the proc file system is; another host's may be mounted elsewhere."},
};

const struct probe_scheme process_schemes[] = {
    {.prefix = "pid:", .key = "pid", .strip = true},
    {.prefix = "pidfile:", .key = "pidfile", .strip = true},
    {.prefix = "process:", .key = "name", .strip = true},
    {.prefix = NULL},
};

/* Exactly one of the four ways to name a process. */
static bool prepare_by(struct process_conf *c, const struct probe_value *v,
                       struct probe_report *report)
{
    static const size_t ways[] = {PID, PIDFILE, NAME, CMDLINE};
    size_t n = 0, way = PID;
    bool missing = false;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        missing = missing || probe_is_missing(report, ways[i]);
        if (v[ways[i]].text) {
            way = ways[i];
            n++;
        }
    }
    if (n == 0 && missing)
        return false;
    if (n != 1) {
        probe_error(report, way, "%s, expected exactly one of pid, pidfile, name, cmdline",
                    n ? "more than one is given" : "none is given");
        return false;
    }
    c->by = way == PID ? BY_PID : way == PIDFILE ? BY_PIDFILE : way == NAME ? BY_NAME : BY_CMDLINE;
    if (way != PID && !v[way].text[0]) {
        probe_error(report, way, "is empty");
        return false;
    }
    return true;
}

static bool prepare_counts(struct process_conf *c, const struct probe_value *v,
                           struct probe_report *report)
{
    bool ok = true;
    if (c->by == BY_PID || c->by == BY_PIDFILE)
        for (size_t key = MIN_COUNT; key <= NAMESPACE; key++)
            if (v[key].given) {
                probe_error(report, key, "only goes with name or cmdline");
                ok = false;
            }
    c->nested = v[NAMESPACE].num == 1;
    c->min_count = v[MIN_COUNT].num;
    c->max_count = v[MAX_COUNT].text ? v[MAX_COUNT].num : -1;
    if (ok && c->max_count >= 0 && c->max_count < c->min_count &&
        !probe_is_missing(report, MIN_COUNT)) {
        probe_error(report, MAX_COUNT, "is %lld, less than min_count, which is %lld",
                    (long long)c->max_count, (long long)c->min_count);
        ok = false;
    }
    if (ok && c->min_count == 0 && c->max_count < 0)
        probe_warn(report, MIN_COUNT, "is 0 and max_count is not set: this can never fail");
    return ok;
}

static bool prepare_root(struct process_conf *c, const char *root, struct probe_report *report)
{
    size_t len = strlen(root);
    while (len > 1 && root[len - 1] == '/')
        len--;
    if (root[0] != '/' || len > ROOT_MAX) {
        probe_error(report, PROC_ROOT, "expected an absolute path of at most %d bytes", ROOT_MAX);
        return false;
    }
    c->root = str_dup_n(root, len);
    return true;
}

static bool prepare_user(struct process_conf *c, const char *user, struct probe_report *report)
{
    struct err e;
    if (!user)
        return true;
    if (proc_user_id(user, &c->uid, &e) < 0) {
        probe_error(report, USER, "%s", e.text);
        return false;
    }
    c->user = strdup(user);
    return true;
}

static bool prepare_cmdline(struct process_conf *c, const char *text, struct probe_report *report)
{
    struct err e;
    c->cmdline = pattern_new(text, &e);
    if (!c->cmdline)
        probe_error(report, CMDLINE, "%s", e.text);
    return c->cmdline != NULL;
}

/* What is probed, in one line; also fills what belongs to the way it is named. */
static bool prepare_target(struct process_conf *c, const struct probe_value *v,
                           struct probe_report *report, char **target)
{
    switch (c->by) {
    case BY_PID:
        c->pid = (pid_t)v[PID].num;
        *target = str_format("pid %d", (int)c->pid);
        return true;
    case BY_PIDFILE:
        c->pidfile = strdup(v[PIDFILE].text);
        *target = str_format("pidfile %s", v[PIDFILE].text);
        return c->pidfile;
    case BY_NAME:
        c->name = strdup(v[NAME].text);
        *target = str_format("process %s", v[NAME].text);
        return c->name;
    case BY_CMDLINE:
        *target = str_format("processes with /%s/ in the command line", v[CMDLINE].text);
        return prepare_cmdline(c, v[CMDLINE].text, report);
    }
    return false;
}

void *process_prepare(const struct probe_value *values, struct probe_report *report, char **target)
{
    struct process_conf *c = calloc(1, sizeof *c);
    if (!c) {
        probe_error(report, PID, "out of memory");
        return NULL;
    }
    c->refs = 1;
    bool named = prepare_by(c, values, report);
    bool ok = prepare_root(c, values[PROC_ROOT].text, report);
    ok = prepare_user(c, values[USER].text, report) && ok;
    ok = named && prepare_counts(c, values, report) && ok;
    ok = named && prepare_target(c, values, report, target) && ok;
    if (ok && (!c->root || !*target || (values[USER].text && !c->user))) {
        probe_error(report, PID, "out of memory");
        ok = false;
    }
    if (ok)
        return c;
    free(*target);
    *target = NULL;
    process_dispose(c);
    return NULL;
}

const struct process_conf *process_conf_ref(const struct process_conf *c)
{
    ((struct process_conf *)c)->refs++;
    return c;
}

void process_dispose(void *conf)
{
    struct process_conf *c = conf;
    if (--c->refs)
        return;
    free(c->pidfile);
    free(c->name);
    pattern_free(c->cmdline);
    free(c->user);
    free(c->root);
    free(c);
}
