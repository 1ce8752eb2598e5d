/* Any bytes as a MySQL server's packets, at once and byte by byte, which have to come to the same
 * verdict. The first byte chooses what is required. Writes are never said to be possible without an
 * answer to the query, nor is a server on a socket whose process is not seen ever the real one. */
#include <stdint.h>

#include "mysql/mysql_exchange.h"
#include "talk_play.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void work(struct talk *t)
{
    ((struct mysql_run *)t)->look.found = INIT_GUARD_UNSEEN;
}

static enum reason play(const void *conf, const char *data, size_t size, size_t piece)
{
    const struct mysql_conf *c = conf;
    struct mysql_run r = {.talk.run.conf = c};
    enum reason reason = talk_play(&r.talk, &mysql_rules, work, data, size, piece);
    if (reason == REASON_OK && (c->require == MYSQL_REQUIRE_WRITABLE || c->server.ep.path) &&
        !r.row)
        abort();
    return reason;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    static char path[] = "/run/mysqld.sock";
    struct mysql_conf c = {.require = (enum mysql_require)(data[0] % MYSQL_REQUIRE_COUNT),
                           .init_guard = true};
    talk_play_server(&c.server, data[0], path);
    talk_play_both(play, &c, data + 1, size - 1);
    return 0;
}
