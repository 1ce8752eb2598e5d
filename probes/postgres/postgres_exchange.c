/* postgres_exchange: see postgres_exchange.h. */
#include "postgres/postgres_exchange.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "postgres/postgres_hosts.h"
#include "postgres/postgres_role.h"
#include "scram/login_hash.h"

#define MESSAGE_MAX 65536
#define PROTOCOL_3  196608
#define SSL_REQUEST 80877103
#define SSL_MESSAGE "SSLRequest"
#define MECHANISM   "SCRAM-SHA-256"

enum { AUTH_OK = 0, AUTH_CLEAR = 3, AUTH_MD5 = 5, AUTH_SASL = 10, AUTH_CHALLENGE, AUTH_PROOF };

static const char *const awaited[] = {
    [PG_CONNECT] = "the connection",
    [PG_LOOK] = "the look at the process",
    [PG_SSL] = SSL_MESSAGE,
    [PG_STARTUP] = "startup",
    [PG_SASL] = "login",
    [PG_PROOF] = "login",
    [PG_LOGIN] = "login",
    [PG_READY] = "startup",
    [PG_QUERY] = "the query",
};

static bool is_by_socket(const struct postgres_run *r)
{
    return postgres_hosts_place(r)->path != NULL;
}

static enum talk_next go(struct postgres_run *r, enum postgres_step step, enum talk_next next)
{
    r->step = step;
    r->talk.awaited = awaited[step];
    return next;
}

/* ---- Messages of ours ---- */

static void put_int(struct buf *b, uint32_t n)
{
    n = htonl(n);
    buf_add(b, &n, sizeof n);
}

static void put_text(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text) + 1);
}

static void put_message(struct buf *b, char type, const char *data, size_t len)
{
    buf_putc(b, type);
    put_int(b, (uint32_t)len + 4);
    buf_add(b, data, len);
}

static enum talk_next start_up(struct postgres_run *r)
{
    const char *database = postgres_conf_of(r)->server.path;
    const char *const words[] = {"user",
                                 postgres_user(r),
                                 "database",
                                 database ? database : postgres_user(r),
                                 "application_name",
                                 "probe",
                                 "options",
                                 postgres_conf_of(r)->options};
    size_t n = ARRAY_LEN(words) - (postgres_conf_of(r)->options ? 0 : 2), len = 4 + 4 + 1;
    for (size_t i = 0; i < n; i++)
        len += strlen(words[i]) + 1;
    put_int(&r->talk.out, (uint32_t)len);
    put_int(&r->talk.out, PROTOCOL_3);
    for (size_t i = 0; i < n; i++)
        put_text(&r->talk.out, words[i]);
    buf_putc(&r->talk.out, '\0');
    return go(r, PG_STARTUP, TALK_SEND);
}

static enum talk_next ask_tls(struct postgres_run *r)
{
    if (r->talk.is_tls || !postgres_hosts_tls(r))
        return start_up(r);
    put_int(&r->talk.out, 8);
    put_int(&r->talk.out, SSL_REQUEST);
    return go(r, PG_SSL, TALK_SEND);
}

static enum talk_next opened(struct talk *t)
{
    struct postgres_run *r = (struct postgres_run *)t;
    r->is_there = true;
    if (!postgres_conf_of(r)->init_guard || !is_by_socket(r) || r->step != PG_CONNECT)
        return ask_tls(r);
    r->look = (struct init_guard_look){.server = INIT_GUARD_POSTGRES,
                                       .pid = stream_listener_pid(&t->stream)};
    t->job = (struct talk_job){init_guard_look, &r->look, sizeof r->look};
    return go(r, PG_LOOK, TALK_WORK);
}

/* ---- Ends ---- */

static enum talk_next terminate(struct postgres_run *r, enum talk_next done)
{
    buf_reset(&r->talk.out);
    put_message(&r->talk.out, 'X', "", 0);
    return done;
}

/* Healthy, as far as the server was seen. */
static enum talk_next good(struct postgres_run *r, const char *words, const char *said)
{
    if (r->look.found == INIT_GUARD_UNSEEN && !r->row)
        return talk_end(&r->talk, REASON_INTERNAL, INIT_GUARD_UNSEEN_WORDS);
    return talk_end(&r->talk, REASON_OK, "%s%s", words, said);
}

/* ---- Errors ---- */

struct failure {
    const char *code, *text; /* "" where it has none */
};

/* The fields end in NUL each; the last is empty. False: it is broken. */
static bool read_failure(struct failure *f, const char *body, size_t len)
{
    *f = (struct failure){"", ""};
    for (size_t at = 0; at < len && body[at];) {
        const char *value = body + at + 1;
        const char *end = memchr(value, '\0', len - at - 1);
        if (!end)
            return false;
        if (body[at] == 'C')
            f->code = value;
        if (body[at] == 'M')
            f->text = value;
        at = (size_t)(end - body) + 1;
    }
    return *f->code != '\0';
}

/* What SQLSTATEs begin with, and what PgBouncer says under a code for all (08P01). */
static const struct {
    const char *code, *text;
    enum reason reason;
    const char *words;
} meanings[] = {
    {"57P03", "", REASON_NOT_READY, "it starts, recovers or shuts down"},
    {"57P01", "", REASON_NOT_READY, "it shuts down"},
    {"57P02", "", REASON_NOT_READY, "a process of it crashed"},
    {"53", "", REASON_FULL, "no connection is left"},
    {"3D000", "", REASON_MISMATCH, "no such database"},
    {"28", "", REASON_AUTH, "the login is refused"},
    {"42501", "", REASON_AUTH, "the user may not do that"},
    {"57014", "", REASON_NOT_READY, "the query took too long for it"},
    {"25006", "", REASON_NOT_WRITABLE, "it takes no writes"},
    {"55000", "", REASON_NOT_READY, "the database takes no connections"},
    {"08P01", "no such database", REASON_MISMATCH, "no such database"},
    {"08P01", "no more connections allowed", REASON_FULL, "no connection is left"},
    {"08P01", "password authentication failed", REASON_AUTH, "the login is refused"},
    {"08P01", "SASL authentication failed", REASON_AUTH, "the login is refused"},
    {"08P01", "no such user", REASON_AUTH, "the login is refused"},
    {"08P01", "not allowed", REASON_AUTH, "the login is refused"},
    {"08P01", "login rejected", REASON_AUTH, "the login is refused"},
    {"08P01", "server ", REASON_NOT_READY, "the server behind PgBouncer does not answer"},
    {"08P01", "pgbouncer cannot connect", REASON_NOT_READY,
     "the server behind PgBouncer does not answer"},
    {"08P01", "query_wait_timeout", REASON_NOT_READY,
     "the server behind PgBouncer does not answer"},
    {"08P01", "The database system is shutting down", REASON_NOT_READY, "it shuts down"},
    {"08P01", "database ", REASON_NOT_READY, "PgBouncer has it disabled"},
    {"58000", "", REASON_NOT_READY, "the server behind PgBouncer does not answer"},
};

static bool is_just_ping(const struct postgres_run *r)
{
    return postgres_conf_of(r)->require == POSTGRES_REQUIRE_PING &&
           postgres_conf_of(r)->session == POSTGRES_SESSION_ANY;
}

static enum talk_next refused(struct postgres_run *r, const struct failure *f)
{
    char said[200];
    const struct talk *t = &r->talk;
    const struct server_conf *s = &postgres_conf_of(r)->server;
    size_t i = 0;
    while (i < ARRAY_LEN(meanings) &&
           !(str_starts(f->code, meanings[i].code) && str_starts(f->text, meanings[i].text)))
        i++;
    enum reason reason = i < ARRAY_LEN(meanings) ? meanings[i].reason : REASON_PROTOCOL;
    bool nobody = !s->user && !s->password && !s->path; /* who it is does not matter */
    snprintf(said, sizeof said, "%.5s %s", f->code, f->text);
    if (nobody && is_just_ping(r) && r->step <= PG_READY &&
        (t->is_tls || s->tls_use != SERVER_TLS_YES) &&
        (reason == REASON_AUTH || reason == REASON_MISMATCH)) {
        char excerpt[200];
        str_excerpt(said, strlen(said), excerpt, sizeof excerpt);
        return good(r, "accepts connections, but not ours: ", excerpt);
    }
    enum talk_next done =
        talk_said(&r->talk, reason, reason == REASON_PROTOCOL ? "refused" : meanings[i].words, said,
                  strlen(said));
    if (r->step == PG_QUERY)
        return terminate(r, done);
    return postgres_hosts_next(r, strcmp(f->code, "57P03") == 0 ? POSTGRES_UNREACHED
                                  : r->step == PG_READY         ? POSTGRES_FAILED
                                                                : POSTGRES_REFUSED);
}

/* ---- The login ---- */

/* One is asked for and none was given. */
static enum talk_next not_given(struct postgres_run *r, const char *kind)
{
    if (is_just_ping(r))
        return good(r, "accepts connections, and asks for a login by ", kind);
    return talk_end(&r->talk, REASON_AUTH, "it wants a login by %s, and the password is not set",
                    kind);
}

static enum talk_next send_password(struct postgres_run *r, const char *password)
{
    put_message(&r->talk.out, 'p', password, strlen(password) + 1);
    return go(r, PG_LOGIN, TALK_SEND);
}

static enum talk_next answer_md5(struct postgres_run *r, const char *body, size_t len)
{
    const char *password = postgres_conf_of(r)->server.password;
    char inner[LOGIN_HASH_HEX], outer[3 + LOGIN_HASH_HEX] = "md5";
    if (len != 8)
        return postgres_not_it(r, body, len);
    const char *user = postgres_user(r);
    if (login_hash_md5(password, strlen(password), user, strlen(user), inner) ||
        login_hash_md5(inner, strlen(inner), body + 4, 4, outer + 3))
        return talk_end(&r->talk, REASON_INTERNAL, "MD5 is not to be had");
    return send_password(r, outer);
}

/* TLS that nobody asked for is not verified: somebody on the way could ask for the password. */
static enum talk_next answer_clear(struct postgres_run *r)
{
    bool asked_for = r->talk.is_tls && !postgres_conf_of(r)->server.tls_by_default;
    if (!asked_for && !is_by_socket(r))
        return talk_end(&r->talk, REASON_AUTH,
                        "it wants the password in the clear, which is sent by Unix sockets and by "
                        "TLS that is asked for only: set sslmode");
    return send_password(r, postgres_conf_of(r)->server.password);
}

static enum talk_next begin_sasl(struct postgres_run *r, const char *names, size_t len)
{
    struct buf first;
    struct err e;
    bool known = false;
    for (size_t at = 0; at < len && names[at]; at += strnlen(names + at, len - at) + 1)
        known = known || (len - at > strlen(MECHANISM) && strcmp(names + at, MECHANISM) == 0);
    if (!known)
        return talk_said(&r->talk, REASON_AUTH, "it offers no login by " MECHANISM, names, len);
    buf_init(&first, SCRAM_TEXT_MAX);
    if (scram_first(&r->scram, SCRAM_SHA_256, "", &first, &e) < 0) {
        buf_fini(&first);
        return talk_end(&r->talk, REASON_INTERNAL, "%s", e.text);
    }
    struct buf *out = &r->talk.out;
    buf_putc(out, 'p');
    put_int(out, (uint32_t)(4 + sizeof MECHANISM + 4 + first.len));
    put_text(out, MECHANISM);
    put_int(out, (uint32_t)first.len);
    buf_add(out, first.data, first.len);
    buf_fini(&first);
    return go(r, PG_SASL, TALK_SEND);
}

static void salt(void *memory)
{
    struct postgres_salting *s = memory;
    s->rc = scram_salt(&s->keys, s->password);
}

static enum talk_next take_challenge(struct postgres_run *r, const char *text, size_t len)
{
    struct err e;
    struct talk *t = &r->talk;
    if (scram_challenge(&r->scram, text, len, &e) < 0)
        return talk_end(t, REASON_PROTOCOL, "login: %s", e.text);
    r->salting.keys = r->scram.keys;
    snprintf(r->salting.password, sizeof r->salting.password, "%s",
             postgres_conf_of(r)->scram_password);
    t->job = (struct talk_job){salt, &r->salting, sizeof r->salting};
    return TALK_WORK;
}

static enum talk_next salted(struct postgres_run *r)
{
    struct err e = {""};
    struct buf final;
    r->scram.keys = r->salting.keys;
    buf_init(&final, 2 * SCRAM_TEXT_MAX);
    bool failed = r->salting.rc < 0 || scram_final(&r->scram, &final, &e) < 0;
    if (!failed)
        put_message(&r->talk.out, 'p', final.data, final.len);
    buf_fini(&final);
    if (failed)
        return talk_end(&r->talk, REASON_INTERNAL, "login: %s",
                        *e.text ? e.text : "the hash functions of SCRAM are not to be had");
    return go(r, PG_PROOF, TALK_SEND);
}

static enum talk_next worked(struct talk *t)
{
    struct postgres_run *r = (struct postgres_run *)t;
    if (r->step != PG_LOOK)
        return salted(r);
    return r->look.found == INIT_GUARD_TEMPORARY
               ? talk_end(t, REASON_INIT_PHASE, INIT_GUARD_WORDS " (its command line tells)")
               : ask_tls(r);
}

static enum talk_next take_auth(struct postgres_run *r, const char *body, size_t len)
{
    struct err e;
    uint32_t kind = len < 4 ? UINT32_MAX : postgres_get_int(body);
    bool asked = r->step == PG_STARTUP, password = postgres_conf_of(r)->server.password != NULL;
    if (kind == AUTH_OK && (asked || r->step == PG_LOGIN))
        return go(r, PG_READY, TALK_WAIT);
    if (kind == AUTH_SASL && asked)
        return password ? begin_sasl(r, body + 4, len - 4) : not_given(r, "SCRAM");
    if (kind == AUTH_MD5 && asked)
        return password ? answer_md5(r, body, len) : not_given(r, "MD5");
    if (kind == AUTH_CLEAR && asked)
        return password ? answer_clear(r) : not_given(r, "password");
    if (kind == AUTH_CHALLENGE && r->step == PG_SASL)
        return take_challenge(r, body + 4, len - 4);
    if (kind == AUTH_PROOF && r->step == PG_PROOF)
        return scram_verify(&r->scram, body + 4, len - 4, &e) < 0
                   ? talk_end(&r->talk, REASON_AUTH, "login: %s", e.text)
                   : go(r, PG_LOGIN, TALK_WAIT);
    if (asked && kind < AUTH_CHALLENGE)
        return password ? talk_end(&r->talk, REASON_AUTH,
                                   "it wants a login of a kind that probe does not know (%u)", kind)
                        : not_given(r, "GSSAPI or the like");
    if (kind == AUTH_OK) /* before it has proved that it knows the password as well */
        return talk_end(&r->talk, REASON_AUTH, "login: taken without a proof of the server's");
    return postgres_not_it(r, body, len);
}

/* ---- The query ---- */

/* Where no role is asked for, an empty query: PgBouncer lets in whom it knows, also when nothing is
 * behind it. */
static enum talk_next take_ready(struct postgres_run *r)
{
    bool role = postgres_role_is_asked(r);
    if (r->step == PG_QUERY)
        return terminate(r,
                         role ? postgres_role_judge(r) : good(r, "let in as ", postgres_user(r)));
    put_message(&r->talk.out, 'Q', role ? POSTGRES_QUERY : "", role ? sizeof POSTGRES_QUERY : 1);
    return go(r, PG_QUERY, TALK_SEND);
}

/* ---- Messages of the server ---- */

static enum talk_next take_message(struct postgres_run *r, char type, const char *body, size_t len)
{
    struct failure f;
    switch (type) {
    case 'E':
        return read_failure(&f, body, len) ? refused(r, &f) : postgres_not_it(r, body, len);
    case 'R':
        return take_auth(r, body, len);
    case 'Z':
        return r->step == PG_READY || r->step == PG_QUERY ? take_ready(r)
                                                          : postgres_not_it(r, body, len);
    case 'D':
        return r->step == PG_QUERY ? postgres_role_take(r, body, len)
                                   : postgres_not_it(r, body, len);
    default: /* notices, parameters, the key to cancel, the query's columns and its end */
        return TALK_WAIT;
    }
}

static enum talk_next take_ssl(struct postgres_run *r, const char *data, size_t len, size_t *used)
{
    if (data[0] == 'E') /* a server that cannot even do that says so */
        return go(r, PG_STARTUP, TALK_WAIT);
    *used = 1;
    if (data[0] == 'S')
        return TALK_TLS;
    if (data[0] != 'N')
        return postgres_not_it(r, data, len);
    if (postgres_conf_of(r)->server.tls_use == SERVER_TLS_YES)
        return talk_end(&r->talk, REASON_TLS, "the server has no TLS, and sslmode asks for it");
    return start_up(r);
}

static enum talk_next take(struct talk *t, const char *data, size_t len, size_t *used)
{
    struct postgres_run *r = (struct postgres_run *)t;
    enum talk_next next = TALK_WAIT;
    if (r->step == PG_SSL && len)
        next = take_ssl(r, data, len, used);
    while (next == TALK_WAIT && len > *used) {
        const char *p = data + *used;
        size_t left = len - *used, n = left < 5 ? 4 : postgres_get_int(p + 1);
        if (!p[0] || !strchr("RSKEZNvTDCI", p[0]) || n < 4 || n > MESSAGE_MAX)
            return postgres_not_it(r, p, left);
        if (left < 1 + n)
            return TALK_WAIT;
        *used += 1 + n;
        next = take_message(r, p[0], p + 5, n - 4);
    }
    return next;
}

/* The connection failed, or its share of the time is over. */
static enum talk_next failed(struct talk *t)
{
    struct postgres_run *r = (struct postgres_run *)t;
    bool unreached = r->step == PG_CONNECT || t->reason == REASON_TIMEOUT;
    r->is_there = r->is_there || !t->stream.gone;
    return postgres_hosts_next(r, unreached           ? POSTGRES_UNREACHED
                                  : r->step == PG_SSL ? POSTGRES_NO_TLS
                                                      : POSTGRES_FAILED);
}

static void fini(struct talk *t)
{
    struct postgres_run *r = (struct postgres_run *)t;
    scram_fini(&r->scram);
    explicit_bzero(&r->salting, sizeof r->salting);
}

const struct talk_rules postgres_rules = {.in_max = MESSAGE_MAX + 1,
                                          .unasked = true,
                                          .opened = opened,
                                          .take = take,
                                          .worked = worked,
                                          .failed = failed,
                                          .fini = fini};
