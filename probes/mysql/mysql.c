/* mysql: a MySQL or MariaDB server finishes the handshake, lets the user in, and takes writes. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "mysql/mysql_exchange.h"

static const char *const requires[] = {[MYSQL_REQUIRE_PING] = "ping",
                                       [MYSQL_REQUIRE_LOGIN] = "login",
                                       [MYSQL_REQUIRE_WRITABLE] = "writable",
                                       NULL};

enum { K_REQUIRE = SERVER_KEY_COUNT, K_INIT_GUARD };

static const struct probe_key keys[] = {
    SERVER_KEYS("A URL: mysql://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE][?ssl-mode=...]; "
                "?socket=/path for a Unix socket."),
    [K_REQUIRE] = SERVER_REQUIRE_KEY(
        requires, "What the server must be: ping (it finishes the handshake, and answers a ping "
                  "where a user is given), login (it lets the user in), writable."),
    [K_INIT_GUARD] = INIT_GUARD_KEY,
};

static const struct probe_scheme schemes[] = {{"mysql://", "uri", false}, {NULL, NULL, false}};

static const struct server_tls_mode modes[] = {
    {.name = "disabled", .use = SERVER_TLS_NO},
    {.name = "preferred", .use = SERVER_TLS_MAYBE, .any_certificate = true},
    {.name = "required", .use = SERVER_TLS_YES, .any_certificate = true},
    {.name = "verify_ca", .use = SERVER_TLS_YES, .any_name = true},
    {.name = "verify_identity", .use = SERVER_TLS_YES},
    {.name = NULL}};

static int take_socket(struct server_conf *s, const char *path, struct err *e)
{
    char *text = str_format("unix://%s", path);
    endpoint_fini(&s->ep);
    int rc = text ? endpoint_parse(&s->ep, text, 0, e) : err_set(e, "out of memory");
    free(text);
    return rc;
}

static int take_option(struct server_conf *s, void *type_conf, const char *name, const char *value,
                       struct err *e)
{
    struct mysql_conf *c = type_conf;
    if (strcmp(name, "socket") == 0)
        return take_socket(s, value, e);
    if (strcasecmp(name, "get-server-public-key") == 0) {
        c->any_key = strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0;
        return 0;
    }
    if (strncasecmp(name, "ssl", 3) == 0 || strncasecmp(name, "tls", 3) == 0)
        return err_set(e, "the option %.40s is not known here; ssl-mode and the keys tls_* say it",
                       name);
    return 1;
}

static const struct server_kind kind = {.schemes = schemes,
                                        .tls_by_keys = true,
                                        .port = 3306,
                                        .tls_option = "ssl-mode",
                                        .tls_modes = modes,
                                        .tls_files = {"ssl-ca", "ssl-cert", "ssl-key"},
                                        .same = strcasecmp,
                                        .option = take_option};

static void *prepare(const struct probe_value *v, struct probe_report *report, char **target)
{
    struct mysql_conf *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->require = (enum mysql_require)v[K_REQUIRE].num;
    c->init_guard = v[K_INIT_GUARD].num == INIT_GUARD_AUTO;
    bool bad = server_conf_init(&c->server, c, &kind, v, report, target) < 0;
    if (!bad && c->server.password && !c->server.user &&
        !probe_is_missing(report, SERVER_KEY_USER)) {
        probe_error(report, SERVER_KEY_PASSWORD, "a password without a user name");
        bad = true;
    }
    if (!bad && c->require != MYSQL_REQUIRE_PING && !c->server.user &&
        !probe_is_missing(report, SERVER_KEY_USER))
        probe_warn(report, K_REQUIRE, "asks for a login, and no user is given");
    return server_conf_done(c, bad, target);
}

static void start(struct probe_run *run)
{
    const struct mysql_conf *c = run->conf;
    talk_start((struct talk *)run, &mysql_rules, &c->server.ep, NULL, &c->server.tls);
}

const struct probe_type probe_type_mysql = {
    .name = "mysql",
    .summary = "a MySQL or MariaDB server finishes the handshake, and answers a ping",
    .keys = keys,
    .n_keys = ARRAY_LEN(keys),
    .schemes = schemes,
    .prepare = prepare,
    .dispose = server_conf_dispose,
    .run_size = sizeof(struct mysql_run),
    .start = start,
    .cancel = talk_cancel,
};
