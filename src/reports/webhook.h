/* webhook: the request of on_transition_url, made by a process of its own (the program itself), so
 * that no name server, proxy or slow host can hold up the agent. */
#ifndef PROBE_REPORTS_WEBHOOK_H
#define PROBE_REPORTS_WEBHOOK_H

#include <stddef.h>

/* The only argument of that process. */
#define WEBHOOK_ENTRY "__webhook"

/* In that process: reads the agent's process number and the URL (a line each) and the body from
 * standard input, makes the request if that agent is still its parent, and returns the exit code.
 */
int webhook_main(void);

/* What an exit code other than 0 says. */
void webhook_words(int status, char *out, size_t size);

#endif
