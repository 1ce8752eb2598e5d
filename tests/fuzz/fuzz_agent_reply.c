/* Any bytes as the answer of what is thought to be an agent: `probe status` must end soon, with a
 * status that HTTP has or an error in words. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/agent_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64];
static int listener = -1;
static const uint8_t *reply;
static size_t reply_len;

static void remove_socket(void)
{
    unlink(path);
}

static void listen_once(void)
{
    if (listener >= 0)
        return;
    snprintf(path, sizeof path, "/tmp/probe-fuzz-%d.sock", (int)getpid());
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(path);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, 4) < 0)
        abort();
    atexit(remove_socket);
}

static void *serve_one(void *arg)
{
    (void)arg;
    int fd = accept(listener, NULL, NULL);
    if (fd < 0)
        abort();
    size_t sent = 0;
    while (sent < reply_len) {
        ssize_t n = send(fd, reply + sent, reply_len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        sent += (size_t)n;
    }
    shutdown(fd, SHUT_WR);
    char rest[512];
    while (read(fd, rest, sizeof rest) > 0)
        continue;
    close(fd);
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    listen_once();
    reply = data;
    reply_len = size;
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve_one, NULL) != 0)
        abort();
    struct buf body;
    struct err e;
    int status = agent_request(path, NULL, "GET", "/status", clock_now() + 5 * NS_PER_S, &body, &e);
    pthread_join(thread, NULL);
    if (status >= 0 && (status < 100 || status > 999))
        abort();
    buf_fini(&body);
    return 0;
}
