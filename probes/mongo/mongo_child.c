/* mongo_child: see mongo_child.h. One client, one selection, hello, ping, then _exit: the driver's
 * own clean-up has been seen to hang. */
#include "mongo/mongo_child.h"

#include <errno.h>
#include <mongoc/mongoc.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "mongo/mongo_child_error.h"
#include "mongo/mongo_child_knock.h"
#include "mongo/mongo_guard.h"
#include "mongo/mongo_job.h"
#include "mongo/mongo_wire.h"
#include "net/resolve_search.h"
#include "tls/tls.h"

#define GRACE_S 5 /* by then the parent has killed us, or is gone */

#ifdef MONGOC_ENABLE_SHM_COUNTERS
/* A shared libmongoc makes this file as soon as it is loaded, for its counters, and removes it when
 * the process ends: not when that is killed or becomes another program, and then the next one with
 * the same pid complains of it on stderr. It has it mapped and needs the name no more. */
__attribute__((constructor)) static void drop_counters(void)
{
    char path[40];
    snprintf(path, sizeof path, "/dev/shm/mongoc-%d", (int)getpid());
    unlink(path);
}
#endif

/* A driver without logins of its own is never asked: validate refuses what would need it. Its code
 * is not linked in then. */
#if !defined(MONGOC_ENABLE_SASL) && !defined(MONGOC_ENABLE_MONGODB_AWS_AUTH)

int mongo_child_run(void)
{
    return 1;
}

#else

struct session {
    struct mongo_job job;
    struct mongo_answer answer;
    mongoc_uri_t *uri;
    mongoc_client_t *client;
    uint32_t server_id;
    char pem_path[64];
};

static int read_job(struct buf *in)
{
    char chunk[4096];
    ssize_t n;
    while ((n = read(STDIN_FILENO, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || buf_add(in, chunk, (size_t)n))
            return -1;
    }
    explicit_bzero(chunk, sizeof chunk);
    return 0;
}

static int write_answer(const struct mongo_answer *answer, const bson_t *hello)
{
    struct buf out;
    buf_init(&out, MONGO_JOB_MAX);
    int rc = mongo_answer_encode(&out, answer, hello);
    for (size_t done = 0; rc == 0 && done < out.len;) {
        ssize_t n = write(STDOUT_FILENO, out.data + done, out.len - done);
        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && errno != EINTR)
            rc = -1;
    }
    buf_fini(&out);
    return rc;
}

static int fail(struct session *s, enum reason reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(struct session *s, enum reason reason, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->answer.detail, sizeof s->answer.detail, fmt, ap);
    va_end(ap);
    str_printable(s->answer.detail, sizeof s->answer.detail - 1);
    s->answer.reason = reason;
    return -1;
}

/* At least 1: 0 would mean the driver's own default. */
static int32_t left_ms(const struct session *s)
{
    int64_t ms = (s->job.deadline - clock_now()) / NS_PER_MS;
    return ms < 1 ? 1 : ms < INT32_MAX ? (int32_t)ms : INT32_MAX;
}

static int fail_driver(struct session *s, const bson_error_t *error)
{
    const char *words = mongo_child_words(error->message);
    enum reason reason = mongo_child_reason(error->domain, error->code, words);
    if (reason == REASON_CLOSED && left_ms(s) == 1) /* its words are the same for both */
        reason = REASON_TIMEOUT;
    return s->answer.address[0] ? fail(s, reason, "%s: %s", s->answer.address, words)
                                : fail(s, reason, "%s", words);
}

static int append_file(int to, const char *path)
{
    char chunk[4096];
    FILE *from = fopen(path, "re");
    size_t n;
    if (!from)
        return -1;
    int rc = 0;
    while (rc == 0 && (n = fread(chunk, 1, sizeof chunk, from)) > 0)
        rc = write(to, chunk, n) == (ssize_t)n ? 0 : -1;
    rc = rc == 0 && !ferror(from) && write(to, "\n", 1) == 1 ? 0 : -1;
    fclose(from);
    explicit_bzero(chunk, sizeof chunk);
    return rc;
}

/* The driver reads the certificate and its key from one file: joined in memory, never on a disk. */
static int join_pem(struct session *s)
{
    int fd = memfd_create("pem", MFD_CLOEXEC);
    if (fd < 0 || append_file(fd, s->job.cert) || append_file(fd, s->job.key))
        return fail(s, REASON_INTERNAL, "cannot read tls_cert and tls_key: %s", strerror(errno));
    snprintf(s->pem_path, sizeof s->pem_path, "/proc/self/fd/%d", fd);
    return 0;
}

/* What the keys say is laid over the options of the string. */
static int set_tls(struct session *s)
{
    const char *pem = s->job.cert;
    if (pem && s->job.key) {
        if (join_pem(s))
            return -1;
        pem = s->pem_path;
    }
    mongoc_uri_set_option_as_bool(s->uri, MONGOC_URI_TLS, true);
    if (s->job.ca)
        mongoc_uri_set_option_as_utf8(s->uri, MONGOC_URI_TLSCAFILE, s->job.ca);
    if (pem)
        mongoc_uri_set_option_as_utf8(s->uri, MONGOC_URI_TLSCERTIFICATEKEYFILE, pem);
    if (!s->job.verify)
        mongoc_uri_set_option_as_bool(s->uri, MONGOC_URI_TLSINSECURE, true);
    return 0;
}

static int make_uri(struct session *s)
{
    bson_error_t error;
    s->uri = mongoc_uri_new_with_error(s->job.uri, &error);
    if (!s->uri) /* the driver's words may quote it, and with it the password */
        return fail(s, REASON_INTERNAL, "the driver does not take the connection string");
    int32_t ms = left_ms(s);
    mongoc_uri_set_option_as_int32(s->uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, ms);
    mongoc_uri_set_option_as_int32(s->uri, MONGOC_URI_CONNECTTIMEOUTMS, ms);
    mongoc_uri_set_option_as_int32(s->uri, MONGOC_URI_SOCKETTIMEOUTMS, ms);
    mongoc_uri_set_option_as_bool(s->uri, MONGOC_URI_SERVERSELECTIONTRYONCE, true);
    mongoc_uri_set_appname(s->uri, "probe");
    if (s->job.direct)
        mongoc_uri_set_option_as_bool(s->uri, MONGOC_URI_DIRECTCONNECTION, true);
    return s->job.tls ? set_tls(s) : 0;
}

/* The driver leaves names to the C library, which is told of $PROBE_DNS_SERVERS here; where it is
 * not glibc it cannot be. */
static int use_dns_servers(struct session *s)
{
    struct resolve_search search = {0};
    struct err e;
    int n = 0;
    if (!getenv("PROBE_DNS_SERVERS"))
        return 0;
    if (resolve_search_load(&search, &e))
        return fail(s, REASON_INTERNAL, "%s", e.text);
#ifdef __GLIBC__
    res_init();
    for (size_t i = 0; i < search.n_servers && n < MAXNS; i++)
        if (search.servers[i].sin6_family == AF_INET)
            memcpy(&_res.nsaddr_list[n++], &search.servers[i], sizeof _res.nsaddr_list[0]);
    _res.nscount = n;
#endif
    resolve_search_fini(&search);
    return n > 0 ? 0
                 : fail(s, REASON_INTERNAL,
                        "the driver cannot ask the servers of "
                        "PROBE_DNS_SERVERS: none has an IPv4 address");
}

static int make_client(struct session *s)
{
#if MONGOC_CHECK_VERSION(1, 22, 0)
    bson_error_t error;
    s->client = mongoc_client_new_from_uri_with_error(s->uri, &error);
    if (!s->client)
        return fail_driver(s, &error);
#else
    s->client = mongoc_client_new_from_uri(s->uri);
    if (!s->client)
        return fail(s, REASON_DNS, "the driver cannot make a client of the connection string");
#endif
    mongoc_client_set_error_api(s->client, MONGOC_ERROR_API_VERSION_2);
    return 0;
}

/* No server was reached, all are still unknown: is none there, or do they hang up? */
static int fail_unreached(struct session *s, const bson_error_t *error)
{
    static const char *const words[] = {[MONGO_KNOCK_REFUSED] = "connection refused",
                                        [MONGO_KNOCK_ACCEPTED] = "accepts and hangs up",
                                        [MONGO_KNOCK_UNKNOWN] = "cannot be reached"};
    const char *telling = mongo_child_words(error->message);
    enum reason reason = mongo_child_reason(error->domain, error->code, telling);
    const mongoc_host_list_t *host = mongoc_uri_get_hosts(mongoc_client_get_uri(s->client));
    if (!host || (reason != REASON_REFUSED && reason != REASON_CLOSED))
        return fail_driver(s, error);
    size_t of[ARRAY_LEN(words)] = {0};
    struct buf seen;
    buf_init(&seen, PROBE_DETAIL_MAX / 2);
    for (; host; host = host->next) {
        enum mongo_knock knock = mongo_child_knock(host, s->job.deadline);
        of[knock]++;
        buf_printf(&seen, "%s%s: %s", seen.len ? "; " : "", host->host_and_port, words[knock]);
    }
    s->answer.refused_all = of[MONGO_KNOCK_ACCEPTED] + of[MONGO_KNOCK_UNKNOWN] == 0;
    if (s->answer.refused_all)
        reason = REASON_REFUSED;
    else if (of[MONGO_KNOCK_ACCEPTED] > 0)
        reason = REASON_CLOSED;
    int rc = fail(s, reason, "connect to %s", seen.data ? seen.data : telling);
    buf_fini(&seen);
    return rc;
}

/* What the driver has seen says more than "no suitable server". */
static int fail_selection(struct session *s, const bson_error_t *error, bool for_writes)
{
    size_t n, members = 0, ghosts = 0;
    mongoc_server_description_t **all = mongoc_client_get_server_descriptions(s->client, &n);
    struct buf seen;
    buf_init(&seen, PROBE_DETAIL_MAX / 2);
    for (size_t i = 0; i < n; i++) {
        const char *type = mongoc_server_description_type(all[i]);
        bool ghost = strcmp(type, "RSGhost") == 0;
        bool member = !ghost && str_starts(type, "RS");
        ghosts += ghost;
        members += member;
        if (ghost || member)
            buf_printf(&seen, "%s%s is %s", seen.len ? ", " : "",
                       mongoc_server_description_host(all[i])->host_and_port, type);
    }
    const char *what = seen.len ? seen.data : "";
    int rc;
    if (members > 0 && for_writes)
        rc = fail(s, REASON_NO_PRIMARY, "the set has no primary: %s", what);
    else if (members > 0)
        rc = fail(s, REASON_MISMATCH, "no member of the wanted role: %s", what);
    else if (ghosts > 0)
        rc = fail(s, REASON_NOT_INITIATED, "the set is not initiated: %s", what);
    else if (error->domain == MONGOC_ERROR_SERVER_SELECTION && !strchr(error->message, '['))
        /* No server failed, yet none is left: the driver drops who belongs to another set. */
        rc = fail(s, REASON_MISMATCH, "none of the hosts belongs to the set %s",
                  mongoc_uri_get_replica_set(s->uri));
    else
        rc = fail_unreached(s, error);
    buf_fini(&seen);
    mongoc_server_descriptions_destroy_all(all, n);
    return rc;
}

static int select_server(struct session *s)
{
    bson_error_t error;
    bool for_writes =
        s->job.require == MONGO_REQUIRE_PRIMARY || s->job.require == MONGO_REQUIRE_WRITABLE;
    bool secondary = s->job.require == MONGO_REQUIRE_SECONDARY;
    mongoc_read_prefs_t *prefs =
        mongoc_read_prefs_new(secondary ? MONGOC_READ_SECONDARY : MONGOC_READ_NEAREST);
    /* A single member is judged by its hello, whatever it is. */
    for_writes = for_writes && !s->job.direct;
    mongoc_server_description_t *server = mongoc_client_select_server(
        s->client, for_writes, for_writes || s->job.direct ? NULL : prefs, &error);
    mongoc_read_prefs_destroy(prefs);
    if (!server)
        return fail_selection(s, &error, for_writes);
    s->server_id = mongoc_server_description_id(server);
    snprintf(s->answer.address, sizeof s->answer.address, "%s",
             mongoc_server_description_host(server)->host_and_port);
    mongoc_server_description_destroy(server);
    return 0;
}

/* Where the string says where reads go, a member has to be there for them too. */
static int select_reader(struct session *s)
{
    bson_error_t error;
    if (s->job.direct || !mongoc_uri_has_option(s->uri, MONGOC_URI_READPREFERENCE))
        return 0;
    const mongoc_read_prefs_t *prefs = mongoc_uri_get_read_prefs_t(s->uri);
    bool primary = mongoc_read_prefs_get_mode(prefs) == MONGOC_READ_PRIMARY;
    mongoc_server_description_t *server =
        mongoc_client_select_server(s->client, primary, primary ? NULL : prefs, &error);
    if (!server)
        return fail_selection(s, &error, primary);
    mongoc_server_description_destroy(server);
    return 0;
}

/* 0: answered with ok 1. The driver takes a reply without `ok`, or with a text, for a success, and
 * does not look whether its document is whole. */
static int command(struct session *s, const char *name, bson_t *reply)
{
    bson_error_t error = {0};
    bson_t cmd;
    bson_init(&cmd);
    bson_append_int32(&cmd, name, -1, 1);
    bool sent = mongoc_client_command_simple_with_server_id(s->client, "admin", &cmd, NULL,
                                                            s->server_id, reply, &error);
    bson_destroy(&cmd);
    if (!sent)
        return fail_driver(s, &error);
    bson_t view;
    struct err e;
    if (mongo_wire_document(&view, bson_get_data(reply), reply->len, &e))
        return fail(s, REASON_PROTOCOL, "%s: %s: %s", s->answer.address, name, e.text);
    if (mongo_reply_ok(reply))
        return 0;
    char words[256];
    mongo_reply_error(reply, words, sizeof words);
    return fail(s, REASON_PROTOCOL, "%s: %s: %s", s->answer.address, name, words);
}

static int say_hello(struct session *s, bson_t *reply)
{
    if (command(s, "hello", reply) == 0)
        return 0;
    bson_iter_t it; /* servers of before 2021 */
    if (!bson_iter_init_find(&it, reply, "code") || !BSON_ITER_HOLDS_INT32(&it) ||
        bson_iter_int32(&it) != MONGO_COMMAND_NOT_FOUND)
        return -1;
    bson_destroy(reply);
    return command(s, "isMaster", reply);
}

/* An answer that is refused is as good: the temporary server refuses nothing. */
static int guard(struct session *s)
{
    bson_t reply;
    enum mongo_guard guard = MONGO_GUARD_CLEAR;
    if (s->job.init_guard)
        guard = mongo_guard_look("/proc", s->answer.address, 0);
    if (guard == MONGO_GUARD_ASK) {
        bool init = command(s, "getCmdLineOpts", &reply) == 0 && mongo_guard_is_init(&reply);
        bson_destroy(&reply);
        guard = init ? MONGO_GUARD_INIT : MONGO_GUARD_CLEAR;
    }
    return guard == MONGO_GUARD_INIT
               ? fail(s, REASON_INIT_PHASE, MONGO_GUARD_WORDS, s->answer.address)
               : 0;
}

static int check(struct session *s, bson_t *hello)
{
    bson_t pong = BSON_INITIALIZER;
    if (make_uri(s) || use_dns_servers(s) || make_client(s) || select_server(s) ||
        select_reader(s) || say_hello(s, hello))
        return -1;
    int rc = command(s, "ping", &pong);
    bson_destroy(&pong);
    return rc ? rc : guard(s);
}

static void ignore_log(mongoc_log_level_t level, const char *domain, const char *message, void *ctx)
{
    (void)level, (void)domain, (void)message, (void)ctx;
}

int mongo_child_run(void)
{
    static struct session s;
    struct buf in;
    bson_t doc, hello = BSON_INITIALIZER;
    struct err e;
    buf_init(&in, MONGO_JOB_MAX);
    if (read_job(&in) || mongo_job_decode(&s.job, &doc, in.data, in.len, &e))
        return 1;
    alarm((unsigned)(left_ms(&s) / 1000) + GRACE_S);
    mongoc_log_set_handler(ignore_log, NULL);
    tls_library_init();
    mongoc_init();
    int rc = check(&s, &hello);
    if (rc == 0)
        s.answer.reason = REASON_OK, s.answer.detail[0] = '\0';
    _exit(write_answer(&s.answer, rc == 0 ? &hello : NULL) ? 1 : 0);
}

#endif
