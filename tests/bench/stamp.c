/* stamp: the command behind a gate: writes when it began, CLOCK_MONOTONIC in ns. Static, so that
 * nothing comes before that but exec. */
#include <stdio.h>
#include <time.h>

int main(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    printf("%lld\n", (long long)t.tv_sec * 1000000000 + t.tv_nsec);
    return 0;
}
