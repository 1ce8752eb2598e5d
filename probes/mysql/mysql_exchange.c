/* mysql_exchange: see mysql_exchange.h. */
#include "mysql/mysql_exchange.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "mysql/mysql_login.h"

#define PACKET_MAX 65536
#define NOBODY     "probe" /* who asks where no user is given */
#define COM_QUIT   "\x01"
#define COM_QUERY  "\x03"
#define COM_PING   "\x0e"
#define QUERY                                                                                      \
    COM_QUERY "SELECT @@global.read_only, @@global.innodb_read_only, @@global.skip_networking"
#define OUR_PACKETS (1U << 24) /* the largest that we say we take */
#define UTF8MB4     45
#define LOGIN_MAX   16 /* packets of a login: MariaDB tries the plugins of a user in turn */

enum {
    CAN_DATABASE = 8,
    CAN_41 = 0x200,
    CAN_TLS = 0x800,
    CAN_SECURE = 0x8000,
    CAN_PLUGIN = 0x80000
};
enum { IS_OK = 0, IS_MORE = 1, IS_SWITCH = 0xfe, IS_END = 0xfe, IS_ERROR = 0xff };
enum { FAST_OK = 3, FULL_LOGIN = 4 };
enum { ASK_KEY = 2, ASK_KEY_SHA256 = 1 };

static const char *const awaited[] = {
    [MY_LOOK] = "the look at the process",
    [MY_GREETING] = "the connection",
    [MY_TLS] = "TLS",
    [MY_LOGIN] = "login",
    [MY_KEY] = "the server's key",
    [MY_PING] = "ping",
    [MY_QUERY] = "the query",
};

static const struct mysql_conf *conf_of(const struct mysql_run *r)
{
    return r->talk.run.conf;
}

static const char *user_of(const struct mysql_run *r)
{
    const struct server_conf *s = &conf_of(r)->server;
    return s->user ? s->user : NOBODY;
}

static const char *password_of(const struct mysql_run *r)
{
    const struct server_conf *s = &conf_of(r)->server;
    return s->password ? s->password : "";
}

static enum talk_next go(struct mysql_run *r, enum mysql_step step, enum talk_next next)
{
    r->step = step;
    r->talk.awaited = awaited[step];
    return next;
}

/* Nobody reads along: the password may be sent as it is. */
static bool is_private(const struct mysql_run *r)
{
    return r->talk.is_tls || conf_of(r)->server.ep.path;
}

/* ---- Packets of ours ---- */

static void put_int(struct buf *b, uint32_t n, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        buf_putc(b, (char)(n >> 8 * i & 0xff));
}

static enum talk_next send_packet(struct mysql_run *r, const void *data, size_t len)
{
    put_int(&r->talk.out, (uint32_t)len, 3);
    buf_putc(&r->talk.out, (char)r->next++);
    buf_add(&r->talk.out, data, len);
    return TALK_SEND;
}

static enum talk_next command(struct mysql_run *r, const char *text, enum mysql_step step)
{
    r->next = 0;
    send_packet(r, text, strlen(text));
    return go(r, step, TALK_SEND);
}

/* The last word of a session that was let in. */
static enum talk_next quit(struct mysql_run *r, enum talk_next done)
{
    buf_reset(&r->talk.out);
    r->next = 0;
    send_packet(r, COM_QUIT, 1);
    return done;
}

/* The login cannot succeed. By a wrong answer that is as long as ed25519's the server refuses it;
 * no answer, or a shorter one, would count as a handshake that was cut. */
static enum talk_next give_up(struct mysql_run *r, enum talk_next done)
{
    static const char zeros[64];
    buf_reset(&r->talk.out);
    send_packet(r, zeros, sizeof zeros);
    return done;
}

/* ---- Ends ---- */

static enum talk_next not_mysql(struct mysql_run *r, const char *data, size_t len)
{
    return talk_said(&r->talk, REASON_PROTOCOL, "not the answer of a MySQL server", data, len);
}

static enum talk_next good(struct mysql_run *r, const char *words, const char *said)
{
    if (r->look.found == INIT_GUARD_UNSEEN && !r->row)
        return talk_end(&r->talk, REASON_INTERNAL, INIT_GUARD_UNSEEN_WORDS);
    return talk_end(&r->talk, REASON_OK, "%s%s, %s", words, said, r->version);
}

static const struct {
    unsigned code;
    enum reason reason;
    const char *words;
} meanings[] = {
    {1040, REASON_FULL, "too many connections"},
    {1203, REASON_FULL, "too many connections of the user"},
    {1226, REASON_FULL, "too many connections of the user"},
    {1045, REASON_AUTH, "the login is refused"},
    {1698, REASON_AUTH, "the login is refused"},
    {1129, REASON_AUTH, "this host is blocked: others cut their handshakes"},
    {1130, REASON_AUTH, "this host may not connect"},
    {1251, REASON_AUTH, "the login is refused"},
    {1449, REASON_AUTH, "the login is refused"}, /* of servers that are not MySQL's: no such user */
    {1820, REASON_AUTH, "the password is out of date"},
    {1862, REASON_AUTH, "the password is out of date"},
    {3118, REASON_AUTH, "the account is locked"},
    {4151, REASON_AUTH, "the account is locked"},
    {3159, REASON_AUTH, "it takes TLS only"},
    {1044, REASON_MISMATCH, "the user may not use the database"},
    {1049, REASON_MISMATCH, "no such database"},
    {1053, REASON_NOT_READY, "it shuts down"},
    {3032, REASON_NOT_READY, "it is in offline mode"},
    {1290, REASON_NOT_WRITABLE, "it takes no writes"},
    {1836, REASON_NOT_WRITABLE, "it takes no writes"},
};

static enum talk_next refused(struct mysql_run *r, const char *body, size_t len)
{
    char said[200], text[180];
    if (len < 3)
        return not_mysql(r, body, len);
    unsigned code = (unsigned char)body[1] | (unsigned)(unsigned char)body[2] << 8;
    size_t i = 0, at = len >= 9 && body[3] == '#' ? 9 : 3; /* without a SQLSTATE before the login */
    snprintf(said, sizeof said, "%u %s", code, str_excerpt(body + at, len - at, text, sizeof text));
    while (i < ARRAY_LEN(meanings) && meanings[i].code != code)
        i++;
    enum reason reason = i < ARRAY_LEN(meanings) ? meanings[i].reason : REASON_PROTOCOL;
    const struct server_conf *s = &conf_of(r)->server;
    bool nobody = !s->user && !s->password && conf_of(r)->require == MYSQL_REQUIRE_PING;
    if (nobody && r->step == MY_LOGIN &&
        (code == 1045 || code == 1698 || code == 1251 || code == 1449 || code == 3159))
        return good(r, "finishes the handshake, and lets in nobody without a login: ", said);
    enum talk_next done = talk_end(&r->talk, reason, "%s: %s: %s", r->talk.awaited,
                                   reason == REASON_PROTOCOL ? "refused" : meanings[i].words, said);
    return r->step > MY_KEY ? quit(r, done) : done;
}

/* ---- The greeting and the login ---- */

static uint32_t abilities(const struct mysql_run *r)
{
    return CAN_41 | CAN_SECURE | CAN_PLUGIN | (r->talk.is_tls ? CAN_TLS : 0) |
           (conf_of(r)->server.path ? CAN_DATABASE : 0);
}

static void put_head(struct buf *b, uint32_t can)
{
    static const char zeros[23];
    put_int(b, can, 4);
    put_int(b, OUR_PACKETS, 4);
    put_int(b, UTF8MB4, 1);
    buf_add(b, zeros, sizeof zeros);
}

/* `as_nobody`: to finish the handshake and no more. */
static enum talk_next log_in(struct mysql_run *r, bool as_nobody)
{
    const char *database = conf_of(r)->server.path, *user = as_nobody ? NOBODY : user_of(r);
    unsigned char digest[MYSQL_DIGEST_MAX];
    struct buf b;
    int n = as_nobody ? 0 : mysql_login_digest(r->plugin, password_of(r), r->nonce, digest);
    if (n < 0) { /* the server switches to the user's own anyhow */
        snprintf(r->plugin, sizeof r->plugin, "%s", MYSQL_NATIVE);
        n = mysql_login_digest(r->plugin, password_of(r), r->nonce, digest);
    }
    if (n < 0)
        return talk_end(&r->talk, REASON_INTERNAL, "login: the hash functions are not to be had");
    buf_init(&b, PACKET_MAX);
    put_head(&b, abilities(r));
    buf_add(&b, user, strlen(user) + 1);
    put_int(&b, (uint32_t)n, 1);
    buf_add(&b, digest, (size_t)n);
    if (database)
        buf_add(&b, database, strlen(database) + 1);
    buf_add(&b, r->plugin, strlen(r->plugin) + 1);
    bool failed = b.failed;
    if (!failed)
        send_packet(r, b.data, b.len);
    buf_fini(&b);
    return failed ? talk_end(&r->talk, REASON_INTERNAL, "login: the user's name is too long")
                  : go(r, MY_LOGIN, TALK_SEND);
}

static enum talk_next ask_tls(struct mysql_run *r)
{
    struct buf b;
    buf_init(&b, 64);
    put_head(&b, abilities(r) | CAN_TLS);
    send_packet(r, b.data ? b.data : "", b.len);
    buf_fini(&b);
    return go(r, MY_TLS, TALK_TLS);
}

/* "5.5.5-10.11.6-MariaDB-0+deb12u1" is MariaDB's 10.11.6. */
static void take_version(struct mysql_run *r, const char *text, size_t len)
{
    bool maria = memmem(text, len, "MariaDB", 7) != NULL;
    size_t skip = maria && len > 6 && memcmp(text, "5.5.5-", 6) == 0 ? 6 : 0, n = 0;
    while (skip + n < len && text[skip + n] != '-')
        n++;
    char number[24];
    snprintf(r->version, sizeof r->version, "%s %s", maria ? "MariaDB" : "MySQL",
             str_excerpt(text + skip, n, number, sizeof number));
}

static enum talk_next take_greeting(struct mysql_run *r, const char *body, size_t len)
{
    const unsigned char *p = (const unsigned char *)body;
    const char *end = len ? memchr(body, '\0', len) : NULL;
    if (!end || p[0] != 10)
        return not_mysql(r, body, len);
    size_t at = (size_t)(end - body) + 1;
    take_version(r, body + 1, at - 2);
    if (len < at + 31 + 13) /* thread, nonce, abilities, ...; more of the nonce */
        return not_mysql(r, body, len);
    uint32_t can = (uint32_t)p[at + 13] | (uint32_t)p[at + 14] << 8 | (uint32_t)p[at + 18] << 16 |
                   (uint32_t)p[at + 19] << 24;
    if (!(can & CAN_41) || !(can & CAN_SECURE))
        return talk_end(&r->talk, REASON_PROTOCOL, "a server from before MySQL 4.1");
    memcpy(r->nonce, body + at + 4, 8);
    memcpy(r->nonce + 8, body + at + 31, 12);
    at += 31 + 13;
    str_excerpt(body + at, strnlen(body + at, len - at), r->plugin, sizeof r->plugin);
    if (!r->plugin[0])
        snprintf(r->plugin, sizeof r->plugin, "%s", MYSQL_NATIVE);
    enum server_tls use = conf_of(r)->server.tls_use;
    if (use == SERVER_TLS_NO || (use == SERVER_TLS_MAYBE && !(can & CAN_TLS)))
        return log_in(r, false);
    if (can & CAN_TLS)
        return ask_tls(r);
    log_in(r, true);
    return talk_end(&r->talk, REASON_TLS, "the server has no TLS, and it is asked for");
}

/* Whoever sends a key can read what it seals: that is the server, or somebody on the way. */
static bool is_key_taken(const struct mysql_run *r)
{
    return conf_of(r)->any_key || str_starts(r->talk.address, "127.") ||
           str_starts(r->talk.address, "[::1]");
}

static enum talk_next ask_key(struct mysql_run *r)
{
    char ask = strcmp(r->plugin, MYSQL_CACHING) == 0 ? ASK_KEY : ASK_KEY_SHA256;
    send_packet(r, &ask, 1);
    return go(r, MY_KEY, TALK_SEND);
}

static enum talk_next take_key(struct mysql_run *r, const char *body, size_t len)
{
    struct buf sealed;
    buf_init(&sealed, MYSQL_KEY_MAX);
    bool ok = len > 1 && body[0] == IS_MORE &&
              mysql_login_encrypt(body + 1, len - 1, password_of(r), r->nonce, &sealed) == 0;
    if (ok)
        send_packet(r, sealed.data, sealed.len);
    buf_fini(&sealed);
    return ok ? go(r, MY_LOGIN, TALK_SEND)
              : talk_end(&r->talk, REASON_PROTOCOL,
                         "login: the server's key is no RSA key of at most %d bytes",
                         MYSQL_KEY_MAX);
}

static enum talk_next send_clear(struct mysql_run *r)
{
    const char *password = password_of(r);
    if (!is_private(r) && strcmp(r->plugin, MYSQL_CLEAR) != 0 && is_key_taken(r))
        return ask_key(r);
    if (!is_private(r))
        return give_up(r, talk_end(&r->talk, REASON_AUTH,
                                   "login: it wants the password itself (%s), which is sent by TLS "
                                   "and Unix sockets only: set ssl-mode, or "
                                   "get-server-public-key where nobody else is on the way",
                                   r->plugin));
    send_packet(r, password, strlen(password) + 1);
    return go(r, MY_LOGIN, TALK_SEND);
}

/* Another plugin, with a nonce of its own. A password that is sealed is mixed with that nonce too.
 */
static enum talk_next take_switch(struct mysql_run *r, const char *body, size_t len)
{
    unsigned char digest[MYSQL_DIGEST_MAX];
    const char *end = memchr(body + 1, '\0', len - 1);
    if (!end)
        return not_mysql(r, body, len);
    str_excerpt(body + 1, (size_t)(end - body) - 1, r->plugin, sizeof r->plugin);
    bool has_nonce = len - (size_t)(end - body) > MYSQL_NONCE;
    if (has_nonce)
        memcpy(r->nonce, end + 1, MYSQL_NONCE);
    if (mysql_login_is_clear(r->plugin))
        return send_clear(r);
    int n = has_nonce ? mysql_login_digest(r->plugin, password_of(r), r->nonce, digest) : -1;
    if (n < 0)
        return give_up(r, talk_end(&r->talk, REASON_AUTH,
                                   "login: it wants %s, which probe does not know", r->plugin));
    send_packet(r, digest, (size_t)n);
    return go(r, MY_LOGIN, TALK_SEND);
}

static enum talk_next take_login(struct mysql_run *r, const char *body, size_t len)
{
    if (++r->n_said > LOGIN_MAX)
        return talk_end(&r->talk, REASON_PROTOCOL, "login: it asks again and again");
    switch (len ? (unsigned char)body[0] : IS_ERROR + 1) {
    case IS_OK:
        return command(r, COM_PING, MY_PING);
    case IS_SWITCH:
        return take_switch(r, body, len);
    case IS_MORE:
        if (len == 2 && body[1] == FAST_OK && strcmp(r->plugin, MYSQL_CACHING) == 0)
            return TALK_WAIT;
        if (len == 2 && body[1] == FULL_LOGIN && strcmp(r->plugin, MYSQL_CACHING) == 0)
            return send_clear(r);
        return not_mysql(r, body, len);
    default:
        return not_mysql(r, body, len);
    }
}

/* ---- The query ---- */

static enum talk_next take_row(struct mysql_run *r, const char *body, size_t len)
{
    size_t at = 0;
    for (size_t i = 0; i < MYSQL_COLUMNS; i++) {
        size_t n = at < len ? (unsigned char)body[at] : 251;
        if (n > 250 || n > len - at - 1)
            return not_mysql(r, body, len);
        str_excerpt(body + at + 1, n, r->columns[i], sizeof r->columns[i]);
        at += 1 + n;
    }
    r->row = true;
    return at == len ? TALK_WAIT : not_mysql(r, body, len);
}

/* 1 yes, 0 no, -1 neither */
static int truth(const char *text)
{
    if (strcmp(text, "0") == 0 || strcmp(text, "OFF") == 0)
        return 0;
    return *text &&
                   (strcmp(text, "1") == 0 || str_starts(text, "ON") || str_starts(text, "NO_LOCK"))
               ? 1
               : -1;
}

static enum talk_next judge_row(struct mysql_run *r)
{
    int read_only = truth(r->columns[0]), engine = truth(r->columns[1]),
        alone = truth(r->columns[2]);
    if (!r->row || read_only < 0 || engine < 0 || alone < 0)
        return not_mysql(r, r->columns[0], strlen(r->columns[0]));
    if (r->look.found == INIT_GUARD_UNSEEN && alone)
        return talk_end(&r->talk, REASON_INIT_PHASE, INIT_GUARD_WORDS " (skip_networking tells)");
    if (conf_of(r)->require == MYSQL_REQUIRE_WRITABLE && (read_only || engine))
        return talk_end(&r->talk, REASON_NOT_WRITABLE,
                        "%s is on: a replica, or a member of a group "
                        "that is not its primary",
                        read_only ? "read_only" : "innodb_read_only");
    return talk_end(&r->talk, REASON_OK, "ping ok as %s%s, %s", user_of(r),
                    read_only || engine ? ", read-only" : "", r->version);
}

/* The number of columns, each of them, an end, the rows, an end. */
static enum talk_next take_result(struct mysql_run *r, const char *body, size_t len)
{
    bool end = len > 0 && len < 9 && (unsigned char)body[0] == IS_END;
    if (end && ++r->ends == 2)
        return quit(r, judge_row(r));
    if (end || r->ends == 0)
        return TALK_WAIT;
    return r->row ? not_mysql(r, body, len) : take_row(r, body, len);
}

static enum talk_next take_ping(struct mysql_run *r, const char *body, size_t len)
{
    if (!len || body[0] != IS_OK)
        return not_mysql(r, body, len);
    if (conf_of(r)->require == MYSQL_REQUIRE_WRITABLE || r->look.found == INIT_GUARD_UNSEEN)
        return command(r, QUERY, MY_QUERY);
    return quit(r, good(r, "ping ok as ", user_of(r)));
}

/* ---- Packets of the server ---- */

static enum talk_next take_packet(struct mysql_run *r, const char *body, size_t len)
{
    if (len && (unsigned char)body[0] == IS_ERROR)
        return refused(r, body, len);
    switch (r->step) {
    case MY_GREETING:
        return take_greeting(r, body, len);
    case MY_LOGIN:
        return take_login(r, body, len);
    case MY_KEY:
        return take_key(r, body, len);
    case MY_PING:
        return take_ping(r, body, len);
    case MY_QUERY:
        return take_result(r, body, len);
    default:
        return not_mysql(r, body, len);
    }
}

static enum talk_next take(struct talk *t, const char *data, size_t len, size_t *used)
{
    struct mysql_run *r = (struct mysql_run *)t;
    enum talk_next next = TALK_WAIT;
    while (next == TALK_WAIT && len - *used >= 4) {
        const unsigned char *p = (const unsigned char *)data + *used;
        size_t n = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16, left = len - *used;
        bool first = r->step == MY_GREETING; /* what is no MySQL is told by its first bytes */
        if (n > PACKET_MAX || (first && (p[3] > 1 || (left > 4 && p[4] != 10 && p[4] != IS_ERROR))))
            return not_mysql(r, data + *used, left);
        if (left < 4 + n)
            return TALK_WAIT;
        *used += 4 + n;
        r->next = (unsigned char)(p[3] + 1);
        next = take_packet(r, data + (*used - n), n);
    }
    return next;
}

static enum talk_next worked(struct talk *t)
{
    struct mysql_run *r = (struct mysql_run *)t;
    return r->look.found == INIT_GUARD_TEMPORARY
               ? talk_end(t, REASON_INIT_PHASE, INIT_GUARD_WORDS " (its command line tells)")
               : go(r, MY_GREETING, TALK_WAIT);
}

static enum talk_next opened(struct talk *t)
{
    struct mysql_run *r = (struct mysql_run *)t;
    if (r->step == MY_TLS)
        return log_in(r, false);
    if (!conf_of(r)->init_guard || !conf_of(r)->server.ep.path)
        return go(r, MY_GREETING, TALK_WAIT);
    r->look = (struct init_guard_look){.server = INIT_GUARD_MYSQL,
                                       .pid = stream_listener_pid(&t->stream)};
    t->job = (struct talk_job){init_guard_look, &r->look, sizeof r->look};
    return go(r, MY_LOOK, TALK_WORK);
}

const struct talk_rules mysql_rules = {
    .in_max = PACKET_MAX + 4, .unasked = true, .opened = opened, .take = take, .worked = worked};
