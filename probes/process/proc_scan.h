/* proc_scan: walks over all processes of a proc file system in slices, so that ten thousand of them
 * never hold up the loop's other checks. What a process is looked at for is the owner's. */
#ifndef PROBE_PROCESS_PROC_SCAN_H
#define PROBE_PROCESS_PROC_SCAN_H

#include <dirent.h>
#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

struct proc_scan {
    /* Private. */
    struct proc_scan *next;
    const char *root;
    uv_idle_t idle;
    DIR *dir;
    bool (*each)(struct proc_scan *s, pid_t pid);
    void (*on_done)(struct proc_scan *s, int errnum);
    void (*on_closed)(struct proc_scan *s);
    bool idling;
};

/* Calls `each` for every process (`root` must stay); it returns false to end the walk early. Then,
 * perhaps from inside, calls `on_done` once, with an errno value when the folder could not be read
 * to its end.
 */
void proc_scan_start(struct proc_scan *s, uv_loop_t *loop, const char *root,
                     bool (*each)(struct proc_scan *s, pid_t pid),
                     void (*on_done)(struct proc_scan *s, int errnum));

/* Once for each start, in any state; `on_closed` (perhaps from inside) says that the memory may go.
 */
void proc_scan_close(struct proc_scan *s, void (*on_closed)(struct proc_scan *s));

#endif
