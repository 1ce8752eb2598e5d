/* mongo_guard: tells the temporary server of an image's init phase from the real one.
 *
 * When a root user or scripts are given and the data folder is empty, an image's entrypoint first
 * runs a mongod of its own on loopback, without --auth; when the scripts are through, that is shut
 * down and the real one starts. Its command line:
 *   docker-library/mongo   --bind_ip 127.0.0.1 --port 27017 --tlsMode disabled --logpath
 *                          /proc/1/fd/1 (or DATA/docker-initdb.log) --logappend --pidfilepath
 *                          ${TMPDIR:-/tmp}/docker-entrypoint-temp-mongod.pid --fork
 *   mongodb/mongodb-*-server   the same without --pidfilepath
 *   bitnami/mongodb        --fork --config=/opt/bitnami/mongodb/conf/mongodb.conf
 * So only a target on loopback or a Unix socket with that port can be it, and two signs are used,
 * in this order:
 *   1. a mongod with such a command line is seen in /proc, on a Unix socket the one that listens
 *      there: for who shares the container's processes (Docker's own HEALTHCHECK) or sees all (an
 *      agent on the host);
 *   2. the server's answer to getCmdLineOpts has it: for who shares its network only (a sidecar, a
 *      pod), and wherever /proc cannot tell. The temporary server answers it without a login; the
 *      real one perhaps not, and then it is not the temporary one.
 * The second alone would do, but a server with logins logs each refused command: it is asked only
 * when the first cannot tell. The pid file itself is no sign: a container killed in its init phase
 * keeps it, and its number may be another's by then. Nor is a missing login or set name: the first
 * is how many real servers run, the second is what set_name is for. */
#ifndef PROBE_MONGO_MONGO_GUARD_H
#define PROBE_MONGO_MONGO_GUARD_H

#include <bson/bson.h>
#include <stdbool.h>

enum mongo_guard {
    MONGO_GUARD_CLEAR, /* the mongod is seen, and is not temporary */
    MONGO_GUARD_INIT,
    MONGO_GUARD_ASK, /* nothing is seen, or not clearly: ask the server */
};

#define MONGO_GUARD_WORDS                                                                          \
    "%s is the temporary server of the image's init phase (its command line tells)"

/* Does this "host:port" lead to loopback? Also 0.0.0.0 and [::] do, and 127.0.0.1 as an IPv6
 * address.
 */
bool mongo_guard_is_loopback(const char *address);

/* Can the server at `address` ("127.0.0.1:27017", "unix:///path", "localhost:27017") be it? */
bool mongo_guard_applies(const char *address);

/* The first sign. `listener`: who listens at a Unix socket; 0: not seen. Else it reads the files of
 * every process. It blocks where such a process is stuck. `proc_root` is "/proc" but in tests. */
enum mongo_guard mongo_guard_look(const char *proc_root, const char *address, int listener);

/* The second: the server's reply to getCmdLineOpts. */
bool mongo_guard_is_init(const bson_t *reply);

#endif
