/* http_wire: see http_wire.h. Everything but the bytes of a body is a line: they are gathered one
 * by one and each is taken by the state that it comes in. */
#include "net/http_wire.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

#define PREFIX  "HTTP/1."
#define NO_SIZE "a chunk's size is not a number"

void http_wire_init(struct http_wire *w, enum http_wire_kind kind,
                    const struct http_wire_events *events, void *owner)
{
    *w = (struct http_wire){.kind = kind, .events = events, .owner = owner};
    buf_init(&w->line, HTTP_LINE_MAX);
}

void http_wire_fini(struct http_wire *w)
{
    buf_fini(&w->line);
}

static enum http_wire_step broken(struct http_wire *w, const char *words)
{
    w->in_body = w->state > HTTP_AT_HEADER && w->state != HTTP_AT_TRAILER;
    w->broken = words;
    return HTTP_WIRE_BROKEN;
}

/* ---- The head ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int http_wire_status(const char *line, size_t len, const char **phrase)
{
    const char *p = line + strlen("HTTP/"), *end = line + len;
    if (len < strlen("HTTP/") || strncasecmp(line, "HTTP/", strlen("HTTP/")) != 0)
        return -1;
    if (p == end || !is_digit(*p++))
        return -1;
    if (end - p >= 2 && *p == '.' && is_digit(p[1]))
        p += 2;
    if (end - p < 4 || *p != ' ' || !is_digit(p[1]) || !is_digit(p[2]) || !is_digit(p[3]) ||
        p[1] == '0' || (end - p > 4 && !isspace((unsigned char)p[4])))
        return -1;
    *phrase = p + 4;
    return (p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0');
}

/* The next element of a list "a, b ,c" (RFC 9110 section 5.6.1), empty ones passed over; false at
 * the end. */
static bool next_element(const char **at, const char *end, const char **element, size_t *len)
{
    const char *p = *at;
    while (p < end && (*p == ',' || isspace((unsigned char)*p)))
        p++;
    if (p == end)
        return false;
    const char *comma = memchr(p, ',', (size_t)(end - p));
    const char *stop = comma ? comma : end;
    *at = stop;
    while (stop > p && isspace((unsigned char)stop[-1]))
        stop--;
    *element = p;
    *len = (size_t)(stop - p);
    return true;
}

static bool name_is(const char *text, size_t len, const char *name)
{
    return len == strlen(name) && strncasecmp(text, name, len) == 0;
}

/* Chunked must be the last coding, and there once (RFC 9112 section 6.1); of the others none was
 * asked for. */
static void take_coding(struct http_wire *w, const char *value, const char *end)
{
    const char *name;
    size_t len;
    while (next_element(&value, end, &name, &len)) {
        if (name_is(name, len, "identity"))
            continue;
        bool chunked = name_is(name, len, "chunked");
        w->coding =
            chunked && w->coding == HTTP_CODING_NONE ? HTTP_CODING_CHUNKED : HTTP_CODING_OTHER;
    }
}

/* Several are allowed where they say the same (RFC 9110 section 8.6). One that no reply can have is
 * as good as the largest. */
static void take_length(struct http_wire *w, const char *value, const char *end)
{
    const char *text;
    size_t len;
    bool any = false;
    while (next_element(&value, end, &text, &len)) {
        uint64_t n = 0;
        for (size_t i = 0; i < len; i++) {
            if (!is_digit(text[i])) {
                w->length_kind = HTTP_LENGTH_BROKEN;
                return;
            }
            n = n > UINT64_MAX / 10 - 1 ? UINT64_MAX : n * 10 + (uint64_t)(text[i] - '0');
        }
        if (w->length_kind == HTTP_LENGTH_BROKEN ||
            (w->length_kind == HTTP_LENGTH_GIVEN && n != w->length))
            w->length_kind = HTTP_LENGTH_BROKEN;
        else
            w->length_kind = HTTP_LENGTH_GIVEN;
        w->length = n;
        any = true;
    }
    if (!any)
        w->length_kind = HTTP_LENGTH_BROKEN;
}

/* Without LF and CR. */
static size_t text_len(const char *line, size_t len)
{
    return len > 1 && line[len - 2] == '\r' ? len - 2 : len - 1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* A header, of a head or the trailer; NULL or what is wrong with it. */
static const char *take_header(struct http_wire *w, const char *line, size_t len)
{
    size_t end = text_len(line, len);
    if (is_blank(line[0]) && !w->has_line)
        return "the first line begins with a blank";
    if (is_blank(line[0])) /* more of the line before (RFC 9112 section 5.2) */
        return w->is_framing ? "a line continues Content-Length or Transfer-Encoding" : NULL;
    const char *colon = memchr(line, ':', end);
    if (!colon || colon == line)
        return "a line has no name or no colon";
    w->has_line = true;
    w->is_framing = false;
    if (w->state == HTTP_AT_TRAILER) /* too late to say how the body is framed */
        return NULL;
    size_t name_len = (size_t)(colon - line);
    while (is_blank(line[name_len - 1])) /* is no part of the name (RFC 9112 section 5.1) */
        name_len--;
    bool length = name_is(line, name_len, "Content-Length");
    w->is_framing = length || name_is(line, name_len, "Transfer-Encoding");
    if (length)
        take_length(w, colon + 1, line + end);
    else if (w->is_framing)
        take_coding(w, colon + 1, line + end);
    return NULL;
}

/* The head is over: how long is the body (RFC 9112 section 6.3)? */
static enum http_wire_step begin_body(struct http_wire *w)
{
    if (w->status < 200) { /* the reply is yet to come */
        w->state = HTTP_AT_STATUS_LINE;
        w->has_line = false;
        w->coding = HTTP_CODING_NONE;
        w->length_kind = HTTP_LENGTH_NONE;
        return HTTP_WIRE_MORE;
    }
    bool tunnel = w->kind == HTTP_WIRE_CONNECT && w->status < 300;
    if (w->kind == HTTP_WIRE_HEAD || tunnel || w->status == 204 || w->status == 304)
        return HTTP_WIRE_WHOLE;
    if (w->coding == HTTP_CODING_OTHER)
        return broken(w, "a Transfer-Encoding that was not asked for");
    if (w->coding == HTTP_CODING_CHUNKED) {
        w->state = HTTP_AT_CHUNK_SIZE;
        return HTTP_WIRE_MORE;
    }
    if (w->length_kind == HTTP_LENGTH_BROKEN)
        return broken(w, "Content-Length is not one number");
    if (w->length_kind == HTTP_LENGTH_NONE) {
        w->state = HTTP_AT_UNTIL_CLOSE;
        return HTTP_WIRE_MORE;
    }
    w->state = HTTP_AT_LENGTH;
    w->left = w->length;
    return w->left ? HTTP_WIRE_MORE : HTTP_WIRE_WHOLE;
}

/* ---- Chunks (RFC 9112 section 7.1) ---- */

static enum http_wire_step take_chunk_size(struct http_wire *w, const char *line, size_t len)
{
    uint64_t n = 0;
    size_t i = 0;
    for (; i < len && str_hex(line[i]) >= 0; i++) {
        if (n >> 60)
            return broken(w, "a chunk's size is too large");
        n = n << 4 | (uint64_t)str_hex(line[i]);
    }
    size_t digits = i;
    while (i < len && isspace((unsigned char)line[i]))
        i++;
    if (!digits || (i < len && line[i] != ';'))
        return broken(w, NO_SIZE);
    w->left = n;
    w->state = n ? HTTP_AT_CHUNK : HTTP_AT_TRAILER;
    w->has_line = false;
    return HTTP_WIRE_MORE;
}

/* ---- Lines and bytes ---- */

/* A whole line, LF and all. */
static enum http_wire_step take_line(struct http_wire *w, const char *line, size_t len)
{
    const char *words, *phrase;
    size_t text = text_len(line, len);
    bool empty = text == 0;
    if (memchr(line, '\0', text) || memchr(line, '\r', text)) /* RFC 9112 section 2.2 */
        return broken(w, "there is a NUL or a CR in a line");
    switch (w->state) {
    case HTTP_AT_STATUS_LINE:
        w->status = http_wire_status(line, len, &phrase);
        if (w->status < 0) {
            w->events->on_junk(w->owner, line, len);
            return HTTP_WIRE_STOPPED;
        }
        w->state = HTTP_AT_HEADER;
        return w->events->on_line(w->owner, line, len) ? HTTP_WIRE_MORE : HTTP_WIRE_STOPPED;
    case HTTP_AT_HEADER:
        words = empty ? NULL : take_header(w, line, len);
        if (words)
            return broken(w, words);
        if (!w->events->on_line(w->owner, line, len))
            return HTTP_WIRE_STOPPED;
        return empty ? begin_body(w) : HTTP_WIRE_MORE;
    case HTTP_AT_CHUNK_SIZE:
        return take_chunk_size(w, line, len);
    case HTTP_AT_CHUNK_END:
        w->state = HTTP_AT_CHUNK_SIZE; /* it is empty: look_ahead */
        return HTTP_WIRE_MORE;
    case HTTP_AT_TRAILER:
        if (empty)
            return HTTP_WIRE_WHOLE;
        words = take_header(w, line, len);
        if (words)
            return broken(w, words);
        return w->events->on_line(w->owner, line, len) ? HTTP_WIRE_MORE : HTTP_WIRE_STOPPED;
    case HTTP_AT_LENGTH:
    case HTTP_AT_UNTIL_CLOSE:
    case HTTP_AT_CHUNK:
        break;
    }
    return broken(w, "no line was due");
}

/* Bytes of the body, at most `len`; how many in `*used`. */
static enum http_wire_step take_bytes(struct http_wire *w, const char *data, size_t len,
                                      size_t *used)
{
    bool counted = w->state != HTTP_AT_UNTIL_CLOSE;
    *used = counted && w->left < len ? (size_t)w->left : len;
    if (!w->events->on_body(w->owner, data, *used))
        return HTTP_WIRE_STOPPED;
    if (!counted)
        return HTTP_WIRE_MORE;
    w->left -= *used;
    if (w->left)
        return HTTP_WIRE_MORE;
    if (w->state == HTTP_AT_LENGTH)
        return HTTP_WIRE_WHOLE;
    w->state = HTTP_AT_CHUNK_END;
    return HTTP_WIRE_MORE;
}

/* What cannot become the line that is due is not worth waiting for its end. */
static enum http_wire_step look_ahead(struct http_wire *w, const char *line, size_t len)
{
    switch (w->state) {
    case HTTP_AT_STATUS_LINE:
        if (strncasecmp(line, PREFIX, len < strlen(PREFIX) ? len : strlen(PREFIX)) == 0)
            return HTTP_WIRE_MORE;
        w->events->on_junk(w->owner, line, len);
        return HTTP_WIRE_STOPPED;
    case HTTP_AT_CHUNK_SIZE:
        return str_hex(line[0]) >= 0 ? HTTP_WIRE_MORE : broken(w, NO_SIZE);
    case HTTP_AT_CHUNK_END:
        if (memcmp(line, "\r\n", len < 2 ? len : 2) == 0 || line[0] == '\n')
            return HTTP_WIRE_MORE;
        return broken(w, "a chunk is longer than its size");
    case HTTP_AT_HEADER:
    case HTTP_AT_TRAILER:
    case HTTP_AT_LENGTH:
    case HTTP_AT_UNTIL_CLOSE:
    case HTTP_AT_CHUNK:
        break;
    }
    return HTTP_WIRE_MORE;
}

/* Bytes of a line: up to its end, or all of them to be kept; how many in `*used`. */
static enum http_wire_step gather_line(struct http_wire *w, const char *data, size_t len,
                                       size_t *used)
{
    const char *end = memchr(data, '\n', len);
    const char *line = data;
    size_t line_len = *used = end ? (size_t)(end + 1 - data) : len;
    if (!end || w->line.len) {
        if (buf_add(&w->line, data, *used) < 0)
            return broken(w,
                          w->line.len < HTTP_LINE_MAX ? "out of memory" : "a line is over 64 KiB");
        line = w->line.data;
        line_len = w->line.len;
    }
    enum http_wire_step step = look_ahead(w, line, line_len);
    if (step == HTTP_WIRE_MORE && end)
        step = take_line(w, line, line_len);
    if (end)
        buf_reset(&w->line);
    return step;
}

enum http_wire_step http_wire_feed(struct http_wire *w, const char *data, size_t len)
{
    enum http_wire_step step = HTTP_WIRE_MORE;
    while (len && step == HTTP_WIRE_MORE) {
        size_t used;
        bool bytes = w->state == HTTP_AT_LENGTH || w->state == HTTP_AT_UNTIL_CLOSE ||
                     w->state == HTTP_AT_CHUNK;
        step = bytes ? take_bytes(w, data, len, &used) : gather_line(w, data, len, &used);
        data += used;
        len -= used;
    }
    w->extra = len;
    return step;
}

enum http_wire_step http_wire_end(const struct http_wire *w)
{
    return w->state == HTTP_AT_UNTIL_CLOSE ? HTTP_WIRE_WHOLE : HTTP_WIRE_BROKEN;
}

/* ---- Lines that were gathered ---- */

bool http_header_next(const struct buf *headers, const char *name, size_t *at,
                      struct http_text *value)
{
    size_t name_len = strlen(name);
    while (*at < headers->len) {
        const char *line = headers->data + *at;
        const char *end = memchr(line, '\n', headers->len - *at);
        size_t len = end ? (size_t)(end - line) : headers->len - *at;
        *at += len + (end ? 1 : 0);
        if (len <= name_len || line[name_len] != ':' || !name_is(line, name_len, name))
            continue;
        value->data = line + name_len + 1;
        value->len = len - name_len - 1;
        while (value->len && isspace((unsigned char)value->data[0])) {
            value->data++;
            value->len--;
        }
        while (value->len && isspace((unsigned char)value->data[value->len - 1]))
            value->len--;
        return true;
    }
    return false;
}
