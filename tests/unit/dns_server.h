/* dns_server: a DNS server in a thread, which answers by the name asked: its first label says what
 * it is to do. The program finds it by PROBE_DNS_SERVERS. */
#ifndef TEST_DNS_SERVER_H
#define TEST_DNS_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct dns {
    int fd;
    uint16_t port;
    pthread_t thread;
    char asked[4096]; /* "A name\n", ...; read after dns_stop */
};

struct dns_rule {
    const char *label;
    int rcode;
    const char *v4, *v6; /* addresses; NULL: no record; "": no answer at all */
    unsigned late4_ms;
    unsigned copies; /* of the record; 0: one */
};

static const struct dns_rule rules[] = {
    {"nx", 3},
    {"servfail", 2},
    {"refused", 5},
    {"silent", 0, "", ""},
    {"v4", 0, "127.0.0.1"},
    {"v6", 0, NULL, "::1"},
    {"both", 0, "127.0.0.1", "::1"},
    {"half6", 0, "127.0.0.1", ""},
    {"half4", 0, "", "::1"},
    {"late4", 0, "127.0.0.1", "::1", 300},
    {"nowhere", 0, "0.0.0.0", "::"},
    {"many", 0, "127.0.0.1", NULL, 0, 20},
    {NULL, 3},
};

/* The question as "A a.test" and the rule for its first label; returns where the question ends. */
static size_t dns_question(const unsigned char *msg, char *asked, size_t size,
                           const struct dns_rule **rule)
{
    char name[256] = "";
    size_t q = 12;
    while (msg[q]) {
        if (name[0])
            strcat(name, ".");
        strncat(name, (const char *)msg + q + 1, msg[q]);
        q += (size_t)msg[q] + 1;
    }
    q += 5;
    *rule = rules;
    size_t label = strcspn(name, ".");
    while ((*rule)->label &&
           (strlen((*rule)->label) != label || memcmp((*rule)->label, name, label) != 0))
        (*rule)++;
    /* "split" is IPv4 only in one.test; in two.test another host has it on IPv6. */
    static const struct dns_rule split4 = {"split", 0, "127.0.0.1"},
                                 split6 = {"split", 0, NULL, "::1"};
    if (strcmp(name, "split.one.test") == 0)
        *rule = &split4;
    else if (strcmp(name, "split.two.test") == 0)
        *rule = &split6;
    else if (strcmp(name, "second.two.test") == 0)
        *rule = &split4;
    snprintf(asked, size, "%s %s\n", msg[q - 3] == 1 ? "A" : "AAAA", name);
    return q;
}

/* Makes the question the answer; returns its length, 0 for none. */
static size_t dns_reply(unsigned char *msg, size_t n, const struct dns_rule *rule)
{
    bool is_v4 = msg[n - 3] == 1;
    const char *text = is_v4 ? rule->v4 : rule->v6;
    size_t size = is_v4 ? 4 : 16, copies = rule->copies ? rule->copies : 1;
    msg[2] = 0x81;
    msg[3] = (unsigned char)(0x80 | rule->rcode);
    memset(msg + 6, 0, 6);
    if (text && !*text)
        return 0;
    for (size_t i = 0; text && i < copies; i++) {
        memcpy(msg + n, "\xc0\x0c\0\0\0\1\0\0\0\1\0\0", 12);
        msg[n + 3] = is_v4 ? 1 : 28;
        msg[n + 11] = (unsigned char)size;
        inet_pton(is_v4 ? AF_INET : AF_INET6, text, msg + n + 12);
        n += 12 + size;
        msg[7]++;
    }
    if (is_v4 && rule->late4_ms)
        usleep(rule->late4_ms * 1000); /* a server that is slow, not a test that waits */
    return n;
}

static void *dns_main(void *arg)
{
    struct dns *s = arg;
    unsigned char msg[1024];
    for (;;) {
        struct sockaddr_in from;
        socklen_t len = sizeof from;
        ssize_t n = recvfrom(s->fd, msg, 512, 0, (struct sockaddr *)&from, &len);
        if (n < 17)
            return NULL; /* the end is asked for by a short datagram */
        const struct dns_rule *rule;
        size_t used = strlen(s->asked);
        size_t m = dns_question(msg, s->asked + used, sizeof s->asked - used, &rule);
        m = dns_reply(msg, m, rule);
        if (m)
            sendto(s->fd, msg, m, 0, (struct sockaddr *)&from, len);
    }
}

static void dns_start(struct dns *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof a;
    s->asked[0] = '\0';
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
    getsockname(s->fd, (struct sockaddr *)&a, &len);
    s->port = ntohs(a.sin_port);
    char servers[64];
    snprintf(servers, sizeof servers, "127.0.0.1:%u", s->port);
    setenv("PROBE_DNS_SERVERS", servers, 1);
    assert_int_equal(pthread_create(&s->thread, NULL, dns_main, s), 0);
}

static void dns_stop(struct dns *s)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(s->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    sendto(s->fd, "x", 1, 0, (struct sockaddr *)&a, sizeof a);
    pthread_join(s->thread, NULL);
    close(s->fd);
    unsetenv("PROBE_DNS_SERVERS");
}

#endif
