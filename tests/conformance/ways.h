/* ways: a check of each type in each way that it can go (plain, TLS, HTTP/2, redirect, unix socket,
 * by name, login, driver: ways.py), cut short at every turn of the loop. */
#ifndef PROBE_TESTS_CONFORMANCE_WAYS_H
#define PROBE_TESTS_CONFORMANCE_WAYS_H

void ways_run(const char *type);

#endif
