/* worker: see worker.h. Owns the line of those that wait, the child, its pipes and its end; it
 * never looks into a job or a reply. */
#include "child/worker.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/str.h"
#include "loop/closer.h"
#include "loop/spawn.h"

#define JOB_MAX 262144

/* A starved run is told so this much before its deadline, at which the engine would call it a
 * timeout. Two of the loop's timers, each up to a millisecond late, must not swap. */
#define STARVED_BEFORE (5 * NS_PER_MS)

struct worker_pool {
    struct probe_shared shared;
    struct worker *line; /* the first that waits */
    unsigned running, most;
};

/*  state    what is under way                                        next
 *  WAITING  it stands in line, or is about to tell why it has failed  RUNNING, OVER, CLOSING
 *  RUNNING  the child                                                 OVER, CLOSING
 *  OVER     on_done was told                                          CLOSING
 *  CLOSING  worker_close was called: the child is awaited, then on_closed */
enum worker_state { WORKER_WAITING, WORKER_RUNNING, WORKER_OVER, WORKER_CLOSING };

struct worker {
    enum worker_state state;
    struct worker_pool *pool;
    struct probe_run *run;
    const char *entry;
    struct buf job, reply;
    void (*on_done)(struct probe_run *run, const struct worker_result *result);
    void (*on_closed)(struct probe_run *run);
    struct worker *next; /* in line */
    uv_timer_t timer;
    uv_process_t process;
    uv_pipe_t in, out;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct closer closer; /* holds the process until it is reaped */
    struct worker_result result;
    bool is_alive; /* not reaped yet */
    char chunk[4096];
};

static void move(struct worker *w, enum worker_state to)
{
    static const unsigned next[] = {
        [WORKER_WAITING] = 1 << WORKER_RUNNING | 1 << WORKER_OVER | 1 << WORKER_CLOSING,
        [WORKER_RUNNING] = 1 << WORKER_OVER | 1 << WORKER_CLOSING,
        [WORKER_OVER] = 1 << WORKER_CLOSING,
        [WORKER_CLOSING] = 0,
    };
    assert(next[w->state] & 1U << to);
    w->state = to;
}

/* What the child may know of our environment: where names and certificates are, where a login of
 * GSSAPI or MONGODB-AWS finds its own and, for a build of shared libraries, where these are. */
static const char *const env_kept[] = {
    "PROBE_DNS_SERVERS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "LD_LIBRARY_PATH",
    "KRB5CCNAME",
    "KRB5_CONFIG",
    "KRB5_CLIENT_KTNAME",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    NULL,
};

static void start_next(struct worker_pool *pool);

static void on_all_closed(struct closer *c)
{
    struct worker *w = container_of(c, struct worker, closer);
    struct probe_run *run = w->run;
    void (*on_closed)(struct probe_run *) = w->on_closed;
    buf_wipe(&w->job);
    buf_wipe(&w->reply);
    free(w);
    on_closed(run);
}

static void on_process_closed(uv_handle_t *handle)
{
    closer_drop(&container_of((uv_process_t *)handle, struct worker, process)->closer);
}

static void report(struct worker *w)
{
    if (w->state >= WORKER_OVER)
        return;
    move(w, WORKER_OVER);
    w->result.reply = &w->reply;
    w->on_done(w->run, &w->result);
}

static void leave_line(struct worker *w)
{
    for (struct worker **at = &w->pool->line; *at; at = &(*at)->next)
        if (*at == w) {
            *at = w->next;
            return;
        }
}

static void join_line(struct worker *w)
{
    struct worker **end = &w->pool->line;
    while (*end)
        end = &(*end)->next;
    *end = w;
}

/* Its time is over, unless it has failed by itself. */
static void on_timer(uv_timer_t *timer)
{
    struct worker *w = container_of(timer, struct worker, timer);
    leave_line(w);
    if (w->result.outcome == WORKER_ENDED)
        w->result.outcome = WORKER_STARVED;
    report(w);
}

/* Only while it is not reaped: until then its pid, and so its group, cannot be another's. What it
 * leaves behind in its group goes with it, in on_exit_child. */
static void kill_group(struct worker *w)
{
    if (w->is_alive)
        kill(-w->process.pid, SIGKILL);
}

static void take(struct worker *w, const char *data, size_t len)
{
    if (buf_add(&w->reply, data, len) < 0)
        w->result.outcome = WORKER_FLOODED;
}

/* The child has ended, so all that it wrote is in the pipe. The end of the pipe is not waited for:
 * a process that the child started in another session may hold it open. */
static void read_rest(struct worker *w)
{
    uv_os_fd_t fd; /* it never blocks */
    ssize_t n;
    if (uv_fileno((uv_handle_t *)&w->out, &fd) < 0)
        return;
    while (w->result.outcome == WORKER_ENDED && (n = read(fd, w->chunk, sizeof w->chunk)) > 0)
        take(w, w->chunk, (size_t)n);
    uv_read_stop((uv_stream_t *)&w->out);
}

/* The child is reaped, and its number is free: kill() comes before anything else. While a process
 * of its group lives, the kernel gives that number to nobody; where none lives, kill() finds
 * nobody. */
static void on_exit_child(uv_process_t *process, int64_t exit_status, int term_signal)
{
    struct worker *w = container_of(process, struct worker, process);
    kill(-process->pid, SIGKILL);
    w->is_alive = false;
    w->pool->running--;
    w->result.exit_status = (int)exit_status;
    w->result.term_signal = term_signal;
    uv_close((uv_handle_t *)process, on_process_closed);
    read_rest(w);
    report(w);
    start_next(w->pool);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct worker *w = container_of((uv_pipe_t *)handle, struct worker, out);
    *buf = uv_buf_init(w->chunk, sizeof w->chunk);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct worker *w = container_of((uv_pipe_t *)stream, struct worker, out);
    if (n > 0)
        take(w, buf->base, (size_t)n);
    if (n < 0 || w->result.outcome == WORKER_FLOODED)
        uv_read_stop(stream);
    if (w->result.outcome == WORKER_FLOODED)
        kill_group(w);
}

/* A child that does not take its job says by its end why. */
static void on_job_taken(uv_shutdown_t *req, int status)
{
    (void)status;
    buf_wipe(&container_of(req, struct worker, shutdown)->job);
}

static void write_job(struct worker *w)
{
    uv_stream_t *in = (uv_stream_t *)&w->in;
    uv_buf_t buf = uv_buf_init(w->job.data, (unsigned)w->job.len);
    uv_write(&w->write, in, &buf, 1, NULL);
    uv_shutdown(&w->shutdown, in, on_job_taken);
}

static int spawn(struct worker *w)
{
    char name[] = "probe";
    char *args[] = {name, (char *)w->entry, NULL};
    const struct spawn child = {.file = "/proc/self/exe",
                                .args = args,
                                .kept = env_kept,
                                .in = &w->in,
                                .out = &w->out,
                                .on_exit = on_exit_child};
    return spawn_start(w->run->env->loop, &w->process, &child);
}

/* The result of a failure comes by the timer: never from inside worker_start. One that comes late
 * out of the line keeps its timer. */
static void start_child(struct worker *w)
{
    int64_t now = clock_now();
    w->result.late = now - w->run->started > w->run->deadline - now;
    if (!w->result.late)
        uv_timer_stop(&w->timer);
    uv_pipe_init(w->run->env->loop, &w->in, 0);
    uv_pipe_init(w->run->env->loop, &w->out, 0);
    closer_add(&w->closer, &w->in);
    closer_add(&w->closer, &w->out);
    int rc = spawn(w);
    if (w->process.loop) /* it may have one after an error too */
        closer_hold(&w->closer);
    if (rc == 0) {
        move(w, WORKER_RUNNING);
        w->is_alive = true;
        w->pool->running++;
        write_job(w);
        rc = uv_read_start((uv_stream_t *)&w->out, on_alloc, on_read);
        if (rc == 0)
            return;
        kill_group(w);
    } else {
        if (w->process.loop)
            uv_close((uv_handle_t *)&w->process, on_process_closed);
        uv_timer_start(&w->timer, on_timer, 0, 0);
    }
    w->result.outcome = WORKER_FAILED;
    err_set(&w->result.error, "cannot start a child process: %s", uv_strerror(rc));
}

static void start_next(struct worker_pool *pool)
{
    while (pool->running < pool->most && pool->line) {
        struct worker *w = pool->line;
        pool->line = w->next;
        start_child(w);
    }
}

static void pool_close(struct probe_shared *shared)
{
    free(container_of(shared, struct worker_pool, shared));
}

static struct worker_pool *pool_of(struct probe_env *env)
{
    struct probe_shared *shared = probe_shared_find(env, "child");
    struct worker_pool *pool = container_of(shared, struct worker_pool, shared);
    if (!shared) {
        pool = calloc(1, sizeof *pool);
        if (!pool)
            return NULL;
        pool->shared = (struct probe_shared){.name = "child", .close = pool_close};
        probe_shared_add(env, &pool->shared);
    }
    pool->most = env->max_workers ? env->max_workers : 1;
    return pool;
}

static void get_in_line(struct worker *w)
{
    int64_t left = w->run->deadline - clock_now() - STARVED_BEFORE;
    join_line(w);
    uv_update_time(w->run->env->loop);
    uv_timer_start(&w->timer, on_timer, left > 0 ? (uint64_t)(left / NS_PER_MS) : 0, 0);
}

struct worker *worker_start(struct probe_run *run, const char *entry, const void *job, size_t len,
                            void (*on_done)(struct probe_run *run,
                                            const struct worker_result *result))
{
    struct worker_pool *pool = pool_of(run->env);
    struct worker *w = pool ? calloc(1, sizeof *w) : NULL;
    if (!w)
        return NULL;
    buf_init(&w->job, JOB_MAX);
    buf_init(&w->reply, WORKER_REPLY_MAX);
    if (buf_add(&w->job, job, len)) {
        buf_wipe(&w->job);
        free(w);
        return NULL;
    }
    w->pool = pool;
    w->run = run;
    w->entry = entry;
    w->on_done = on_done;
    closer_init(&w->closer, run->env->loop, on_all_closed);
    uv_timer_init(run->env->loop, &w->timer);
    closer_add(&w->closer, &w->timer);
    if (pool->running < pool->most && !pool->line)
        start_child(w);
    else
        get_in_line(w);
    return w;
}

void worker_close(struct worker *w, void (*on_closed)(struct probe_run *run))
{
    move(w, WORKER_CLOSING);
    w->on_closed = on_closed;
    leave_line(w);
    kill_group(w);
    closer_close(&w->closer);
}
