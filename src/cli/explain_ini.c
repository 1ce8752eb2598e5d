/* explain_ini: the configuration as INI; see explain.h. What it prints reads back as the same
 * settings, but for what is hidden. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/explain.h"
#include "config/keys.h"
#include "config/shown.h"
#include "config/target.h"

#define NUMBER_MAX 8 /* what may follow a name that is taken */

/* Says where a value comes from, once for several keys in a row of the same origin. */
static void add_origin(struct buf *out, char *last, size_t size, const struct probe_value *v,
                       const char *path)
{
    char origin[320];
    if (!v->given)
        snprintf(origin, sizeof origin, "# default\n");
    else if (v->line && path)
        snprintf(origin, sizeof origin, "# %.280s:%d\n", path, v->line);
    else if (v->line)
        snprintf(origin, sizeof origin, "# of the agent\n");
    else
        snprintf(origin, sizeof origin, "# given on the command line\n");
    if (strcmp(origin, last) != 0)
        buf_puts(out, origin);
    snprintf(last, size, "%s", origin);
}

static void add_table(struct buf *out, const struct probe_key *keys, const struct probe_value *v,
                      size_t n, const char *path, bool given_only)
{
    char last[320] = "";
    for (size_t k = 0; k < n; k++) {
        if (!v[k].text || (given_only && !v[k].given))
            continue;
        add_origin(out, last, sizeof last, &v[k], path);
        shown_add_value(out, &keys[k], &v[k]);
    }
    const char *lead = "# not set: ";
    for (size_t k = 0; k < n && !given_only; k++) {
        if (v[k].text)
            continue;
        buf_printf(out, "%s%s", lead, keys[k].name);
        lead = ", ";
    }
    if (*lead == ',')
        buf_putc(out, '\n');
}

void explain_ini_agent(struct buf *out, const struct agent_conf *agent, const char *path)
{
    buf_puts(out, "[agent]\n");
    add_table(out, config_agent_keys, agent->values, config_n_agent_keys, path, false);
}

/* A URL's probe is named by the URL, which is no name in a file: one is made of it. */
static void add_name(struct buf *out, const char *name)
{
    if (target_is_name(name)) {
        buf_puts(out, name);
        return;
    }
    const char *host = strstr(name, "://");
    host = host ? host + 3 : strchr(name, ':') ? strchr(name, ':') + 1 : name;
    const char *at = strrchr(host, '@');
    host = at ? at + 1 : host;
    for (; *host && out->len < TARGET_NAME_MAX - NUMBER_MAX; host++) {
        char one[2] = {*host, '\0'};
        bool fits = target_is_name(one) || *host == '.' || *host == '-';
        if (fits && (out->len || target_is_name(one)))
            buf_putc(out, *host);
        else if (!fits && out->len && host[1] && out->data[out->len - 1] != '-')
            buf_putc(out, '-');
    }
    while (out->len && out->data[out->len - 1] == '-')
        out->data[--out->len] = '\0';
    if (!out->len)
        buf_puts(out, "target");
}

/* The section's name: the probe's own, or for a URL one made of that; NULL out of memory. */
static const char *section_name(struct explain_names *used, const char *name)
{
    struct buf b;
    if (!used->list && !(used->list = calloc(used->most + 1, sizeof *used->list)))
        return NULL;
    buf_init(&b, 4 * TARGET_NAME_MAX);
    add_name(&b, name);
    size_t len = b.len;
    for (int n = 2; !b.failed && names_get(&used->set, b.data) != NAMES_NONE; n++) {
        b.len = len;
        buf_printf(&b, "-%d", n);
    }
    char *section = buf_take(&b);
    if (!section || names_put(&used->set, section, 0) < 0) {
        free(section);
        return NULL;
    }
    used->list[used->n++] = section;
    return section;
}

void explain_names_fini(struct explain_names *used)
{
    for (size_t i = 0; i < used->n; i++)
        free(used->list[i]);
    free(used->list);
    names_fini(&used->set);
}

void explain_ini_probe(struct buf *out, const struct check_conf *c, struct explain_names *used,
                       const char *path, bool given_only)
{
    const char *section = section_name(used, c->name);
    if (!section) {
        out->failed = true;
        return;
    }
    buf_printf(out, "[probe %s]\n", section);
    if (c->common[COMMON_TYPE].given)
        add_table(out, config_common_keys, c->common, COMMON_TYPE + 1, path, false);
    else
        buf_printf(out, "# from the key or URL of the target\ntype = %s\n", c->type->name);
    add_table(out, c->type->keys, c->values, c->type->n_keys, path, given_only);
    size_t next = COMMON_TYPE + 1;
    add_table(out, config_common_keys + next, c->common + next, config_n_common_keys - next, path,
              given_only);
}
