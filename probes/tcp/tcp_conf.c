/* tcp_conf: see tcp_conf.h. */
#include "tcp/tcp_conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "net/family.h"

enum { K_ADDRESS, K_SEND, K_EXPECT, K_REJECT, K_DIALOGUE, K_FAMILY, K_CLOSE, K_TLS, K_TLS_FIRST };
_Static_assert(K_TLS_FIRST + TLS_KEY_COUNT == TCP_N_KEYS, "the table and its index");

static const char *const closes[] = {"order", "reset", NULL};

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
    [K_DIALOGUE] = {.name = "dialogue",
                    .kind = KEY_LINES,
                    .flags = KEY_SECRET | KEY_ESCAPES,
                    .doc = "Steps in place of send and expect, one a line: 'expect PATTERN', 'send "
                           "BYTES', and 'tls', from where on TLS is spoken (STARTTLS)."},
    [K_FAMILY] =
        FAMILY_KEY("4 or 6: only addresses of this family are tried. any: both, side by side."),
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

/* One escape at *p, just after the backslash; moves *p past it. -1: none of C's. */
static int unescape_one(const char **p)
{
    static const char letters[] = "abfnrtv\\\"'?e", bytes[] = "\a\b\f\n\r\t\v\\\"'?\033";
    char c = *(*p)++;
    const char *at = c ? strchr(letters, c) : NULL;
    if (at)
        return (unsigned char)bytes[at - letters];
    if (c == 'x') {
        int hi = str_hex(**p), lo = hi < 0 ? -1 : str_hex((*p)[1]);
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
    for (size_t i = 0; i < c->n_steps; i++) {
        if (c->steps[i].bytes)
            explicit_bzero(c->steps[i].bytes, c->steps[i].len);
        free(c->steps[i].bytes);
        pattern_free(c->steps[i].pattern);
    }
    free(c->steps);
    pattern_free(c->reject);
    tls_conf_fini(&c->tls);
    free(c);
}

/* ---- Steps ---- */

/* A further step; NULL is reported. */
static struct tcp_step *add_step(struct tcp_conf *c, enum tcp_step_kind kind, size_t key,
                                 struct probe_report *report)
{
    struct tcp_step *grown = realloc(c->steps, (c->n_steps + 1) * sizeof *grown);
    if (!grown || c->n_steps == TCP_STEPS_MAX) {
        c->steps = grown ? grown : c->steps;
        probe_error(report, key, grown ? "it has more than 64 steps" : "out of memory");
        return NULL;
    }
    c->steps = grown;
    grown[c->n_steps] = (struct tcp_step){.kind = kind};
    return &grown[c->n_steps++];
}

static int add_send(struct tcp_conf *c, const char *text, size_t key, struct probe_report *report)
{
    struct tcp_step *step = add_step(c, TCP_STEP_SEND, key, report);
    if (!step)
        return -1;
    step->bytes = strdup(text);
    if (step->bytes && unescape(step->bytes, &step->len) == 0)
        return 0;
    probe_error(report, key, "has an escape that C does not have");
    return -1;
}

static int add_expect(struct tcp_conf *c, const char *text, size_t key, struct probe_report *report)
{
    struct err e;
    struct tcp_step *step = add_step(c, TCP_STEP_EXPECT, key, report);
    if (!step)
        return -1;
    if ((step->pattern = pattern_new(text, &e)))
        return 0;
    probe_error(report, key, "%s", e.text);
    return -1;
}

static bool has_step(const struct tcp_conf *c, enum tcp_step_kind kind)
{
    for (size_t i = 0; i < c->n_steps; i++)
        if (c->steps[i].kind == kind)
            return true;
    return false;
}

/* Never repeats the line, which may hold a secret. */
static int add_line(struct tcp_conf *c, const char *line, struct probe_report *report)
{
    size_t n = strcspn(line, " \t");
    const char *rest = line + n + strspn(line + n, " \t");
    if (n == 4 && strncmp(line, "send", n) == 0 && *rest)
        return add_send(c, rest, K_DIALOGUE, report);
    if (n == 6 && strncmp(line, "expect", n) == 0 && *rest)
        return add_expect(c, rest, K_DIALOGUE, report);
    if (n != 3 || strncmp(line, "tls", n) != 0 || *rest) {
        probe_error(report, K_DIALOGUE,
                    "a line is neither 'expect PATTERN' nor 'send BYTES' nor 'tls'");
        return -1;
    }
    if (has_step(c, TCP_STEP_TLS)) {
        probe_error(report, K_DIALOGUE, "TLS begins twice");
        return -1;
    }
    return add_step(c, TCP_STEP_TLS, K_DIALOGUE, report) ? 0 : -1;
}

static int prepare_dialogue(struct tcp_conf *c, const struct probe_value *v,
                            struct probe_report *report)
{
    int rc = 0;
    for (size_t i = 0; i < v[K_DIALOGUE].n_lines; i++)
        rc |= add_line(c, v[K_DIALOGUE].lines[i], report);
    c->is_dialogue = true;
    if (v[K_SEND].text || v[K_EXPECT].text) {
        probe_error(report, K_DIALOGUE, "send and expect are steps of it: give them there");
        rc = -1;
    }
    if (v[K_TLS].num && has_step(c, TCP_STEP_TLS)) {
        probe_error(report, K_DIALOGUE, "TLS begins twice: by tls = yes, and by a step");
        rc = -1;
    }
    return rc;
}

static int prepare_steps(struct tcp_conf *c, const struct probe_value *v,
                         struct probe_report *report)
{
    struct err e;
    int rc = 0;
    if (v[K_DIALOGUE].n_lines)
        rc = prepare_dialogue(c, v, report);
    if (!c->is_dialogue && v[K_SEND].text)
        rc |= add_send(c, v[K_SEND].text, K_SEND, report);
    if (!c->is_dialogue && v[K_EXPECT].text)
        rc |= add_expect(c, v[K_EXPECT].text, K_EXPECT, report);
    if (!v[K_REJECT].text)
        return rc;
    if (!(c->reject = pattern_new(v[K_REJECT].text, &e))) {
        probe_error(report, K_REJECT, "%s", e.text);
        rc = -1;
    }
    if (!has_step(c, TCP_STEP_EXPECT) && !probe_is_missing(report, K_EXPECT) &&
        !probe_is_missing(report, K_DIALOGUE)) {
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
    if (!bad && endpoint_set_family(&c->ep, family_of(&v[K_FAMILY]), &e) < 0) {
        probe_error(report, K_FAMILY, "%s", e.text);
        bad = true;
    }
    bad = prepare_steps(c, v, report) < 0 || bad;
    c->reset = v[K_CLOSE].num != 0;
    c->use_tls = v[K_TLS].num != 0;
    bool tls = c->use_tls || has_step(c, TCP_STEP_TLS);
    bool may_use_tls =
        tls || probe_is_missing(report, K_TLS) || probe_is_missing(report, K_DIALOGUE);
    if (tls_conf_init(&c->tls, v + K_TLS_FIRST, K_TLS_FIRST, may_use_tls, report) < 0 ||
        (tls && c->ep.path && tls_conf_check_socket(&c->tls, K_TLS_FIRST, report) < 0))
        bad = true;
    if (bad) {
        tcp_conf_dispose(c);
        return NULL;
    }
    *target = str_format("%s%s", c->use_tls ? "tls://" : "", v[K_ADDRESS].text);
    return c;
}
