/* Any bytes as a name server's reply: what the lookup makes of it is addresses or words, and it can
 * be ended in any state. The first byte says whether the question is repeated before the bytes, as
 * a real server does, or they come raw; the id is always right. SRV and TXT are read from the same
 * bytes, without a server. */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/dns_reply.h"
#include "net/resolve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TURNS        8 /* of the loop, for one input */
#define HEADER_BYTES 12
#define PACKET_MAX   4096

static uv_loop_t loop;
static int server = -1;
static bool closed;

static void open_once(void)
{
    if (server >= 0)
        return;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server < 0 || bind(server, (struct sockaddr *)&address, len) < 0 ||
        getsockname(server, (struct sockaddr *)&address, &len) < 0 || uv_loop_init(&loop) < 0)
        abort();
    char servers[32];
    snprintf(servers, sizeof servers, "127.0.0.1:%d", ntohs(address.sin_port));
    setenv("PROBE_DNS_SERVERS", servers, 1);
}

static void on_answer(void *owner, const struct resolve_answer *a)
{
    (void)owner;
    if (a->n > RESOLVE_MAX || (a->n == 0 && !a->words))
        abort();
}

static void on_closed(void *owner)
{
    (void)owner;
    closed = true;
}

/* Header and question of the query, the flags and counts from the input, and the input's rest. */
static size_t make_reply(uint8_t *out, const uint8_t *query, size_t query_len, const uint8_t *data,
                         size_t size)
{
    size_t head = (data[0] & 1) && query_len > HEADER_BYTES && query_len < 600 ? query_len : 2;
    memcpy(out, query, head);
    data++;
    size--;
    if (head > 2 && size >= 6) {
        memcpy(out + 2, data, 2);     /* flags */
        memcpy(out + 6, data + 2, 4); /* answers, authorities; one question stays */
        data += 6;
        size -= 6;
    }
    if (size > PACKET_MAX - head)
        size = PACKET_MAX - head;
    memcpy(out + head, data, size);
    return head + size;
}

static void answer_queries(const uint8_t *data, size_t size)
{
    uint8_t query[600], reply[PACKET_MAX];
    struct sockaddr_in peer;
    socklen_t peer_len = sizeof peer;
    ssize_t n;
    while ((n = recvfrom(server, query, sizeof query, 0, (struct sockaddr *)&peer, &peer_len)) > 2)
        sendto(server, reply, make_reply(reply, query, (size_t)n, data, size), 0,
               (struct sockaddr *)&peer, peer_len);
}

static void read_records(const uint8_t *data, size_t size)
{
    struct dns_srv srv[2];
    char text[64];
    size_t n;
    uint32_t ttl = UINT32_MAX;
    if (dns_reply_srv(data, size, srv, 2, &n, &ttl) == DNS_REPLY_FOUND &&
        (n == 0 || !srv[0].target[0] || strlen(srv[0].target) >= DNS_NAME_SIZE))
        abort();
    if (dns_reply_txt(data, size, text, sizeof text, &n, &ttl) == DNS_REPLY_FOUND &&
        (n == 0 || strlen(text) >= sizeof text))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_records(data, size);
    if (size < 2)
        return 0;
    open_once();
    struct err e;
    struct resolve *r = resolve_start(&loop, "name.test", 0, on_answer, NULL, &e);
    if (!r)
        abort();
    for (int turn = 0; turn < TURNS; turn++) {
        answer_queries(data, size);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    closed = false;
    resolve_close(r, on_closed);
    while (!closed)
        uv_run(&loop, UV_RUN_ONCE);
    return 0;
}
