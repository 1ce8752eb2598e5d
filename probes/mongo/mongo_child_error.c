/* mongo_child_error: see mongo_child_error.h. */
#include "mongo/mongo_child_error.h"

#include <mongoc/mongoc.h>
#include <string.h>

#include "base/str.h"
#include "mongo/mongo_wire.h"

/* A selection's error holds every server's words; the first row that is found in them names the
 * reason, so the more telling ones come first. */
static const struct {
    const char *words;
    enum reason reason;
} table[] = {
    {"uthentication failed", REASON_AUTH},
    {"TLS handshake failed", REASON_TLS},
    {"certificate", REASON_TLS},
    {"connection timeout", REASON_TIMEOUT},
    {"socket timeout", REASON_TIMEOUT},
    {"timed out", REASON_TIMEOUT},
    {"connection refused", REASON_REFUSED},
    {"ailed to resolve", REASON_DNS},
    {"Failed to look up", REASON_DNS},
    {"returned for service", REASON_DNS}, /* a SRV record that leads out of its domain */
    {"TXT record", REASON_DNS},
    {"connection closed", REASON_CLOSED},
    {"Server closed connection", REASON_CLOSED},
    {"Failed to receive length header", REASON_CLOSED},
    {"Connection reset", REASON_RESET},
    {"socket error or timeout", REASON_CLOSED},
};

static enum reason by_code(uint32_t code)
{
    return code == MONGO_UNAUTHORIZED || code == MONGO_AUTH_FAILED ? REASON_AUTH : REASON_PROTOCOL;
}

enum reason mongo_child_reason(uint32_t domain, uint32_t code, const char *words)
{
    if (domain == MONGOC_ERROR_SERVER)
        return by_code(code);
    if (domain == MONGOC_ERROR_SASL || domain == MONGOC_ERROR_SCRAM ||
        (domain == MONGOC_ERROR_CLIENT && code == MONGOC_ERROR_CLIENT_AUTHENTICATE))
        return REASON_AUTH;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (strstr(words, table[i].words))
            return table[i].reason;
    return domain == MONGOC_ERROR_STREAM ? REASON_CLOSED : REASON_PROTOCOL;
}

const char *mongo_child_words(const char *message)
{
    const char *bracket = str_starts(message, "No suitable servers") ? strchr(message, '[') : NULL;
    return bracket ? bracket : message;
}
