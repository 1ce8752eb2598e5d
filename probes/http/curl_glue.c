/* curl_glue: see curl_glue.h. Curl names the sockets to watch and one timer; each event goes back
 * to it by curl_multi_socket_action, and after every one of them, timer or socket, the messages are
 * read: a transfer may end by a timeout alone. */
#include "http/curl_glue.h"

#include <stdlib.h>
#include <uv.h>

#include "base/str.h"

struct curl_glue {
    struct probe_shared shared;
    CURLM *multi;
    uv_loop_t *loop;
    uv_timer_t timer;
    struct curl_transfer *failed; /* to be ended once curl has returned */
};

/* A watched socket; it outlives the transfer when curl closes a connection at its leisure. */
struct watch {
    struct curl_glue *glue;
    curl_socket_t fd;
    int events; /* that curl waits for */
    uv_poll_t poll;
};

int curl_glue_init(struct err *e)
{
    static bool ready;
    if (!ready) {
        CURLcode rc = curl_global_init(CURL_GLOBAL_ALL);
        if (rc != CURLE_OK)
            return err_set(e, "libcurl cannot be set up: %s", curl_easy_strerror(rc));
        ready = true;
    }
    return 0;
}

static struct curl_transfer *transfer_of(CURL *easy)
{
    char *owner = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
    return (struct curl_transfer *)(void *)owner;
}

static void end_transfer(struct curl_transfer *t, CURLcode result)
{
    curl_glue_stop(t);
    t->on_done(t, result);
}

/* on_done may start and stop transfers, so everything is copied out of the message first and the
 * queue is read anew each time. */
static void read_messages(struct curl_glue *glue)
{
    while (glue->failed)
        end_transfer(glue->failed, CURLE_OUT_OF_MEMORY);
    CURLMsg *msg;
    int left;
    while ((msg = curl_multi_info_read(glue->multi, &left))) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        CURLcode result = msg->data.result;
        end_transfer(transfer_of(msg->easy_handle), result);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *w = container_of(poll, struct watch, poll);
    struct curl_glue *glue = w->glue;
    int flags = 0, running;
    /* A socket with an error (a reset) is both readable and writable: curl is to read what came
     * before it, and then the error itself. It hears neither from CURL_CSELECT_ERR. Libuv has
     * stopped watching by now. */
    if (status < 0) {
        events = w->events;
        uv_poll_start(poll, events, on_poll);
    }
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(glue->multi, w->fd, flags, &running);
    read_messages(glue);
}

static void on_timer(uv_timer_t *timer)
{
    struct curl_glue *glue = container_of(timer, struct curl_glue, timer);
    int running;
    curl_multi_socket_action(glue->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    read_messages(glue);
}

/* Curl: the time until it wants to be called, or -1 for no timer. Acting at once would re-enter it,
 * so 0 too goes through the loop. */
static int on_timer_wanted(CURLM *multi, long timeout_ms, void *arg)
{
    struct curl_glue *glue = arg;
    (void)multi;
    if (timeout_ms < 0) {
        uv_timer_stop(&glue->timer);
        return 0;
    }
    /* The loop's idea of now may be old, and a timer that fires early is a turn for nothing. */
    uv_update_time(glue->loop);
    uv_timer_start(&glue->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

static void on_watch_closed(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)handle, struct watch, poll));
}

static struct watch *watch_new(struct curl_glue *glue, curl_socket_t fd)
{
    struct watch *w = malloc(sizeof *w);
    if (!w)
        return NULL;
    w->glue = glue;
    w->fd = fd;
    if (uv_poll_init_socket(glue->loop, &w->poll, fd) < 0) {
        free(w);
        return NULL;
    }
    curl_multi_assign(glue->multi, fd, w);
    return w;
}

/* A socket that cannot be watched would hang its transfer. Telling curl (by -1) makes it give up
 * the whole multi, so this one is put aside and ended from outside. */
static void set_aside(struct curl_glue *glue, CURL *easy)
{
    struct curl_transfer *t = transfer_of(easy);
    if (t && !t->is_failed) {
        t->is_failed = true;
        t->failed = glue->failed;
        glue->failed = t;
    }
}

/* Curl: what to watch a socket for from now on. */
static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
    struct curl_glue *glue = arg;
    struct watch *w = assigned;
    if (what == CURL_POLL_REMOVE) {
        if (w) {
            uv_poll_stop(&w->poll);
            uv_close((uv_handle_t *)&w->poll, on_watch_closed);
            curl_multi_assign(glue->multi, fd, NULL);
        }
        return 0;
    }
    if (!w)
        w = watch_new(glue, fd);
    if (!w) {
        set_aside(glue, easy);
        return 0;
    }
    w->events = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        w->events |= UV_READABLE;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        w->events |= UV_WRITABLE;
    if (uv_poll_start(&w->poll, w->events, on_poll) < 0)
        set_aside(glue, easy);
    return 0;
}

static void on_glue_closed(uv_handle_t *handle)
{
    free(container_of((uv_timer_t *)handle, struct curl_glue, timer));
}

static void glue_close(struct probe_shared *shared)
{
    struct curl_glue *glue = container_of(shared, struct curl_glue, shared);
    curl_multi_cleanup(glue->multi);
    uv_timer_stop(&glue->timer);
    uv_close((uv_handle_t *)&glue->timer, on_glue_closed);
}

static struct curl_glue *glue_open(struct probe_env *env, struct err *e)
{
    if (curl_glue_init(e) < 0)
        return NULL;
    struct curl_glue *glue = calloc(1, sizeof *glue);
    if (!glue || !(glue->multi = curl_multi_init())) {
        free(glue);
        err_set(e, "out of memory");
        return NULL;
    }
    glue->shared = (struct probe_shared){.name = "curl", .close = glue_close};
    glue->loop = env->loop;
    uv_timer_init(env->loop, &glue->timer);
    curl_multi_setopt(glue->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
    curl_multi_setopt(glue->multi, CURLMOPT_SOCKETDATA, glue);
    curl_multi_setopt(glue->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl_multi_setopt(glue->multi, CURLMOPT_TIMERDATA, glue);
    curl_multi_setopt(glue->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    probe_shared_add(env, &glue->shared);
    return glue;
}

int curl_glue_start(struct probe_env *env, struct curl_transfer *t, struct err *e)
{
    struct probe_shared *shared = probe_shared_find(env, "curl");
    struct curl_glue *glue =
        shared ? container_of(shared, struct curl_glue, shared) : glue_open(env, e);
    if (!glue)
        return -1;
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    CURLMcode rc = curl_multi_add_handle(glue->multi, t->easy);
    if (rc != CURLM_OK)
        return err_set(e, "libcurl: %s", curl_multi_strerror(rc));
    t->glue = glue;
    return 0;
}

void curl_glue_stop(struct curl_transfer *t)
{
    struct curl_glue *glue = t->glue;
    if (!glue)
        return;
    curl_multi_remove_handle(glue->multi, t->easy);
    for (struct curl_transfer **at = &glue->failed; *at; at = &(*at)->failed)
        if (*at == t) {
            *at = t->failed;
            break;
        }
    t->is_failed = false;
    t->glue = NULL;
}
