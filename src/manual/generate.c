/* generate: writes the texts of `probe help` as a C file, from the pages of the manual: every
 * marked list's items, and every topic. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manual/page.h"

static FILE *out;

/* As a literal of C, with `end` behind it. */
static void put(const char *s, const char *end)
{
    fputc('"', out);
    for (; *s; s++) {
        if ((unsigned char)*s >= 128) {
            fprintf(stderr, "generate.c: no ASCII: %.60s\n", s);
            exit(1);
        }
        if (*s == '\n')
            fputs("\\n\"\n     \"", out);
        else
            fprintf(out, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
    }
    fprintf(out, "\"%s", end);
}

/* What an item can be asked for by: `key` of "Cm key No = ...", `config` of "Fl c , Fl Fl config Ar
 * FILE", each of "Ev A , Ev B", `0` of "0", "GET /live" of that. Several are separated by blanks.
 */
static char *names_of(const struct page_item *item)
{
    static char names[256];
    bool is_option = strcmp(item->list, "options") == 0;
    size_t n = 0;
    names[0] = '\0';
    for (size_t i = 0;; i++) {
        char *word = page_word(item->head, i);
        if (!*word || strcmp(word, "No") == 0 || strcmp(word, "Pq") == 0 || strcmp(word, "Ar") == 0)
            return names;
        if (strcmp(word, ",") == 0 && is_option)
            n = 0;
        else if (strcmp(word, ",") != 0 &&
                 !(isupper((unsigned char)word[0]) && word[1] && !word[2]))
            n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", n ? " " : "", word);
    }
}

static void put_entries(const struct page *p)
{
    struct page_item item;
    for (size_t at = 0; page_next_item(p, &at, &item);) {
        if (strncmp(item.list, "members of ", 11) == 0)
            continue; /* of documents that no topic is about */
        fputs("    {", out);
        put(item.list, ", ");
        put(names_of(&item), ",\n     ");
        put(page_render_head(p, &item), ",\n     ");
        put(page_render(p, item.line + 1, item.end), "},\n");
    }
}

static void put_topics(const struct page *p)
{
    struct page_topic topic;
    for (size_t at = 0; page_next_topic(p, &at, &topic);) {
        fputs("    {", out);
        put(topic.name, ",\n     ");
        put(page_render(p, topic.first, topic.end), "},\n");
    }
}

int main(int argc, char **argv)
{
    out = argc > 2 ? fopen(argv[1], "w") : NULL;
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
        put_entries(&p);
    }
    fputs("    {NULL, NULL, NULL, NULL},\n};\n\nconst struct help_topic help_topics[] = {\n", out);
    for (int i = 2; i < argc; i++) {
        struct page p = page_read(argv[i]);
        put_topics(&p);
    }
    fputs("    {NULL, NULL},\n};\n", out);
    if (fclose(out) != 0) {
        fprintf(stderr, "%s: cannot be written\n", argv[1]);
        return 1;
    }
    return 0;
}
