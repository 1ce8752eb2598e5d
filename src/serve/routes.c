/* routes: what is answered to what. Everything is read-only but POST, which only the Unix socket
 * may: who can open it is the file system's to say. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "config/duration.h"
#include "serve/internal.h"
#include "view/document.h"
#include "view/verdict.h"

#define NEAR_LOOKED_AT 200 /* names that a typo is compared with: about 1 ms at most */
#define NAMES_SHOWN    12
#define NAME_SHOWN_MAX 100

static const char json_type[] = "application/json; charset=utf-8";
static const char text_type[] = "text/plain; charset=utf-8";

struct route {
    const char *path; /* with a slash at the end: a name follows */
    bool post;
    bool open; /* answered to who has no token as well */
    void (*handle)(struct request *req, const char *name);
};

/* ---- Verdicts in one line ---- */

/* `always` as the status, or by the verdict when it is 0. */
static void answer_verdict(struct request *req, const char *word, bool ok, const struct check *c,
                           int64_t now, unsigned always)
{
    struct serve *s = request_serve(req);
    struct buf b;
    buf_init(&b, 2048);
    verdict_line(&b, word, ok, c, s->engine, serve_verdict(s, now), now);
    unsigned status = always ? always : ok ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    request_answer(req, status, text_type, &b);
}

static void get_live(struct request *req, const char *name)
{
    struct serve *s = request_serve(req);
    int64_t now = clock_now();
    const struct readiness *r = serve_verdict(s, now);
    bool live = r->live && !r->stale;
    (void)name;
    if (!access_is_granted(req)) { /* the cause names what is watched */
        request_text(req, live ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, "%slive\n",
                     live ? "" : "not ");
        return;
    }
    const struct check *culprit =
        live || !serve_budget_left(s) ? NULL : verdict_first_not_live(s->engine, now);
    answer_verdict(req, "live", live, culprit ? culprit : r->culprit, now, 0);
}

static void answer_ready(struct request *req, unsigned always)
{
    int64_t now = clock_now();
    const struct readiness *r = serve_verdict(request_serve(req), now);
    answer_verdict(req, "ready", r->ready && !r->stale, r->culprit, now, always);
}

static void get_ready(struct request *req, const char *name)
{
    (void)name;
    answer_ready(req, 0);
}

/* The agent's own life, whatever it watches: that it answers is all. */
static void get_healthz(struct request *req, const char *name)
{
    (void)name;
    request_text(req, MHD_HTTP_OK, "ok\n");
}

/* ---- Status ---- */

static enum made status_more(struct document *d, int64_t now)
{
    struct serve *s = request_serve(d->request);
    const struct engine *e = s->engine;
    if (stream_outdated(d))
        return MADE_ALL;
    if (d->part == 0) {
        /* The status with the document: a verdict may have turned since the request was looked at.
         */
        const struct readiness *r = serve_verdict(s, now);
        if (!d->request->status)
            d->request->status = r->ready && !r->stale ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
        document_head(&d->json, e, r, now);
        d->part = 1;
    }
    void (*add)(struct jsonw *, const char *, const struct check *, int64_t) =
        d->request->brief ? document_probe_brief : document_probe;
    for (int i = 0; i < 2 && d->index < e->n_checks; i++)
        add(&d->json, NULL, e->checks[d->index++], now);
    if (d->index < e->n_checks)
        return MADE_SOME;
    document_tail(&d->json);
    buf_putc(&d->buf, '\n');
    return MADE_ALL;
}

static void unknown_name(struct request *req, const char *name)
{
    struct serve *s = request_serve(req);
    const struct engine *e = s->engine;
    const char *words[NEAR_LOOKED_AT];
    size_t n = e->n_checks < NEAR_LOOKED_AT ? e->n_checks : NEAR_LOOKED_AT;
    for (size_t i = 0; i < n; i++)
        words[i] = e->checks[i]->conf->name;
    const char *near = serve_budget_left(s) ? str_nearest(name, words, n) : NULL;
    char shown[NAME_SHOWN_MAX + 8];
    snprintf(shown, sizeof shown, "%.*s", NAME_SHOWN_MAX + 1, name);
    str_printable(shown, NAME_SHOWN_MAX);
    struct buf b;
    buf_init(&b, 8192);
    buf_printf(&b, "no probe \"%s\"", shown);
    if (near)
        buf_printf(&b, "; did you mean \"%.*s\"?", NAME_SHOWN_MAX, near);
    buf_puts(&b, e->n_checks ? "; known:" : "; none is configured");
    for (size_t i = 0; i < n && i < NAMES_SHOWN; i++)
        buf_printf(&b, "%s %.*s", i ? "," : "", NAME_SHOWN_MAX, words[i]);
    if (e->n_checks > NAMES_SHOWN)
        buf_printf(&b, " and %zu more", e->n_checks - NAMES_SHOWN);
    buf_putc(&b, '\n');
    request_answer(req, MHD_HTTP_NOT_FOUND, text_type, &b);
}

/* One probe; a document as well, so that who takes none of it holds no more than a place. */
static enum made probe_more(struct document *d, int64_t now)
{
    struct request *req = d->request;
    const struct check *c = engine_find(request_serve(req)->engine, req->name);
    if (!c) {
        req->status = MHD_HTTP_CONFLICT;
        d->content_type = text_type;
        buf_puts(&d->buf, "the probe was removed meanwhile\n");
        return MADE_ALL;
    }
    bool ok = document_status_of(c, now) == HEALTH_HEALTHY;
    if (!req->status)
        req->status = ok ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    if (req->brief)
        document_probe_brief(&d->json, NULL, c, now);
    else
        document_probe(&d->json, NULL, c, now);
    buf_putc(&d->buf, '\n');
    return MADE_ALL;
}

/* Is it so? For a name: that probe, which may be gone by now (NULL). */
static bool is_healthy(struct request *req, const struct check **c, int64_t now)
{
    struct serve *s = request_serve(req);
    *c = NULL;
    if (!req->name) {
        const struct readiness *r = serve_verdict(s, now);
        return r->ready && !r->stale;
    }
    *c = engine_find(s->engine, req->name);
    return *c && document_status_of(*c, now) == HEALTH_HEALTHY;
}

static void answer_status(struct request *req)
{
    if (!req->name)
        stream_begin(req, 0, json_type, status_more);
    else if (engine_find(request_serve(req)->engine, req->name))
        stream_begin(req, 0, json_type, probe_more);
    else
        unknown_name(req, req->name);
}

/* False: answered already, there is no place. */
static bool take_wait(struct request *req)
{
    if (conn_take_place(req->conn, PLACE_WAIT))
        return true;
    request_text(req, MHD_HTTP_SERVICE_UNAVAILABLE, "too many wait already: ask again\n");
    return false;
}

static void begin_wait(struct request *req, enum request_wait wait, int64_t until)
{
    struct serve *s = request_serve(req);
    req->wait = wait;
    req->wait_until = until;
    req->prev_waiting = NULL;
    req->next_waiting = s->waiting;
    if (s->waiting)
        s->waiting->prev_waiting = req;
    s->waiting = req;
    conn_move(req->conn, CONN_WAITING);
    if (until < s->wait_due)
        s->wait_due = until;
    serve_want_tick(s, until);
}

/* What `?wait=` and `timeout=` ask for: 1 to wait, 0 not to, -1 answered already. */
static int asked_to_wait(struct request *req, int64_t *timeout)
{
    char text[64];
    struct err e;
    int given = request_argument(req, "wait", text, sizeof text);
    if (given == 0)
        return 0;
    if (given < 0 || strcmp(text, "healthy") != 0) {
        request_text(req, MHD_HTTP_BAD_REQUEST, "wait: expected wait=healthy\n");
        return -1;
    }
    *timeout = WAIT_DEFAULT;
    given = request_argument(req, "timeout", text, sizeof text);
    if (given == 0)
        return 1;
    if (given < 0 || duration_parse(text, timeout, &e) < 0 || *timeout < 0) {
        request_text(req, MHD_HTTP_BAD_REQUEST,
                     "timeout: expected a duration as 30s or 1m30s, at most 5m\n");
        return -1;
    }
    if (*timeout > WAIT_MAX)
        *timeout = WAIT_MAX;
    return 1;
}

/* `?history=no`: 0, or -1 answered already. */
static int asked_to_be_brief(struct request *req)
{
    char text[8];
    int given = request_argument(req, "history", text, sizeof text);
    if (given == 0)
        return 0;
    req->brief = given > 0 && strcmp(text, "no") == 0;
    if (req->brief || (given > 0 && strcmp(text, "yes") == 0))
        return 0;
    request_text(req, MHD_HTTP_BAD_REQUEST, "history: expected yes or no\n");
    return -1;
}

static void get_status(struct request *req, const char *name)
{
    int64_t now = clock_now(), timeout;
    const struct check *c;
    if (*name && !(req->name = strdup(name))) {
        request_text(req, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
        return;
    }
    int wait = asked_to_wait(req, &timeout);
    if (wait < 0 || asked_to_be_brief(req) < 0)
        return;
    if (wait == 0 || is_healthy(req, &c, now) || (req->name && !c))
        answer_status(req);
    else if (take_wait(req))
        begin_wait(req, WAIT_HEALTHY, time_add(now, timeout));
}

/* ---- What only the socket may ---- */

static void on_checked(void *ctx, struct check *c, const struct check_result *r)
{
    struct request *req = ctx;
    (void)c;
    req->check = NULL;
    if (req->conn->state == CONN_CUT)
        return; /* its client went meanwhile, and it ends with the daemon's next run */
    if (r)
        stream_begin(req, r->reason == REASON_OK ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
                     json_type, probe_more);
    else
        request_text(req, MHD_HTTP_CONFLICT, "the probe was removed while it was checked\n");
}

static void post_check(struct request *req, const char *name)
{
    struct serve *s = request_serve(req);
    struct check *c = engine_find(s->engine, name);
    if (!c) {
        unknown_name(req, name);
        return;
    }
    if (!take_wait(req))
        return;
    req->name = strdup(name);
    struct check_waiter *w = req->name ? engine_check_now(s->engine, c, on_checked, req) : NULL;
    if (req->response || req->document) /* it has ended at once */
        return;
    if (!w) {
        request_text(req, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
        return;
    }
    req->check = w;
    req->wait = WAIT_CHECK;
    conn_move(req->conn, CONN_WAITING); /* the check's own timeout ends it */
}

static void post_reload(struct request *req, const char *name)
{
    struct serve *s = request_serve(req);
    (void)name;
    if (!take_wait(req))
        return;
    req->reload = s->hooks.reload(s->hooks.ctx);
    begin_wait(req, WAIT_RELOAD, TIME_NEVER);
}

static void answer_reload(struct request *req, bool done, const struct config_report *report)
{
    struct buf b;
    buf_init(&b, 1024 * 1024);
    for (size_t i = 0; i < report->n; i++)
        buf_printf(&b, "%s%s\n",
                   report->problems[i].is_error ? "" : "warning: ", report->problems[i].text);
    if (done)
        buf_printf(&b, "reloaded: %zu probe%s\n", request_serve(req)->engine->n_checks,
                   request_serve(req)->engine->n_checks == 1 ? "" : "s");
    else if (b.len == 0)
        buf_puts(&b, "the reload failed\n");
    request_answer(req, done ? MHD_HTTP_OK : 422, text_type, &b);
}

/* ---- Waiting ---- */

void route_drop_wait(struct request *req)
{
    if (req->check)
        engine_check_now_cancel(req->check);
    req->check = NULL;
    if (req->wait == WAIT_HEALTHY || req->wait == WAIT_RELOAD) {
        struct serve *s = request_serve(req);
        if (req->next_waiting)
            req->next_waiting->prev_waiting = req->prev_waiting;
        *(req->prev_waiting ? &req->prev_waiting->next_waiting : &s->waiting) = req->next_waiting;
    }
    req->wait = WAIT_NONE;
}

void route_review_waits(struct serve *s, int64_t now)
{
    struct request *next;
    s->look_at_waits = false;
    s->wait_due = TIME_NEVER;
    for (struct request *req = s->waiting; req; req = next) {
        const struct check *c;
        next = req->next_waiting;
        if (!serve_budget_left(s)) {
            s->look_at_waits = true; /* the rest in the next turn */
            return;
        }
        if (req->conn->state != CONN_WAITING || req->wait == WAIT_RELOAD)
            continue;
        if (is_healthy(req, &c, now) || (req->name && !c) || req->wait_until <= now) {
            route_drop_wait(req);
            answer_status(req);
        } else if (req->wait_until < s->wait_due) {
            s->wait_due = req->wait_until;
        }
    }
    serve_want_tick(s, s->wait_due);
}

bool route_end_oldest_wait(struct listener *l)
{
    struct request *oldest = NULL;
    for (struct request *req = l->serve->waiting; req; req = req->next_waiting)
        if (req->conn->listener == l && req->conn->state == CONN_WAITING &&
            req->wait == WAIT_HEALTHY)
            oldest = req;
    if (!oldest)
        return false;
    route_drop_wait(oldest);
    answer_status(oldest);
    return true;
}

void serve_answer_reload(struct serve *s, uint64_t number, bool done,
                         const struct config_report *report)
{
    struct request *next;
    s->reload_failed = !done;
    if (done)
        s->reloaded_wall = clock_wall();
    for (struct request *req = s->waiting; req && !s->closing; req = next) {
        next = req->next_waiting;
        if (req->conn->state != CONN_WAITING || req->wait != WAIT_RELOAD || req->reload > number)
            continue;
        route_drop_wait(req);
        answer_reload(req, done, report);
    }
}

/* ---- The table ---- */

static void get_config(struct request *req, const char *name)
{
    struct buf b;
    unsigned status = settings_text(request_serve(req)->engine, name, &b);
    request_answer(req, status, text_type, &b);
}

static void get_metrics(struct request *req, const char *name)
{
    const char *accept =
        MHD_lookup_connection_value(req->conn->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
    (void)name;
    req->openmetrics = accept && strstr(accept, "application/openmetrics-text");
    stream_begin(req, MHD_HTTP_OK,
                 req->openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                  : "text/plain; version=0.0.4; charset=utf-8",
                 metrics_more);
}

/* What is accepted decides: the page, or what it lives on, the line of /ready and the document of
 * /status; those with 200 whatever the verdict, since a browser calls anything else an error. */
static void get_page(struct request *req, const char *name)
{
    const char *accept =
        MHD_lookup_connection_value(req->conn->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
    (void)name;
    if (accept && strcmp(accept, "application/json") == 0)
        stream_begin(req, MHD_HTTP_OK, json_type, status_more);
    else if (accept && strcmp(accept, "text/plain") == 0)
        answer_ready(req, MHD_HTTP_OK);
    else
        stream_begin(req, MHD_HTTP_OK, "text/html; charset=utf-8", page_more);
}

static void get_probe_page(struct request *req, const char *name)
{
    if (!(req->name = strdup(name)) || !engine_find(request_serve(req)->engine, name))
        unknown_name(req, name);
    else
        stream_begin(req, MHD_HTTP_OK, "text/html; charset=utf-8", page_probe_more);
}

static const struct route routes[] = {
    {"/live", false, true, get_live},
    {"/ready", false, false, get_ready},
    {"/status", false, false, get_status},
    {"/status/", false, false, get_status},
    {"/events", false, false, events_begin},
    {"/metrics", false, false, get_metrics},
    {"/", false, false, get_page},
    {"/check/", true, false, post_check},
    {"/reload", true, false, post_reload},
    {"/healthz", false, true, get_healthz},
    {"/probe/", false, false, get_probe_page},
    {"/config/", false, false, get_config},
};

/* The route, and in `name` what follows it. */
static const struct route *find_route(const char *path, const char **name)
{
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        size_t len = strlen(routes[i].path);
        *name = path + len;
        if (strncmp(path, routes[i].path, len) != 0)
            continue;
        bool named = len > 1 && routes[i].path[len - 1] == '/';
        if (named ? **name != '\0' : **name == '\0')
            return &routes[i];
    }
    return NULL;
}

void route_request(struct request *req, const char *method)
{
    const char *name;
    const struct route *route = find_route(req->path, &name);
    if (!(route && route->open) && !access_is_granted(req)) {
        const char *words, *challenge = access_challenge(req, &words);
        request_text(req, MHD_HTTP_UNAUTHORIZED, "%s", words);
        if (req->response)
            MHD_add_response_header(req->response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, challenge);
        return;
    }
    if (!route) {
        request_text(req, MHD_HTTP_NOT_FOUND,
                     "not found; there is /live /ready /healthz /status /status/NAME /events "
                     "/metrics /probe/NAME /\n");
        return;
    }
    bool is_post = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
    bool is_get =
        strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (route->post ? !is_post : !is_get) {
        const char *allowed = route->post ? "POST" : "GET, HEAD";
        request_text(req, MHD_HTTP_METHOD_NOT_ALLOWED, "not allowed here: use %s\n", allowed);
        if (req->response)
            MHD_add_response_header(req->response, MHD_HTTP_HEADER_ALLOW, allowed);
        return;
    }
    if (route->post && !req->conn->listener->is_unix) {
        request_text(req, MHD_HTTP_FORBIDDEN,
                     "forbidden: %s is only for the agent's Unix socket, TCP is read-only\n",
                     req->path);
        return;
    }
    route->handle(req, name);
}
