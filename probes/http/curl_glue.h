/* curl_glue: libcurl's multi interface on the loop, one multi a loop, made on first use and kept in
 * env->curl. It moves events between libuv and curl and says when a transfer is done; it never
 * looks at a URL, a header or a reply. */
#ifndef PROBE_HTTP_CURL_GLUE_H
#define PROBE_HTTP_CURL_GLUE_H

#include <curl/curl.h>
#include <stdbool.h>

#include "base/err.h"
#include "host.h"

/* One transfer, embedded in its owner. */
struct curl_transfer {
    CURL *easy; /* the owner's */
    void (*on_done)(struct curl_transfer *t, CURLcode result);
    /* Private. */
    struct curl_glue *glue;       /* NULL: not under way */
    struct curl_transfer *failed; /* next of those whose socket cannot be watched */
    bool is_failed;
};

/* Sets libcurl up, once in the process; also before the first easy handle is made. */
int curl_glue_init(struct err *e);

/* Starts the transfer. `on_done` comes once, from the loop, never from inside; the transfer is then
 * no longer under way and the easy handle may be freed from inside on_done. */
int curl_glue_start(struct probe_env *env, struct curl_transfer *t, struct err *e);

/* Ends it without on_done; nothing to do when it is not under way. Never from inside one of curl's
 * own callbacks. */
void curl_glue_stop(struct curl_transfer *t);

#endif
