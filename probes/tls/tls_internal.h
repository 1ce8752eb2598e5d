/* tls_internal: between the files of tls only. */
#ifndef PROBE_TLS_TLS_INTERNAL_H
#define PROBE_TLS_TLS_INTERNAL_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tls/tls.h"

#define ALPN_NAME_MAX    255 /* RFC 7301 section 3.1 */
#define TLS_NAME_SIZE    256
#define SESSION_KEY_SIZE (TLS_NAME_SIZE + 160)

/* What a full handshake has shown. */
struct tls_seen {
    int64_t at;                  /* clock_now() of its end */
    int64_t begins, ends;        /* s since the epoch: all that was verified is good in between */
    int64_t not_after, earliest; /* see tls.h */
    size_t size;                 /* bytes of the handshake */
};

struct tls {
    SSL *ssl; /* owns both BIOs */
    BIO *in, *out;
    struct tls_conf *conf;
    bool began, done;
    bool elsewhere, remembered;
    bool cert_asked, judged;
    bool flooding;         /* it sent more than that */
    unsigned n_messages;   /* of the handshake; of those after it, once it is done */
    size_t handshake_size; /* bytes */
    struct tls_seen seen;
    struct tls_seen offered; /* of the session that was offered */
    char alpn[ALPN_NAME_MAX + 1];
    char name[TLS_NAME_SIZE];   /* what the certificate must be for */
    char key[SESSION_KEY_SIZE]; /* see struct kept_session; "": its session is not kept */
    unsigned generation;        /* likewise */
    char words[400];            /* what verification found first; "": nothing */
};

/* How often the CA certificates of this one's context were read anew. */
unsigned tls_context_generation(const struct tls_conf *c);

/* The context of these settings, made on first use: one for all settings with the same files.
 * `connecting`: on the thread of the connections, which sees the system's certificates renewed.
 * NULL: the words, and `*key` the TLS_KEY_... at fault. */
SSL_CTX *tls_context(struct tls_conf *c, bool connecting, int *key, struct err *e);
void tls_context_release(struct tls_conf *c);
/* False: no CA certificate was found in any of the system's usual places. */
bool tls_system_has_ca(void);

/* What verification found wrong first; called from OpenSSL's verify callback. `names` is what had
 * to be verified. */
void tls_verify_words(X509_STORE_CTX *store, const struct tls_conf *c, const char *name, char *out,
                      size_t size);
/* What is costly is refused before it is verified: true, with the words. */
bool tls_chain_words(const STACK_OF(X509) * chain, char *out, size_t size);
/* What OpenSSL's error queue (emptied) says; `what` failed, where no words of ours are better. */
void tls_error_words(const char *what, char *out, size_t size);

/* An ASN.1 time as seconds since the epoch; 0 when it cannot be read. */
int64_t tls_time(const ASN1_TIME *time);
/* "2026-01-02" */
#define TLS_DAY_SIZE 32
char *tls_day(int64_t seconds, char out[TLS_DAY_SIZE]);

#endif
