/* dns_conf: see dns_conf.h. */
#include "dns/dns_conf.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "dns/dns_answer.h"
#include "net/family.h"
#include "net/prepare.h"

#define DNS_PORT 53

enum { K_QUERY, K_EXPECT, K_AUTHORITATIVE, K_FAMILY };

const struct probe_key dns_keys[DNS_N_KEYS] = {
    [K_QUERY] =
        {.name = "query",
         .kind = KEY_TEXT,
         .flags = KEY_REQUIRED,
         .doc = "Whom to ask, and for what: dns://server/name?type=A, or dns+tcp:// for TCP alone. "
                "Without a server, as in dns:///name, those of /etc/resolv.conf are asked."},
    [K_EXPECT] = {.name = "expect",
                  .kind = KEY_TEXT,
                  .doc = "Regular expression that must match one of the records. Without it, any "
                         "record will do."},
    [K_AUTHORITATIVE] = {.name = "authoritative",
                         .kind = KEY_BOOL,
                         .def = "no",
                         .doc = "yes: the server must answer from a zone of its own (AA)."},
    [K_FAMILY] = FAMILY_KEY("The family of the servers' addresses to use: any, 4 or 6."),
};

/* "?type=MX" */
static int take_options(struct dns_conf *c, const char *options, struct err *e)
{
    c->type = dns_type_number("A");
    if (!*options)
        return 0;
    if (!str_starts(options, "?type="))
        return err_set(e, "expected ?type=A after the name, not \"%.60s\"", options);
    c->type = dns_type_number(options + strlen("?type="));
    return c->type ? 0
                   : err_set(e,
                             "the type \"%.60s\" is not known: expected A, AAAA, CAA, CNAME, MX, "
                             "NS, PTR, SOA, SRV or TXT",
                             options + strlen("?type="));
}

static int take_query(struct dns_conf *c, const char *text, struct err *e)
{
    unsigned char question[DNS_QUESTION_MAX];
    c->tcp = strncasecmp(text, "dns+tcp://", 10) == 0;
    const char *server = text + (c->tcp ? 10 : 6);
    if (!c->tcp && strncasecmp(text, "dns://", 6) != 0)
        return err_set(e, "expected dns://server/name?type=A");
    size_t len = strcspn(server, "/");
    if (!server[len])
        return err_set(e, "there is no /name behind the server");
    const char *name = server + len + 1, *options = name + strcspn(name, "?");
    char *host = str_dup_n(server, len);
    c->name = str_dup_n(name, (size_t)(options - name));
    int rc = host && c->name ? 0 : err_set(e, "out of memory");
    if (rc == 0 && *host)
        rc = endpoint_parse(&c->server, host, DNS_PORT, e);
    free(host);
    if (rc < 0 || take_options(c, options, e) < 0)
        return -1;
    return dns_question(question, 0, c->name, c->type, e) ? 0 : -1;
}

void dns_conf_dispose(void *conf)
{
    struct dns_conf *c = conf;
    endpoint_fini(&c->server);
    free(c->name);
    pattern_free(c->expect);
    free(c);
}

void *dns_conf_prepare(const struct probe_value *v, struct probe_report *report, char **target)
{
    struct dns_conf *c = calloc(1, sizeof *c);
    struct prepare p = {.values = v, .report = report};
    struct err e;
    if (!c)
        return NULL;
    c->authoritative = v[K_AUTHORITATIVE].num != 0;
    if (!v[K_QUERY].text)
        p.failed = true; /* KEY_REQUIRED: reported by the configuration */
    else if (take_query(c, v[K_QUERY].text, &e) < 0)
        prepare_fail(&p, K_QUERY, e.text);
    else if (endpoint_set_family(&c->server, family_of(&v[K_FAMILY]), &e) < 0)
        prepare_fail(&p, K_FAMILY, e.text);
    if (v[K_EXPECT].text && !(c->expect = pattern_new(v[K_EXPECT].text, &e)))
        prepare_fail(&p, K_EXPECT, e.text);
    if (p.failed) {
        dns_conf_dispose(c);
        return NULL;
    }
    bool is_said = strchr(v[K_QUERY].text, '?') || c->type != dns_type_number("A");
    *target = str_format("%s%s", v[K_QUERY].text, is_said ? "" : "?type=A");
    return c;
}
