/* ways: see ways.h. */
#include "ways.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <mongoc/mongoc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "bench.h"

#define UNLIMITED "10s"   /* a whole run, on a busy machine too */
#define ENOUGH    "250ms" /* so that what is cut may also end by itself */
#define SHORT_MS  40      /* a deadline that is slept over */
#define SHORT     "40ms"
#define MORE      3 /* turns beyond those of the first run: no two take the same number */
#define TURNS_MAX 60

#ifdef MONGOC_ENABLE_MONGODB_AWS_AUTH
#define WITHOUT "nothing"
#else
#define WITHOUT "mongo driver" /* a login of the driver's own: the static build has none */
#endif

/* What falls on a turn. */
enum cut { CUT_STOP, CUT_DEADLINE, CUT_RELOAD, CUT_COUNT };
static const char *const cut_names[] = {"stop", "deadline", "reload"};

struct servers {
    char folder[32], file[64];
    pid_t pid;
    int in, out; /* the end of `in` is theirs */
};

static void start_servers(struct servers *s, const char *type)
{
    int in[2], out[2];
    char word[8] = "";
    strcpy(s->folder, "/tmp/probe-ways-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    snprintf(s->file, sizeof s->file, "%s/ways.ini", s->folder);
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    s->pid = fork();
    if (s->pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        for (int fd = 3; fd < 64; fd++)
            close(fd);
        execl("/usr/bin/python3", "python3", TESTS_DIR "/conformance/ways.py", s->folder, type,
              WITHOUT, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    s->in = in[1];
    s->out = out[0];
    assert_true(read(s->out, word, sizeof word - 1) > 0);
    assert_memory_equal(word, "ready", 5);
}

static void stop_servers(struct servers *s)
{
    char command[64];
    close(s->in);
    close(s->out);
    assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
    snprintf(command, sizeof command, "rm -r %s", s->folder);
    assert_int_equal(system(command), 0);
}

/* A target that never answers: its check ends by the deadline alone. */
static bool is_silent(const struct bench_target *t)
{
    return str_starts(t->target, "silent");
}

/* How many turns of the loop a one-shot takes, or two checks of an agent. */
static int count_turns(const struct bench_target *whole, bool agent)
{
    struct bench b;
    struct bench_target target = *whole, *t = &target;
    int turns = 0;
    enum reason due = is_silent(t) ? REASON_TIMEOUT : REASON_OK;
    if (is_silent(t))
        t->timeout = SHORT;
    bench_open(&b, t, agent, agent ? 2 : 1);
    for (; b.results < b.wanted; turns++)
        uv_run(&b.loop, UV_RUN_ONCE);
    bench_run(&b, t->target);
    if (b.reason != due)
        fail_msg("%s: %s: %s", t->target, reason_name(b.reason), b.detail);
    return turns < TURNS_MAX ? turns : TURNS_MAX;
}

/* Cuts in the midst of a turn: after its sockets were read, before what was closed in it is gone.
 */
struct knife {
    uv_check_t check;
    struct bench *bench;
    const struct bench_target *target;
    int turns_left;
};

static void on_check(uv_check_t *check)
{
    struct knife *k = container_of(check, struct knife, check);
    if (k->turns_left-- == 0)
        bench_reload(k->bench, k->target);
}

static void reload_within(struct bench *b, const struct bench_target *t, int turn)
{
    struct knife k = {.bench = b, .target = t, .turns_left = turn};
    uv_check_init(&b->loop, &k.check);
    uv_check_start(&k.check, on_check);
    uv_unref((uv_handle_t *)&k.check);
    while (k.turns_left >= 0 && uv_run(&b->loop, UV_RUN_ONCE))
        continue;
    uv_close((uv_handle_t *)&k.check, NULL);
    uv_run(&b->loop, UV_RUN_NOWAIT);
}

static void cut_at(const struct bench_target *whole, bool agent, enum cut cut, int turn)
{
    struct bench_target t = *whole;
    struct bench b;
    char what[200];
    t.timeout = cut == CUT_DEADLINE || is_silent(whole) ? SHORT : ENOUGH;
    snprintf(what, sizeof what, "%s: %s at turn %d%s", t.target, cut_names[cut], turn,
             agent ? ", agent" : "");
    bench_open(&b, &t, agent, 1000000);
    if (cut == CUT_RELOAD) {
        reload_within(&b, &t, turn);
    } else {
        for (int i = 0; i < turn; i++)
            uv_run(&b.loop, UV_RUN_ONCE);
        if (cut == CUT_DEADLINE)
            nanosleep(&(struct timespec){.tv_nsec = SHORT_MS * 1000000L}, NULL);
        uv_run(&b.loop, UV_RUN_NOWAIT);
    }
    bench_stop(&b);
    bench_run(&b, what);
}

static void run_way(const char *file, const char *name)
{
    const struct bench_target whole = {.file = file, .target = name, .timeout = UNLIMITED};
    for (int agent = 0; agent < 2; agent++) {
        int turns = count_turns(&whole, agent) + MORE;
        for (enum cut cut = 0; cut < CUT_COUNT; cut++)
            for (int turn = 0; turn <= turns; turn++)
                cut_at(&whole, agent, cut, turn);
    }
}

void ways_run(const char *type)
{
    struct servers s;
    char line[128], name[64];
    start_servers(&s, type);
    FILE *f = fopen(s.file, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "[probe %63[^]]", name) == 1)
            run_way(s.file, name);
    fclose(f);
    stop_servers(&s);
}
