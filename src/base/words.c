/* words: see words.h. */
#include "base/words.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r\n"

/* One word from *at into `out`, which has room for all of the text; -1: a quote is not closed. */
static int take_word(const char **at, char *out)
{
    const char *s = *at;
    char quote = 0;
    for (; *s && (quote || !strchr(BLANKS, *s)); s++) {
        if (quote ? *s == quote : *s == '\'' || *s == '"') {
            quote = quote ? 0 : *s;
            continue;
        }
        bool escapes = *s == '\\' && (!quote || (quote == '"' && (s[1] == '"' || s[1] == '\\')));
        if (escapes && !*++s)
            return -1;
        *out++ = *s;
    }
    *out = '\0';
    *at = s;
    return quote ? -1 : 0;
}

int words_split(const char *text, char ***argv, struct err *e)
{
    size_t len = strlen(text), n = 0;
    char **words = calloc(len / 2 + 2, sizeof *words); /* a word and a blank take two bytes */
    char *room = malloc(len + 1);
    int rc = words && room ? 0 : err_set(e, "out of memory");
    while (rc == 0) {
        text += strspn(text, BLANKS);
        if (!*text)
            break;
        if (take_word(&text, room) < 0)
            rc = err_set(e, "a quote is not closed, or a \\ ends it");
        else if (!(words[n++] = strdup(room)))
            rc = err_set(e, "out of memory");
    }
    if (rc == 0 && (n == 0 || !*words[0]))
        rc = err_set(e, "no command is in it");
    free(room);
    if (rc < 0) {
        words_free(words);
        words = NULL;
    }
    *argv = words;
    return rc;
}

void words_free(char **argv)
{
    for (size_t i = 0; argv && argv[i]; i++)
        free(argv[i]);
    free(argv);
}
