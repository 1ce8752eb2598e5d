/* tick: the machine's own lateness: wakes up every PERIOD_US, as a bare loop with nothing to do
 * would, until it is told to end (SIGTERM), and prints by how much it was late, in us. What any
 * program on this machine could not have done better in the same time.
 *
 *   tick PERIOD_US */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SAMPLES_MAX 1000000

static volatile sig_atomic_t ended;

static void on_term(int signal)
{
    (void)signal;
    ended = 1;
}

static int by_value(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int64_t ns(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int main(int argc, char **argv)
{
    struct sigaction on_end = {.sa_handler = on_term};
    int64_t period = argc > 1 ? atoll(argv[1]) * 1000 : 0;
    int32_t *late = malloc(SAMPLES_MAX * sizeof *late);
    struct timespec t;
    size_t n = 0;
    if (period <= 0 || !late)
        return 64;
    sigaction(SIGTERM, &on_end, NULL);
    clock_gettime(CLOCK_MONOTONIC, &t);
    for (int64_t due = ns(t); !ended && n < SAMPLES_MAX; due += period) {
        struct timespec until = {.tv_sec = due / 1000000000, .tv_nsec = due % 1000000000};
        if (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
            break;
        clock_gettime(CLOCK_MONOTONIC, &t);
        late[n++] = (int32_t)((ns(t) - due) / 1000);
    }
    qsort(late, n, sizeof *late, by_value);
    if (n)
        printf("{\"n\": %zu, \"p50\": %d, \"p99\": %d, \"max\": %d}\n", n, late[n / 2],
               late[n - 1 - n / 100], late[n - 1]);
    return 0;
}
