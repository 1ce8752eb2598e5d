/* Any bytes as a whole configuration file: read, checked by every type, reported on, freed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a report or a redacted target says goes to a terminal or a log, one line each. */
static void check_line(const char *text)
{
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            abort();
}

static bool has_word(const uint8_t *data, size_t size, const char *word)
{
    return memmem(data, size, word, strlen(word)) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A secret's file may be any; reading this machine's own is not what is tested. */
    if (has_word(data, size, "_file") || has_word(data, size, "/dev/") ||
        has_word(data, size, "/proc/"))
        return 0;
    int fd = memfd_create("config", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);

    struct config_report report;
    config_report_init(&report);
    struct config *config = NULL;
    enum config_rc rc =
        config_load(&(struct config_source){.path = path, .keep_values = true}, &config, &report);
    if ((rc == CONFIG_OK) != (report.errors == 0))
        abort();
    for (size_t i = 0; i < report.n; i++)
        check_line(report.problems[i].text);
    if (rc == CONFIG_OK) {
        for (size_t i = 0; i < config->n_checks; i++)
            check_line(config->checks[i]->target);
        config_free(config);
    }
    config_report_fini(&report);
    close(fd);
    return 0;
}
