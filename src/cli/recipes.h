/* recipes: sections for services that have no type of their own, from conf/recipes. */
#ifndef PROBE_CLI_RECIPES_H
#define PROBE_CLI_RECIPES_H

#include <stdbool.h>

/* Generated; it ends with one that is all NULL. A text begins with a comment, "# NAME: what", whose
 * first line says what the recipe is. */
struct recipe {
    const char *name, *text;
};
extern const struct recipe recipes[];

/* Is the word of the form recipe:NAME? */
bool recipes_is_word(const char *word);

/* Prints the one that the word names. An exit code, with the words where there is none. */
int recipes_print(const char *word);

/* Prints all of their first lines. */
void recipes_list(void);

#endif
