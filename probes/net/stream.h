/* stream: one connection on the loop: dial, TLS where asked, then bytes both ways, for every type
 * and command that talks to a server. In one turn of the loop a stream reads 64 KiB or for 2 ms,
 * whatever comes, and goes on in the next. */
#ifndef PROBE_NET_STREAM_H
#define PROBE_NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "loop/closer.h"
#include "net/dial.h"
#include "tls/tls.h"

struct stream;

/* on_open and on_fail may come from inside stream_open and stream_start_tls, on_fail also from
 * inside stream_write; none comes once stream_close was called, which any of them may do. It is
 * owed in the end whatever came: on_fail and on_eof close nothing. */
struct stream_events {
    void (*on_open)(struct stream *s); /* connected, and the TLS handshake is done and verified */
    /* Bytes came; they are valid during the call only. */
    void (*on_data)(struct stream *s, const char *data, size_t len);
    /* The peer ended its side by TLS's close_notify or by a FIN. No more on_data. */
    void (*on_eof)(struct stream *s);
    /* It failed: dns, refused, tls, reset, ... `detail` holds the address. Nothing more comes. */
    void (*on_fail)(struct stream *s, enum reason reason, const char *detail);
};

/*  state        what is under way                           next
 *  DIALLING     the dial                                    HANDSHAKING, OPEN
 *  HANDSHAKING  TLS                                         JUDGING
 *  JUDGING      the server may yet refuse our certificate   OPEN
 *  OPEN         on_open was told                            ENDED, HANDSHAKING (stream_start_tls)
 *  ENDED        on_eof was told
 *  FAILED       on_fail was told
 *  PARTING      closed by the owner: our FIN is sent, the peer's is awaited
 *  CLOSING      the handles are being closed, then on_closed
 * From each before it to FAILED; by stream_close from OPEN to PARTING, else to CLOSING. */
enum stream_state {
    STREAM_DIALLING,
    STREAM_HANDSHAKING,
    STREAM_JUDGING,
    STREAM_OPEN,
    STREAM_ENDED,
    STREAM_FAILED,
    STREAM_PARTING,
    STREAM_CLOSING,
};

struct stream {
    struct probe_run *run;
    const struct stream_events *events;
    void *owner;
    char peer[DIAL_TEXT_MAX]; /* set by on_open */
    bool gone;                /* set by on_fail: nothing is there at all, see dial.h */
    bool is_cut;  /* set by on_eof: TLS ended by a FIN alone, so more may have been meant to come */
    bool reset;   /* set by the owner: end it by RST, which leaves no TIME_WAIT */
    bool at_once; /* set by the owner: do not wait for the peer's FIN, it may hang */
    /* Private from here on. */
    enum stream_state state;
    struct stream_dial *dial;       /* NULL once connected: a kept connection carries none */
    struct tls_options tls_options; /* conf NULL: plain */
    struct tls *tls;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    uv_timer_t timer;
    uv_shutdown_t shutdown;
    int64_t until;    /* JUDGING and PARTING end */
    int64_t patience; /* ns that PARTING then lasts longer, unless the run was cancelled */
    struct closer closer;
    void (*on_closed)(struct stream *s);
    bool paused;   /* it has had its share of this turn */
    uint64_t turn; /* the turn that turn_bytes were read in, from turn_began on */
    size_t turn_bytes;
    int64_t turn_began;
};

/* `tls` NULL: plain. `run` may be changed later (a kept connection): stream_adopt. */
void stream_start(struct stream *s, struct probe_run *run, const struct endpoint *ep,
                  const struct tls_conf *tls, const struct stream_events *events, void *owner);

/* The same with more to ask of TLS; conf NULL in it: plain. What it points at must stay. */
void stream_open(struct stream *s, struct probe_run *run, const struct endpoint *ep,
                 const struct tls_options *tls, const struct stream_events *events, void *owner);

/* Begins TLS on a stream that is open and plain (after STARTTLS, or a proxy's CONNECT): on_open
 * or on_fail comes, perhaps from inside. `host`: as for tls_open; it is read during the call. */
void stream_start_tls(struct stream *s, const struct tls_options *tls, const char *host);

/* The protocol that the server chose of tls_options.alpn; "": none, or no TLS. */
const char *stream_alpn(const struct stream *s);

/* The process that listens at the other end of a Unix socket, while the stream is open; 0: it is
 * not seen from here (another pid namespace), or no Unix socket. */
int stream_listener_pid(const struct stream *s);

/* May a kept stream serve another run? Not where a new handshake could say something else, see
 * tls_is_good. */
static inline bool stream_may_go_on(const struct stream *s)
{
    return !s->tls || tls_is_good(s->tls);
}

/* When the server's certificate ends (tls_not_after), and the first of all that it sent; both 0: no
 * TLS, or none seen yet. A stream whose run is nobody's tells it nowhere. */
static inline void stream_cert(const struct stream *s, int64_t *not_after, int64_t *earliest)
{
    *not_after = s->tls ? tls_not_after(s->tls) : 0;
    *earliest = s->tls ? tls_earliest(s->tls) : 0;
}

/* A kept stream serves another run now (NULL: none, it idles). */
void stream_adopt(struct stream *s, struct probe_run *run);

/* Sends a copy of the bytes. A failure comes by on_fail. */
void stream_write(struct stream *s, const void *data, size_t len);

/* Ends it in any state, exactly once; no event comes any more. `on_closed` says, from the loop,
 * that the memory may go. An open connection is closed in order: our FIN (after TLS's
 * close_notify), then the peer's is awaited for 100 ms at most, not beyond the run's deadline, and
 * for 20 ms and four round trips once the run is cancelled, unless the owner has set `reset` or
 * `at_once`. */
void stream_close(struct stream *s, void (*on_closed)(struct stream *s));

#endif
