/* reaper: takes in the orphans that the kernel gives to PID 1, so that none stays a zombie. It
 * never takes a child that libuv started and waits for. */
#ifndef PROBE_LOOP_REAPER_H
#define PROBE_LOOP_REAPER_H

#include <stdbool.h>
#include <uv.h>

struct reaper {
    uv_signal_t signal;
    uv_timer_t again;
    bool open;
};

/* Does nothing unless this process is PID 1 of its namespace. 0, or a libuv error. */
int reaper_open(struct reaper *r, uv_loop_t *loop);
void reaper_close(struct reaper *r); /* also when it was not opened */

#endif
