/* loop: makes an event loop. */
#ifndef PROBE_LOOP_LOOP_H
#define PROBE_LOOP_LOOP_H

#include <uv.h>

#include "base/err.h"

/* As uv_loop_init, which aborts the program where it may have too few descriptors. */
int loop_init(uv_loop_t *loop, struct err *e);

#endif
