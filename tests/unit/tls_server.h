/* tls_server: for unit tests, certificates made on the spot and a server in a thread that speaks
 * TLS, or does one of the things that go wrong. One connection after the other. */
#ifndef PROBE_TESTS_TLS_SERVER_H
#define PROBE_TESTS_TLS_SERVER_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DAY_S (24 * 3600L)

struct pair {
    X509 *cert;
    EVP_PKEY *key;
};

static EVP_PKEY *new_key(void)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    assert_true(EVP_PKEY_keygen_init(ctx) == 1 &&
                EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1) == 1 &&
                EVP_PKEY_keygen(ctx, &key) == 1);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(cert, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

/* `names` as OpenSSL writes them, "DNS:a.example,IP:127.0.0.1"; NULL: a CA. `issuer` NULL: signs
 * itself. Valid from `from` to `to` seconds from now. */
static struct pair new_cert(const char *cn, const char *names, const struct pair *issuer, long from,
                            long to)
{
    static long serial = 1;
    struct pair p = {X509_new(), new_key()};
    X509_set_version(p.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(p.cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(p.cert), from);
    X509_gmtime_adj(X509_getm_notAfter(p.cert), to);
    X509_NAME *name = X509_get_subject_name(p.cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
    X509_set_issuer_name(p.cert, issuer ? X509_get_subject_name(issuer->cert) : name);
    X509_set_pubkey(p.cert, p.key);
    if (names)
        add_extension(p.cert, NID_subject_alt_name, names);
    else
        add_extension(p.cert, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(p.cert, issuer ? issuer->key : p.key, EVP_sha256()) > 0);
    return p;
}

static void free_pair(struct pair *p)
{
    X509_free(p->cert);
    EVP_PKEY_free(p->key);
}

/* Writes the certificate, the key or both to a new file in `dir`; returns its path, malloc'd. */
__attribute__((unused)) static char *write_pem(const char *dir, const char *name, X509 *cert,
                                               EVP_PKEY *key)
{
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    if (cert)
        assert_int_equal(PEM_write_X509(f, cert), 1);
    if (key)
        assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(f), 0);
    return path;
}

enum act {
    ACT_TLS,            /* handshake, "hello\n", then what comes back is echoed until the end */
    ACT_TLS_BYE,        /* handshake, "hello\n", close_notify and FIN */
    ACT_TLS_NOISE,      /* handshake, then bytes that are no TLS */
    ACT_PLAIN,          /* "220 plain\r\n" and nothing else */
    ACT_CLOSE,          /* FIN after the client's first bytes */
    ACT_RESET,          /* RST after them */
    ACT_SILENT,         /* reads and says nothing */
    ACT_KEY_UPDATES,    /* handshake, then key updates without end */
    ACT_TICKETS,        /* handshake, then session tickets without end */
    ACT_HELLO_REQUESTS, /* these without end, in place of a handshake */
    ACT_CUT,            /* the first 10 bytes of a server's handshake, then FIN */
};

struct server {
    enum act act;
    struct pair cert;
    X509 *chain[20];           /* sent along */
    X509 *client_ca;           /* asks for a client certificate of this CA; NULL: none */
    int max_version;           /* 0: any */
    const char *alpn;          /* a protocol that it speaks; NULL: it knows nothing of ALPN */
    bool forgetful;            /* it gives no sessions */
    atomic_uint full, resumed; /* handshakes */
    /* Private. */
    int fd;
    uint16_t port;
    SSL_CTX *ctx;
    pthread_t thread;
};

/* OpenSSL takes a connection that is gone for no error when it sends a ticket. */
static bool is_gone(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN);
}

static void serve_tls(struct server *s, int fd)
{
    char data[256];
    SSL *ssl = SSL_new(s->ctx);
    SSL_set_fd(ssl, fd);
    bool ok = SSL_accept(ssl) == 1;
    atomic_fetch_add(SSL_session_reused(ssl) ? &s->resumed : &s->full, ok);
    while (ok && s->act == ACT_KEY_UPDATES)
        ok = SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 && SSL_do_handshake(ssl) == 1;
    while (ok && s->act == ACT_TICKETS)
        ok = SSL_new_session_ticket(ssl) == 1 && SSL_do_handshake(ssl) == 1 && !is_gone(fd);
    if (ok && s->act == ACT_TLS_NOISE)
        send(fd, "no TLS at all", 13, MSG_NOSIGNAL);
    else if (ok && SSL_write(ssl, "hello\n", 6) == 6) {
        int n;
        while (s->act == ACT_TLS && (n = SSL_read(ssl, data, sizeof data)) > 0)
            SSL_write(ssl, data, n);
        SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    ERR_clear_error();
}

static void serve_one(struct server *s, int fd)
{
    static const char hello[] = "\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03";
    char data[4096];
    bool is_tls = s->act == ACT_TLS || s->act == ACT_TLS_BYE || s->act == ACT_KEY_UPDATES ||
                  s->act == ACT_TICKETS || s->act == ACT_TLS_NOISE;
    if (is_tls) {
        serve_tls(s, fd);
        return;
    }
    if (s->act == ACT_PLAIN)
        send(fd, "220 plain\r\n", 11, MSG_NOSIGNAL);
    ssize_t n = recv(fd, data, sizeof data, 0);
    while (s->act == ACT_HELLO_REQUESTS && n > 0)
        n = send(fd, "\x16\x03\x03\x00\x04\x00\x00\x00\x00", 9, MSG_NOSIGNAL);
    if (s->act == ACT_CUT)
        send(fd, hello, 10, MSG_NOSIGNAL);
    const struct linger at_once = {.l_onoff = 1};
    if (s->act == ACT_RESET)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    while ((s->act == ACT_SILENT || s->act == ACT_PLAIN) && n > 0)
        n = recv(fd, data, sizeof data, 0);
}

static void *server_main(void *arg)
{
    struct server *s = arg;
    int fd;
    while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
        serve_one(s, fd);
        close(fd);
    }
    return NULL;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
    (void)ssl;
    size_t n = strlen(arg);
    for (unsigned i = 0; i < in_len; i += in[i] + 1U)
        if (in[i] == n && memcmp(in + i + 1, arg, n) == 0) {
            *out = in + i + 1;
            *len = in[i];
            return SSL_TLSEXT_ERR_OK;
        }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void server_start(struct server *s)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof in;
    signal(SIGPIPE, SIG_IGN);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&in, len), 0);
    assert_int_equal(listen(s->fd, 16), 0);
    getsockname(s->fd, (struct sockaddr *)&in, &len);
    s->port = ntohs(in.sin_port);
    if (s->cert.cert) {
        s->ctx = SSL_CTX_new(TLS_server_method());
        SSL_CTX_set_cipher_list(s->ctx, "DEFAULT:@SECLEVEL=0");
        SSL_CTX_set_min_proto_version(s->ctx, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(s->ctx, s->max_version);
        assert_int_equal(SSL_CTX_use_certificate(s->ctx, s->cert.cert), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(s->ctx, s->cert.key), 1);
    }
    for (size_t i = 0; i < 20 && s->chain[i]; i++)
        assert_int_equal(SSL_CTX_add1_chain_cert(s->ctx, s->chain[i]), 1);
    if (s->alpn)
        SSL_CTX_set_alpn_select_cb(s->ctx, choose_protocol, (void *)(uintptr_t)s->alpn);
    if (s->forgetful) {
        SSL_CTX_set_options(s->ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(s->ctx, 0);
        SSL_CTX_set_session_cache_mode(s->ctx, SSL_SESS_CACHE_OFF);
    }
    if (s->client_ca) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(s->ctx), s->client_ca);
        SSL_CTX_set_verify(s->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

/* The client's connections must be closed by now, else this waits for them. */
static void server_stop(struct server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
    SSL_CTX_free(s->ctx);
    s->ctx = NULL;
}

#endif
