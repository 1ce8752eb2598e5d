/* signals: see signals.h. */
#include "loop/signals.h"

#include <signal.h>
#include <stddef.h>

#include "base/str.h"

/* The signals whose disposition this program, or libuv for it, ever changes. */
static const int changed[] = {SIGINT,  SIGTERM, SIGHUP,   SIGQUIT,
                              SIGPIPE, SIGCHLD, SIGWINCH, SIGTSTP};
static struct sigaction found[ARRAY_LEN(changed)];
static sigset_t mask;

void signals_save(void)
{
    for (size_t i = 0; i < ARRAY_LEN(changed); i++)
        sigaction(changed[i], NULL, &found[i]);
    /* Left blocked by a careless parent, no signal would stop us, and no child's end be heard of.
     */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, &mask);
}

void signals_restore(void)
{
    for (size_t i = 0; i < ARRAY_LEN(changed); i++)
        sigaction(changed[i], &found[i], NULL);
    sigprocmask(SIG_SETMASK, &mask, NULL);
}

bool signals_found_ignored(int signum)
{
    for (size_t i = 0; i < ARRAY_LEN(changed); i++)
        if (changed[i] == signum)
            return found[i].sa_handler == SIG_IGN;
    return false;
}
