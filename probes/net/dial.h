/* dial: from a place to a connected descriptor: literal address, name (c-ares) or unix path; IPv4
 * and IPv6 side by side (RFC 8305). Every type that connects uses it, so that all of them say the
 * same about names, refusals and routes. It counts the phases DNS and CONNECT on its run and has no
 * timer for the whole: the run's deadline is the engine's. */
#ifndef PROBE_NET_DIAL_H
#define PROBE_NET_DIAL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/endpoint.h"
#include "base/err.h"
#include "base/reason.h"
#include "loop/closer.h"

struct probe_run;

#define DIAL_TEXT_MAX 128 /* an address as text: "127.0.0.1:80", "[::1]:80", "unix:///path" */

struct resolve;
struct dial_attempt;
struct resolve_answer;

/*  state       what is under way                                       next
 *  LOOKING_UP  no address yet, a lookup is not answered                HOLDING, TRYING
 *  HOLDING     IPv4's are there, IPv6's have 50 ms more                TRYING
 *  TRYING      attempts, or a unix socket whose backlog is full        RETRYING
 *  RETRYING    all failed, one family's lookup is not answered         TRYING
 *  DONE        on_done was told                                        (CLOSING only)
 *  CLOSING     dial_close was called
 * From each before it to DONE, and from each to CLOSING. */
enum dial_state {
    DIAL_LOOKING_UP,
    DIAL_HOLDING,
    DIAL_TRYING,
    DIAL_RETRYING,
    DIAL_DONE,
    DIAL_CLOSING,
};

struct dial {
    /* The result, set before on_done. */
    enum reason reason;       /* REASON_OK: `fd` is connected, non-blocking, close-on-exec, and the
                                 caller's to close */
    int fd;                   /* -1 unless REASON_OK */
    char peer[DIAL_TEXT_MAX]; /* the address that fd is connected to */
    char detail[512];         /* otherwise: every address and what it said, in words */
    bool gone;                /* every address refused, or there is no such name */
    /* Private. */
    enum dial_state state;
    struct probe_run *run;
    const struct endpoint *ep;
    void (*on_done)(struct dial *d);
    void (*on_closed)(struct dial *d);
    struct resolve *resolve;
    unsigned lookups_left; /* families whose answer is not in */
    struct dial_attempt *attempts;
    struct sockaddr_in6 *queue; /* of either family */
    size_t n_queue, n_tried;
    size_t n_failed, n_refused, n_no_family;
    uv_timer_t timer;
    struct closer closer;    /* of the timer; it holds the lookup and each attempt */
    bool no_such_name;       /* says one family's lookup */
    bool lookup_failed;      /* another one brought neither addresses nor that */
    bool cut;                /* not all addresses are known: the target is never gone */
    char lookup_detail[200]; /* why a family brought no address */
};

/* Starts; `ep` must stay. `on_done` comes once, perhaps from inside; not after dial_close. It calls
 * probe_gone on the run where `gone` is set, unless the endpoint is not the target as a whole. */
void dial_start(struct dial *d, struct probe_run *run, const struct endpoint *ep,
                void (*on_done)(struct dial *d));

/* Ends it, whatever state it is in, also after on_done (must be called exactly once for each
 * dial_start); `on_closed` says, from the loop, that the memory may go. Does not close a descriptor
 * that was handed over. */
void dial_close(struct dial *d, void (*on_closed)(struct dial *d));

#endif
