/* process's part of the conformance suite: children of the test itself. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance.h"

static pid_t start_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    return pid;
}

static void end_child(struct conformance_case *c)
{
    kill((pid_t)c->data, SIGKILL);
    waitpid((pid_t)c->data, NULL, 0);
}

static void begin_running(struct conformance_case *c)
{
    c->data = start_child();
    snprintf(c->target, sizeof c->target, "pid:%d", (int)c->data);
}

static void begin_gone(struct conformance_case *c)
{
    c->data = start_child();
    end_child(c);
    snprintf(c->target, sizeof c->target, "pid:%d", (int)c->data);
}

static void begin_zombie(struct conformance_case *c)
{
    siginfo_t info;
    begin_running(c);
    kill((pid_t)c->data, SIGKILL);
    waitid(P_PID, (id_t)c->data, &info, WEXITED | WNOWAIT);
}

static void begin_pidfile(struct conformance_case *c, const char *content)
{
    char path[] = "/tmp/probe-conformance-XXXXXX";
    int fd = mkstemp(path);
    if (fd >= 0 && write(fd, content, strlen(content)) >= 0)
        close(fd);
    snprintf(c->target, sizeof c->target, "pidfile:%s", path);
}

static void begin_garbage(struct conformance_case *c)
{
    begin_pidfile(c, "\x80\xff not a pid");
}

static void end_pidfile(struct conformance_case *c)
{
    unlink(c->target + strlen("pidfile:"));
}

static const struct conformance_case cases[] = {
    {.name = "running", .begin = begin_running, .end = end_child, .reasons[REASON_OK] = true},
    {.name = "gone", .begin = begin_gone, .reasons[REASON_NOT_RUNNING] = true},
    {.name = "zombie",
     .begin = begin_zombie,
     .end = end_child,
     .reasons[REASON_NOT_RUNNING] = true},
    {.name = "pidfile with garbage",
     .begin = begin_garbage,
     .end = end_pidfile,
     .reasons[REASON_MISMATCH] = true},
    {.name = "pidfile missing",
     .target = "pidfile:/no/such/file.pid",
     .reasons[REASON_NOT_RUNNING] = true},
    {.name = "no such name",
     .target = "process:no-such-program-here",
     .reasons[REASON_NOT_RUNNING] = true},
};

const struct conformance_type conformance_process = {
    .name = "process",
    .cases = cases,
    .n_cases = sizeof cases / sizeof *cases,
};
