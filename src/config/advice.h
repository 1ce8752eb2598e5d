/* advice: what is legal but unwise of the keys that every probe has: warnings. */
#ifndef PROBE_CONFIG_ADVICE_H
#define PROBE_CONFIG_ADVICE_H

#include "config/keys.h"
#include "config/table.h"

/* A timeout over the interval, where the section that `t` was read from sets one of them. */
void advice_on_timeout(const struct table *t, struct source *s);

/* A start_interval without a start_period, in that section. */
void advice_on_start_interval(const struct table *t, struct source *s);

/* A warn_after that no check can reach. */
void advice_on_warn_after(const struct table *t, struct source *s);

#endif
