/* endpoint: see endpoint.h. */
#include "base/endpoint.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
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

/* A name of digits and dots only would be an address if it were valid: "127.0.0.300", "1.2". */
static bool looks_numeric(const char *host)
{
    return strspn(host, "0123456789.") == strlen(host);
}

static int check_host(const char *host, bool bracketed, struct err *e)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (bracketed) {
        char bare[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
        size_t len = strcspn(host, "%");
        if (len < INET6_ADDRSTRLEN) {
            memcpy(bare, host, len);
            bare[len] = '\0';
            bool valid = inet_pton(AF_INET6, bare, &v6) == 1;
            if (valid && IN6_IS_ADDR_LINKLOCAL(&v6) && !host[len])
                return err_set(e, "[%s] is link-local and needs its interface, as in [%s%%eth0]",
                               host, host);
            if (valid)
                return 0;
        }
        return err_set(e, "\"[%s]\" is not an IPv6 address", host);
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

/* Splits "host:port" or "[v6]:port"; *port is left alone where there is none. */
static int split(const char *text, char **host, const char **port, bool *bracketed, struct err *e)
{
    size_t len;
    const char *rest;
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
    if (str_starts(text, "unix://"))
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

void endpoint_fini(struct endpoint *ep)
{
    free(ep->host);
    free(ep->path);
    *ep = (struct endpoint){0};
}
