/* build: one section, or one target, into one immutable check. */
#ifndef PROBE_CONFIG_BUILD_H
#define PROBE_CONFIG_BUILD_H

#include <stdbool.h>

#include "base/buf.h"
#include "config/config.h"
#include "config/ini_reader.h"
#include "config/keys.h"
#include "config/lookup.h"
#include "config/sets.h"
#include "config/table.h"

/* What all checks of one load share. */
struct builder {
    const struct config_override *overrides; /* may be NULL */
    bool keep_values;
    bool keep_settings;                                       /* as text */
    int (*check_ready_file)(const char *path, struct err *e); /* NULL: not asked */
    struct config_report *report;                             /* for bugs in the tables */
    struct lookup lookup;
    struct sets sets;       /* of the command line */
    struct source defaults; /* the section [defaults]; zero where there is none */
    /* Each: the tables' own defaults; those under [defaults]; scratch for the section at hand. */
    struct builder_tables {
        struct table plain, base, scratch;
    } common, *types; /* types: by index in the registry; see builder_type */
};

/* -1 out of memory. */
int builder_init(struct builder *b, struct config_report *report);
void builder_fini(struct builder *b);

/* The tables of the type with that index; NULL out of memory. */
struct builder_tables *builder_type(struct builder *b, size_t type);

/* Reads the entries of [defaults] into the bases. Call before any build_check. */
void builder_defaults(struct builder *b, const struct ini_entry *entries, size_t n,
                      struct source *s);

/* Checks the overrides once; an error is reported at "--KEY" and the override is not used. */
void builder_overrides(struct builder *b, const struct config_override *overrides,
                       struct config_report *report);

/* What is wrong is reported and counted in the source; the check can be used only if nothing was
 * (but its name and `after` are there all the same). NULL out of memory. `name` is copied. */
struct check_conf *build_check(struct builder *b, const char *name, const struct ini_entry *entries,
                               size_t n, struct source *s);

/* The text that is equal exactly when all settings are, and what is in their files; malloc'd, NULL
 * out of memory. `files`: what build_add_file wrote of files that no key names. */
char *build_fingerprint(const struct builder_tables *common, const struct builder_tables *own,
                        const char *type, const struct buf *files);

/* Appends which file that is, and in which state. */
void build_add_file(struct buf *b, const char *path);

/* A key that is none here: reported, with what is near. `types`: a mask of those that it could have
 * been of. */
void build_unknown_key(struct builder *b, const struct ini_entry *entry, bool agent, uint64_t types,
                       struct source *s);

#endif
