/* http_reply: see http_reply.h. */
#include "http/http_reply.h"

#include <stdio.h>

#include "base/str.h"

const char *http_excerpt(const struct http_reply *reply, char out[HTTP_EXCERPT_MAX])
{
    char text[HTTP_EXCERPT_MAX - 4];
    *out = '\0';
    if (reply->body.len && !reply->quiet)
        snprintf(out, HTTP_EXCERPT_MAX, ": \"%s\"",
                 str_excerpt(reply->body.data, reply->body.len, text, sizeof text));
    return out;
}
