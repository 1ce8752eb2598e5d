/* array: see array.h. */
#include "base/array.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 8

bool array_room(void *array, size_t n, size_t *size, size_t item)
{
    void *items;
    if (n < *size)
        return true;
    size_t more = *size ? 2 * *size : FIRST_SIZE;
    memcpy(&items, array, sizeof items);
    items = realloc(items, more * item);
    if (!items)
        return false;
    memcpy(array, &items, sizeof items);
    *size = more;
    return true;
}
