/* process_conf: see process_conf.h. Nothing is looked up in /proc here: a process that is not there
 * is a result, not an error of the configuration. */
#include "process/process_conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "net/prepare.h"
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

/* Exactly one of the four ways to name a process. False: it is not known which. */
static bool prepare_by(struct process_conf *c, struct prepare *p)
{
    static const size_t ways[] = {PID, PIDFILE, NAME, CMDLINE};
    size_t n = 0, way = PID;
    bool missing = false;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        missing = missing || probe_is_missing(p->report, ways[i]);
        if (p->values[ways[i]].text) {
            way = ways[i];
            n++;
        }
    }
    p->failed = p->failed || n != 1;
    if (n != 1 && (n || !missing))
        probe_error(p->report, way, "%s, expected exactly one of pid, pidfile, name, cmdline",
                    n ? "more than one is given" : "none is given");
    c->by = way == PID ? BY_PID : way == PIDFILE ? BY_PIDFILE : way == NAME ? BY_NAME : BY_CMDLINE;
    bool empty = n == 1 && way != PID && !p->values[way].text[0];
    if (empty)
        prepare_fail(p, way, "is empty");
    return n == 1 && !empty;
}

static void prepare_counts(struct process_conf *c, struct prepare *p)
{
    const struct probe_value *v = p->values;
    bool ok = true;
    for (size_t key = MIN_COUNT; key <= NAMESPACE && (c->by == BY_PID || c->by == BY_PIDFILE);
         key++)
        if (v[key].given && !probe_leave_out(p->report, key)) {
            prepare_fail(p, key, "only goes with name or cmdline");
            ok = false;
        }
    c->nested = v[NAMESPACE].num == 1;
    c->min_count = v[MIN_COUNT].num;
    c->max_count = v[MAX_COUNT].text ? v[MAX_COUNT].num : -1;
    if (ok && c->max_count >= 0 && c->max_count < c->min_count &&
        !probe_is_missing(p->report, MIN_COUNT)) {
        probe_error(p->report, MAX_COUNT, "is %lld, less than min_count, which is %lld",
                    (long long)c->max_count, (long long)c->min_count);
        p->failed = true;
    } else if (ok && c->min_count == 0 && c->max_count < 0) {
        probe_warn(p->report, MIN_COUNT, "is 0 and max_count is not set: this can never fail");
    }
}

static void prepare_root(struct process_conf *c, struct prepare *p)
{
    const char *root = p->values[PROC_ROOT].text;
    size_t len = strlen(root);
    while (len > 1 && root[len - 1] == '/')
        len--;
    bool good = root[0] == '/' && len <= ROOT_MAX;
    p->failed = p->failed || !good;
    if (!good)
        probe_error(p->report, PROC_ROOT, "expected an absolute path of at most %d bytes",
                    ROOT_MAX);
    else if (!(c->root = str_dup_n(root, len)))
        prepare_fail(p, PROC_ROOT, "out of memory");
}

static void prepare_user(struct process_conf *c, struct prepare *p)
{
    const char *user = p->values[USER].text;
    struct err e;
    if (user && proc_user_id(user, &c->uid, &e) < 0)
        prepare_fail(p, USER, e.text);
    c->user = prepare_copy(p, USER);
}

/* What is probed, in one line; also fills what belongs to the way it is named. */
static void prepare_target(struct process_conf *c, struct prepare *p, char **target)
{
    const struct probe_value *v = p->values;
    struct err e;
    c->pid = (pid_t)v[PID].num;
    c->pidfile = prepare_copy(p, PIDFILE);
    c->name = prepare_copy(p, NAME);
    if (c->by == BY_PID)
        *target = str_format("pid %d", (int)c->pid);
    else if (c->by == BY_CMDLINE)
        *target = str_format("processes with /%s/ in the command line", v[CMDLINE].text);
    else
        *target = str_format("%s %s", v[NAME].text ? "process" : "pidfile",
                             v[NAME].text ? v[NAME].text : v[PIDFILE].text);
    if (!*target)
        prepare_fail(p, PID, "out of memory");
    if (c->by == BY_CMDLINE && !(c->cmdline = pattern_new(v[CMDLINE].text, &e)))
        prepare_fail(p, CMDLINE, e.text);
}

void *process_prepare(const struct probe_value *values, struct probe_report *report, char **target)
{
    struct process_conf *c = calloc(1, sizeof *c);
    struct prepare p = {.values = values, .report = report};
    if (!c) {
        prepare_fail(&p, PID, "out of memory");
        return NULL;
    }
    c->refs = 1;
    bool named = prepare_by(c, &p);
    prepare_root(c, &p);
    prepare_user(c, &p);
    if (named) {
        prepare_counts(c, &p);
        prepare_target(c, &p, target);
    }
    if (!p.failed)
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
