/* internal: what the files of this room share that know of connections; no other room includes it.
 * Each file calls only those that stand below it here:
 *
 *   serve.c     opening, reload, closing, and the turns
 *   request.c   what comes of a request, before and behind its route
 *   routes.c    what is answered to what, and to whom
 *   waiting.c   /status, /check, /reload: what may have to wait
 *   stream.c    bodies in slices
 *   parse.c     what was asked for, and what is refused
 *   answer.c    the answer of a request
 *   listener.c  a socket and its daemon of libmicrohttpd, accepting
 *   conn.c      the states of a connection, the places, who is cut when all is full
 *   turn.c      the API's share of the loop            body.h: what bodies are, and what makes them
 *
 * The rule of the room: one turn of the loop gives the API at most TURN_BUDGET and one small step
 * of each listener more, so that no client, however many or hostile, delays a check. Whatever can
 * be long (a document over all checks) is a body made in slices under that budget.
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

#include "base/clock.h"
#include "loop/bind.h"
#include "loop/closer.h"
#include "serve/body.h"
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

/* The API's share of the loop: its slice of work in each turn, and a timer. */
struct turn {
    struct closer closer; /* of all that the API has open */
    uv_idle_t idle;
    uv_timer_t timer;
    int64_t tick_due, started;
    bool inside;  /* `work` is running */
    bool closing; /* no new work is begun */
    /* The slice of work, under its budget. False: nothing is left to be done. */
    bool (*work)(struct turn *t);
    void (*tick)(struct turn *t, int64_t now);
};

enum listener_state {
    LISTENER_ACCEPTING,
    LISTENER_FULL,    /* until a connection ends */
    LISTENER_PAUSED,  /* accept(2) fails: until paused_until */
    LISTENER_DRAINING /* accepts no more, and goes with its last connection */
};

/* The callbacks of libmicrohttpd that read requests; request.c has them. */
struct listener_calls {
    MHD_AccessHandlerCallback handle;
    void *(*begin)(void *ctx, const char *uri, struct MHD_Connection *mhd);
    MHD_RequestCompletedCallback end;
    void *ctx;
};

/* A listening socket and its libmicrohttpd daemon, which has no thread and accepts nothing. */
struct listener {
    struct turn *turn;
    struct conns *conns;
    struct closer closer;
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
    struct listener *next;
};

/* How a connection moves; conn.c asserts it.
 *
 *   READING    ROUTING SENDING CUT                     a request has not come, or not all of it
 *   ROUTING    IN_LINE MAKING WAITING SENDING CUT      its route runs
 *   IN_LINE    MAKING ANSWERED CUT                     its document waits for a place
 *   MAKING     MAKING ANSWERED SENDING LISTENING CUT   its document waits for a turn's budget
 *   WAITING    IN_LINE ANSWERED CUT                    for a probe, a check or a reload
 *   LISTENING  MAKING SENDING CUT                      an event stream without news
 *   ANSWERED   SENDING CUT                             libmicrohttpd will ask for the answer
 *   SENDING    MAKING LISTENING READING CUT            libmicrohttpd has the answer
 *   CUT                                                ends with the next run of the daemon
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
    uv_poll_t hangup;        /* watches for the client's end while suspended */
    bool has_ended;          /* TCP: the client's end was seen, of its writing side or of all */
    struct conn *next, *prev;
    struct conn *next_making;
};

/* All connections, of all listeners. */
struct conns {
    struct turn *turn;
    struct conn *first;                /* the newest */
    struct conn *making, **making_end; /* those that are MAKING, in line */
    int64_t sweep_due;
    /* The client has ended at least its writing side while its connection is suspended. */
    void (*on_end)(struct conn *c);
};

enum request_wait { WAIT_NONE, WAIT_HEALTHY, WAIT_CHECK, WAIT_RELOAD };

struct request {
    struct serve *serve;
    struct conn *conn;
    const char *uri_end; /* in libmicrohttpd's buffer: only to be compared */
    char *path;          /* decoded, without the query */
    size_t uploaded;     /* bytes of a body that came */
    unsigned status;
    struct MHD_Response *response; /* ours until it is queued */

    struct body body; /* without `more`: the answer is none that is made in slices */
    size_t taken;     /* bytes of body.buf that libmicrohttpd took */
    enum made made;   /* what `more` said last */
    bool started;     /* the response is out, it cannot become another */

    enum request_wait wait;
    int64_t wait_until;
    uint64_t reload; /* the number of the one waited for */
    struct check_waiter *check;
};

struct serve {
    struct turn turn;
    struct facts facts;
    struct conns conns;
    struct serve_hooks hooks;
    struct listener *tcp, *unix_; /* NULL: off */
    struct listener *listeners;   /* these, and those that drain */
    char *token;                  /* that TCP asks for; NULL: none */
    int64_t beat_due;             /* of those that listen to events */
    bool look_at_waits;
    int64_t wait_due;
    void (*on_closed)(void *ctx);
    void *on_closed_ctx;
};

/* ---- turn.c ---- */
void turn_init(struct turn *t, uv_loop_t *loop, void (*on_closed)(struct closer *c));
void turn_want(struct turn *t);
bool turn_budget_left(const struct turn *t);
/* Calls for the tick at `due` at the latest. */
void turn_want_tick(struct turn *t, int64_t due);

/* ---- conn.c ---- */
/* A connection of `l` begins, or is over. */
void conn_come(struct listener *l, struct MHD_Connection *mhd, void **socket_context);
void conn_go(struct listener *l, void **socket_context);
/* The one way to another state: suspends and resumes, gives the place back, asserts the table. */
void conn_move(struct conn *c, enum conn_state to);
bool conn_is_suspended(const struct conn *c);
/* Takes a place of that kind. False: there is none, and none can be made. */
bool conn_take_place(struct conn *c, enum place kind);
/* Cuts so many of those without a place, which idle the longest. */
void conn_evict(struct listener *l, size_t n);
/* Cuts those whose time is over, whose client went in the middle of a request, and who hold up
 * others by taking nothing. */
void conn_sweep(struct conns *all, int64_t now);

/* ---- listener.c ---- */
/* Opens `text`, a path or an address, beside `old`, which it is to replace (NULL: none). It accepts
 * from listener_start on. NULL: the reason is in `e`. */
struct listener *listener_open(struct conns *conns, const struct listener_calls *calls,
                               bool is_unix, const char *text, unsigned mode,
                               const struct listener *old, struct err *e);
void listener_start(struct listener *l);
void listener_run(struct listener *l); /* its daemon, once */
/* Accepts again, if it may. False: it has drained, and is to be closed. */
bool listener_review(struct listener *l, int64_t now);
/* Accepts no more and gives its name up; what is being answered still is. */
void listener_drain(struct listener *l);
void listener_close(struct listener *l); /* at once, with all connections; none is suspended */

/* ---- answer.c: each sets the answer; a request that is suspended goes on with it ---- */
void answer_buf(struct request *req, unsigned status, const char *content_type,
                struct buf *body); /* takes the body's memory */
void answer_text(struct request *req, unsigned status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The headers that every answer has. */
void answer_add_headers(struct MHD_Response *r, const char *content_type);

/* ---- parse.c ---- */
/* Takes the path from the head. 0, or -1 with a refusal as the answer. */
int parse_head(struct request *req, const char *url, const char *version);
/* An argument of the query, decoded into `out`: 1, 0 when absent, -1 when it is junk. */
int parse_argument(struct request *req, const char *key, char *out, size_t size);

/* ---- stream.c ---- */
/* Begins the answer whose body `more` makes. Without a place it waits in line for one. */
void stream_begin(struct request *req, unsigned status, const char *content_type,
                  enum made (*more)(struct body *b, int64_t now));
void stream_work(struct conns *all); /* in a turn, under its budget */

/* ---- waiting.c ---- */
void get_status(struct request *req);
void post_check(struct request *req);
void post_reload(struct request *req);
void answer_unknown_name(struct request *req);
/* Looks at everything that is waited for; called in a turn. */
void waiting_review(struct serve *s, int64_t now);
/* Its ?wait= is over: it is answered in the next turn. */
void waiting_end(struct request *req);
void waiting_drop(struct request *req); /* the request ends */
/* Answers the oldest ?wait= of that listener as if its time were over. False: there is none. */
bool waiting_end_oldest(struct serve *s, const struct listener *l);

/* ---- routes.c ---- */
void route_request(struct request *req, const char *method);

/* ---- request.c ---- */
extern const struct listener_calls request_calls; /* but for ctx, which is the struct serve */
/* The agent stops: a request that waits is told so, a body that is half out is cut. */
void request_stop(struct request *req);

#endif
