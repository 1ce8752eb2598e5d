/* resolve_search: see resolve_search.h. Our own, because c-ares walks the list for each family
 * alone: the IPv6 lookup of a name with an IPv4 address only would go on to the next domain and may
 * find another host there. */
#include "net/resolve_search.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

#define BLANKS    " \t\r\f\v"
#define FILE_MAX  16384
#define NDOTS_MAX 15 /* as resolv.conf(5) has it */

static void take_domains(struct resolve_search *s, char *words)
{
    s->n_domains = 0;
    for (char *word; (word = strsep(&words, BLANKS)) && s->n_domains < RESOLVE_DOMAINS;) {
        size_t len = strlen(word);
        if (len && word[len - 1] == '.')
            word[--len] = '\0';
        if (len && len < RESOLVE_NAME_SIZE)
            memcpy(s->domains[s->n_domains++], word, len + 1);
    }
}

static void take_options(struct resolve_search *s, char *words)
{
    for (char *word; (word = strsep(&words, BLANKS));)
        if (str_starts(word, "ndots:")) {
            int n = atoi(word + strlen("ndots:"));
            s->ndots = n < 0 ? 0 : n > NDOTS_MAX ? NDOTS_MAX : (unsigned)n;
        }
}

void resolve_search_parse(struct resolve_search *s, char *text)
{
    for (char *line; (line = strsep(&text, "\n"));) {
        char *key = strsep(&line, BLANKS);
        if (!line)
            continue;
        if (strcmp(key, "search") == 0 || strcmp(key, "domain") == 0)
            take_domains(s, line);
        else if (strcmp(key, "options") == 0)
            take_options(s, line);
    }
}

/* Without a `search` it is the domain that this machine is in. */
static void take_own_domain(struct resolve_search *s)
{
    char name[RESOLVE_NAME_SIZE] = "";
    if (gethostname(name, sizeof name - 1) == 0 && strchr(name, '.'))
        take_domains(s, strchr(name, '.') + 1);
}

static void take_environment(struct resolve_search *s)
{
    char text[1024];
    const char *domain = getenv("LOCALDOMAIN"), *options = getenv("RES_OPTIONS");
    if (domain) {
        snprintf(text, sizeof text, "%s", domain);
        take_domains(s, text);
    }
    if (options) {
        snprintf(text, sizeof text, "%s", options);
        take_options(s, text);
    }
}

void resolve_search_load(struct resolve_search *s)
{
    *s = (struct resolve_search){.ndots = 1};
    take_own_domain(s);
    FILE *f = fopen("/etc/resolv.conf", "re");
    if (f) {
        char text[FILE_MAX];
        size_t n = fread(text, 1, sizeof text - 1, f);
        fclose(f);
        text[n] = '\0';
        resolve_search_parse(s, text);
    }
    take_environment(s);
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
