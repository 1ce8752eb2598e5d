/* mongo_child_error: the driver's errors as our reasons. It tells most apart by words only. */
#ifndef PROBE_MONGO_CHILD_ERROR_H
#define PROBE_MONGO_CHILD_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"

enum reason mongo_child_reason(uint32_t domain, uint32_t code, const char *message);

/* Does this failure of a lookup say that the name does not exist? */
bool mongo_child_no_such_name(enum reason reason, const char *message);

#endif
