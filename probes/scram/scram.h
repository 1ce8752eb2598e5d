/* scram: the client's side of SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, RFC 7677; MongoDB's
 * specification "Authentication"): texts in, texts out. Pure but for the nonce. The costly step,
 * the salted password, stands alone, so that it can be made off the loop and be kept between
 * checks. */
#ifndef PROBE_SCRAM_SCRAM_H
#define PROBE_SCRAM_SCRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define SCRAM_ITERATIONS_MIN 4096   /* fewer, and a false server learns the password cheaply */
#define SCRAM_ITERATIONS_MAX 200000 /* MongoDB's are 10,000 and 15,000; more could hold us up */
#define SCRAM_SALT_MAX       64
#define SCRAM_HASH_MAX       32
#define SCRAM_NONCE_SIZE     33 /* 24 bytes as base64, and the NUL */
#define SCRAM_TEXT_MAX       1024

enum scram_hash { SCRAM_SHA_1, SCRAM_SHA_256 };

/* What a password becomes with one salt. Holds secrets: scram_keys_wipe. */
struct scram_keys {
    bool valid;
    enum scram_hash hash;
    uint32_t iterations;
    size_t salt_len;
    unsigned char salt[SCRAM_SALT_MAX];
    unsigned char client_key[SCRAM_HASH_MAX], server_key[SCRAM_HASH_MAX];
};

struct scram {
    enum scram_hash hash;
    char nonce[SCRAM_NONCE_SIZE];
    struct buf auth;        /* the AuthMessage, as it grows */
    struct buf final_nonce; /* ours and the server's */
    struct scram_keys keys; /* `valid` once scram_salt was done, or copied from an earlier check */
    unsigned char server_signature[SCRAM_HASH_MAX];
};

/* The client's first message. -1: out of memory, or no random bytes. */
int scram_first(struct scram *s, enum scram_hash hash, const char *user, struct buf *out,
                struct err *e);

/* Takes the server's first message. 0: `keys` tell salt and iterations, and are valid if they were
 * for the same before; else scram_salt must be run. */
int scram_challenge(struct scram *s, const char *text, size_t len, struct err *e);

/* The costly step, 5-10 ms at MongoDB's iterations; touches `keys` only. The password is that of
 * saslprep for SCRAM-SHA-256. */
int scram_salt(struct scram_keys *keys, const char *password);

/* The client's last message. */
int scram_final(struct scram *s, struct buf *out, struct err *e);

/* Is the server's last message right: does it know the password too? */
int scram_verify(const struct scram *s, const char *text, size_t len, struct err *e);

void scram_fini(struct scram *s); /* wipes; a zeroed one is fine */
void scram_keys_wipe(struct scram_keys *keys);

#endif
