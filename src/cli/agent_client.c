/* agent_client: see agent_client.h. It asks in HTTP/1.0, so that the answer ends with the
 * connection or by its length. */
#include "cli/agent_client.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/str.h"
#include "config/config.h"
#include "config/redact.h"
#include "config/secret.h"
#include "net/http_fetch.h"

#define HEAD_MAX      (64 * 1024)
#define BODY_MAX      (64 * 1024 * 1024)
#define UNIX_PATH_MAX 107 /* sun_path, less its NUL */
#define HTTP_PORT     80

/* Puts the address before the words, without a password that was written into it. */
static int about(const char *what, const char *agent, struct err *e)
{
    char *shown = redact_url(agent), *text = shown ? str_format("%s%s", what, shown) : NULL;
    err_prefix(e, "%s", text ? text : what);
    free(shown);
    free(text);
    return -1;
}

/* "host:port", where a path was expected, and no such file is there. */
static bool is_host_and_port(const char *agent)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._[]:";
    const char *colon = strrchr(agent, ':');
    return colon && colon > agent && colon[1] && agent[strspn(agent, letters)] == '\0' &&
           strspn(colon + 1, "0123456789") == strlen(colon + 1) && access(agent, F_OK) != 0;
}

/* A plain user's agent cannot make the default socket: it is asked by TCP. */
static void tell_of_none(const char *agent, struct err *e)
{
    about("no agent answers at ", agent, e);
    struct err all = *e;
    if (is_host_and_port(agent))
        err_set(e, "%s; did you mean http://%.128s?", all.text, agent);
    if (strcmp(agent, CONFIG_DEFAULT_SOCKET) == 0)
        err_set(e, "%s; one without a socket is asked by --agent http://127.0.0.1:9797", all.text);
}

static int parse_unix(const char *path, struct endpoint *ep, struct err *e)
{
    size_t len = strlen(path);
    if (len == 0)
        return err_set(e, "an empty socket path");
    if (len > UNIX_PATH_MAX)
        return err_set(e, "the socket path is %zu bytes long, at most %d work", len, UNIX_PATH_MAX);
    *ep = (struct endpoint){.path = strdup(path)};
    return ep->path ? 0 : err_set(e, "out of memory");
}

/* "host:port", "[v6]:port", either with one slash at its end. */
static int parse_http(const char *authority, struct endpoint *ep, struct err *e)
{
    size_t len = strlen(authority);
    if (len && authority[len - 1] == '/')
        len--;
    if (memchr(authority, '/', len))
        return err_set(e, "expected http://HOST:PORT and nothing after it");
    char *text = str_dup_n(authority, len);
    int rc = text ? endpoint_parse(ep, text, HTTP_PORT, e) : err_set(e, "out of memory");
    free(text);
    return rc;
}

/* Where the agent is; the caller's to endpoint_fini. */
static int parse_agent(const char *agent, struct endpoint *ep, struct err *e)
{
    int rc = -1;
    *ep = (struct endpoint){0};
    if (str_starts(agent, "unix://"))
        rc = parse_unix(agent + strlen("unix://"), ep, e);
    else if (agent[0] && !strchr("/.", agent[0]) && strchr(agent + 1, '@'))
        err_set(e, "an agent takes no user and password");
    else if (str_starts(agent, "http://"))
        rc = parse_http(agent + strlen("http://"), ep, e);
    else if (strstr(agent, "://") || (agent[0] != '/' && strstr(agent, ":/")))
        err_set(e, "expected a socket path, unix:///PATH or http://HOST:PORT");
    else
        rc = parse_unix(agent, ep, e);
    return rc < 0 ? about("bad address of the agent ", agent, e) : 0;
}

int agent_check_address(const char *agent, struct err *e)
{
    struct endpoint ep;
    if (parse_agent(agent, &ep, e) < 0)
        return -1;
    endpoint_fini(&ep);
    return 0;
}

static bool fits_request_line(const char *path)
{
    for (; *path; path++)
        if ((unsigned char)*path <= ' ' || *path == 0x7f)
            return false;
    return true;
}

/* The token, where there is one; -1: it cannot be read, or no header can carry it. */
static int add_token(struct buf *request, const char *file, struct err *e)
{
    char *token;
    if (!file)
        return 0;
    if (secret_read(file, file, &token, e) < 0)
        return err_prefix(e, "the token");
    int rc = 0;
    for (const char *c = token; *c && rc == 0; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f)
            rc = err_set(e, "the token: %s holds more than one word", file);
    if (rc == 0) {
        buf_puts(request, "Authorization: Bearer ");
        buf_puts(request, token);
        buf_puts(request, "\r\n");
    }
    str_wipe(token);
    return rc;
}

/* The status; `*fd` is where the rest comes, NULL: all of it is waited for. */
static int ask(const char *agent, const char *token_file, const char *method, const char *path,
               int64_t deadline, struct buf *body, int *fd, struct err *e)
{
    struct endpoint ep;
    struct buf request;
    enum reason reason;
    buf_init(body, BODY_MAX);
    if (parse_agent(agent, &ep, e) < 0)
        return -1;
    buf_init(&request, HEAD_MAX);
    http1_begin_request(&request, method, path, '0');
    http1_add_header(&request, "Host", "localhost"); /* any other name may be refused */
    int bad = add_token(&request, ep.path ? NULL : token_file, e);
    http1_end_request(&request, "");
    struct http_fetch f = {.ep = &ep,
                           .request = &request,
                           .deadline = deadline,
                           .head_max = HEAD_MAX,
                           .content = body,
                           .follows = fd != NULL};
    int status = -1;
    if (bad == 0 && !fits_request_line(path))
        err_set(e, "'%s' cannot be asked for", path);
    else if (bad == 0 && request.failed)
        err_set(e, "the request is too long");
    else if (bad == 0 && (status = http_fetch(&f, &reason, e)) < 0)
        tell_of_none(agent, e);
    buf_puts(body, ""); /* an empty one is a text too */
    if (fd)
        *fd = f.fd;
    if (request.data)
        explicit_bzero(request.data, request.len);
    buf_fini(&request);
    endpoint_fini(&ep);
    return status;
}

int agent_request(const char *agent, const char *token_file, const char *method, const char *path,
                  int64_t deadline, struct buf *body, struct err *e)
{
    return ask(agent, token_file, method, path, deadline, body, NULL, e);
}

int agent_follow(const char *agent, const char *token_file, const char *path, int64_t deadline,
                 struct buf *body, struct err *e)
{
    int fd = -1, status = ask(agent, token_file, "GET", path, deadline, body, &fd, e);
    if (status < 0 || (status == 200 && fd >= 0))
        return fd;
    if (fd >= 0)
        close(fd);
    if (status == 401)
        return agent_refused(agent, status, e);
    return err_set(e, "no agent answers at %s: HTTP %d for %s", agent, status, path);
}

int agent_refused(const char *agent, int status, struct err *e)
{
    char *shown = redact_url(agent);
    if (status == 401)
        err_set(e,
                "the agent at %s asks for its token, expected --token-file FILE or "
                "$PROBE_TOKEN_FILE with the right one",
                shown ? shown : "");
    else
        err_set(e, "%s does not answer as a probe agent (HTTP %d)", shown ? shown : "", status);
    free(shown);
    return -1;
}
