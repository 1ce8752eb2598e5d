/* Any bytes as a Redis server's answers: taken at once and byte by byte, which have to come to the
 * same verdict. The first byte chooses what is required. Healthy is only who said PONG. */
#include <stdint.h>

#include "redis/redis_exchange.h"
#include "talk_play.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum reason play(const void *conf, const char *data, size_t size, size_t piece)
{
    struct redis_run r = {.talk.run.conf = conf};
    return talk_play(&r.talk, &redis_rules, NULL, data, size, piece);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    char password[] = "pencil";
    struct redis_conf c = {.require = (enum redis_require)(data[0] % REDIS_REQUIRE_COUNT),
                           .max_lag = data[0] & 0x20 ? 5000000000 : 0,
                           .warn_lag = data[0] & 0x10 ? 5000000000 : 0,
                           .database = data[0] & 0x40 ? 3 : -1};
    if (data[0] & 0x80)
        c.server.password = password;
    enum reason reason = talk_play_both(play, &c, data + 1, size - 1);
    if (reason == REASON_OK && !memmem(data + 1, size - 1, "+PONG\r\n", 7))
        abort();
    return 0;
}
