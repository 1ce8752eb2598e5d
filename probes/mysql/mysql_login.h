/* mysql_login: what a password becomes for one login. */
#ifndef PROBE_MYSQL_MYSQL_LOGIN_H
#define PROBE_MYSQL_MYSQL_LOGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define MYSQL_NATIVE     "mysql_native_password"
#define MYSQL_CACHING    "caching_sha2_password"
#define MYSQL_CLEAR      "mysql_clear_password"
#define MYSQL_SHA256     "sha256_password"
#define MYSQL_DIGEST_MAX 32

/* The answer of a plugin that proves the password by a digest: its length, 0 for an empty password,
 * or -1: no such plugin, or the hash is not to be had. */
int mysql_login_digest(const char *plugin, const char *password, const unsigned char nonce[20],
                       unsigned char out[MYSQL_DIGEST_MAX]);

/* Does the plugin take the password as it is? */
bool mysql_login_is_clear(const char *plugin);

#define MYSQL_KEY_MAX 1024 /* bytes that a server's RSA key may have */

/* The password for a connection without TLS, by the server's own RSA key (PEM), as
 * caching_sha2_password and sha256_password have it: XOR with the nonce, then RSA-OAEP. Adds to
 * `out`. -1: that is no key, or one too large. */
int mysql_login_encrypt(const char *pem, size_t len, const char *password,
                        const unsigned char nonce[20], struct buf *out);

#endif
