/* mysql_login: see mysql_login.h. */
#include "mysql/mysql_login.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

static int hash(const EVP_MD *kind, const void *a, size_t a_len, const void *b, size_t b_len,
                unsigned char out[EVP_MAX_MD_SIZE])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md && EVP_DigestInit_ex(md, kind, NULL) && EVP_DigestUpdate(md, a, a_len) &&
              EVP_DigestUpdate(md, b, b_len) && EVP_DigestFinal_ex(md, out, NULL);
    EVP_MD_CTX_free(md);
    return ok ? 0 : -1;
}

/* H(password) XOR H(nonce + H(H(password))); caching_sha2_password has the two of the latter the
 * other way round. */
int mysql_login_digest(const char *plugin, const char *password, const unsigned char nonce[20],
                       unsigned char out[MYSQL_DIGEST_MAX])
{
    bool native = strcmp(plugin, MYSQL_NATIVE) == 0;
    if (!native && strcmp(plugin, MYSQL_CACHING) != 0)
        return -1;
    if (!*password)
        return 0;
    const EVP_MD *kind = native ? EVP_sha1() : EVP_sha256();
    size_t len = native ? 20 : 32;
    unsigned char once[EVP_MAX_MD_SIZE], twice[EVP_MAX_MD_SIZE], mixed[EVP_MAX_MD_SIZE];
    int rc = hash(kind, password, strlen(password), "", 0, once) ||
                     hash(kind, once, len, "", 0, twice) ||
                     (native ? hash(kind, nonce, 20, twice, len, mixed)
                             : hash(kind, twice, len, nonce, 20, mixed))
                 ? -1
                 : (int)len;
    for (size_t i = 0; i < len; i++)
        out[i] = once[i] ^ mixed[i];
    OPENSSL_cleanse(once, sizeof once);
    OPENSSL_cleanse(twice, sizeof twice);
    return rc;
}

bool mysql_login_is_clear(const char *plugin)
{
    return strcmp(plugin, MYSQL_CLEAR) == 0 || strcmp(plugin, MYSQL_SHA256) == 0;
}
