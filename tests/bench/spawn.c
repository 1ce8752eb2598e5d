/* spawn: runs short-lived commands in turn (A B A B ...) and prints what each run cost, one line a
 * run: index, wall ns, user us, system us, peak RSS KiB, exit code (128+N: ended by signal N). User
 * and system hold those of descendants that were waited for. Static and small, so that vfork and
 * wait4 are all it adds, and its own memory never shows as a child's peak.
 *
 *   spawn [-n ROUNDS] [-s SECONDS] [-m] [-k] [+EVERY] COMMAND ARG... [, [+EVERY] COMMAND ARG...]...
 *
 * -s ends after SECONDS, but not before 3 rounds. +EVERY: that command only in every EVERY-th
 * round. -m: no timing; one run each under ptrace, a line of: index, RSS KiB just before the exit,
 * how much of it is anonymous, exit code. -k: children keep stdout and stderr. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COMMANDS_MAX 32

static struct command {
    char **argv;
    long every;
} commands[COMMANDS_MAX];
static int n_commands;
static int null_fd = -1;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t micros(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

static int exit_code(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* In the child; with vfork the parent's memory is ours: nothing of it is changed. */
static void become(char **argv)
{
    if (null_fd >= 0) {
        dup2(null_fd, 1);
        dup2(null_fd, 2);
    }
    execv(argv[0], argv);
    _exit(127);
}

static void time_one(int i)
{
    struct rusage u;
    int status;
    int64_t begin = now_ns();
    pid_t pid = vfork();
    if (pid == 0)
        become(commands[i].argv);
    if (pid < 0 || wait4(pid, &status, 0, &u) != pid) {
        perror("spawn");
        exit(70);
    }
    int64_t wall = now_ns() - begin;
    printf("%d\t%lld\t%lld\t%lld\t%ld\t%d\n", i, (long long)wall, (long long)micros(u.ru_utime),
           (long long)micros(u.ru_stime), u.ru_maxrss, exit_code(status));
}

/* The kernel's running count is off by up to 64 pages a CPU; the walk over the page tables is not.
 */
static void exact_rss(pid_t pid, long *rss, long *own)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        sscanf(line, "Rss: %ld kB", rss);
        sscanf(line, "Anonymous: %ld kB", own);
    }
    if (f)
        fclose(f);
}

static void weigh_one(int i)
{
    int status;
    long rss = -1, own = -1;
    struct rusage u = {0};
    pid_t pid = fork();
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        become(commands[i].argv);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        perror("spawn");
        exit(70);
    }
    if (WIFSTOPPED(status)) /* at its exec */
        ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL);
    while (WIFSTOPPED(status)) {
        int signal = WSTOPSIG(status);
        if (status >> 8 == (SIGTRAP | (PTRACE_EVENT_EXIT << 8)))
            exact_rss(pid, &rss, &own);
        ptrace(PTRACE_CONT, pid, 0, signal == SIGTRAP ? 0 : signal);
        if (wait4(pid, &status, 0, &u) != pid)
            break;
    }
    printf("%d\t%ld\t%ld\t%d\n", i, rss < 0 ? u.ru_maxrss : rss, own, exit_code(status));
}

static void parse(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        struct command *c = &commands[n_commands];
        c->every = 1;
        if (argv[i][0] == '+') {
            c->every = atol(argv[i++] + 1);
            c->every = c->every < 1 ? 1 : c->every;
        }
        c->argv = &argv[i];
        while (i < argc && strcmp(argv[i], ",") != 0)
            i++;
        if (c->argv == &argv[i] || n_commands == COMMANDS_MAX - 1) {
            fprintf(stderr, "spawn: an empty command, or more than %d\n", COMMANDS_MAX - 1);
            exit(64);
        }
        argv[i] = NULL; /* argv[argc] is NULL already */
        n_commands++;
    }
}

int main(int argc, char **argv)
{
    long rounds = 10, seconds = 3600;
    int option, weigh = 0, keep = 0;
    while ((option = getopt(argc, argv, "+n:s:mk")) != -1) {
        switch (option) {
        case 'n':
            rounds = atol(optarg);
            break;
        case 's':
            seconds = atol(optarg);
            break;
        case 'm':
            weigh = 1;
            break;
        case 'k':
            keep = 1;
            break;
        default:
            return 64;
        }
    }
    parse(argc - optind, argv + optind);
    if (!keep)
        null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int64_t end = now_ns() + (int64_t)seconds * 1000000000;
    for (long round = 0; round < (weigh ? 1 : rounds); round++) {
        if (round >= 3 && now_ns() > end)
            break;
        for (int i = 0; i < n_commands; i++) {
            if (weigh)
                weigh_one(i);
            else if (round % commands[i].every == 0)
                time_one(i);
        }
    }
    return 0;
}
