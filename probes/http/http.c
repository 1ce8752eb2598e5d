/* http: one request, over HTTP or HTTPS or a unix socket, and the verdict on its reply. Redirects
 * are followed here, one connection a hop, so that a secret never reaches another host. It never
 * retries: the schedule does. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "http/http_conf.h"
#include "http/http_exchange.h"
#include "http/http_failure.h"
#include "http/http_gzip.h"
#include "http/http_jar.h"

#define REDIRECTS_MAX 10

extern const struct probe_type probe_type_http;

/* Where a run is. A cancel ends it from any state; while a hop is being left it only takes away
 * the next one, for what is being closed must not be closed again. */
enum http_run_state {
    HTTP_RUN_NEW,
    HTTP_RUN_HOP,     /* connecting, asking, reading */
    HTTP_RUN_LEAVING, /* the hop is being closed, another follows */
    HTTP_RUN_ENDING,  /* it is being closed, and then the run is released */
    HTTP_RUN_N_STATES
};

static const bool may_move[HTTP_RUN_N_STATES][HTTP_RUN_N_STATES] = {
    [HTTP_RUN_NEW] = {[HTTP_RUN_HOP] = true},
    [HTTP_RUN_HOP] = {[HTTP_RUN_LEAVING] = true, [HTTP_RUN_ENDING] = true},
    [HTTP_RUN_LEAVING] = {[HTTP_RUN_HOP] = true, [HTTP_RUN_ENDING] = true},
};

struct http_run {
    struct probe_run run;
    enum http_run_state state;
    struct http_exchange exchange;
    /* The present hop; both point into conf until a redirect. */
    const struct http_url *url;
    const char *method;
    struct http_url next_url; /* url's memory after a redirect */
    struct endpoint next_ep;
    struct http_jar jar;
    char *cookies; /* for the present hop; NULL: none of the jar's */
    char *visited[REDIRECTS_MAX];
    unsigned n_redirects;
};

static void begin_hop(struct http_run *r);

static const struct http_conf *conf_of(const struct http_run *r)
{
    return r->run.conf;
}

static void move(struct http_run *r, enum http_run_state to)
{
    assert(may_move[r->state][to]);
    r->state = to;
}

static bool at_origin(const struct http_run *r)
{
    return http_url_same_origin(r->url, &conf_of(r)->url);
}

/* To connect_to where the URL's own host would be, and to the proxy always. */
static bool uses_own_endpoint(const struct http_run *r)
{
    return at_origin(r) || conf_of(r)->ep.is_proxy;
}

/* ---- The end ---- */

static void release(struct http_run *r)
{
    http_url_fini(&r->next_url);
    endpoint_fini(&r->next_ep);
    http_jar_fini(&r->jar);
    str_wipe(r->cookies);
    for (unsigned i = 0; i < r->n_redirects; i++)
        str_wipe(r->visited[i]);
    probe_release(&r->run);
}

/* A hop is closed: the next one, or the end. */
static void on_exchange_ended(struct http_exchange *x)
{
    struct http_run *r = container_of(x, struct http_run, exchange);
    if (r->state == HTTP_RUN_ENDING) {
        release(r);
    } else {
        probe_note(&r->run, "redirected to %s", r->url->shown);
        begin_hop(r);
    }
}

/* To HTTP_RUN_LEAVING or _ENDING. Nothing of the run may be touched after this. */
static void end_hop(struct http_run *r, enum http_run_state to)
{
    move(r, to);
    http_exchange_end(&r->exchange, on_exchange_ended);
}

/* The verdict. `words` are about what happened; what was asked for is put in front of a failure. */
static void report(struct http_run *r, enum reason reason, const char *words)
{
    char text[4 * PROBE_DETAIL_MAX];
    if (reason == REASON_OK)
        snprintf(text, sizeof text, "%s", words);
    else
        snprintf(text, sizeof text, "%s %s: %s", r->method, r->url->shown, words);
    probe_finish(&r->run, reason, "%s", text);
}

static void conclude(struct http_run *r, enum reason reason, const char *words)
{
    report(r, reason, words);
    end_hop(r, HTTP_RUN_ENDING);
}

static void http_cancel(struct probe_run *run)
{
    struct http_run *r = (struct http_run *)run;
    if (r->state == HTTP_RUN_HOP)
        end_hop(r, HTTP_RUN_ENDING);
    else if (r->state == HTTP_RUN_LEAVING)
        move(r, HTTP_RUN_ENDING);
}

/* ---- The reply ---- */

/* 303, and by custom 301 and 302 of a POST, ask for the new place by GET (RFC 9110 section 15.4).
 */
static const char *redirected_method(const char *method, int status)
{
    bool changes =
        status == 303 ? strcmp(method, "HEAD") != 0 : status <= 302 && strcmp(method, "POST") == 0;
    return changes ? "GET" : method;
}

/* All that the answer can hang on. */
static char *visit(const char *method, const struct http_url *url, const char *cookies)
{
    return str_format("%s %s\n%s", method, url->text, cookies ? cookies : "");
}

/* The same address with the same cookies gives the same answer again: a second visit is a loop. */
static int check_loop(struct http_run *r, const struct http_url *to, const char *method,
                      const char *cookies, struct err *e)
{
    if (r->n_redirects == REDIRECTS_MAX)
        return err_set(e, "more than %d redirects, the last to %s", REDIRECTS_MAX, to->shown);
    r->visited[r->n_redirects] = visit(r->method, r->url, r->cookies);
    if (!r->visited[r->n_redirects])
        return err_set(e, "out of memory");
    r->n_redirects++;
    char *next = visit(method, to, cookies);
    if (!next)
        return err_set(e, "out of memory");
    int rc = 0;
    for (unsigned i = 0; i < r->n_redirects && rc == 0; i++)
        if (strcmp(r->visited[i], next) == 0)
            rc = err_set(e, "redirect loop: HTTP %d leads back to %s", r->exchange.reply.status,
                         to->shown);
    str_wipe(next);
    return rc;
}

/* Makes the Location the present hop; -1 with the words when it cannot be followed. */
static int redirect(struct http_run *r, const struct http_text *location, struct err *e)
{
    struct http_url to;
    const char *peer = http_exchange_peer(&r->exchange);
    char *text = str_dup_n(location->data, location->len);
    if (!text)
        return err_set(e, "out of memory");
    int rc = *text ? http_url_resolve(&to, r->url, text, e) : err_set(e, "it is empty");
    if (rc < 0) {
        char excerpt[96];
        str_excerpt(text, strcspn(text, "?"), excerpt, sizeof excerpt);
        err_prefix(e, "HTTP %d from %s redirects to \"%s\", which cannot be followed",
                   r->exchange.reply.status, peer, excerpt);
    }
    free(text);
    if (rc < 0)
        return -1;
    const char *method = redirected_method(r->method, r->exchange.reply.status);
    rc = http_jar_take(&r->jar, r->url, &r->exchange.reply.headers, e);
    bool own = http_url_same_origin(&to, &conf_of(r)->url);
    char *cookies =
        http_jar_header(&r->jar, &to, own ? http_conf_header(conf_of(r), "Cookie") : NULL);
    if (rc < 0 || check_loop(r, &to, method, cookies, e) < 0) {
        http_url_fini(&to);
        str_wipe(cookies);
        return -1;
    }
    str_wipe(r->cookies);
    r->cookies = cookies;
    http_url_fini(&r->next_url);
    endpoint_fini(&r->next_ep);
    r->next_url = to;
    r->url = &r->next_url;
    r->method = method;
    if (uses_own_endpoint(r) || http_conf_endpoint(r->url, &r->next_ep, e) == 0) {
        r->next_ep.is_beside = true; /* the target has answered */
        r->next_ep.family = conf_of(r)->family;
        return 0;
    }
    return err_prefix(e, "redirected to %s", r->url->shown);
}

/* A gzip body that was asked for becomes what it holds, where that is to be looked at. */
static enum reason decode(const struct http_conf *c, struct http_reply *reply, struct err *e)
{
    char coding[16];
    if (!c->inflate || !reply->body.len || !http_expect_reads_body(&c->expect) ||
        !status_set_has(&c->expect.status, reply->status) ||
        http_header_value(&reply->headers, "Content-Encoding", coding, sizeof coding) <= 0 ||
        (strcasecmp(coding, "gzip") != 0 && strcasecmp(coding, "x-gzip") != 0))
        return REASON_OK;
    reply->decoded = true;
    reply->body_open = false; /* gzip says itself where it ends */
    if (!reply->body_cut)
        return http_gzip_decode(&reply->body, c->max_body, e);
    err_set(e, "the gzip body is over max_body %s", reply->max_body);
    return REASON_MISMATCH;
}

static void judge(struct http_run *r)
{
    struct http_reply *reply = &r->exchange.reply;
    const char *peer = http_exchange_peer(&r->exchange);
    struct err e;
    char words[PROBE_DETAIL_MAX + sizeof e.text];
    enum reason reason = decode(conf_of(r), reply, &e);
    if (reason == REASON_OK)
        reason = http_expect_check(&conf_of(r)->expect, reply, &e);
    if (reason != REASON_OK)
        snprintf(words, sizeof words, "HTTP %d%s%s from %s, %s", reply->status,
                 *reply->phrase ? " " : "", reply->phrase, peer, e.text);
    else if (r->n_redirects)
        snprintf(words, sizeof words, "HTTP %d from %s after %u redirect%s to %s", reply->status,
                 peer, r->n_redirects, r->n_redirects == 1 ? "" : "s", r->url->shown);
    else
        snprintf(words, sizeof words, "HTTP %d from %s", reply->status, peer);
    conclude(r, reason, words);
}

static void on_exchanged(struct http_exchange *x)
{
    struct http_run *r = container_of(x, struct http_run, exchange);
    struct err e;
    struct http_text location;
    enum reason reason = http_failure(x, &e);
    if (reason != REASON_OK)
        conclude(r, reason, e.text);
    else if (http_exchange_redirects(x, &location)) {
        if (redirect(r, &location, &e) < 0)
            conclude(r, REASON_MISMATCH, e.text);
        else
            end_hop(r, HTTP_RUN_LEAVING);
    } else {
        judge(r);
    }
}

/* ---- A hop ---- */

static void describe(struct probe_run *run, char out[PROBE_DETAIL_MAX])
{
    http_exchange_note(&((struct http_run *)run)->exchange, out);
}

/* Nothing of the run may be touched after this: it may have been released from inside. */
static void begin_hop(struct http_run *r)
{
    move(r, HTTP_RUN_HOP);
    probe_http_status(&r->run, 0);
    r->exchange = (struct http_exchange){
        .run = &r->run,
        .conf = conf_of(r),
        .url = r->url,
        .ep = uses_own_endpoint(r) ? &conf_of(r)->ep : &r->next_ep,
        .method = r->method,
        .cookies = r->cookies,
        .at_origin = at_origin(r),
        .describe = describe,
    };
    http_exchange_start(&r->exchange, on_exchanged);
}

static void http_start(struct probe_run *run)
{
    struct http_run *r = (struct http_run *)run;
    r->url = &conf_of(r)->url;
    r->method = conf_of(r)->method;
    begin_hop(r);
}

static const struct probe_scheme schemes[] = {
    {"http://", "url", false},
    {"https://", "url", false},
    {"http+unix://", "url", false},
    {NULL, NULL, false},
};

const struct probe_type probe_type_http = {
    .name = "http",
    .summary = "an HTTP request and its reply",
    .speaks_http = true,
    .keys = http_keys,
    .n_keys = HTTP_N_KEYS,
    .schemes = schemes,
    .prepare = http_conf_prepare,
    .dispose = http_conf_dispose,
    .run_size = sizeof(struct http_run),
    .start = http_start,
    .cancel = http_cancel,
};
