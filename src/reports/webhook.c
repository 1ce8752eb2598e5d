/* webhook: see webhook.h. The exit code carries the reason of a failure, or the status of the
 * reply. */
#include "reports/webhook.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "net/http_fetch.h"
#include "net/http_url.h"

#define INPUT_MAX   65536
#define HEAD_MAX    (256 << 10)
#define FIRST_4XX   100 /* 400 to 499; below: a reason */
#define FIRST_5XX   200 /* 500 to 550 */
#define LAST_5XX    250
#define NOT_A_REPLY 251 /* another status */
#define NOT_OURS    252 /* no memory, no input, no agent */
_Static_assert(REASON_COUNT <= FIRST_4XX, "a reason is told from a status");

static int code_of_status(int status)
{
    if (status >= 200 && status < 300)
        return 0;
    if (status >= 400 && status < 500)
        return FIRST_4XX + status - 400;
    if (status >= 500 && status <= 500 + LAST_5XX - FIRST_5XX)
        return FIRST_5XX + status - 500;
    return NOT_A_REPLY;
}

static const char *reason_words(enum reason reason)
{
    switch (reason) {
    case REASON_MISMATCH:
        return "the URL is malformed";
    case REASON_DNS:
        return "dns: its host cannot be resolved";
    case REASON_REFUSED:
    case REASON_UNREACHABLE:
        return "refused or unreachable: no connection could be made";
    case REASON_TLS:
        return "tls: the certificate could not be verified, or the handshake failed";
    case REASON_RESET:
    case REASON_CLOSED:
        return "closed: the connection ended without a whole reply";
    case REASON_PROTOCOL:
        return "protocol: the reply is not HTTP";
    default:
        return "the request failed";
    }
}

void webhook_words(int status, char *out, size_t size)
{
    if (status < REASON_COUNT)
        snprintf(out, size, "%s", reason_words((enum reason)status));
    else if (status >= FIRST_4XX && status < FIRST_5XX)
        snprintf(out, size, "the reply has status %d", status - FIRST_4XX + 400);
    else if (status >= FIRST_5XX && status <= LAST_5XX)
        snprintf(out, size, "the reply has status %d", status - FIRST_5XX + 500);
    else if (status == NOT_A_REPLY)
        snprintf(out, size,
                 "the reply has a status that is no success (redirects are not followed)");
    else
        snprintf(out, size, "it could not be made (%d)", status);
}

static size_t read_all(char *input)
{
    size_t n = 0;
    ssize_t got;
    while (n < INPUT_MAX && (got = read(STDIN_FILENO, input + n, INPUT_MAX - n)) > 0)
        n += (size_t)got;
    input[n] = '\0';
    return n;
}

static void add_credentials(struct buf *request, const struct http_url *url)
{
    char *plain =
        str_format("%s:%s", url->user ? url->user : "", url->password ? url->password : "");
    char *coded = plain ? str_base64(plain) : NULL;
    char *value = coded ? str_format("Basic %s", coded) : NULL;
    if (value)
        http1_add_header(request, "Authorization", value);
    str_wipe(plain);
    str_wipe(coded);
    str_wipe(value);
}

/* Of the reply only the status counts. */
static int post(const struct http_url *url, const char *body)
{
    struct endpoint ep = {.host = url->host, .port = url->port, .path = url->socket_path};
    struct tls_conf tls = {.verify = true};
    struct buf request;
    enum reason reason;
    struct err e;
    if (url->socket_path)
        ep.host = NULL;
    buf_init(&request, SIZE_MAX / 2);
    http1_begin_request(&request, "POST", url->path, '1');
    http1_add_header(&request, "Host", url->authority);
    http1_add_header(&request, "User-Agent", "probe/" PROBE_VERSION);
    http1_add_header(&request, "Accept", "*/*");
    http1_add_header(&request, "Connection", "close");
    http1_add_header(&request, "Content-Type", "application/json; charset=utf-8");
    if (url->user || url->password)
        add_credentials(&request, url);
    http1_end_request(&request, body);
    struct http_fetch f = {.ep = &ep,
                           .tls = url->tls ? &tls : NULL,
                           .tls_host = url->host,
                           .request = &request,
                           .deadline = TIME_NEVER, /* the agent's */
                           .head_max = HEAD_MAX};
    int status = request.failed ? -1 : http_fetch(&f, &reason, &e);
    bool failed = request.failed;
    buf_fini(&request);
    return failed ? NOT_OURS : status < 0 ? (int)reason : code_of_status(status);
}

/* The text up to the next newline, which is cut off; *rest is what follows. NULL: there is none. */
static char *take_line(char **rest)
{
    char *line = *rest, *end = strchr(line, '\n');
    if (!end)
        return NULL;
    *end = '\0';
    *rest = end + 1;
    return line;
}

/* An agent that was gone before it could be asked to take us along ends nothing any more, and the
 * request has no timeout but the agent's. Its number tells, not 1: it may be process 1 itself. */
static bool has_parent(const char *pid)
{
    return strtol(pid, NULL, 10) == getppid();
}

int webhook_main(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0); /* the URL is often a secret */
    signal(SIGPIPE, SIG_IGN);
    char *input = malloc(INPUT_MAX + 1);
    if (!input)
        return NOT_OURS;
    read_all(input);
    char *body = input, *parent = take_line(&body), *text = take_line(&body);
    int rc = NOT_OURS;
    struct http_url url;
    if (text && has_parent(parent)) {
        rc = REASON_MISMATCH;
        if (http_url_parse(&url, text, NULL) == 0) {
            rc = post(&url, body);
            http_url_fini(&url);
        }
    }
    free(input);
    return rc;
}
