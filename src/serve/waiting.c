/* waiting: GET /status, POST /check and POST /reload, whose answers may have to be waited for. */
#include <string.h>

#include "base/str.h"
#include "config/duration.h"
#include "serve/internal.h"
#include "view/document.h"
#include "view/verdict.h"

#define NEAR_LOOKED_AT 200 /* names that a typo is compared with: about 1 ms at most */
#define NAMES_SHOWN    12
#define NAME_SHOWN_MAX 100

void answer_unknown_name(struct request *req)
{
    const char *name = req->body.name;
    struct serve *s = req->serve;
    const struct engine *e = s->facts.engine;
    const char *words[NEAR_LOOKED_AT];
    size_t n = e->n_checks < NEAR_LOOKED_AT ? e->n_checks : NEAR_LOOKED_AT;
    for (size_t i = 0; i < n; i++)
        words[i] = e->checks[i]->conf->name;
    const char *near = turn_budget_left(&s->turn) ? str_nearest(name, words, n) : NULL;
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
    answer_buf(req, MHD_HTTP_NOT_FOUND, TYPE_TEXT, &b);
}

/* Is what was asked for healthy? `c` is the probe of a name, NULL where it is gone by now. */
static bool is_healthy(struct request *req, const struct check **c, int64_t now)
{
    struct serve *s = req->serve;
    *c = NULL;
    if (!req->body.name)
        return verdict_is_ready(facts_verdict(&s->facts, now));
    *c = engine_find(s->facts.engine, req->body.name);
    return *c && document_status_of(*c, now) == HEALTH_HEALTHY;
}

static void answer_status(struct request *req)
{
    if (!req->body.name)
        stream_begin(req, 0, TYPE_JSON, status_more);
    else if (engine_find(req->serve->facts.engine, req->body.name))
        stream_begin(req, 0, TYPE_JSON, status_probe_more);
    else
        answer_unknown_name(req);
}

/* False: there is no place, and the request was told so. */
static bool take_wait(struct request *req)
{
    struct conn *c = req->conn;
    if (conn_take_place(c, PLACE_WAIT) ||
        (waiting_end_oldest(req->serve, c->listener) && conn_take_place(c, PLACE_WAIT)))
        return true;
    answer_text(req, MHD_HTTP_SERVICE_UNAVAILABLE, "too many wait already: ask again\n");
    return false;
}

static void begin_wait(struct request *req, enum request_wait wait, int64_t until)
{
    struct serve *s = req->serve;
    req->wait = wait;
    req->wait_until = until;
    conn_move(req->conn, CONN_WAITING);
    if (until < s->wait_due)
        s->wait_due = until;
    turn_want_tick(&s->turn, until);
}

/* What `?wait=` and `timeout=` ask for: 1 to wait, 0 not to, -1 answered already. */
static int asked_to_wait(struct request *req, int64_t *timeout)
{
    char text[64];
    struct err e;
    int given = parse_argument(req, "wait", text, sizeof text);
    if (given == 0)
        return 0;
    if (given < 0 || strcmp(text, "healthy") != 0) {
        answer_text(req, MHD_HTTP_BAD_REQUEST, "wait: expected wait=healthy\n");
        return -1;
    }
    *timeout = WAIT_DEFAULT;
    given = parse_argument(req, "timeout", text, sizeof text);
    if (given == 0)
        return 1;
    if (given < 0 || duration_parse(text, timeout, &e) < 0 || *timeout < 0) {
        answer_text(req, MHD_HTTP_BAD_REQUEST,
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
    int given = parse_argument(req, "history", text, sizeof text);
    if (given == 0)
        return 0;
    req->body.brief = given > 0 && strcmp(text, "no") == 0;
    if (req->body.brief || (given > 0 && strcmp(text, "yes") == 0))
        return 0;
    answer_text(req, MHD_HTTP_BAD_REQUEST, "history: expected yes or no\n");
    return -1;
}

void get_status(struct request *req)
{
    int64_t now = clock_now(), timeout;
    const struct check *c;
    int wait = asked_to_wait(req, &timeout);
    if (wait < 0 || asked_to_be_brief(req) < 0)
        return;
    if (wait == 0 || is_healthy(req, &c, now) || (req->body.name && !c))
        answer_status(req);
    else if (take_wait(req))
        begin_wait(req, WAIT_HEALTHY, time_add(now, timeout));
}

static void on_checked(void *ctx, struct check *c, const struct check_result *r)
{
    struct request *req = ctx;
    (void)c;
    req->check = NULL;
    if (req->conn->state == CONN_CUT)
        return; /* its client went meanwhile, and it ends with the daemon's next run */
    if (r)
        stream_begin(req, r->reason == REASON_OK ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
                     TYPE_JSON, status_probe_more);
    else
        answer_text(req, MHD_HTTP_CONFLICT, "the probe was removed while it was checked\n");
}

void post_check(struct request *req)
{
    struct serve *s = req->serve;
    struct check *c = engine_find(s->facts.engine, req->body.name);
    if (!c) {
        answer_unknown_name(req);
        return;
    }
    if (!take_wait(req))
        return;
    req->check = engine_check_now(s->facts.engine, c, on_checked, req);
    if (!req->check) {
        answer_text(req, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
        return;
    }
    req->wait = WAIT_CHECK;
    conn_move(req->conn, CONN_WAITING); /* the check's own timeout ends it */
}

void post_reload(struct request *req)
{
    struct serve *s = req->serve;
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
        buf_printf(&b, "reloaded: %zu probe%s\n", req->serve->facts.engine->n_checks,
                   req->serve->facts.engine->n_checks == 1 ? "" : "s");
    else if (b.len == 0)
        buf_puts(&b, "the reload failed\n");
    answer_buf(req, done ? MHD_HTTP_OK : 422, TYPE_TEXT, &b);
}

void waiting_drop(struct request *req)
{
    if (req->check)
        engine_check_now_cancel(req->check);
    req->check = NULL;
    req->wait = WAIT_NONE;
}

static bool waits_for(const struct conn *c, enum request_wait wait)
{
    return c->state == CONN_WAITING && c->request->wait == wait;
}

void waiting_review(struct serve *s, int64_t now)
{
    s->look_at_waits = false;
    s->wait_due = TIME_NEVER;
    for (struct conn *c = s->conns.first; c; c = c->next) {
        struct request *req = c->request;
        const struct check *check;
        if (!waits_for(c, WAIT_HEALTHY))
            continue;
        if (!turn_budget_left(&s->turn)) {
            s->look_at_waits = true; /* the rest in the next turn */
            return;
        }
        if (is_healthy(req, &check, now) || (req->body.name && !check) || req->wait_until <= now) {
            waiting_drop(req);
            answer_status(req);
        } else if (req->wait_until < s->wait_due) {
            s->wait_due = req->wait_until;
        }
    }
    turn_want_tick(&s->turn, s->wait_due);
}

bool waiting_end_oldest(struct serve *s, const struct listener *l)
{
    struct conn *oldest = NULL;
    for (struct conn *c = s->conns.first; c; c = c->next)
        if (c->listener == l && waits_for(c, WAIT_HEALTHY) &&
            (!oldest || c->since <= oldest->since))
            oldest = c;
    if (!oldest)
        return false;
    waiting_drop(oldest->request);
    answer_status(oldest->request);
    return true;
}

void waiting_end(struct request *req)
{
    req->wait_until = 0;
    req->serve->look_at_waits = true;
    turn_want(&req->serve->turn);
}

void serve_answer_reload(struct serve *s, uint64_t number, bool done,
                         const struct config_report *report)
{
    s->facts.reload_failed = !done;
    if (done)
        s->facts.reloaded_wall = clock_wall();
    for (struct conn *c = s->conns.first; c && !s->turn.closing; c = c->next)
        if (waits_for(c, WAIT_RELOAD) && c->request->reload <= number) {
            waiting_drop(c->request);
            answer_reload(c->request, done, report);
        }
}
