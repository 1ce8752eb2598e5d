/* registry: every probe type built in; generated from PROBE_TYPES of CMakeLists.txt. */
#ifndef PROBE_REGISTRY_H
#define PROBE_REGISTRY_H

#include "probe.h"

extern const struct probe_type *const probe_types[]; /* ends with NULL */

#endif
