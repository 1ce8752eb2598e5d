/* Any bytes as a Redis server's answers: taken at once and byte by byte, which have to come to the
 * same verdict. The first byte chooses what is required. Healthy is only who said PONG. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "redis/redis_exchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum reason play(const struct redis_conf *c, const char *data, size_t size, size_t piece)
{
    struct redis_run r = {.talk.run.conf = c};
    struct talk *t = &r.talk;
    talk_init(t, &redis_rules, "127.0.0.1:6379");
    enum talk_next next = t->rules->opened(t);
    size_t at = 0, there = 0;
    while (next != TALK_DONE && there < size) {
        size_t used = 0;
        there += size - there < piece ? size - there : piece;
        buf_reset(&t->out);
        next = t->rules->take(t, data + at, there - at, &used);
        if (used > there - at || strlen(t->detail) >= sizeof t->detail)
            abort();
        at += used;
    }
    enum reason reason = next == TALK_DONE ? t->reason : REASON_TIMEOUT;
    talk_fini(t);
    return reason;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    char password[] = "pencil";
    struct redis_conf c = {.require = (enum redis_require)(data[0] % REDIS_REQUIRE_COUNT),
                           .max_lag = data[0] & 0x20 ? 5000000000 : 0,
                           .database = data[0] & 0x40 ? 3 : -1};
    if (data[0] & 0x80)
        c.server.password = password;
    const char *bytes = (const char *)data + 1;
    enum reason whole = play(&c, bytes, size - 1, size), dripped = play(&c, bytes, size - 1, 1);
    /* What comes behind an answer is seen only where it came along. */
    if (whole != dripped && whole != REASON_PROTOCOL)
        abort();
    if (whole == REASON_OK && !memmem(bytes, size - 1, "+PONG\r\n", 7))
        abort();
    return 0;
}
