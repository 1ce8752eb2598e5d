/* screen: see screen.h. */
#include "term/screen.h"

#include <string.h>

#include "base/output.h"

#define FRAME_MAX (1 << 20)

void screen_open(struct screen *s, int fd)
{
    *s = (struct screen){.fd = fd};
    term_look(&s->term, fd);
    buf_init(&s->shown, FRAME_MAX);
}

static void put(struct screen *s, struct buf *frame)
{
    if (!frame->failed && frame->len && !output_put(s->fd, frame->data, frame->len))
        s->failed = true;
    buf_fini(frame);
}

static void go_up(struct screen *s, struct buf *frame)
{
    if (s->lines)
        buf_printf(frame, "\r\x1b[%zuA", s->lines);
}

void screen_resized(struct screen *s)
{
    struct buf frame;
    term_look(&s->term, s->fd);
    s->hidden = false;
    if (!s->lines)
        return;
    s->lines = 0;
    buf_init(&frame, FRAME_MAX);
    buf_puts(&frame, "\x1b[H\x1b[2J");
    put(s, &frame);
}

void screen_draw(struct screen *s, const struct buf *text)
{
    struct buf frame;
    if (!output_flush(s->fd, 0)) /* it is not read: the picture is drawn when it is again */
        return;
    if (s->lines && s->shown.len == text->len && memcmp(s->shown.data, text->data, text->len) == 0)
        return;
    buf_reset(&s->shown);
    buf_add(&s->shown, text->data, text->len);
    buf_init(&frame, FRAME_MAX);
    if (!s->hidden)
        buf_puts(&frame, "\x1b[?25l");
    s->hidden = true;
    go_up(s, &frame);
    s->lines = 0;
    for (size_t at = 0; at < text->len;) {
        const char *end = memchr(text->data + at, '\n', text->len - at);
        size_t n = end ? (size_t)(end - text->data) - at : text->len - at;
        /* Erased first: after a line as wide as the terminal that would take its last letter. */
        buf_puts(&frame, "\x1b[2K");
        buf_add(&frame, text->data + at, n);
        buf_puts(&frame, "\r\n");
        at += n + 1;
        s->lines++;
    }
    buf_puts(&frame, "\x1b[J");
    put(s, &frame);
}

void screen_clear(struct screen *s)
{
    struct buf frame;
    if (!s->lines)
        return;
    buf_init(&frame, FRAME_MAX);
    go_up(s, &frame);
    buf_puts(&frame, "\x1b[J");
    s->lines = 0;
    put(s, &frame);
}

void screen_rest(struct screen *s)
{
    if (s->hidden)
        output_put(s->fd, SCREEN_SHOW_CURSOR, strlen(SCREEN_SHOW_CURSOR));
    s->hidden = false;
}

void screen_close(struct screen *s)
{
    screen_rest(s);
    buf_fini(&s->shown);
}
