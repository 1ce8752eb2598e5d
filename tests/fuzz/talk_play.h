/* talk_play: a conversation (net/talk.h) without its stream: the input is what the server says. */
#ifndef PROBE_TESTS_FUZZ_TALK_PLAY_H
#define PROBE_TESTS_FUZZ_TALK_PLAY_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/server_conf.h"
#include "net/talk.h"

/* What net/talk.c makes of a next step that needs no more bytes. `work` stands in for the job. */
static enum talk_next talk_play_step(struct talk *t, enum talk_next next, size_t left,
                                     void (*work)(struct talk *t))
{
    while (next == TALK_TLS || next == TALK_WORK) {
        if (next == TALK_TLS && left)
            return talk_end(t, REASON_PROTOCOL, "bytes before the TLS handshake");
        buf_reset(&t->out);
        if (next == TALK_WORK)
            work(t);
        else
            t->is_tls = true;
        next = next == TALK_WORK ? t->rules->worked(t) : t->rules->opened(t);
    }
    if (next == TALK_AGAIN) /* the verdict, were there no other server */
        return TALK_DONE;
    return next == TALK_SEND && left && !t->rules->unasked
               ? talk_end(t, REASON_PROTOCOL, "more bytes")
               : next;
}

/* Gives the bytes in pieces of that size. REASON_TIMEOUT: it waits for more. */
static inline enum reason talk_play(struct talk *t, const struct talk_rules *rules,
                                    void (*work)(struct talk *t), const char *data, size_t size,
                                    size_t piece)
{
    size_t at = 0, there = 0;
    talk_init(t, rules, "127.0.0.1:1");
    enum talk_next next = talk_play_step(t, rules->opened(t), 0, work);
    while (next != TALK_DONE && (there < size || (next == TALK_SEND && at < there))) {
        size_t used = 0;
        if (next != TALK_SEND || at == there)
            there += size - there < piece ? size - there : piece;
        buf_reset(&t->out);
        next = rules->take(t, data + at, there - at, &used);
        if (used > there - at)
            abort();
        at += used;
        next = talk_play_step(t, next, there - at, work);
        if (next == TALK_WAIT && there - at > rules->in_max)
            next = talk_end(t, REASON_PROTOCOL, "without end");
    }
    if (strlen(t->detail) >= sizeof t->detail)
        abort();
    enum reason reason = next == TALK_DONE ? t->reason : REASON_TIMEOUT;
    talk_fini(t);
    return reason;
}

/* What three bits of the first byte choose of a server's settings. */
static inline void talk_play_server(struct server_conf *s, uint8_t bits, char *path)
{
    static char user[] = "user", password[] = "pencil";
    s->tls_use = bits & 0x20 ? SERVER_TLS_MAYBE : SERVER_TLS_NO;
    if (bits & 0x40)
        s->ep.path = path;
    if (bits & 0x80)
        s->user = user, s->password = password;
}

/* At once and byte by byte, which have to come to the same verdict, but for what comes unasked and
 * is seen only where it came along. */
static inline enum reason talk_play_both(enum reason (*play)(const void *conf, const char *data,
                                                             size_t size, size_t piece),
                                         const void *conf, const uint8_t *data, size_t size)
{
    enum reason whole = play(conf, (const char *)data, size, size);
    if (whole != play(conf, (const char *)data, size, 1) && whole != REASON_PROTOCOL)
        abort();
    return whole;
}

#endif
