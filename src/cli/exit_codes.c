/* exit_codes: see exit_codes.h. */
#include "cli/exit_codes.h"

#include <string.h>

#include "base/str.h"

const char *exit_codes_of(const char *command)
{
    static const struct {
        const char *command, *codes;
    } of[] = {
        {"run", "0 ended in order, 64 usage, 70 internal, 78 configuration."},
        {"check", "0 healthy, 1 unhealthy, 64 usage, 70 internal, 78 configuration,\n"
                  "128+N ended by signal N."},
        {"wait", "0 done, 64 usage, 70 internal, 78 configuration, 124 out of time,\n"
                 "126/127 COMMAND cannot be run / not found, 128+N ended by signal N."},
        {"status", "0 healthy, 1 unhealthy or starting, 64 usage, 69 no agent,\n"
                   "70 internal, 75 stale."},
        {"explain", "0 done, 64 usage, 69 no agent, 70 internal, 78 configuration."},
        {"validate", "0 no error, 64 usage, 70 internal, 78 configuration."},
        {"version", "0 done, 64 usage, 70 internal."},
        {"help", "0 done, 64 usage, 70 internal."},
    };
    for (size_t i = 0; command && i < ARRAY_LEN(of); i++)
        if (strcmp(of[i].command, command) == 0)
            return of[i].codes;
    return "0 healthy, 1 unhealthy or starting, 64 usage, 69 no agent,\n"
           "70 internal, 75 stale, 78 configuration, 124 out of time,\n"
           "126/127 COMMAND cannot be run / not found, 128+N ended by signal N.";
}
