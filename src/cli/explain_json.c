/* explain_json: the configuration as JSON; see explain.h. Durations are exact, in ns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/explain.h"
#include "config/keys.h"
#include "config/redact.h"

static void add_shown(struct jsonw *j, const char *name, const struct probe_key *key,
                      const char *text)
{
    char *shown = redact_item(key, text);
    jsonw_string(j, name, shown);
    free(shown);
}

static void add_value(struct jsonw *j, const struct probe_key *key, const struct probe_value *v)
{
    char name[96];
    snprintf(name, sizeof name, "%s%s", key->name, key->kind == KEY_DURATION ? "_ns" : "");
    bool list = key->kind == KEY_WORDS || key->kind == KEY_LINES;
    if (list) {
        jsonw_array(j, name);
        for (size_t i = 0; i < v->n_lines; i++)
            add_shown(j, NULL, key, v->lines[i]);
        jsonw_end(j);
    } else if (!v->text) {
        jsonw_null(j, name);
    } else if (key->kind == KEY_TEXT || key->kind == KEY_FILE || key->kind == KEY_CHOICE) {
        add_shown(j, name, key, v->text);
    } else if (key->kind == KEY_BOOL) {
        jsonw_bool(j, name, v->num != 0);
    } else {
        jsonw_int(j, name, v->num);
    }
}

static void add_levels(struct jsonw *j, unsigned levels)
{
    jsonw_array(j, config_common_keys[COMMON_LEVEL].name);
    if (levels & LEVEL_ALIVE)
        jsonw_string(j, NULL, "alive");
    if (levels & LEVEL_READY)
        jsonw_string(j, NULL, "ready");
    jsonw_end(j);
}

void explain_json_agent(struct jsonw *j, const struct agent_conf *agent)
{
    for (size_t k = 0; k < config_n_agent_keys; k++)
        add_value(j, &config_agent_keys[k], &agent->values[k]);
}

void explain_json_probe(struct jsonw *j, const struct check_conf *c)
{
    jsonw_string(j, "name", c->name);
    jsonw_string(j, "type", c->type->name);
    jsonw_string(j, "target", c->target);
    jsonw_object(j, "config");
    for (size_t k = 0; k < config_n_common_keys; k++) {
        if (k == COMMON_LEVEL)
            add_levels(j, c->levels);
        else if (k == COMMON_FAIL_INTERVAL && !c->common[k].text) /* what it comes to */
            jsonw_int(j, "fail_interval_ns", c->policy.interval);
        else
            add_value(j, &config_common_keys[k], &c->common[k]);
    }
    for (size_t k = 0; k < c->type->n_keys; k++)
        add_value(j, &c->type->keys[k], &c->values[k]);
    jsonw_end(j);
}
