/* sets: the settings of the command line, `--set [NAME.]KEY=VALUE`. They win over the file, and
 * those with a NAME over those without. */
#ifndef PROBE_CONFIG_SETS_H
#define PROBE_CONFIG_SETS_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "config/lookup.h"
#include "config/table.h"

#define SETS_MAX 1000 /* settings of one command line */

/* Splits the word behind --set. 0: the texts of `out` are the caller's (sets_fini_one). -1 with the
 * words, which hold nothing of the value: it may be a secret. */
int sets_parse(const char *word, struct config_set *out, struct err *e);
void sets_fini_one(struct config_set *set);

/* Those of one load, checked. */
struct sets {
    struct sets_one {
        const struct config_set *given;
        char option[96]; /* "--set web.timeout", for messages */
        char *value;     /* of a list given in several words, all of them; else as given */
        bool joined;     /* into an earlier one: nothing is left to set */
        bool failed;     /* what is wrong is reported */
        bool met;        /* a probe has its name; without a name: there is a probe */
        bool used;       /* and the key is one of its type */
    } * list;
    size_t n;
};

/* Checks them: is there such a key, is the value one, is it no secret? What is wrong is reported.
 * `given` must stay. -1 out of memory. */
int sets_init(struct sets *sets, const struct config_set *given, size_t n, struct lookup *lookup,
              struct config_report *report);
void sets_fini(struct sets *sets);

/* Sets what is meant for the probe `name`: `type` is its type's index or LOOKUP_NONE, `own` that
 * type's table. */
void sets_apply(struct sets *sets, struct lookup *lookup, const char *name, int type,
                struct table *common, struct table *own, struct config_report *report,
                size_t *errors);

/* Once all probes are built: those that no probe was meant by are reported. */
void sets_expect_used(struct sets *sets, struct lookup *lookup, struct config_report *report);

#endif
