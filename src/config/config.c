/* config: from a file and targets to a configuration; see config.h. The order of things: read,
 * sort out the sections, [agent], [defaults], each probe, what they say of each other, and only on
 * a good file the targets of the command line. */
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "config/after.h"
#include "config/agent.h"
#include "config/build.h"
#include "config/ini_reader.h"
#include "config/select.h"
#include "config/target.h"

#define DEFAULT_PATH "/etc/probe/probe.ini"

struct config_load {
    struct config_source src;
    const char *path; /* NULL: no file */
    struct config_report *report;
    struct config *config;
    struct ini_file ini;
    const struct ini_section *agent, *defaults; /* NULL: not in the file */
    struct builder builder;
    struct loaded *probes;
    size_t n_probes;
    struct names names;
    struct names targets; /* the words of the command line; only with settings of it */
    bool has_secret;
};

const char *config_default_path(void)
{
    const char *path = getenv("PROBE_CONFIG");
    if (path && *path)
        return path;
    return access(DEFAULT_PATH, F_OK) == 0 ? DEFAULT_PATH : NULL;
}

static struct source source_of(struct config_load *l, const struct ini_section *section)
{
    return (struct source){.report = l->report,
                           .file = l->path,
                           .section = section ? section->name : "agent",
                           .line = section ? section->line : 0,
                           .lossy = section && section->lossy};
}

/* ---- Sections ---- */

static void section_problem(struct config_load *l, const struct ini_section *s, const char *text)
{
    char where[100];
    snprintf(where, sizeof where, "[%.80s]", s->name);
    config_report_add(l->report, true, l->path, s->line, where, "%s", text);
}

static void unknown_section(struct config_load *l, const struct ini_section *s)
{
    static const char *const words[] = {"agent", "defaults", "probe"};
    char first[32];
    snprintf(first, sizeof first, "%.*s", (int)strcspn(s->name, " "), s->name);
    const char *near =
        config_report_suggests(l->report) ? str_nearest(first, words, ARRAY_LEN(words)) : NULL;
    bool bare = !near && target_is_name(s->name); /* [web], as other programs have it */
    char *text = str_format("unknown section, expected [agent], [defaults] or [probe NAME]%s%s%s%s",
                            near || bare ? "; did you mean [" : "",
                            near   ? near
                            : bare ? "probe "
                                   : "",
                            near == words[2] ? " NAME"
                            : bare           ? s->name
                                             : "",
                            near || bare ? "]?" : "");
    section_problem(l, s, text ? text : "unknown section");
    free(text);
}

static void once(struct config_load *l, const struct ini_section **slot,
                 const struct ini_section *s)
{
    char *text =
        *slot ? str_format("a section given twice, first on line %d", (*slot)->line) : NULL;
    if (text)
        section_problem(l, s, text);
    free(text);
    if (!*slot)
        *slot = s;
}

static int add_probe(struct config_load *l, const struct ini_section *s, const char *name)
{
    if (!target_is_name(name)) {
        section_problem(l, s,
                        "not a name, expected [probe NAME] with letters, digits, '.', '_' "
                        "and '-', at most 63");
        return 0;
    }
    uint32_t at = names_get(&l->names, name);
    if (at != NAMES_NONE) {
        const struct ini_section *first = &l->ini.sections[(size_t)l->probes[at].line];
        once(l, &first, s);
        return 0;
    }
    struct loaded *p = &l->probes[l->n_probes];
    *p = (struct loaded){.name = strdup(name)};
    p->line = (int)(s - l->ini.sections); /* its place there, until it is built */
    if (!p->name || names_put(&l->names, p->name, (uint32_t)l->n_probes) < 0) {
        free(p->name);
        return -1;
    }
    l->n_probes++;
    return 0;
}

static int sort_section(struct config_load *l, const struct ini_section *s)
{
    if (strcmp(s->name, "agent") == 0)
        once(l, &l->agent, s);
    else if (strcmp(s->name, "defaults") == 0)
        once(l, &l->defaults, s);
    else if (strcmp(s->name, "probe") == 0 || str_starts(s->name, "probe "))
        return add_probe(l, s, s->name + (s->name[5] ? 6 : 5));
    else
        unknown_section(l, s);
    return 0;
}

/* ---- Their content ---- */

/* NULL for a section that is empty or not there. */
static const struct ini_entry *entries_of(const struct config_load *l,
                                          const struct ini_section *section)
{
    return section && section->n ? l->ini.entries + section->first : NULL;
}

static void read_probe(struct config_load *l, struct loaded *p)
{
    const struct ini_section *section = &l->ini.sections[p->line];
    const struct ini_entry *entries = entries_of(l, section);
    struct source s = source_of(l, section);
    p->line = section->line;
    for (size_t i = 0; i < section->n; i++)
        if (strcmp(entries[i].key, "after") == 0)
            p->after_line = entries[i].line;
    s.no_sets = l->src.n_targets && names_get(&l->targets, p->name) == NAMES_NONE;
    p->conf = build_check(&l->builder, p->name, entries, section->n, &s);
    if (p->conf)
        p->conf->of_file = true;
    l->has_secret = l->has_secret || s.has_secret;
}

/* ---- In order; -1: nothing more is to be seen, which is reported, or memory is short ---- */

static int read_file(struct config_load *l)
{
    l->builder.keep_values = l->src.keep_values;
    l->builder.keep_settings = l->src.for_agent;
    l->builder.check_ready_file = l->src.check_ready_file;
    if (!l->path)
        return 0;
    if (!(l->config->path = strdup(l->path)))
        return -1;
    if (l->src.text)
        return ini_read_text(&l->ini, l->path, l->src.text, l->src.text_len, l->report);
    config_report_add_file(l->report, l->path);
    return ini_read_file(&l->ini, l->path, l->report);
}

/* Of all probes of a file, only those are meant that are targets. */
static int read_sets(struct config_load *l)
{
    for (size_t i = 0; l->src.n_sets && i < l->src.n_targets; i++)
        if (names_get(&l->targets, l->src.targets[i]) == NAMES_NONE &&
            names_put(&l->targets, l->src.targets[i], 0) < 0)
            return -1;
    return sets_init(&l->builder.sets, l->src.sets, l->src.n_sets, &l->builder.lookup, l->report);
}

static int sort_sections(struct config_load *l)
{
    if (!(l->probes = calloc(l->ini.n_sections + 1, sizeof *l->probes)))
        return -1;
    for (size_t i = 0; i < l->ini.n_sections; i++)
        if (sort_section(l, &l->ini.sections[i]) < 0)
            return -1;
    return 0;
}

static int read_common(struct config_load *l)
{
    struct source s = source_of(l, l->agent);
    const struct ini_section *a = l->agent;
    if (agent_conf_read(&l->config->agent, &l->builder, entries_of(l, a), a ? a->n : 0, &s) < 0)
        return -1;
    l->has_secret = s.has_secret;
    if (l->defaults) {
        s = source_of(l, l->defaults);
        builder_defaults(&l->builder, entries_of(l, l->defaults), l->defaults->n, &s);
        l->has_secret = l->has_secret || s.has_secret;
    }
    return 0;
}

/* Also what only all probes together show. */
static void read_probes(struct config_load *l)
{
    for (size_t i = 0; i < l->n_probes; i++)
        read_probe(l, &l->probes[i]);
    for (size_t i = 0; i < l->n_probes && !l->src.partial; i++)
        after_check_names(l->probes, l->n_probes, i, &l->names, l->path, l->report);
    if (l->n_probes)
        after_check_circles(l->probes, l->n_probes, &l->names, l->path, l->report);
    if (l->has_secret && (l->ini.mode & S_IROTH))
        config_report_add(l->report, false, l->path, 0, NULL,
                          "holds secrets and can be read by everybody, expected mode 0640 or less");
    struct source s = {.report = l->report, .file = l->path, .section = "agent"};
    if (l->path && !l->src.text && l->src.for_agent) /* it says what is run, and as whom */
        source_expect_safe(&s, 0, NULL, l->path);
}

/* An agent that watches nothing would be ready for ever: a mount was forgotten, or a file is empty.
 * That a share is empty is no error: other shares have the probes. */
static void expect_probes(struct config_load *l)
{
    if (l->src.n_targets || l->n_probes || l->config->agent.allow_empty)
        return;
    if (l->path)
        config_report_add(l->report, true, l->path, 0, NULL,
                          "nothing to watch, expected a section [probe NAME], or allow_empty = yes "
                          "in [agent]");
    else
        config_report_add(l->report, true, NULL, 0, "nothing to watch",
                          "no configuration file, expected -c FILE, $PROBE_CONFIG, " DEFAULT_PATH
                          " or targets");
}

static enum config_rc load(struct config_load *l)
{
    if (!l->config || builder_init(&l->builder, l->report) < 0 || read_file(l) < 0)
        return CONFIG_BAD;
    size_t before = l->report->errors; /* of the options: no reason not to look at the targets */
    builder_overrides(&l->builder, l->src.overrides, l->report);
    if (read_sets(l) < 0)
        return CONFIG_BAD;
    size_t bad_options = l->report->errors - before;
    if (sort_sections(l) < 0 || read_common(l) < 0)
        return CONFIG_BAD;
    read_probes(l);
    if (l->src.for_agent && !l->report->errors)
        expect_probes(l);
    if (l->report->errors > bad_options || select_checks(l->config, &l->builder, &l->src, l->probes,
                                                         l->n_probes, &l->names, l->report) < 0)
        return CONFIG_BAD;
    if (l->report->errors == bad_options)
        sets_expect_used(&l->builder.sets, &l->builder.lookup, l->report);
    return l->report->errors ? CONFIG_BAD_TARGET : CONFIG_OK;
}

enum config_rc config_load(const struct config_source *src, struct config **out,
                           struct config_report *report)
{
    struct config_load l = {.src = *src,
                            .path = src->path ? src->path : config_default_path(),
                            .report = report,
                            .config = calloc(1, sizeof *l.config)};
    report->lint = src->lint;
    names_init(&l.names);
    names_init(&l.targets);
    enum config_rc rc = load(&l);
    if (rc == CONFIG_BAD && !report->errors)
        config_report_add(report, true, l.path, 0, NULL, "out of memory");
    for (size_t i = 0; i < l.n_probes; i++) {
        check_conf_unref(l.probes[i].conf);
        free(l.probes[i].name);
    }
    free(l.probes);
    names_fini(&l.names);
    names_fini(&l.targets);
    builder_fini(&l.builder);
    ini_file_fini(&l.ini);
    config_report_finish(report);
    *out = rc == CONFIG_OK ? l.config : NULL;
    if (!*out)
        config_free(l.config);
    return rc;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_checks; i++)
        check_conf_unref(c->checks[i]);
    free(c->checks);
    agent_conf_fini(&c->agent);
    free(c->path);
    free(c);
}
