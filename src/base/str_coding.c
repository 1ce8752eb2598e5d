/* str_coding: what of str.h the libraries do: UTF-8 is utf8proc's, hex and base64 are OpenSSL's.
 * Apart from str.c, which the manual's generator has without them. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/str.h"

size_t str_utf8_char(const char *s, size_t max, uint32_t *c)
{
    utf8proc_int32_t point;
    utf8proc_ssize_t n =
        utf8proc_iterate((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)max, &point);
    *c = (uint32_t)point;
    return n > 0 ? (size_t)n : 0;
}

size_t str_utf8_put(uint32_t c, char out[4])
{
    bool valid = utf8proc_codepoint_valid((utf8proc_int32_t)c);
    return (size_t)utf8proc_encode_char(valid ? (utf8proc_int32_t)c : 0xfffd,
                                        (utf8proc_uint8_t *)out);
}

size_t str_utf8_len(const char *s)
{
    uint32_t c;
    return *s ? str_utf8_char(s, 4, &c) : 0;
}

unsigned str_acts_on_terminals(const char *s)
{
    uint32_t c;
    if (!str_utf8_char(s, 4, &c))
        return 0;
    bool acts = (c >= 0x80 && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
                (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    return acts ? c : 0;
}

void str_printable(char *s, size_t max)
{
    size_t at = 0;
    while (s[at]) {
        bool plain = str_is_plain(s[at]);
        size_t n = plain ? 1 : str_utf8_len(s + at);
        if (at + (n ? n : 1) > max)
            break;
        if (plain) {
            at++;
            continue;
        }
        if (!n || (unsigned char)s[at] < 0x20 || s[at] == 0x7f) {
            s[at] = '?';
            n = 1;
        } else if (str_acts_on_terminals(s + at)) {
            memset(s + at, '?', n);
        }
        at += n;
    }
    s[at] = '\0';
}

int str_hex(char c)
{
    return OPENSSL_hexchar2int((unsigned char)c);
}

char *str_base64(const char *s)
{
    size_t len = strlen(s);
    char *coded = malloc(len / 3 * 4 + 5);
    if (coded)
        EVP_EncodeBlock((unsigned char *)coded, (const unsigned char *)s, (int)len);
    return coded;
}

bool str_is_secret(const char *given, const char *secret)
{
    size_t len = strlen(secret);
    return strlen(given) == len && CRYPTO_memcmp(given, secret, len) == 0;
}
