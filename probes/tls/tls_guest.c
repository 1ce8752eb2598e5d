/* tls_guest: our trust and our words for a library that does TLS itself. */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "tls/tls_internal.h"

static int on_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_guest *g = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    if (leaf && !g->not_after)
        g->not_after = tls_time(X509_get0_notAfter(leaf));
    if (!ok && g->conf->verify && !g->words[0])
        tls_verify_words(store, g->conf, g->name, g->words, sizeof g->words);
    return ok || !g->conf->verify;
}

/* Out of our own context, where the files have been read already. */
static int lend_own(SSL_CTX *to, SSL_CTX *from)
{
    STACK_OF(X509) *chain = NULL;
    if (SSL_CTX_use_certificate(to, SSL_CTX_get0_certificate(from)) != 1 ||
        SSL_CTX_use_PrivateKey(to, SSL_CTX_get0_privatekey(from)) != 1)
        return -1;
    SSL_CTX_get0_chain_certs(from, &chain);
    return chain && SSL_CTX_set1_chain(to, chain) != 1 ? -1 : 0;
}

int tls_guest_setup(struct tls_guest *g, struct tls_conf *c, const char *host, void *ssl_ctx,
                    bool with_own, struct err *e)
{
    int key;
    char words[200];
    SSL_CTX *guest = ssl_ctx, *own = tls_context(c, &key, e);
    if (!own)
        return -1;
    ERR_clear_error();
    g->conf = c;
    SSL_CTX_set_app_data(guest, g);
    SSL_CTX_set_verify(guest, c->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, on_verify);
    /* The library may close connections at its leisure, when `g` is gone. */
    SSL_CTX_set_options(guest, SSL_OP_NO_RENEGOTIATION);
    if (c->verify && tls_expect_name(SSL_CTX_get0_param(guest), host, g->name, e) < 0)
        return -1;
    /* Not its cert_store: curl 7.88 fills or replaces that one later, even with what it has kept
     * from another connection. */
    if (SSL_CTX_set1_verify_cert_store(guest, SSL_CTX_get_cert_store(own)) == 1 &&
        (!with_own || !c->cert || lend_own(guest, own) == 0))
        return 0;
    tls_error_words(words, sizeof words);
    return err_set(e, "cannot set up TLS: %s", words);
}
