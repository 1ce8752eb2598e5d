/* tcp_conf: see tcp_conf.h. */
#include "tcp/tcp_conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum { K_ADDRESS, K_SEND, K_EXPECT, K_REJECT, K_FAMILY, K_CLOSE, K_TLS, K_TLS_FIRST };
_Static_assert(K_TLS_FIRST + TLS_KEY_COUNT == TCP_N_KEYS, "the table and its index");

static const char *const closes[] = {"order", "reset", NULL};

static const char *const families[] = {"any", "4", "6", NULL};
static const int family_of[] = {0, 4, 6};

const struct probe_key tcp_keys[TCP_N_KEYS] = {
    [K_ADDRESS] = {.name = "address",
                   .kind = KEY_TEXT,
                   .flags = KEY_REQUIRED,
                   .doc = "Where to connect: host:port, [v6]:port or unix:///path."},
    [K_SEND] = {.name = "send",
                .kind = KEY_TEXT,
                .flags = KEY_SECRET | KEY_ESCAPES,
                .doc = "Bytes to send once connected, with the escapes of C (\\r \\n \\t \\0 \\xHH "
                       "\\\\). ${file:/path} is the secret in that file."},
    [K_EXPECT] = {.name = "expect",
                  .kind = KEY_TEXT,
                  .doc = "Regular expression that must appear in the first 16 KiB that come back. "
                         "Without it, a connection that is accepted is healthy."},
    [K_REJECT] = {.name = "reject",
                  .kind = KEY_TEXT,
                  .doc = "Regular expression that fails the check at once where it appears; it is "
                         "looked for before expect is."},
    [K_FAMILY] = {.name = "family",
                  .kind = KEY_CHOICE,
                  .def = "any",
                  .choices = families,
                  .doc =
                      "4 or 6: only addresses of this family are tried. any: both, side by side."},
    [K_CLOSE] = {.name = "close",
                 .kind = KEY_CHOICE,
                 .def = "order",
                 .choices = closes,
                 .doc = "order: the server's end is awaited after ours. reset: at once, without a "
                        "port in TIME_WAIT, which some servers log."},
    [K_TLS] = {.name = "tls",
               .kind = KEY_BOOL,
               .def = "no",
               .doc = "A TLS handshake must succeed, with the certificate verified."},
    TLS_KEYS,
};

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One escape at *p, just after the backslash; moves *p past it. -1: none of C's. */
static int unescape_one(const char **p)
{
    static const char letters[] = "abfnrtv\\\"'?e", bytes[] = "\a\b\f\n\r\t\v\\\"'?\033";
    char c = *(*p)++;
    const char *at = c ? strchr(letters, c) : NULL;
    if (at)
        return (unsigned char)bytes[at - letters];
    if (c == 'x') {
        int hi = hex_value(**p), lo = hi < 0 ? -1 : hex_value((*p)[1]);
        if (hi < 0)
            return -1;
        *p += lo < 0 ? 1 : 2;
        return lo < 0 ? hi : hi * 16 + lo;
    }
    if (c < '0' || c > '7')
        return -1;
    int value = c - '0';
    for (int i = 0; i < 2 && **p >= '0' && **p <= '7'; i++)
        value = value * 8 + *(*p)++ - '0';
    return value <= 255 ? value : -1;
}

/* In place; the length comes back, for the bytes may hold NULs. -1: a bad escape. */
static int unescape(char *s, size_t *len)
{
    char *out = s;
    for (const char *p = s; *p;) {
        if (*p != '\\') {
            *out++ = *p++;
            continue;
        }
        p++;
        int byte = unescape_one(&p);
        if (byte < 0)
            return -1;
        *out++ = (char)byte;
    }
    *len = (size_t)(out - s);
    return 0;
}

void tcp_conf_dispose(void *conf)
{
    struct tcp_conf *c = conf;
    endpoint_fini(&c->ep);
    if (c->send)
        explicit_bzero(c->send, c->send_len);
    free(c->send);
    pattern_free(c->expect);
    pattern_free(c->reject);
    tls_conf_fini(&c->tls);
    free(c);
}

static int prepare_patterns(struct tcp_conf *c, const struct probe_value *v,
                            struct probe_report *report)
{
    const size_t keys[] = {K_EXPECT, K_REJECT};
    struct pattern **patterns[] = {&c->expect, &c->reject};
    struct err e;
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (v[keys[i]].text && !(*patterns[i] = pattern_new(v[keys[i]].text, &e))) {
            probe_error(report, keys[i], "%s", e.text);
            rc = -1;
        }
    if (c->reject && !v[K_EXPECT].text && !probe_is_missing(report, K_EXPECT)) {
        probe_error(report, K_REJECT, "there is no expect: when would the check succeed?");
        rc = -1;
    }
    return rc;
}

void *tcp_conf_prepare(const struct probe_value *v, struct probe_report *report, char **target)
{
    struct tcp_conf *c = calloc(1, sizeof *c);
    struct err e;
    bool bad = false;
    if (!c)
        return NULL;
    if (!v[K_ADDRESS].text) {
        bad = true; /* KEY_REQUIRED: reported by the configuration */
    } else if (endpoint_parse(&c->ep, v[K_ADDRESS].text, 0, &e) < 0) {
        probe_error(report, K_ADDRESS, "%s", e.text);
        bad = true;
    }
    if (!bad && endpoint_set_family(&c->ep, family_of[v[K_FAMILY].num], &e) < 0) {
        probe_error(report, K_FAMILY, "%s", e.text);
        bad = true;
    }
    if (v[K_SEND].text) {
        c->send = strdup(v[K_SEND].text);
        if (!c->send || unescape(c->send, &c->send_len) < 0) {
            probe_error(report, K_SEND, "has an escape that C does not have");
            bad = true;
        }
    }
    bad = prepare_patterns(c, v, report) < 0 || bad;
    c->reset = v[K_CLOSE].num != 0;
    c->use_tls = v[K_TLS].num != 0;
    bool may_use_tls = c->use_tls || probe_is_missing(report, K_TLS);
    if (tls_conf_init(&c->tls, v + K_TLS_FIRST, K_TLS_FIRST, may_use_tls, report) < 0)
        bad = true;
    else if (c->use_tls && c->ep.path && c->tls.verify && !c->tls.server_name &&
             !probe_is_missing(report, K_TLS_FIRST + TLS_KEY_VERIFY) &&
             !probe_is_missing(report, K_TLS_FIRST + TLS_KEY_SERVER_NAME)) {
        probe_error(report, K_TLS_FIRST + TLS_KEY_SERVER_NAME,
                    "must be set: a unix socket has no name to verify the certificate for");
        bad = true;
    }
    if (bad) {
        tcp_conf_dispose(c);
        return NULL;
    }
    *target = str_format("%s%s", c->use_tls ? "tls://" : "", v[K_ADDRESS].text);
    return c;
}
