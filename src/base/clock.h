/* clock: the one source of time. All times and durations in the program are int64_t nanoseconds;
 * schedules use the monotonic clock only, wall time is for showing. */
#ifndef PROBE_BASE_CLOCK_H
#define PROBE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

/* "Never": later than any time that can be reached. */
#define TIME_NEVER INT64_MAX

/* Monotonic time, as uv_hrtime gives it (CLOCK_MONOTONIC). */
int64_t clock_now(void);

/* Wall time since the epoch. */
int64_t clock_wall(void);

/* a + b without overflow: sticks at TIME_NEVER. Both are >= 0. */
int64_t time_add(int64_t a, int64_t b);

/* RFC 3339 in UTC with milliseconds, "2026-01-02T03:04:05.678Z", 24 bytes and the NUL. Returns the
 * NUL's place. */
#define CLOCK_RFC3339_SIZE 32
char *clock_rfc3339(int64_t wall_ns, char out[CLOCK_RFC3339_SIZE]);

/* A duration for a person, at most two units and three digits: "850 us", "1.2 ms", "3.04 s",
 * "2m5s", "3h0m", "4d2h". Returns out. */
#define CLOCK_SHORT_SIZE 32
char *clock_short(int64_t ns, char out[CLOCK_SHORT_SIZE]);

#endif
