/* check_conf: the life of one configured probe; see config.h. */
#include <stdlib.h>

#include "config/config.h"
#include "config/labels.h"
#include "config/value.h"

struct check_conf *check_conf_ref(struct check_conf *c)
{
    c->refs++;
    return c;
}

static void free_values(struct probe_value *v, size_t n)
{
    for (size_t i = 0; v && i < n; i++)
        value_fini(&v[i]);
    free(v);
}

void check_conf_unref(struct check_conf *c)
{
    if (!c || --c->refs)
        return;
    if (c->conf)
        c->type->dispose(c->conf);
    free(c->settings);
    free_values(c->common, config_n_common_keys);
    if (c->values)
        free_values(c->values, c->type->n_keys);
    for (size_t i = 0; i < c->n_after; i++)
        free(c->after[i]);
    free(c->after);
    labels_fini(&c->labels);
    free(c->name);
    free(c->target);
    free(c->fingerprint);
    mask_fini(&c->mask);
    free(c);
}
