/* scram: see scram.h. */
#include "scram/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/str.h"

#define NONCE_BYTES   24
#define GS2_HEADER    "n,,"
#define CHANNEL_FINAL "c=biws,r=" /* base64 of the header: no channel binding */

static const EVP_MD *digest_of(enum scram_hash hash)
{
    return hash == SCRAM_SHA_256 ? EVP_sha256() : EVP_sha1();
}

static size_t hash_len(enum scram_hash hash)
{
    return hash == SCRAM_SHA_256 ? 32 : 20;
}

static int mac(enum scram_hash hash, const unsigned char *key, const void *data, size_t len,
               unsigned char out[SCRAM_HASH_MAX])
{
    unsigned n;
    return HMAC(digest_of(hash), key, (int)hash_len(hash), data, len, out, &n) ? 0 : -1;
}

/* "=" and "," are the syntax's own. */
static void add_name(struct buf *out, const char *user)
{
    for (; *user; user++)
        if (*user == '=')
            buf_puts(out, "=3D");
        else if (*user == ',')
            buf_puts(out, "=2C");
        else
            buf_putc(out, *user);
}

int scram_first(struct scram *s, enum scram_hash hash, const char *user, struct buf *out,
                struct err *e)
{
    unsigned char random[NONCE_BYTES];
    s->hash = hash;
    if (getrandom(random, sizeof random, GRND_NONBLOCK) != sizeof random)
        return err_set(e, "no random bytes");
    EVP_EncodeBlock((unsigned char *)s->nonce, random, sizeof random);
    buf_fini(&s->auth);
    buf_init(&s->auth, 4 * SCRAM_TEXT_MAX);
    buf_puts(&s->auth, "n=");
    add_name(&s->auth, user);
    if (buf_printf(&s->auth, ",r=%s", s->nonce) || buf_printf(out, GS2_HEADER "%s", s->auth.data))
        return err_set(e, "out of memory, or the user name is too long");
    return 0;
}

/* Base64 that must be right to the last byte; its length, or -1. */
static int decode64(const char *text, size_t len, unsigned char *out, size_t size)
{
    unsigned char block[SCRAM_TEXT_MAX];
    if (len == 0 || len % 4 || len / 4 * 3 > sizeof block || memchr(text, '=', len - 2) ||
        (text[len - 2] == '=' && text[len - 1] != '='))
        return -1;
    int n = EVP_DecodeBlock(block, (const unsigned char *)text, (int)len);
    n -= text[len - 1] == '=' ? text[len - 2] == '=' ? 2 : 1 : 0;
    if (n < 0 || (size_t)n > size)
        return -1;
    memcpy(out, block, (size_t)n);
    return n;
}

/* Takes "<name>=<value>" and the comma after it off the text. False when that is not next. */
static bool attribute(const char **text, const char *end, char name, const char **value,
                      size_t *len)
{
    const char *p = *text;
    if (end - p < 2 || p[0] != name || p[1] != '=')
        return false;
    const char *comma = memchr(p, ',', (size_t)(end - p));
    *value = p + 2;
    *len = (size_t)((comma ? comma : end) - *value);
    *text = comma ? comma + 1 : end;
    return true;
}

static int number(const char *text, size_t len, uint32_t *out)
{
    uint32_t n = 0;
    if (len == 0 || len > 7)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        n = n * 10 + (uint32_t)(text[i] - '0');
    }
    *out = n;
    return 0;
}

/* Keys of an earlier check hold while salt, iterations and hash stay. */
static void set_salt(struct scram_keys *k, enum scram_hash hash, uint32_t iterations,
                     const unsigned char *salt, size_t len)
{
    if (k->valid && k->hash == hash && k->iterations == iterations && k->salt_len == len &&
        memcmp(k->salt, salt, len) == 0)
        return;
    scram_keys_wipe(k);
    k->hash = hash;
    k->iterations = iterations;
    k->salt_len = len;
    memcpy(k->salt, salt, len);
}

int scram_challenge(struct scram *s, const char *text, size_t len, struct err *e)
{
    const char *p = text, *end = text + len, *nonce, *salt64, *count;
    size_t nonce_len, salt64_len, count_len, ours = strlen(s->nonce);
    unsigned char salt[SCRAM_SALT_MAX];
    uint32_t iterations;
    if (len >= SCRAM_TEXT_MAX || memchr(text, '\0', len))
        return err_set(e, "a login challenge of %zu bytes", len);
    if (!attribute(&p, end, 'r', &nonce, &nonce_len) ||
        !attribute(&p, end, 's', &salt64, &salt64_len) ||
        !attribute(&p, end, 'i', &count, &count_len))
        return err_set(e, "not a login challenge");
    if (nonce_len <= ours || memcmp(nonce, s->nonce, ours) != 0)
        return err_set(e, "a login challenge for another nonce");
    int salt_len = decode64(salt64, salt64_len, salt, sizeof salt);
    if (salt_len <= 0)
        return err_set(e, "a login challenge with a broken salt");
    if (number(count, count_len, &iterations) || iterations < SCRAM_ITERATIONS_MIN ||
        iterations > SCRAM_ITERATIONS_MAX)
        return err_set(e, "a login challenge with iterations not in %d..%d", SCRAM_ITERATIONS_MIN,
                       SCRAM_ITERATIONS_MAX);
    buf_fini(&s->final_nonce);
    buf_init(&s->final_nonce, SCRAM_TEXT_MAX);
    buf_putc(&s->auth, ',');
    if (buf_add(&s->final_nonce, nonce, nonce_len) || buf_add(&s->auth, text, len))
        return err_set(e, "out of memory");
    set_salt(&s->keys, s->hash, iterations, salt, (size_t)salt_len);
    return 0;
}

int scram_salt(struct scram_keys *k, const char *password)
{
    unsigned char salted[SCRAM_HASH_MAX];
    int ok =
        PKCS5_PBKDF2_HMAC(password, (int)strlen(password), k->salt, (int)k->salt_len,
                          (int)k->iterations, digest_of(k->hash), (int)hash_len(k->hash), salted);
    k->valid = ok && mac(k->hash, salted, "Client Key", 10, k->client_key) == 0 &&
               mac(k->hash, salted, "Server Key", 10, k->server_key) == 0;
    OPENSSL_cleanse(salted, sizeof salted);
    return k->valid ? 0 : -1;
}

int scram_final(struct scram *s, struct buf *out, struct err *e)
{
    unsigned char stored[EVP_MAX_MD_SIZE], proof[SCRAM_HASH_MAX], signature[SCRAM_HASH_MAX];
    unsigned char proof64[SCRAM_HASH_MAX * 2];
    size_t len = hash_len(s->hash);
    unsigned n;
    if (buf_printf(&s->auth, "," CHANNEL_FINAL "%s", s->final_nonce.data))
        return err_set(e, "out of memory");
    if (!EVP_Digest(s->keys.client_key, len, stored, &n, digest_of(s->hash), NULL) ||
        mac(s->hash, stored, s->auth.data, s->auth.len, signature) ||
        mac(s->hash, s->keys.server_key, s->auth.data, s->auth.len, s->server_signature))
        return err_set(e, "the hash functions of SCRAM are not to be had");
    for (size_t i = 0; i < len; i++)
        proof[i] = s->keys.client_key[i] ^ signature[i];
    EVP_EncodeBlock(proof64, proof, (int)len);
    if (buf_printf(out, CHANNEL_FINAL "%s,p=%s", s->final_nonce.data, (char *)proof64))
        return err_set(e, "out of memory");
    return 0;
}

int scram_verify(const struct scram *s, const char *text, size_t len, struct err *e)
{
    const char *p = text, *value;
    size_t value_len, hash = hash_len(s->hash);
    unsigned char signature[SCRAM_HASH_MAX];
    if (len >= SCRAM_TEXT_MAX || !attribute(&p, text + len, 'v', &value, &value_len))
        return err_set(e, "the server does not prove that it knows the password");
    if (decode64(value, value_len, signature, sizeof signature) != (int)hash ||
        CRYPTO_memcmp(signature, s->server_signature, hash) != 0)
        return err_set(e, "the server's proof that it knows the password is wrong");
    return 0;
}

void scram_keys_wipe(struct scram_keys *k)
{
    OPENSSL_cleanse(k, sizeof *k);
}

void scram_fini(struct scram *s)
{
    buf_fini(&s->auth);
    buf_fini(&s->final_nonce);
    OPENSSL_cleanse(s, sizeof *s);
}
