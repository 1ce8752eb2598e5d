/* generate: writes the texts of `probe help` as a C file, from the pages of the manual: every
 * marked list's items, and every topic. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manual/page.h"

#define TEXT_MAX (1 << 20)
#define PAIRS    128

static unsigned char text[TEXT_MAX];
static size_t len;

/* With its NUL. The bytes over 127 are the pairs'. */
static void put(const char *s)
{
    size_t n = strlen(s) + 1;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] >= 128 || len + n > sizeof text) {
            fprintf(stderr, "generate.c: no ASCII, or too long: %.60s\n", s);
            exit(1);
        }
    memcpy(text + len, s, n);
    len += n;
}

/* Puts `byte` for each of the pairs that is found most; false where none is worth it. */
static bool pack(unsigned char byte, unsigned char pair[2])
{
    static unsigned counts[256][256];
    unsigned most = 3;
    memset(counts, 0, sizeof counts);
    for (size_t i = 0; i + 1 < len; i++)
        if (++counts[text[i]][text[i + 1]] > most) {
            most = counts[text[i]][text[i + 1]];
            pair[0] = text[i];
            pair[1] = text[i + 1];
        }
    size_t to = 0;
    for (size_t i = 0; most > 3 && i < len; i++) {
        bool found = i + 1 < len && text[i] == pair[0] && text[i + 1] == pair[1];
        text[to++] = found ? byte : text[i];
        i += found;
    }
    len = most > 3 ? to : len;
    return most > 3;
}

static void write_bytes(FILE *out, const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%s%d,", i % 20 ? "" : "\n    ", bytes[i]);
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

static size_t put_entries(const struct page *p)
{
    struct page_item item;
    size_t n = 0;
    for (size_t at = 0; page_next_item(p, &at, &item);) {
        if (strncmp(item.list, "members of ", 11) == 0)
            continue; /* of documents that no topic is about */
        put(item.list);
        put(names_of(&item));
        put(page_render_head(p, &item));
        put(page_render(p, item.line + 1, item.end));
        n++;
    }
    return n;
}

static size_t put_topics(const struct page *p)
{
    struct page_topic topic;
    size_t n = 0;
    for (size_t at = 0; page_next_topic(p, &at, &topic); n++) {
        put(topic.name);
        put(page_render(p, topic.first, topic.end));
    }
    return n;
}

int main(int argc, char **argv)
{
    FILE *out = argc > 2 ? fopen(argv[1], "w") : NULL;
    if (!out) {
        fprintf(stderr, "usage: generate OUTPUT PAGE...\n");
        return 64;
    }
    unsigned char pairs[PAIRS][2] = {{0}};
    size_t entries = 0, topics = 0, n = 0;
    for (int i = 2; i < argc; i++) {
        struct page p = page_read(argv[i]);
        entries += put_entries(&p);
    }
    for (int i = 2; i < argc; i++) {
        struct page p = page_read(argv[i]);
        topics += put_topics(&p);
    }
    size_t size = len;
    while (n < PAIRS && pack((unsigned char)(128 + n), pairs[n]))
        n++;
    fprintf(out,
            "/* Generated from the manual by src/manual/generate.c. */\n#include "
            "\"cli/help_text.h\"\n\nconst size_t help_size = %zu, help_packed_size = %zu;\n"
            "const size_t help_n_entries = %zu, help_n_topics = %zu;\n"
            "const unsigned char help_pairs[][2] = {",
            size, len, entries, topics);
    for (size_t i = 0; i < PAIRS; i++)
        fprintf(out, "%s{%d, %d},", i % 8 ? " " : "\n    ", pairs[i][0], pairs[i][1]);
    fprintf(out, "\n};\nconst unsigned char help_packed[] = {");
    write_bytes(out, text, len);
    fprintf(out, "\n};\n");
    if (fclose(out) != 0) {
        fprintf(stderr, "%s: cannot be written\n", argv[1]);
        return 1;
    }
    return 0;
}
