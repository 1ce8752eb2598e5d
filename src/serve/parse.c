/* parse: what of a request is refused before any route sees it, and what it asks for. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/str.h"
#include "serve/internal.h"

/* Percent-decodes; refuses broken escapes, NUL and control bytes. */
static int decode(const char *in, char *out, size_t size)
{
    size_t n = 0;
    for (; *in; in++) {
        int c = (unsigned char)*in;
        if (c == '%') {
            int high = str_hex(in[1]), low = high < 0 ? -1 : str_hex(in[2]);
            if (low < 0)
                return -1;
            c = high * 16 + low;
            in += 2;
        }
        if (c < 0x20 || c == 0x7f || n + 1 >= size)
            return -1;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return 0;
}

int parse_argument(struct request *req, const char *key, char *out, size_t size)
{
    const char *value = MHD_lookup_connection_value(req->conn->mhd, MHD_GET_ARGUMENT_KIND, key);
    if (!value)
        return 0;
    return decode(value, out, size) < 0 ? -1 : 1;
}

/* The path of an absolute-form target, "http://host/path", is what counts (RFC 9112, 3.2.2). */
static const char *path_of(const char *url)
{
    if (strncasecmp(url, "http://", 7) != 0)
        return url;
    const char *slash = strchr(url + 7, '/');
    return slash ? slash : "/";
}

struct head {
    int lengths, codings, hosts;
    bool large, odd;
};

/* Is the header's name one that RFC 9112 allows, and does its value follow directly? libmicrohttpd
 * takes a blank before the colon into the name, and moves a folded line away from its value. In
 * both cases it and a proxy before it could disagree on where the body ends. */
static bool is_plain(const char *key, const char *value)
{
    size_t len = strcspn(key, " \t");
    if (key[len])
        return false;
    const char *after = key + len + 1;
    if (!value || value < after || value - after > POOL_BYTES)
        return !value;
    while (after < value && (*after == ' ' || *after == '\t'))
        after++;
    return after == value;
}

static enum MHD_Result read_header(void *cls, enum MHD_ValueKind kind, const char *key,
                                   const char *value)
{
    struct head *h = cls;
    (void)kind;
    h->odd |= !is_plain(key, value);
    if (strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        h->lengths++;
        h->large |= value && strtoull(value, NULL, 10) > BODY_MAX;
    }
    h->codings += strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0;
    h->hosts += strcasecmp(key, MHD_HTTP_HEADER_HOST) == 0;
    return MHD_YES;
}

/* Is this a name that nobody else can have given to a loopback address? A page from elsewhere can
 * make a browser ask here, by a name of its own that leads to 127.0.0.1, and read the answer. */
static bool is_own_name(const char *host)
{
    char name[256], own[256] = "";
    struct in6_addr addr;
    bool bracketed = host[0] == '[';
    size_t len = bracketed ? strcspn(++host, "]") : strcspn(host, ":");
    if (len >= sizeof name)
        return false;
    memcpy(name, host, len);
    name[len] = '\0';
    if (bracketed)
        return inet_pton(AF_INET6, name, &addr) == 1;
    if (inet_pton(AF_INET, name, &addr) == 1)
        return true;
    if (len && name[len - 1] == '.')
        name[len - 1] = '\0';
    gethostname(own, sizeof own - 1);
    return strcasecmp(name, "localhost") == 0 || strcasecmp(name, own) == 0 || !*name;
}

/* Was there a NUL within the request's target? libmicrohttpd 0.9 ends the target at it, silently;
 * but the version follows the target's end directly in the same buffer. Later ones refuse it. */
static bool target_was_cut(const struct request *req, const char *version)
{
#if MHD_VERSION < 0x00097700
    return *version && req->uri_end && version != req->uri_end + 1;
#else
    (void)req;
    (void)version;
    return false;
#endif
}

/* True: the refusal is the request's answer. */
static bool is_refused(struct request *req, const char *version)
{
    struct MHD_Connection *mhd = req->conn->mhd;
    struct head h = {0};
    MHD_get_connection_values(mhd, MHD_HEADER_KIND, read_header, &h);
    const char *host = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
    if (target_was_cut(req, version))
        answer_text(req, MHD_HTTP_BAD_REQUEST, "bad request: a NUL byte in the request line\n");
    else if (strcmp(version, MHD_HTTP_VERSION_1_1) != 0 &&
             strcmp(version, MHD_HTTP_VERSION_1_0) != 0)
        answer_text(req, MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.0 and HTTP/1.1\n");
    else if (h.odd)
        answer_text(req, MHD_HTTP_BAD_REQUEST,
                    "bad request: a header with a blank in its name, or of more than one line\n");
    else if (h.lengths + h.codings > 1)
        answer_text(req, MHD_HTTP_BAD_REQUEST, "bad request: more than one length of the body\n");
    /* libmicrohttpd 0.9 spins on a chunk's head that fills its buffer; no route needs a body. */
    else if (h.codings)
        answer_text(req, MHD_HTTP_LENGTH_REQUIRED, "no chunked body is taken here\n");
    else if (h.large)
        answer_text(req, 413, "the body is over %d bytes\n", BODY_MAX);
    else if (h.hosts > 1)
        answer_text(req, MHD_HTTP_BAD_REQUEST, "bad request: more than one Host\n");
    else if (req->conn->by_loopback && host && !is_own_name(host))
        answer_text(req, 421,
                    "misdirected: on loopback this agent answers to an IP address, to localhost "
                    "and to this machine's name; the Host header says something else\n");
    else
        return false;
    return true;
}

int parse_head(struct request *req, const char *url, const char *version)
{
    if (is_refused(req, version))
        return -1;
    url = path_of(url);
    size_t size = strlen(url) + 1;
    req->path = malloc(size);
    if (!req->path) {
        answer_text(req, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
        return -1;
    }
    if (decode(url, req->path, size) < 0) {
        answer_text(req, MHD_HTTP_BAD_REQUEST,
                    "bad request: the path has a broken escape or a control byte\n");
        return -1;
    }
    return 0;
}
