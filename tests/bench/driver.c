/* driver: pings by the Mongo C driver, to compare with. Prints the CPU time and the number of
 * pings.
 *
 *   driver once URI          one ping, then the end
 *   driver kept URI N        N pings by one client
 *   driver fresh URI N       N pings, each by a client of its own */
#include <mongoc/mongoc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

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
