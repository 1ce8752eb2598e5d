/* mysql_login: see mysql_login.h. */
#include "mysql/mysql_login.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "scram/login_hash.h"

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
    bool ok = login_hash(kind, password, strlen(password), "", 0, once) == 0 &&
              login_hash(kind, once, len, "", 0, twice) == 0 &&
              (native ? login_hash(kind, nonce, 20, twice, len, mixed)
                      : login_hash(kind, twice, len, nonce, 20, mixed)) == 0;
    for (size_t i = 0; ok && i < len; i++)
        out[i] = once[i] ^ mixed[i];
    OPENSSL_cleanse(once, sizeof once);
    OPENSSL_cleanse(twice, sizeof twice);
    return ok ? (int)len : -1;
}

bool mysql_login_is_clear(const char *plugin)
{
    return strcmp(plugin, MYSQL_CLEAR) == 0 || strcmp(plugin, MYSQL_SHA256) == 0;
}

static EVP_PKEY *read_key(const char *pem, size_t len)
{
    BIO *bio = len < 16384 ? BIO_new_mem_buf(pem, (int)len) : NULL;
    EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    if (key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_size(key) > 0 &&
        EVP_PKEY_get_size(key) <= MYSQL_KEY_MAX)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

static int encrypt(EVP_PKEY *key, const unsigned char *text, size_t len, struct buf *out)
{
    unsigned char sealed[MYSQL_KEY_MAX];
    size_t n = sizeof sealed;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    bool ok = ctx && EVP_PKEY_encrypt_init(ctx) > 0 &&
              EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) > 0 &&
              EVP_PKEY_encrypt(ctx, sealed, &n, text, len) > 0;
    EVP_PKEY_CTX_free(ctx);
    return ok ? buf_add(out, sealed, n) : -1;
}

int mysql_login_encrypt(const char *pem, size_t len, const char *password,
                        const unsigned char nonce[20], struct buf *out)
{
    size_t n = strlen(password) + 1; /* with its NUL */
    EVP_PKEY *key = read_key(pem, len);
    unsigned char *mixed = key ? malloc(n) : NULL;
    int rc = -1;
    if (mixed) {
        for (size_t i = 0; i < n; i++)
            mixed[i] = (unsigned char)((unsigned char)password[i] ^ nonce[i % 20]);
        rc = encrypt(key, mixed, n, out);
        OPENSSL_cleanse(mixed, n);
    }
    free(mixed);
    EVP_PKEY_free(key);
    return rc;
}
