/* mongo_salt: see mongo_salt.h. */
#include "mongo/mongo_salt.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "base/buf.h"

#define MD5_BYTES 16

/* With SCRAM-SHA-1 MongoDB's password is a digest in hex of its own older kind. */
static int legacy_password(const char *user, const char *password, char hex[2 * MD5_BYTES + 1])
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned n;
    struct buf b;
    buf_init(&b, 1 << 20);
    int rc = buf_printf(&b, "%s:mongo:%s", user, password);
    if (rc == 0 && !EVP_Digest(b.data, b.len, sum, &n, EVP_md5(), NULL))
        rc = -1;
    for (size_t i = 0; rc == 0 && i < MD5_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
    if (b.data)
        OPENSSL_cleanse(b.data, b.size);
    buf_fini(&b);
    return rc;
}

int mongo_salt(struct scram_keys *k, const char *user, const char *password)
{
    char hex[2 * MD5_BYTES + 1] = "";
    if (k->hash != SCRAM_SHA_1)
        return scram_salt(k, password);
    int rc = legacy_password(user, password, hex) == 0 ? scram_salt(k, hex) : -1;
    OPENSSL_cleanse(hex, sizeof hex);
    return rc;
}
