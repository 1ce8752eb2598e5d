/* reason: the closed list of why a check failed; the same word in every output. */
#ifndef PROBE_BASE_REASON_H
#define PROBE_BASE_REASON_H

enum reason {
    REASON_OK,            /* the check succeeded */
    REASON_DNS,           /* the name could not be resolved */
    REASON_REFUSED,       /* nothing listens there (ECONNREFUSED; no socket file) */
    REASON_UNREACHABLE,   /* no route to the host or network, or the system forbids it */
    REASON_TIMEOUT,       /* not done within the check's timeout */
    REASON_RESET,         /* the connection was reset */
    REASON_CLOSED,        /* the connection was closed before the reply was whole */
    REASON_TLS,           /* handshake or certificate */
    REASON_AUTH,          /* credentials missing or refused */
    REASON_PROTOCOL,      /* what came back is not the protocol, or the child crashed on it */
    REASON_MISMATCH,      /* an expectation of the configuration was not met */
    REASON_NOT_RUNNING,   /* no such process */
    REASON_NOT_INITIATED, /* mongo: a replica set member without a configuration */
    REASON_NOT_WRITABLE,  /* not the writable role that is required, or no writes */
    REASON_NO_PRIMARY,    /* mongo: the set has no primary */
    REASON_INIT_PHASE,    /* the image's temporary server of its init phase */
    REASON_NOT_READY,     /* the server says that it starts, loads, recovers, or shuts down */
    REASON_FULL,          /* the server takes no more connections */
    REASON_STUCK,         /* the last run of this check could not be ended yet */
    REASON_INTERNAL,      /* the agent could not check: descriptors, memory, a suspended agent */
    REASON_COUNT
};

/* The word, e.g. "not-running"; "ok" for REASON_OK. Never NULL for a valid reason. */
const char *reason_name(enum reason reason);

/* The reason with that word, or -1. */
int reason_from_name(const char *name);

/* The reason for an errno value of a socket call (connect, read, write). */
enum reason reason_from_errno(int errnum);

#endif
