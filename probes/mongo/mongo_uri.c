/* mongo_uri: see mongo_uri.h. */
#include "mongo/mongo_uri.h"

#include <ctype.h>
#include <mongoc/mongoc.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/endpoint.h"
#include "base/str.h"

#define SCHEME     "mongodb://"
#define SCHEME_SRV "mongodb+srv://"
#define TEXT_MAX   65536

static const char escape_words[] =
    "in a user name or password : / ? # [ ] @ and % must be written %XX";

/* ---- The parts of the text ---- */

struct span {
    const char *at;
    size_t len;
};

/* In any case, as a URL's scheme may be written. */
static bool has_scheme(const char *text, const char *scheme)
{
    return strncasecmp(text, scheme, strlen(scheme)) == 0;
}

static bool is_srv(const char *text)
{
    return has_scheme(text, SCHEME_SRV);
}

static const char *after_scheme(const char *text)
{
    return text + (is_srv(text) ? sizeof SCHEME_SRV : sizeof SCHEME) - 1;
}

/* The user info without its @; at NULL: there is none. */
static struct span userinfo_of(const char *text)
{
    const char *begin = after_scheme(text);
    const char *at = memrchr(begin, '@', strcspn(begin, "/?"));
    return at ? (struct span){begin, (size_t)(at - begin)} : (struct span){NULL, 0};
}

struct mongo_userinfo mongo_uri_userinfo(const char *text)
{
    if (!has_scheme(text, SCHEME) && !is_srv(text))
        return (struct mongo_userinfo){false, false};
    struct span s = userinfo_of(text);
    return (struct mongo_userinfo){s.at != NULL, s.at && memchr(s.at, ':', s.len)};
}

/* The next option, NAME or NAME=VALUE; `*at` goes behind it. False at the end. */
static bool next_option(const char **at, struct span *name, struct span *value)
{
    *at += strspn(*at, "&;");
    if (!**at)
        return false;
    size_t len = strcspn(*at, "&;");
    const char *equals = memchr(*at, '=', len);
    *name = (struct span){*at, equals ? (size_t)(equals - *at) : len};
    *value = (struct span){*at + name->len + (equals ? 1 : 0), equals ? len - name->len - 1 : 0};
    *at += len;
    return true;
}

static bool is_word(struct span s, const char *word)
{
    return strlen(word) == s.len && strncasecmp(s.at, word, s.len) == 0;
}

static const char *options_of(const char *text)
{
    const char *question = strchr(after_scheme(text), '?');
    return question ? question + 1 : "";
}

/* ---- The driver's words ---- */

/* The option as the string writes it; at NULL: `text` is none of it. */
static struct span option_name(const char *options, const char *text, size_t len)
{
    struct span name, value;
    while (next_option(&options, &name, &value))
        if (len > 0 && name.len == len && strncasecmp(name.at, text, len) == 0)
            return name;
    return (struct span){NULL, 0};
}

/* The driver quotes what it refuses, secrets too: only the names of options are passed on, and no
 * more of a sentence that goes on with a value. */
static void pass_on(const char *options, const char *message, struct err *e)
{
    struct buf b;
    buf_init(&b, sizeof e->text - 1);
    for (const char *p = message; *p;) {
        size_t plain = strcspn(p, "\"'[=");
        buf_add(&b, p, plain);
        p += plain;
        if (*p != '"' && *p != '\'')
            break;
        size_t len = strcspn(p + 1, "\"'=");
        struct span name = option_name(options, p + 1, len);
        if (!name.at)
            break;
        buf_add(&b, name.at, name.len);
        p += 1 + len;
        if (*p == '=')
            break;
        if (*p)
            p++;
        if (str_starts(p, ": \"")) /* its value */
            break;
    }
    while (b.len > 0 && strchr(" :,", b.data[b.len - 1]))
        b.data[--b.len] = '\0';
    err_set(e, "the driver does not take it: %s", b.data && b.len ? b.data : "its options");
    buf_fini(&b);
}

static int refused(const char *text, const char *message, struct err *e)
{
    static const struct {
        const char *has, *words;
    } known[] = {
        {"Username \"", escape_words},
        {"Password \"", escape_words},
        {"Incorrect URI escapes", escape_words},
        {"Default authentication mechanism", "the user name is empty"},
        {"requires username", "authMechanism without a user name"},
        {"does not accept a password", "authMechanism MONGODB-X509 takes no password"},
        {"Invalid username or password", escape_words},
        {"Invalid host string",
         "the driver does not take the hosts: a list of NAME:PORT, [V6]:PORT "
         "or %2Fpath%2Fto.sock"},
        {"Invalid database name", "the database name holds one of / \\ \" . $ or a blank"},
        {"Invalid service name", "mongodb+srv takes one host name, without a port"},
        {"prohibited in an SRV URI", "mongodb+srv takes one host name, without a port"},
        {"contains no \"=\" sign", "an option is not of the form name=value"},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strstr(message, known[i].has))
            return err_set(e, "%s", known[i].words);
    pass_on(options_of(text), message, e);
    return -1;
}

/* Its warnings: options that it does not know are told as ours. */
static void on_log(mongoc_log_level_t level, const char *domain, const char *message, void *ctx)
{
    static const char unknown[] = "Unsupported URI option \"";
    struct mongo_uri *u = ctx;
    (void)level, (void)domain;
    if (!str_starts(message, unknown) || u->n_unknown == MONGO_UNKNOWN_MAX)
        return;
    const char *name = message + sizeof unknown - 1;
    char *copy = str_dup_n(name, strcspn(name, "\""));
    if (!copy)
        return;
    str_printable(copy, 64);
    u->unknown[u->n_unknown++] = copy;
}

static void ignore_log(mongoc_log_level_t level, const char *domain, const char *message, void *ctx)
{
    (void)level, (void)domain, (void)message, (void)ctx;
}

/* ---- What the driver would not say ---- */

/* Refused before the driver reads it: mistakes whose cause is known, and what it would misread. */
static int check_text(const char *text, struct err *e)
{
    size_t len = strnlen(text, TEXT_MAX);
    if (len == TEXT_MAX)
        return err_set(e, "longer than %d bytes", TEXT_MAX);
    if (!has_scheme(text, SCHEME) && !is_srv(text))
        return err_set(e, "must begin with " SCHEME " or " SCHEME_SRV);
    if (text[len - 1] == '\n')
        return err_set(e, "ends in an empty line: of the line ends of a file, one is taken off");
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return err_set(e, "holds a blank or control character");
    const char *rest = after_scheme(text);
    size_t authority = strcspn(rest, "/?");
    const char *at = memrchr(rest, '@', authority);
    if (!at && strchr(rest + authority, '@') && memchr(rest, ':', authority))
        return err_set(e, "%s", escape_words); /* else a piece of a password is taken for a port */
    if (at && memchr(rest, '@', (size_t)(at - rest)))
        return err_set(e, "%s", escape_words);
    const char *words = endpoint_kubernetes_words(text);
    return words ? err_set(e, "%s", words) : 0;
}

/* The driver lets the last one win, and with it perhaps a login over plain text. */
static int check_tls_options(const char *options, struct err *e)
{
    struct span name, value, first = {NULL, 0};
    while (next_option(&options, &name, &value)) {
        if (!is_word(name, "tls") && !is_word(name, "ssl"))
            continue;
        if (first.at && (first.len != value.len || strncasecmp(first.at, value.at, value.len) != 0))
            return err_set(e, "the options tls and ssl contradict each other");
        first = value;
    }
    return 0;
}

/* mongoc-config.h leaves undefined what the driver was built without. */
#ifdef MONGOC_ENABLE_SASL
#define HAS_SASL true
#else
#define HAS_SASL false
#endif
#ifdef MONGOC_ENABLE_MONGODB_AWS_AUTH
#define HAS_AWS true
#else
#define HAS_AWS false
#endif

/* The driver finds out at its first connection. */
static int check_mechanism(const char *options, struct err *e)
{
    static const struct {
        const char *name;
        bool there;
    } known[] = {
        {"SCRAM-SHA-256", true},  {"SCRAM-SHA-1", true},   {"DEFAULT", true},
        {"PLAIN", true},          {"MONGODB-X509", true},  {"GSSAPI", HAS_SASL},
        {"MONGODB-AWS", HAS_AWS}, {"MONGODB-OIDC", false},
    };
    struct span name, value;
    while (next_option(&options, &name, &value)) {
        if (!is_word(name, "authMechanism"))
            continue;
        size_t i = 0;
        while (i < ARRAY_LEN(known) && !is_word(value, known[i].name))
            i++;
        if (i == ARRAY_LEN(known))
            return err_set(e, "authMechanism is none of SCRAM-SHA-256, SCRAM-SHA-1, DEFAULT, "
                              "PLAIN, MONGODB-X509, GSSAPI, MONGODB-AWS");
        if (!known[i].there)
            return err_set(e, "this build's driver has no authMechanism %s", known[i].name);
    }
    return 0;
}

/* ---- The text for the driver ---- */

void mongo_uri_put_escaped(struct buf *b, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (isalnum((unsigned char)*p) || strchr("-._~", *p))
            buf_putc(b, *p);
        else
            buf_printf(b, "%%%02X", (unsigned)(unsigned char)*p);
    }
}

static void put_login(struct buf *b, const char *text, const char *user, const char *password)
{
    struct span info = userinfo_of(text);
    if (info.at)
        buf_add(b, info.at, info.len);
    if (user)
        mongo_uri_put_escaped(b, user);
    if (password) {
        buf_putc(b, ':');
        mongo_uri_put_escaped(b, password);
    }
    if (user || info.at)
        buf_putc(b, '@');
}

/* The specification of 2024 allows names of one and two parts, older drivers do not: such a name is
 * judged with more of it. */
static void put_srv_name(struct buf *b, const char *name, size_t len)
{
    size_t dots = 0;
    for (size_t i = 0; i + 1 < len; i++)
        dots += name[i] == '.';
    bool alone = len > 0 && !memchr(name, ',', len) && !memchr(name, ':', len) && name[0] != '.';
    buf_add(b, name, len);
    for (size_t i = dots; alone && i < 2; i++)
        buf_puts(b, name[len - 1] == '.' ? "x." : ".x");
}

/* With the login of the keys, and without authMechanism=DEFAULT, which the driver does not know.
 * `hosts` (NULL: the string's own) stand for a name of mongodb+srv, with `more` options. */
static char *compose(const char *text, const char *user, const char *password, const char *hosts,
                     const char *more)
{
    struct buf b;
    struct span info = userinfo_of(text), name, value;
    const char *rest = info.at ? info.at + info.len + 1 : after_scheme(text);
    const char *options = options_of(text), *separator = "";
    size_t own = strcspn(rest, "/?");
    buf_init(&b, 4 * TEXT_MAX);
    buf_puts(&b, is_srv(text) && !hosts ? SCHEME_SRV : SCHEME);
    put_login(&b, text, user, password);
    if (hosts)
        buf_puts(&b, hosts);
    else if (is_srv(text))
        put_srv_name(&b, rest, own);
    else
        buf_add(&b, rest, own);
    if (rest[own] == '?' || (more && !rest[own])) /* the standard has made it optional */
        buf_putc(&b, '/');
    rest += own;
    buf_add(&b, rest, *options ? (size_t)(options - rest) : strlen(rest));
    if (more)
        buf_printf(&b, "%s%s", *options || strchr(rest, '?') ? "" : "?", more);
    separator = more && *more ? "&" : "";
    while (next_option(&options, &name, &value)) {
        if (is_word(name, "authMechanism") && is_word(value, "DEFAULT"))
            continue;
        if (hosts && (is_word(name, "srvMaxHosts") || is_word(name, "srvServiceName")))
            continue;
        buf_puts(&b, separator);
        buf_add(&b, name.at, (size_t)(options - name.at));
        separator = "&";
    }
    if (b.failed)
        buf_wipe(&b);
    return buf_take(&b);
}

/* ---- What the driver says ---- */

/* Sets `*out`; false: out of memory. */
static bool copy(char **out, const char *text)
{
    *out = text ? strdup(text) : NULL;
    return !text || *out;
}

static bool copy_option(const mongoc_uri_t *uri, const char *name, char **out)
{
    return copy(out, mongoc_uri_get_option_as_utf8(uri, name, NULL));
}

static int tri_state(const mongoc_uri_t *uri, const char *name)
{
    return mongoc_uri_has_option(uri, name) ? mongoc_uri_get_option_as_bool(uri, name, false) : -1;
}

/* The driver's is longer than the string's where that has one part or two. */
static int read_srv(struct mongo_uri *u, const char *text, const mongoc_uri_t *uri, struct err *e)
{
    struct span info = userinfo_of(text), name, value;
    const char *host = info.at ? info.at + info.len + 1 : after_scheme(text);
    const char *options = options_of(text);
    u->hosts[u->n_hosts++] = str_dup_n(host, strcspn(host, "/?"));
#ifdef MONGOC_URI_SRVMAXHOSTS
    u->srv_max_hosts = mongoc_uri_get_option_as_int32(uri, MONGOC_URI_SRVMAXHOSTS, 0);
#endif
#ifdef MONGOC_URI_SRVSERVICENAME
    if (!copy_option(uri, MONGOC_URI_SRVSERVICENAME, &u->srv_service))
        return err_set(e, "out of memory");
#endif
    while (next_option(&options, &name, &value))
        u->auth_source_given |= is_word(name, "authSource");
    return u->hosts[0] ? 0 : err_set(e, "out of memory");
}

static int read_hosts(struct mongo_uri *u, const mongoc_uri_t *uri, struct err *e)
{
    for (const mongoc_host_list_t *h = mongoc_uri_get_hosts(uri); h; h = h->next) {
        if (u->n_hosts == MONGO_HOSTS_MAX)
            return err_set(e, "more than %d hosts", MONGO_HOSTS_MAX);
        char *host =
            h->family == AF_UNIX ? str_format("unix://%s", h->host) : strdup(h->host_and_port);
        if (!host)
            return err_set(e, "out of memory");
        u->hosts[u->n_hosts++] = host;
    }
    return 0;
}

static int read_all(struct mongo_uri *u, const char *text, const mongoc_uri_t *uri, struct err *e)
{
    u->srv = mongoc_uri_get_srv_hostname(uri) != NULL;
    u->tls = tri_state(uri, MONGOC_URI_TLS);
    u->uses_tls = mongoc_uri_get_tls(uri);
    u->direct = tri_state(uri, MONGOC_URI_DIRECTCONNECTION);
    u->load_balanced = tri_state(uri, MONGOC_URI_LOADBALANCED);
    u->insecure = tri_state(uri, MONGOC_URI_TLSINSECURE) == 1 ||
                  tri_state(uri, MONGOC_URI_TLSALLOWINVALIDCERTIFICATES) == 1;
    u->any_hostname = tri_state(uri, MONGOC_URI_TLSALLOWINVALIDHOSTNAMES) == 1;
    if (!copy(&u->user, mongoc_uri_get_username(uri)) ||
        !copy(&u->password, mongoc_uri_get_password(uri)) ||
        !copy(&u->auth_db, mongoc_uri_get_auth_source(uri)) ||
        !copy(&u->auth_mechanism, mongoc_uri_get_auth_mechanism(uri)) ||
        !copy_option(uri, MONGOC_URI_REPLICASET, &u->replica_set) ||
        !copy_option(uri, MONGOC_URI_TLSCAFILE, &u->ca_file) ||
        !copy_option(uri, MONGOC_URI_TLSCERTIFICATEKEYFILE, &u->cert_key_file) ||
        !copy_option(uri, MONGOC_URI_TLSCERTIFICATEKEYFILEPASSWORD, &u->key_password))
        return err_set(e, "out of memory");
    if (!u->auth_db[0])
        return err_set(e, "the option authSource is empty");
    if (mongo_prefer_init(&u->prefer, uri, e))
        return -1;
    return u->srv ? read_srv(u, text, uri, e) : read_hosts(u, uri, e);
}

static void destroy(mongoc_uri_t *uri)
{
    char *text = (char *)(uintptr_t)mongoc_uri_get_string(uri);
    explicit_bzero(text, strlen(text));
    mongoc_uri_destroy(uri);
}

int mongo_uri_parse(struct mongo_uri *u, const char *text, const char *user, const char *password,
                    struct err *e)
{
    bson_error_t error = {0};
    *u = (struct mongo_uri){.tls = -1, .direct = -1, .load_balanced = -1};
    if (check_text(text, e) || check_tls_options(options_of(text), e) ||
        check_mechanism(options_of(text), e))
        return -1;
    u->text = compose(text, user, password, NULL, NULL);
    if (!u->text)
        return err_set(e, "out of memory");
    mongoc_log_set_handler(on_log, u);
    mongoc_uri_t *uri = mongoc_uri_new_with_error(u->text, &error);
    mongoc_log_set_handler(ignore_log, NULL);
    if (!uri)
        return refused(text, error.message, e);
    int rc = read_all(u, text, uri, e);
    destroy(uri);
    return rc;
}

char *mongo_uri_text(const struct mongo_uri *u, const char *hosts, const char *more)
{
    return compose(u->text, NULL, NULL, hosts, more);
}

void mongo_uri_fini(struct mongo_uri *u)
{
    for (size_t i = 0; i < u->n_hosts; i++)
        free(u->hosts[i]);
    for (size_t i = 0; i < u->n_unknown; i++)
        free(u->unknown[i]);
    str_wipe(u->text);
    free(u->user);
    str_wipe(u->password);
    free(u->auth_db);
    free(u->srv_service);
    free(u->auth_mechanism);
    free(u->replica_set);
    free(u->ca_file);
    free(u->cert_key_file);
    str_wipe(u->key_password);
    mongo_prefer_fini(&u->prefer);
    *u = (struct mongo_uri){0};
}

char *mongo_uri_redacted(const struct mongo_uri *u)
{
    struct buf b;
    buf_init(&b, TEXT_MAX);
    buf_puts(&b, u->srv ? SCHEME_SRV : SCHEME);
    for (size_t i = 0; i < u->n_hosts; i++) {
        const char *host = u->hosts[i];
        buf_puts(&b, i > 0 ? "," : "");
        buf_puts(&b, str_starts(host, "unix://") ? host + sizeof "unix://" - 1 : host);
    }
    if (u->replica_set)
        buf_printf(&b, "/?replicaSet=%s", u->replica_set);
    return buf_take(&b);
}

bool mongo_uri_is_direct(const struct mongo_uri *u)
{
    return !u->srv && u->n_hosts == 1 &&
           (u->load_balanced == 1 || u->direct == 1 || (u->direct != 0 && !u->replica_set));
}
