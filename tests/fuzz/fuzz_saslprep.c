/* Any bytes as a password: what SASLprep makes of it stays as it is when it is prepared again, but
 * for what one pass of it puts beside each other. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "scram/saslprep.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {""};
    char *text = strndup((const char *)data, size);
    char *once = text ? saslprep(text, &e) : NULL;
    if (text && !once && !e.text[0])
        abort();
    char *twice = once ? saslprep(once, &e) : NULL;
    if (once && (!twice || strcmp(once, twice) != 0))
        abort();
    free(twice);
    free(once);
    free(text);
    return 0;
}
