/* login_hash: see login_hash.h. */
#include "scram/login_hash.h"

#include <stdio.h>

int login_hash(const EVP_MD *kind, const void *a, size_t a_len, const void *b, size_t b_len,
               unsigned char out[EVP_MAX_MD_SIZE])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int ok = md && EVP_DigestInit_ex(md, kind, NULL) && EVP_DigestUpdate(md, a, a_len) &&
             EVP_DigestUpdate(md, b, b_len) && EVP_DigestFinal_ex(md, out, NULL);
    EVP_MD_CTX_free(md);
    return ok ? 0 : -1;
}

int login_hash_md5(const void *a, size_t a_len, const void *b, size_t b_len,
                   char hex[LOGIN_HASH_HEX])
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    int rc = login_hash(EVP_md5(), a, a_len, b, b_len, sum);
    for (size_t i = 0; rc == 0 && i < LOGIN_HASH_HEX / 2; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
    return rc;
}
