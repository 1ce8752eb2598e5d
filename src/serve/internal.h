/* internal: what the files of this room share, and no other room includes.
 *
 *   serve.c     opening, reload, closing, and the turn: the bounded slice of work of one turn
 *   listener.c  a socket and its daemon of libmicrohttpd, accepting, who is cut when all is full
 *   conn.c      the states of a connection, and the places    request.c  what came, and its answer
 *   routes.c    what is answered to what                      stream.c   documents made in slices
 *   access.c    who may be told all of it
 *   events.c metrics.c page.c page_row.c     the bodies
 *
 * The rule of the room: one turn of the loop gives the API at most TURN_BUDGET and one small step
 * more, so that no client, however many or hostile, delays a check. Whatever can be long (a
 * document over all checks) is a stream, made in slices under that budget.
 *
 * Memory: a connection holds at most POOL_BYTES and about 2 KiB, one that has the place of a
 * document or of an event stream up to 40 KiB more; with the numbers of places below that is 6 MiB
 * for all together, the figure of the manual. */
#ifndef PROBE_SERVE_INTERNAL_H
#define PROBE_SERVE_INTERNAL_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/jsonw.h"
#include "loop/bind.h"
#include "serve/serve.h"

#define TURN_BUDGET      (2 * NS_PER_MS)
#define TCP_CONNECTIONS  256
#define UNIX_CONNECTIONS 64
#define POOL_BYTES       (8 * 1024)  /* a connection's memory: the bound of a request's head */
#define ARGUMENTS_MAX    32          /* of a query; many more would not fit into the pool */
#define BODY_MAX         (4 * 1024)  /* of a request; nothing here reads one */
#define STREAM_SLICE     (12 * 1024) /* made at once */
#define IDLE_TIMEOUT_S   30
#define REQUEST_TIMEOUT  (60 * NS_PER_S)  /* from idle to a whole request */
#define ANSWER_TIMEOUT   (120 * NS_PER_S) /* to take the answer */
#define STALL_TIMEOUT    (30 * NS_PER_S)  /* to take anything of it */
#define WAIT_DEFAULT     (30 * NS_PER_S)
#define WAIT_MAX         (300 * NS_PER_S)
#define HEARTBEAT        (15 * NS_PER_S)

/* What a connection may hold for long. Each listener has a number of places for each kind, and
 * together they leave a part of its connections without one; those are the ones that are cut when
 * all are taken, so that somebody who asks for a verdict is always let in. */
enum place {
    PLACE_NONE,
    PLACE_DOCUMENT, /* a body of several slices is made and sent; who finds none waits in line */
    PLACE_WAIT,     /* ?wait=, a check, a reload; the oldest ?wait= is answered to make room */
    PLACE_EVENTS,   /* an event stream; the oldest is ended to make room */
    PLACE_COUNT
};

enum listener_state {
    LISTENER_ACCEPTING,
    LISTENER_FULL,    /* until a connection ends */
    LISTENER_PAUSED,  /* accept(2) fails: until paused_until */
    LISTENER_DRAINING /* accepts no more, and goes with its last connection */
};

/* A listening socket and its libmicrohttpd daemon, which has no thread and accepts nothing. */
struct listener {
    struct serve *serve;
    enum listener_state state;
    bool is_unix;
    int fd;
    uv_poll_t accepting; /* on fd */
    int64_t paused_until;
    char *text;    /* the path, or the address as it was configured */
    unsigned mode; /* of the path */
    struct bind_id id;
    struct MHD_Daemon *daemon;
    uv_poll_t running; /* on the daemon's epoll descriptor */
    bool ready;        /* the daemon is to be run in the next turn */
    int64_t due;       /* or then, at the latest */
    size_t n_conns, max_conns, taken[PLACE_COUNT], in_line;
    unsigned handles; /* open or closing; the memory goes with the last */
    struct listener *next;
};

/* How a connection moves; conn.c asserts it.
 *
 *   READING    ROUTING SENDING CUT            nothing of a request came, or not all of it
 *   ROUTING    IN_LINE MAKING WAITING SENDING CUT    its route runs
 *   IN_LINE    MAKING ANSWERED CUT            its document waits for a place
 *   MAKING     ANSWERED SENDING LISTENING CUT its document waits for a turn's budget
 *   WAITING    IN_LINE ANSWERED CUT           for a probe, a check or a reload
 *   LISTENING  MAKING SENDING CUT             an event stream without news
 *   ANSWERED   SENDING CUT                    the answer is made, libmicrohttpd will ask for it
 *   SENDING    MAKING LISTENING READING CUT   libmicrohttpd has it
 *   CUT                                       ends with the next run of the daemon
 *
 * libmicrohttpd is suspended in IN_LINE, MAKING, WAITING and LISTENING. */
enum conn_state {
    CONN_READING,
    CONN_ROUTING,
    CONN_IN_LINE,
    CONN_MAKING,
    CONN_WAITING,
    CONN_LISTENING,
    CONN_ANSWERED,
    CONN_SENDING,
    CONN_CUT,
    CONN_STATES
};

struct conn {
    struct listener *listener;
    struct MHD_Connection *mhd;
    int fd;
    enum conn_state state;
    enum place place;
    bool by_loopback;        /* TCP, and this end is a loopback address */
    struct request *request; /* NULL: idle */
    int64_t since;           /* when it was accepted, or last moved on */
    int64_t deadline;        /* it is cut then */
    struct hangup *hangup;   /* watches for the client's end while suspended */
    bool has_ended;          /* TCP: the client's end was seen, of its writing side or of all */
    struct conn *next, *prev;
};

enum request_wait { WAIT_NONE, WAIT_HEALTHY, WAIT_CHECK, WAIT_RELOAD };

struct request {
    struct conn *conn;
    const char *uri_end; /* in libmicrohttpd's buffer: only to be compared */
    char *path;          /* decoded, without the query */
    size_t body;         /* bytes of it that came */
    unsigned status;
    struct MHD_Response *response; /* ours until it is queued */
    struct document *document;

    bool openmetrics; /* the metrics in that format */
    bool brief;       /* the document without history */
    enum request_wait wait;
    char *name; /* of the probe asked for; NULL: the verdict over all */
    int64_t wait_until;
    uint64_t reload; /* the number of the one waited for */
    struct check_waiter *check;
    struct request *next_waiting, *prev_waiting;
};

#define NONCE_SIZE 33

enum made { MADE_SOME, MADE_ALL, MADE_WAIT /* for news */ };

/* A body that is made in slices while it is sent. */
struct document {
    struct request *request;
    const char *content_type;
    struct buf buf;
    size_t off; /* what of buf was taken */
    /* Appends a little to buf: the work of at most a few hundred microseconds. */
    enum made (*more)(struct document *d, int64_t now);
    enum made made;
    bool started; /* the response is out, it cannot become another */
    bool failed;
    struct document *next_queued;

    /* How far it is. */
    uint64_t generation; /* of the engine's checks that index counts in */
    size_t index;
    int part;
    struct jsonw json;
    char nonce[NONCE_SIZE]; /* of a page: names what may run in it; "": not a page */

    /* Of an event listener. */
    uint64_t seq, beat; /* the next event, and the last heartbeat, of its */
    struct document *next_listener, *prev_listener;
};

struct serve {
    struct engine *engine;
    struct serve_hooks hooks;
    uv_loop_t *loop;
    struct listener *tcp, *unix_; /* NULL: off */
    struct listener *listeners;   /* these, and those that drain */
    char *token;                  /* that TCP asks for; NULL: none */
    uv_idle_t turn;
    uv_timer_t tick;
    int64_t tick_due;
    int64_t turn_started;
    bool in_turn, turning, closing, closed;
    size_t handles; /* open or closing ones; the memory goes with the last */
    void (*on_closed)(void *ctx);
    void *on_closed_ctx;

    struct conn *conns;
    int64_t sweep_due;

    struct document *queue, **queue_end; /* of the connections that are MAKING */
    struct request *waiting;             /* for a probe or a reload */
    bool look_at_waits;
    int64_t wait_due;

    struct events *events;
    bool reload_failed;            /* the last one */
    int64_t reloaded_wall;         /* when a configuration was taken last */
    struct metrics_labels *labels; /* NULL until they are asked for */

    struct readiness verdict; /* as of verdict_at */
    int64_t verdict_at;
    bool verdict_dirty;
};

/* ---- serve.c ---- */
void serve_want_turn(struct serve *s);
bool serve_budget_left(const struct serve *s);
/* The verdict over all checks: kept for a moment, made anew when something changed. */
const struct readiness *serve_verdict(struct serve *s, int64_t now);
/* Calls for the tick at `due` at the latest. */
void serve_want_tick(struct serve *s, int64_t due);
/* Counts a handle in or out; serve goes with the last. */
void serve_handle_opened(struct serve *s);
void serve_handle_closed(struct serve *s);

/* ---- listener.c ---- */
/* Opens `text`, a path or an address, beside `old`, which it is to replace (NULL: none). It accepts
 * from listener_start on. NULL: the reason is in `e`. */
struct listener *listener_open(struct serve *s, bool is_unix, const char *text, unsigned mode,
                               const struct listener *old, struct err *e);
void listener_start(struct listener *l);
void listener_run(struct listener *l);                 /* its daemon, once */
void listener_review(struct listener *l, int64_t now); /* accepts again, if it may; or goes */
/* Accepts no more and gives its name up; what is being answered still is. NULL is fine. */
void listener_drain(struct listener *l);
void listener_close(struct listener *l); /* at once, with all connections; none is suspended */

/* ---- conn.c ---- */
void conn_notify(void *cls, struct MHD_Connection *mhd, void **socket_context,
                 enum MHD_ConnectionNotificationCode code);
/* The one way to another state: suspends and resumes, gives the place back, asserts the table. */
void conn_move(struct conn *c, enum conn_state to);
bool conn_is_suspended(const struct conn *c);
/* Takes a place of that kind. False: there is none, and none can be made. */
bool conn_take_place(struct conn *c, enum place kind);
/* Cuts so many of those without a place, which idle the longest. */
void conn_evict(struct listener *l, size_t n);
/* Cuts those whose time is over, whose client went in the middle of a request, and who hold up
 * others by taking nothing. */
void conn_sweep(struct serve *s, int64_t now);

/* ---- request.c: the callbacks of libmicrohttpd, and answering ---- */
enum MHD_Result request_handle(void *cls, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *upload,
                               size_t *upload_size, void **con_cls);
void *request_begin(void *cls, const char *uri, struct MHD_Connection *mhd);
void request_end(void *cls, struct MHD_Connection *mhd, void **con_cls,
                 enum MHD_RequestTerminationCode code);
struct serve *request_serve(const struct request *req);

/* Each sets the answer; a request that is suspended goes on with it. */
void request_answer(struct request *req, unsigned status, const char *content_type,
                    struct buf *body); /* takes the body's memory */
void request_text(struct request *req, unsigned status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The headers that every answer has. */
void request_headers(struct MHD_Response *r, const char *content_type);
/* Its ?wait= is over: it is answered in the next turn. */
void request_end_wait(struct request *req);
/* The agent stops: a request that waits is told so, a body that is half out is cut. */
void request_stop(struct request *req);
/* An argument of the query, decoded into `out`: 1, 0 when absent, -1 when it is junk. */
int request_argument(struct request *req, const char *key, char *out, size_t size);

/* ---- access.c ---- */
/* May all be told that it asks for? By the socket always, by TCP with the token where there is one.
 */
bool access_is_granted(const struct request *req);
/* The value of WWW-Authenticate, and the body, of the 401 that answers else. */
const char *access_challenge(const struct request *req, const char **words);

/* ---- routes.c ---- */
void route_request(struct request *req, const char *method);
/* Looks at everything that is waited for; called in a turn. */
void route_review_waits(struct serve *s, int64_t now);
void route_drop_wait(struct request *req); /* the request ends */
/* Answers the oldest ?wait= of that listener as if its time were over. False: there is none. */
bool route_end_oldest_wait(struct listener *l);

/* ---- settings.c ---- */
/* GET /config/NAME: the section that a probe runs with, what was given, secrets hidden. The status;
 * the body is the caller's. */
unsigned settings_text(const struct engine *e, const char *name, struct buf *out);

/* ---- stream.c ---- */
/* Begins the answer `status` with a body that `more` makes; `part`, `index` start at 0. Status 0:
 * `more` sets the request's with the first piece. Without a place it waits in line for one. */
void stream_begin(struct request *req, unsigned status, const char *content_type,
                  enum made (*more)(struct document *d, int64_t now));
/* The line moves up: this one has its place now. */
void stream_go_on(struct document *d);
/* There is news for one that waits. */
void stream_wake(struct document *d);
void stream_work(struct serve *s);    /* in a turn, under its budget */
void stream_free(struct document *d); /* NULL is fine */
/* The checks changed under a document that is half made: it cannot be finished truly. */
bool stream_outdated(struct document *d);

/* ---- events.c ---- */
struct events *events_new(void); /* NULL: out of memory */
void events_free(struct events *ev);
void events_begin(struct request *req, const char *name); /* a route; no name follows it */
void events_end(struct document *d);
bool events_is(const struct document *d); /* one without end */
void events_knock(struct document *d);    /* a heartbeat for this one: is its client still there? */
void events_add(struct serve *s, const struct check *c, enum health_status from);
void events_restart(struct serve *s); /* after a reload: the present state again */
int64_t events_heartbeat(struct serve *s, int64_t now); /* when the next is due */

/* ---- metrics.c, page.c ---- */
enum made metrics_more(struct document *d, int64_t now);
void metrics_free(struct metrics_labels *labels); /* NULL is fine */
enum made page_more(struct document *d, int64_t now);
enum made page_probe_more(struct document *d, int64_t now); /* of the request's name */

#endif
