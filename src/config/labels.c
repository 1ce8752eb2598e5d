/* labels: see labels.h. A name is what Prometheus takes as one (its data model), and none of those
 * that the metrics or the scrape have already. */
#include "config/labels.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

#define LABELS_MOST 16
#define LABEL_MOST  128 /* bytes of a name, or of a value */

static bool is_name(const char *text, size_t len)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    if (!len || strspn(text, letters) == 0)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!strchr(letters, text[i]) && !(text[i] >= '0' && text[i] <= '9'))
            return false;
    return true;
}

static bool is_taken(const char *name)
{
    static const char *const taken[] = {"name",   "type",     "target", "level", "required",
                                        "status", "reason",   "phase",  "le",    "job",
                                        "agent",  "instance", "member", "state"};
    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        if (strcmp(name, taken[i]) == 0)
            return true;
    return str_starts(name, "__");
}

static bool is_given(const struct labels *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->of[i].name, name) == 0)
            return true;
    return false;
}

/* What is wrong with it; NULL: nothing. */
static const char *find_fault(const struct labels *l, const char *name, const char *value)
{
    if (!is_name(name, strlen(name)) || !*value)
        return "is not a label, expected NAME=VALUE with letters, digits and _ in the name";
    if (strlen(name) > LABEL_MOST || strlen(value) > LABEL_MOST)
        return "is too long, expected at most 128 bytes each of name and value";
    if (is_taken(name))
        return "has a name that the metrics have already, expected another";
    if (is_given(l, name))
        return "is given twice";
    return l->n == LABELS_MOST ? "is one too many, expected at most 16 labels" : NULL;
}

int labels_read(struct labels *l, const struct probe_value *v, struct source *s)
{
    if (!v->n_lines)
        return 0;
    if (!(l->of = calloc(v->n_lines, sizeof *l->of)))
        return -1;
    for (size_t i = 0; i < v->n_lines; i++) {
        const char *text = v->lines[i];
        size_t len = strcspn(text, "=");
        char *name = str_dup_n(text, len), *value = strdup(text[len] ? text + len + 1 : "");
        const char *fault = name && value ? find_fault(l, name, value) : NULL;
        if (fault)
            source_problem(s, true, v->line, "labels", "\"%.60s\" %s", text, fault);
        if (name && value && !fault) {
            l->of[l->n++] = (struct label){name, value};
            continue;
        }
        bool failed = !name || !value;
        free(name);
        free(value);
        if (failed)
            return -1;
    }
    return 0;
}

void labels_fini(struct labels *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->of[i].name);
        free(l->of[i].value);
    }
    free(l->of);
    *l = (struct labels){0};
}

const char *identity_name(const struct identity *id, char host[IDENTITY_HOST])
{
    if (id->name)
        return id->name;
    if (gethostname(host, IDENTITY_HOST) < 0)
        host[0] = '\0';
    host[IDENTITY_HOST - 1] = '\0';
    return host;
}

void identity_fini(struct identity *id)
{
    free(id->name);
    labels_fini(&id->labels);
    *id = (struct identity){0};
}
