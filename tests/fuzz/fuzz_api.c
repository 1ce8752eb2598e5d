/* Any bytes as what a client sends to the agent's socket. Nothing may crash, spin or be left
 * behind: when the client is gone, so are its connection and all that waited for it. A first byte
 * says how the bytes come: all at once, or in pieces of that size. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "serve/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uv_loop_t loop;
static struct engine engine;
static struct serve *api;
static char directory[] = "/tmp/probe-fuzz-api.XXXXXX", path[64];

/* "web" succeeds from inside its start, "db" never ends by itself. */
static void start(struct probe_run *run)
{
    if (run->conf)
        return;
    probe_finish(run, REASON_OK, "fine");
    probe_release(run);
}

static void cancel(struct probe_run *run)
{
    probe_release(run);
}

static void dispose(void *conf)
{
    (void)conf;
}

static const struct probe_type type = {.name = "fake",
                                       .run_size = sizeof(struct probe_run),
                                       .start = start,
                                       .cancel = cancel,
                                       .dispose = dispose};

static struct check_conf *conf(const char *name, void *hangs)
{
    struct check_conf *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    *c = (struct check_conf){.refs = 1,
                             .name = strdup(name),
                             .target = strdup("127.0.0.1:80"),
                             .type = &type,
                             .conf = hangs,
                             .policy = {.interval = 3600 * NS_PER_S,
                                        .timeout = 3600 * NS_PER_S,
                                        .start_interval = NS_PER_S,
                                        .retries = 1,
                                        .success_threshold = 1},
                             .levels = LEVEL_READY,
                             .required = true,
                             .fingerprint = strdup(name)};
    return c;
}

static uint64_t asked, ended; /* the reloads */

static uint64_t reload(void *ctx)
{
    (void)ctx;
    return ++asked;
}

static void remove_all(void)
{
    unlink(path);
    rmdir(directory);
}

static void set_up(void)
{
    const struct engine_hooks hooks = {0};
    const struct serve_hooks serve_hooks = {.reload = reload};
    struct config config = {.checks = calloc(2, sizeof *config.checks), .n_checks = 2};
    struct err e;
    if (!config.checks || !mkdtemp(directory) || uv_loop_init(&loop) != 0 ||
        engine_init(&engine, &loop, true, 1, &hooks) < 0)
        abort();
    config.checks[0] = conf("web", NULL);
    config.checks[1] = conf("db", &loop);
    snprintf(path, sizeof path, "%s/s", directory);
    const struct agent_conf agent = {.socket = path, .socket_mode = 0600};
    if (engine_load(&engine, &config, &e) < 0 ||
        serve_open(&api, &engine, &agent, &serve_hooks, &e) < 0)
        abort();
    free(config.checks);
    atexit(remove_all);
}

static void turn(int times)
{
    const struct config_report report = {0};
    for (int i = 0; i < times; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        if (ended == asked)
            continue;
        serve_on_reload(api);
        serve_answer_reload(api, ++ended, true, &report);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];
    char answer[4096];
    if (!api)
        set_up();
    if (size == 0)
        return 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        abort();
    struct sockaddr_storage addr = {.ss_family = AF_UNIX};
    if (MHD_add_connection(api->unix_->daemon, pair[0], (struct sockaddr *)&addr, sizeof addr) !=
        MHD_YES)
        abort();
    size_t piece = data[0] ? data[0] : size;
    for (size_t at = 1; at < size;) {
        size_t n = size - at < piece ? size - at : piece;
        ssize_t sent = send(pair[1], data + at, n, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        at += (size_t)sent;
        turn(1);
    }
    turn(8);
    while (recv(pair[1], answer, sizeof answer, 0) > 0)
        turn(1);
    close(pair[1]);
    int64_t end = clock_now() + 5 * NS_PER_S;
    while ((api->conns.first) && clock_now() < end)
        turn(1);
    if (api->conns.first)
        abort();
    return 0;
}
