/* server_conf: see server_conf.h. */
#include "net/server_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/str.h"
#include "net/prepare.h"

/* What init works on. */
struct build {
    struct prepare p;
    struct server_conf *c;
    void *type_conf;
    const struct server_kind *kind;
    const char *scheme;
    const struct server_tls_mode *mode; /* an option's; NULL: none was given */
    size_t n_hosts;
};

/* ---- Where ---- */

static int parse_port(const char *text, uint16_t *out, struct err *e)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || n < 1 || n > 65535)
        return err_set(e, "the port is not a number from 1 to 65535");
    *out = (uint16_t)n;
    return 0;
}

/* "/run/x.sock", or a folder that holds the server's socket. */
static int parse_path(const struct build *b, const char *path, uint16_t port, struct endpoint *ep,
                      struct err *e)
{
    const struct server_kind *k = b->kind;
    char *text = k->socket_name ? str_format("unix://%s/%s%u", path, k->socket_name, port)
                                : str_format("unix://%s", path);
    int rc = text ? endpoint_parse(ep, text, 0, e) : err_set(e, "out of memory");
    free(text);
    return rc;
}

/* "%2Frun%2Fpostgresql", perhaps with a port. */
static int parse_escaped_path(const struct build *b, const char *host, uint16_t port,
                              struct endpoint *ep, struct err *e)
{
    size_t len = strcspn(host, ":");
    if (host[len] && parse_port(host + len + 1, &port, e) < 0)
        return -1;
    char *path = server_url_decode(host, len, e);
    int rc = path ? parse_path(b, path, port, ep, e) : -1;
    free(path);
    return rc;
}

static int parse_host(const struct build *b, const char *host, uint16_t port, struct endpoint *ep,
                      struct err *e)
{
    if (*host == '/')
        return parse_path(b, host, port, ep, e);
    if (str_starts(host, "%2F") || str_starts(host, "%2f"))
        return parse_escaped_path(b, host, port, ep, e);
    if (!*host)
        return err_set(e, "no host, expected SCHEME://host[:port]");
    return endpoint_parse(ep, host, port, e);
}

/* The next of a list with commas; NULL: the list is out. */
static char *next_of(char **list)
{
    return *list ? strsep(list, ",") : NULL;
}

static size_t count_of(const char *list)
{
    size_t n = 1;
    for (; *list; list++)
        n += *list == ',';
    return n;
}

/* Of an option's hosts one with a colon is an IPv6 address: the port is another option's. */
static int add_host(struct build *b, const char *host, const char *port_text, bool by_option,
                    struct err *e)
{
    struct server_conf *c = b->c;
    struct endpoint *ep = b->n_hosts ? &c->others[b->n_hosts - 1] : &c->ep;
    uint16_t port = b->kind->port;
    if (port_text && *port_text && parse_port(port_text, &port, e) < 0)
        return -1;
    char *text = by_option && strchr(host, ':') ? str_format("[%s]", host) : strdup(host);
    int rc = text ? parse_host(b, text, port, ep, e) : err_set(e, "out of memory");
    free(text);
    if (rc == 0)
        c->n_others = b->n_hosts++;
    return rc;
}

static int add_hosts(struct build *b, char *hosts, char *ports, bool by_option, struct err *e)
{
    size_t n = count_of(hosts), n_ports = ports ? count_of(ports) : 0;
    if (n > 1 && !b->kind->several)
        return err_set(e, "several hosts: one probe knows one server; expected a probe for each");
    if (n > SERVER_HOSTS_MAX)
        return err_set(e, "more than %d hosts", SERVER_HOSTS_MAX);
    if (n_ports > 1 && n_ports != n)
        return err_set(e, "%zu ports for %zu hosts: expected one, or one for each", n_ports, n);
    if (n > 1 && !(b->c->others = calloc(n - 1, sizeof *b->c->others)))
        return err_set(e, "out of memory");
    const char *port = next_of(&ports);
    for (char *host; (host = next_of(&hosts));) {
        if (add_host(b, host, port, by_option, e) < 0)
            return -1;
        port = n_ports > 1 ? next_of(&ports) : port;
    }
    for (size_t i = 0; i + 1 < n; i++)
        b->c->ep.is_beside = b->c->others[i].is_beside = true;
    return 0;
}

static void set_host(struct build *b, const struct server_url *u)
{
    struct server_conf *c = b->c;
    struct err e;
    if (strstr(b->scheme, "+unix://")) {
        char *path = str_format("/%s", u->path ? u->path : "");
        if (*u->host || !u->path)
            prepare_fail(&b->p, SERVER_KEY_URI,
                         "the path of a socket is expected, as in scheme+unix:///path");
        else if (!path || parse_path(b, path, b->kind->port, &c->ep, &e) < 0)
            prepare_fail(&b->p, SERVER_KEY_URI, path ? e.text : "out of memory");
        free(path);
        return;
    }
    if (c->ep.path)
        return; /* an option has said it, whatever host stands there */
    bool by_option = !*u->host && c->option_host;
    char *hosts = strdup(by_option ? c->option_host : u->host);
    char *ports = c->option_port ? strdup(c->option_port) : NULL;
    if (!hosts || (c->option_port && !ports))
        prepare_fail(&b->p, SERVER_KEY_URI, "out of memory");
    else if (add_hosts(b, hosts, ports, by_option, &e) < 0)
        prepare_fail(&b->p, SERVER_KEY_URI, e.text);
    free(hosts);
    free(ports);
}

/* ---- Options ---- */

int server_conf_set(char **to, const char *value, struct err *e)
{
    str_wipe(*to);
    *to = strdup(value);
    return *to ? 0 : err_set(e, "out of memory");
}

static int take_tls_mode(struct build *b, const char *value, struct err *e)
{
    const struct server_kind *k = b->kind;
    char names[160] = "";
    for (const struct server_tls_mode *m = k->tls_modes; m->name; m++) {
        size_t len = strlen(names);
        if (k->same(value, m->name) == 0) {
            b->mode = m;
            return 0;
        }
        snprintf(names + len, sizeof names - len, "%s%s", len ? ", " : "", m->name);
    }
    return err_set(e, "%s is none of %s", k->tls_option, names);
}

/* 1: it is none that a kind has by its names. */
static int take_common(struct build *b, const char *name, const char *value, struct err *e)
{
    const struct server_kind *k = b->kind;
    if (!k->tls_option)
        return 1;
    if (k->same(name, k->tls_option) == 0)
        return take_tls_mode(b, value, e);
    for (size_t i = 0; i < SERVER_TLS_FILES; i++) {
        if (!k->tls_files[i] || k->same(name, k->tls_files[i]) != 0)
            continue;
        bool system = i == SERVER_TLS_CA && k->system_cas && strcmp(value, k->system_cas) == 0;
        b->c->tls_system = b->c->tls_system || system;
        return system ? 0 : server_conf_set(&b->c->tls_files[i], value, e);
    }
    for (const struct server_refused *r = k->refused; r && r->name; r++)
        if (k->same(name, r->name) == 0 && (!r->value || k->same(value, r->value) == 0))
            return err_set(e, "the option %s%s%s is refused: %s", r->name, r->value ? "=" : "",
                           r->value ? r->value : "", r->words);
    return 1;
}

static void set_options(struct build *b, const struct server_url *u)
{
    const char *at = u->query ? u->query : "";
    char *name, *value;
    struct err e;
    int rc;
    while ((rc = server_url_option(&at, &name, &value, &e)) == 0) {
        int taken = take_common(b, name, value, &e);
        if (taken > 0 && b->kind->option)
            taken = b->kind->option(b->c, b->type_conf, name, value, &e);
        if (taken < 0)
            prepare_fail(&b->p, SERVER_KEY_URI, e.text);
        else if (taken > 0)
            probe_warn(b->p.report, SERVER_KEY_URI, "the option %.40s has no meaning for probe",
                       name);
        free(name);
        str_wipe(value);
    }
    if (rc < 0)
        prepare_fail(&b->p, SERVER_KEY_URI, e.text);
}

/* ---- Who ---- */

/* A key in error has a stand-in, so that nothing else is blamed. */
static void set_login(struct build *b, struct server_url *u)
{
    const struct probe_value *v = b->p.values;
    const char *user = v[SERVER_KEY_USER].text, *password = v[SERVER_KEY_PASSWORD].text;
    struct server_conf *c = b->c;
    if (user && (c->user || (u->user && *u->user)))
        prepare_fail(&b->p, SERVER_KEY_USER, "given twice: the uri has a user name as well");
    if (password && (c->password || u->password))
        prepare_fail(&b->p, SERVER_KEY_PASSWORD, "given twice: the uri has a password as well");
    if (u->user && !u->password && strcmp(u->user, "***") == 0)
        probe_warn(b->p.report, SERVER_KEY_URI,
                   "*** stands for a user name and password that were not printed; expected "
                   "uri_file with the path of a file that holds the whole uri");
    size_t len = password ? strlen(password) : 0;
    if (len > 0 && strchr("\r\n", password[len - 1]))
        probe_warn(b->p.report, SERVER_KEY_PASSWORD,
                   "ends in a line end: of those at the end of a file, one is taken off");
    if (u->user && *u->user && !c->user) { /* else an option has said it */
        c->user = u->user;
        u->user = NULL;
    } else if (!c->user && user && *user && !(c->user = strdup(user))) {
        prepare_fail(&b->p, SERVER_KEY_USER, "out of memory");
    }
    if (u->password && !c->password) {
        c->password = u->password;
        u->password = NULL;
    } else if (!c->password && password && !(c->password = strdup(password))) {
        prepare_fail(&b->p, SERVER_KEY_PASSWORD, "out of memory");
    }
}

/* ---- TLS ---- */

/* The mode that holds: an option's, else TLS with all of it verified where the scheme or a key says
 * so, else the kind's own. */
static struct server_tls_mode choose_mode(struct build *b, const struct probe_value *v)
{
    const struct server_kind *k = b->kind;
    bool wanted = k->tls_scheme && strcmp(b->scheme, k->tls_scheme) == 0;
    for (size_t i = 0; i < TLS_KEY_COUNT && k->tls_by_keys; i++)
        wanted = wanted || v[i].given;
    if (b->mode)
        return *b->mode;
    if (wanted || b->c->tls_system)
        return (struct server_tls_mode){.use = SERVER_TLS_YES};
    b->c->tls_by_default = true;
    if (k->tls_default)
        return *k->tls_default;
    if (b->c->tls_files[SERVER_TLS_CA]) /* MySQL's clients verify the chain then */
        return (struct server_tls_mode){.use = SERVER_TLS_YES, .any_name = true};
    return (struct server_tls_mode){.use = SERVER_TLS_NO};
}

static void set_tls(struct build *b)
{
    struct server_conf *c = b->c;
    static const int file_keys[SERVER_TLS_FILES] = {TLS_KEY_CA, TLS_KEY_CERT, TLS_KEY_KEY,
                                                    TLS_KEY_PASSWORD};
    struct probe_value merged[TLS_KEY_COUNT];
    const struct probe_value *v = b->p.values + SERVER_KEY_TLS;
    struct server_tls_mode mode = choose_mode(b, v);
    memcpy(merged, v, sizeof merged);
    for (size_t i = 0; i < SERVER_TLS_FILES; i++)
        if (!v[file_keys[i]].given && c->tls_files[i] &&
            (i == SERVER_TLS_PASSWORD || probe_file(b->p.report, c->tls_files[i])))
            merged[file_keys[i]].text = c->tls_files[i];
    if (b->kind->plain_sockets && c->ep.path && !c->n_others)
        mode.use = SERVER_TLS_NO;
    bool on = mode.use != SERVER_TLS_NO;
    bool chain = mode.any_certificate && mode.chain_by_file && c->tls_files[SERVER_TLS_CA];
    c->tls_use = mode.use;
    if (mode.any_certificate && !chain && !v[TLS_KEY_VERIFY].given && !v[TLS_KEY_CA].text)
        merged[TLS_KEY_VERIFY].num = 0;
    if (c->tls_system && (b->mode && (mode.any_certificate || mode.any_name)))
        prepare_fail(&b->p, SERVER_KEY_URI,
                     "the system's CAs would let anybody's certificate pass: expected "
                     "sslmode=verify-full with sslrootcert=system");
    bool failed = tls_conf_init(&c->tls, merged, SERVER_KEY_TLS, on, b->p.report) < 0;
    c->tls.any_name = mode.any_name || chain;
    if (!failed && on && c->ep.path && !c->n_others)
        failed = tls_conf_check_socket(&c->tls, SERVER_KEY_TLS, b->p.report) < 0;
    b->p.failed = b->p.failed || failed;
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

static void name_place(struct buf *out, const struct endpoint *ep)
{
    bool v6 = ep->host && strchr(ep->host, ':');
    if (ep->path)
        buf_printf(out, "%s", ep->path);
    else
        buf_printf(out, "%s%s%s:%u", v6 ? "[" : "", ep->host, v6 ? "]" : "", ep->port);
}

static char *name_target(const struct build *b)
{
    const struct server_conf *c = b->c;
    struct buf out;
    buf_init(&out, 64 * 1024);
    buf_printf(&out, "%s", c->ep.path && !c->n_others ? "unix://" : b->scheme);
    name_place(&out, &c->ep);
    for (size_t i = 0; i < c->n_others; i++) {
        buf_putc(&out, ',');
        name_place(&out, &c->others[i]);
    }
    char *text = out.failed ? NULL : strdup(out.data);
    buf_fini(&out);
    return text;
}

static void set_family(struct build *b)
{
    struct server_conf *c = b->c;
    int family = family_of(&b->p.values[SERVER_KEY_FAMILY]);
    struct err e;
    for (size_t i = 0; i <= c->n_others && !b->p.failed; i++)
        if (endpoint_set_family(i ? &c->others[i - 1] : &c->ep, family, &e) < 0)
            prepare_fail(&b->p, SERVER_KEY_FAMILY, e.text);
}

static void build(struct build *b, const char *uri)
{
    struct server_url u;
    struct err e;
    find_scheme(b, uri);
    if (!b->scheme) {
        char *words = str_format("expected a URL that begins with %s", b->kind->schemes[0].prefix);
        prepare_fail(&b->p, SERVER_KEY_URI, words ? words : "out of memory");
        free(words);
        return;
    }
    if (server_url_parse(&u, uri + strlen(b->scheme), &e) < 0) {
        prepare_fail(&b->p, SERVER_KEY_URI, e.text);
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
    set_family(b);
    set_tls(b);
}

int server_conf_init(struct server_conf *c, void *type_conf, const struct server_kind *kind,
                     const struct probe_value *values, struct probe_report *report, char **target)
{
    struct build b = {
        .c = c, .type_conf = type_conf, .kind = kind, .p = {.values = values, .report = report}};
    if (!values[SERVER_KEY_URI].text)
        return -1; /* KEY_REQUIRED: reported by the configuration */
    build(&b, values[SERVER_KEY_URI].text);
    if (!b.p.failed && !(*target = name_target(&b)))
        prepare_fail(&b.p, SERVER_KEY_URI, "out of memory");
    return b.p.failed ? -1 : 0;
}

static void fini(struct server_conf *c)
{
    endpoint_fini(&c->ep);
    for (size_t i = 0; i < c->n_others; i++)
        endpoint_fini(&c->others[i]);
    free(c->others);
    for (size_t i = 0; i < SERVER_TLS_FILES; i++)
        str_wipe(c->tls_files[i]);
    free(c->option_port);
    free(c->user);
    str_wipe(c->password);
    free(c->path);
    free(c->option_host);
    tls_conf_fini(&c->tls);
    *c = (struct server_conf){0};
}

void *server_conf_done(void *conf, bool bad, char **target)
{
    if (!bad)
        return conf;
    server_conf_dispose(conf);
    free(*target);
    *target = NULL;
    return NULL;
}

void server_conf_dispose(void *conf)
{
    fini(conf);
    free(conf);
}
