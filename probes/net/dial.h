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

struct probe_run;

#define DIAL_TEXT_MAX 128 /* an address as text: "127.0.0.1:80", "[::1]:80", "unix:///path" */

struct resolve;
struct dial_attempt;
struct resolve_answer;

#define DIAL_MAX 16 /* addresses tried at most */

struct dial {
    /* The result, set before on_done. */
    enum reason reason;       /* REASON_OK: `fd` is connected, non-blocking, close-on-exec, and the
                                 caller's to close */
    int fd;                   /* -1 unless REASON_OK */
    char peer[DIAL_TEXT_MAX]; /* the address that fd is connected to */
    char detail[512];         /* otherwise: every address and what it said, in words */
    /* Private. */
    struct probe_run *run;
    const struct endpoint *ep;
    void (*on_done)(struct dial *d);
    void (*on_closed)(struct dial *d);
    struct resolve *resolve;
    unsigned lookups_left; /* families whose answer is not in */
    struct dial_attempt *attempts;
    size_t n_attempts;
    struct sockaddr_in6 queue[DIAL_MAX]; /* room for either family */
    size_t n_queue, n_tried;
    uv_timer_t timer;
    bool timer_open;
    unsigned n_open; /* handles and the lookup not closed yet */
    size_t n_failed, n_refused, n_no_family;
    bool waiting_for_v6, retrying, no_such_name, lookup_failed;
    char lookup_detail[200]; /* why a family brought no address */
    bool done, closing;
};

/* Starts; `ep` must stay. `on_done` comes once, perhaps from inside; not after dial_close. It calls
 * probe_gone on the run when every address refused or the name does not exist. */
void dial_start(struct dial *d, struct probe_run *run, const struct endpoint *ep,
                void (*on_done)(struct dial *d));

/* Ends it, whatever state it is in, also after on_done (must be called exactly once for each
 * dial_start); `on_closed` (perhaps from inside) says that the memory may go. Does not close a
 * descriptor that was handed over. */
void dial_close(struct dial *d, void (*on_closed)(struct dial *d));

#endif
