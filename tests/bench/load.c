/* load: asks an HTTP server again and again, each time by a new connection, and prints a line each:
 * us from connect to the last byte, bytes of the whole answer, status.
 *
 *   load [-n REQUESTS] [-s SECONDS] [-p PAUSE_US] PORT|/SOCKET PATH */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int dial(const char *where)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(where)),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int is_unix = where[0] == '/';
    strncpy(un.sun_path, where, sizeof un.sun_path - 1);
    int fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = is_unix ? connect(fd, (struct sockaddr *)&un, sizeof un)
                     : connect(fd, (struct sockaddr *)&in, sizeof in);
    return rc == 0 ? fd : -1;
}

int main(int argc, char **argv)
{
    static char in[1 << 20];
    long requests = 1000, seconds = 3600, pause = 0;
    for (int option; (option = getopt(argc, argv, "n:s:p:")) != -1;) {
        switch (option) {
        case 'n':
            requests = atol(optarg);
            break;
        case 's':
            seconds = atol(optarg);
            break;
        case 'p':
            pause = atol(optarg);
            break;
        default:
            return 64;
        }
    }
    if (argc - optind != 2)
        return 64;
    char text[512];
    int n = snprintf(text, sizeof text,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
                     argv[optind + 1]);
    int64_t end = now_ns() + (int64_t)seconds * 1000000000;
    for (long i = 0; i < requests && now_ns() < end; i++) {
        int64_t begin = now_ns();
        int fd = dial(argv[optind]), status = 0;
        long long total = 0;
        if (fd < 0 || write(fd, text, (size_t)n) != n) {
            perror("load");
            return 1;
        }
        for (ssize_t got; (got = read(fd, in, sizeof in)) != 0; total += got) {
            if (got < 0) {
                perror("load");
                return 1;
            }
            if (total == 0 && got > 12)
                status = atoi(in + 9);
        }
        printf("%lld\t%lld\t%d\n", (long long)(now_ns() - begin) / 1000, total, status);
        close(fd);
        if (pause)
            usleep((useconds_t)pause);
    }
    return 0;
}
