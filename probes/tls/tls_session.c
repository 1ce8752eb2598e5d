/* tls_session: the TLS sessions that a check remembers from one run to the next (tls_resume,
 * tls_remember). They are the check's (probe_memory), in number and size bounded, and go with it,
 * with its first failure, and one by one as soon as they could hide what a full handshake tells. */
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "tls/tls_internal.h"

#define SESSIONS       4 /* servers behind one name */
#define HANDSHAKE_MOST ((size_t)16 * 1024)
#define TICKET_MOST    ((size_t)8 * 1024)

struct kept_session {
    SSL_SESSION *session; /* NULL: none */
    char *key;            /* the name and the address that it is for */
    const SSL_CTX *ctx;   /* of the same settings; lasts as long as the check */
    unsigned generation;  /* of its CA certificates */
    struct tls_seen seen;
};

struct tls_sessions {
    struct probe_memory memory;
    struct kept_session of[SESSIONS];
    unsigned next; /* where the next one goes, when all are taken */
};

static void drop(struct kept_session *k)
{
    SSL_SESSION_free(k->session);
    free(k->key);
    *k = (struct kept_session){0};
}

static void free_sessions(struct probe_memory *memory)
{
    struct tls_sessions *sessions = container_of(memory, struct tls_sessions, memory);
    for (size_t i = 0; i < SESSIONS; i++)
        drop(&sessions->of[i]);
    free(sessions);
}

static struct tls_sessions *recall(const struct probe_run *run)
{
    struct probe_memory *memory = run ? probe_recall(run) : NULL;
    return memory ? container_of(memory, struct tls_sessions, memory) : NULL;
}

/* The settings are the check's, and the same for all of its sessions. */
static struct kept_session *find(struct tls_sessions *sessions, const char *key)
{
    for (size_t i = 0; i < SESSIONS; i++)
        if (sessions->of[i].session && strcmp(sessions->of[i].key, key) == 0)
            return &sessions->of[i];
    return NULL;
}

static bool is_seen_good(const struct tls_seen *seen, const struct tls_conf *conf)
{
    struct err e;
    int64_t now = clock_wall() / NS_PER_S;
    return clock_now() - seen->at < conf->recheck && now >= seen->begins && now <= seen->ends &&
           tls_days_left(seen->not_after, conf->min_days, &e) == 0;
}

bool tls_is_good(const struct tls *t)
{
    return is_seen_good(&t->seen, t->conf);
}

static bool is_good(const struct kept_session *k, const struct tls *t)
{
    return k->ctx == SSL_get_SSL_CTX(t->ssl) && k->generation == t->generation &&
           is_seen_good(&k->seen, t->conf) && SSL_SESSION_is_resumable(k->session);
}

void tls_resume(struct tls *t, struct probe_run *run, const char *peer)
{
    if (!t->conf->recheck || t->conf->cert || t->elsewhere || !probe_remembers(run))
        return;
    t->generation = tls_context_generation(t->conf);
    snprintf(t->key, sizeof t->key, "%s %s", t->name, peer);
    struct tls_sessions *sessions = recall(run);
    struct kept_session *k = sessions ? find(sessions, t->key) : NULL;
    if (!k)
        return;
    if (is_good(k, t) && SSL_set_session(t->ssl, k->session) == 1) {
        t->offered = k->seen;
        probe_rely(run);
    } else {
        drop(k);
    }
}

bool tls_may_remember(const struct tls *t, const struct probe_run *run)
{
    return t->done && t->key[0] && t->seen.size <= HANDSHAKE_MOST && probe_remembers(run);
}

int tls_feed_late(struct tls *t, const void *data, size_t len)
{
    struct buf plain, out;
    struct err e;
    bool done, eof = false;
    if (!t)
        return 0;
    buf_init(&plain, SIZE_MAX / 2);
    buf_init(&out, SIZE_MAX / 2);
    int rc = tls_feed(t, data, len, &plain, &out, &done, &eof, &e);
    buf_fini(&plain);
    buf_fini(&out);
    return rc;
}

static struct tls_sessions *make(struct probe_run *run)
{
    struct tls_sessions *sessions = calloc(1, sizeof *sessions);
    if (!sessions)
        return NULL;
    sessions->memory.free = free_sessions;
    probe_remember(run, &sessions->memory);
    return sessions;
}

static struct kept_session *place_for(struct tls_sessions *sessions, const char *key)
{
    struct kept_session *k = find(sessions, key);
    for (size_t i = 0; !k && i < SESSIONS; i++)
        if (!sessions->of[i].session)
            k = &sessions->of[i];
    if (!k)
        k = &sessions->of[sessions->next++ % SESSIONS];
    return k;
}

/* TLS 1.3: before its first ticket it cannot be resumed. */
static bool is_worth(SSL_SESSION *session)
{
    const unsigned char *ticket;
    size_t len;
    SSL_SESSION_get0_ticket(session, &ticket, &len);
    return SSL_SESSION_is_resumable(session) && len <= TICKET_MOST;
}

void tls_remember(struct tls *t, struct probe_run *run)
{
    if (!run || !tls_may_remember(t, run) || !is_worth(SSL_get_session(t->ssl)))
        return;
    struct tls_sessions *sessions = recall(run);
    if (!sessions && !(sessions = make(run)))
        return;
    struct kept_session *k = place_for(sessions, t->key);
    drop(k);
    k->key = strdup(t->key);
    if (!k->key)
        return;
    k->session = SSL_get1_session(t->ssl);
    k->ctx = SSL_get_SSL_CTX(t->ssl);
    k->generation = t->generation;
    k->seen = t->seen;
    t->remembered = true;
}
