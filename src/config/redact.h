/* redact: what may be shown of a setting that holds or may hold a secret. It leans towards hiding:
 * a text that is no valid URL still loses all that could be a password. */
#ifndef PROBE_CONFIG_REDACT_H
#define PROBE_CONFIG_REDACT_H

#include "probe.h"

/* The URL with user and password, and the values of options that are named like a secret, replaced
 * by "***"; malloc'd, NULL out of memory. A text without credentials comes back as it was. */
char *redact_url(const char *url);

/* Calls `each` with every secret in the URL, as it is written there, while that returns 0; returns
 * what it returned last. */
int redact_secrets_of(const char *url, int (*each)(void *ctx, const char *secret, size_t len),
                      void *ctx);

/* One item of a key as it may be shown: a secret as `***`, of a header its name; for KEY_MAY_HIDE
 * the URL without its credentials. Malloc'd, NULL out of memory. */
char *redact_item(const struct probe_key *key, const char *text);

/* Would that item, written in a file, be a secret in the file? Yes where the name of the key or
 * header says so; what may be one (bytes to send) is hidden, but nobody is told off for it. "off"
 * is none.
 */
bool redact_holds_secret(const struct probe_key *key, const char *text);

/* Is an argument of the command line named like a secret ("--password x", "TOKEN=x")? No where what
 * follows is a path, a number or another option. */
bool redact_is_telling_command(const char *text);

#endif
