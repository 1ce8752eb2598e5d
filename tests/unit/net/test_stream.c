/* Streams: plain and TLS, and the end in every state. */
#include "run_harness.h"
#include "stream_rig.h"

static void test_talks(void **state)
{
    (void)state;
    struct harness h;
    static const int versions[] = {0, TLS1_2_VERSION};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct server s = {.cert = world.good, .max_version = versions[i]};
        talk(&h, &s, &world.verified, "ping", 5000);
        assert_int_equal(h.reason, REASON_OK);
        assert_string_equal(h.detail, "hello\nping");
        assert_true(h.phases[PHASE_CONNECT] && h.phases[PHASE_TLS]);
        int64_t left = h.not_after - clock_wall() / NS_PER_S;
        assert_true(left > 90 * DAY_S && left < 91 * DAY_S);
    }
    struct server bye = {.act = ACT_TLS_BYE, .cert = world.good};
    talk(&h, &bye, &world.verified, NULL, 5000);
    assert_int_equal(h.reason, REASON_OK);
    assert_string_equal(h.detail, "hello\n");
    struct server plain = {.act = ACT_PLAIN};
    talk(&h, &plain, NULL, "220 plain\r\n", 5000);
    assert_int_equal(h.reason, REASON_OK);
    assert_false(h.phases[PHASE_TLS]);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

/* Cancelled after each turn of the loop in turn, until it gets so far that it ends by itself. */
static void test_cancelled_anywhere(void **state)
{
    (void)state;
    struct tls_conf *confs[] = {NULL, &world.verified};
    for (size_t i = 0; i < ARRAY_LEN(confs); i++) {
        struct server s = {.act = confs[i] ? ACT_TLS : ACT_PLAIN, .cert = world.good};
        server_start(&s);
        for (int turns = 0; turns < 6; turns++) {
            struct harness h;
            harness_open(&h);
            begin(&h, turns % 2 ? "127.0.0.1" : "localhost", s.port, confs[i]);
            uv_timer_start(&h.deadline, on_tick, 5, 5); /* each turn ends */
            for (int n = 0; n < turns; n++)
                uv_run(&h.loop, UV_RUN_ONCE);
            harness_cancel(&h);
            assert_false(h.finished);
            harness_close(&h);
        }
        server_stop(&s);
    }
}

static void test_closed_from_inside(void **state)
{
    (void)state;
    struct server s = {.cert = world.good};
    server_start(&s);
    struct harness h;
    harness_open(&h);
    begin(&h, "127.0.0.1", s.port, &world.verified)->stop_at_open = true;
    harness_wait(&h, 5000);
    assert_int_equal(h.reason, REASON_OK);
    harness_close(&h);
    server_stop(&s);
    harness_open(&h);
    begin(&h, "127.0.0.1", s.port, &world.verified);
    harness_wait(&h, 5000);
    assert_int_equal(h.reason, REASON_REFUSED);
    harness_close(&h);
}

static int listen_on(uint16_t *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&in, &len);
    *port = ntohs(in.sin_port);
    return fd;
}

static void on_open_reset(struct stream *s)
{
    s->reset = true;
    finish(s->owner, REASON_OK, s->peer);
}

static void on_open_at_once(struct stream *s)
{
    s->at_once = true;
    finish(s->owner, REASON_OK, s->peer);
    assert_int_equal(s->state, STREAM_CLOSING);
}

/* A server that hangs has its FIN not waited for, and gets ours all the same. */
static void test_ends_at_once(void **state)
{
    (void)state;
    static const struct stream_events events_ = {on_open_at_once, on_data, on_eof, on_fail};
    struct harness h;
    uint16_t port;
    char byte;
    int fd = listen_on(&port);
    harness_open(&h);
    begin_with(&h, port, &(struct tls_options){0}, &events_);
    int peer = accept(fd, NULL, NULL);
    harness_wait(&h, 5000);
    harness_close(&h);
    assert_int_equal(recv(peer, &byte, 1, 0), 0);
    close(peer);
    close(fd);
}

/* What a server that greets sees when a connection ends: an end in order though nobody wanted its
 * greeting, or the reset that was asked for. */
static void test_ends(void **state)
{
    (void)state;
    static const struct stream_events resetting = {on_open_reset, on_data, on_eof, on_fail};
    for (int reset = 0; reset < 2; reset++) {
        struct harness h;
        uint16_t port;
        char byte;
        int fd = listen_on(&port);
        harness_open(&h);
        if (reset)
            begin_with(&h, port, &(struct tls_options){0}, &resetting);
        else
            begin(&h, "127.0.0.1", port, NULL)->stop_at_open = true;
        int peer = accept(fd, NULL, NULL); /* the loop has not turned yet */
        if (!reset)
            send(peer, "220 hello\r\n", 11, MSG_NOSIGNAL);
        harness_wait(&h, 5000);
        harness_close(&h);
        assert_int_equal(recv(peer, &byte, 1, 0), reset ? -1 : 0);
        close(peer);
        close(fd);
    }
}

static int64_t patience_left;

static void on_closed_early(struct stream *s)
{
    patience_left = s->patience;
    on_closed(s);
}

static void on_open_parts(struct stream *s)
{
    probe_finish(s->run, REASON_OK, "%s", s->peer);
    stream_close(s, on_closed_early);
    assert_int_equal(s->state, STREAM_PARTING);
}

/* A server that never accepts sends no FIN: it is awaited in an agent, and only for a moment by a
 * command that has its verdict, which cancels the run. */
static void test_end_that_never_comes(void **state)
{
    (void)state;
    static const struct stream_events parting = {on_open_parts, on_data, on_eof, on_fail};
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        struct harness h;
        uint16_t port;
        int fd = listen_on(&port);
        harness_open(&h);
        struct talk *t = begin_with(&h, port, &(struct tls_options){0}, &parting);
        while (!h.finished)
            uv_run(&h.loop, UV_RUN_ONCE);
        int64_t began = clock_now();
        assert_true(uv_timer_get_due_in(&t->stream.timer) <= 5);
        assert_true(t->stream.patience > 0);
        if (cancelled)
            t->run.deadline = clock_now();
        while (!h.released)
            uv_run(&h.loop, UV_RUN_ONCE);
        assert_int_equal(patience_left > 0, cancelled);
        assert_true(clock_now() - began >= (cancelled ? 4 : 99) * NS_PER_MS);
        harness_close(&h);
        close(fd);
    }
}

static void on_flood(struct stream *s, const char *data, size_t len)
{
    (void)data;
    ((struct talk *)s->owner)->got.len += len;
}

static void on_mark(uv_timer_t *timer)
{
    struct talk *t = timer->data;
    uv_timer_stop(timer);
    finish(t, REASON_OK, "a timer came between");
}

static void *pour(void *arg)
{
    static const char zeros[65536];
    int peer = accept(*(int *)arg, NULL, NULL);
    while (send(peer, zeros, sizeof zeros, MSG_NOSIGNAL) > 0)
        ;
    close(peer);
    return NULL;
}

/* Bytes without end take one turn of the loop at most 64 KiB, so that others have their turns. */
static void test_share_of_a_turn(void **state)
{
    (void)state;
    static const struct stream_events flooded = {on_open, on_flood, on_eof, on_fail};
    struct harness h;
    uint16_t port;
    int fd = listen_on(&port);
    pthread_t thread;
    pthread_create(&thread, NULL, pour, &fd);
    harness_open(&h);
    struct talk *t = begin_with(&h, port, &(struct tls_options){0}, &flooded);
    size_t before = 0;
    for (int turns = 0; turns < 200; turns++) {
        uv_run(&h.loop, UV_RUN_ONCE);
        assert_true(t->got.len - before <= (size_t)64 * 1024);
        before = t->got.len;
    }
    assert_true(before > (size_t)64 * 1024);
    t->got.len = 0;
    uv_timer_t mark = {.data = t};
    uv_timer_init(&h.loop, &mark);
    uv_timer_start(&mark, on_mark, 1, 0);
    harness_wait(&h, 5000);
    assert_string_equal(h.detail, "a timer came between");
    uv_close((uv_handle_t *)&mark, NULL);
    harness_close(&h);
    pthread_join(thread, NULL);
    close(fd);
}

static void on_open_answers(struct stream *s)
{
    static const char answer[65536];
    struct talk *t = s->owner;
    for (t->opened = true; s->state == STREAM_OPEN; t->got.len += sizeof answer) {
        assert_true(t->got.len < (size_t)64 * 1024 * 1024);
        stream_write(s, answer, sizeof answer);
    }
}

/* What the peer does not take of our answers is kept up to a bound. */
static void test_answers_that_nobody_takes(void **state)
{
    (void)state;
    static const struct stream_events answering = {on_open_answers, on_flood, on_eof, on_fail};
    struct harness h;
    uint16_t port;
    int fd = listen_on(&port);
    harness_open(&h);
    begin_with(&h, port, &(struct tls_options){0}, &answering);
    harness_wait(&h, 5000);
    assert_int_equal(h.reason, REASON_PROTOCOL);
    assert_non_null(strstr(h.detail, "takes no answer"));
    harness_close(&h);
    close(fd);
}

/* A reset right behind the last bytes is a reset, not an end in order. */
static void test_reset_after_bytes(void **state)
{
    (void)state;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const struct linger at_once = {.l_onoff = 1};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&in, &len);
    struct harness h;
    harness_open(&h);
    begin(&h, "127.0.0.1", ntohs(in.sin_port), NULL);
    /* The loop has not turned yet: the bytes and the reset are found together. */
    int peer = accept(fd, NULL, NULL);
    assert_int_equal(send(peer, "22", 2, MSG_NOSIGNAL), 2);
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(peer);
    harness_wait(&h, 5000);
    assert_int_equal(h.reason, REASON_RESET);
    harness_close(&h);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_talks),
        cmocka_unit_test(test_cancelled_anywhere),
        cmocka_unit_test(test_closed_from_inside),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_ends_at_once),
        cmocka_unit_test(test_end_that_never_comes),
        cmocka_unit_test(test_share_of_a_turn),
        cmocka_unit_test(test_answers_that_nobody_takes),
        cmocka_unit_test(test_reset_after_bytes),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
