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
    [K_REQUIRE] = {.name = "require",
                   .kind = KEY_CHOICE,
                   .def = "ping",
                   .choices = requires,
                   .doc = "What the server must be: ping (it finishes the handshake, and answers a "
                          "ping where a user is given), login (it lets the user in), writable."},
    [K_INIT_GUARD] = INIT_GUARD_KEY,
};

static const struct probe_scheme schemes[] = {{"mysql://", "uri", false}, {NULL, NULL, false}};

static int take_ssl_mode(struct server_conf *s, const char *mode, struct err *e)
{
    static const struct {
        const char *name;
        enum server_tls use;
        bool any;
    } modes[] = {{"disabled", SERVER_TLS_NO, false},
                 {"preferred", SERVER_TLS_MAYBE, true},
                 {"required", SERVER_TLS_YES, true},
                 {"verify_identity", SERVER_TLS_YES, false}};
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (strcasecmp(mode, modes[i].name) == 0) {
            s->tls_use = modes[i].use;
            s->any_certificate = modes[i].any;
            return 0;
        }
    return err_set(e, "ssl-mode is none of disabled, preferred, required, verify_identity");
}

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
    (void)type_conf;
    if (strcasecmp(name, "ssl-mode") == 0)
        return take_ssl_mode(s, value, e);
    if (strcmp(name, "socket") == 0)
        return take_socket(s, value, e);
    if (strncasecmp(name, "ssl", 3) == 0 || strncasecmp(name, "tls", 3) == 0)
        return err_set(e, "the option %.40s is not known here; ssl-mode and the keys tls_* say it",
                       name);
    return 1;
}

static const struct server_kind kind = {
    .schemes = schemes, .tls_by_keys = true, .port = 3306, .option = take_option};

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
    if (!bad)
        return c;
    server_conf_dispose(c);
    free(*target);
    *target = NULL;
    return NULL;
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
