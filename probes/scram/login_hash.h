/* login_hash: one-way functions over two texts, one after the other, as older logins have them. */
#ifndef PROBE_SCRAM_LOGIN_HASH_H
#define PROBE_SCRAM_LOGIN_HASH_H

#include <openssl/evp.h>
#include <stddef.h>

/* -1: the function is not to be had. */
int login_hash(const EVP_MD *kind, const void *a, size_t a_len, const void *b, size_t b_len,
               unsigned char out[EVP_MAX_MD_SIZE]);

/* MD5 in hex. */
#define LOGIN_HASH_HEX 33
int login_hash_md5(const void *a, size_t a_len, const void *b, size_t b_len,
                   char hex[LOGIN_HASH_HEX]);

#endif
