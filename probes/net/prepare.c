/* prepare: see prepare.h. */
#include "net/prepare.h"

#include <string.h>

void prepare_fail(struct prepare *p, size_t key, const char *words)
{
    probe_error(p->report, key, "%s", words);
    p->failed = true;
}

char *prepare_copy(struct prepare *p, size_t key)
{
    const char *text = p->values[key].text;
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        prepare_fail(p, key, "out of memory");
    return copy;
}
