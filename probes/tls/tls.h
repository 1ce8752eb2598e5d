/* tls: what a type needs of TLS: the keys, their compiled form, and a handshake over memory.
 * OpenSSL is set up on first use only: a plain check never pays for it. */
#ifndef PROBE_TLS_TLS_H
#define PROBE_TLS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/reason.h"
#include "host.h"
#include "probe.h"

/* The keys that every TLS-capable type has; they go at a place of its choice into its key table,
 * in this order. */
#define TLS_KEYS                                                                                   \
    {.name = "tls_ca",                                                                             \
     .kind = KEY_FILE,                                                                             \
     .doc = "File with the CA certificates to trust, instead of the system's."},                   \
        {.name = "tls_cert",                                                                       \
         .kind = KEY_FILE,                                                                         \
         .doc = "File with the client certificate (PEM, with its chain)."},                        \
        {.name = "tls_key",                                                                        \
         .kind = KEY_FILE,                                                                         \
         .doc = "File with the client's private key; default: the file of tls_cert."},             \
        {.name = "tls_key_password",                                                               \
         .kind = KEY_TEXT,                                                                         \
         .flags = KEY_SECRET,                                                                      \
         .doc = "Pass phrase of that key, where it is encrypted."},                                \
        {.name = "tls_server_name",                                                                \
         .kind = KEY_TEXT,                                                                         \
         .doc = "Name to send (SNI) and to verify, instead of the host's."},                       \
        {.name = "tls_verify",                                                                     \
         .kind = KEY_BOOL,                                                                         \
         .def = "yes",                                                                             \
         .doc = "no: any certificate is taken. Only for tests."},                                  \
        {.name = "tls_min_days",                                                                   \
         .kind = KEY_INT,                                                                          \
         .def = "0",                                                                               \
         .min = 0,                                                                                 \
         .max = 36500,                                                                             \
         .doc = "The check warns where the certificate is valid for fewer days than this."},       \
    {                                                                                              \
        .name = "tls_recheck", .kind = KEY_DURATION, .def = "5m", .min = 0,                        \
        .max = 86400 * INT64_C(1000000000),                                                        \
        .doc = "How long an agent may resume a TLS session until it makes a full handshake "       \
               "again; 0: never."                                                                  \
    }

enum {
    TLS_KEY_CA,
    TLS_KEY_CERT,
    TLS_KEY_KEY,
    TLS_KEY_PASSWORD,
    TLS_KEY_SERVER_NAME,
    TLS_KEY_VERIFY,
    TLS_KEY_MIN_DAYS,
    TLS_KEY_RECHECK,
    TLS_KEY_COUNT
};

/* The settings, compiled. Paths are kept for types that hand them to their library (curl, mongoc).
 */
struct tls_conf {
    char *ca, *cert, *key, *key_password, *server_name; /* NULL: not set */
    bool verify;
    bool any_name; /* the certificate may be of any host; set by the type, after tls_conf_init */
    int64_t min_days;
    int64_t recheck;             /* ns that a session may be resumed for; 0: never */
    struct tls_context *context; /* shared with all of the same files; NULL before first use */
};

/* To be called before any other library begins to use OpenSSL: the verdict is then the same
 * whatever openssl.cnf says. */
void tls_library_init(void);

/* `v` points at the value of tls_ca; `first` is its index in the type's table. Checks that files
 * can be read and hold what they should, that cert and key belong together, and that none of it is
 * given where TLS is off (`on`). 0, or -1 when an error was reported; `c` is then empty. */
int tls_conf_init(struct tls_conf *c, const struct probe_value *v, size_t first, bool on,
                  struct probe_report *report);
void tls_conf_fini(struct tls_conf *c);

/* For a unix socket, which has no name to verify the certificate for: -1, and reported, where the
 * settings need one. `any_name` is set. */
int tls_conf_check_socket(const struct tls_conf *c, size_t first, struct probe_report *report);

/* One session; bytes go in and out by memory, no I/O of its own. */
struct tls;

/* What a connection asks of its TLS, beyond the settings. */
struct tls_options {
    struct tls_conf *conf;
    const char *alpn; /* protocols to offer, the best first: "h2,http/1.1"; NULL: none */
    bool elsewhere; /* another host than the settings are for (a redirect): neither tls_server_name
                       nor the client certificate is used */
};

/* `host` is verified (name or IP address) and, a name, sent as SNI unless the conf names another;
 * NULL (a unix socket) only where the conf names one or nothing is verified. */
struct tls *tls_open(const struct tls_options *options, const char *host, struct err *e);
/* The protocol that the server chose of those offered; "": none. Printable, valid for the session.
 */
const char *tls_alpn(const struct tls *t);
void tls_delete(struct tls *t); /* NULL is fine; tls_free is a name inside of libssl 3.5 */

/* Would a full handshake say the same as the last one, as far as the clock can tell? Not once that
 * is `recheck` ago, a certificate of the chain that was verified then has ended, or the server's
 * has entered the min_days: what is warned of is left to a new one, for it may be renewed. */
bool tls_is_good(const struct tls *t);
/* Before the first tls_feed: has the session resumed, by which the run's check was last at `peer`
 * (its address as text), under the same name and settings, while it is good (see above) and the CA
 * certificates are the same. Never with a client certificate, which the server would not judge
 * again, nor `elsewhere`. The run relies on it (probe_rely). Where the server does not know the
 * session, the handshake is a full one. */
void tls_resume(struct tls *t, struct probe_run *run, const char *peer);
/* Would tls_remember keep it? Then tickets that come late are worth taking. */
bool tls_may_remember(const struct tls *t, const struct probe_run *run);
/* After tls_shutdown: takes tickets, and nothing else. 0, also where `t` is NULL, or -1: no more.
 */
int tls_feed_late(struct tls *t, const void *data, size_t len);
/* Once no more is read: the run's check owns a copy of the session for its next runs
 * (probe_remember): the last four, each of at most 8 KiB of ticket and 16 KiB of certificates. */
void tls_remember(struct tls *t, struct probe_run *run);

/* Ciphertext from the peer goes in (len 0 to begin); plaintext is added to `plain`, ciphertext to
 * send to `out`. 0, or -1 with the words: certificate expired, wrong host, ... `*done` tells that
 * the handshake is over, `*eof` that the peer sent close_notify. */
int tls_feed(struct tls *t, const void *data, size_t len, struct buf *plain, struct buf *out,
             bool *done, bool *eof, struct err *e);
/* What its failure is: REASON_TLS, or REASON_PROTOCOL where the peer sends handshake messages
 * without end. */
enum reason tls_reason(const struct tls *t);
/* Encrypts; after the handshake only. */
int tls_write(struct tls *t, const void *data, size_t len, struct buf *out, struct err *e);
/* Adds our close_notify. */
void tls_shutdown(struct tls *t, struct buf *out);
/* TLS 1.3 with a client certificate asked for: our handshake is over before the server has judged.
 * False until its next word. */
bool tls_is_judged(const struct tls *t);
/* End of the peer's certificate, seconds since the epoch, also of one that does not verify; 0: none
 * seen yet. */
int64_t tls_not_after(const struct tls *t);
/* The same of the first that ends of all that the peer sent. */
int64_t tls_earliest(const struct tls *t);
/* Is a certificate that ends at `not_after` good for min_days (0: not asked)? 0, or -1 with the
 * words of a warning. */
int tls_days_left(int64_t not_after, int64_t min_days, struct err *e);

#endif
