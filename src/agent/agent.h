/* agent: the program of `probe run`: engine, API, reports and reload on one loop, from a loaded
 * configuration to a stop in order. It prints nothing but its log. */
#ifndef PROBE_AGENT_AGENT_H
#define PROBE_AGENT_AGENT_H

#include "base/err.h"
#include "config/config.h"

enum {
    AGENT_FAILED = -1,     /* something could not be opened: the words are in `e` */
    AGENT_BAD_CONFIG = -2, /* the configuration asks for what cannot be had, likewise */
};

/* Writes the log lines of a report: errors, then what is only unwise. */
void agent_log_report(const struct config_report *report);

/* Checks until SIGTERM or SIGINT; SIGHUP and the API reload from `source`, which must last until
 * the return, as must `config`, whose checks are taken. 0 after a stop; AGENT_*, with the words. */
int agent_run(const struct config_source *source, struct config *config,
              const struct config_report *report, struct err *e);

#endif
