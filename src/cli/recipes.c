/* recipes: see recipes.h. */
#include "cli/recipes.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/cli.h"

#define PREFIX      "recipe:"
#define RECIPES_MAX 64

bool recipes_is_word(const char *word)
{
    return str_starts(word, PREFIX);
}

int recipes_print(const char *word)
{
    const char *name = word + strlen(PREFIX), *names[RECIPES_MAX];
    size_t n = 0;
    for (const struct recipe *r = recipes; r->name; r++) {
        if (strcmp(r->name, name) == 0) {
            fputs(r->text, stdout);
            return EXIT_HEALTHY;
        }
        if (n < RECIPES_MAX)
            names[n++] = r->name;
    }
    const char *near = str_nearest(name, names, n);
    fprintf(stderr, "probe: there is no recipe %s%s%s%s; 'probe help recipes' lists them\n", name,
            near ? ", did you mean " : "", near ? near : "", near ? "?" : "");
    return EXIT_USAGE;
}

void recipes_list(void)
{
    for (const struct recipe *r = recipes; r->name; r++) {
        const char *what = r->text + strspn(r->text, "# ");
        what += strcspn(what, ":");
        what += strspn(what, ": ");
        size_t len = strcspn(what, "\n"); /* its first sentence: where it was tested comes after */
        const char *end = memmem(what, len, ". ", 2);
        printf("  %-14s %.*s\n", r->name, (int)(end ? (size_t)(end - what) + 1 : len), what);
    }
    printf("\n'probe explain recipe:NAME' prints one, to be put into a configuration.\n");
}
