/* array: room in arrays that grow. */
#ifndef PROBE_BASE_ARRAY_H
#define PROBE_BASE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/* Makes room for one more in the array that `array` points to the pointer of: it holds `n` items of
 * `item` bytes, has room for `*size`, and doubles. False: memory is out, and all stays as it was.
 */
bool array_room(void *array, size_t n, size_t *size, size_t item);

#endif
