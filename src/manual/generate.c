/* generate: writes the texts of `probe help` as a C file, from the pages of the manual: every
 * marked list's items, and every topic. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manual/page.h"

static void put_string(FILE *out, const char *s)
{
    fputc('"', out);
    for (; *s; s++) {
        if (*s == '\n')
            fputs(s[1] ? "\\n\"\n     \"" : "\\n", out);
        else if (*s == '"' || *s == '\\')
            fprintf(out, "\\%c", *s);
        else
            fputc(*s, out);
    }
    fputc('"', out);
}

/* What an item can be asked for by: `key` of "Cm key No = ...", `config` of "Fl c , Fl Fl config Ar
 * FILE", each of "Ev A , Ev B", `0` of "0", "GET /live" of that. Several are separated by blanks.
 */
static char *names_of(const struct page_item *item)
{
    static char names[256];
    bool is_option = strcmp(item->list, "options") == 0;
    size_t len = 0;
    names[0] = '\0';
    for (size_t i = 0;; i++) {
        char *word = page_word(item->head, i);
        if (!*word || strcmp(word, "No") == 0 || strcmp(word, "Pq") == 0 || strcmp(word, "Ar") == 0)
            return names;
        if (strcmp(word, ",") == 0 && is_option)
            len = 0;
        else if (strcmp(word, ",") != 0 &&
                 !(isupper((unsigned char)word[0]) && word[1] && !word[2]))
            len += (size_t)snprintf(names + len, sizeof names - len, "%s%s", len ? " " : "", word);
    }
}

int main(int argc, char **argv)
{
    FILE *out = argc > 2 ? fopen(argv[1], "w") : NULL;
    if (!out) {
        fprintf(stderr, "usage: generate OUTPUT PAGE...\n");
        return 64;
    }
    fputs("/* Generated from the manual by src/manual/generate.c. */\n#include "
          "\"cli/help_text.h\"\n\n"
          "const struct help_entry help_entries[] = {\n",
          out);
    for (int i = 2; i < argc; i++) {
        struct page p = page_read(argv[i]);
        struct page_item item;
        for (size_t at = 0; page_next_item(&p, &at, &item);) {
            if (strncmp(item.list, "members of ", 11) == 0)
                continue; /* of documents that no topic is about */
            fprintf(out, "    {\"%s\", \"%s\",\n     ", item.list, names_of(&item));
            put_string(out, page_render_head(&p, &item));
            fputs(",\n     ", out);
            put_string(out, page_render(&p, item.line + 1, item.end));
            fputs("},\n", out);
        }
    }
    fputs("    {0},\n};\n\nconst struct help_topic help_topics[] = {\n", out);
    for (int i = 2; i < argc; i++) {
        struct page p = page_read(argv[i]);
        struct page_topic topic;
        for (size_t at = 0; page_next_topic(&p, &at, &topic);) {
            fprintf(out, "    {\"%s\",\n     ", topic.name);
            put_string(out, page_render(&p, topic.first, topic.end));
            fputs("},\n", out);
        }
    }
    fputs("    {0},\n};\n", out);
    if (fclose(out) != 0) {
        fprintf(stderr, "%s: cannot be written\n", argv[1]);
        return 1;
    }
    return 0;
}
