/* endpoint: see endpoint.h. */
#include "base/endpoint.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "base/str.h"

#define NAME_MAX_LEN 253 /* RFC 1035 section 2.3.4, in text */

static int parse_port(const char *text, uint16_t *port, struct err *e)
{
    unsigned long n = 0;
    size_t len = strlen(text);
    for (const char *p = text; *p; p++) {
        if (!isdigit((unsigned char)*p) || len > 5)
            return err_set(e, "\"%s\" is not a port, expected 1 to 65535", text);
        n = n * 10 + (unsigned long)(*p - '0');
    }
    if (n < 1 || n > 65535)
        return err_set(e, "\"%s\" is not a port, expected 1 to 65535", text);
    *port = (uint16_t)n;
    return 0;
}

/* Letters, digits, '-' and '_' (Docker's service names have it) in labels of 1 to 63. */
static bool is_name(const char *host)
{
    size_t len = strlen(host), label = 0;
    if (len == 0 || len > NAME_MAX_LEN)
        return false;
    for (const char *p = host; *p; p++) {
        if (*p == '.') {
            if (label == 0)
                return false;
            label = 0;
            continue;
        }
        if ((!isalnum((unsigned char)*p) && *p != '-' && *p != '_') || ++label > 63)
            return false;
    }
    return true;
}

/* A name of numbers only would be an address if it were valid, "127.0.0.300", or is one to some
 * programs alone: "1.2", "0x7f.0.0.1". */
static bool looks_numeric(const char *host)
{
    for (const char *p = host; *p; p += *p == '.') {
        bool hex = p[0] == '0' && (p[1] == 'x' || p[1] == 'X');
        p += hex ? 2 : 0;
        p += strspn(p, hex ? "0123456789abcdefABCDEF" : "0123456789");
        if (*p && *p != '.')
            return false;
    }
    return true;
}

/* The address before its zone. */
static bool parse_v6(const char *host, struct in6_addr *v6)
{
    char bare[INET6_ADDRSTRLEN];
    size_t len = strcspn(host, "%");
    if (len >= sizeof bare)
        return false;
    memcpy(bare, host, len);
    bare[len] = '\0';
    return inet_pton(AF_INET6, bare, v6) == 1;
}

/* A zone is an interface's name or number (RFC 4007 section 11.2). */
static int check_v6(const char *host, struct err *e)
{
    struct in6_addr v6;
    const char *zone = strchr(host, '%');
    if (!parse_v6(host, &v6) || (zone && strpbrk(zone, "[]/@ ")))
        return err_set(e, "\"[%s]\" is not an IPv6 address", host);
    if (IN6_IS_ADDR_LINKLOCAL(&v6) && (!zone || !zone[1]))
        return err_set(e, "[%.*s] is link-local and needs its interface, as in [%.*s%%eth0]",
                       (int)strcspn(host, "%"), host, (int)strcspn(host, "%"), host);
    if (zone && (!zone[1] || strlen(zone + 1) >= IF_NAMESIZE))
        return err_set(e, "\"[%s]\": after the %% goes the name or number of an interface", host);
    return 0;
}

/* In a URI the % of a zone is written %25 (RFC 6874 section 2). */
static void decode_zone(char *host)
{
    char *zone = strchr(host, '%');
    if (zone && strncmp(zone, "%25", 3) == 0 && zone[3])
        memmove(zone + 1, zone + 3, strlen(zone + 3) + 1);
}

static int check_host(char *host, bool bracketed, struct err *e)
{
    struct in_addr v4;
    if (bracketed) {
        decode_zone(host);
        return check_v6(host, e);
    }
    if (inet_pton(AF_INET, host, &v4) == 1)
        return 0;
    if (!is_name(host) || looks_numeric(host))
        return err_set(e, "\"%s\" is not a host name or address", host);
    return 0;
}

static int parse_unix(struct endpoint *ep, const char *path, struct err *e)
{
    struct sockaddr_un un;
    if (path[0] != '/')
        return err_set(e, "\"%s\" is not an absolute path", path);
    if (strlen(path) >= sizeof un.sun_path)
        return err_set(e, "the socket's path is over %zu bytes long", sizeof un.sun_path - 1);
    ep->path = strdup(path);
    return ep->path ? 0 : err_set(e, "out of memory");
}

const char *endpoint_kubernetes_words(const char *text)
{
    static const char *const inner[] = {":tcp://", ":udp://", "/tcp://", "/udp://"};
    for (size_t i = 0; i < ARRAY_LEN(inner); i++)
        if (strstr(text, inner[i]))
            return "has tcp://... where a port or name is wanted: in Kubernetes NAME_PORT of a "
                   "service is such a URL, its port is NAME_SERVICE_PORT";
    return NULL;
}

/* Splits "host:port" or "[v6]:port"; *port is left alone where there is none. */
static int split(const char *text, char **host, const char **port, bool *bracketed, struct err *e)
{
    size_t len;
    const char *rest;
    const char *words = endpoint_kubernetes_words(text);
    if (words)
        return err_set(e, "%s", words);
    if (strstr(text, "://"))
        return err_set(e, "an address has no scheme, expected host:port");
    *bracketed = text[0] == '[';
    if (*bracketed) {
        const char *end = strchr(text, ']');
        if (!end || (end[1] && end[1] != ':'))
            return err_set(e, "\"%s\": expected [v6]:port", text);
        text++;
        len = (size_t)(end - text);
        rest = end + 1;
    } else {
        len = strcspn(text, ":");
        rest = text + len;
        if (*rest && strchr(rest + 1, ':'))
            return err_set(e, "\"%s\": an IPv6 address goes in brackets, [v6]:port", text);
    }
    if (*rest)
        *port = rest + 1;
    *host = str_dup_n(text, len);
    return *host ? 0 : err_set(e, "out of memory");
}

int endpoint_parse(struct endpoint *ep, const char *text, uint16_t default_port, struct err *e)
{
    *ep = (struct endpoint){.port = default_port};
    if (strncasecmp(text, "unix://", strlen("unix://")) == 0)
        return parse_unix(ep, text + strlen("unix://"), e);
    if (strchr(text, '@')) /* perhaps a password is in front of it: it is not repeated */
        return err_set(e, "an address has no '@', expected host:port without a user or password");
    const char *port = NULL;
    bool bracketed;
    if (split(text, &ep->host, &port, &bracketed, e) < 0)
        return -1;
    if (check_host(ep->host, bracketed, e) == 0) {
        if (port && parse_port(port, &ep->port, e) == 0)
            return 0;
        if (!port && default_port)
            return 0;
        if (!port)
            err_set(e, "\"%s\" has no port, expected host:port", text);
    }
    endpoint_fini(ep);
    return -1;
}

static int check_listen_host(char **host, bool bracketed, struct err *e)
{
    struct in_addr v4;
    struct in6_addr v6;
    const char *stands_for = *host;
    if (bracketed && parse_v6(*host, &v6) && IN6_IS_ADDR_V4MAPPED(&v6))
        return err_set(e, "\"[%s]\": an IPv4 address is written as 127.0.0.1:9797", *host);
    if (bracketed)
        return check_host(*host, true, e);
    if (!**host)
        stands_for = "*";
    else if (strcasecmp(*host, "localhost") == 0)
        stands_for = "127.0.0.1";
    else if (strcmp(*host, "*") != 0 && inet_pton(AF_INET, *host, &v4) != 1)
        return err_set(e,
                       "\"%s\" is no IP address: what is listened on is an address, as in "
                       "127.0.0.1:9797, [::1]:9797 or :9797",
                       *host);
    if (stands_for == *host)
        return 0;
    free(*host);
    *host = strdup(stands_for);
    return *host ? 0 : err_set(e, "out of memory");
}

int endpoint_parse_listen(struct endpoint *ep, const char *text, struct err *e)
{
    const char *port = NULL;
    bool bracketed;
    *ep = (struct endpoint){0};
    if (split(text, &ep->host, &port, &bracketed, e) < 0)
        return -1;
    if (!port)
        err_set(e, "\"%s\" has no port, expected an address and port as 127.0.0.1:9797 or :9797",
                text);
    else if (parse_port(port, &ep->port, e) == 0 && check_listen_host(&ep->host, bracketed, e) == 0)
        return 0;
    endpoint_fini(ep);
    return -1;
}

static uint32_t scope_of(const char *zone)
{
    char *end;
    unsigned index = if_nametoindex(zone);
    unsigned long n = index ? 0 : strtoul(zone, &end, 10);
    return index                                                       ? index
           : isdigit((unsigned char)*zone) && !*end && n <= UINT32_MAX ? (uint32_t)n
                                                                       : 0;
}

bool endpoint_address(const struct endpoint *ep, struct sockaddr_in6 *a)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(ep->port)};
    const char *zone = strchr(ep->host, '%');
    memset(a, 0, sizeof *a);
    if (inet_pton(AF_INET, ep->host, &in.sin_addr) == 1) {
        memcpy(a, &in, sizeof in);
        return true;
    }
    a->sin6_family = AF_INET6;
    a->sin6_port = htons(ep->port);
    a->sin6_scope_id = zone ? scope_of(zone + 1) : 0;
    return parse_v6(ep->host, &a->sin6_addr);
}

bool endpoint_is_loopback(const struct endpoint *ep)
{
    struct sockaddr_in6 a;
    struct sockaddr_in v4;
    if (!ep->host || !endpoint_address(ep, &a))
        return false;
    if (a.sin6_family != AF_INET)
        return IN6_IS_ADDR_LOOPBACK(&a.sin6_addr);
    memcpy(&v4, &a, sizeof v4);
    return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
}

int endpoint_set_family(struct endpoint *ep, int family, struct err *e)
{
    struct sockaddr_in6 a;
    ep->family = family;
    if (!family || !ep->host || !endpoint_address(ep, &a))
        return 0;
    int own = a.sin6_family == AF_INET ? 4 : 6;
    return own == family ? 0
                         : err_set(e, "is %d, but %s is an IPv%d address", family, ep->host, own);
}

void endpoint_fini(struct endpoint *ep)
{
    free(ep->host);
    free(ep->path);
    *ep = (struct endpoint){0};
}
