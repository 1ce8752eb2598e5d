/* fingerprint: the settings of a check as one hash, to tell whether a reload changed them. Only
 * what differs from the plain defaults is in it, spelled in one way. */
/* SHA256() and EVP set up OpenSSL's providers, which costs milliseconds of a one-shot check. The
 * plain functions do not; that they are deprecated is the price. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <inttypes.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "config/build.h"
#include "config/value.h"

static void add_text(struct buf *b, const char *text)
{
    buf_printf(b, "%zu:", strlen(text));
    buf_puts(b, text);
}

/* The content of a file that a setting names is part of the setting. */
static void add_file(struct buf *b, const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        buf_puts(b, "absent");
        return;
    }
    buf_printf(b, "%ju.%ju.%jd.%jd.%ld", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino,
               (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

void build_add_file(struct buf *b, const char *path)
{
    buf_puts(b, "\nfile=");
    add_text(b, path);
    add_file(b, path);
}

static void add_value(struct buf *b, const struct probe_key *key, const struct probe_value *v)
{
    buf_printf(b, "\n%s=", key->name);
    if (!v->text)
        return;
    switch (key->kind) {
    case KEY_TEXT:
    case KEY_FILE:
        add_text(b, v->text);
        if (key->kind == KEY_FILE)
            add_file(b, v->text);
        break;
    case KEY_WORDS:
    case KEY_LINES:
        for (size_t i = 0; i < v->n_lines; i++)
            add_text(b, v->lines[i]);
        break;
    default:
        buf_printf(b, "%" PRId64, v->num);
    }
}

static void add_table(struct buf *b, const struct builder_tables *t, size_t first)
{
    for (size_t k = first; k < t->plain.n; k++)
        if (!value_equal(&t->plain.keys[k], &t->plain.values[k], &t->scratch.values[k]))
            add_value(b, &t->plain.keys[k], &t->scratch.values[k]);
}

char *build_fingerprint(const struct builder_tables *common, const struct builder_tables *own,
                        const char *type, const struct buf *files)
{
    struct buf b;
    buf_init(&b, SIZE_MAX / 2);
    buf_puts(&b, type);
    add_table(&b, common, COMMON_TYPE + 1);
    add_table(&b, own, 0);
    b.failed |= files->failed;
    if (files->len)
        buf_add(&b, files->data, files->len);
    unsigned char hash[SHA256_DIGEST_LENGTH];
    SHA256_CTX sum;
    struct buf hex;
    buf_init(&hex, 2 * sizeof hash);
    if (!b.failed && SHA256_Init(&sum) && SHA256_Update(&sum, b.data, b.len) &&
        SHA256_Final(hash, &sum))
        for (size_t i = 0; i < sizeof hash; i++)
            buf_printf(&hex, "%02x", hash[i]);
    if (b.data)
        explicit_bzero(b.data, b.len); /* the secrets among them */
    explicit_bzero(&sum, sizeof sum);
    buf_fini(&b);
    return buf_take(&hex);
}
