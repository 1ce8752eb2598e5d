/* Any bytes as what a server says over a whole exchange, with and without a login: pieces of the
 * input, each after its length, come one by one. Whatever it says, a login whose password it does
 * not know is never a success, and is left out for no server that holds data. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mongo/mongo_exchange.h"
#include "mongo/mongo_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The costly step, made cheap. */
static enum mongo_next work(struct mongo_exchange *x)
{
    x->scram.keys.valid = true;
    memset(x->scram.keys.server_key, 0x5a, sizeof x->scram.keys.server_key);
    return mongo_exchange_worked(x, 0);
}

/* Takes one read; the rest of the exchange's bytes stay in `in`. */
static enum mongo_next feed(struct mongo_exchange *x, struct buf *in, const uint8_t *data, size_t n)
{
    size_t used;
    if (buf_add(in, data, n))
        return MONGO_NEXT_FAIL;
    enum mongo_next next = mongo_exchange_take(x, in->data ? in->data : "", in->len, &used);
    if (used > in->len)
        abort();
    buf_consume(in, used);
    return next == MONGO_NEXT_SALT ? work(x) : next;
}

static void play(struct mongo_exchange *x, struct buf *in, const uint8_t *data, size_t size)
{
    enum mongo_next next = mongo_exchange_begin(x, true);
    while (size > 2 && (next == MONGO_NEXT_WAIT || next == MONGO_NEXT_SEND)) {
        size_t n = (size_t)data[0] | (size_t)data[1] << 8;
        data += 2;
        size -= 2;
        n = n < size ? n : size;
        next = feed(x, in, data, n);
        data += n;
        size -= n;
    }
    if (next == MONGO_NEXT_DONE && x->reason == REASON_OK && x->conf->uri.user && !x->anonymous)
        abort();
    if (x->anonymous && mongo_hello_has_role(&x->hello, MONGO_REQUIRE_DATA))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char user[] = "user", password[] = "pencil", database[] = "admin";
    struct mongo_exchange x;
    struct mongo_conf conf = {.uri.auth_db = database, .deployment = size > 0 && data[0] & 0x80};
    struct buf in;
    if (size < 1)
        return 0;
    if (data[0] & 1)
        conf.uri.user = user, conf.uri.password = password, conf.prepared = password,
        conf.login = MONGO_LOGIN_AGREED;
    conf.wish.require = (enum mongo_require)((data[0] >> 1) % MONGO_REQUIRE_COUNT);
    buf_init(&in, MONGO_MESSAGE_MAX * 2);
    mongo_exchange_init(&x, &conf, "127.0.0.1:27017");
    play(&x, &in, data + 1, size - 1);
    mongo_exchange_fini(&x);
    buf_fini(&in);
    return 0;
}
