/* Any text as a duration; one that is taken must survive being spelled and read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/duration.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    struct err e;
    int64_t ns, again;
    char spelled[DURATION_SIZE];
    if (duration_parse(text, &ns, &e) == 0) {
        duration_format(ns, spelled);
        if (duration_parse(spelled, &again, &e) < 0 || again != ns)
            abort();
    }
    free(text);
    return 0;
}
