/* Any bytes as a PostgreSQL server's messages, at once and byte by byte, which have to come to the
 * same verdict. The first byte chooses what is required. A login by SCRAM whose password the server
 * does not know is never a success; nor is a role that no query told. */
#include <stdint.h>

#include "postgres/postgres_exchange.h"
#include "talk_play.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The costly step, made cheap. */
static void work(struct talk *t)
{
    struct postgres_run *r = (struct postgres_run *)t;
    if (r->step == PG_LOOK) {
        r->look.found = INIT_GUARD_UNSEEN;
        return;
    }
    r->salting.keys.valid = true;
    memset(r->salting.keys.server_key, 0x5a, sizeof r->salting.keys.server_key);
    r->salting.rc = 0;
}

static enum reason play(const void *conf, const char *data, size_t size, size_t piece)
{
    const struct postgres_conf *c = conf;
    struct postgres_run r = {.talk.run.conf = c};
    enum reason reason = talk_play(&r.talk, &postgres_rules, work, data, size, piece);
    bool role = c->require >= POSTGRES_REQUIRE_PRIMARY || c->server.ep.path ||
                c->session != POSTGRES_SESSION_ANY;
    if (reason == REASON_OK && role && !r.row)
        abort();
    return reason;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    static char path[] = "/run/.s.PGSQL.5432";
    struct postgres_conf c = {.require = (enum postgres_require)(data[0] % POSTGRES_REQUIRE_COUNT),
                              .init_guard = true};
    talk_play_server(&c.server, data[0], path);
    c.session = (enum postgres_session)(data[0] / 8 % POSTGRES_SESSION_COUNT);
    c.scram_password = c.server.password;
    talk_play_both(play, &c, data + 1, size - 1);
    return 0;
}
