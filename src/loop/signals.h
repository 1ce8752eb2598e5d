/* signals: what the process was given to begin with, so that a program started in its place finds
 * the same. */
#ifndef PROBE_LOOP_SIGNALS_H
#define PROBE_LOOP_SIGNALS_H

#include <stdbool.h>

#define SIGNALS_END 65

/* The kernel gives process 1 no default of any signal: one that is not taken is ignored. */
bool signals_is_pid_1(void);

/* Is it one by which images want to be stopped (STOPSIGNAL), beside those that every program takes?
 * SIGWINCH is none on a terminal, whose size it tells of there. */
bool signals_stop_images(int signum);

/* Remembers the signal mask and the dispositions, and unblocks all signals. */
void signals_save(void);

/* Puts both back: call before an exec. */
void signals_restore(void);

/* Was the signal ignored at the start? Only for those that the program ever handles. */
bool signals_found_ignored(int signum);

#endif
