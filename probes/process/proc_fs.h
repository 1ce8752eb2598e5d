/* proc_fs: what /proc (or another proc file system) says about one process. All of it is read
 * bounded and as hostile: a process names itself as it likes. */
#ifndef PROBE_PROCESS_PROC_FS_H
#define PROBE_PROCESS_PROC_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define PROC_PID_MAX     4194304 /* the kernel's PID_MAX_LIMIT */
#define PROC_COMM_MAX    64      /* of a process 15 bytes, of a kernel worker up to 63 */
#define PROC_CMDLINE_MAX 65536   /* bytes of a command line that are looked at */

/* A process: its number and its start make it the same one; the number alone is used again. */
struct proc_id {
    pid_t pid;
    uint64_t start; /* ticks since boot; 0: none known */
};

struct proc_info {
    struct proc_id id;
    pid_t parent;
    char comm[PROC_COMM_MAX]; /* printable */
    char state;               /* R, S, D, Z, T, ... */
    long threads;             /* those alive, of a zombie 1 */
};

enum proc_found {
    PROC_FOUND,
    PROC_NONE,   /* no such process */
    PROC_HIDDEN, /* it is there, but not for us to see */
    PROC_FAILED, /* we could not look: `e` says why */
};

/* `root` is the proc file system's path. Reads /proc/PID/stat. */
enum proc_found proc_look(const char *root, pid_t pid, struct proc_info *info, struct err *e);

/* The text of a stat file; false when it is none. */
bool proc_parse_stat(const char *text, struct proc_info *info);

/* It has ended: dead, or a zombie. A process whose first thread alone has ended also looks like a
 * zombie, and lives as long as another thread does. */
bool proc_has_ended(const struct proc_info *info);

/* When it was started, on the boot clock and for how long it has been running, ns. */
int64_t proc_start_boot(const struct proc_id *id);
int64_t proc_age(const struct proc_id *id);

struct proc_status {
    uid_t user;    /* effective */
    pid_t process; /* whose thread it is: its own number, if it is a process */
    bool nested;   /* it lives in a pid namespace below that of the proc file system */
};

/* 0, or -1 with errno. */
int proc_status(const char *root, pid_t pid, struct proc_status *status);

/* Threads that may read command lines at once. */
#define PROC_READERS 8

/* The command line, arguments ended by NUL each; its length, 0 when there is none, -1 with errno. A
 * NUL follows in any case: `size` is one more than is read.
 *
 * May wait for ever: the kernel takes a lock of the process, which may be stuck with it. To be
 * called on a thread. Where another thread waits for the same process already: -1 with EBUSY. */
ssize_t proc_cmdline(const char *root, pid_t pid, char *out, size_t size);

/* The path of its program; false when it cannot be read. */
bool proc_program(const char *root, pid_t pid, char *out, size_t size);

/* A process's folder is a number; 0 for the others. */
pid_t proc_pid_of(const char *name);

/* Is `root` a proc file system at all? 0, or -1 with the words. */
int proc_root_check(const char *root, struct err *e);

/* Does errno say that we are out of something, rather than that the process is gone or hidden? */
bool proc_is_shortage(int errnum);

/* Our own number there; 0 where it does not see us. `*ours` tells that its numbers are those of our
 * own pid namespace, so that they can be given to system calls. 0, or -1 with errno. */
int proc_self(const char *root, pid_t *self, bool *ours);

/* Nobody is hidden from us there (mount option hidepid). */
bool proc_sees_all(const char *root);

/* A descriptor that becomes readable when the process ends; -1 where the kernel has none. */
int proc_pidfd(pid_t pid);

/* Of our own namespace, without /proc's help: PROC_NONE also for a zombie; PROC_HIDDEN when the
 * kernel does not let us tell a zombie from a living one. */
enum proc_found proc_ask_kernel(pid_t pid);

/* The number of a user, by its name in /etc/passwd or as digits. 0, or -1 with the words. */
int proc_user_id(const char *name, uid_t *uid, struct err *e);

#endif
