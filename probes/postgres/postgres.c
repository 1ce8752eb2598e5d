/* postgres: a PostgreSQL server accepts connections, lets the user in, and has the wanted role. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "postgres/postgres_exchange.h"

static const char *const requires[] = {
    [POSTGRES_REQUIRE_PING] = "ping",         [POSTGRES_REQUIRE_LOGIN] = "login",
    [POSTGRES_REQUIRE_PRIMARY] = "primary",   [POSTGRES_REQUIRE_STANDBY] = "standby",
    [POSTGRES_REQUIRE_WRITABLE] = "writable", NULL};

enum { K_REQUIRE = SERVER_KEY_COUNT, K_INIT_GUARD };

static const struct probe_key keys[] = {
    SERVER_KEYS("A connection URI of libpq: postgresql://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]"
                "[?sslmode=...]; ?host=/folder for a Unix socket."),
    [K_REQUIRE] = {.name = "require",
                   .kind = KEY_CHOICE,
                   .def = "ping",
                   .choices = requires,
                   .doc = "What the server must be: ping (it accepts connections, and the login "
                          "where a password is given), login (it lets the user in), primary, "
                          "standby, writable."},
    [K_INIT_GUARD] = INIT_GUARD_KEY,
};

static const struct probe_scheme schemes[] = {
    {"postgres://", "uri", false}, {"postgresql://", "uri", false}, {NULL, NULL, false}};

static int set(char **to, const char *value, struct err *e)
{
    free(*to);
    *to = strdup(value);
    return *to ? 0 : err_set(e, "out of memory");
}

static int take_sslmode(struct server_conf *s, const char *mode, struct err *e)
{
    static const struct {
        const char *name;
        enum server_tls use;
        bool any;
    } modes[] = {{"disable", SERVER_TLS_NO, false},
                 {"prefer", SERVER_TLS_MAYBE, true},
                 {"require", SERVER_TLS_YES, true},
                 {"verify-full", SERVER_TLS_YES, false}};
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (strcmp(mode, modes[i].name) == 0) {
            s->tls_use = modes[i].use;
            s->any_certificate = modes[i].any;
            return 0;
        }
    return err_set(e, "sslmode is none of disable, prefer, require, verify-full");
}

static int take_port(struct server_conf *s, const char *value, struct err *e)
{
    char *end;
    unsigned long n = strtoul(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || n < 1 || n > 65535)
        return err_set(e, "the option port is not a port, expected 1 to 65535");
    s->option_port = (uint16_t)n;
    return 0;
}

static int take_option(struct server_conf *s, void *type_conf, const char *name, const char *value,
                       struct err *e)
{
    (void)type_conf;
    if (strcmp(name, "sslmode") == 0)
        return take_sslmode(s, value, e);
    if (strcmp(name, "host") == 0)
        return set(&s->option_host, value, e);
    if (strcmp(name, "port") == 0)
        return take_port(s, value, e);
    if (strcmp(name, "dbname") == 0)
        return set(&s->path, value, e);
    if (strcmp(name, "user") == 0)
        return set(&s->user, value, e);
    if (strcmp(name, "password") == 0)
        return set(&s->password, value, e);
    if (str_starts(name, "ssl"))
        return err_set(e, "the option %.40s is not known here; the keys tls_* say it", name);
    return 1;
}

static const struct server_kind kind = {.schemes = schemes,
                                        .tls_by_keys = true,
                                        .port = 5432,
                                        .socket_name = ".s.PGSQL.",
                                        .option = take_option};

static void *prepare(const struct probe_value *v, struct probe_report *report, char **target)
{
    struct postgres_conf *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->require = (enum postgres_require)v[K_REQUIRE].num;
    c->init_guard = v[K_INIT_GUARD].num == INIT_GUARD_AUTO;
    bool bad = server_conf_init(&c->server, c, &kind, v, report, target) < 0;
    if (!bad && c->server.password && strlen(c->server.password) > POSTGRES_PASSWORD_MAX) {
        probe_error(report, SERVER_KEY_PASSWORD, "is over %d bytes", POSTGRES_PASSWORD_MAX);
        bad = true;
    }
    if (!bad)
        return c;
    server_conf_dispose(c);
    free(*target);
    *target = NULL;
    return NULL;
}

static void start(struct probe_run *run)
{
    const struct postgres_conf *c = run->conf;
    talk_start((struct talk *)run, &postgres_rules, &c->server.ep, NULL, &c->server.tls);
}

const struct probe_type probe_type_postgres = {
    .name = "postgres",
    .summary = "a PostgreSQL server accepts connections, and has the wanted role",
    .keys = keys,
    .n_keys = ARRAY_LEN(keys),
    .schemes = schemes,
    .prepare = prepare,
    .dispose = server_conf_dispose,
    .run_size = sizeof(struct postgres_run),
    .start = start,
    .cancel = talk_cancel,
};
