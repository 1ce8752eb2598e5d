/* help_text: see help_text.h. */
#include "cli/help_text.h"

#include <stdlib.h>
#include <string.h>

#define PAIR 128

const struct help_entry *help_entries;
const struct help_topic *help_topics;

static char *put(char *out, unsigned char byte)
{
    if (byte >= PAIR) {
        out = put(out, help_pairs[byte - PAIR][0]);
        return put(out, help_pairs[byte - PAIR][1]);
    }
    *out++ = (char)byte;
    return out;
}

static const char *next(const char **at)
{
    const char *s = *at;
    *at += strlen(s) + 1;
    return s;
}

int help_unpack(void)
{
    if (help_topics)
        return 0;
    char *text = malloc(help_size), *end = text;
    struct help_entry *entries = calloc(help_n_entries + 1, sizeof *entries);
    struct help_topic *topics = calloc(help_n_topics + 1, sizeof *topics);
    if (!text || !entries || !topics) {
        free(text);
        free(entries);
        free(topics);
        return -1;
    }
    for (size_t i = 0; i < help_packed_size; i++)
        end = put(end, help_packed[i]);
    const char *at = text;
    for (size_t i = 0; i < help_n_entries; i++) {
        entries[i].list = next(&at);
        entries[i].name = next(&at);
        entries[i].head = next(&at);
        entries[i].text = next(&at);
    }
    for (size_t i = 0; i < help_n_topics; i++) {
        topics[i].name = next(&at);
        topics[i].text = next(&at);
    }
    help_entries = entries;
    help_topics = topics;
    return 0;
}
