/* routes: what is answered to what. Everything is read-only but POST, which only the Unix socket
 * may: who can open it is the file system's to say. */
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "serve/internal.h"
#include "view/verdict.h"

/* ---- Who may be told ---- */

/* What follows "Bearer" in the header; NULL: it is not there, or of another kind. */
static const char *token_of(const struct request *req)
{
    static const char scheme[] = "Bearer ";
    const char *value =
        MHD_lookup_connection_value(req->conn->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    if (!value || strncasecmp(value, scheme, sizeof scheme - 1) != 0)
        return NULL;
    value += sizeof scheme - 1;
    return value + strspn(value, " ");
}

/* The Unix socket is the file system's to guard; what comes by TCP has to show the token, where one
 * is configured (RFC 6750). */
static bool is_granted(const struct request *req)
{
    const char *secret = req->serve->token, *given;
    if (!secret || req->conn->listener->is_unix)
        return true;
    return (given = token_of(req)) && str_is_secret(given, secret);
}

static void answer_unauthorized(struct request *req)
{
    bool wrong = token_of(req) != NULL;
    answer_text(req, MHD_HTTP_UNAUTHORIZED, "%s",
                wrong ? "unauthorized: this is not the token of this agent\n"
                      : "unauthorized: this agent asks for its token, in a header Authorization: "
                        "Bearer TOKEN\n");
    if (req->response)
        MHD_add_response_header(req->response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                wrong ? "Bearer realm=\"probe\", error=\"invalid_token\""
                                      : "Bearer realm=\"probe\"");
}

/* ---- What is answered ---- */

/* The answer has the status `always`; 0: that of the verdict. */
static void answer_verdict(struct request *req, const char *word, bool ok, const struct check *c,
                           int64_t now, unsigned always)
{
    struct serve *s = req->serve;
    struct buf b;
    buf_init(&b, 2048);
    verdict_line(&b, word, ok, c, s->facts.engine, facts_verdict(&s->facts, now), now);
    unsigned status = always ? always : ok ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    answer_buf(req, status, TYPE_TEXT, &b);
}

static void get_live(struct request *req)
{
    struct serve *s = req->serve;
    int64_t now = clock_now();
    const struct readiness *r = facts_verdict(&s->facts, now);
    bool live = r->live && !r->stale;
    if (!is_granted(req)) { /* the cause names what is watched */
        answer_text(req, live ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, "%slive\n",
                    live ? "" : "not ");
        return;
    }
    const struct check *culprit =
        live || !turn_budget_left(&s->turn) ? NULL : verdict_first_not_live(s->facts.engine, now);
    answer_verdict(req, "live", live, culprit ? culprit : r->culprit, now, 0);
}

static void answer_ready(struct request *req, unsigned always)
{
    int64_t now = clock_now();
    const struct readiness *r = facts_verdict(&req->serve->facts, now);
    answer_verdict(req, "ready", verdict_is_ready(r), r->culprit, now, always);
}

static void get_ready(struct request *req)
{
    answer_ready(req, 0);
}

/* The agent's own life, whatever it watches: that it answers is all. */
static void get_healthz(struct request *req)
{
    answer_text(req, MHD_HTTP_OK, "ok\n");
}

/* The section that a probe runs with, what was given, secrets hidden. */
static void get_config(struct request *req)
{
    const struct check *c = engine_find(req->serve->facts.engine, req->body.name);
    if (!c) {
        answer_text(req, MHD_HTTP_NOT_FOUND, "no such probe\n");
        return;
    }
    struct buf b;
    buf_init(&b, SIZE_MAX / 2);
    buf_printf(&b, "[probe %s]\n%s", c->conf->name, c->conf->settings ? c->conf->settings : "");
    answer_buf(req, MHD_HTTP_OK, TYPE_TEXT, &b);
}

static const char *accepted(const struct request *req)
{
    const char *accept =
        MHD_lookup_connection_value(req->conn->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
    return accept ? accept : "";
}

static void get_metrics(struct request *req)
{
    req->body.openmetrics = strstr(accepted(req), "application/openmetrics-text");
    stream_begin(req, MHD_HTTP_OK,
                 req->body.openmetrics
                     ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                     : "text/plain; version=0.0.4; charset=utf-8",
                 metrics_more);
}

/* The page, or by what is accepted what its script asks for: the line of /ready, the document of
 * /status. They have status 200 whatever the verdict, since a browser calls any other an error. */
static void get_page(struct request *req)
{
    const char *accept = accepted(req);
    if (strcmp(accept, "application/json") == 0)
        stream_begin(req, MHD_HTTP_OK, TYPE_JSON, status_more);
    else if (strcmp(accept, "text/plain") == 0)
        answer_ready(req, MHD_HTTP_OK);
    else
        stream_begin(req, MHD_HTTP_OK, "text/html; charset=utf-8", page_more);
}

static void get_events(struct request *req)
{
    struct serve *s = req->serve;
    int64_t now = clock_now();
    if (s->beat_due <= now)
        s->beat_due = time_add(now, HEARTBEAT);
    turn_want_tick(&s->turn, s->beat_due);
    conn_take_place(req->conn, PLACE_EVENTS);
    stream_begin(req, MHD_HTTP_OK, "text/event-stream", events_more);
}

static void get_probe_page(struct request *req)
{
    if (!engine_find(req->serve->facts.engine, req->body.name))
        answer_unknown_name(req);
    else
        stream_begin(req, MHD_HTTP_OK, "text/html; charset=utf-8", page_probe_more);
}

/* ---- The table ---- */

struct route {
    const char *path; /* with a slash at the end: a name follows */
    bool post;
    bool open; /* answered to who has no token as well */
    void (*handle)(struct request *req);
};

static const struct route routes[] = {
    {"/live", false, true, get_live},
    {"/ready", false, false, get_ready},
    {"/status", false, false, get_status},
    {"/status/", false, false, get_status},
    {"/events", false, false, get_events},
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
    if (!(route && route->open) && !is_granted(req)) {
        answer_unauthorized(req);
        return;
    }
    if (!route) {
        answer_text(req, MHD_HTTP_NOT_FOUND,
                    "not found; there is /live /ready /healthz /status /status/NAME /events "
                    "/metrics /probe/NAME /\n");
        return;
    }
    bool is_post = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
    bool is_get =
        strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (route->post ? !is_post : !is_get) {
        const char *allowed = route->post ? "POST" : "GET, HEAD";
        answer_text(req, MHD_HTTP_METHOD_NOT_ALLOWED, "not allowed here: use %s\n", allowed);
        if (req->response)
            MHD_add_response_header(req->response, MHD_HTTP_HEADER_ALLOW, allowed);
        return;
    }
    if (route->post && !req->conn->listener->is_unix) {
        answer_text(req, MHD_HTTP_FORBIDDEN,
                    "forbidden: %s is only for the agent's Unix socket, TCP is read-only\n",
                    req->path);
        return;
    }
    if (*name && !(req->body.name = strdup(name)))
        answer_text(req, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
    else
        route->handle(req);
}
