/* mongo_uri: see mongo_uri.h. */
#include "mongo/mongo_uri.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/str.h"

#define SCHEME       "mongodb://"
#define SCHEME_SRV   "mongodb+srv://"
#define DEFAULT_PORT ":27017"
#define TEXT_MAX     65536

enum option_kind { OPTION_IGNORED, OPTION_TEXT, OPTION_TRI, OPTION_FLAG };

struct option {
    const char *name;
    enum option_kind kind;
    size_t offset;
};

#define AT(field) offsetof(struct mongo_uri, field)

/* The options that the standard or the driver knows. Those without a field tune a driver that is
 * used for longer than one check, or are read by the driver from the string itself. */
static const struct option options[] = {
    {"tls", OPTION_TRI, AT(tls)},
    {"ssl", OPTION_TRI, AT(tls)},
    {"directConnection", OPTION_TRI, AT(direct)},
    {"loadBalanced", OPTION_TRI, AT(load_balanced)},
    {"tlsInsecure", OPTION_FLAG, AT(insecure)},
    {"tlsAllowInvalidCertificates", OPTION_FLAG, AT(insecure)},
    {"sslAllowInvalidCertificates", OPTION_FLAG, AT(insecure)},
    {"tlsAllowInvalidHostnames", OPTION_FLAG, AT(any_hostname)},
    {"sslAllowInvalidHostnames", OPTION_FLAG, AT(any_hostname)},
    {"authSource", OPTION_TEXT, AT(auth_db)},
    {"authMechanism", OPTION_TEXT, AT(auth_mechanism)},
    {"replicaSet", OPTION_TEXT, AT(replica_set)},
    {"tlsCAFile", OPTION_TEXT, AT(ca_file)},
    {"sslCertificateAuthorityFile", OPTION_TEXT, AT(ca_file)},
    {"tlsCertificateKeyFile", OPTION_TEXT, AT(cert_key_file)},
    {"sslClientCertificateKeyFile", OPTION_TEXT, AT(cert_key_file)},
    {"tlsCertificateKeyFilePassword", OPTION_TEXT, AT(key_password)},
    {"sslClientCertificateKeyPassword", OPTION_TEXT, AT(key_password)},
    {"appName", OPTION_IGNORED, 0},
    {"authMechanismProperties", OPTION_IGNORED, 0},
    {"canonicalizeHostname", OPTION_IGNORED, 0},
    {"compressors", OPTION_IGNORED, 0},
    {"connectTimeoutMS", OPTION_IGNORED, 0},
    {"gssapiServiceName", OPTION_IGNORED, 0},
    {"heartbeatFrequencyMS", OPTION_IGNORED, 0},
    {"journal", OPTION_IGNORED, 0},
    {"localThresholdMS", OPTION_IGNORED, 0},
    {"maxConnecting", OPTION_IGNORED, 0},
    {"maxIdleTimeMS", OPTION_IGNORED, 0},
    {"maxPoolSize", OPTION_IGNORED, 0},
    {"maxStalenessSeconds", OPTION_IGNORED, 0},
    {"minPoolSize", OPTION_IGNORED, 0},
    {"readConcernLevel", OPTION_IGNORED, 0},
    {"readPreference", OPTION_IGNORED, 0},
    {"readPreferenceTags", OPTION_IGNORED, 0},
    {"retryReads", OPTION_IGNORED, 0},
    {"retryWrites", OPTION_IGNORED, 0},
    {"safe", OPTION_IGNORED, 0},
    {"serverMonitoringMode", OPTION_IGNORED, 0},
    {"serverSelectionTimeoutMS", OPTION_IGNORED, 0},
    {"serverSelectionTryOnce", OPTION_IGNORED, 0},
    {"slaveOk", OPTION_IGNORED, 0},
    {"socketCheckIntervalMS", OPTION_IGNORED, 0},
    {"socketTimeoutMS", OPTION_IGNORED, 0},
    {"srvMaxHosts", OPTION_IGNORED, 0},
    {"srvServiceName", OPTION_IGNORED, 0},
    {"timeoutMS", OPTION_IGNORED, 0},
    {"tlsDisableCertificateRevocationCheck", OPTION_IGNORED, 0},
    {"tlsDisableOCSPEndpointCheck", OPTION_IGNORED, 0},
    {"uuidRepresentation", OPTION_IGNORED, 0},
    {"w", OPTION_IGNORED, 0},
    {"waitQueueMultiple", OPTION_IGNORED, 0},
    {"waitQueueTimeoutMS", OPTION_IGNORED, 0},
    {"wtimeoutMS", OPTION_IGNORED, 0},
    {"zlibCompressionLevel", OPTION_IGNORED, 0},
};

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    int lower = tolower((unsigned char)c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Decodes %XX; NULL with `e` when it is wrong, holds a NUL, or memory is out. `what` names the
 * part, whose text is not shown. */
static char *decode(const char *text, size_t len, const char *what, struct err *e)
{
    char *out = malloc(len + 1), *to = out;
    if (!out) {
        err_set(e, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%') {
            *to++ = text[i];
            continue;
        }
        int high = i + 2 < len ? hex_value(text[i + 1]) : -1;
        int low = high >= 0 ? hex_value(text[i + 2]) : -1;
        if (low < 0 || high * 16 + low == 0) {
            err_set(e,
                    "a %% in the %s must be followed by two hex digits, not 00 (write %%25 for a "
                    "%% itself)",
                    what);
            free(out);
            return NULL;
        }
        *to++ = (char)(high * 16 + low);
        i += 2;
    }
    *to = '\0';
    return out;
}

static int parse_userinfo(struct mongo_uri *u, const char *text, size_t len, struct err *e)
{
    const char *colon = memchr(text, ':', len);
    size_t user_len = colon ? (size_t)(colon - text) : len;
    if (user_len == 0)
        return err_set(e, "the user name is empty");
    if (memchr(text, '@', len) || (colon && memchr(colon + 1, ':', len - user_len - 1)))
        return err_set(e, "in a user name or password : / ? # [ ] @ must be written %%XX");
    u->user = decode(text, user_len, "user name", e);
    if (!u->user)
        return -1;
    if (!colon)
        return 0;
    u->password = decode(colon + 1, len - user_len - 1, "password", e);
    return u->password ? 0 : -1;
}

/* With its port, in the form that endpoint_parse reads. */
static char *host_text(const char *host, bool srv)
{
    size_t len = strlen(host);
    if (len > 5 && strcmp(host + len - 5, ".sock") == 0)
        return str_format("unix://%s", host);
    const char *after = strrchr(host, ']');
    bool has_port = strchr(after ? after : host, ':') != NULL;
    return str_format("%s%s", host, has_port || srv ? "" : DEFAULT_PORT);
}

static int parse_host(struct mongo_uri *u, const char *text, size_t len, struct err *e)
{
    if (len == 0)
        return err_set(e, "a host name is empty");
    if (u->n_hosts == MONGO_HOSTS_MAX)
        return err_set(e, "more than %d hosts", MONGO_HOSTS_MAX);
    char *host = decode(text, len, "host", e);
    if (!host)
        return -1;
    u->hosts[u->n_hosts] = host_text(host, u->srv);
    free(host);
    if (!u->hosts[u->n_hosts])
        return err_set(e, "out of memory");
    u->n_hosts++;
    return 0;
}

static int parse_hosts(struct mongo_uri *u, const char *text, size_t len, struct err *e)
{
    const char *end = text + len;
    for (;;) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        const char *stop = comma ? comma : end;
        if (parse_host(u, text, (size_t)(stop - text), e))
            return -1;
        if (!comma)
            break;
        text = comma + 1;
    }
    if (u->srv && (u->n_hosts != 1 || strchr(u->hosts[0], ':')))
        return err_set(e, "mongodb+srv takes one host name, without a port");
    const char *dot = strchr(u->hosts[0], '.');
    if (u->srv && (!dot || !strchr(dot + 1, '.')))
        return err_set(e, "mongodb+srv takes a host name of at least three parts, a.b.c");
    return 0;
}

/* -1: not a boolean. */
static int boolean(const char *text)
{
    if (strcmp(text, "true") == 0)
        return 1;
    return strcmp(text, "false") == 0 ? 0 : -1;
}

static int store_option(struct mongo_uri *u, const struct option *o, char *value, struct err *e)
{
    char *field = (char *)u + o->offset;
    if (o->kind == OPTION_TEXT) {
        if (!value[0]) {
            free(value);
            return err_set(e, "option %s is empty", o->name);
        }
        str_wipe(*(char **)(void *)field);
        *(char **)(void *)field = value;
        return 0;
    }
    int b = boolean(value);
    free(value);
    if (o->kind == OPTION_IGNORED)
        return 0;
    if (b < 0)
        return err_set(e, "option %s must be true or false", o->name);
    if (o->kind == OPTION_TRI)
        *(int *)(void *)field = b;
    else
        *(bool *)(void *)field |= b == 1;
    return 0;
}

static int parse_option(struct mongo_uri *u, const char *text, size_t len, struct err *e)
{
    const char *equals = memchr(text, '=', len);
    if (!equals || equals == text)
        return err_set(e, "an option is not of the form name=value");
    size_t name_len = (size_t)(equals - text);
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (strlen(options[i].name) == name_len &&
            strncasecmp(options[i].name, text, name_len) == 0) {
            char *value = decode(equals + 1, len - name_len - 1, options[i].name, e);
            return value ? store_option(u, &options[i], value, e) : -1;
        }
    if (u->n_unknown < MONGO_UNKNOWN_MAX) {
        u->unknown[u->n_unknown] = str_dup_n(text, name_len);
        if (!u->unknown[u->n_unknown])
            return err_set(e, "out of memory");
        str_printable(u->unknown[u->n_unknown++], 64);
    }
    return 0;
}

static int parse_options(struct mongo_uri *u, const char *text, struct err *e)
{
    while (*text) {
        size_t len = strcspn(text, "&;");
        if (len > 0 && parse_option(u, text, len, e))
            return -1;
        text += len + (text[len] ? 1 : 0);
    }
    return 0;
}

static int check_together(const struct mongo_uri *u, struct err *e)
{
    if (u->direct == 1 && (u->n_hosts > 1 || u->srv))
        return err_set(e, "directConnection=true takes one host");
    if (u->load_balanced == 1 && (u->n_hosts > 1 || u->replica_set || u->direct == 1))
        return err_set(e, "loadBalanced=true takes one host, no replicaSet, no directConnection");
    return 0;
}

int mongo_uri_parse(struct mongo_uri *u, const char *text, struct err *e)
{
    *u = (struct mongo_uri){.tls = -1, .direct = -1, .load_balanced = -1};
    if (strnlen(text, TEXT_MAX) == TEXT_MAX)
        return err_set(e, "longer than %d bytes", TEXT_MAX);
    u->srv = str_starts(text, SCHEME_SRV);
    if (!u->srv && !str_starts(text, SCHEME))
        return err_set(e, "must begin with " SCHEME " or " SCHEME_SRV);
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return err_set(e, "holds a blank or control character");
    text += u->srv ? sizeof SCHEME_SRV - 1 : sizeof SCHEME - 1;

    /* The last @ before the path: an unescaped one in a password is told as such, not cut at. */
    size_t authority = strcspn(text, "/?");
    const char *at = memrchr(text, '@', authority);
    if (!at && strchr(text + authority, '@') && memchr(text, ':', authority))
        return err_set(e, "in a user name or password : / ? # [ ] @ must be written %%XX");
    if (at && parse_userinfo(u, text, (size_t)(at - text), e))
        return -1;
    const char *hosts = at ? at + 1 : text;
    if (parse_hosts(u, hosts, authority - (size_t)(hosts - text), e))
        return -1;

    const char *path = text + authority;
    size_t path_len = strcspn(path, "?");
    if (path_len > 1) {
        u->auth_db = decode(path + 1, path_len - 1, "database name", e);
        if (!u->auth_db)
            return -1;
        if (strpbrk(u->auth_db, "/\\ \".$"))
            return err_set(e, "the database name holds one of / \\ \" . $ or a blank");
    }
    if (path[path_len] == '?' && parse_options(u, path + path_len + 1, e))
        return -1;
    return check_together(u, e);
}

void mongo_uri_fini(struct mongo_uri *u)
{
    for (size_t i = 0; i < u->n_hosts; i++)
        free(u->hosts[i]);
    for (size_t i = 0; i < u->n_unknown; i++)
        free(u->unknown[i]);
    free(u->user);
    str_wipe(u->password);
    free(u->auth_db);
    free(u->auth_mechanism);
    free(u->replica_set);
    free(u->ca_file);
    free(u->cert_key_file);
    str_wipe(u->key_password);
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
    return !u->srv && u->n_hosts == 1 && (u->direct == 1 || (u->direct != 0 && !u->replica_set));
}
