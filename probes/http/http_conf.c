/* http_conf: see http_conf.h. Everything that can be refused is refused here, before any run: a
 * header or token with a line break in it, an address that cannot be dialled, a bad expression. */
#include "http/http_conf.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "http/http_expect_conf.h"
#include "net/family.h"
#include "net/http2.h"
#include "net/prepare.h"

enum {
    K_URL,
    K_METHOD,
    K_HEADER,
    K_BODY,
    K_EXPECT,
    K_USER = K_EXPECT + HTTP_EXPECT_KEY_COUNT,
    K_PASSWORD,
    K_BEARER_TOKEN,
    K_FOLLOW_REDIRECTS,
    K_MAX_BODY,
    K_HTTP_VERSION,
    K_CONNECT_TO,
    K_PROXY,
    K_TLS,
    K_FAMILY = K_TLS + TLS_KEY_COUNT,
    K_COUNT
};
_Static_assert(K_COUNT == HTTP_N_KEYS, "the table and its index");

static const char *const versions[] = {"any", "1.0", "1.1", "2", NULL};

const struct probe_key http_keys[HTTP_N_KEYS] = {
    {.name = "url",
     .kind = KEY_TEXT,
     .flags = KEY_REQUIRED | KEY_MAY_HIDE,
     .doc = "What to request: http://host/path, https://host/path or "
            "http+unix:///path/to.sock:/request/path."},
    {.name = "method", .kind = KEY_TEXT, .def = "GET", .doc = "The request's method."},
    {.name = "header",
     .kind = KEY_LINES,
     .flags = KEY_SECRET,
     .doc = "Headers to send, one 'Name: value' a line."},
    {.name = "body", .kind = KEY_TEXT, .doc = "The request's body."},
    HTTP_EXPECT_KEYS,
    {.name = "user", .kind = KEY_TEXT, .doc = "User name for Basic authentication."},
    {.name = "password",
     .kind = KEY_TEXT,
     .flags = KEY_SECRET,
     .doc = "Password for Basic authentication."},
    {.name = "bearer_token",
     .kind = KEY_TEXT,
     .flags = KEY_SECRET,
     .doc = "Token to send as 'Authorization: Bearer'."},
    {.name = "follow_redirects",
     .kind = KEY_BOOL,
     .def = "no",
     .doc = "yes: the last reply of at most 10 redirects is judged. Credentials, headers and the "
            "body go to the URL's own scheme, host and port only."},
    {.name = "max_body",
     .kind = KEY_SIZE,
     .def = "1MiB",
     .min = 1,
     .max = 64 << 20,
     .doc = "How much of a body is read, and kept in memory meanwhile."},
    {.name = "http_version",
     .kind = KEY_CHOICE,
     .def = "any",
     .choices = versions,
     .doc = "The version of HTTP to speak: any, 1.0, 1.1 or 2. any is 1.1, and 2 with a server "
            "that takes nothing else in the TLS handshake."},
    {.name = "connect_to",
     .kind = KEY_TEXT,
     .doc = "host:port or unix:///path to connect to, instead of the URL's host."},
    {.name = "proxy",
     .kind = KEY_TEXT,
     .flags = KEY_MAY_HIDE,
     .doc = "http://host:port of a proxy to go through, with CONNECT for https. http_proxy and "
            "the like are not used."},
    TLS_KEYS,
    {.name = "family",
     .kind = KEY_CHOICE,
     .def = "any",
     .choices = family_choices,
     .doc = "The family of addresses to use: any, 4 or 6."},
};

/* What prepare works on. */
struct build {
    struct prepare p;
    struct http_conf *conf;
};

static bool has_control(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return true;
    return false;
}

/* Of a secret that has one: the commonest is a file with an empty line at its end. */
static const char *control_words(const char *s)
{
    size_t n = strlen(s);
    return n && s[n - 1] == '\n'
               ? "ends in a line end: of those at the end of a file, one is taken off"
               : "there is a control byte in it";
}

/* RFC 9110 section 5.6.2. */
static size_t token_len(const char *s)
{
    size_t n = 0;
    while (isalnum((unsigned char)s[n]) || (s[n] && strchr("!#$%&'*+-.^_`|~", s[n])))
        n++;
    return n;
}

static void add_header(struct build *b, const char *name, size_t name_len, const char *value,
                       bool is_safe)
{
    struct http_conf *c = b->conf;
    struct http_conf_header h = {str_dup_n(name, name_len), strdup(value), is_safe};
    struct http_conf_header *grown = realloc(c->headers, (c->n_headers + 1) * sizeof h);
    if (grown)
        c->headers = grown;
    if (grown && h.name && h.value) {
        c->headers[c->n_headers++] = h;
        return;
    }
    free(h.name);
    free(h.value);
    prepare_fail(&b->p, K_HEADER, "out of memory");
}

static void add_own(struct build *b, const char *name, const char *value, bool is_safe)
{
    add_header(b, name, strlen(name), value, is_safe);
}

static bool name_is(const char *line, size_t name_len, const char *name)
{
    return strlen(name) == name_len && strncasecmp(line, name, name_len) == 0;
}

/* Headers that say nothing of who asks; any other may be a credential. */
static bool is_safe_header(const char *line, size_t name_len)
{
    static const char *const safe[] = {"Accept",     "Accept-Encoding", "Accept-Language",
                                       "User-Agent", "Cache-Control",   "Content-Type"};
    for (size_t i = 0; i < ARRAY_LEN(safe); i++)
        if (name_is(line, name_len, safe[i]))
            return true;
    return false;
}

static void prepare_header(struct build *b, const char *line)
{
    size_t n = token_len(line);
    if (!n || line[n] != ':' || has_control(line)) {
        prepare_fail(&b->p, K_HEADER, "a line is not of the form 'Name: value'");
        return;
    }
    if (name_is(line, n, "Content-Length") || name_is(line, n, "Transfer-Encoding")) {
        prepare_fail(&b->p, K_HEADER, "Content-Length and Transfer-Encoding are set from the body");
        return;
    }
    if (name_is(line, n, "Authorization") &&
        (b->p.values[K_USER].given || b->p.values[K_BEARER_TOKEN].given)) {
        prepare_fail(&b->p, K_HEADER,
                     "Authorization is also set by user or bearer_token: give one of them");
        return;
    }
    const char *value = line + n + 1 + strspn(line + n + 1, " \t");
    add_header(b, line, n, value, is_safe_header(line, n));
    if (!is_safe_header(line, n) && !name_is(line, n, "Host"))
        b->conf->secret = true;
}

const char *http_conf_header(const struct http_conf *c, const char *name)
{
    for (size_t i = 0; i < c->n_headers; i++)
        if (strcasecmp(c->headers[i].name, name) == 0)
            return c->headers[i].value;
    return NULL;
}

static void prepare_headers(struct build *b)
{
    const struct probe_value *v = &b->p.values[K_HEADER];
    for (size_t i = 0; i < v->n_lines; i++)
        prepare_header(b, v->lines[i]);
    /* There is no second request on a connection; said so, the server need not keep it for one. */
    static const char *const usual[][2] = {
        {"Accept", "*/*"}, {"User-Agent", "probe/" PROBE_VERSION}, {"Connection", "close"}};
    for (size_t i = 0; i < ARRAY_LEN(usual); i++)
        if (!http_conf_header(b->conf, usual[i][0]))
            add_own(b, usual[i][0], usual[i][1], true);
}

static void prepare_method(struct build *b)
{
    static const char *const usual[] = {"GET", "HEAD", "POST", "OPTIONS"};
    const char *text = b->p.values[K_METHOD].text;
    size_t n = token_len(text);
    if (!n || text[n])
        prepare_fail(&b->p, K_METHOD, "it is not an HTTP method: expected GET, HEAD, POST, ...");
    else if (strcasecmp(text, "CONNECT") == 0)
        prepare_fail(&b->p, K_METHOD, "CONNECT opens a tunnel and cannot be checked");
    for (size_t i = 0; i < ARRAY_LEN(usual); i++)
        if (strcasecmp(text, usual[i]) == 0 && strcmp(text, usual[i]) != 0)
            prepare_fail(&b->p, K_METHOD,
                         "methods are written in upper case: GET, HEAD, POST, ...");
    b->conf->method = prepare_copy(&b->p, K_METHOD);
    if (b->p.values[K_BODY].text && strcmp(text, "HEAD") == 0)
        prepare_fail(&b->p, K_BODY, "a HEAD request has no body");
    b->conf->body = prepare_copy(&b->p, K_BODY);
}

static void prepare_expect(struct build *b)
{
    struct http_expect *x = &b->conf->expect;
    if (http_expect_init(x, &b->p.values[K_EXPECT], K_EXPECT, b->p.report) < 0)
        b->p.failed = true;
    if (http_expect_reads_body(x) && strcmp(b->p.values[K_METHOD].text, "HEAD") == 0)
        prepare_fail(&b->p, K_METHOD, "the reply to HEAD has no body, but one is expected");
    b->conf->inflate = http_conf_header(b->conf, "Accept-Encoding") != NULL;
}

/* "Basic ..." (RFC 7617); NULL without memory, which is told. */
static char *basic(struct build *b, size_t key, const char *user, const char *password)
{
    char *plain = str_format("%s:%s", user, password);
    char *coded = plain ? str_base64(plain) : NULL;
    char *value = coded ? str_format("Basic %s", coded) : NULL;
    if (!value)
        prepare_fail(&b->p, key, "out of memory");
    b->conf->secret = true;
    str_wipe(plain);
    str_wipe(coded);
    return value;
}

static void authorize(struct build *b, size_t key, char *value)
{
    if (value)
        add_own(b, "Authorization", value, false);
    else
        prepare_fail(&b->p, key, "out of memory");
    str_wipe(value);
}

/* The names of the keys that may also stand in the URL; the key wins nothing, both is an error. */
static void prepare_credentials(struct build *b)
{
    struct http_conf *c = b->conf;
    const char *user = b->p.values[K_USER].text, *password = b->p.values[K_PASSWORD].text;
    const char *token = b->p.values[K_BEARER_TOKEN].text;
    if (c->url.user || c->url.password) {
        if (user || password)
            prepare_fail(&b->p, K_USER, "the url holds credentials too: give them in one place");
        user = c->url.user ? c->url.user : "";
        password = c->url.password;
    }
    if (password && !user && !probe_is_missing(b->p.report, K_USER))
        prepare_fail(&b->p, K_PASSWORD, "there is a password but no user");
    if (user && strchr(user, ':'))
        prepare_fail(&b->p, K_USER, "a user name for Basic authentication cannot hold a colon");
    if (user && has_control(user))
        prepare_fail(&b->p, K_USER, control_words(user));
    if (user && password && has_control(password))
        prepare_fail(&b->p, K_PASSWORD, control_words(password));
    if (user && token)
        prepare_fail(&b->p, K_BEARER_TOKEN, "user is given too: a request has one authorization");
    if (token && has_control(token))
        prepare_fail(&b->p, K_BEARER_TOKEN, control_words(token));
    else if (token && (!*token || strcspn(token, " \t") != strlen(token)))
        prepare_fail(&b->p, K_BEARER_TOKEN, "the token is empty or has a blank in it");
    if (user)
        authorize(b, K_PASSWORD, basic(b, K_PASSWORD, user, password ? password : ""));
    if (token) {
        authorize(b, K_BEARER_TOKEN, str_format("Bearer %s", token));
        c->secret = true;
    }
    if (!c->url.tls && !c->url.socket_path && (user || token) && !b->p.values[K_CONNECT_TO].given &&
        strcmp(c->url.host, "localhost") != 0 && !str_starts(c->url.host, "127.") &&
        strcmp(c->url.host, "::1") != 0)
        probe_warn(b->p.report, K_URL, "credentials go over the network unencrypted: use https");
}

int http_conf_endpoint(const struct http_url *url, struct endpoint *ep, struct err *e)
{
    bool v6 = strchr(url->host, ':');
    char *text = url->socket_path ? str_format("unix://%s", url->socket_path)
                                  : str_format("%s%s%s:%u", v6 ? "[" : "", url->host, v6 ? "]" : "",
                                               (unsigned)url->port);
    if (!text)
        return err_set(e, "out of memory");
    int rc = endpoint_parse(ep, text, 0, e);
    free(text);
    return rc;
}

/* The endpoint of the URL, or connect_to. */
static void prepare_endpoint(struct build *b)
{
    struct http_conf *c = b->conf;
    struct err e;
    if (c->url.socket_path) {
        probe_leave_out(b->p.report, K_CONNECT_TO);
        probe_leave_out(b->p.report, K_PROXY);
    }
    const char *to = b->p.values[K_CONNECT_TO].text;
    if (to && c->url.socket_path)
        prepare_fail(&b->p, K_CONNECT_TO, "the url names a socket already");
    else if (to && endpoint_parse(&c->ep, to, c->url.port, &e) < 0)
        prepare_fail(&b->p, K_CONNECT_TO, e.text);
    else if (!to && http_conf_endpoint(&c->url, &c->ep, &e) < 0)
        prepare_fail(&b->p, K_URL, e.text);
    else if (!b->p.values[K_PROXY].text && endpoint_set_family(&c->ep, c->family, &e) < 0)
        prepare_fail(&b->p, K_FAMILY, e.text);
}

static void prepare_proxy(struct build *b)
{
    struct http_conf *c = b->conf;
    struct http_url proxy;
    struct err e;
    const char *text = b->p.values[K_PROXY].text;
    if (!text)
        return;
    if (c->url.socket_path)
        prepare_fail(&b->p, K_PROXY, "the url names a socket, which no proxy can reach");
    else if (b->p.values[K_CONNECT_TO].given)
        prepare_fail(&b->p, K_PROXY, "connect_to is given too: a request goes one way");
    else if (c->version == HTTP_VERSION_2 && !c->url.tls)
        prepare_fail(&b->p, K_PROXY, "HTTP/2 without TLS does not pass a proxy");
    if (http_url_parse(&proxy, text, &e) < 0) {
        prepare_fail(&b->p, K_PROXY, e.text);
        return;
    }
    endpoint_fini(&c->ep);
    if (proxy.tls || proxy.socket_path || strcmp(proxy.path, "/") != 0)
        prepare_fail(&b->p, K_PROXY, "it must be of the form http://host:port");
    else if (http_conf_endpoint(&proxy, &c->ep, &e) < 0)
        prepare_fail(&b->p, K_PROXY, e.text);
    else if (endpoint_set_family(&c->ep, c->family, &e) < 0)
        prepare_fail(&b->p, K_FAMILY, e.text);
    c->ep.is_proxy = c->ep.is_beside = true;
    if (proxy.user || proxy.password)
        c->proxy_auth =
            basic(b, K_PROXY, proxy.user ? proxy.user : "", proxy.password ? proxy.password : "");
    http_url_fini(&proxy);
}

static void prepare_version(struct build *b)
{
    b->conf->version = (enum http_version)b->p.values[K_HTTP_VERSION].num;
    if (b->conf->version == HTTP_VERSION_2 && !http2_is_there())
        prepare_fail(&b->p, K_HTTP_VERSION, "this build cannot speak HTTP/2");
}

static char *target_text(const struct http_conf *c)
{
    const char *method = strcmp(c->method, "GET") == 0 ? "" : c->method;
    return str_format("%s%s%s", method, *method ? " " : "", c->url.shown);
}

void *http_conf_prepare(const struct probe_value *values, struct probe_report *report,
                        char **target)
{
    struct http_conf *c = calloc(1, sizeof *c);
    struct build b = {.conf = c, .p = {.values = values, .report = report}};
    struct err e;
    if (!c) {
        prepare_fail(&b.p, K_URL, "out of memory");
        return NULL;
    }
    prepare_version(&b);
    c->family = family_of(&values[K_FAMILY]);
    c->follow = values[K_FOLLOW_REDIRECTS].num != 0;
    c->max_body = (size_t)values[K_MAX_BODY].num;
    c->max_body_text = prepare_copy(&b.p, K_MAX_BODY);
    if (!values[K_URL].text)
        b.p.failed = true; /* KEY_REQUIRED: reported by the configuration */
    else if (http_url_parse(&c->url, values[K_URL].text, &e) < 0)
        prepare_fail(&b.p, K_URL, e.text);
    else {
        prepare_endpoint(&b);
        prepare_proxy(&b);
        prepare_credentials(&b);
    }
    bool may_use_tls =
        c->url.tls || !c->url.text || c->follow || probe_is_missing(report, K_FOLLOW_REDIRECTS);
    if (tls_conf_init(&c->tls, &values[K_TLS], K_TLS, may_use_tls, report) < 0)
        b.p.failed = true;
    prepare_method(&b);
    prepare_headers(&b);
    prepare_expect(&b);
    if (!b.p.failed && !(*target = target_text(c)))
        prepare_fail(&b.p, K_URL, "out of memory");
    if (!b.p.failed)
        return c;
    http_conf_dispose(c);
    return NULL;
}

void http_conf_dispose(void *conf)
{
    struct http_conf *c = conf;
    http_url_fini(&c->url);
    endpoint_fini(&c->ep);
    free(c->method);
    for (size_t i = 0; i < c->n_headers; i++) {
        free(c->headers[i].name);
        str_wipe(c->headers[i].value);
    }
    free(c->headers);
    free(c->body);
    http_expect_fini(&c->expect);
    str_wipe(c->proxy_auth);
    free(c->max_body_text);
    tls_conf_fini(&c->tls);
    free(c);
}
