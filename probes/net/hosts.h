/* hosts: /etc/hosts, read once and again when it has changed. A name means all its addresses on all
 * its lines, as getaddrinfo has them. */
#ifndef PROBE_NET_HOSTS_H
#define PROBE_NET_HOSTS_H

#include <netinet/in.h>
#include <stddef.h>

#include "base/err.h"

#define HOSTS_FILE_MAX ((size_t)64 * 1024 * 1024)

/* The addresses of `name` (a dot at its end is fine) in the order of the file, at most `max`, of
 * both families and with port 0. Returns how many there are, which may be more than `max`; -1: the
 * file cannot be read, which is no answer. A file that is missing holds no name. */
int hosts_find(const char *name, struct sockaddr_in6 *out, size_t max, struct err *e);

/* The same in a file of another path, for tests. */
int hosts_find_in(const char *path, const char *name, struct sockaddr_in6 *out, size_t max,
                  struct err *e);

#endif
