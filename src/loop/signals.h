/* signals: what the process was given to begin with, so that a program started in its place finds
 * the same. */
#ifndef PROBE_LOOP_SIGNALS_H
#define PROBE_LOOP_SIGNALS_H

#include <stdbool.h>

/* Remembers the signal mask and the dispositions, and unblocks all signals. */
void signals_save(void);

/* Puts both back: call before an exec. */
void signals_restore(void);

/* Was the signal ignored at the start? Only for those that the program ever handles. */
bool signals_found_ignored(int signum);

#endif
