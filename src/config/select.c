/* select: see select.h. */
#include "config/select.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "config/redact.h"
#include "config/target.h"

struct selection {
    struct config *out;
    struct builder *b;
    const struct loaded *probes; /* of the file */
    size_t n_probes;
    const struct names *known; /* of the file */
    struct names words;        /* targets seen */
    struct names chosen;       /* names of out->checks, to their indexes */
    struct config_report *report;
};

static bool is_config_file(const char *word)
{
    size_t len = strlen(word);
    return len > 4 && strcmp(word + len - 4, ".ini") == 0 && access(word, F_OK) == 0;
}

static void unknown_target(struct selection *s, const char *word)
{
    const char **names = calloc(s->n_probes + 1, sizeof *names);
    for (size_t i = 0; names && i < s->n_probes; i++)
        names[i] = s->probes[i].name;
    char *near = names && config_report_suggests(s->report)
                     ? target_suggest(word, names, s->n_probes)
                     : NULL;
    char *shown = redact_url(word), *shown_near = near ? redact_url(near) : NULL;
    const char *what = s->out->path ? "neither a probe of the configuration nor a URL"
                       : shown_near ? "not a URL"
                                    : "not a URL, and no configuration file was read that could "
                                      "have a probe of that name (expected -c FILE)";
    size_t equals = strcspn(word, "=");
    if (word[equals] && strcspn(word, ":/") > equals)
        what = word[equals + 1] ? "not a URL after the =" : "no URL after the =";
    if (shown_near)
        config_report_add(s->report, true, NULL, 0, shown ? shown : "target",
                          "%s, did you mean %s?", what, shown_near);
    else if (is_config_file(word))
        config_report_add(s->report, true, NULL, 0, shown ? shown : "target",
                          "a file, expected -c before it to read it as the configuration");
    else
        config_report_add(s->report, true, NULL, 0, shown ? shown : "target",
                          "%s; a URL begins with http://, tcp:// or such, see 'probe help targets'",
                          what);
    free(names);
    free(near);
    free(shown);
    free(shown_near);
}

/* Takes over the reference. */
static int add(struct selection *s, struct check_conf *c)
{
    if (names_put(&s->chosen, c->name, (uint32_t)s->out->n_checks) < 0) {
        check_conf_unref(c);
        return -1;
    }
    s->out->checks[s->out->n_checks++] = c;
    return 0;
}

/* A URL's probe is named by the URL, in one line and without credentials; where that makes two the
 * same, by a number too. */
static char *name_of_url(struct selection *s, const char *url)
{
    char *base = redact_url(url);
    if (!base)
        return NULL;
    str_printable(base, strlen(base));
    char *name = strdup(base);
    for (int n = 2; name && names_get(&s->chosen, name) != NAMES_NONE; n++) {
        free(name);
        name = str_format("%s#%d", base, n);
    }
    free(base);
    return name;
}

static int add_url(struct selection *s, const char *word, size_t name_len)
{
    const char *url = name_len ? word + name_len + 1 : word;
    char *name = name_len ? str_dup_n(word, name_len) : name_of_url(s, url);
    char *shown = redact_url(word);
    int rc = name && shown ? 0 : -1;
    if (rc == 0 && names_get(&s->chosen, name) != NAMES_NONE) {
        config_report_add(s->report, true, NULL, 0, shown, "a second target of that name");
    } else if (rc == 0) {
        struct source source = {.report = s->report, .section = shown};
        struct ini_entry entry = {.key = "target", .value = url};
        struct check_conf *c = build_check(s->b, name, &entry, 1, &source);
        if (c && c->type && c->type->only_configured)
            source_problem(&source, true, 0, NULL,
                           "a check of type %s can stand in a configuration only", c->type->name);
        if (c && source.errors)
            check_conf_unref(c);
        else
            rc = c ? add(s, c) : -1;
    }
    free(name);
    free(shown);
    return rc;
}

static int add_word(struct selection *s, const char *word)
{
    if (names_get(&s->words, word) != NAMES_NONE)
        return 0;
    if (names_put(&s->words, word, 0) < 0)
        return -1;
    uint32_t at = names_get(s->known, word);
    if (at != NAMES_NONE) {
        if (names_get(&s->chosen, word) == NAMES_NONE)
            return add(s, check_conf_ref(s->probes[at].conf));
        config_report_add(s->report, true, NULL, 0, word, "a second target of that name");
        return 0;
    }
    size_t type, name_len = target_name_len(word);
    const struct probe_scheme *scheme;
    if (name_len || target_scheme(word, &type, &scheme))
        return add_url(s, word, name_len);
    unknown_target(s, word);
    return 0;
}

/* All of the file's, or this agent's share of them. */
static int add_share(struct selection *s)
{
    const struct agent_conf *a = &s->out->agent;
    bool all = a->n_shards <= 1;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < s->n_probes; i++) {
        struct check_conf *c = s->probes[i].conf;
        if (all) /* no name will be looked up */
            s->out->checks[s->out->n_checks++] = check_conf_ref(c);
        else if (names_hash(c->name) % a->n_shards == a->shard)
            rc = add(s, check_conf_ref(c));
    }
    return rc;
}

/* What `after` of URLs says, which only --set gives them: other targets, and no circle. */
static int check_after(struct selection *s)
{
    size_t n = s->out->n_checks;
    struct loaded *all = calloc(n + 1, sizeof *all);
    if (!all)
        return -1;
    for (size_t i = 0; i < n; i++) {
        struct check_conf *c = s->out->checks[i];
        all[i] = (struct loaded){.name = c->name, .conf = c};
    }
    for (size_t i = 0; i < n; i++)
        if (!s->out->checks[i]->of_file)
            after_check_names(all, n, i, &s->chosen, NULL, s->report);
    after_check_circles(all, n, &s->chosen, NULL, s->report);
    free(all);
    return 0;
}

/* What a check waits for is not watched unless it was chosen too. */
static void drop_unwatched(struct selection *s)
{
    for (size_t i = 0; i < s->out->n_checks; i++) {
        struct check_conf *c = s->out->checks[i];
        size_t kept = 0;
        for (size_t j = 0; j < c->n_after; j++)
            if (names_get(&s->chosen, c->after[j]) != NAMES_NONE &&
                strcmp(c->after[j], c->name) != 0)
                c->after[kept++] = c->after[j];
            else
                free(c->after[j]);
        c->n_after = kept;
    }
}

int select_checks(struct config *out, struct builder *b, const struct config_source *src,
                  const struct loaded *probes, size_t n, const struct names *names,
                  struct config_report *report)
{
    struct selection s = {
        .out = out, .b = b, .probes = probes, .n_probes = n, .known = names, .report = report};
    size_t most = src->n_targets ? src->n_targets : n;
    out->checks = calloc(most + 1, sizeof *out->checks);
    if (!out->checks)
        return -1;
    int rc = 0;
    if (!src->n_targets)
        rc = add_share(&s);
    for (size_t i = 0; rc == 0 && i < src->n_targets; i++)
        rc = add_word(&s, src->targets[i]);
    if (rc == 0 && src->n_targets && src->n_sets)
        rc = check_after(&s);
    if (src->n_targets || out->agent.n_shards > 1)
        drop_unwatched(&s);
    names_fini(&s.words);
    names_fini(&s.chosen);
    return rc;
}
