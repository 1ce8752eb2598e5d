/* http2: see http2.h. libcurl's callbacks only note things down or tell it to stop; nothing is
 * finished or freed from inside them. */
#include "net/http2.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"
#include "tls/tls.h"

#define IN_MAX     (1 << 20) /* of bytes that libcurl does not take */
#define OUT_MAX    (SIZE_MAX / 2)
#define PIECE      (16 << 10) /* bytes that go through the socket at a time */
#define PREFACE    24         /* bytes (RFC 9113 section 3.4) */
#define ROUNDS_MAX 64         /* without progress: libcurl hangs */

/* ---- The socket between us: libcurl connects to it by its name ---- */

/* An abstract name that the kernel chooses; for the one connection that libcurl makes at once. */
static int listen_for_curl(char *name, size_t size)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    socklen_t len = sizeof a.sun_family;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    bool ok = bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, SOMAXCONN) == 0;
    len = sizeof a;
    if (!ok || getsockname(fd, (struct sockaddr *)&a, &len) < 0) {
        close(fd);
        return -1;
    }
    snprintf(name, size, "%.*s", (int)(len - offsetof(struct sockaddr_un, sun_path) - 1),
             a.sun_path + 1);
    return fd;
}

/* Any process of this machine may come to an abstract name: only our own counts. */
static int accept_curl(int listener)
{
    for (;;) {
        struct ucred peer;
        socklen_t len = sizeof peer;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 ||
            (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.pid == getpid()))
            return fd;
        close(fd);
    }
}

/* ---- What libcurl says ---- */

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct http2 *h = arg;
    return h->events->reply.on_line(h->owner, data, size * n) ? size * n : 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct http2 *h = arg;
    return h->events->reply.on_body(h->owner, data, size * n) ? size * n : 0;
}

/* ---- The request ---- */

static int add_line(struct http2 *h, const char *line)
{
    struct curl_slist *grown = curl_slist_append(h->headers, line);
    h->headers = grown ? grown : h->headers;
    return grown ? 0 : -1;
}

static bool has_header(const struct http2_request *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++)
        if (strcasecmp(r->headers[i].name, name) == 0)
            return true;
    return false;
}

/* Does libcurl take a scheme of ours? To an older one, Ubuntu 22.04's, a header that begins with a
 * colon is an error; a server behind TLS is then told the scheme http, which most do not look at.
 */
static bool takes_scheme(void)
{
    return curl_version_info(CURLVERSION_NOW)->version_num >= 0x075200;
}

/* The request's headers as libcurl takes them: one without a value keeps out its own of that name,
 * and what is of one connection alone HTTP/2 has not. */
static int add_headers(struct http2 *h, const struct http2_request *r)
{
    static const char *const unwanted[] = {"Expect", "Content-Type", "Accept"};
    int rc = 0;
    if (r->https && takes_scheme()) /* libcurl sees no TLS, and would say http */
        rc |= add_line(h, ":scheme: https");
    for (size_t i = 0; i < r->n_headers && rc == 0; i++) {
        const struct http_header *from = &r->headers[i];
        if (strcasecmp(from->name, "Connection") == 0)
            continue;
        char *line = str_format(*from->value ? "%s: %s" : "%s;%s", from->name, from->value);
        rc |= line ? add_line(h, line) : -1;
        str_wipe(line);
    }
    for (size_t i = 0; i < ARRAY_LEN(unwanted); i++) {
        char line[32];
        snprintf(line, sizeof line, "%s:", unwanted[i]);
        if (!has_header(r, unwanted[i]))
            rc |= add_line(h, line);
    }
    return rc;
}

static void set_request(struct http2 *h, const struct http2_request *r)
{
    if (strcmp(r->method, "HEAD") == 0) {
        curl_easy_setopt(h->easy, CURLOPT_NOBODY, 1L);
    } else if (r->body) {
        curl_easy_setopt(h->easy, CURLOPT_POSTFIELDSIZE, (long)r->body_len);
        curl_easy_setopt(h->easy, CURLOPT_COPYPOSTFIELDS, r->body);
        curl_easy_setopt(h->easy, CURLOPT_CUSTOMREQUEST, r->method);
    } else if (strcmp(r->method, "GET") != 0) {
        curl_easy_setopt(h->easy, CURLOPT_CUSTOMREQUEST, r->method);
    }
    curl_easy_setopt(h->easy, CURLOPT_URL, h->url);
    curl_easy_setopt(h->easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, h->headers);
    curl_easy_setopt(h->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    curl_easy_setopt(h->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(h->easy, CURLOPT_HEADERDATA, h);
    curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, h);
    curl_easy_setopt(h->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(h->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h->easy, CURLOPT_CONNECTTIMEOUT, (long)(INT32_MAX / 1000));
}

/* ---- The bytes ---- */

/* One piece of what came into the socket. False: the socket is full, or nothing is left. */
static bool give_curl(struct http2 *h)
{
    size_t len = h->in.len < PIECE ? h->in.len : PIECE;
    ssize_t n = len ? send(h->fd, h->in.data, len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
    if (n > 0)
        buf_consume(&h->in, (size_t)n);
    return n > 0;
}

/* What libcurl wrote. */
static bool take_from_curl(struct http2 *h, struct buf *out)
{
    char data[PIECE];
    ssize_t n = recv(h->fd, data, sizeof data, MSG_DONTWAIT);
    return n > 0 && buf_add(out, data, (size_t)n) == 0;
}

static bool has_ended(struct http2 *h)
{
    CURLMsg *msg;
    int left;
    bool ended = false;
    while ((msg = curl_multi_info_read(h->multi, &left)))
        if (msg->msg == CURLMSG_DONE) {
            h->rc = msg->data.result;
            ended = true;
        }
    return ended;
}

/* Where the server's frames make no sense libcurl says so to the server, and then either waits on
 * or lets pass for a reply what it has of it. */
static bool refuses(struct http2 *h, const struct buf *out)
{
    struct buf nowhere = {0};
    http2_frames_take(&h->sent, out->data, out->len, &nowhere);
    buf_fini(&nowhere);
    return h->sent.goaway_code;
}

/* Lets libcurl work until it has read all that it was given and written all that it will. */
static void pump(struct http2 *h)
{
    struct buf out;
    int running, unread = 0;
    bool ended = false, more = true;
    buf_init(&out, OUT_MAX);
    for (int idle = 0; !ended && more && idle < ROUNDS_MAX;) {
        bool moved = give_curl(h);
        long wait_ms = -1;
        curl_multi_perform(h->multi, &running);
        ended = has_ended(h);
        moved = take_from_curl(h, &out) || moved;
        curl_multi_timeout(h->multi, &wait_ms);
        more = moved || h->in.len || wait_ms == 0 ||
               (ioctl(h->fd, SIOCOUTQ, &unread) == 0 && unread > 0);
        idle = moved ? 0 : idle + 1;
    }
    if (refuses(h, &out) && (!ended || h->rc == CURLE_OK)) {
        ended = true;
        h->rc = CURLE_HTTP2;
    }
    if (h->in.failed || out.failed) {
        ended = true;
        h->rc = CURLE_OUT_OF_MEMORY;
    }
    h->events->on_turn(h->owner, &out, ended);
    buf_fini(&out);
}

static int set_up_curl(struct err *e)
{
    static bool ready;
    tls_library_init();
    CURLcode rc = ready ? CURLE_OK : curl_global_init(CURL_GLOBAL_ALL);
    if (rc != CURLE_OK)
        return err_set(e, "libcurl cannot be set up: %s", curl_easy_strerror(rc));
    ready = true;
    return 0;
}

bool http2_is_there(void)
{
    int needed = CURL_VERSION_HTTP2 | CURL_VERSION_UNIX_SOCKETS;
    return (curl_version_info(CURLVERSION_NOW)->features & needed) == needed;
}

/* libcurl with the request, and connected to us; -1 with errno 0 when memory is out. */
static int open_curl(struct http2 *h, const struct http2_request *r)
{
    char name[sizeof(struct sockaddr_un)];
    int running;
    errno = 0;
    h->multi = curl_multi_init();
    h->easy = curl_easy_init();
    h->url = str_format("http://%s%s", r->authority, r->path);
    if (!h->multi || !h->easy || !h->url || add_headers(h, r) < 0)
        return -1;
    int listener = listen_for_curl(name, sizeof name);
    if (listener < 0)
        return -1;
    set_request(h, r);
    curl_easy_setopt(h->easy, CURLOPT_ABSTRACT_UNIX_SOCKET, name);
    curl_multi_add_handle(h->multi, h->easy);
    for (int i = 0; h->fd < 0 && i < ROUNDS_MAX; i++) {
        curl_multi_perform(h->multi, &running);
        h->fd = accept_curl(listener);
    }
    close(listener);
    return h->fd < 0 ? -1 : 0;
}

int http2_start(struct http2 *h, const struct http2_request *request,
                const struct http2_events *events, void *owner, struct err *e)
{
    *h = (struct http2){.fd = -1, .events = events, .owner = owner};
    /* The preface before libcurl's frames is passed over as one of them. */
    h->sent = (struct http2_frames){.n_head = sizeof h->sent.head, .left = PREFACE, .began = true};
    buf_init(&h->in, IN_MAX);
    if (set_up_curl(e) < 0)
        return -1;
    if (open_curl(h, request) < 0)
        return errno ? err_errno(e, errno, "no way to libcurl") : err_set(e, "out of memory");
    pump(h);
    return 0;
}

void http2_take(struct http2 *h, const char *data, size_t len)
{
    http2_frames_take(&h->frames, data, len, &h->in);
    if (h->frames.is_flood) {
        const struct buf nothing = {0};
        h->rc = CURLE_HTTP2;
        h->events->on_turn(h->owner, &nothing, true);
        return;
    }
    pump(h);
}

void http2_fini(struct http2 *h)
{
    if (!h->multi && !h->easy && !h->url)
        return;
    if (h->multi && h->easy)
        curl_multi_remove_handle(h->multi, h->easy);
    curl_easy_cleanup(h->easy);
    curl_multi_cleanup(h->multi);
    for (struct curl_slist *at = h->headers; at; at = at->next)
        explicit_bzero(at->data, strlen(at->data));
    curl_slist_free_all(h->headers);
    free(h->url);
    if (h->fd >= 0)
        close(h->fd);
    buf_fini(&h->in);
    *h = (struct http2){.fd = -1};
}
