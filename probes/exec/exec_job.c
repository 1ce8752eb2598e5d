/* exec_job: see exec_job.h. A job is texts with a NUL behind each; the first letter of one says
 * what it is. */
#include "exec/exec_job.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "exec/exec_conf.h"

enum { IDS = 'u', ARG = 'a', ENV = 'e' };
#define LIST_MAX 4096

static void add(struct buf *job, char kind, const char *text)
{
    buf_putc(job, kind);
    buf_add(job, text, strlen(text) + 1);
}

void exec_job_begin(struct buf *job, const struct exec_ids *ids)
{
    char text[32];
    snprintf(text, sizeof text, "%u:%u", ids->uid, ids->gid);
    if (ids->change)
        add(job, IDS, text);
}

void exec_job_add_arg(struct buf *job, const char *arg)
{
    add(job, ARG, arg);
}

void exec_job_add_env(struct buf *job, const char *line)
{
    add(job, ENV, line);
}

const char *exec_job_failure(const struct buf *output)
{
    return output->len > 1 && output->data[0] == '\0' ? output->data + 1 : NULL;
}

/* ---- The child ---- */

__attribute__((noreturn, format(printf, 1, 2))) static void give_up(const char *fmt, ...)
{
    char text[256] = "";
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text + 1, sizeof text - 1, fmt, ap);
    va_end(ap);
    ssize_t n = write(STDOUT_FILENO, text, 1 + strlen(text + 1));
    _exit(n < 0 ? EXEC_CANNOT - 1 : EXEC_CANNOT);
}

static size_t read_job(char job[EXEC_JOB_MAX])
{
    size_t len = 0;
    ssize_t n;
    while (len < EXEC_JOB_MAX && (n = read(STDIN_FILENO, job + len, EXEC_JOB_MAX - len)) != 0) {
        if (n < 0 && errno != EINTR)
            give_up("its job cannot be read: %s", strerror(errno));
        len += n > 0 ? (size_t)n : 0;
    }
    return len;
}

/* PR_SET_PDEATHSIG goes with a change of the user. */
static void become(const char *text)
{
    unsigned uid, gid;
    if (sscanf(text, "%u:%u", &uid, &gid) != 2)
        give_up("its user cannot be read");
    if (setgroups(1, &(gid_t){gid}) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
        give_up("cannot become user %u: %s", uid, strerror(errno));
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Its input is empty, its output and its errors come to us, its signals are as at a start. */
static void prepare_streams(void)
{
    sigset_t none;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
        give_up("its streams cannot be opened: %s", strerror(errno));
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
}

int exec_child_main(void)
{
    static char job[EXEC_JOB_MAX + 1], *argv[LIST_MAX + 1], *env[LIST_MAX + 1];
    size_t n_args = 0, n_env = 0, len = read_job(job);
    const char *ids = NULL;
    for (char *at = job; at < job + len; at += strlen(at) + 1) {
        if (*at == IDS)
            ids = at + 1;
        else if (*at == ARG && n_args < LIST_MAX)
            argv[n_args++] = at + 1;
        else if (*at == ENV && n_env < LIST_MAX)
            env[n_env++] = at + 1;
        else
            give_up("it has more than %d arguments", LIST_MAX);
    }
    prepare_streams();
    if (!n_args || chdir("/") < 0)
        give_up("its job is empty");
    if (ids)
        become(ids);
    execve(argv[0], argv, env);
    int why = errno;
    if (why == ENOENT && access(argv[0], F_OK) == 0)
        give_up("the program that its first line names is not there");
    give_up("%s",
            why == ENOEXEC ? "is neither a program nor a script with a #! line" : strerror(why));
}
