/* What runs of a check remember: until a failure, in an agent alone; and a failure that may be the
 * memory's fault is no result: the run is made again, in what is left of its time. */
#include "engine_rig.h"

struct leaf {
    struct probe_memory memory;
    int *alive;
};

static void free_leaf(struct probe_memory *memory)
{
    struct leaf *leaf = container_of(memory, struct leaf, memory);
    --*leaf->alive;
    free(leaf);
}

static void remember(struct probe_run *run, int *alive)
{
    struct leaf *leaf = calloc(1, sizeof *leaf);
    *leaf = (struct leaf){.memory.free = free_leaf, .alive = alive};
    ++*alive;
    probe_remember(run, &leaf->memory);
}

/* A type whose runs remember, and fail as they are told where they rely on it. */
struct plan {
    struct script script; /* what a run does that recalls nothing */
    enum act relying;     /* what one does that recalls something */
    bool next_phase;      /* it stops relying before it ends */
    int started, relied, alive;
};

static void plan_start(struct probe_run *run)
{
    struct script_run *r = container_of(run, struct script_run, run);
    struct plan *p = (struct plan *)(uintptr_t)run->conf;
    bool recalls = probe_recall(run) != NULL;
    p->started++;
    p->relied += recalls;
    uv_timer_init(run->env->loop, &r->timer);
    probe_phase(run, PHASE_TLS);
    if (recalls)
        probe_rely(run);
    if (p->next_phase)
        probe_phase(run, PHASE_REQUEST);
    enum act act = recalls ? p->relying : p->script.act;
    if (act == ACT_HANG)
        return;
    if (act == ACT_OK) {
        remember(run, &p->alive);
        probe_finish(run, REASON_OK, "fine");
    } else {
        probe_finish(run, REASON_TLS, "%s", recalls ? "first" : "second");
        remember(run, &p->alive); /* too late: it goes at once */
    }
    let_go(r);
}

static void plan_cancel(struct probe_run *run)
{
    let_go(container_of(run, struct script_run, run));
}

static const struct probe_type plan_type = {
    .name = "plan",
    .run_size = sizeof(struct script_run),
    .start = plan_start,
    .cancel = plan_cancel,
    .dispose = script_dispose,
};

static struct plan plan; /* its script comes first: the rig's runs count in it */

static void play(struct bench *b, struct plan p, bool keep, bool (*until)(struct bench *b))
{
    struct check_conf *c = conf_new("x", &plan.script, NULL);
    c->type = &plan_type;
    plan = p;
    bench_open(b, until);
    b->engine.keep = keep;
    load(b, &c, 1);
    bench_run(b);
    assert_false(b->timed_out);
    assert_int_equal(plan.alive, 0); /* nothing is left */
}

static bool after_4(struct bench *b)
{
    return b->results >= 4;
}

static bool after_1(struct bench *b)
{
    return b->results >= 1;
}

static bool while_doubted(struct bench *b)
{
    (void)b;
    return plan.relied >= 1;
}

static void test_remembers(void **state)
{
    (void)state;
    struct bench b;
    play(&b, (struct plan){.script.act = ACT_OK, .relying = ACT_OK}, true, after_4);
    assert_string_equal(b.log, "x:ok x:ok x:ok x:ok ");
    assert_int_equal(plan.relied, plan.started - 1);
    play(&b, (struct plan){.script.act = ACT_OK, .relying = ACT_OK}, false, after_4);
    assert_int_equal(plan.relied, 0);
}

/* It failed where it did not rely on anything: the result counts, and forgets. */
static void test_failure_forgets(void **state)
{
    (void)state;
    struct bench b;
    const struct plan p = {.script.act = ACT_OK, .relying = ACT_FAIL, .next_phase = true};
    play(&b, p, true, after_4);
    assert_string_equal(b.log, "x:ok x:tls x:ok x:tls ");
    assert_int_equal(plan.started, 4);
}

/* The doubt: good without it, then nothing is remembered for a while. */
static void test_made_again(void **state)
{
    (void)state;
    struct bench b;
    play(&b, (struct plan){.script.act = ACT_OK, .relying = ACT_FAIL}, true, after_4);
    assert_string_equal(b.log, "x:ok x:ok x:ok x:ok ");
    assert_int_equal(plan.relied, 1);
    assert_int_equal(plan.started, 5);
}

static void change(struct bench *b, enum act act)
{
    if (b->results == 1)
        plan.script.act = act;
}

static bool fails_later(struct bench *b)
{
    change(b, ACT_FAIL);
    return b->results >= 2;
}

static bool hangs_later(struct bench *b)
{
    change(b, ACT_HANG);
    return b->results >= 2;
}

/* Bad without it too: those words; and where no time is left, those of the first. */
static void test_still_bad(void **state)
{
    (void)state;
    struct bench b;
    play(&b, (struct plan){.script.act = ACT_OK, .relying = ACT_FAIL}, true, fails_later);
    assert_string_equal(b.log, "x:ok x:tls ");
    assert_string_equal(b.detail, "second");
    play(&b, (struct plan){.script.act = ACT_OK, .relying = ACT_FAIL}, true, hangs_later);
    assert_string_equal(b.log, "x:ok x:tls ");
    assert_string_equal(b.detail, "first");
    assert_int_equal(plan.started, 3);
}

/* One that timed out is not made again, but followed by full ones. */
static void test_hangs(void **state)
{
    (void)state;
    struct bench b;
    play(&b, (struct plan){.script.act = ACT_OK, .relying = ACT_HANG}, true, after_4);
    assert_string_equal(b.log, "x:ok x:timeout x:ok x:ok ");
    assert_int_equal(plan.relied, 1);
}

/* Stopped when the first has failed and the second has not begun, or hangs. */
static void test_stopped_in_doubt(void **state)
{
    (void)state;
    struct bench b;
    play(&b, (struct plan){.script.act = ACT_OK, .relying = ACT_FAIL}, true, while_doubted);
    play(&b, (struct plan){.script.act = ACT_OK, .relying = ACT_HANG}, true, while_doubted);
    play(&b, (struct plan){.script.act = ACT_FAIL}, true, after_1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_remembers),  cmocka_unit_test(test_failure_forgets),
        cmocka_unit_test(test_made_again), cmocka_unit_test(test_still_bad),
        cmocka_unit_test(test_hangs),      cmocka_unit_test(test_stopped_in_doubt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
