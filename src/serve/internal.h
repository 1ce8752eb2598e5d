/* internal: what the files of this room share, and no other room includes.
 *
 *   serve.c     opening, closing, and the turn: the bounded slice of work of one turn of the loop
 *   bind.c      the sockets                  listener.c  accepting, limits, who is cut when full
 *   shard.c     libmicrohttpd's daemons      request.c   one request, from its line to its answer
 *   routes.c    what is answered to what     stream.c    documents made in slices
 *   events.c metrics.c page.c page_row.c document.c     the bodies
 *
 * The rule of the room: one turn of the loop gives the API at most TURN_BUDGET and one small step
 * more, so that no client, however many or hostile, delays a check. Whatever can be long (a
 * document over all checks) is a stream, made in slices under that budget. */
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

#define TURN_BUDGET       (2 * NS_PER_MS)
#define SHARD_CONNECTIONS 128 /* of one daemon: one run of it takes about a millisecond */
#define TCP_SHARDS        8   /* 1,024 connections */
#define UNIX_SHARDS       2   /* 256: no flood on TCP can shut the socket's clients out */
#define EVENT_LISTENERS   128
#define POOL_BYTES        (16 * 1024) /* a connection's memory: the bound of a request's head */
#define BODY_MAX          (4 * 1024)  /* of a request; nothing here reads one */
#define STREAM_SLICE      (12 * 1024) /* made at once */
#define IDLE_TIMEOUT_S    30
#define REQUEST_TIMEOUT   (60 * NS_PER_S)  /* from idle to a whole request */
#define ANSWER_TIMEOUT    (120 * NS_PER_S) /* to take the answer */
#define WAIT_DEFAULT      (30 * NS_PER_S)
#define WAIT_MAX          (300 * NS_PER_S)
#define HEARTBEAT         (15 * NS_PER_S)

struct listener {
    struct serve *serve;
    uv_poll_t poll;
    int fd;
    bool is_unix, open, polling;
    bool full;            /* not accepting until a connection ends */
    int64_t paused_until; /* out of descriptors: not accepting until then; 0: accepting */
    char *path;           /* unix */
    struct bind_id id;
    struct shard *shards[TCP_SHARDS];
    size_t n_shards, max_shards, max_conns, n_conns;
};

/* One libmicrohttpd daemon without a thread or a listening socket. */
struct shard {
    struct listener *listener;
    struct MHD_Daemon *daemon;
    uv_poll_t poll; /* on its epoll descriptor */
    bool ready;     /* to be run in the next turn */
    int64_t due;    /* to be run then at the latest */
    size_t n_conns;
};

struct conn {
    struct shard *shard;
    struct MHD_Connection *mhd;
    int fd;
    struct request *request; /* NULL: idle */
    bool busy;               /* a whole request came and is not answered yet */
    int64_t since;           /* when it was accepted or last became idle */
    int64_t deadline;        /* it is cut then */
    struct conn *next, *prev;
};

enum request_wait { WAIT_NONE, WAIT_HEALTHY, WAIT_CHECK, WAIT_RELOAD };

struct request {
    struct conn *conn;
    const char *uri_end; /* in libmicrohttpd's buffer: only to be compared */
    char *path;          /* decoded, without the query */
    bool suspended;
    bool gone;    /* the client is: end the connection */
    bool endless; /* an event stream: no deadline for taking the answer */
    size_t body;  /* bytes of it that came */
    struct watch *watch;
    unsigned status;
    struct MHD_Response *response; /* ours until it is queued */
    struct stream *stream;

    bool brief; /* the document without history */
    enum request_wait wait;
    char *name; /* of the probe waited for; NULL: the verdict over all */
    int64_t wait_until;
    uint64_t reload; /* the number of the one waited for */
    struct check_waiter *check;
    struct request *next_waiting, *prev_waiting;
};

#define STREAM_NONCE_SIZE 33

enum stream_state { STREAM_MORE, STREAM_DONE, STREAM_WAIT };

struct stream {
    struct request *request;
    const char *content_type;
    struct buf buf;
    size_t off; /* what of buf was taken */
    /* Appends a little to buf: the work of at most a few hundred microseconds. */
    enum stream_state (*more)(struct stream *st, int64_t now);
    enum stream_state state;
    bool queued, started; /* started: the response is out, it cannot become another */
    bool failed;
    struct stream *next_queued;

    /* Where a document stands. */
    uint64_t generation; /* of the engine's checks that index counts in */
    size_t index;
    int part;
    struct jsonw json;
    char nonce[STREAM_NONCE_SIZE]; /* of a page: names what may run in it; "": not a page */

    /* Of an event listener. */
    uint64_t seq, beat; /* the next event, and the last heartbeat, of its */
    struct stream *next_listener, *prev_listener;
};

struct serve {
    struct engine *engine;
    struct serve_hooks hooks;
    uv_loop_t *loop;
    struct listener tcp, unix_;
    uv_idle_t turn;
    uv_timer_t tick;
    int64_t tick_due;
    int64_t turn_started;
    size_t next_shard; /* whose turn it is first */
    bool in_turn, closing, closed;
    bool turning;
    size_t handles; /* open or closing ones; the memory goes with the last */
    void (*on_closed)(void *ctx);
    void *on_closed_ctx;

    struct conn *conns;
    int64_t sweep_due;

    struct stream *queue, **queue_end; /* streams to be made on */
    struct request *waiting;           /* suspended: WAIT_* */
    bool look_at_waits;
    int64_t wait_due;

    struct events *events;
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
/* Counts a handle in, and closes one; serve goes when all are closed. */
void serve_handle_opened(struct serve *s);
void serve_handle_closed(struct serve *s);

/* ---- listener.c ---- */
int listener_open_tcp(struct listener *l, struct serve *s, const char *text, struct err *e);
int listener_open_unix(struct listener *l, struct serve *s, const char *path, unsigned mode,
                       struct err *e);
void listener_review(struct listener *l, int64_t now); /* accept again, if it may */
void listener_close(struct listener *l);
void conn_sweep(struct serve *s, int64_t now);

/* ---- shard.c ---- */
struct shard *shard_open(struct listener *l, struct err *e);
void shard_run(struct shard *sh);
void shard_close(struct shard *sh);

/* ---- request.c: the callbacks of libmicrohttpd, and answering ---- */
enum MHD_Result request_handle(void *cls, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *upload,
                               size_t *upload_size, void **con_cls);
void *request_begin(void *cls, const char *uri, struct MHD_Connection *mhd);
void request_end(void *cls, struct MHD_Connection *mhd, void **con_cls,
                 enum MHD_RequestTerminationCode code);
struct serve *request_serve(const struct request *req);

/* Each sets the answer; if the request is suspended, resume it then. */
void request_answer(struct request *req, unsigned status, const char *content_type,
                    struct buf *body); /* takes the body's memory */
void request_text(struct request *req, unsigned status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The headers that every answer has. */
void request_headers(struct MHD_Response *r, const char *content_type);
void request_suspend(struct request *req);
void request_resume(struct request *req);
/* The agent stops: a request that waits is told so, a body that is half out is cut. */
void request_stop(struct request *req);
/* An argument of the query, decoded into `out`: 1, 0 when absent, -1 when it is junk. */
int request_argument(struct request *req, const char *key, char *out, size_t size);

/* ---- routes.c ---- */
void route_request(struct request *req, const char *method);
/* Looks at everything that is waited for; called in a turn. */
void route_review_waits(struct serve *s, int64_t now);
void route_drop_wait(struct request *req); /* the request ends */

/* ---- stream.c ---- */
/* Begins the answer `status` with a body that `more` makes; `part`, `index` start at 0. Status 0:
 * `more` sets the request's with the first piece. */
void stream_begin(struct request *req, unsigned status, const char *content_type,
                  enum stream_state (*more)(struct stream *st, int64_t now));
/* More can be made of one that waits. */
void stream_wake(struct stream *st);
void stream_work(struct serve *s);   /* in a turn, under its budget */
void stream_free(struct stream *st); /* NULL is fine */
/* The checks changed under a document that is half made: it cannot be finished truly. */
bool stream_outdated(struct stream *st);

/* ---- events.c ---- */
struct events *events_new(void); /* NULL: out of memory */
void events_free(struct events *ev);
void events_begin(struct request *req);
void events_end(struct stream *st);
void events_add(struct serve *s, const struct check *c, enum health_status from);
void events_restart(struct serve *s); /* after a reload: the present state again */
int64_t events_heartbeat(struct serve *s, int64_t now); /* when the next is due */

/* ---- metrics.c, page.c ---- */
enum stream_state metrics_more(struct stream *st, int64_t now);
void metrics_free(struct metrics_labels *labels); /* NULL is fine */
enum stream_state page_more(struct stream *st, int64_t now);

#endif
