/* signals: see signals.h. */
#include "loop/signals.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "base/str.h"

/* The signals whose disposition this program, or libuv for it, ever changes. */
static const int changed[] = {SIGINT,  SIGTERM, SIGHUP,   SIGQUIT,
                              SIGPIPE, SIGCHLD, SIGWINCH, SIGTSTP};
static struct sigaction found[ARRAY_LEN(changed)];
static struct sigaction found_of_images[SIGNALS_END];
static sigset_t mask;

bool signals_is_pid_1(void)
{
    return getpid() == 1;
}

bool signals_stop_images(int signum)
{
    bool terminal = isatty(STDIN_FILENO) || isatty(STDOUT_FILENO) || isatty(STDERR_FILENO);
    return signum == SIGUSR1 || signum == SIGUSR2 || signum == SIGPWR ||
           (signum == SIGWINCH && !terminal) || (signum >= SIGRTMIN && signum <= SIGRTMAX);
}

void signals_save(void)
{
    for (size_t i = 0; i < ARRAY_LEN(changed); i++)
        sigaction(changed[i], NULL, &found[i]);
    for (int n = 1; signals_is_pid_1() && n < SIGNALS_END; n++)
        sigaction(n, NULL, &found_of_images[n]);
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
    for (int n = 1; signals_is_pid_1() && n < SIGNALS_END; n++)
        if (signals_stop_images(n))
            sigaction(n, &found_of_images[n], NULL);
    sigprocmask(SIG_SETMASK, &mask, NULL);
}

bool signals_found_ignored(int signum)
{
    for (size_t i = 0; i < ARRAY_LEN(changed); i++)
        if (changed[i] == signum)
            return found[i].sa_handler == SIG_IGN;
    return false;
}
