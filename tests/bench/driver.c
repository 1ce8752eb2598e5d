/* driver: pings by the Mongo C driver, and by system calls alone, to compare with. Prints the CPU
 * time and the number of pings.
 *
 *   driver once URI          one ping, then the end
 *   driver kept URI N        N pings by one client
 *   driver fresh URI N       N pings, each by a client of its own
 *   driver bare-kept PORT N  N times probe's bytes and their answer, by BATCH connections in turn
 *   driver bare-fresh PORT N the same, each by a connection of its own, a millisecond between two
 */
#include <arpa/inet.h>
#include <mongoc/mongoc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 32

static bool ping(mongoc_client_t *client)
{
    bson_t command = BSON_INITIALIZER, reply;
    bson_error_t error;
    BSON_APPEND_INT32(&command, "ping", 1);
    bool ok = mongoc_client_command_simple(client, "admin", &command, NULL, &reply, &error);
    if (!ok)
        fprintf(stderr, "driver: %s\n", error.message);
    bson_destroy(&reply);
    bson_destroy(&command);
    return ok;
}

static bool ping_fresh(const char *uri)
{
    mongoc_client_t *client = mongoc_client_new(uri);
    bool ok = client && ping(client);
    mongoc_client_destroy(client);
    return ok;
}

/* hello and ping, as probe sends them. */
#define MESSAGE(size, id) size "\0\0\0" id "\0\0\0\0\0\0\0\xdd\7\0\0\0\0\0\0\0"
#define DB                "\1\0\0\0\2$db\0\6\0\0\0admin\0\0"
static const char request[] = MESSAGE("\x34", "\1") "\x1f\0\0\0\x10hello\0" DB MESSAGE(
    "\x33", "\2") "\x1e\0\0\0\x10ping\0" DB;

static int bare_connect(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ? fd : -1;
}

static bool bare_ask(int fd)
{
    return write(fd, request, sizeof request - 1) == (ssize_t)(sizeof request - 1);
}

static bool bare_answered(int fd)
{
    char in[16384];
    return read(fd, in, sizeof in) > 0;
}

static bool bare_kept(int port, long n)
{
    int fds[BATCH];
    bool ok = true;
    for (int i = 0; i < BATCH; i++)
        fds[i] = bare_connect(port);
    for (long done = 0; ok && done < n; done += BATCH) {
        for (int i = 0; i < BATCH; i++)
            ok &= bare_ask(fds[i]);
        for (int i = 0; i < BATCH; i++)
            ok &= bare_answered(fds[i]);
    }
    return ok;
}

static bool bare_fresh(int port, long n)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    const struct linger reset = {.l_onoff = 1};
    bool ok = true;
    for (long i = 0; ok && i < n; i++) {
        int fd = bare_connect(port);
        ok = fd >= 0 && bare_ask(fd) && bare_answered(fd);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
        nanosleep(&pause, NULL);
    }
    return ok;
}

static double cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 64;
    const char *how = argv[1], *uri = argv[2];
    long n = argc > 3 ? atol(argv[3]) : 1;
    if (strncmp(how, "bare-", 5) == 0) {
        n = (n + BATCH - 1) / BATCH * BATCH;
        bool fresh = strcmp(how, "bare-fresh") == 0;
        if (!(fresh ? bare_fresh : bare_kept)(atoi(uri), n))
            return 1;
        printf("{\"cpu_us\": %.0f, \"pings\": %ld}\n", cpu_us(), n);
        return 0;
    }
    mongoc_init();
    mongoc_client_t *kept = strcmp(how, "kept") == 0 ? mongoc_client_new(uri) : NULL;
    if (kept && !ping(kept))
        return 1;
    double begin = cpu_us();
    for (long i = 0; i < n; i++)
        if (!(kept ? ping(kept) : ping_fresh(uri)))
            return 1;
    printf("{\"cpu_us\": %.0f, \"pings\": %ld}\n", cpu_us() - begin, n);
    if (kept)
        mongoc_client_destroy(kept);
    mongoc_cleanup();
    return 0;
}
