/* access: who may be told what. The Unix socket is the file system's to guard; what comes by TCP
 * has to show the token, where one is configured (RFC 6750). */
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "serve/internal.h"

/* What follows "Bearer" in the header; NULL: it is not there, or of another kind. */
static const char *token_of(const struct request *req)
{
    static const char scheme[] = "Bearer ";
    const char *value =
        MHD_lookup_connection_value(req->conn->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    if (!value || strncasecmp(value, scheme, sizeof scheme - 1) != 0)
        return NULL;
    value += sizeof scheme - 1;
    return value + strspn(value, " ");
}

bool access_is_granted(const struct request *req)
{
    const char *secret = req->conn->listener->serve->token, *given;
    if (!secret || req->conn->listener->is_unix)
        return true;
    return (given = token_of(req)) && str_is_secret(given, secret);
}

const char *access_challenge(const struct request *req, const char **words)
{
    bool wrong = token_of(req) != NULL;
    *words = wrong ? "unauthorized: this is not the token of this agent\n"
                   : "unauthorized: this agent asks for its token, in a header Authorization: "
                     "Bearer TOKEN\n";
    return wrong ? "Bearer realm=\"probe\", error=\"invalid_token\"" : "Bearer realm=\"probe\"";
}
