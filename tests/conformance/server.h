/* server: the scripted server of the conformance suite, a thread on a free loopback port. */
#ifndef PROBE_TESTS_CONFORMANCE_SERVER_H
#define PROBE_TESTS_CONFORMANCE_SERVER_H

#include "conformance.h"

struct server {
    int listener, wake[2];
    uint16_t port;
    enum manner manner;
    const struct conformance_type *type;
    pthread_t thread;
};

void server_start(struct server *s, const struct conformance_type *type, enum manner manner);
void server_stop(struct server *s);

#endif
