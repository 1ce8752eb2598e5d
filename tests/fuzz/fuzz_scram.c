/* Any bytes as a server's two texts of a login by SCRAM, after a nonce that is ours: the first byte
 * chooses the hash. A last text passes only if it is the one that knows the password. */
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "scram/scram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NONCE "0123456789abcdef0123456789abcdef"

/* The costly step, made cheap. */
static void salt(struct scram_keys *k)
{
    k->valid = true;
    memset(k->client_key, 0x5a, sizeof k->client_key);
    memset(k->server_key, 0xa5, sizeof k->server_key);
}

static bool is_proof(const struct scram *s, const char *text, size_t len)
{
    char right[2 * SCRAM_HASH_MAX + 2] = "v=";
    int hash = s->hash == SCRAM_SHA_1 ? 20 : 32;
    EVP_EncodeBlock((unsigned char *)right + 2, s->server_signature, hash);
    size_t n = strlen(right);
    return len >= n && memcmp(text, right, n) == 0 && (len == n || text[n] == ',');
}

/* What a server that knows the password would say: passes, whatever came before. */
static void finish(struct scram *s, const char *text, size_t len)
{
    char right[2 * SCRAM_HASH_MAX + 2] = "v=";
    struct err e;
    if ((scram_verify(s, text, len, &e) == 0) != is_proof(s, text, len) && len < SCRAM_TEXT_MAX)
        abort();
    EVP_EncodeBlock((unsigned char *)right + 2, s->server_signature,
                    s->hash == SCRAM_SHA_1 ? 20 : 32);
    if (scram_verify(s, right, strlen(right), &e))
        abort();
}

static void play(struct scram *s, const char *text, size_t len)
{
    struct buf out;
    struct err e;
    const char *last = memchr(text, '\n', len); /* the two texts */
    size_t first_len = last ? (size_t)(last - text) : len;
    buf_init(&out, 1 << 16);
    if (scram_first(s, s->hash, "us,=er", &out, &e) == 0) {
        strcpy(s->nonce, NONCE);
        if (scram_challenge(s, text, first_len, &e) == 0) {
            const struct scram_keys *k = &s->keys;
            if (k->salt_len < 1 || k->salt_len > SCRAM_SALT_MAX ||
                k->iterations < SCRAM_ITERATIONS_MIN || k->iterations > SCRAM_ITERATIONS_MAX)
                abort();
            salt(&s->keys);
            if (scram_final(s, &out, &e) == 0)
                finish(s, last ? last + 1 : "", last ? len - first_len - 1 : 0);
        }
    }
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scram s;
    if (size < 1)
        return 0;
    memset(&s, 0, sizeof s);
    s.hash = data[0] & 1 ? SCRAM_SHA_256 : SCRAM_SHA_1;
    play(&s, (const char *)data + 1, size - 1);
    scram_fini(&s);
    return 0;
}
