/* Checks that come after others: blocked while those are down, and never blamed in their place. */
#include "engine_rig.h"

static bool child_blocked_then_free(struct bench *b)
{
    const struct check *child = engine_find(&b->engine, "child");
    const struct check *parent = engine_find(&b->engine, "parent");
    struct script *s = (struct script *)(uintptr_t)parent->conf->conf;
    if (child->health.status == HEALTH_BLOCKED && s->act == ACT_FAIL && b->results > 4) {
        assert_int_equal(child->n_results, 0); /* in flight when it was blocked: dropped */
        s->act = ACT_OK;
        ((struct script *)(uintptr_t)child->conf->conf)->act = ACT_OK;
    }
    return s->act == ACT_OK && child->health.status == HEALTH_HEALTHY;
}

static void test_after(void **state)
{
    (void)state;
    struct bench b;
    struct script parent = {.act = ACT_FAIL}, child = {.act = ACT_HANG};
    bench_open(&b, child_blocked_then_free);
    struct check_conf *confs[] = {conf_new("child", &child, "parent"),
                                  conf_new("parent", &parent, NULL)};
    load(&b, confs, 2);
    bench_run(&b);
    expect_paired(&child);
}

static bool saw(struct bench *b, const char *name, enum health_status status)
{
    return engine_find(&b->engine, name)->health.status == status;
}

static void never_blamed(struct bench *b)
{
    assert_int_not_equal(engine_find(&b->engine, "child")->health.status, HEALTH_UNHEALTHY);
}

/* Both are healthy; then `parent` is as `next` says, and `child`, checked far more often, fails. */
static struct script prior, follower;
static enum act prior_next;

static bool until_told(struct bench *b, enum health_status parent_end, enum health_status child_end)
{
    if (follower.act == ACT_OK && saw(b, "parent", HEALTH_HEALTHY) &&
        saw(b, "child", HEALTH_HEALTHY)) {
        prior.act = prior_next;
        follower.act = ACT_FAIL;
    }
    if (prior_next == ACT_FAIL || prior_next == ACT_HANG)
        never_blamed(b);
    return follower.act == ACT_FAIL && saw(b, "parent", parent_end) && saw(b, "child", child_end);
}

static bool parent_is_blamed(struct bench *b)
{
    return until_told(b, HEALTH_UNHEALTHY, HEALTH_BLOCKED);
}

static bool child_is_blamed(struct bench *b)
{
    return until_told(b, HEALTH_HEALTHY, HEALTH_UNHEALTHY);
}

static void run_prior(enum act next, bool (*until)(struct bench *b), int64_t timeout)
{
    struct bench b;
    prior = follower = (struct script){.act = ACT_OK};
    prior_next = next;
    bench_open(&b, until);
    struct check_conf *confs[] = {conf_new("child", &follower, "parent"),
                                  conf_new("parent", &prior, NULL)};
    confs[1]->policy.interval = 3600 * NS_PER_S; /* by itself it would not be checked again */
    confs[1]->policy.timeout = timeout;
    load(&b, confs, 2);
    bench_run(&b);
    expect_paired(&prior);
    expect_paired(&follower);
}

static void test_after_killed(void **state)
{
    (void)state;
    run_prior(ACT_FAIL, parent_is_blamed, 20 * MS);
}

/* The child fails some forty times while its parent says nothing. */
static void test_after_paused(void **state)
{
    (void)state;
    run_prior(ACT_HANG, parent_is_blamed, 250 * MS);
}

static void test_after_its_own_fault(void **state)
{
    (void)state;
    run_prior(ACT_OK, child_is_blamed, 20 * MS);
    /* A parent whose checks take far longer than the child's delays the verdict, no more. */
    run_prior(ACT_SLOW, child_is_blamed, 250 * MS);
}

static int starts_when_blocked;

static bool rests_when_blocked(struct bench *b)
{
    if (follower.started == 0)
        return false;
    prior.act = ACT_FAIL;
    if (!saw(b, "child", HEALTH_BLOCKED))
        return false;
    if (!starts_when_blocked)
        starts_when_blocked = follower.started;
    assert_int_equal(follower.started, starts_when_blocked);
    return follower.released == follower.started && prior.started > 5;
}

/* Blocked while its last run still holds on: the release starts no other. */
static void test_release_when_blocked(void **state)
{
    (void)state;
    struct bench b;
    prior = (struct script){.act = ACT_OK};
    follower = (struct script){.act = ACT_HANG, .release_ms = 100};
    starts_when_blocked = 0;
    bench_open(&b, rests_when_blocked);
    struct check_conf *confs[] = {conf_new("child", &follower, "parent"),
                                  conf_new("parent", &prior, NULL)};
    load(&b, confs, 2);
    bench_run(&b);
    expect_paired(&follower);
}

/* ---- Who asked for a check gets it at once, whatever becomes of the schedule meanwhile ---- */

static struct {
    struct bench *bench;
    int answers;
} ask;

static struct check *find(const char *name)
{
    return engine_find(&ask.bench->engine, name);
}

static void on_answer(void *ctx, struct check *c, const struct check_result *r)
{
    (void)ctx;
    (void)c;
    ask.answers += r != NULL;
}

/* The parent's status has changed, and the child has not been looked at yet. */
static void ask_child(void *ctx, struct check *c, enum health_status from)
{
    (void)ctx;
    (void)from;
    if (c == find("parent"))
        assert_non_null(engine_check_now(&ask.bench->engine, find("child"), on_answer, NULL));
}

static bool was_answered(struct bench *b)
{
    (void)b;
    return ask.answers > 0;
}

/* Both are checked when they are asked for, and the child once at the start. */
static void open_asked(struct bench *b, const struct probe_type *type, enum act parent,
                       enum act child, bool (*until)(struct bench *b))
{
    prior = (struct script){.act = parent};
    follower = (struct script){.act = child};
    memset(&ask, 0, sizeof ask);
    ask.bench = b;
    bench_open(b, until);
    b->engine.hooks.on_transition = ask_child;
    struct check_conf *confs[] = {conf_new("child", &follower, "parent"),
                                  conf_new("parent", &prior, NULL)};
    for (int i = 0; i < 2; i++)
        confs[i]->policy.interval = 3600 * NS_PER_S;
    confs[0]->type = type;
    confs[1]->policy.initial_delay = 3600 * NS_PER_S;
    load(b, confs, 2);
}

static void test_asked_for_and_blocked(void **state)
{
    (void)state;
    struct bench b;
    open_asked(&b, &script_type, ACT_FAIL, ACT_OK, was_answered);
    while (!b.results)
        uv_run(&b.loop, UV_RUN_ONCE);
    engine_check_now(&b.engine, find("parent"), on_answer, NULL);
    ask.answers = -1; /* the parent's own is none */
    bench_run(&b);
    expect_paired(&follower);
}

static void test_asked_for_and_decided(void **state)
{
    (void)state;
    struct bench b;
    open_asked(&b, &script_type, ACT_OK, ACT_FAIL, was_answered);
    bench_run(&b);
    assert_int_equal(follower.started, 2);
}

/* Asks between the failure and its decision, while the run that failed still holds on. */
static bool ask_while_held(struct bench *b)
{
    struct check *c = find("child");
    if (c->n_results == 1 && !c->waiters && !ask.answers)
        engine_check_now(&b->engine, c, on_answer, NULL);
    return ask.answers > 0;
}

static void test_asked_for_while_held(void **state)
{
    (void)state;
    struct bench b;
    open_asked(&b, &script_type, ACT_SLOW, ACT_HANG, ask_while_held);
    b.engine.hooks.on_transition = NULL;
    find("parent")->conf->policy.timeout = 5 * NS_PER_S;
    follower.release_ms = 300;
    bench_run(&b);
    assert_int_equal(follower.started, 2);
}

static void kept_open(struct probe_kept *kept)
{
    (void)kept;
}

static const struct probe_type kept_type = {
    .name = "kept",
    .run_size = sizeof(struct script_run),
    .start = script_start,
    .cancel = script_cancel,
    .dispose = script_dispose,
    .kept_size = sizeof(struct probe_kept),
    .kept_open = kept_open,
    .kept_close = probe_kept_closed,
};

static void wake_child(void *ctx, struct check *c, enum health_status from)
{
    (void)ctx;
    (void)from;
    if (c == find("parent"))
        probe_wake(find("child")->kept);
}

static bool twice(struct bench *b)
{
    (void)b;
    return follower.started == 2;
}

/* What its type watches has changed, and a moment later its failure is decided. */
static void test_woken_and_decided(void **state)
{
    (void)state;
    struct bench b;
    open_asked(&b, &kept_type, ACT_OK, ACT_FAIL, twice);
    b.engine.hooks.on_transition = wake_child;
    bench_run(&b);
}

/* ---- Our own inability, where a failure waits ---- */

static bool unable_counts(struct bench *b)
{
    const struct health_state *h = &engine_find(&b->engine, "child")->health;
    if (h->failing_streak)
        assert_true(h->internal_streak >= 3); /* no further ones are forgiven */
    return h->failing_streak > 0;
}

static void test_unable_after_the_wait(void **state)
{
    (void)state;
    struct bench b;
    open_asked(&b, &script_type, ACT_OK, ACT_UNABLE, unable_counts);
    find("child")->conf->policy.interval = 5 * MS;
    bench_run(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_after),
        cmocka_unit_test(test_after_killed),
        cmocka_unit_test(test_after_paused),
        cmocka_unit_test(test_after_its_own_fault),
        cmocka_unit_test(test_release_when_blocked),
        cmocka_unit_test(test_asked_for_and_blocked),
        cmocka_unit_test(test_asked_for_and_decided),
        cmocka_unit_test(test_asked_for_while_held),
        cmocka_unit_test(test_woken_and_decided),
        cmocka_unit_test(test_unable_after_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
