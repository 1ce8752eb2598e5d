/* hints: see hints.h. */
#include "config/hints.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/str.h"
#include "registry.h"

/* In small letters, without '_' and '-': Kubernetes writes failureThreshold, Terraform
 * failure_threshold. The keys are in the order in which they are named. */
static const struct {
    const char *word, *keys[3];
} brought[] = {
    {"status", {"expect_status"}},
    {"statuscode", {"expect_status"}},
    {"statuscodes", {"expect_status"}},
    {"validstatuscodes", {"expect_status"}},
    {"expectedstatus", {"expect_status"}},
    {"expectedcodes", {"expect_status"}},
    {"exitcode", {"expect_exit"}},
    {"host", {"address", "url", "uri"}},
    {"hostname", {"address", "url", "uri"}},
    {"port", {"address", "url", "uri"}},
    {"addr", {"address", "url", "uri"}},
    {"endpoint", {"address", "url", "uri"}},
    {"server", {"address", "uri"}},
    {"path", {"url"}},
    {"httpget", {"url"}},
    {"tcpsocket", {"address"}},
    {"http", {"url"}},
    {"tcp", {"address"}},
    {"dsn", {"uri"}},
    {"connectionstring", {"uri"}},
    {"test", {"command"}},
    {"cmd", {"command"}},
    {"script", {"command"}},
    {"args", {"command"}},
    {"environment", {"env"}},
    {"failures", {"retries"}},
    {"failurethreshold", {"retries"}},
    {"maxfailures", {"retries"}},
    {"failuresbeforecritical", {"retries"}},
    {"unhealthythreshold", {"retries"}},
    {"fall", {"retries"}},
    {"rise", {"success_threshold"}},
    {"healthythreshold", {"success_threshold"}},
    {"successbeforepassing", {"success_threshold"}},
    {"successes", {"success_threshold"}},
    {"period", {"interval"}},
    {"periodseconds", {"interval"}},
    {"inter", {"interval"}},
    {"every", {"interval"}},
    {"frequency", {"interval"}},
    {"timeoutseconds", {"timeout"}},
    {"maxtime", {"timeout"}},
    {"connecttimeout", {"timeout"}},
    {"initialdelayseconds", {"initial_delay"}},
    {"delay", {"initial_delay"}},
    {"graceperiod", {"start_period"}},
    {"startupperiod", {"start_period"}},
    {"fastinter", {"fail_interval"}},
    {"dependson", {"after"}},
    {"depends", {"after"}},
    {"tags", {"labels"}},
    {"insecure", {"tls_verify"}},
    {"skipverify", {"tls_verify"}},
    {"tlsskipverify", {"tls_verify"}},
    {"insecureskipverify", {"tls_verify"}},
    {"verify", {"tls_verify"}},
    {"ca", {"tls_ca"}},
    {"cafile", {"tls_ca"}},
    {"cacert", {"tls_ca"}},
    {"cert", {"tls_cert"}},
    {"certfile", {"tls_cert"}},
    {"sni", {"tls_server_name"}},
    {"servername", {"tls_server_name"}},
    {"headers", {"header", "metadata"}},
    {"httpheaders", {"header", "metadata"}},
    {"contains", {"expect_body", "expect", "expect_output"}},
    {"regex", {"expect_body", "expect", "expect_output"}},
    {"match", {"expect_body", "expect", "expect_output"}},
    {"username", {"user"}},
    {"pass", {"password"}},
    {"token", {"bearer_token"}},
    {"bearertoken", {"bearer_token"}},
    {"followredirect", {"follow_redirects"}},
    {"redirects", {"follow_redirects"}},
    {"payload", {"body", "send"}},
    {"data", {"body", "send"}},
};

/* What a type is called elsewhere; most are schemes of it, which need no line here. */
static const struct {
    const char *word, *type;
} types[] = {
    {"mariadb", "mysql"}, {"valkey", "redis"}, {"pgsql", "postgres"}, {"pg", "postgres"},
    {"web", "http"},      {"script", "exec"},  {"command", "exec"},   {"cmd", "exec"},
    {"shell", "exec"},    {"file", "exec"},    {"socket", "tcp"},     {"port", "tcp"},
};

static bool is_same_word(const char *word, const char *plain)
{
    for (; *word; word++) {
        if (*word == '_' || *word == '-')
            continue;
        if (tolower((unsigned char)*word) != *plain++)
            return false;
    }
    return !*plain;
}

/* Adds those that there are; the names are the table's, which lookup may keep. */
static void add_keys(struct buf *out, struct lookup *l, const char *const keys[3], uint64_t mask)
{
    for (size_t i = 0; i < 3 && keys[i]; i++) {
        const struct key_word *w = lookup_word(l, keys[i]);
        if (w && (w->common != LOOKUP_NONE || w->types & mask))
            buf_printf(out, "%s%s", out->len ? " or " : "", keys[i]);
    }
}

char *hints_key(struct lookup *l, const char *word, uint64_t mask)
{
    struct buf out;
    buf_init(&out, 256);
    for (size_t i = 0; i < ARRAY_LEN(brought); i++)
        if (is_same_word(word, brought[i].word))
            add_keys(&out, l, brought[i].keys, mask);
    char *text = out.len && !out.failed ? strdup(out.data) : NULL;
    buf_fini(&out);
    return text;
}

bool hints_is_switch(const char *word)
{
    return is_same_word(word, "enabled") || is_same_word(word, "enable") ||
           is_same_word(word, "disabled") || is_same_word(word, "disable");
}

static bool is_scheme_of(const struct probe_type *type, const char *word)
{
    size_t len = strlen(word);
    for (const struct probe_scheme *s = type->schemes; s && s->prefix; s++)
        if (strncasecmp(s->prefix, word, len) == 0 && s->prefix[len] == ':')
            return true;
    return false;
}

const char *hints_type(const char *word)
{
    const char *names[LOOKUP_TYPES];
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (strcasecmp(types[i].word, word) == 0 && lookup_type(types[i].type) != LOOKUP_NONE)
            return types[i].type;
    for (; n < LOOKUP_TYPES && probe_types[n]; n++) {
        if (is_scheme_of(probe_types[n], word))
            return probe_types[n]->name;
        names[n] = probe_types[n]->name;
    }
    return str_nearest(word, names, n);
}
