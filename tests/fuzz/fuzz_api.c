/* Any bytes from a client of the agent's socket, in pieces: the API answers or hangs up, and the
 * loop goes on. The first byte is the size of a piece. One agent serves all inputs of a run. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"
#include "engine/engine.h"
#include "serve/serve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TURNS 40 /* of the loop, for one input at most */

static uv_loop_t loop;
static struct engine engine;
static struct serve *serve;
static char socket_path[64];

static void remove_socket(void)
{
    unlink(socket_path);
}

static void on_transition(void *ctx, struct check *c, enum health_status from)
{
    (void)ctx;
    if (serve)
        serve_on_transition(serve, c, from);
}

static void on_result(void *ctx, struct check *c, const struct check_result *r)
{
    (void)ctx;
    (void)r;
    if (serve)
        serve_on_result(serve, c);
}

static int refuse_reload(void *ctx, struct config_report *report)
{
    (void)ctx;
    config_report_add(report, true, "probe.ini", 1, "agent", "not here");
    return -1;
}

static struct config *load(void)
{
    char text[512], path[64];
    snprintf(socket_path, sizeof socket_path, "/tmp/probe-fuzz-%d.sock", (int)getpid());
    int len = snprintf(text, sizeof text,
                       "[agent]\nsocket = %s\nlisten = off\n"
                       "[probe a]\ntype = tcp\naddress = 127.0.0.1:1\ninitial_delay = 9h\n"
                       "[probe b]\ntype = tcp\naddress = 127.0.0.1:1\ninitial_delay = 9h\n",
                       socket_path);
    int fd = memfd_create("config", MFD_CLOEXEC);
    if (fd < 0 || write(fd, text, (size_t)len) != len)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct config_report report;
    config_report_init(&report);
    struct config *config;
    if (config_load(&(struct config_source){.path = path}, &config, &report) != CONFIG_OK)
        abort();
    config_report_fini(&report);
    close(fd);
    return config;
}

static void open_once(void)
{
    if (serve)
        return;
    log_setup(false, LOG_ERROR);
    static const struct engine_hooks hooks = {.on_result = on_result,
                                              .on_transition = on_transition};
    static const struct serve_hooks serve_hooks = {.reload = refuse_reload};
    struct err e;
    struct config *config = load();
    if (uv_loop_init(&loop) < 0)
        abort();
    engine_init(&engine, &loop, true, 1, &hooks);
    if (engine_load(&engine, config, &e) < 0 ||
        serve_open(&serve, &engine, &config->agent, &serve_hooks, &e) < 0)
        abort();
    atexit(remove_socket);
    config_free(config);
}

static int open_client(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        abort();
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    open_once();
    size_t piece = data[0] ? data[0] * (size_t)64 : size, at = 1;
    int fd = open_client();
    for (int turn = 0; turn < TURNS; turn++) {
        if (at < size) {
            size_t n = size - at < piece ? size - at : piece;
            ssize_t sent = send(fd, data + at, n, MSG_NOSIGNAL);
            if (sent < 0 && errno != EAGAIN)
                break;
            at += sent > 0 ? (size_t)sent : 0;
        }
        uv_run(&loop, UV_RUN_NOWAIT);
        char answer[65536];
        ssize_t got = recv(fd, answer, sizeof answer, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            break;
    }
    close(fd);
    for (int turn = 0; turn < 4; turn++)
        uv_run(&loop, UV_RUN_NOWAIT);
    return 0;
}
