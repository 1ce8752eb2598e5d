/* tls_context: OpenSSL's contexts, made on first use. Checks with neither a CA nor a client
 * certificate of their own share one; the system's CA certificates are read once for all. */
#include <dirent.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "tls/tls_internal.h"

/* Beside OpenSSL's own default: where distributions keep their bundle. */
static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
    "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
    "/etc/ssl/ca-bundle.pem",             /* SUSE */
    "/etc/ssl/cert.pem",                  /* Alpine, BSDs */
};

static struct {
    SSL_CTX *shared;
    X509_STORE *store;
    bool has_ca;
} process;

bool tls_system_has_ca(void)
{
    return process.has_ca;
}

/* OpenSSL finds a CA in a directory by its hash, "0a1b2c3d.0", and then without reading the rest:
 * where there are such names the bundle, 140 certificates to parse, is not needed. */
static bool has_hashed(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return false;
    bool found = false;
    for (struct dirent *entry; !found && (entry = readdir(dir));)
        found = strlen(entry->d_name) == 10 && strcmp(entry->d_name + 8, ".0") == 0 &&
                strspn(entry->d_name, "0123456789abcdef") == 8;
    closedir(dir);
    return found;
}

static void find_system_ca(X509_STORE *store)
{
    const char *file = getenv(X509_get_default_cert_file_env());
    const char *dir = getenv(X509_get_default_cert_dir_env());
    bool chosen = (file && *file) || (dir && *dir);
    if (!file || !*file)
        file = X509_get_default_cert_file();
    if (!dir || !*dir)
        dir = X509_get_default_cert_dir();
    process.has_ca = access(file, R_OK) == 0 || has_hashed(dir);
    X509_STORE_set_default_paths(store);
    if (!chosen && !process.has_ca && has_hashed("/etc/ssl/certs") &&
        X509_STORE_load_locations(store, NULL, "/etc/ssl/certs") == 1)
        process.has_ca = true;
    for (size_t i = 0; !chosen && !process.has_ca && i < ARRAY_LEN(bundles); i++)
        if (access(bundles[i], R_OK) == 0 &&
            X509_STORE_load_locations(store, bundles[i], NULL) == 1)
            process.has_ca = true;
    ERR_clear_error();
}

static X509_STORE *system_store(void)
{
    if (process.store)
        return process.store;
    process.store = X509_STORE_new();
    if (process.store)
        find_system_ca(process.store);
    return process.store;
}

/* An encrypted key: OpenSSL would ask on the terminal. */
static int no_password(char *out, int size, int writing, void *data)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)data;
    return -1;
}

static SSL_CTX *new_context(void)
{
    /* Without openssl.cnf: the verdict is the same in every image, and its parsing is not paid. */
    OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx)
        return NULL;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    return ctx;
}

static int load_ca(SSL_CTX *ctx, const struct tls_conf *c, int *key, struct err *e)
{
    *key = TLS_KEY_CA;
    if (c->ca)
        return SSL_CTX_load_verify_locations(ctx, c->ca, NULL) == 1
                   ? 0
                   : err_set(e, "%s: holds no CA certificate (PEM)", c->ca);
    X509_STORE *store = system_store();
    if (!store)
        return err_set(e, "out of memory");
    SSL_CTX_set1_cert_store(ctx, store);
    return 0;
}

static int load_client(SSL_CTX *ctx, const struct tls_conf *c, int *key, struct err *e)
{
    if (!c->cert)
        return 0;
    *key = TLS_KEY_CERT;
    if (SSL_CTX_use_certificate_chain_file(ctx, c->cert) != 1)
        return err_set(e, "%s: holds no certificate (PEM)", c->cert);
    const char *path = c->key ? c->key : c->cert;
    *key = c->key ? TLS_KEY_KEY : TLS_KEY_CERT;
    ERR_clear_error();
    if (SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM) == 1)
        return 0;
    for (unsigned long code; (code = ERR_get_error());) {
        if (ERR_GET_LIB(code) == ERR_LIB_X509 && ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH)
            return err_set(e, "%s: not the key of the certificate in %s", path, c->cert);
        if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_BAD_PASSWORD_READ)
            return err_set(e, "%s: the key is encrypted, which nobody could unlock", path);
    }
    return err_set(e, "%s: holds no private key (PEM)", path);
}

SSL_CTX *tls_context(struct tls_conf *c, int *key, struct err *e)
{
    bool own = c->ca || c->cert;
    if (own && c->ctx)
        return c->ctx;
    if (!own && process.shared)
        return process.shared;
    SSL_CTX *ctx = new_context();
    if (!ctx) {
        err_set(e, "cannot set up TLS: out of memory");
        return NULL;
    }
    int rc = load_ca(ctx, c, key, e);
    if (rc == 0)
        rc = load_client(ctx, c, key, e);
    ERR_clear_error();
    if (rc < 0) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    if (own)
        c->ctx = ctx;
    else
        process.shared = ctx;
    return ctx;
}

void tls_conf_fini(struct tls_conf *c)
{
    free(c->ca);
    free(c->cert);
    free(c->key);
    free(c->server_name);
    SSL_CTX_free(c->ctx);
    *c = (struct tls_conf){0};
}
