/* The fuzz targets in one program, each under a name of its own; the table is made by
 * CMakeLists.txt. */
#ifndef PROBE_TESTS_FUZZ_REPLAY_H
#define PROBE_TESTS_FUZZ_REPLAY_H

#include <stddef.h>
#include <stdint.h>

struct replay_target {
    const char *name; /* of its corpus */
    int (*one)(const uint8_t *data, size_t size);
    int (*init)(int *argc, char ***argv); /* NULL: none */
};

/* NULL: the end. */
extern const struct replay_target replay_targets[];

#endif
