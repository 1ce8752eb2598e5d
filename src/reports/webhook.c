/* webhook: see webhook.h. The exit code carries libcurl's error, or the status of the reply. */
#include "reports/webhook.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define INPUT_MAX   65536
#define CURL_LAST   99
#define FIRST_4XX   100 /* 400 to 499 */
#define FIRST_5XX   200 /* 500 to 550 */
#define LAST_5XX    250
#define NOT_A_REPLY 251 /* another status */
#define NOT_OURS    252 /* no memory, no input, no agent */

static int code_of_status(long status)
{
    if (status >= 200 && status < 300)
        return 0;
    if (status >= 400 && status < 500)
        return FIRST_4XX + (int)(status - 400);
    if (status >= 500 && status <= 500 + LAST_5XX - FIRST_5XX)
        return FIRST_5XX + (int)(status - 500);
    return NOT_A_REPLY;
}

/* A libcurl that is built small has no words of its own. */
static const char *curl_words(CURLcode rc)
{
    switch (rc) {
    case CURLE_URL_MALFORMAT:
        return "the URL is malformed";
    case CURLE_COULDNT_RESOLVE_HOST:
        return "dns: its host cannot be resolved";
    case CURLE_COULDNT_CONNECT:
        return "refused or unreachable: no connection could be made";
    case CURLE_SSL_CONNECT_ERROR:
        return "tls: the handshake failed";
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return "tls: the certificate could not be verified";
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return "closed: the connection ended without a reply";
    default:
        return "the request failed";
    }
}

void webhook_words(int status, char *out, size_t size)
{
    if (status <= CURL_LAST)
        snprintf(out, size, "%s (curl %d)", curl_words((CURLcode)status), status);
    else if (status < FIRST_5XX)
        snprintf(out, size, "the reply has status %d", status - FIRST_4XX + 400);
    else if (status <= LAST_5XX)
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

/* Taken and forgotten: only the status counts. */
static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    (void)data;
    (void)arg;
    return size * n;
}

static int post(const char *url, const char *body)
{
    CURL *easy = curl_easy_init();
    struct curl_slist *headers =
        curl_slist_append(NULL, "Content-Type: application/json; charset=utf-8");
    const char *ca = getenv("SSL_CERT_FILE"), *dir = getenv("SSL_CERT_DIR");
    long status = 0;
    if (!easy || !headers)
        return NOT_OURS;
    curl_easy_setopt(easy, CURLOPT_URL, url);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "probe/" PROBE_VERSION);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    if (ca && *ca)
        curl_easy_setopt(easy, CURLOPT_CAINFO, ca);
    if (dir && *dir)
        curl_easy_setopt(easy, CURLOPT_CAPATH, dir);
    CURLcode rc = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
    return rc == CURLE_OK ? code_of_status(status) : rc <= CURL_LAST ? (int)rc : NOT_OURS;
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
    if (!input || curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK)
        return NOT_OURS;
    read_all(input);
    char *body = input, *parent = take_line(&body), *url = take_line(&body);
    int rc = url && has_parent(parent) ? post(url, body) : NOT_OURS;
    free(input);
    return rc;
}
