/* scale_sim: what many agents do to the services they share, on the real state machine and the real
 * choice of the next start, under a virtual clock. Not installed.
 *
 * A thousand agents each watch the same thousand services: a million probes. An agent starts one
 * check after the other, at AGENT_COST each. A service answers its checks in order, `capacity` a
 * second, and does the work of those that gave up waiting as well, as real services do; while it is
 * down it refuses at once. Prints a Markdown table; with --check FILE it fails unless FILE holds
 * that very table. The random numbers are seeded: two runs print the same. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "health/health.h"

#define AGENTS     1000
#define SERVICES   1000
#define PROBES     (AGENTS * SERVICES)
#define TICK_NS    NS_PER_MS
#define RUN_NS     (120 * NS_PER_S)
#define TICKS      (RUN_NS / TICK_NS)
#define AGENT_COST (40 * NS_PER_US)
#define ROUND_TRIP (200 * NS_PER_US)
#define INTERVAL   (10 * NS_PER_S)
#define TIMEOUT    (2 * NS_PER_S)
#define BIN_NS     (100 * NS_PER_MS)
#define NONE       UINT32_MAX

struct scenario {
    const char *what;
    uint32_t jitter_percent;
    int64_t fail_interval; /* 0: as the interval */
    int64_t capacity;      /* checks a second that one service can answer */
    int64_t down_from, down_for;
};

struct sim_probe {
    struct health_state health;
    int64_t at;      /* when its next event is */
    int64_t started; /* of the check under way */
    uint32_t next;   /* in the list of its tick */
    bool under_way;
    bool ok; /* how the check under way will end */
};

struct sim {
    const struct scenario *s;
    struct health_policy policy;
    struct sim_probe *probes;
    uint32_t *ticks; /* for each tick, the first of its list */
    int64_t agent_busy[AGENTS], service_busy[SERVICES];
    uint64_t random;
    uint64_t bins[RUN_NS / BIN_NS];                 /* starts */
    uint64_t checks, false_failed, false_unhealthy; /* false: while the service was up */
    uint64_t unhealthy_now;                         /* probes that are not healthy */
    int64_t all_healthy;                            /* since when */
    int64_t latest;                                 /* worst lateness of a start behind its plan */
};

static struct sim sim;

static uint32_t next_random(void)
{
    sim.random ^= sim.random >> 12;
    sim.random ^= sim.random << 25;
    sim.random ^= sim.random >> 27;
    return (uint32_t)((sim.random * UINT64_C(0x2545f4914f6cdd1d)) >> 32);
}

static void put(uint32_t i, int64_t at)
{
    sim.probes[i].at = at;
    if (at >= RUN_NS)
        return;
    uint32_t *head = &sim.ticks[at / TICK_NS];
    sim.probes[i].next = *head;
    *head = i;
}

static bool is_down(int64_t t)
{
    return t >= sim.s->down_from && t < sim.s->down_from + sim.s->down_for;
}

static void start(uint32_t i)
{
    struct sim_probe *p = &sim.probes[i];
    int64_t *agent = &sim.agent_busy[i / SERVICES], *service = &sim.service_busy[i % SERVICES];
    int64_t began = p->at > *agent ? p->at : *agent;
    *agent = began + AGENT_COST;
    if (began - p->at > sim.latest)
        sim.latest = began - p->at;
    if (began < RUN_NS)
        sim.bins[began / BIN_NS]++;
    p->started = began;
    p->under_way = true;
    if (is_down(began)) {
        *service = 0;
        p->ok = false;
        put(i, began + ROUND_TRIP);
        return;
    }
    int64_t idle = *service > began ? *service : began;
    *service = idle + NS_PER_S / sim.s->capacity;
    int64_t took = *service - began + ROUND_TRIP;
    p->ok = took <= TIMEOUT;
    put(i, began + (p->ok ? took : TIMEOUT));
}

static void finish(uint32_t i)
{
    struct sim_probe *p = &sim.probes[i];
    enum health_status before = p->health.status;
    bool up = !is_down(p->started);
    p->under_way = false;
    sim.checks++;
    sim.false_failed += !p->ok && up;
    health_apply(&p->health, &sim.policy, p->ok ? HEALTH_SUCCESS : HEALTH_FAILURE,
                 HEALTH_PRIOR_GOOD, p->started, p->at, NULL);
    enum health_status after = p->health.status;
    if (before != HEALTH_HEALTHY && after == HEALTH_HEALTHY && --sim.unhealthy_now == 0)
        sim.all_healthy = p->at;
    if (before == HEALTH_HEALTHY && after != HEALTH_HEALTHY)
        sim.unhealthy_now++;
    if (before != HEALTH_UNHEALTHY && after == HEALTH_UNHEALTHY && up)
        sim.false_unhealthy++;
    put(i, health_next_start(&p->health, &sim.policy, p->at, next_random()));
}

/* A tick's list is taken out before it is run: what an event puts into the same tick comes after.
 */
static void run_tick(int64_t tick)
{
    while (sim.ticks[tick] != NONE) {
        uint32_t i = sim.ticks[tick];
        sim.ticks[tick] = NONE;
        while (i != NONE) {
            uint32_t next = sim.probes[i].next;
            if (sim.probes[i].under_way)
                finish(i);
            else
                start(i);
            i = next;
        }
    }
}

/* The fullest 100 ms of a stretch of time, as a multiple of its mean. */
static double peak(int64_t from, int64_t to)
{
    uint64_t most = 0, all = 0;
    for (int64_t b = from / BIN_NS; b < to / BIN_NS; b++) {
        all += sim.bins[b];
        if (sim.bins[b] > most)
            most = sim.bins[b];
    }
    return all ? (double)most * (double)((to - from) / BIN_NS) / (double)all : 0;
}

static void run(const struct scenario *s, struct buf *out)
{
    struct sim_probe *probes = sim.probes;
    uint32_t *ticks = sim.ticks;
    sim = (struct sim){.s = s,
                       .probes = probes,
                       .ticks = ticks,
                       .random = UINT64_C(0x9e3779b97f4a7c15),
                       .unhealthy_now = PROBES,
                       .all_healthy = -1};
    sim.policy = (struct health_policy){.interval = INTERVAL,
                                        .timeout = TIMEOUT,
                                        .fail_interval = s->fail_interval,
                                        .retries = 3,
                                        .success_threshold = 1,
                                        .jitter_percent = s->jitter_percent};
    memset(ticks, 0xff, TICKS * sizeof *ticks);
    memset(probes, 0, PROBES * sizeof *probes);
    for (uint32_t i = 0; i < PROBES; i++) {
        health_init(&probes[i].health, 0);
        put(i, health_first_start(&sim.policy, 0, next_random()));
    }
    for (int64_t t = 0; t < TICKS; t++)
        run_tick(t);
    int64_t up_again = s->down_for ? s->down_from + s->down_for : 0;
    buf_printf(out, "| %s | %" PRIu32 "%% | %s | %" PRId64 "/s | %.1f x mean | %.1f x | ", s->what,
               s->jitter_percent, s->fail_interval ? "1s" : "as `interval`", s->capacity,
               peak(up_again, up_again + INTERVAL), peak(RUN_NS - INTERVAL, RUN_NS));
    buf_printf(out, "%.1f%% | %" PRIu64 " | ",
               100.0 * (double)sim.false_failed / (double)sim.checks, sim.false_unhealthy);
    if (sim.unhealthy_now == 0)
        buf_printf(out, "%.1f s", (double)(sim.all_healthy - up_again) / NS_PER_S);
    else
        buf_printf(out, "%.0f%% are not", 100.0 * (double)sim.unhealthy_now / PROBES);
    buf_printf(out, " | %.1f ms |\n", (double)sim.latest / NS_PER_MS);
}

#define DOWN .down_from = 30 * NS_PER_S, .down_for = 40 * NS_PER_S

static const struct scenario scenarios[] = {
    {.what = "all agents start at once", .jitter_percent = 0, .capacity = 200},
    {.what = "all agents start at once", .jitter_percent = 10, .capacity = 200},
    {.what = "all agents start at once", .jitter_percent = 50, .capacity = 200},
    {.what = "all agents start at once", .jitter_percent = 100, .capacity = 200},
    {.what = "an outage ends", .jitter_percent = 10, .capacity = 200, DOWN},
    {.what = "an outage ends", .jitter_percent = 50, .capacity = 200, DOWN},
    {.what = "an outage ends",
     .jitter_percent = 10,
     .fail_interval = NS_PER_S,
     .capacity = 200,
     DOWN},
    {.what = "an outage ends",
     .jitter_percent = 10,
     .fail_interval = NS_PER_S,
     .capacity = 1200,
     DOWN},
};

static const char table_head[] =
    "| what happens | `jitter` | `fail_interval` | a service can answer | fullest 100 ms, in the "
    "first interval after it | in the last interval | checks that failed though the service was up "
    "| probes that turned unhealthy though it was up | until all are healthy | latest start |\n"
    "|---|---|---|---|---|---|---|---|---|---|\n";

/* Does the file hold the table? */
static bool file_holds(const char *path, const char *table)
{
    struct buf text;
    char chunk[4096];
    size_t n;
    FILE *f = fopen(path, "r");
    if (!f) {
        fprintf(stderr, "scale_sim: cannot open %s\n", path);
        return false;
    }
    buf_init(&text, 1 << 20);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_add(&text, chunk, n);
    fclose(f);
    bool holds = text.len && !text.failed && strstr(text.data, table);
    buf_fini(&text);
    return holds;
}

int main(int argc, char **argv)
{
    const char *page = argc == 3 && strcmp(argv[1], "--check") == 0 ? argv[2] : NULL;
    if (argc != 1 && !page) {
        fputs("usage: scale_sim [--check FILE]\n", stderr);
        return 64;
    }
    struct buf table;
    buf_init(&table, 1 << 16);
    buf_puts(&table, table_head);
    sim.probes = malloc(PROBES * sizeof *sim.probes);
    sim.ticks = malloc(TICKS * sizeof *sim.ticks);
    if (!sim.probes || !sim.ticks) {
        fputs("scale_sim: out of memory\n", stderr);
        return 70;
    }
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++)
        run(&scenarios[i], &table);
    fputs(table.data, stdout);
    bool ok = !page || file_holds(page, table.data);
    if (!ok)
        fprintf(stderr, "scale_sim: %s does not hold this table\n", page);
    free(sim.probes);
    free(sim.ticks);
    buf_fini(&table);
    return ok ? 0 : 1;
}
