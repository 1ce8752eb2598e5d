/* grpc_conf: see grpc_conf.h. */
#include "grpc/grpc_conf.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "grpc/grpc_reply.h"
#include "net/family.h"
#include "net/http2.h"
#include "net/prepare.h"

#define TLS_PORT    443
#define REQUEST_MAX 4096

enum { K_URL, K_METADATA, K_FAMILY, K_TLS_FIRST };
_Static_assert(K_TLS_FIRST + TLS_KEY_COUNT == GRPC_N_KEYS, "the table and its index");

const struct probe_key grpc_keys[GRPC_N_KEYS] = {
    [K_URL] = {.name = "url",
               .kind = KEY_TEXT,
               .flags = KEY_REQUIRED,
               .doc = "Whom to ask, and for what: grpc://host:port/SERVICE, grpcs:// with TLS, or "
                      "grpc+unix:///path:/SERVICE. Without a SERVICE, the server as a whole is "
                      "meant."},
    [K_METADATA] = {.name = "metadata",
                    .kind = KEY_LINES,
                    .flags = KEY_SECRET,
                    .doc = "Metadata to send, one 'name: value' a line."},
    [K_FAMILY] = FAMILY_KEY(FAMILY_DOC),
    TLS_KEYS,
};

/* What prepare works on. */
struct build {
    struct prepare p;
    struct grpc_conf *conf;
};

static bool is_plain(const char *s)
{
    while (str_is_plain(*s))
        s++;
    return !*s;
}

/* "/run/app.sock:/SERVICE", or the path alone; the authority is what gRPC itself says there. */
static void take_socket(struct build *b, const char *text)
{
    struct grpc_conf *c = b->conf;
    struct err e;
    size_t len = strcspn(text, ":");
    const char *service = text[len] ? text + len + 1 : "";
    char *place = str_format("unix://%.*s", (int)len, text);
    c->authority = strdup("localhost");
    c->service = strdup(*service == '/' ? service + 1 : service);
    if (!place || !c->authority || !c->service)
        prepare_fail(&b->p, K_URL, "out of memory");
    else if (*service && *service != '/')
        prepare_fail(&b->p, K_URL, "expected grpc+unix:///path/to/socket:/SERVICE");
    else if (endpoint_parse(&c->ep, place, 0, &e) < 0)
        prepare_fail(&b->p, K_URL, e.text);
    free(place);
}

static void take_host(struct build *b, const char *text)
{
    struct grpc_conf *c = b->conf;
    struct err e;
    c->use_tls = strncasecmp(text, "grpcs://", 8) == 0;
    const char *host = text + (c->use_tls ? 8 : 7);
    if (!c->use_tls && strncasecmp(text, "grpc://", 7) != 0) {
        prepare_fail(&b->p, K_URL, "expected grpc://host:port/SERVICE");
        return;
    }
    size_t len = strcspn(host, "/");
    c->authority = str_dup_n(host, len);
    c->service = strdup(host[len] ? host + len + 1 : "");
    if (!c->authority || !c->service)
        prepare_fail(&b->p, K_URL, "out of memory");
    else if (strchr(c->authority, '@'))
        prepare_fail(&b->p, K_URL, "a gRPC URL has no user: give what is asked for as metadata");
    else if (endpoint_parse(&c->ep, c->authority, c->use_tls ? TLS_PORT : 0, &e) < 0)
        prepare_fail(&b->p, K_URL, e.text);
    else if (endpoint_set_family(&c->ep, family_of(&b->p.values[K_FAMILY]), &e) < 0)
        prepare_fail(&b->p, K_FAMILY, e.text);
}

static void take_url(struct build *b, const char *text)
{
    static const char by_socket[] = "grpc+unix://";
    struct grpc_conf *c = b->conf;
    if (strncasecmp(text, by_socket, sizeof by_socket - 1) == 0)
        take_socket(b, text + sizeof by_socket - 1);
    else
        take_host(b, text);
    if (b->p.failed)
        return;
    buf_init(&c->request, REQUEST_MAX);
    if (!is_plain(c->service) || strpbrk(c->service, " ?#") ||
        grpc_request(&c->request, c->service) < 0)
        prepare_fail(&b->p, K_URL, "what follows the host is not the name of a service");
}

/* Names of metadata are in lower case; those of gRPC and of HTTP/2 are set by us. */
static size_t name_len(const char *line)
{
    static const char *const own[] = {"te", "content-type", "user-agent", "host"};
    size_t n = 0;
    while (isdigit((unsigned char)line[n]) || (line[n] >= 'a' && line[n] <= 'z') ||
           (line[n] && strchr("_-.", line[n])))
        n++;
    if (line[n] != ':' || str_starts(line, "grpc-"))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (strlen(own[i]) == n && strncmp(line, own[i], n) == 0)
            return 0;
    return n;
}

static void take_metadata(struct build *b)
{
    const struct probe_value *v = &b->p.values[K_METADATA];
    struct grpc_conf *c = b->conf;
    c->headers = calloc(v->n_lines + 1, sizeof *c->headers);
    if (!c->headers) {
        prepare_fail(&b->p, K_METADATA, "out of memory");
        return;
    }
    if (v->n_lines > GRPC_METADATA_MAX) {
        prepare_fail(&b->p, K_METADATA, "there are more than 64 lines");
        return;
    }
    for (size_t i = 0; i < v->n_lines; i++) {
        size_t n = name_len(v->lines[i]);
        if (!n || !is_plain(v->lines[i])) {
            prepare_fail(&b->p, K_METADATA,
                         "a line is not 'name: value' with a name in lower case, or the "
                         "name is one of gRPC's own");
            return;
        }
        char *line = strdup(v->lines[i]);
        if (!line) {
            prepare_fail(&b->p, K_METADATA, "out of memory");
            return;
        }
        line[n] = '\0';
        c->headers[c->n_headers++] =
            (struct http_header){line, line + n + 1 + strspn(line + n + 1, " \t")};
    }
}

void *grpc_conf_prepare(const struct probe_value *v, struct probe_report *report, char **target)
{
    struct grpc_conf *c = calloc(1, sizeof *c);
    struct build b = {.conf = c, .p = {.values = v, .report = report}};
    if (!c)
        return NULL;
    if (v[K_URL].text)
        take_url(&b, v[K_URL].text);
    else
        b.p.failed = true; /* KEY_REQUIRED: reported by the configuration */
    if (!http2_is_there())
        prepare_fail(&b.p, K_URL, "this build cannot speak HTTP/2");
    take_metadata(&b);
    if (tls_conf_init(&c->tls, v + K_TLS_FIRST, K_TLS_FIRST, c->use_tls || !v[K_URL].text, report) <
        0)
        b.p.failed = true;
    if (!b.p.failed)
        *target = strdup(v[K_URL].text);
    if (!b.p.failed)
        return c;
    grpc_conf_dispose(c);
    return NULL;
}

void grpc_conf_dispose(void *conf)
{
    struct grpc_conf *c = conf;
    for (size_t i = 0; i < c->n_headers; i++) {
        explicit_bzero((char *)(uintptr_t)c->headers[i].value, strlen(c->headers[i].value));
        free((char *)(uintptr_t)c->headers[i].name);
    }
    free(c->headers);
    buf_fini(&c->request);
    endpoint_fini(&c->ep);
    free(c->authority);
    free(c->service);
    tls_conf_fini(&c->tls);
    free(c);
}
