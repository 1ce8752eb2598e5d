/* tls_context: OpenSSL's contexts, made on first use and shared by all settings with the same
 * files; the system's CA certificates are read once for all, and again when they have changed: 140
 * of them take some 30 ms.
 * Settings are compiled on another thread than connections are made on. No file is read with the
 * lock held, and none for a connection, unless nobody compiled its settings. */
#include <dirent.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file_id.h"
#include "base/str.h"
#include "tls/tls_internal.h"

/* Nobody's server needs more; the key exchanges with a group of the server's choice (DHE) are left
 * out because one of them may take seconds. */
#define CIPHERS    "DEFAULT:!kDHE:!PSK:!SRP"
#define GROUPS     "X25519:P-256:P-384:P-521"
#define CHAIN_SIZE (64 * 1024L)

/* Beside OpenSSL's own default: where distributions keep their bundle. */
static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
    "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
    "/etc/ssl/ca-bundle.pem",             /* SUSE */
    "/etc/ssl/cert.pem",                  /* Alpine, BSDs */
};

enum { FILE_CA, FILE_CERT, FILE_KEY, FILE_COUNT };

struct tls_context {
    struct tls_context *next;
    unsigned refs;
    unsigned generation;     /* of the system's CA certificates in it */
    char *files[FILE_COUNT]; /* NULL: not set */
    char *password;
    struct file_id ids[FILE_COUNT];
    bool by_system; /* its CAs are the system's */
    SSL_CTX *ctx;
};

/* The system's certificates, as they were read once. */
struct system_ca {
    X509_STORE *store; /* NULL: not yet */
    struct file_id ids[2 + ARRAY_LEN(bundles)];
    bool has_ca;
};

static struct {
    pthread_mutex_t lock;
    struct tls_context *contexts;
    struct system_ca system; /* in use: changed by the thread of the connections alone */
    struct system_ca fresh;  /* to be taken into use by the next connection */
    bool loading;            /* a thread reads them again */
} process = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool tls_system_has_ca(void)
{
    return process.system.has_ca;
}

void tls_library_init(void)
{
    OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
}

/* A shared libmongoc begins to use OpenSSL when it is loaded, before main and our constructors, and
 * would have openssl.cnf read. Only what stands in this section of a program runs before that. */
static void forbid_config(void)
{
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
}
__attribute__((section(".preinit_array"),
               used)) static void (*const before_libraries)(void) = forbid_config;

static bool same_ids(const struct file_id *before, const struct file_id *now, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!file_id_same(&before[i], &now[i]))
            return false;
    return true;
}

/* ---- The system's CA certificates. ---- */

static const char *chosen(const char *variable, const char *otherwise)
{
    const char *value = getenv(variable);
    return value && *value ? value : otherwise;
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

static X509_STORE *new_store(void)
{
    X509_STORE *store = X509_STORE_new();
    /* A certificate that is trusted needs no issuer: an intermediate CA, or the server's own. */
    if (store)
        X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    return store;
}

static X509_STORE *load_system(bool *has_ca)
{
    X509_STORE *store = new_store();
    const char *file = chosen(X509_get_default_cert_file_env(), X509_get_default_cert_file());
    const char *dir = chosen(X509_get_default_cert_dir_env(), X509_get_default_cert_dir());
    bool is_default = file == X509_get_default_cert_file() && dir == X509_get_default_cert_dir();
    *has_ca = access(file, R_OK) == 0 || has_hashed(dir);
    if (!store)
        return NULL;
    X509_STORE_set_default_paths(store);
    if (is_default && !*has_ca && has_hashed("/etc/ssl/certs"))
        *has_ca = X509_STORE_load_locations(store, NULL, "/etc/ssl/certs") == 1;
    for (size_t i = 0; is_default && !*has_ca && i < ARRAY_LEN(bundles); i++)
        *has_ca = access(bundles[i], R_OK) == 0 &&
                  X509_STORE_load_locations(store, bundles[i], NULL) == 1;
    ERR_clear_error();
    return store;
}

static void identify(struct file_id ids[2 + ARRAY_LEN(bundles)])
{
    ids[0] = file_id_of(chosen(X509_get_default_cert_file_env(), X509_get_default_cert_file()));
    ids[1] = file_id_of(chosen(X509_get_default_cert_dir_env(), X509_get_default_cert_dir()));
    for (size_t i = 0; i < ARRAY_LEN(bundles); i++)
        ids[2 + i] = file_id_of(bundles[i]);
}

/* Reads them, on any thread; what comes of it waits to be taken into use. */
static void *load_fresh(void *arg)
{
    struct system_ca ca;
    identify(ca.ids);
    ca.store = load_system(&ca.has_ca);
    pthread_mutex_lock(&process.lock);
    if (ca.store) {
        X509_STORE_free(process.fresh.store);
        process.fresh = ca;
    }
    process.loading = false;
    pthread_mutex_unlock(&process.lock);
    return arg;
}

/* Takes what was read into use. None at all is no renewal but a moment in the middle of one. */
static void take_fresh(void)
{
    struct system_ca fresh = process.fresh;
    if (!fresh.store)
        return;
    process.fresh.store = NULL;
    if (process.system.has_ca && !fresh.has_ca) {
        memcpy(process.system.ids, fresh.ids, sizeof fresh.ids);
        X509_STORE_free(fresh.store);
        return;
    }
    X509_STORE_free(process.system.store);
    process.system = fresh;
    for (struct tls_context *context = process.contexts; context; context = context->next)
        if (context->by_system) {
            SSL_CTX_set1_cert_store(context->ctx, fresh.store);
            context->generation++;
        }
}

/* Has them read again, on a thread, where one of the usual places has changed. Without a thread the
 * next connection tries it. */
static void renew(void)
{
    pthread_t thread;
    sigset_t all, before;
    struct file_id ids[ARRAY_LEN(process.system.ids)];
    identify(ids);
    if (process.loading || same_ids(process.system.ids, ids, ARRAY_LEN(ids)))
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    process.loading = pthread_create(&thread, NULL, load_fresh, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (process.loading)
        pthread_detach(thread);
}

/* With the lock held, which it gives back for the time of the first reading. -1: out of memory. */
static int need_system(bool connecting)
{
    if (!process.system.store && !process.fresh.store) {
        pthread_mutex_unlock(&process.lock);
        load_fresh(NULL);
        pthread_mutex_lock(&process.lock);
    }
    /* Before there is one no connection uses it. */
    if (connecting || !process.system.store)
        take_fresh();
    if (connecting && process.system.store)
        renew();
    return process.system.store ? 0 : -1;
}

/* ---- A context. ---- */

struct unlocking {
    const char *password;
    bool asked;
};

static int on_password(char *out, int size, int writing, void *data)
{
    struct unlocking *u = data;
    (void)writing;
    u->asked = true;
    size_t len = u->password ? strlen(u->password) : 0;
    if (!len || len > (size_t)size)
        return -1;
    memcpy(out, u->password, len);
    return (int)len;
}

static SSL_CTX *new_ssl_ctx(void)
{
    tls_library_init();
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx)
        return NULL;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
#ifdef SSL_OP_NO_RX_CERTIFICATE_COMPRESSION
    SSL_CTX_set_options(ctx, SSL_OP_NO_RX_CERTIFICATE_COMPRESSION);
#endif
    SSL_CTX_set_max_cert_list(ctx, CHAIN_SIZE);
    if (SSL_CTX_set_cipher_list(ctx, CIPHERS) == 1 && SSL_CTX_set1_groups_list(ctx, GROUPS) == 1)
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

static int load_ca(SSL_CTX *ctx, const struct tls_conf *c, int *key, struct err *e)
{
    *key = TLS_KEY_CA;
    if (!c->ca)
        return 0; /* add() gives it the system's */
    X509_STORE *store = new_store();
    if (!store)
        return err_set(e, "out of memory");
    SSL_CTX_set1_cert_store(ctx, store);
    X509_STORE_free(store);
    if (X509_STORE_load_locations(store, c->ca, NULL) != 1)
        return err_set(e, "%s: holds no CA certificate (PEM)", c->ca);
    return 0;
}

static int key_error(const struct tls_conf *c, const char *path, const struct unlocking *u,
                     int *key, struct err *e)
{
    for (unsigned long code; (code = ERR_get_error());)
        if (ERR_GET_LIB(code) == ERR_LIB_X509 && ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH)
            return err_set(e, "%s: not the key of the certificate in %s", path, c->cert);
    if (!u->asked)
        return err_set(e, "%s: holds no private key (PEM)", path);
    if (!c->key_password)
        return err_set(e, "%s: the key is encrypted: set tls_key_password", path);
    *key = TLS_KEY_PASSWORD;
    return err_set(e, "%s: the key cannot be unlocked with this pass phrase", path);
}

static int load_client(SSL_CTX *ctx, const struct tls_conf *c, int *key, struct err *e)
{
    if (!c->cert)
        return 0;
    *key = TLS_KEY_CERT;
    if (SSL_CTX_use_certificate_chain_file(ctx, c->cert) != 1)
        return err_set(e, "%s: holds no certificate (PEM)", c->cert);
    const char *path = c->key ? c->key : c->cert;
    struct unlocking u = {.password = c->key_password};
    *key = c->key ? TLS_KEY_KEY : TLS_KEY_CERT;
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(ctx, on_password);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, &u);
    int rc = SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
    return rc == 1 ? 0 : key_error(c, path, &u, key, e);
}

static int load(SSL_CTX *ctx, const struct tls_conf *c, int *key, struct err *e)
{
    int rc = load_ca(ctx, c, key, e);
    if (rc == 0)
        rc = load_client(ctx, c, key, e);
    ERR_clear_error();
    return rc;
}

/* ---- All of them. ---- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* The system's CAs, some ten milliseconds of reading; not where nothing is verified. */
static bool needs_system(const struct tls_conf *c)
{
    return !c->ca && c->verify;
}

static bool serves(const struct tls_context *context, const char *const files[FILE_COUNT],
                   const struct file_id ids[FILE_COUNT], const struct tls_conf *c)
{
    for (size_t i = 0; i < FILE_COUNT; i++)
        if (!same_text(context->files[i], files[i]))
            return false;
    return context->by_system == needs_system(c) && same_ids(context->ids, ids, FILE_COUNT) &&
           same_text(context->password, c->key_password);
}

static void free_context(struct tls_context *context)
{
    for (size_t i = 0; i < FILE_COUNT; i++)
        free(context->files[i]);
    str_wipe(context->password);
    SSL_CTX_free(context->ctx);
    free(context);
}

static int copy_text(char **to, const char *text)
{
    *to = text ? strdup(text) : NULL;
    return text && !*to ? -1 : 0;
}

static struct tls_context *new_context(const struct tls_conf *c, const char *const files[],
                                       int *key, struct err *e)
{
    struct tls_context *context = calloc(1, sizeof *context);
    bool whole = context && (context->ctx = new_ssl_ctx());
    for (size_t i = 0; whole && i < FILE_COUNT; i++) {
        whole = copy_text(&context->files[i], files[i]) == 0;
        context->ids[i] = file_id_of(files[i]);
    }
    if (whole)
        context->by_system = needs_system(c);
    if (!whole || copy_text(&context->password, c->key_password) < 0)
        err_set(e, "cannot set up TLS: out of memory");
    else if (load(context->ctx, c, key, e) == 0)
        return context;
    if (context)
        free_context(context);
    return NULL;
}

static struct tls_context *find(const char *const files[FILE_COUNT],
                                const struct file_id ids[FILE_COUNT], const struct tls_conf *c)
{
    struct tls_context *context = process.contexts;
    while (context && !serves(context, files, ids, c))
        context = context->next;
    return context;
}

static void add(struct tls_context *context)
{
    if (context->by_system)
        SSL_CTX_set1_cert_store(context->ctx, process.system.store);
    context->next = process.contexts;
    process.contexts = context;
}

/* With the lock held, which it gives back while it reads files. */
static struct tls_context *obtain(const struct tls_conf *c, int *key, struct err *e)
{
    const char *const files[FILE_COUNT] = {c->ca, c->cert, c->key};
    struct file_id ids[FILE_COUNT];
    pthread_mutex_unlock(&process.lock);
    for (size_t i = 0; i < FILE_COUNT; i++)
        ids[i] = file_id_of(files[i]);
    pthread_mutex_lock(&process.lock);
    struct tls_context *context = find(files, ids, c);
    if (!context) {
        pthread_mutex_unlock(&process.lock);
        context = new_context(c, files, key, e);
        pthread_mutex_lock(&process.lock);
        if (context)
            add(context);
    }
    if (context)
        context->refs++;
    return context;
}

SSL_CTX *tls_context(struct tls_conf *c, bool connecting, int *key, struct err *e)
{
    if (!needs_system(c) && c->context) /* nothing of it changes any more */
        return c->context->ctx;
    pthread_mutex_lock(&process.lock);
    bool ready = !needs_system(c) || need_system(connecting) == 0;
    if (!ready)
        err_set(e, "cannot set up TLS: out of memory");
    else if (!c->context)
        c->context = obtain(c, key, e);
    pthread_mutex_unlock(&process.lock);
    return ready && c->context ? c->context->ctx : NULL;
}

unsigned tls_context_generation(const struct tls_conf *c)
{
    pthread_mutex_lock(&process.lock);
    unsigned generation = c->context ? c->context->generation : 0;
    pthread_mutex_unlock(&process.lock);
    return generation;
}

void tls_context_release(struct tls_conf *c)
{
    struct tls_context *context = c->context, **at = &process.contexts;
    c->context = NULL;
    if (!context)
        return;
    pthread_mutex_lock(&process.lock);
    if (--context->refs == 0 && (context->files[FILE_CA] || context->files[FILE_CERT])) {
        while (*at != context)
            at = &(*at)->next;
        *at = context->next;
        free_context(context);
    }
    pthread_mutex_unlock(&process.lock);
}

void tls_conf_fini(struct tls_conf *c)
{
    free(c->ca);
    free(c->cert);
    free(c->key);
    str_wipe(c->key_password);
    free(c->server_name);
    tls_context_release(c);
    *c = (struct tls_conf){0};
}
