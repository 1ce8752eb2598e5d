/* postgres: a PostgreSQL server accepts connections, lets the user in, and has the wanted role. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "postgres/postgres_exchange.h"
#include "postgres/postgres_hosts.h"
#include "scram/saslprep.h"

static const char *const requires[] = {
    [POSTGRES_REQUIRE_PING] = "ping",         [POSTGRES_REQUIRE_LOGIN] = "login",
    [POSTGRES_REQUIRE_PRIMARY] = "primary",   [POSTGRES_REQUIRE_STANDBY] = "standby",
    [POSTGRES_REQUIRE_WRITABLE] = "writable", NULL};

enum { K_REQUIRE = SERVER_KEY_COUNT, K_INIT_GUARD };

static const struct probe_key keys[] = {
    SERVER_KEYS("A connection URI of libpq: postgresql://[USER[:PASSWORD]@]HOST[:PORT][,HOST...]"
                "[/DATABASE][?sslmode=...]; ?host=/folder for a Unix socket."),
    [K_REQUIRE] = SERVER_REQUIRE_KEY(
        requires, "What the server must be: ping (it accepts connections, and the login where a "
                  "password is given), login (it lets the user in), primary, standby, writable."),
    [K_INIT_GUARD] = INIT_GUARD_KEY,
};

static const struct probe_scheme schemes[] = {
    {"postgres://", "uri", false}, {"postgresql://", "uri", false}, {NULL, NULL, false}};

/* Without a word libpq means prefer, and what it prefers it does not verify. */
static const struct server_tls_mode modes[] = {
    {.name = "disable", .use = SERVER_TLS_NO},
    {.name = "allow", .use = SERVER_TLS_ELSE, .any_certificate = true},
    {.name = "prefer", .use = SERVER_TLS_MAYBE, .any_certificate = true},
    {.name = "require", .use = SERVER_TLS_YES, .any_certificate = true, .chain_by_file = true},
    {.name = "verify-ca", .use = SERVER_TLS_YES, .any_name = true},
    {.name = "verify-full", .use = SERVER_TLS_YES},
    {.name = NULL}};
enum { MODE_PREFER = 2 };

static const struct server_refused refusals[] = {
    {"hostaddr", NULL, "write the address as the host, and its name as tls_server_name"},
    {"service", NULL, "its file is not read; write what it says"},
    {"passfile", NULL, "it is not read; write password_file"},
    {"require_auth", NULL, "the server chooses how it is logged in to"},
    {"requirepeer", NULL, "who the server runs as is not looked at"},
    {"replication", NULL, "a check is no standby"},
    {"channel_binding", "require", "SCRAM is without it here"},
    {"gssencmode", "require", "GSSAPI is not there"},
    {"load_balance_hosts", "random", "hosts are tried in their order; write a probe for each"},
    {NULL, NULL, NULL}};

static const char *const sessions[] = {[POSTGRES_SESSION_ANY] = "any",
                                       [POSTGRES_SESSION_READ_WRITE] = "read-write",
                                       [POSTGRES_SESSION_READ_ONLY] = "read-only",
                                       [POSTGRES_SESSION_PRIMARY] = "primary",
                                       [POSTGRES_SESSION_STANDBY] = "standby",
                                       [POSTGRES_SESSION_PREFER_STANDBY] = "prefer-standby"};

static int take_session(struct postgres_conf *c, const char *value, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(sessions); i++)
        if (strcmp(value, sessions[i]) == 0) {
            c->session = (enum postgres_session)i;
            return 0;
        }
    return err_set(e, "target_session_attrs is none of any, read-write, read-only, primary, "
                      "standby, prefer-standby");
}

static int take_option(struct server_conf *s, void *type_conf, const char *name, const char *value,
                       struct err *e)
{
    struct postgres_conf *c = type_conf;
    const struct {
        const char *name;
        char **to;
    } texts[] = {{"host", &s->option_host}, {"port", &s->option_port},  {"dbname", &s->path},
                 {"user", &s->user},        {"password", &s->password}, {"options", &c->options}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (strcmp(name, texts[i].name) == 0)
            return server_conf_set(texts[i].to, value, e);
    if (strcmp(name, "target_session_attrs") == 0)
        return take_session(c, value, e);
    if (str_starts(name, "ssl") && strcmp(name, "sslsni") != 0 &&
        strcmp(name, "sslcompression") != 0)
        return err_set(e, "the option %.40s is refused: the keys tls_* say what is known here",
                       name);
    return 1;
}

static const struct server_kind kind = {
    .schemes = schemes,
    .tls_by_keys = true,
    .plain_sockets = true,
    .several = true,
    .port = 5432,
    .socket_name = ".s.PGSQL.",
    .tls_option = "sslmode",
    .tls_modes = modes,
    .tls_default = &modes[MODE_PREFER],
    .tls_files = {"sslrootcert", "sslcert", "sslkey", "sslpassword"},
    .system_cas = "system",
    .refused = refusals,
    .same = strcmp,
    .option = take_option};

static void fini(struct postgres_conf *c)
{
    free(c->options);
    str_wipe(c->scram_password);
    c->options = c->scram_password = NULL;
}

static void dispose(void *conf)
{
    fini(conf);
    server_conf_dispose(conf);
}

/* As libpq: a password that SASLprep forbids is hashed as it is. */
static bool prepare_password(struct postgres_conf *c, struct probe_report *report)
{
    const char *password = c->server.password;
    struct err e;
    if (!password)
        return true;
    c->scram_password = saslprep(password, &e);
    if (!c->scram_password && !(c->scram_password = strdup(password)))
        return false;
    if (strlen(password) <= POSTGRES_PASSWORD_MAX &&
        strlen(c->scram_password) <= POSTGRES_PASSWORD_MAX)
        return true;
    probe_error(report, SERVER_KEY_PASSWORD, "is over %d bytes", POSTGRES_PASSWORD_MAX);
    return false;
}

static void *prepare(const struct probe_value *v, struct probe_report *report, char **target)
{
    struct postgres_conf *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->require = (enum postgres_require)v[K_REQUIRE].num;
    c->init_guard = v[K_INIT_GUARD].num == INIT_GUARD_AUTO;
    bool bad = server_conf_init(&c->server, c, &kind, v, report, target) < 0 ||
               !prepare_password(c, report);
    if (bad)
        fini(c);
    return server_conf_done(c, bad, target);
}

static void start(struct probe_run *run)
{
    postgres_hosts_start((struct postgres_run *)run, &postgres_rules);
}

const struct probe_type probe_type_postgres = {
    .name = "postgres",
    .summary = "a PostgreSQL server accepts connections, and has the wanted role",
    .keys = keys,
    .n_keys = ARRAY_LEN(keys),
    .schemes = schemes,
    .prepare = prepare,
    .dispose = dispose,
    .run_size = sizeof(struct postgres_run),
    .start = start,
    .cancel = talk_cancel,
};
