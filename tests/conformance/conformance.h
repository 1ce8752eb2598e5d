/* conformance: what every probe type must stand, run over all of PROBE_TYPES. A type brings one
 * file, tests/conformance/NAME.c, that says how its targets are made; the build fails where it is
 * missing. */
#ifndef PROBE_TESTS_CONFORMANCE_H
#define PROBE_TESTS_CONFORMANCE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"

/* What the scripted server does with a connection. */
enum manner {
    MANNER_SERVE,   /* the type's own `serve` answers well */
    MANNER_SILENT,  /* accepts, reads, never answers */
    MANNER_GARBAGE, /* answers the first bytes with noise (no ASCII, no line end), then closes */
    MANNER_RESET,   /* resets the connection once it got something, or at once after 20 ms */
    MANNER_CLOSE,   /* the same, closed in order */
    MANNER_DRIP,    /* answers well, a byte at a time */
    MANNER_REFUSED, /* nobody listens */
};

/* One target and what must be said of it. `target` is what a user would type. */
struct conformance_case {
    const char *name;
    char target[256];
    bool reasons[REASON_COUNT];                /* the verdicts that are right */
    enum manner manner;                        /* for targets on the scripted server */
    void (*begin)(struct conformance_case *c); /* makes the target; may be NULL */
    void (*end)(struct conformance_case *c);
    intptr_t data;
};

/* A type's part. For a type with a server: `scheme` is put in front of 127.0.0.1:PORT, `tail`
 * behind; `serve` reads the request in `in` (n bytes so far) and writes a good answer to `out`: its
 * length, 0 when the request is not whole yet. It answers once a connection. The common cases are
 * made from it. `cases` adds the type's own, which bring their targets. What needs a dialogue,
 * another answer or other keys is a row of tests/truth. */
struct conformance_type {
    const char *name;
    const char *scheme, *tail;
    size_t (*serve)(const unsigned char *in, size_t n, unsigned char *out, size_t size);
    enum reason silent_is, garbage_is; /* what is said of these manners (a bare TCP check: ok) */
    bool greets;       /* the server speaks first: `serve` with n 0, and then again */
    bool closed_is_ok; /* an accepted connection is all the type asks for */
    const struct conformance_case *cases;
    size_t n_cases;
};

#endif
