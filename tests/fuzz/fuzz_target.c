/* Any text as a target of the command line: a name, NAME=URL or a URL of any type. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *target = malloc(size + 1);
    if (!target)
        return 0;
    memcpy(target, data, size);
    target[size] = '\0';

    struct config_report report;
    config_report_init(&report);
    struct config *config = NULL;
    struct config_source source = {.path = "/dev/null", .targets = &target, .n_targets = 1};
    enum config_rc rc = config_load(&source, &config, &report);
    if ((rc == CONFIG_OK) != (report.errors == 0))
        abort();
    if (rc == CONFIG_OK) {
        if (config->n_checks != 1 || !config->checks[0]->target)
            abort();
        config_free(config);
    }
    config_report_fini(&report);
    free(target);
    return 0;
}
