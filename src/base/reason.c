/* reason: see reason.h. */
#include "base/reason.h"

#include <errno.h>
#include <string.h>

static const char *const names[REASON_COUNT] = {
    [REASON_OK] = "ok",
    [REASON_DNS] = "dns",
    [REASON_REFUSED] = "refused",
    [REASON_UNREACHABLE] = "unreachable",
    [REASON_TIMEOUT] = "timeout",
    [REASON_RESET] = "reset",
    [REASON_CLOSED] = "closed",
    [REASON_TLS] = "tls",
    [REASON_AUTH] = "auth",
    [REASON_PROTOCOL] = "protocol",
    [REASON_MISMATCH] = "mismatch",
    [REASON_NOT_RUNNING] = "not-running",
    [REASON_NOT_INITIATED] = "not-initiated",
    [REASON_NOT_WRITABLE] = "not-writable",
    [REASON_NO_PRIMARY] = "no-primary",
    [REASON_INIT_PHASE] = "init-phase",
    [REASON_NOT_READY] = "not-ready",
    [REASON_FULL] = "full",
    [REASON_STUCK] = "stuck",
    [REASON_INTERNAL] = "internal",
};

const char *reason_name(enum reason reason)
{
    return names[reason];
}

int reason_from_name(const char *name)
{
    for (int i = 0; i < REASON_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

enum reason reason_from_errno(int errnum)
{
    switch (errnum) {
    case ECONNREFUSED:
    case ENOENT:  /* a unix socket's path is not there */
    case ENOTDIR: /* nor can it be */
        return REASON_REFUSED;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
        return REASON_RESET;
    case ETIMEDOUT:
        return REASON_TIMEOUT;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case EADDRNOTAVAIL: /* no local port left */
        return REASON_INTERNAL;
    default:
        return REASON_UNREACHABLE;
    }
}
