/* mongo_exchange: see mongo_exchange.h. */
#include "mongo/mongo_exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "mongo/mongo_wire.h"

#define DEFAULT_DB    "admin"
#define MECHANISM_1   "SCRAM-SHA-1"
#define MECHANISM_256 "SCRAM-SHA-256"
#define PLAIN_MAX     65536
#define OUT_MAX       (2 * PLAIN_MAX)

static const char *const words_of[] = {
    [MONGO_STEP_HELLO] = "hello",
    [MONGO_STEP_LEGACY] = "isMaster",
    [MONGO_STEP_X509] = "login",
    [MONGO_STEP_PLAIN] = "login",
    [MONGO_STEP_SASL_START] = "login",
    [MONGO_STEP_SASL_CONTINUE] = "login",
    [MONGO_STEP_SASL_EMPTY] = "login",
    [MONGO_STEP_PING] = "ping",
    [MONGO_STEP_LOOK] = "the look at /proc",
    [MONGO_STEP_GUARD] = "getCmdLineOpts",
};

void mongo_exchange_init(struct mongo_exchange *x, const struct mongo_conf *conf,
                         const char *address)
{
    *x = (struct mongo_exchange){.conf = conf, .address = address};
    buf_init(&x->out, OUT_MAX);
}

void mongo_exchange_fini(struct mongo_exchange *x)
{
    buf_wipe(&x->out);
    scram_fini(&x->scram);
}

/* ---- Ends ---- */

static enum mongo_next end(struct mongo_exchange *x, enum mongo_next next, enum reason reason,
                           const char *words)
{
    x->reason = reason;
    snprintf(x->detail, sizeof x->detail, "%s: %s: %.250s", x->address, words_of[x->step], words);
    return next;
}

static enum mongo_next unable(struct mongo_exchange *x, const char *words)
{
    x->reason = REASON_INTERNAL;
    snprintf(x->detail, sizeof x->detail, "%.390s", words);
    return MONGO_NEXT_DONE;
}

void mongo_exchange_cut(struct mongo_exchange *x, const char *words)
{
    end(x, MONGO_NEXT_FAIL, REASON_CLOSED, words);
}

/* The server's own word on a command. */
static enum mongo_next failed(struct mongo_exchange *x, const bson_t *doc)
{
    char words[256];
    int32_t code = mongo_reply_error(doc, words, sizeof words);
    bool logs_in = x->step >= MONGO_STEP_X509 && x->step <= MONGO_STEP_SASL_EMPTY;
    bool auth = code == MONGO_UNAUTHORIZED || code == MONGO_AUTH_FAILED ||
                code == MONGO_MECHANISM_UNAVAILABLE || (logs_in && code == MONGO_ATLAS_ERROR);
    return end(x, MONGO_NEXT_DONE, auth ? REASON_AUTH : REASON_PROTOCOL, words);
}

static enum mongo_next init_phase(struct mongo_exchange *x)
{
    x->reason = REASON_INIT_PHASE;
    snprintf(x->detail, sizeof x->detail, MONGO_GUARD_WORDS, x->address);
    return MONGO_NEXT_DONE;
}

static enum mongo_next conclude(struct mongo_exchange *x)
{
    x->reason = mongo_hello_judge(&x->hello, &x->conf->wish, x->address, x->detail);
    x->whole = true;
    return MONGO_NEXT_DONE;
}

/* ---- Commands ---- */

/* Would a login change the verdict? An arbiter has no users, nor has a set without a configuration,
 * and a member that is starting up may not know them yet; drivers log in to none of these. */
static bool is_worth_login(const struct mongo_exchange *x)
{
    const struct mongo_wish *wish = &x->conf->wish;
    switch (x->hello.role) {
    case MONGO_ARBITER:
        return false;
    case MONGO_OTHER:
        return !x->conf->deployment;
    case MONGO_NOT_INITIATED:
        return !x->conf->deployment && wish->require == MONGO_REQUIRE_PING && !wish->set_name;
    default:
        return true;
    }
}

/* A connection logs in once. */
static bool logs_in(const struct mongo_exchange *x)
{
    return x->fresh && x->conf->login != MONGO_LOGIN_NONE;
}

/* Adds $db and the whole command to `out`. */
static int add(struct mongo_exchange *x, bson_t *cmd, const char *db)
{
    bson_append_utf8(cmd, "$db", -1, db, -1);
    int rc = mongo_wire_command(&x->out, ++x->last_id, cmd);
    bson_destroy(cmd);
    return rc;
}

static int add_simple(struct mongo_exchange *x, const char *name)
{
    return mongo_wire_ask(&x->out, ++x->last_id, name);
}

/* Asks as well which mechanisms the user has, unless one is configured. */
static int add_hello(struct mongo_exchange *x, const char *name)
{
    bool ask_mechanisms = x->conf->login == MONGO_LOGIN_AGREED;
    bool balanced = x->conf->uri.load_balanced == 1;
    if (!x->fresh || (!ask_mechanisms && !balanced))
        return add_simple(x, name);
    bson_t cmd;
    bson_init(&cmd);
    bson_append_int32(&cmd, name, -1, 1);
    if (balanced)
        bson_append_bool(&cmd, "loadBalanced", -1, true);
    char *who =
        ask_mechanisms ? str_format("%s.%s", x->conf->uri.auth_db, x->conf->uri.user) : NULL;
    if (who)
        bson_append_utf8(&cmd, "saslSupportedMechs", -1, who, -1);
    free(who);
    return add(x, &cmd, DEFAULT_DB);
}

/* What was added is sent; the reply to the last of it is awaited. */
static enum mongo_next ask(struct mongo_exchange *x, enum mongo_step step, int rc)
{
    x->step = step;
    x->awaited = x->last_id;
    return rc ? unable(x, "out of memory") : MONGO_NEXT_SEND;
}

static enum mongo_next ask_simple(struct mongo_exchange *x, enum mongo_step step)
{
    return ask(x, step, add_simple(x, words_of[step]));
}

static enum mongo_next ask_legacy(struct mongo_exchange *x)
{
    return ask(x, MONGO_STEP_LEGACY, add_hello(x, words_of[MONGO_STEP_LEGACY]));
}

enum mongo_next mongo_exchange_begin(struct mongo_exchange *x, bool fresh)
{
    x->fresh = fresh;
    x->old_server = x->whole = false;
    buf_reset(&x->out);
    enum mongo_next next = ask(x, MONGO_STEP_HELLO, add_hello(x, "hello"));
    bool goes_along = next == MONGO_NEXT_SEND && !logs_in(x); /* else ping comes after the login */
    return goes_along && add_simple(x, "ping") ? unable(x, "out of memory") : next;
}

/* ---- The login ---- */

static bool has_sha_256(const bson_t *hello)
{
    bson_iter_t it, item;
    if (!bson_iter_init_find(&it, hello, "saslSupportedMechs") || !BSON_ITER_HOLDS_ARRAY(&it) ||
        !bson_iter_recurse(&it, &item))
        return false;
    while (bson_iter_next(&item))
        if (BSON_ITER_HOLDS_UTF8(&item) && strcmp(bson_iter_utf8(&item, NULL), MECHANISM_256) == 0)
            return true;
    return false;
}

static enum mongo_next ask_sasl(struct mongo_exchange *x, enum mongo_step step,
                                const struct buf *payload)
{
    bool plain = step == MONGO_STEP_PLAIN, begin = plain || step == MONGO_STEP_SASL_START;
    bson_t cmd, options;
    bson_init(&cmd);
    bson_append_int32(&cmd, begin ? "saslStart" : "saslContinue", -1, 1);
    if (begin)
        bson_append_utf8(&cmd, "mechanism", -1,
                         plain                            ? "PLAIN"
                         : x->scram.hash == SCRAM_SHA_256 ? MECHANISM_256
                                                          : MECHANISM_1,
                         -1);
    else
        bson_append_int32(&cmd, "conversationId", -1, x->conversation);
    bson_append_binary(&cmd, "payload", -1, BSON_SUBTYPE_BINARY,
                       (const uint8_t *)(payload->data ? payload->data : ""),
                       (uint32_t)payload->len);
    if (begin && !plain) {
        bson_append_document_begin(&cmd, "options", -1, &options);
        bson_append_bool(&options, "skipEmptyExchange", -1, true);
        bson_append_document_end(&cmd, &options);
    }
    return ask(x, step, add(x, &cmd, x->conf->uri.auth_db));
}

/* The certificate is the login; the user's name may be given as well. */
static enum mongo_next begin_x509(struct mongo_exchange *x)
{
    bson_t cmd;
    bson_init(&cmd);
    bson_append_int32(&cmd, "authenticate", -1, 1);
    bson_append_utf8(&cmd, "mechanism", -1, "MONGODB-X509", -1);
    if (x->conf->uri.user)
        bson_append_utf8(&cmd, "user", -1, x->conf->uri.user, -1);
    return ask(x, MONGO_STEP_X509, add(x, &cmd, x->conf->uri.auth_db));
}

/* RFC 4616. */
static enum mongo_next begin_plain(struct mongo_exchange *x)
{
    struct buf payload;
    buf_init(&payload, PLAIN_MAX);
    buf_putc(&payload, '\0');
    buf_puts(&payload, x->conf->uri.user);
    buf_putc(&payload, '\0');
    enum mongo_next next = buf_puts(&payload, x->conf->uri.password)
                               ? unable(x, "out of memory, or the password is too long")
                               : ask_sasl(x, MONGO_STEP_PLAIN, &payload);
    buf_wipe(&payload);
    return next;
}

/* Without a word of the server or the configuration: SCRAM-SHA-1, as the specification has it. */
static enum mongo_next begin_scram(struct mongo_exchange *x, const bson_t *hello)
{
    enum mongo_login login = x->conf->login;
    bool sha_256 =
        login == MONGO_LOGIN_AGREED ? has_sha_256(hello) : login == MONGO_LOGIN_SCRAM_256;
    struct buf payload;
    struct err e;
    if (sha_256 && !x->conf->prepared)
        return end(x, MONGO_NEXT_DONE, REASON_AUTH,
                   "SCRAM-SHA-256 forbids a character of the password");
    buf_init(&payload, SCRAM_TEXT_MAX);
    enum mongo_next next;
    if (scram_first(&x->scram, sha_256 ? SCRAM_SHA_256 : SCRAM_SHA_1, x->conf->uri.user, &payload,
                    &e))
        next = unable(x, e.text);
    else
        next = ask_sasl(x, MONGO_STEP_SASL_START, &payload);
    buf_fini(&payload);
    return next;
}

static enum mongo_next begin_login(struct mongo_exchange *x, const bson_t *hello)
{
    if (x->conf->login == MONGO_LOGIN_X509)
        return begin_x509(x);
    return x->conf->login == MONGO_LOGIN_PLAIN ? begin_plain(x) : begin_scram(x, hello);
}

static enum mongo_next answer_challenge(struct mongo_exchange *x)
{
    struct buf payload;
    struct err e;
    buf_init(&payload, 2 * SCRAM_TEXT_MAX);
    enum mongo_next next = scram_final(&x->scram, &payload, &e)
                               ? unable(x, e.text)
                               : ask_sasl(x, MONGO_STEP_SASL_CONTINUE, &payload);
    buf_fini(&payload);
    return next;
}

enum mongo_next mongo_exchange_worked(struct mongo_exchange *x, int rc)
{
    return rc ? unable(x, "the hash functions of SCRAM are not to be had") : answer_challenge(x);
}

static enum mongo_next take_challenge(struct mongo_exchange *x, const bson_t *doc, const char *text,
                                      size_t len)
{
    struct err e;
    bson_iter_t it;
    x->conversation = 0;
    if (bson_iter_init_find(&it, doc, "conversationId") && BSON_ITER_HOLDS_INT32(&it))
        x->conversation = bson_iter_int32(&it);
    if (scram_challenge(&x->scram, text, len, &e))
        return end(x, MONGO_NEXT_FAIL, REASON_PROTOCOL, e.text);
    return x->scram.keys.valid ? answer_challenge(x) : MONGO_NEXT_SALT;
}

static enum mongo_next take_login(struct mongo_exchange *x, const bson_t *doc)
{
    bson_iter_t it;
    bson_subtype_t subtype;
    const uint8_t *text = NULL;
    uint32_t len = 0;
    struct err e;
    if (x->step == MONGO_STEP_X509)
        return ask_simple(x, MONGO_STEP_PING);
    if (bson_iter_init_find(&it, doc, "payload") && BSON_ITER_HOLDS_BINARY(&it))
        bson_iter_binary(&it, &subtype, &len, &text);
    if (!text)
        return end(x, MONGO_NEXT_FAIL, REASON_PROTOCOL, "a reply without a payload");
    if (x->step == MONGO_STEP_SASL_START)
        return take_challenge(x, doc, (const char *)text, len);
    if (x->step == MONGO_STEP_SASL_CONTINUE && scram_verify(&x->scram, (const char *)text, len, &e))
        return end(x, MONGO_NEXT_DONE, REASON_AUTH, e.text);
    bool done =
        bson_iter_init_find(&it, doc, "done") && BSON_ITER_HOLDS_BOOL(&it) && bson_iter_bool(&it);
    if (done)
        return ask_simple(x, MONGO_STEP_PING);
    if (x->step == MONGO_STEP_SASL_EMPTY || x->step == MONGO_STEP_PLAIN)
        return end(x, MONGO_NEXT_FAIL, REASON_PROTOCOL, "a login without end");
    struct buf empty = {0};
    return ask_sasl(x, MONGO_STEP_SASL_EMPTY, &empty);
}

/* ---- Replies ---- */

/* A connection that has passed once is to a server that stays what it is. */
static enum mongo_next take_ping(struct mongo_exchange *x)
{
    if (!x->conf->init_guard || !x->fresh || !mongo_guard_applies(x->address))
        return conclude(x);
    x->step = MONGO_STEP_LOOK;
    return MONGO_NEXT_LOOK;
}

enum mongo_next mongo_exchange_looked(struct mongo_exchange *x, enum mongo_guard guard)
{
    buf_reset(&x->out);
    if (guard == MONGO_GUARD_ASK)
        return ask_simple(x, MONGO_STEP_GUARD);
    return guard == MONGO_GUARD_INIT ? init_phase(x) : conclude(x);
}

/* A server that knows of its load balancer says which one it is. */
static bool is_behind_balancer(const bson_t *hello)
{
    bson_iter_t it;
    return bson_iter_init_find(&it, hello, "serviceId") && BSON_ITER_HOLDS_OID(&it);
}

/* Hello, or isMaster after it; then the login, or the ping that was sent along. */
static enum mongo_next take_hello(struct mongo_exchange *x, const bson_t *doc, bool ok)
{
    char words[256];
    if (ok) {
        mongo_hello_read(&x->hello, x->members, doc);
    } else if (x->step == MONGO_STEP_HELLO &&
               mongo_reply_error(doc, words, sizeof words) == MONGO_COMMAND_NOT_FOUND) {
        x->old_server = true;
        if (logs_in(x))
            return ask_legacy(x);
    } else {
        return failed(x, doc);
    }
    if (ok && x->fresh && x->conf->uri.load_balanced == 1 && !is_behind_balancer(doc))
        return end(x, MONGO_NEXT_DONE, REASON_MISMATCH,
                   "the uri says loadBalanced=true, the server does not (no serviceId)");
    if (logs_in(x)) {
        x->anonymous = !is_worth_login(x);
        return x->anonymous ? ask_simple(x, MONGO_STEP_PING) : begin_login(x, doc);
    }
    if (x->step == MONGO_STEP_LEGACY)
        return take_ping(x);
    x->step = MONGO_STEP_PING;
    x->awaited++;
    return MONGO_NEXT_WAIT;
}

static enum mongo_next take_reply(struct mongo_exchange *x, const bson_t *doc)
{
    bool ok = mongo_reply_ok(doc);
    switch (x->step) {
    case MONGO_STEP_HELLO:
    case MONGO_STEP_LEGACY:
        return take_hello(x, doc, ok);
    case MONGO_STEP_GUARD: /* refused is as good: the temporary server refuses nothing */
        return ok && mongo_guard_is_init(doc) ? init_phase(x) : conclude(x);
    case MONGO_STEP_PING:
        if (!ok)
            return failed(x, doc);
        if (x->old_server && !logs_in(x))
            return ask_legacy(x);
        return take_ping(x);
    default:
        return ok ? take_login(x, doc) : failed(x, doc);
    }
}

enum mongo_next mongo_exchange_take(struct mongo_exchange *x, const void *data, size_t len,
                                    size_t *used)
{
    const char *bytes = data;
    struct mongo_reply reply;
    struct err e;
    bson_t doc;
    *used = 0;
    buf_reset(&x->out);
    for (;;) {
        enum mongo_wire got = mongo_wire_reply(bytes + *used, len - *used, x->awaited, &reply, &e);
        if (got == MONGO_WIRE_MORE)
            return MONGO_NEXT_WAIT;
        if (got == MONGO_WIRE_BAD ||
            mongo_wire_document(&doc, reply.document, reply.document_len, &e))
            return end(x, MONGO_NEXT_FAIL, REASON_PROTOCOL, e.text);
        *used += reply.message_len;
        enum mongo_step step = x->step;
        enum mongo_next next = take_reply(x, &doc);
        if (next == MONGO_NEXT_WAIT)
            continue; /* the one after it was asked for already */
        /* After a bad hello the reply to the ping that went along may be there too. */
        bool last = next == MONGO_NEXT_DONE ? x->whole : next != MONGO_NEXT_FAIL;
        if (last && *used < len) {
            x->step = step;
            x->whole = false;
            return end(x, MONGO_NEXT_FAIL, REASON_PROTOCOL, "more bytes than the reply");
        }
        return next;
    }
}

void mongo_exchange_note(const struct mongo_exchange *x, char out[PROBE_DETAIL_MAX])
{
    const char *done = x->step == MONGO_STEP_PING   ? "hello answered, "
                       : x->step == MONGO_STEP_LOOK ? "ping answered, "
                                                    : "";
    snprintf(out, PROBE_DETAIL_MAX, "connected to %s, %s%s %s", x->address, done,
             x->step == MONGO_STEP_LOOK ? "waiting for" : "no reply to", words_of[x->step]);
}
