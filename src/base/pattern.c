/* pattern: see pattern.h. */
#include "base/pattern.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

struct pattern {
    regex_t regex;
    char *text;
};

static bool has_back_reference(const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p == '\\') {
            p++;
            if (*p >= '1' && *p <= '9')
                return true;
            if (!*p)
                break;
        }
    return false;
}

struct pattern *pattern_new(const char *text, struct err *e)
{
    if (has_back_reference(text)) {
        err_set(e, "back-references (\\1 to \\9) are not supported");
        return NULL;
    }
    struct pattern *p = calloc(1, sizeof *p);
    char *copy = strdup(text);
    if (!p || !copy) {
        err_set(e, "out of memory");
        goto fail;
    }
    int rc = regcomp(&p->regex, text, REG_EXTENDED | REG_NOSUB);
    if (rc != 0) {
        char words[128];
        regerror(rc, &p->regex, words, sizeof words);
        err_set(e, "not a regular expression (POSIX extended): %s", words);
        goto fail;
    }
    p->text = copy;
    return p;
fail:
    free(copy);
    free(p);
    return NULL;
}

void pattern_free(struct pattern *p)
{
    if (!p)
        return;
    regfree(&p->regex);
    free(p->text);
    free(p);
}

bool pattern_find(const struct pattern *p, const char *data, size_t len)
{
    char *copy = str_dup_n(data, len);
    if (!copy)
        return false;
    for (char *nul = copy; (nul = memchr(nul, '\0', len - (size_t)(nul - copy))); nul++)
        *nul = ' ';
    bool found = regexec(&p->regex, copy, 0, NULL, 0) == 0;
    free(copy);
    return found;
}

const char *pattern_text(const struct pattern *p)
{
    return p->text;
}
