/* worker_child: a worker's side inside its own process: what it may use is cut down before its
 * entry runs, for it is about to meet hostile bytes with secrets in memory. */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"
#include "child/worker.h"
#include "registry.h"

#define MEMORY_MAX (UINT64_C(1) << 30)
#define FILES_MAX  256

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

/* A limit that is lower already is as good. */
static void lower_limits(void)
{
    struct rlimit none = {0, 0}, files = {FILES_MAX, FILES_MAX};
    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_NOFILE, &files);
#ifndef HAS_ASAN
    struct rlimit memory = {MEMORY_MAX, MEMORY_MAX};
    setrlimit(RLIMIT_AS, &memory);
#endif
}

/* libuv's descriptors close by themselves; those of other libraries, or inherited, may not. */
static void close_others(void)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, 3U, ~0U, 0U) == 0)
        return;
#endif
    struct rlimit r;
    rlim_t most = getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < 65536 ? r.rlim_cur : 65536;
    for (int fd = 3; fd < (int)most; fd++)
        close(fd);
}

/* A parent that was killed before this was asked for: its end of the pipe is closed. */
static void end_with_parent(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (poll(&out, 1, 0) == 1 && (out.revents & (POLLHUP | POLLERR)))
        _exit(1);
}

static void harden(const struct probe_type *type)
{
    end_with_parent();
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0); /* nobody of the same user reads the password out of it */
    close_others();
    if (type->child_is_command)
        return;
    lower_limits();
    signal(SIGPIPE, SIG_IGN);
}

int worker_child_main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && probe_types[i]; i++) {
        const struct probe_type *type = probe_types[i];
        if (type->child_entry && strcmp(argv[1], type->child_entry) == 0) {
            harden(type);
            return type->child_main();
        }
    }
    return -1;
}
