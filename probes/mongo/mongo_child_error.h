/* mongo_child_error: the driver's errors as our reasons. It tells most apart by words only. */
#ifndef PROBE_MONGO_MONGO_CHILD_ERROR_H
#define PROBE_MONGO_MONGO_CHILD_ERROR_H

#include <stdint.h>

#include "base/reason.h"

enum reason mongo_child_reason(uint32_t domain, uint32_t code, const char *words);

/* The telling part of a message: a selection's has every server's in brackets after a preamble. */
const char *mongo_child_words(const char *message);

#endif
