/* resolve_search: see resolve_search.h. Our own, because c-ares walks the list for each family
 * alone: the IPv6 lookup of a name with an IPv4 address only would go on to the next domain and may
 * find another host there. */
#include "net/resolve_search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/endpoint.h"
#include "base/str.h"
#include "net/address.h"

#define BLANKS    " \t\r\f\v"
#define FILE_MAX  ((size_t)64 * 1024)
#define NDOTS_MAX 15 /* as resolv.conf(5) has it */
#define DNS_PORT  53

static void take_domains(struct resolve_search *s, char *words)
{
    s->n_domains = 0;
    for (char *word; (word = strsep(&words, BLANKS));) {
        size_t len = strlen(word);
        if (len && word[len - 1] == '.')
            word[--len] = '\0';
        if (!len)
            continue;
        if (len >= RESOLVE_NAME_SIZE || s->n_domains == RESOLVE_DOMAINS)
            s->cut = true;
        else
            s->domains[s->n_domains++] = word;
    }
}

static void take_options(struct resolve_search *s, char *words)
{
    for (char *word; (word = strsep(&words, BLANKS));)
        if (str_starts(word, "ndots:")) {
            int n = atoi(word + strlen("ndots:"));
            s->ndots = n < 0 ? 0 : n > NDOTS_MAX ? NDOTS_MAX : (unsigned)n;
        } else if (strcmp(word, "use-vc") == 0) {
            s->use_vc = true;
        }
}

static void ignore_server(struct resolve_search *s, const char *word)
{
    size_t used = strlen(s->ignored);
    char shown[40];
    snprintf(s->ignored + used, sizeof s->ignored - used, "%s\"%s\"", used ? ", " : "",
             str_excerpt(word, strlen(word), shown, sizeof shown));
}

/* "127.0.0.11", "fe80::1%eth0" */
static void take_server(struct resolve_search *s, char *words)
{
    struct sockaddr_in6 a;
    char *word = strsep(&words, BLANKS ";#");
    while (word && !*word)
        word = strsep(&words, BLANKS ";#");
    if (!word)
        return;
    bool valid = endpoint_address(&(struct endpoint){.host = word, .port = DNS_PORT}, &a);
    bool no_interface = valid && a.sin6_family == AF_INET6 && !a.sin6_scope_id &&
                        (strchr(word, '%') || IN6_IS_ADDR_LINKLOCAL(&a.sin6_addr));
    if (!valid || no_interface || s->n_servers == RESOLVE_SERVERS)
        ignore_server(s, word);
    else
        s->servers[s->n_servers++] = a;
}

void resolve_search_parse(struct resolve_search *s, char *text)
{
    for (char *line; (line = strsep(&text, "\n"));) {
        char *key = strsep(&line, BLANKS);
        if (!line)
            continue;
        if (strcmp(key, "search") == 0 || strcmp(key, "domain") == 0)
            take_domains(s, line);
        else if (strcmp(key, "nameserver") == 0)
            take_server(s, line);
        else if (strcmp(key, "options") == 0)
            take_options(s, line);
    }
}

/* Without a `search` it is the domain that this machine is in. */
static void take_own_domain(struct resolve_search *s)
{
    char name[RESOLVE_NAME_SIZE] = "";
    if (gethostname(name, sizeof name - 1) == 0 && strchr(name, '.') &&
        (s->texts[0] = strdup(strchr(name, '.') + 1)))
        take_domains(s, s->texts[0]);
}

static void take_environment(struct resolve_search *s)
{
    const char *domain = getenv("LOCALDOMAIN"), *options = getenv("RES_OPTIONS");
    char *copy = options ? strdup(options) : NULL;
    if (domain && (s->texts[1] = strdup(domain)))
        take_domains(s, s->texts[1]);
    if (copy)
        take_options(s, copy);
    free(copy);
}

static void take_file(struct resolve_search *s)
{
    FILE *f = fopen("/etc/resolv.conf", "re");
    char *text = f ? malloc(FILE_MAX + 1) : NULL;
    if (text) {
        size_t n = fread(text, 1, FILE_MAX, f);
        s->cut = n == FILE_MAX;
        text[n] = '\0';
        s->texts[2] = realloc(text, n + 1);
        resolve_search_parse(s, s->texts[2]);
    }
    if (f)
        fclose(f);
}

/* $PROBE_DNS_SERVERS in place of those of resolv.conf. */
static int take_servers(struct resolve_search *s, const char *list, struct err *e)
{
    char *copy = strdup(list), *rest = copy;
    int rc = copy ? 0 : err_set(e, "out of memory");
    s->n_servers = 0;
    s->ignored[0] = '\0';
    for (char *word; rc == 0 && (word = strsep(&rest, ", "));) {
        struct endpoint ep = {0};
        struct sockaddr_in6 *a = &s->servers[s->n_servers];
        bool bare_v6 = *word && word[0] != '[' && strchr(word, ':') != strrchr(word, ':');
        if (!*word)
            continue;
        if (s->n_servers == RESOLVE_SERVERS)
            rc = err_set(e, "PROBE_DNS_SERVERS has more than %d servers", RESOLVE_SERVERS);
        else if (bare_v6 ? endpoint_address(&(struct endpoint){.host = word, .port = DNS_PORT}, a)
                         : endpoint_parse(&ep, word, DNS_PORT, e) == 0 && ep.host &&
                               endpoint_address(&ep, a))
            s->n_servers++;
        else
            rc = err_set(e, "PROBE_DNS_SERVERS is not a list of addresses: \"%s\"", word);
        endpoint_fini(&ep);
    }
    free(copy);
    return rc;
}

int resolve_search_load(struct resolve_search *s, struct err *e)
{
    const char *servers = getenv("PROBE_DNS_SERVERS");
    *s = (struct resolve_search){.ndots = 1};
    take_own_domain(s);
    take_file(s);
    take_environment(s);
    return servers && *servers ? take_servers(s, servers, e) : 0;
}

void resolve_search_servers(const struct resolve_search *s, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < s->n_servers && used < size; i++) {
        char text[DIAL_TEXT_MAX];
        struct sockaddr_in6 a = s->servers[i];
        a.sin6_scope_id = 0; /* c-ares takes no zone */
        address_text(&a, text);
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? "," : "", text);
    }
}

void resolve_search_fini(struct resolve_search *s)
{
    for (size_t i = 0; i < ARRAY_LEN(s->texts); i++)
        free(s->texts[i]);
    *s = (struct resolve_search){0};
}

bool resolve_search_name(const struct resolve_search *s, const char *host, size_t i,
                         char out[RESOLVE_NAME_SIZE])
{
    size_t len = strlen(host), dots = 0;
    for (const char *p = host; *p; p++)
        dots += *p == '.';
    bool absolute = len && host[len - 1] == '.';
    bool itself_first = absolute || dots >= s->ndots;
    if (i > s->n_domains || (absolute && i > 0))
        return false;
    size_t itself = itself_first ? 0 : s->n_domains;
    int n;
    if (i == itself)
        n = snprintf(out, RESOLVE_NAME_SIZE, "%.*s", (int)(absolute ? len - 1 : len), host);
    else
        n = snprintf(out, RESOLVE_NAME_SIZE, "%s.%s", host, s->domains[itself_first ? i - 1 : i]);
    if (n >= RESOLVE_NAME_SIZE) /* too long to exist: an empty label says so */
        snprintf(out, RESOLVE_NAME_SIZE, "..");
    return true;
}
