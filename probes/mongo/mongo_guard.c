/* mongo_guard: see mongo_guard.h. */
#include "mongo/mongo_guard.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

#define PIDFILE     "docker-entrypoint-temp-mongod.pid"
#define LOGFILE     "docker-initdb.log"
#define BITNAMI     "/opt/bitnami/"
#define PORT        ":27017" /* the entrypoint sets it, whatever the real server's is */
#define SOCKET_NAME "/mongodb-27017.sock"
#define CMDLINE_MAX 4096
#define PATH_SIZE   512
#define LOOK_MAX    4096 /* processes; on a busier machine the server is asked */

static bool ends_in(const char *text, size_t len, const char *end)
{
    size_t n = strlen(end);
    return len >= n && memcmp(text + len - n, end, n) == 0;
}

bool mongo_guard_is_loopback(const char *address)
{
    static const char *const begins[] = {"127.", "0.0.0.0:",     "localhost:",      "[::1]",
                                         "[::]", "[::ffff:127.", "[::ffff:0.0.0.0]"};
    for (size_t i = 0; i < ARRAY_LEN(begins); i++)
        if (str_starts(address, begins[i]))
            return true;
    return false;
}

/* Its port is fixed, and its socket is named after that. */
bool mongo_guard_applies(const char *address)
{
    if (mongo_guard_is_loopback(address))
        return ends_in(address, strlen(address), PORT);
    return (str_starts(address, "unix:") || address[0] == '/') &&
           ends_in(address, strlen(address), SOCKET_NAME);
}

/* Reads a small file of a process; -1: gone or not ours to read. */
static ssize_t read_proc(const char *proc_root, const char *pid, const char *name, char *out,
                         size_t size)
{
    char path[PATH_SIZE];
    if (snprintf(path, sizeof path, "%s/%s/%s", proc_root, pid, name) >= (int)sizeof path)
        return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, out, size - 1);
    close(fd);
    if (n >= 0)
        out[n] = '\0';
    return n;
}

/* ---- The signs in a command line ---- */

/* What was seen of the arguments so far. */
struct signs {
    const char *option; /* the last argument, when its value is the next one */
    size_t option_len;
    bool forks, loopback_only, tls_off;
    bool pidfile, log, config; /* as one of the images names it */
};

static bool is_option(const char *arg, size_t len, const char *name)
{
    return strlen(name) == len && memcmp(arg, name, len) == 0;
}

static void take_value(struct signs *s, const char *value)
{
    size_t len = strlen(value), of = s->option_len;
    if (is_option(s->option, of, "--pidfilepath"))
        s->pidfile = ends_in(value, len, PIDFILE);
    else if (is_option(s->option, of, "--logpath"))
        s->log = (str_starts(value, "/proc/") && ends_in(value, len, "/fd/1")) ||
                 ends_in(value, len, LOGFILE);
    else if (is_option(s->option, of, "--config") || is_option(s->option, of, "-f"))
        s->config = str_starts(value, BITNAMI);
    else if (is_option(s->option, of, "--bind_ip"))
        s->loopback_only = strcmp(value, "127.0.0.1") == 0 || strcmp(value, "localhost") == 0;
    else if (is_option(s->option, of, "--tlsMode") || is_option(s->option, of, "--sslMode"))
        s->tls_off = strcmp(value, "disabled") == 0;
}

static void take_argument(struct signs *s, const char *arg)
{
    const char *equals = arg[0] == '-' ? strchr(arg, '=') : NULL;
    if (s->option)
        take_value(s, arg);
    s->option = arg[0] == '-' ? arg : NULL;
    s->option_len = equals ? (size_t)(equals - arg) : strlen(arg);
    s->forks |= is_option(arg, s->option_len, "--fork");
    if (!equals)
        return;
    take_value(s, equals + 1);
    s->option = NULL;
}

/* The real server of an image never forks: the container would end with its first process. */
static bool are_temporary(const struct signs *s)
{
    return s->pidfile || (s->forks && (s->log || s->config || (s->loopback_only && s->tls_off)));
}

/* The arguments end in NUL each. */
static bool is_temporary(const char *cmdline, size_t len)
{
    struct signs s = {0};
    for (const char *arg = cmdline, *end = cmdline + len; arg < end; arg += strlen(arg) + 1)
        take_argument(&s, arg);
    return are_temporary(&s);
}

/* Is the process in our network? 1, 0, or -1 where that cannot be seen. */
static int shares_network(const char *proc_root, const char *pid)
{
    char path[PATH_SIZE], ours[64], theirs[64];
    ssize_t a = readlink("/proc/self/ns/net", ours, sizeof ours);
    snprintf(path, sizeof path, "%s/%s/ns/net", proc_root, pid);
    ssize_t b = readlink(path, theirs, sizeof theirs);
    if (a <= 0 || b <= 0)
        return -1;
    return a == b && memcmp(ours, theirs, (size_t)a) == 0;
}

struct look {
    bool mongod;  /* one is seen that may be in our network */
    bool unclear; /* what it is, or whether it is in our network, cannot be seen */
    bool init;
};

static void look_at(struct look *l, const char *proc_root, const char *pid, bool listens)
{
    char text[CMDLINE_MAX];
    if (read_proc(proc_root, pid, "comm", text, sizeof text) <= 0 || strcmp(text, "mongod\n") != 0)
        return;
    int shared = listens ? 1 : shares_network(proc_root, pid);
    if (shared == 0) /* that one does not answer at our loopback address */
        return;
    l->mongod = true;
    ssize_t n = read_proc(proc_root, pid, "cmdline", text, sizeof text);
    if (n <= 0 || n == sizeof text - 1) {
        l->unclear = true;
    } else if (is_temporary(text, (size_t)n)) {
        l->init |= shared == 1;
        l->unclear |= shared < 0;
    }
}

static void look_at_all(struct look *l, const char *proc_root)
{
    DIR *dir = opendir(proc_root);
    size_t n = 0;
    for (struct dirent *entry; dir && !l->init && n < LOOK_MAX && (entry = readdir(dir));)
        if (isdigit((unsigned char)entry->d_name[0])) {
            look_at(l, proc_root, entry->d_name, false);
            n++;
        }
    if (dir)
        closedir(dir);
    l->unclear |= n == LOOK_MAX;
}

enum mongo_guard mongo_guard_look(const char *proc_root, const char *address, int listener)
{
    struct look l = {false, false, false};
    char pid[16];
    if (!mongo_guard_applies(address))
        return MONGO_GUARD_CLEAR;
    snprintf(pid, sizeof pid, "%d", listener);
    if (mongo_guard_is_loopback(address))
        look_at_all(&l, proc_root);
    else if (listener > 0)
        look_at(&l, proc_root, pid, true);
    if (l.init)
        return MONGO_GUARD_INIT;
    return l.mongod && !l.unclear ? MONGO_GUARD_CLEAR : MONGO_GUARD_ASK;
}

/* argv as it was given; `parsed` is the same, but for what a file says. */
bool mongo_guard_is_init(const bson_t *reply)
{
    struct signs s = {0};
    bson_iter_t it, arg;
    if (!bson_iter_init_find(&it, reply, "argv") || !BSON_ITER_HOLDS_ARRAY(&it) ||
        !bson_iter_recurse(&it, &arg))
        return false;
    while (bson_iter_next(&arg))
        if (BSON_ITER_HOLDS_UTF8(&arg))
            take_argument(&s, bson_iter_utf8(&arg, NULL));
    return are_temporary(&s);
}
