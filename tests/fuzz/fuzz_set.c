/* Any text behind --set, with a target of each of two types: an answer, and never a word of the
 * value where it cannot even be split. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/sets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *targets[] = {"web=http://127.0.0.1:1/", "db=tcp://127.0.0.1:2"};
    char *word = malloc(size + 1);
    if (!word)
        return 0;
    memcpy(word, data, size);
    word[size] = '\0';
    struct config_set set;
    struct err e;
    if (sets_parse(word, &set, &e) == 0) {
        struct config_report report;
        struct config *config = NULL;
        struct config_source source = {.path = "nothing",
                                       .text = "",
                                       .targets = targets,
                                       .n_targets = 2,
                                       .sets = &set,
                                       .n_sets = 1};
        config_report_init(&report);
        enum config_rc rc = config_load(&source, &config, &report);
        if ((rc == CONFIG_OK) != (report.errors == 0))
            abort();
        config_free(config);
        config_report_fini(&report);
        sets_fini_one(&set);
    }
    free(word);
    return 0;
}
