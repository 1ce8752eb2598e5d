/* watch: `status --watch`. It follows the agent's event stream; on a terminal each event, and each
 * check that is due, fetches the document anew and draws it in place, elsewhere each change is one
 * line. An agent that goes away is looked for until it is back. A signal ends it wherever it is. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/jsonw.h"
#include "base/output.h"
#include "base/text.h"
#include "cli/agent_client.h"
#include "cli/status.h"
#include "cli/view.h"
#include "loop/signals.h"
#include "term/frame.h"
#include "term/screen.h"

#define DEFAULT_TIMEOUT (2 * NS_PER_S) /* what is shown is not vouched for in the meantime */
#define FIRST_PAUSE     (100 * NS_PER_MS)
#define LONGEST_PAUSE   (2 * NS_PER_S)
#define TICK            NS_PER_S
#define BURST           (100 * NS_PER_MS) /* many events at once are one fetch */
#define SILENCE         (40 * NS_PER_S)   /* the agent says something every 15 s */
#define FRAME_MAX       (4 << 20)
#define EVENTS_MAX      (1 << 20)
#define KNOWN_MAX       (1 << 16) /* names: more than an agent has, unless it is hostile */
#define KNOWN_TEXT_MAX  512       /* bytes of a name and its status; a name has at most 64 */

struct watch {
    const struct cli *cli;
    struct screen screen;
    bool draws; /* in place; else a line a change */
    int fd;     /* the event stream; -1: none */
    struct buf stream;
    int64_t heard;      /* when something last came on it */
    json_t *document;   /* the newest; NULL: none yet */
    int64_t fetched;    /* when that was */
    int64_t due;        /* when it is to be fetched again; drawing only */
    json_t *known;      /* status by name, as last printed */
    bool lost;          /* no agent answers ... */
    int64_t lost_since; /* ... since then */
    int64_t lost_at;    /* the same as wall time */
    int64_t retry_at, pause;
    struct err why;
};

/* ---- Signals: the terminal is put right and that is all there is to do. ---- */

static volatile sig_atomic_t drawing, resized;

static void give_terminal_back(void)
{
    static const char text[] = "\r\x1b[K" SCREEN_SHOW_CURSOR;
    if (drawing)
        output_try(STDOUT_FILENO, text, sizeof text - 1);
}

static void on_end(int signum)
{
    give_terminal_back();
    _exit(EXIT_SIGNAL + signum);
}

static void on_suspend(int signum)
{
    int saved = errno;
    give_terminal_back();
    signal(signum, SIG_DFL);
    raise(signum);
    errno = saved;
}

static void handle(int signum, void (*handler)(int signum))
{
    struct sigaction before, action = {.sa_handler = handler, .sa_flags = SA_NODEFER};
    if (sigaction(signum, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(signum, &action, NULL);
}

static void on_resize(int signum)
{
    if (signum == SIGCONT)
        handle(SIGTSTP, on_suspend);
    resized = 1;
}

static void watch_signals(bool draws)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        handle(ends[i], on_end);
    drawing = draws;
    if (!draws)
        return;
    handle(SIGTSTP, on_suspend);
    handle(SIGCONT, on_resize);
    handle(SIGWINCH, on_resize);
}

/* ---- The agent ---- */

static void lose(struct watch *w)
{
    int64_t now = clock_now();
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    buf_fini(&w->stream);
    if (!w->lost) {
        w->lost = true;
        w->lost_since = now;
        w->lost_at = clock_wall();
        w->pause = FIRST_PAUSE;
        if (!w->draws)
            fprintf(stderr, "probe: %s; trying again\n", w->why.text);
    }
    w->retry_at = time_add(now, w->pause);
    w->pause = w->pause * 2 < LONGEST_PAUSE ? w->pause * 2 : LONGEST_PAUSE;
}

static void found(struct watch *w)
{
    char span[VIEW_SPAN_SIZE];
    if (w->lost && !w->draws)
        fprintf(stderr, "probe: the agent answers again, after %s\n",
                view_span(clock_now() - w->lost_since, span));
    w->lost = false;
}

/* When the document changes next without an event, since a check ends. */
static int64_t next_due(const json_t *document, int64_t now)
{
    const json_t *probes = json_object_get(document, "probes");
    int64_t soonest = TIME_NEVER;
    for (size_t i = 0; i < json_array_size(probes); i++) {
        struct view v;
        view_read(&v, json_array_get(probes, i));
        if (v.next_in >= 0 && v.next_in < soonest)
            soonest = v.next_in;
    }
    return soonest == TIME_NEVER ? TIME_NEVER
                                 : time_add(now, soonest > TICK ? soonest + TICK / 10 : TICK);
}

/* 0; -1 when no agent answers; else the exit code. */
static int fetch(struct watch *w)
{
    json_t *document =
        status_fetch(w->cli, w->cli->agent, "/status?history=no", DEFAULT_TIMEOUT, &w->why);
    if (!document)
        return -1;
    int rc = w->document ? 0 : status_check_names(w->cli, document);
    json_decref(w->document);
    w->document = document;
    w->fetched = clock_now();
    w->due = next_due(document, w->fetched);
    return rc;
}

static int follow(struct watch *w)
{
    int64_t budget = w->cli->timeout_ns ? w->cli->timeout_ns : DEFAULT_TIMEOUT;
    w->fd = agent_follow(w->cli->agent, w->cli->token_file, "/events",
                         time_add(clock_now(), budget), &w->stream, &w->why);
    w->heard = clock_now();
    w->stream.cap = EVENTS_MAX;
    return w->fd < 0 ? -1 : 0;
}

/* ---- Off a terminal: a line a change ---- */

static bool is_watched(const struct cli *cli, const char *name)
{
    for (size_t i = 0; i < cli->n_targets; i++)
        if (strcmp(cli->targets[i], name) == 0)
            return true;
    return cli->n_targets == 0;
}

static void add_escaped(struct buf *out, const char *text, const char *after)
{
    text_escape(out, text);
    buf_puts(out, after);
}

/* Of a name that is not remembered each event is told. */
static void remember(json_t *known, const char *name, const char *to)
{
    bool room = json_object_get(known, name) || json_object_size(known) < KNOWN_MAX;
    if (room && strlen(name) + strlen(to) <= KNOWN_TEXT_MAX)
        json_object_set_new(known, name, json_string(to));
    else
        json_object_del(known, name);
}

static void print_change(struct watch *w, const json_t *event)
{
    const char *name = view_text(event, "name"), *warning = view_text(event, "warning");
    const char *to = *warning ? "warn" : view_text(event, "to"); /* only a healthy one has it */
    const char *from = view_text(event, "from"), *reason = view_text(event, "reason");
    const char *before = json_string_value(json_object_get(w->known, name));
    if (!is_watched(w->cli, name) || (before && strcmp(before, to) == 0))
        return;
    struct buf line;
    buf_init(&line, FRAME_MAX);
    if (w->cli->json) {
        char *text = json_dumps(event, JSON_COMPACT);
        jsonw_add(&line, text ? text : "{}");
        free(text);
    } else {
        add_escaped(&line, view_text(event, "at"), "  ");
        add_escaped(&line, name, "  ");
        from = before ? before : from;
        add_escaped(&line, from, *from ? " -> " : "");
        add_escaped(&line, to, "  ");
        add_escaped(&line, reason, *reason ? ": " : "");
        add_escaped(&line, warning, *warning ? "; " : "");
        add_escaped(&line, view_text(event, "detail"), "");
        while (line.len && line.data[line.len - 1] == ' ') /* a blocked probe has no reason */
            line.data[--line.len] = '\0';
    }
    remember(w->known, name, to);
    if (!line.failed)
        puts(line.data);
    fflush(stdout);
    buf_fini(&line);
}

/* ---- The stream: blocks of lines, each ended by an empty one (HTML Living Standard, 9.2.6) ----
 */

static void on_block(struct watch *w, const char *block, size_t n)
{
    static const char data[] = "\ndata: ";
    const char *at = memmem(block, n, data, sizeof data - 1);
    if (!at || n < 7 || memcmp(block, "event: ", 7) != 0)
        return;
    w->due = time_add(w->fetched, BURST);
    if (w->draws)
        return;
    at += sizeof data - 1;
    json_t *event = view_document(at, n - (size_t)(at - block));
    if (json_is_string(json_object_get(event, "to")))
        print_change(w, event);
    json_decref(event);
}

static void take_blocks(struct watch *w)
{
    size_t at = 0;
    while (at < w->stream.len) {
        const char *from = w->stream.data + at;
        const char *end = memmem(from, w->stream.len - at, "\n\n", 2);
        if (!end)
            break;
        on_block(w, from, (size_t)(end - from));
        at += (size_t)(end - from) + 2;
    }
    buf_consume(&w->stream, at);
}

static void read_stream(struct watch *w)
{
    char chunk[16 * 1024];
    ssize_t n = recv(w->fd, chunk, sizeof chunk, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 && buf_add(&w->stream, chunk, (size_t)n) == 0) {
        w->heard = clock_now();
        take_blocks(w);
        return;
    }
    if (n == 0)
        err_set(&w->why, "no agent answers at %s: it closed the connection", w->cli->agent);
    else if (n > 0)
        err_set(&w->why, "%s sends no event stream", w->cli->agent);
    else
        err_errno(&w->why, errno, "no agent answers at %s", w->cli->agent);
    lose(w);
}

/* ---- On a terminal ---- */

static void add_loss(const struct watch *w, struct buf *foot)
{
    char stamp[CLOCK_RFC3339_SIZE], span[VIEW_SPAN_SIZE];
    clock_rfc3339(w->lost_at, stamp);
    struct buf raw, line;
    buf_init(&raw, FRAME_MAX);
    buf_init(&line, FRAME_MAX);
    buf_printf(&raw, "%s; trying again since %s, for %s", w->why.text, stamp,
               view_span(clock_now() - w->lost_since, span));
    if (!raw.failed)
        text_escape(&line, raw.data);
    if (!line.failed)
        text_wrap(foot, line.data, w->screen.term.columns, 0);
    buf_fini(&raw);
    buf_fini(&line);
}

static void draw(struct watch *w)
{
    struct grid grid;
    struct buf foot, out;
    if (term_in_background(STDOUT_FILENO))
        return;
    grid_init(&grid, view_columns, VIEW_COLUMNS);
    buf_init(&foot, FRAME_MAX);
    buf_init(&out, FRAME_MAX);
    int *badness = status_rows(&grid, w->cli, w->document, w->lost ? -1 : clock_now() - w->fetched);
    if (w->lost)
        add_loss(w, &foot);
    else
        status_summary(&foot, w->cli, w->document, &w->screen.term);
    if (badness && !foot.failed)
        frame(&out, &grid, badness, true, &foot, &w->screen.term);
    if (!out.failed && out.len)
        screen_draw(&w->screen, &out);
    free(badness);
    grid_fini(&grid);
    buf_fini(&foot);
    buf_fini(&out);
}

/* ---- The loop ---- */

/* Brings the connection and the document up to date. 0, or the exit code. */
static int catch_up(struct watch *w)
{
    int rc = 0;
    int64_t now = clock_now();
    if (w->fd >= 0 && now - w->heard > SILENCE) {
        err_set(&w->why, "no agent answers at %s: nothing came for 40 s", w->cli->agent);
        lose(w);
    }
    if (w->fd < 0 && now >= w->retry_at) {
        /* The document first: it says whether the names are known. */
        rc = fetch(w);
        if (rc == 0)
            rc = follow(w);
        if (rc == 0) {
            found(w);
            take_blocks(w);
        }
    } else if (w->fd >= 0 && w->draws && now >= w->due) {
        rc = fetch(w);
    }
    if (rc < 0)
        lose(w);
    return rc > 0 ? rc : 0;
}

/* Waits for the stream, the reader's end, or the next thing to do. False: the reader is gone. */
static bool wait_for_more(struct watch *w, int64_t drawn)
{
    int64_t now = clock_now(), until = w->fd < 0 ? w->retry_at : w->heard + SILENCE;
    if (w->draws && drawn + TICK < until)
        until = drawn + TICK;
    if (w->draws && w->fd >= 0 && w->due < until)
        until = w->due;
    struct pollfd fds[] = {{.fd = STDOUT_FILENO}, {.fd = w->fd, .events = POLLIN}};
    int64_t ms = until > now ? (until - now) / NS_PER_MS + 1 : 0;
    if (poll(fds, 2, (int)ms) < 0)
        return true;
    if (fds[1].revents)
        read_stream(w);
    return !(fds[0].revents & (POLLERR | POLLHUP | POLLNVAL));
}

static int loop(struct watch *w)
{
    for (;;) {
        int rc = catch_up(w);
        if (rc)
            return rc;
        if (resized) {
            resized = 0;
            screen_resized(&w->screen);
        }
        if (w->draws)
            draw(w);
        if (w->screen.failed || ferror(stdout) || !wait_for_more(w, clock_now()))
            return EXIT_SIGNAL + SIGPIPE;
    }
}

int cmd_watch(const struct cli *cli)
{
    struct watch w = {.cli = cli, .fd = -1, .pause = FIRST_PAUSE};
    if (agent_check_address(cli->agent, &w.why) < 0) {
        fprintf(stderr, "probe: %s\n", w.why.text);
        return EXIT_NO_AGENT;
    }
    w.known = json_object();
    screen_open(&w.screen, STDOUT_FILENO);
    w.draws = w.screen.term.moves && !cli->json && !term_in_background(STDOUT_FILENO) &&
              !signals_found_ignored(SIGINT); /* a script's `probe status --watch &` */
    watch_signals(w.draws);
    int rc = loop(&w);
    screen_close(&w.screen);
    if (w.fd >= 0)
        close(w.fd);
    buf_fini(&w.stream);
    json_decref(w.document);
    json_decref(w.known);
    return rc;
}
