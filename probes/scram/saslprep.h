/* saslprep: a password as SCRAM hashes it (RFC 4013, for stored strings, but that characters newer
 * than Unicode 3.2 are let pass). Pure. */
#ifndef PROBE_SCRAM_SASLPREP_H
#define PROBE_SCRAM_SASLPREP_H

#include "base/err.h"

/* malloc'd, and as secret as the text; NULL, with what forbids it, which quotes nothing of it. */
char *saslprep(const char *text, struct err *e);

#endif
