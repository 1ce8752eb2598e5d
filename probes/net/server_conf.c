/* server_conf: see server_conf.h. */
#include "net/server_conf.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

/* What init works on. */
struct build {
    struct server_conf *c;
    void *type_conf;
    const struct server_kind *kind;
    const struct probe_value *values;
    struct probe_report *report;
    const char *scheme;
    bool failed;
};

static void fail(struct build *b, size_t key, const char *text)
{
    probe_error(b->report, key, "%s", text);
    b->failed = true;
}

/* ---- Where ---- */

static uint16_t default_port(const struct build *b)
{
    return b->c->option_port ? b->c->option_port : b->kind->port;
}

/* "/run/x.sock", or a folder that holds the server's socket. */
static void set_path(struct build *b, const char *host)
{
    const struct server_kind *k = b->kind;
    uint16_t port = b->c->ep.port ? b->c->ep.port : default_port(b);
    struct err e;
    char *text = k->socket_name ? str_format("unix://%s/%s%u", host, k->socket_name, port)
                                : str_format("unix://%s", host);
    endpoint_fini(&b->c->ep);
    if (!text)
        fail(b, SERVER_KEY_URI, "out of memory");
    else if (endpoint_parse(&b->c->ep, text, 0, &e) < 0)
        fail(b, SERVER_KEY_URI, e.text);
    free(text);
}

/* "%2Frun%2Fpostgresql", perhaps with a port. */
static void set_escaped_path(struct build *b, const char *host)
{
    struct err e;
    size_t len = strcspn(host, ":");
    char *path = server_url_decode(host, len, &e);
    if (path && host[len]) {
        struct endpoint ep;
        char *text = str_format("localhost%s", host + len);
        if (text && endpoint_parse(&ep, text, 0, &e) == 0) {
            b->c->ep.port = ep.port;
            endpoint_fini(&ep);
        } else {
            fail(b, SERVER_KEY_URI, text ? e.text : "out of memory");
        }
        free(text);
    }
    if (!path)
        fail(b, SERVER_KEY_URI, e.text);
    else if (!b->failed)
        set_path(b, path);
    free(path);
}

static void set_host(struct build *b, const struct server_url *u)
{
    struct err e;
    const char *host = *u->host || !b->c->option_host ? u->host : b->c->option_host;
    if (strstr(b->scheme, "+unix://")) {
        char *path = str_format("/%s", u->path ? u->path : "");
        if (*u->host || !u->path)
            fail(b, SERVER_KEY_URI, "the path of a socket is expected, as in scheme+unix:///path");
        else if (path)
            set_path(b, path);
        free(path);
    } else if (b->c->ep.path) {
        return; /* an option has said it, whatever host stands there */
    } else if (strchr(host, ',')) {
        fail(b, SERVER_KEY_URI,
             "several hosts: one probe knows one server; expected a probe for each");
    } else if (host[0] == '/') {
        set_path(b, host);
    } else if (str_starts(host, "%2F") || str_starts(host, "%2f")) {
        set_escaped_path(b, host);
    } else if (!*host) {
        fail(b, SERVER_KEY_URI, "no host, expected SCHEME://host[:port]");
    } else if (endpoint_parse(&b->c->ep, host, default_port(b), &e) < 0) {
        fail(b, SERVER_KEY_URI, e.text);
    }
}

static void set_options(struct build *b, const struct server_url *u)
{
    const char *at = u->query ? u->query : "";
    char *name, *value;
    struct err e;
    int rc;
    while ((rc = server_url_option(&at, &name, &value, &e)) == 0) {
        int taken = b->kind->option ? b->kind->option(b->c, b->type_conf, name, value, &e) : 1;
        if (taken < 0)
            fail(b, SERVER_KEY_URI, e.text);
        else if (taken > 0)
            probe_warn(b->report, SERVER_KEY_URI, "the option %.40s has no meaning for probe",
                       name);
        free(name);
        str_wipe(value);
    }
    if (rc < 0)
        fail(b, SERVER_KEY_URI, e.text);
}

/* ---- Who ---- */

/* A key in error has a stand-in, so that nothing else is blamed. */
static void set_login(struct build *b, struct server_url *u)
{
    const struct probe_value *v = b->values;
    const char *user = v[SERVER_KEY_USER].text, *password = v[SERVER_KEY_PASSWORD].text;
    struct server_conf *c = b->c;
    if (user && (c->user || (u->user && *u->user)))
        fail(b, SERVER_KEY_USER, "given twice: the uri has a user name as well");
    if (password && (c->password || u->password))
        fail(b, SERVER_KEY_PASSWORD, "given twice: the uri has a password as well");
    if (u->user && !u->password && strcmp(u->user, "***") == 0)
        probe_warn(b->report, SERVER_KEY_URI,
                   "*** stands for a user name and password that were not printed; expected "
                   "uri_file with the path of a file that holds the whole uri");
    size_t len = password ? strlen(password) : 0;
    if (len > 0 && strchr("\r\n", password[len - 1]))
        probe_warn(b->report, SERVER_KEY_PASSWORD,
                   "ends in a line end: of those at the end of a file, one is taken off");
    if (u->user && *u->user && !c->user) { /* else an option has said it */
        c->user = u->user;
        u->user = NULL;
    } else if (!c->user && user && *user && !(c->user = strdup(user))) {
        fail(b, SERVER_KEY_USER, "out of memory");
    }
    if (u->password && !c->password) {
        c->password = u->password;
        u->password = NULL;
    } else if (!c->password && password && !(c->password = strdup(password))) {
        fail(b, SERVER_KEY_PASSWORD, "out of memory");
    }
}

/* ---- TLS ---- */

static void set_tls(struct build *b)
{
    struct server_conf *c = b->c;
    struct probe_value merged[TLS_KEY_COUNT];
    const struct probe_value *v = b->values + SERVER_KEY_TLS;
    memcpy(merged, v, sizeof merged);
    bool wanted = b->kind->tls_scheme && strcmp(b->scheme, b->kind->tls_scheme) == 0;
    for (size_t i = 0; i < TLS_KEY_COUNT && b->kind->tls_by_keys; i++)
        wanted = wanted || v[i].given;
    if (wanted && c->tls_use == SERVER_TLS_NO)
        c->tls_use = SERVER_TLS_YES;
    if (c->any_certificate && !v[TLS_KEY_VERIFY].given && !v[TLS_KEY_CA].text)
        merged[TLS_KEY_VERIFY].num = 0;
    bool on = c->tls_use != SERVER_TLS_NO;
    if (tls_conf_init(&c->tls, merged, SERVER_KEY_TLS, on, b->report) < 0) {
        b->failed = true;
    } else if (on && c->ep.path && c->tls.verify && !c->tls.server_name &&
               !probe_is_missing(b->report, SERVER_KEY_TLS + TLS_KEY_VERIFY) &&
               !probe_is_missing(b->report, SERVER_KEY_TLS + TLS_KEY_SERVER_NAME)) {
        fail(b, SERVER_KEY_TLS + TLS_KEY_SERVER_NAME,
             "must be set: a unix socket has no name to verify the certificate for");
    }
}

/* ---- All of it ---- */

static void find_scheme(struct build *b, const char *uri)
{
    size_t longest = 0;
    for (const struct probe_scheme *s = b->kind->schemes; s->prefix; s++) {
        size_t len = strlen(s->prefix);
        if (len > longest && strncasecmp(uri, s->prefix, len) == 0) {
            longest = len;
            b->scheme = s->prefix;
        }
    }
}

static char *name_target(const struct build *b)
{
    const struct endpoint *ep = &b->c->ep;
    if (ep->path)
        return str_format("unix://%s", ep->path);
    bool v6 = strchr(ep->host, ':') != NULL;
    return str_format("%s%s%s%s:%u", b->scheme, v6 ? "[" : "", ep->host, v6 ? "]" : "", ep->port);
}

static void build(struct build *b, const char *uri)
{
    struct server_url u;
    struct err e;
    find_scheme(b, uri);
    if (!b->scheme) {
        char *words = str_format("expected a URL that begins with %s", b->kind->schemes[0].prefix);
        fail(b, SERVER_KEY_URI, words ? words : "out of memory");
        free(words);
        return;
    }
    if (server_url_parse(&u, uri + strlen(b->scheme), &e) < 0) {
        fail(b, SERVER_KEY_URI, e.text);
        return;
    }
    set_options(b, &u);
    set_host(b, &u);
    set_login(b, &u);
    if (!strstr(b->scheme, "+unix://") && !b->c->path) { /* else an option has said it */
        b->c->path = u.path;
        u.path = NULL;
    }
    server_url_fini(&u);
    int family = family_of(&b->values[SERVER_KEY_FAMILY]);
    if (!b->failed && endpoint_set_family(&b->c->ep, family, &e) < 0)
        fail(b, SERVER_KEY_FAMILY, e.text);
    set_tls(b);
}

int server_conf_init(struct server_conf *c, void *type_conf, const struct server_kind *kind,
                     const struct probe_value *values, struct probe_report *report, char **target)
{
    struct build b = {
        .c = c, .type_conf = type_conf, .kind = kind, .values = values, .report = report};
    if (!values[SERVER_KEY_URI].text)
        return -1; /* KEY_REQUIRED: reported by the configuration */
    build(&b, values[SERVER_KEY_URI].text);
    if (!b.failed && !(*target = name_target(&b)))
        fail(&b, SERVER_KEY_URI, "out of memory");
    return b.failed ? -1 : 0;
}

void server_conf_fini(struct server_conf *c)
{
    endpoint_fini(&c->ep);
    free(c->user);
    str_wipe(c->password);
    free(c->path);
    free(c->option_host);
    tls_conf_fini(&c->tls);
    *c = (struct server_conf){0};
}

void server_conf_dispose(void *conf)
{
    server_conf_fini(conf);
    free(conf);
}
