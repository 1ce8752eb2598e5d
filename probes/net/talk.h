/* talk: what most types are: one conversation with one server for one check, or with one after the
 * other (TALK_AGAIN). The type brings the words (talk_rules: bytes in, bytes out, no I/O, so that
 * tests and fuzzers feed them directly); here are the stream, TLS where the rules ask for it
 * midway, the jobs on threads and the ends. */
#ifndef PROBE_NET_TALK_H
#define PROBE_NET_TALK_H

#include "base/buf.h"
#include "host.h"
#include "loop/work.h"
#include "net/stream.h"

struct talk;
struct talk_thread;

enum talk_next {
    TALK_WAIT,  /* for more bytes */
    TALK_SEND,  /* `out` */
    TALK_TLS,   /* `out`, then begin TLS; then `opened` again */
    TALK_WORK,  /* run `job` on a thread, then `worked` */
    TALK_AGAIN, /* `out` as a last word here; then all anew, plain, at `next_ep` */
    TALK_DONE,  /* the verdict is in `reason` and `detail`; `out` is sent as a last word */
};

/* A job is a copy of plain memory: no pointer of it may need freeing. It is wiped afterwards. */
struct talk_job {
    void (*run)(void *memory); /* on a thread: may touch nothing else */
    void *memory; /* the type's; what `run` made of the copy is there when it is done */
    size_t size;
};

struct talk_rules {
    size_t in_max; /* bytes of an answer that is not whole yet; more is `protocol` */
    bool unasked;  /* the server may speak at any time: what comes behind an answer is kept */
    /* Connected, and TLS, where there is, is done: for a second time after TALK_TLS. */
    enum talk_next (*opened)(struct talk *t);
    /* Takes what is whole of the bytes that came; `*used` tells how many. `out` is empty before. */
    enum talk_next (*take)(struct talk *t, const char *data, size_t len, size_t *used);
    enum talk_next (*worked)(struct talk *t); /* NULL: there are no jobs */
    /* The connection failed as `reason` and `detail` say, the peer ended its side, or its `limit`
     * is over: TALK_DONE for that verdict, or TALK_AGAIN. NULL: the former. */
    enum talk_next (*failed)(struct talk *t);
    void (*fini)(struct talk *t); /* NULL: nothing to free */
};

/*  state       what is under way                    next
 *  CONNECTING  the dial and TLS                     TALKING
 *  TALKING     bytes                                CONNECTING (TALK_TLS), WORKING
 *  WORKING     a job on a thread                    TALKING
 *  LEAVING     it lets go of this server            CONNECTING
 *  CLOSING     finished or cancelled: it lets go
 * From each before them to LEAVING and CLOSING, and from LEAVING to CLOSING. */
enum talk_state {
    TALK_STATE_CONNECTING,
    TALK_STATE_TALKING,
    TALK_STATE_WORKING,
    TALK_STATE_LEAVING,
    TALK_STATE_CLOSING
};

/* Begins the type's own run, which begins with it. */
struct talk {
    struct probe_run run;
    const struct talk_rules *rules;
    /* The type's to set. */
    struct buf out;
    enum reason reason;
    char detail[PROBE_DETAIL_MAX];
    const char *awaited; /* what an answer is awaited to: "PING"; for notes and for `closed` */
    struct talk_job job;
    const struct endpoint *next_ep; /* must stay */
    int64_t limit; /* ns that this connection may take, before talk_start or TALK_AGAIN; 0: all */
    /* To be read: the address that is talked to, and whether it is by TLS now. */
    const char *address;
    bool is_tls;
    /* Private. */
    enum talk_state state;
    struct stream stream;
    uv_timer_t timer; /* of `limit` */
    bool timed;       /* it is initialised */
    struct tls_options tls;
    const char *host;
    struct buf in;
    struct talk_thread *thread;
};

/* Begins; `tls` NULL: plain until TALK_TLS. `later`: what TALK_TLS uses, NULL where that never
 * comes. `ep`, `tls` and `later` must stay. */
void talk_start(struct talk *t, const struct talk_rules *rules, const struct endpoint *ep,
                const struct tls_conf *tls, const struct tls_conf *later);

/* A type's `cancel`. */
void talk_cancel(struct probe_run *run);

/* The verdict: fills `reason` and `detail`, which begins with the address, and returns TALK_DONE.
 */
enum talk_next talk_end(struct talk *t, enum reason reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for what a server said, which is made fit to be shown: "ADDRESS: AWAITED: WORDS: SAID".
 */
enum talk_next talk_said(struct talk *t, enum reason reason, const char *words, const char *said,
                         size_t len);

/* What an address looks like that talk_end begins with, in tests that have no stream. */
void talk_init(struct talk *t, const struct talk_rules *rules, const char *address);
void talk_fini(struct talk *t);

#endif
