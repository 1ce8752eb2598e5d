/* memory: how much of it the agent keeps resident. The C library's allocator is told to give back
 * what a hostile reply made it take, and what only the start has needed is let go. */
#ifndef PROBE_BASE_MEMORY_H
#define PROBE_BASE_MEMORY_H

/* To be called before there is a second thread. musl's allocator needs none of it. */
void memory_bound(void);

/* The start is over: its pages of code and of read-only data, those of the libraries too, are
 * no longer resident, and come back from the kernel's cache where they are used again; free heap
 * goes back to the kernel. */
void memory_settle(void);

#endif
