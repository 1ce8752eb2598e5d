/* redis_exchange: see redis_exchange.h. The protocol is RESP2, which every version speaks. */
#include "redis/redis_exchange.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

#define LINE_MAX_BYTES 4096 /* of a status or an error */
#define INFO_MAX       (256 * 1024)

static const char *const words_of[] = {[REDIS_AUTH] = "AUTH",
                                       [REDIS_SELECT] = "SELECT",
                                       [REDIS_PING] = "PING",
                                       [REDIS_INFO] = "INFO",
                                       [REDIS_CLUSTER] = "CLUSTER INFO"};

static const struct redis_conf *conf_of(const struct redis_run *r)
{
    return r->talk.run.conf;
}

/* Does the verdict hang on INFO? Otherwise it can only warn. */
static bool is_judged(const struct redis_conf *c)
{
    return c->require != REDIS_REQUIRE_PING || c->max_lag;
}

/* ---- Commands ---- */

/* One command of RESP; ends with a NULL. */
static void add_command(struct redis_run *r, enum redis_step step, const char *const *words)
{
    struct buf *out = &r->talk.out;
    size_t n = 0;
    while (words[n])
        n++;
    buf_printf(out, "*%zu\r\n", n);
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
    r->steps[r->n_steps++] = step;
}

static enum talk_next opened(struct talk *t)
{
    struct redis_run *r = (struct redis_run *)t;
    const struct redis_conf *c = conf_of(r);
    const struct server_conf *s = &c->server;
    char number[16];
    if (s->password && s->user)
        add_command(r, REDIS_AUTH, (const char *const[]){"AUTH", s->user, s->password, NULL});
    else if (s->password)
        add_command(r, REDIS_AUTH, (const char *const[]){"AUTH", s->password, NULL});
    if (c->database >= 0) {
        snprintf(number, sizeof number, "%d", c->database);
        add_command(r, REDIS_SELECT, (const char *const[]){"SELECT", number, NULL});
    }
    add_command(r, REDIS_PING, (const char *const[]){"PING", NULL});
    if (is_judged(c) || c->warn_lag)
        add_command(r, REDIS_INFO, (const char *const[]){"INFO", NULL});
    t->awaited = words_of[r->steps[0]];
    return TALK_SEND;
}

/* ---- Errors ---- */

/* What the first word of an error means, whichever command it answers. */
static const struct {
    const char *word;
    enum reason reason;
    const char *words;
} meanings[] = {
    {"LOADING", REASON_NOT_READY, "it loads its data"},
    {"MASTERDOWN", REASON_NOT_READY, "a replica without its master, which serves nothing"},
    {"BUSY", REASON_NOT_READY, "a script holds it up"},
    {"BUSYKEY", REASON_PROTOCOL, ""},
    {"CLUSTERDOWN", REASON_NOT_READY, "the cluster is down"},
    {"NOAUTH", REASON_AUTH, "it is alive, and wants a login: user and password are not set"},
    {"WRONGPASS", REASON_AUTH, "the login is refused"},
    {"NOPERM", REASON_AUTH, "the user may not run it"},
    {"DENIED", REASON_AUTH, "protected mode: it takes no strangers"},
    {"MISCONF", REASON_NOT_WRITABLE, "it cannot save its data, and takes no writes"},
    {"READONLY", REASON_NOT_WRITABLE, "it takes no writes"},
    {"NOREPLICAS", REASON_NOT_WRITABLE, "too few replicas, so that it takes no writes"},
};

static enum talk_next refused(struct redis_run *r, enum redis_step step, const char *text,
                              size_t len)
{
    struct talk *t = &r->talk;
    t->awaited = words_of[step];
    size_t word = 0;
    while (word < len && text[word] != ' ')
        word++;
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
        if (strlen(meanings[i].word) == word && memcmp(text, meanings[i].word, word) == 0)
            return talk_said(t, meanings[i].reason, meanings[i].words, text, len);
    static const char full[] = "ERR max number of clients";
    if (len >= sizeof full - 1 && memcmp(text, full, sizeof full - 1) == 0)
        return talk_said(t, REASON_FULL, "", text, len);
    return talk_said(t,
                     step == REDIS_AUTH     ? REASON_AUTH
                     : step == REDIS_SELECT ? REASON_MISMATCH
                                            : REASON_PROTOCOL,
                     step == REDIS_AUTH ? "the login is refused" : "refused", text, len);
}

/* ---- What INFO says ---- */

/* The value of "NAME:VALUE\r\n", or "" where there is none. */
static void field(const char *info, size_t len, const char *name, char *out, size_t size)
{
    size_t n = strlen(name);
    const char *end = info + len;
    *out = '\0';
    for (const char *line = info; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t all = (size_t)((stop ? stop : end) - line);
        if (all > n && memcmp(line, name, n) == 0 && line[n] == ':') {
            size_t value = all - n - 1;
            value -= value && line[n + value] == '\r' ? 1 : 0;
            str_excerpt(line + n + 1, value, out, size);
            return;
        }
        line = stop ? stop + 1 : end;
    }
}

struct info {
    char mode[16], role[16], link[16], loading[8], replicas[16], io[24], sync[8], host[80];
};

static void read_info(struct info *i, const char *text, size_t len)
{
    field(text, len, "redis_mode", i->mode, sizeof i->mode);
    field(text, len, "role", i->role, sizeof i->role);
    field(text, len, "master_link_status", i->link, sizeof i->link);
    field(text, len, "loading", i->loading, sizeof i->loading);
    field(text, len, "connected_slaves", i->replicas, sizeof i->replicas);
    field(text, len, "master_last_io_seconds_ago", i->io, sizeof i->io);
    field(text, len, "master_sync_in_progress", i->sync, sizeof i->sync);
    field(text, len, "master_host", i->host, sizeof i->host);
}

static void tell_role(struct redis_run *r, const struct info *i)
{
    if (strcmp(i->role, "slave") == 0)
        snprintf(r->role, sizeof r->role, "replica of %s", i->host);
    else
        snprintf(r->role, sizeof r->role, "%s with %s replicas", i->role,
                 *i->replicas ? i->replicas : "no");
}

/* Seconds since it heard of its master; -1: not known. */
static long long heard_ago(const struct info *i)
{
    char *end;
    long long ago = strtoll(i->io, &end, 10);
    return *i->io && !*end && ago >= 0 && ago < INT32_MAX ? ago : -1;
}

/* What is no failure, but somebody should look. */
static void warn_of_lag(struct redis_run *r, const struct info *i)
{
    int64_t most = conf_of(r)->warn_lag;
    struct probe_run *run = &r->talk.run;
    long long ago = heard_ago(i);
    char shown[CLOCK_SHORT_SIZE];
    if (!most || strcmp(i->role, "master") == 0 || strcmp(i->mode, "sentinel") == 0)
        return;
    if (strcmp(i->role, "slave") != 0)
        probe_degraded(run, "INFO does not say whether it is a replica");
    else if (strcmp(i->link, "up") != 0)
        probe_degraded(run, "%s, to which its link is %s", r->role,
                       *i->link ? i->link : "not known");
    else if (ago < 0)
        probe_degraded(run, "%s, and how far behind is not known", r->role);
    else if (ago * NS_PER_S > most)
        probe_degraded(run, "%s, last heard of %lld s ago, warn_lag is %s", r->role, ago,
                       clock_short(most, shown));
}

static enum talk_next judge_replica(struct redis_run *r, const struct info *i)
{
    const struct redis_conf *c = conf_of(r);
    struct talk *t = &r->talk;
    if (c->require == REDIS_REQUIRE_MASTER || c->require == REDIS_REQUIRE_WRITABLE)
        return talk_end(t, REASON_NOT_WRITABLE, "%s, not a master", r->role);
    if (strcmp(i->link, "up") != 0)
        return talk_end(t, REASON_NOT_READY, "%s, to which its link is %s%s", r->role,
                        *i->link ? i->link : "not known",
                        strcmp(i->sync, "1") == 0 ? ": it copies the data" : "");
    long long ago = heard_ago(i);
    if (c->max_lag && ago < 0)
        return talk_end(t, REASON_MISMATCH, "%s, and how far behind is not known", r->role);
    if (c->max_lag && ago * NS_PER_S > c->max_lag)
        return talk_end(t, REASON_MISMATCH,
                        "%s, last heard of %lld s ago, more than max_lag = %" PRId64 "s", r->role,
                        ago, c->max_lag / NS_PER_S);
    return TALK_WAIT;
}

/* TALK_WAIT: nothing is wrong with it. */
static enum talk_next judge_info(struct redis_run *r, const char *text, size_t len)
{
    const struct redis_conf *c = conf_of(r);
    struct talk *t = &r->talk;
    struct info i;
    read_info(&i, text, len);
    if (!is_judged(c)) {
        tell_role(r, &i);
        warn_of_lag(r, &i);
        r->role[0] = '\0'; /* a ping's success tells of no more */
        return TALK_WAIT;
    }
    if (strcmp(i.mode, "sentinel") == 0 || strcmp(i.role, "sentinel") == 0)
        return talk_end(t, REASON_MISMATCH, "a sentinel, which holds no data");
    if (strcmp(i.role, "master") != 0 && strcmp(i.role, "slave") != 0)
        return talk_said(t, REASON_PROTOCOL, "not what a Redis server says of itself", text, len);
    tell_role(r, &i);
    if (strcmp(i.loading, "1") == 0)
        return talk_end(t, REASON_NOT_READY, "it loads its data");
    if (strcmp(i.loading, "0") != 0)
        return talk_end(t, REASON_PROTOCOL, "INFO does not say whether it loads its data");
    if (strcmp(i.role, "slave") == 0) {
        enum talk_next next = judge_replica(r, &i);
        if (next != TALK_WAIT)
            return next;
        warn_of_lag(r, &i);
    } else if (c->require == REDIS_REQUIRE_REPLICA) {
        return talk_end(t, REASON_MISMATCH, "%s, not a replica", r->role);
    }
    if (strcmp(i.mode, "cluster") != 0)
        return TALK_WAIT;
    add_command(r, REDIS_CLUSTER, (const char *const[]){"CLUSTER", "INFO", NULL});
    return TALK_SEND;
}

static enum talk_next judge_cluster(struct redis_run *r, const char *text, size_t len)
{
    char state[16], assigned[16];
    field(text, len, "cluster_state", state, sizeof state);
    field(text, len, "cluster_slots_ok", assigned, sizeof assigned);
    if (strcmp(state, "ok") == 0)
        return TALK_WAIT;
    return talk_end(&r->talk, *state ? REASON_NOT_READY : REASON_PROTOCOL,
                    "the cluster's state is %s, %s of 16384 slots are served",
                    *state ? state : "not known", *assigned ? assigned : "an unknown number");
}

/* ---- Answers ---- */

struct answer {
    char kind; /* + - : $ */
    const char *text;
    size_t len;
    size_t bytes; /* with all around it; 0: not whole yet */
};

/* -1: not of the protocol. */
static int read_answer(struct answer *a, const char *data, size_t len)
{
    *a = (struct answer){0};
    if (len && (!data[0] || !strchr("+-:$", data[0])))
        return -1;
    const char *end = len ? memchr(data, '\n', len < LINE_MAX_BYTES ? len : LINE_MAX_BYTES) : NULL;
    if (!end)
        return len < LINE_MAX_BYTES ? 0 : -1;
    size_t line = (size_t)(end - data);
    if (line < 2 || data[line - 1] != '\r')
        return -1;
    *a = (struct answer){data[0], data + 1, line - 2, line + 1};
    if (a->kind != '$')
        return 0;
    size_t n = 0;
    for (size_t i = 0; i < a->len; i++) {
        if (a->text[i] < '0' || a->text[i] > '9' || n > INFO_MAX)
            return -1;
        n = n * 10 + (size_t)(a->text[i] - '0');
    }
    if (!a->len || n > INFO_MAX)
        return -1;
    *a = (struct answer){'$', data + line + 1, n, line + 1 + n + 2};
    if (len < a->bytes)
        a->bytes = 0;
    else if (memcmp(a->text + n, "\r\n", 2) != 0)
        return -1;
    return 0;
}

static bool is_status(const struct answer *a, const char *word)
{
    return a->kind == '+' && a->len == strlen(word) && memcmp(a->text, word, a->len) == 0;
}

/* TALK_WAIT: it is as it should be. */
static enum talk_next judge(struct redis_run *r, enum redis_step step, const struct answer *a)
{
    if (a->kind == '-' && step == REDIS_INFO && !is_judged(conf_of(r))) {
        char said[80];
        str_excerpt(a->text, a->len, said, sizeof said);
        probe_degraded(&r->talk.run, "how far behind is not known, INFO: %s", said);
        return TALK_WAIT;
    }
    if (a->kind == '-')
        return refused(r, step, a->text, a->len);
    bool text = a->kind == '$';
    if (text && step == REDIS_INFO)
        return judge_info(r, a->text, a->len);
    if (text && step == REDIS_CLUSTER)
        return judge_cluster(r, a->text, a->len);
    if (is_status(a, step == REDIS_PING ? "PONG" : "OK") && step <= REDIS_PING)
        return TALK_WAIT;
    return talk_said(&r->talk, REASON_PROTOCOL, "not the answer of a Redis server", a->text,
                     a->len);
}

static enum talk_next take(struct talk *t, const char *data, size_t len, size_t *used)
{
    struct redis_run *r = (struct redis_run *)t;
    while (r->at < r->n_steps) {
        struct answer a;
        enum redis_step step = r->steps[r->at];
        if (read_answer(&a, data + *used, len - *used) < 0)
            return talk_said(t, REASON_PROTOCOL, "not the answer of a Redis server", data + *used,
                             len - *used);
        if (!a.bytes)
            return TALK_WAIT;
        *used += a.bytes;
        r->at++;
        enum talk_next next = judge(r, step, &a);
        if (next == TALK_DONE)
            return next;
        if (r->at < r->n_steps)
            t->awaited = words_of[r->steps[r->at]];
        if (next != TALK_WAIT)
            return next;
    }
    if (*used < len)
        return talk_end(t, REASON_PROTOCOL, "more bytes than the answer to %s", t->awaited);
    return talk_end(t, REASON_OK, "PONG%s%s", *r->role ? ", " : "", r->role);
}

const struct talk_rules redis_rules = {
    .in_max = INFO_MAX + LINE_MAX_BYTES, .opened = opened, .take = take};
