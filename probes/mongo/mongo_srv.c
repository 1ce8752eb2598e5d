/* mongo_srv: see mongo_srv.h. */
#include "mongo/mongo_srv.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "net/server_url.h"

#define SERVICE "mongodb"

/* ---- Names ---- */

/* Without the dot that may end it, in lower case. */
static int host_name(const struct mongo_uri *u, char out[DNS_NAME_SIZE])
{
    size_t len = strlen(u->hosts[0]);
    if (len > 0 && u->hosts[0][len - 1] == '.')
        len--;
    if (len == 0 || len >= DNS_NAME_SIZE)
        return -1;
    for (size_t i = 0; i < len; i++)
        out[i] = (char)tolower((unsigned char)u->hosts[0][i]);
    out[len] = '\0';
    return 0;
}

int mongo_srv_names(const struct mongo_uri *u, char srv[DNS_NAME_SIZE], char txt[DNS_NAME_SIZE],
                    struct err *e)
{
    const char *service = u->srv_service ? u->srv_service : SERVICE;
    if (host_name(u, txt) ||
        snprintf(srv, DNS_NAME_SIZE, "_%s._tcp.%s", service, txt) >= DNS_NAME_SIZE)
        return err_set(e, "the name is too long");
    return 0;
}

/* What a target must end with: the name without its first part; a name of one part or two whole. */
static const char *domain_of(const char *host)
{
    const char *first = strchr(host, '.');
    return first && strchr(first + 1, '.') ? first + 1 : host;
}

static bool is_below(const char *target, const char *domain)
{
    size_t len = strlen(target), tail = strlen(domain);
    return len > tail + 1 && target[len - tail - 1] == '.' &&
           strcasecmp(target + len - tail, domain) == 0;
}

/* ---- Hosts ---- */

/* A number below `n`, which is small; the first where there are no random bytes. */
static size_t pick(size_t n)
{
    uint32_t random = 0;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random)
        return 0;
    return random % n;
}

static int add_host(struct mongo_uri *u, const struct dns_srv *srv, struct err *e)
{
    char *host = str_format("%s:%u", srv->target, (unsigned)srv->port);
    if (!host)
        return err_set(e, "out of memory");
    u->hosts[u->n_hosts++] = host;
    return 0;
}

/* All, or so many of them by chance: each is taken as likely as one of those that are left. */
static int take_hosts(struct mongo_srv *s, const struct dns_records *r, struct err *e)
{
    struct mongo_uri *u = &s->conf.uri;
    size_t wanted = u->srv_max_hosts > 0 ? (size_t)u->srv_max_hosts : MONGO_HOSTS_MAX;
    if (wanted > MONGO_HOSTS_MAX)
        wanted = MONGO_HOSTS_MAX;
    for (size_t i = 0; i < r->n_srv; i++)
        if (pick(r->n_srv - i) < wanted - u->n_hosts && add_host(u, &r->srv[i], e) < 0)
            return -1;
    return 0;
}

static int check_targets(const struct mongo_uri *u, const struct dns_records *r, struct err *e)
{
    char host[DNS_NAME_SIZE];
    if (host_name(u, host))
        return err_set(e, "the name is too long");
    const char *domain = domain_of(host);
    for (size_t i = 0; i < r->n_srv; i++) {
        if (!is_below(r->srv[i].target, domain))
            return err_set(e, "its SRV record leads to %.100s, which is not below %.100s",
                           r->srv[i].target, domain);
        if (r->srv[i].port == 0)
            return err_set(e, "its SRV record leads to %.100s at port 0", r->srv[i].target);
    }
    return 0;
}

/* ---- Options ---- */

static int take_text(char **out, const char *value, bool given, struct err *e)
{
    if (given)
        return 0;
    free(*out);
    *out = strdup(value);
    return *out ? 0 : err_set(e, "out of memory");
}

/* The closed list. What the string says itself holds. */
static int take_option(struct mongo_srv *s, const char *name, const char *value, struct err *e)
{
    struct mongo_uri *u = &s->conf.uri;
    bool external = u->auth_mechanism && strcasecmp(u->auth_mechanism, "MONGODB-X509") == 0;
    if (strcasecmp(name, "authSource") == 0)
        return take_text(&s->auth_db, value, u->auth_source_given || external, e);
    if (strcasecmp(name, "replicaSet") == 0)
        return take_text(&s->replica_set, value, u->replica_set != NULL, e);
    if (strcasecmp(name, "loadBalanced") != 0)
        return err_set(e,
                       "its TXT record has the option %.40s; allowed are authSource, "
                       "replicaSet and loadBalanced",
                       name);
    if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
        return err_set(e, "its TXT record has a loadBalanced that is neither true nor false");
    if (u->load_balanced == -1)
        u->load_balanced = strcmp(value, "true") == 0;
    return 0;
}

static int take_options(struct mongo_srv *s, char *text, struct err *e)
{
    for (char *option; (option = strsep(&text, "&"));) {
        char *equals = strchr(option, '=');
        if (!*option)
            continue;
        if (!equals || equals == option || !equals[1])
            return err_set(e, "its TXT record is not of the form name=value");
        *equals = '\0';
        str_printable(option, strlen(option));
        char *value = server_url_decode(equals + 1, strlen(equals + 1), NULL);
        if (!value)
            return err_set(e, "its TXT record has a broken escape");
        int rc = take_option(s, option, value, e);
        free(value);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static int take_txt(struct mongo_srv *s, const struct dns_records *r, struct err *e)
{
    if (r->n_txt > 1)
        return err_set(e, "it has %zu TXT records, where one is allowed", r->n_txt);
    char *text = strdup(r->n_txt ? r->txt : "");
    int rc = text ? take_options(s, text, e) : err_set(e, "out of memory");
    free(text);
    return rc;
}

/* What the options must not be together. */
static int check_options(const struct mongo_srv *s, const struct dns_records *r, struct err *e)
{
    const struct mongo_uri *u = &s->conf.uri;
    bool set = u->replica_set || s->replica_set;
    if (u->srv_max_hosts > 0 && (set || u->load_balanced == 1))
        return err_set(e, "srvMaxHosts cannot be together with %s, which its TXT record says",
                       set ? "replicaSet" : "loadBalanced");
    if (u->load_balanced == 1 && set)
        return err_set(e, "loadBalanced cannot be together with replicaSet");
    if (u->load_balanced == 1 && s->conf.wish.min_members > 0)
        return err_set(e, "min_members is for deployments, and its TXT record says loadBalanced");
    if (u->load_balanced == 1 && r->n_srv > 1)
        return err_set(e, "loadBalanced takes one host, its SRV records name %zu", r->n_srv);
    return 0;
}

/* ---- All of it ---- */

static void add_option(struct buf *b, const char *name, const char *value)
{
    buf_printf(b, "%s%s=", b->len ? "&" : "", name);
    mongo_uri_put_escaped(b, value);
}

/* The driver looks up names, but not records. */
static int compose_driver_text(struct mongo_srv *s, const struct mongo_uri *of, struct err *e)
{
    struct buf hosts, more;
    buf_init(&hosts, MONGO_HOSTS_MAX * (DNS_NAME_SIZE + 8));
    buf_init(&more, 3 * DNS_TXT_MAX);
    for (size_t i = 0; i < s->conf.uri.n_hosts; i++)
        buf_printf(&hosts, "%s%s", i ? "," : "", s->conf.uri.hosts[i]);
    add_option(&more, "tls", s->conf.tls_on ? "true" : "false");
    if (s->replica_set)
        add_option(&more, "replicaSet", s->replica_set);
    if (s->auth_db)
        add_option(&more, "authSource", s->auth_db);
    if (!hosts.failed && !more.failed)
        s->driver_text = mongo_uri_text(of, hosts.data, more.data);
    buf_fini(&hosts);
    buf_fini(&more);
    return s->driver_text ? 0 : err_set(e, "out of memory");
}

static int complete(struct mongo_srv *s, const struct mongo_conf *of, const struct dns_records *r,
                    struct err *e)
{
    struct mongo_uri *u = &s->conf.uri;
    if (check_targets(&of->uri, r, e) || take_txt(s, r, e) || check_options(s, r, e) ||
        take_hosts(s, r, e) || (of->driver && compose_driver_text(s, &of->uri, e)))
        return -1;
    u->srv = false;
    u->text = s->driver_text;
    if (s->auth_db)
        u->auth_db = s->auth_db;
    if (s->replica_set)
        u->replica_set = s->replica_set;
    if (s->replica_set && !s->conf.wish.set_name)
        s->conf.wish.set_name = s->replica_set;
    s->conf.deployment = u->load_balanced != 1;
    if (s->conf.deployment)
        return 0;
    if (endpoint_parse(&s->conf.ep, u->hosts[0], 0, e))
        return -1;
    s->conf.ep.family = of->family;
    return 0;
}

struct mongo_srv *mongo_srv_new(const struct mongo_conf *conf, const struct dns_records *r,
                                struct err *e)
{
    struct mongo_srv *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, "out of memory");
        return NULL;
    }
    s->conf = *conf;
    s->conf.ep = (struct endpoint){0};
    s->conf.uri.n_hosts = 0;
    s->expires = clock_now() + (int64_t)r->ttl * NS_PER_S;
    if (complete(s, conf, r, e) == 0)
        return s;
    mongo_srv_free(s);
    return NULL;
}

void mongo_srv_free(struct mongo_srv *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->conf.uri.n_hosts; i++)
        free(s->conf.uri.hosts[i]);
    endpoint_fini(&s->conf.ep);
    free(s->replica_set);
    free(s->auth_db);
    str_wipe(s->driver_text);
    free(s);
}
