/* tcp_conf: see tcp_conf.h. */
#include "tcp/tcp_conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "net/family.h"
#include "net/prepare.h"

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

/* Digits of that base, `most` of them, at *p, which moves on; -1: there is none. */
static int digits(const char **p, int base, int most)
{
    int value = -1, digit;
    for (; most-- > 0 && (digit = str_hex(**p)) >= 0 && digit < base; (*p)++)
        value = (value < 0 ? 0 : value) * base + digit;
    return value;
}

/* One escape at *p, just after the backslash; moves *p past it. -1: none of C's. */
static int unescape_one(const char **p)
{
    static const char letters[] = "abfnrtv\\\"'?e", bytes[] = "\a\b\f\n\r\t\v\\\"'?\033";
    const char *at = **p ? strchr(letters, **p) : NULL;
    bool hex = **p == 'x';
    *p += at || hex;
    if (at)
        return (unsigned char)bytes[at - letters];
    int value = hex ? digits(p, 16, 2) : digits(p, 8, 3);
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

/* What prepare works on. */
struct build {
    struct prepare p;
    struct tcp_conf *conf;
};

static bool is_missing(const struct build *b, size_t key)
{
    return probe_is_missing(b->p.report, key);
}

static struct pattern *take_pattern(struct build *b, size_t key, const char *text)
{
    struct err e;
    struct pattern *pattern = pattern_new(text, &e);
    if (!pattern)
        prepare_fail(&b->p, key, e.text);
    return pattern;
}

/* ---- Steps ---- */

/* A further step; NULL is reported. */
static struct tcp_step *add_step(struct build *b, enum tcp_step_kind kind, size_t key)
{
    struct tcp_conf *c = b->conf;
    struct tcp_step *grown = realloc(c->steps, (c->n_steps + 1) * sizeof *grown);
    c->steps = grown ? grown : c->steps;
    if (!grown || c->n_steps == TCP_STEPS_MAX) {
        prepare_fail(&b->p, key, grown ? "it has more than 64 steps" : "out of memory");
        return NULL;
    }
    grown[c->n_steps] = (struct tcp_step){.kind = kind};
    return &grown[c->n_steps++];
}

static void add_send(struct build *b, const char *text, size_t key)
{
    struct tcp_step *step = add_step(b, TCP_STEP_SEND, key);
    if (step && (!(step->bytes = strdup(text)) || unescape(step->bytes, &step->len) < 0))
        prepare_fail(&b->p, key, "has an escape that C does not have");
}

static void add_expect(struct build *b, const char *text, size_t key)
{
    struct tcp_step *step = add_step(b, TCP_STEP_EXPECT, key);
    if (step)
        step->pattern = take_pattern(b, key, text);
}

static bool has_step(const struct tcp_conf *c, enum tcp_step_kind kind)
{
    for (size_t i = 0; i < c->n_steps; i++)
        if (c->steps[i].kind == kind)
            return true;
    return false;
}

/* Never repeats the line, which may hold a secret. */
static void add_line(struct build *b, const char *line)
{
    size_t n = strcspn(line, " \t");
    const char *rest = line + n + strspn(line + n, " \t");
    if (n == 4 && strncmp(line, "send", n) == 0 && *rest)
        add_send(b, rest, K_DIALOGUE);
    else if (n == 6 && strncmp(line, "expect", n) == 0 && *rest)
        add_expect(b, rest, K_DIALOGUE);
    else if (n != 3 || strncmp(line, "tls", n) != 0 || *rest)
        prepare_fail(&b->p, K_DIALOGUE,
                     "a line is neither 'expect PATTERN' nor 'send BYTES' nor 'tls'");
    else if (has_step(b->conf, TCP_STEP_TLS))
        prepare_fail(&b->p, K_DIALOGUE, "TLS begins twice");
    else
        add_step(b, TCP_STEP_TLS, K_DIALOGUE);
}

static void prepare_dialogue(struct build *b)
{
    const struct probe_value *v = b->p.values;
    for (size_t i = 0; i < v[K_DIALOGUE].n_lines; i++)
        add_line(b, v[K_DIALOGUE].lines[i]);
    if (v[K_SEND].text || v[K_EXPECT].text)
        prepare_fail(&b->p, K_DIALOGUE, "send and expect are steps of it: give them there");
    if (v[K_TLS].num && has_step(b->conf, TCP_STEP_TLS))
        prepare_fail(&b->p, K_DIALOGUE, "TLS begins twice: by tls = yes, and by a step");
}

static void prepare_steps(struct build *b)
{
    const struct probe_value *v = b->p.values;
    struct tcp_conf *c = b->conf;
    c->is_dialogue = v[K_DIALOGUE].n_lines > 0;
    if (c->is_dialogue)
        prepare_dialogue(b);
    if (!c->is_dialogue && v[K_SEND].text)
        add_send(b, v[K_SEND].text, K_SEND);
    if (!c->is_dialogue && v[K_EXPECT].text)
        add_expect(b, v[K_EXPECT].text, K_EXPECT);
    if (!v[K_REJECT].text)
        return;
    c->reject = take_pattern(b, K_REJECT, v[K_REJECT].text);
    if (!has_step(c, TCP_STEP_EXPECT) && !is_missing(b, K_EXPECT) && !is_missing(b, K_DIALOGUE))
        prepare_fail(&b->p, K_REJECT, "there is no expect: when would the check succeed?");
}

static void prepare_tls(struct build *b)
{
    const struct probe_value *v = b->p.values;
    struct tcp_conf *c = b->conf;
    c->use_tls = v[K_TLS].num != 0;
    bool tls = c->use_tls || has_step(c, TCP_STEP_TLS);
    bool may_use_tls = tls || is_missing(b, K_TLS) || is_missing(b, K_DIALOGUE);
    if (tls_conf_init(&c->tls, v + K_TLS_FIRST, K_TLS_FIRST, may_use_tls, b->p.report) < 0 ||
        (tls && c->ep.path && tls_conf_check_socket(&c->tls, K_TLS_FIRST, b->p.report) < 0))
        b->p.failed = true;
}

void *tcp_conf_prepare(const struct probe_value *v, struct probe_report *report, char **target)
{
    struct tcp_conf *c = calloc(1, sizeof *c);
    struct build b = {.conf = c, .p = {.values = v, .report = report}};
    struct err e;
    if (!c)
        return NULL;
    c->reset = v[K_CLOSE].num != 0;
    if (!v[K_ADDRESS].text)
        b.p.failed = true; /* KEY_REQUIRED: reported by the configuration */
    else if (endpoint_parse(&c->ep, v[K_ADDRESS].text, 0, &e) < 0)
        prepare_fail(&b.p, K_ADDRESS, e.text);
    else if (endpoint_set_family(&c->ep, family_of(&v[K_FAMILY]), &e) < 0)
        prepare_fail(&b.p, K_FAMILY, e.text);
    prepare_steps(&b);
    prepare_tls(&b);
    if (b.p.failed) {
        tcp_conf_dispose(c);
        return NULL;
    }
    *target = str_format("%s%s", c->use_tls ? "tls://" : "", v[K_ADDRESS].text);
    return c;
}
