/* server: see server.h. One thread, poll, at most a few connections; every descriptor is closed at
 * its stop. */
#include "server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 16
#define BYTES       8192

struct connection {
    int fd; /* -1: free */
    unsigned char in[BYTES], out[BYTES];
    size_t n_in, n_out, sent;
    bool answered;
};

static void hang_up(struct connection *c, bool reset)
{
    const struct linger at_once = {.l_onoff = reset};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(c->fd);
    c->fd = -1;
}

static void make_noise(struct connection *c)
{
    unsigned seed = 42;
    for (c->n_out = 0; c->n_out < 600; c->n_out++)
        c->out[c->n_out] = (unsigned char)(128 + rand_r(&seed) % 128);
}

static void answer(struct server *s, struct connection *c)
{
    switch (s->manner) {
    case MANNER_SERVE:
    case MANNER_DRIP:
        c->n_out = s->type->serve(c->in, c->n_in, c->out, sizeof c->out);
        c->sent = 0;
        c->answered = c->n_out > 0 && (c->n_in > 0 || !s->type->greets);
        break;
    case MANNER_GARBAGE:
        make_noise(c);
        c->answered = true;
        break;
    case MANNER_RESET:
        hang_up(c, true);
        break;
    case MANNER_CLOSE:
        hang_up(c, false);
        break;
    case MANNER_SILENT:
    case MANNER_REFUSED:
        break;
    }
}

static void take(struct server *s, struct connection *c)
{
    ssize_t n = recv(c->fd, c->in + c->n_in, sizeof c->in - c->n_in, MSG_DONTWAIT);
    if (n <= 0) {
        hang_up(c, false);
        return;
    }
    c->n_in += (size_t)n;
    if (!c->answered)
        answer(s, c);
}

static void give(struct server *s, struct connection *c)
{
    size_t left = c->n_out - c->sent;
    size_t piece = s->manner == MANNER_DRIP ? 1 : left;
    ssize_t n = send(c->fd, c->out + c->sent, piece, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0)
        c->sent += (size_t)n;
    if (n < 0 || (c->sent == c->n_out && s->manner == MANNER_GARBAGE))
        hang_up(c, false);
}

static void accept_one(struct server *s, struct connection *all)
{
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
    for (size_t i = 0; fd >= 0 && i < CONNECTIONS; i++)
        if (all[i].fd < 0) {
            all[i] = (struct connection){.fd = fd};
            if (s->type->greets)
                answer(s, &all[i]);
            return;
        }
    if (fd >= 0)
        close(fd);
}

static void *serve_all(void *arg)
{
    struct server *s = arg;
    struct connection *all = calloc(CONNECTIONS, sizeof *all);
    struct pollfd polls[CONNECTIONS + 2];
    for (size_t i = 0; i < CONNECTIONS; i++)
        all[i].fd = -1;
    for (;;) {
        polls[0] = (struct pollfd){.fd = s->wake[0], .events = POLLIN};
        polls[1] = (struct pollfd){.fd = s->listener, .events = POLLIN};
        for (size_t i = 0; i < CONNECTIONS; i++)
            polls[i + 2] = (struct pollfd){
                .fd = all[i].fd,
                .events = (short)(POLLIN | (all[i].sent < all[i].n_out ? POLLOUT : 0))};
        poll(polls, CONNECTIONS + 2, -1);
        if (polls[0].revents)
            break;
        if (polls[1].revents)
            accept_one(s, all);
        for (size_t i = 0; i < CONNECTIONS; i++) {
            if (polls[i + 2].fd >= 0 && polls[i + 2].revents & (POLLIN | POLLERR | POLLHUP))
                take(s, &all[i]);
            if (all[i].fd >= 0 && all[i].fd == polls[i + 2].fd && polls[i + 2].revents & POLLOUT)
                give(s, &all[i]);
        }
    }
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (all[i].fd >= 0)
            close(all[i].fd);
    free(all);
    return NULL;
}

void server_start(struct server *s, const struct conformance_type *type, enum manner manner)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof a;
    *s = (struct server){.type = type, .manner = manner};
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof a), 0);
    getsockname(s->listener, (struct sockaddr *)&a, &len);
    s->port = ntohs(a.sin_port);
    if (manner == MANNER_REFUSED)
        return; /* bound, so that nobody else gets the port; not listening */
    assert_int_equal(listen(s->listener, 64), 0);
    assert_int_equal(pipe(s->wake), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, serve_all, s), 0);
}

void server_stop(struct server *s)
{
    if (s->manner != MANNER_REFUSED) {
        assert_int_equal(write(s->wake[1], "x", 1), 1);
        pthread_join(s->thread, NULL);
        close(s->wake[0]);
        close(s->wake[1]);
    }
    close(s->listener);
}
