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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_after),
        cmocka_unit_test(test_after_killed),
        cmocka_unit_test(test_after_paused),
        cmocka_unit_test(test_after_its_own_fault),
        cmocka_unit_test(test_release_when_blocked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
