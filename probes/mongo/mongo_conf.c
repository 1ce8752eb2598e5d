/* mongo_conf: see mongo_conf.h. */
#include "mongo/mongo_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "mongo/mongo_guard.h"
#include "net/address.h"
#include "net/family.h"
#include "net/prepare.h"
#include "net/server_conf.h"
#include "scram/saslprep.h"

static const char *const requires[] = {
    [MONGO_REQUIRE_PING] = "ping",         [MONGO_REQUIRE_DATA] = "data",
    [MONGO_REQUIRE_PRIMARY] = "primary",   [MONGO_REQUIRE_SECONDARY] = "secondary",
    [MONGO_REQUIRE_WRITABLE] = "writable", NULL};
static const char *const guards[] = {"off", "auto", NULL};

const struct probe_key mongo_keys[MONGO_KEY_COUNT] = {
    SERVER_LOGIN_KEYS("A standard connection string. One host without replicaSet means that very "
                      "member; several hosts, replicaSet or mongodb+srv mean the deployment."),
    SERVER_REQUIRE_KEY(requires,
                       "What the server must be: ping (it answers), data (holds data: primary, "
                       "secondary, standalone, mongos), primary, secondary, writable."),
    {.name = "set_name", .kind = KEY_TEXT, .doc = "The replica set it must belong to."},
    {.name = "max_lag",
     .kind = KEY_DURATION,
     .doc = "How far a secondary's last write may be behind its clock; an idle set writes every "
            "10s. Default: off."},
    {.name = "warn_lag",
     .kind = KEY_DURATION,
     .doc = "The check warns where a secondary's last write is farther behind. Default: off."},
    {.name = "min_members",
     .kind = KEY_INT,
     .def = "0",
     .min = 0,
     .max = MONGO_HOSTS_MAX,
     .doc = "How many members of a deployment that hold data have to answer."},
    {.name = "init_guard",
     .kind = KEY_CHOICE,
     .def = "auto",
     .choices = guards,
     .doc = "auto: the temporary server of an image's init phase is never healthy."},
    FAMILY_KEY(FAMILY_DOC),
};

static const char driver_words[] = "does not work with this uri's authMechanism, which only "
                                   "MongoDB's driver has";

/* What prepare works on. */
struct build {
    struct prepare p;
    struct mongo_conf *conf;
};

static char *copy(struct build *b, const char *text)
{
    char *s = text ? strdup(text) : NULL;
    if (text && !s)
        prepare_fail(&b->p, MONGO_KEY_URI, "out of memory");
    return s;
}

static bool is_loopback(const struct endpoint *ep)
{
    struct sockaddr_in6 a;
    char text[DIAL_TEXT_MAX];
    if (!endpoint_address(ep, &a))
        return address_is_localhost(ep->host);
    address_text(&a, text);
    return mongo_guard_is_loopback(text);
}

/* Every host is checked, also those that only the driver will connect to. */
static void prepare_hosts(struct build *b)
{
    struct mongo_conf *c = b->conf;
    bool warned = b->p.values[MONGO_KEY_INIT_GUARD].given; /* who wrote it knows */
    for (size_t i = 0; i < c->uri.n_hosts && !c->uri.srv; i++) {
        struct err e;
        struct endpoint ep;
        if (endpoint_parse(&ep, c->uri.hosts[i], 0, &e)) {
            prepare_fail(&b->p, MONGO_KEY_URI, e.text);
            continue;
        }
        if (!warned && ep.host && is_loopback(&ep)) {
            warned = true;
            probe_warn(b->p.report, MONGO_KEY_URI,
                       "%s is loopback, where the temporary server of an image's init "
                       "phase answers too%s; the container's own name does not",
                       ep.host,
                       c->init_guard ? " (init_guard = auto looks for its signs)"
                                     : ", and init_guard is off");
        }
        if (ep.path && c->tls_on && !c->driver &&
            tls_conf_check_socket(c->tls, MONGO_KEY_TLS, b->p.report) < 0)
            b->p.failed = true;
        if (endpoint_set_family(&ep, c->family, &e) < 0)
            prepare_fail(&b->p, MONGO_KEY_FAMILY, e.text);
        if (i == 0 && !c->deployment)
            c->ep = ep;
        else
            endpoint_fini(&ep);
    }
}

/* What of the login the keys bring; a key in error has a stand-in, so that nothing else is blamed.
 * -1: reported. */
static int key_login(struct build *b, const char **user, const char **password)
{
    const struct mongo_userinfo info = mongo_uri_userinfo(b->p.values[MONGO_KEY_URI].text);
    *user = b->p.values[MONGO_KEY_USER].text;
    *password = b->p.values[MONGO_KEY_PASSWORD].text;
    if (*user && info.user)
        prepare_fail(&b->p, MONGO_KEY_USER, "given twice: the uri has a user name as well");
    if (*password && info.password)
        prepare_fail(&b->p, MONGO_KEY_PASSWORD, "given twice: the uri has a password as well");
    if (b->p.failed)
        return -1;
    if (!*user && !info.user && probe_is_missing(b->p.report, MONGO_KEY_USER))
        *user = "missing";
    if (!*password && !info.password && probe_is_missing(b->p.report, MONGO_KEY_PASSWORD))
        *password = "missing";
    if (*password && !*user && !info.user)
        prepare_fail(&b->p, MONGO_KEY_PASSWORD, "a password without a user name");
    size_t len = *password ? strlen(*password) : 0;
    if (len > 0 && strchr("\r\n", (*password)[len - 1]))
        probe_warn(b->p.report, MONGO_KEY_PASSWORD,
                   "ends in a line end: of those at the end of a file, one is taken off");
    return b->p.failed ? -1 : 0;
}

static void check_login(struct build *b)
{
    struct mongo_uri *u = &b->conf->uri;
    const char *m = u->auth_mechanism;
    if (u->user && !u->password && strcmp(u->user, "***") == 0) { /* as `explain` prints it */
        probe_warn(b->p.report, MONGO_KEY_URI,
                   "*** stands for a user name and password that were not printed; expected "
                   "uri_file with the path of a file that holds the whole uri");
        u->password = copy(b, "***");
    }
    bool passwordless = m && (strcasecmp(m, "MONGODB-X509") == 0 || strcasecmp(m, "GSSAPI") == 0);
    if (u->user && !u->password && !passwordless)
        prepare_fail(&b->p, MONGO_KEY_USER, "a user name without a password");
}

static enum mongo_login login_of(const struct mongo_uri *u)
{
    static const struct {
        const char *name;
        enum mongo_login login;
    } known[] = {
        {"SCRAM-SHA-1", MONGO_LOGIN_SCRAM_1},
        {"SCRAM-SHA-256", MONGO_LOGIN_SCRAM_256},
        {"MONGODB-X509", MONGO_LOGIN_X509},
        {"PLAIN", MONGO_LOGIN_PLAIN},
    };
    if (!u->auth_mechanism)
        return u->user ? MONGO_LOGIN_AGREED : MONGO_LOGIN_NONE;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcasecmp(u->auth_mechanism, known[i].name) == 0)
            return known[i].login;
    return MONGO_LOGIN_DRIVER;
}

/* After TLS is known. A password that SASLprep forbids may still be one for SCRAM-SHA-1. */
static void prepare_login(struct build *b)
{
    struct mongo_conf *c = b->conf;
    const struct mongo_uri *u = &c->uri;
    struct err e;
    c->login = login_of(u);
    c->driver = c->login == MONGO_LOGIN_DRIVER;
    if (c->login == MONGO_LOGIN_PLAIN && !c->tls_on && u->tls == -1)
        prepare_fail(
            &b->p, MONGO_KEY_URI,
            "authMechanism PLAIN sends the password as it is: expected tls=true, or tls=false if "
            "that is meant");
    bool agreed = c->login == MONGO_LOGIN_AGREED;
    if ((!agreed && c->login != MONGO_LOGIN_SCRAM_256) || !u->password)
        return;
    c->prepared = saslprep(u->password, &e);
    if (c->prepared)
        return;
    bool key = b->p.values[MONGO_KEY_PASSWORD].text != NULL;
    char words[sizeof e.text + 64];
    snprintf(words, sizeof words, "the password is none for SCRAM-SHA-256: %s", e.text);
    if (agreed)
        probe_warn(b->p.report, key ? MONGO_KEY_PASSWORD : MONGO_KEY_URI, "%s", words);
    else
        prepare_fail(&b->p, key ? MONGO_KEY_PASSWORD : MONGO_KEY_URI, words);
}

static void prepare_tls(struct build *b)
{
    struct mongo_conf *c = b->conf;
    const struct probe_value *v = b->p.values + MONGO_KEY_TLS;
    c->tls_on = c->uri.uses_tls;
    for (size_t i = 0; i < TLS_KEY_COUNT; i++)
        c->tls_on |= c->uri.tls == -1 && v[i].given;

    /* The string's files stand in where the keys say nothing. */
    struct probe_value merged[TLS_KEY_COUNT];
    memcpy(merged, v, sizeof merged);
    if (!merged[TLS_KEY_CA].text && c->uri.ca_file && probe_file(b->p.report, c->uri.ca_file))
        merged[TLS_KEY_CA].text = c->uri.ca_file;
    if (!merged[TLS_KEY_CERT].text && c->uri.cert_key_file &&
        probe_file(b->p.report, c->uri.cert_key_file))
        merged[TLS_KEY_CERT].text = c->uri.cert_key_file;
    if (!merged[TLS_KEY_PASSWORD].text && merged[TLS_KEY_CERT].text)
        merged[TLS_KEY_PASSWORD].text = c->uri.key_password;
    if (c->uri.insecure)
        merged[TLS_KEY_VERIFY].num = 0;
    if (tls_conf_init(c->tls, merged, MONGO_KEY_TLS, c->tls_on, b->p.report))
        b->p.failed = true;
    c->tls->any_name = c->uri.any_hostname;
    if (c->uri.insecure)
        probe_warn(b->p.report, MONGO_KEY_URI,
                   "the string takes any certificate: anyone can answer");
    else if (c->uri.any_hostname)
        probe_warn(b->p.report, MONGO_KEY_URI, "the string takes a certificate of any host");
}

/* What only our own codec can do is refused where the driver is needed, never left out in silence.
 */
static void refuse_with_driver(struct build *b)
{
    const struct mongo_conf *c = b->conf;
    if (c->tls->server_name)
        prepare_fail(&b->p, MONGO_KEY_TLS + TLS_KEY_SERVER_NAME, driver_words);
    if (c->tls->min_days > 0)
        prepare_fail(&b->p, MONGO_KEY_TLS + TLS_KEY_MIN_DAYS, driver_words);
    if (c->family)
        prepare_fail(&b->p, MONGO_KEY_FAMILY, driver_words);
}

static void prepare_uri(struct build *b)
{
    struct mongo_conf *c = b->conf;
    struct err e;
    if (!b->p.values[MONGO_KEY_URI].text) {
        b->p.failed = true; /* KEY_REQUIRED: reported by the configuration */
        return;
    }
    const char *user, *password;
    if (key_login(b, &user, &password))
        return;
    if (mongo_uri_parse(&c->uri, b->p.values[MONGO_KEY_URI].text, user, password, &e)) {
        prepare_fail(&b->p, MONGO_KEY_URI, e.text);
        return;
    }
    for (size_t i = 0; i < c->uri.n_unknown; i++)
        probe_warn(b->p.report, MONGO_KEY_URI, "the driver does not know the option %s",
                   c->uri.unknown[i]);
    check_login(b);
    prepare_tls(b);
    prepare_login(b);
    c->deployment = !mongo_uri_is_direct(&c->uri);
    if (c->driver)
        refuse_with_driver(b);
    prepare_hosts(b);
    c->target = mongo_uri_redacted(&c->uri);
    if (!c->target)
        prepare_fail(&b->p, MONGO_KEY_URI, "out of memory");
}

static void prepare_wish(struct build *b)
{
    struct mongo_conf *c = b->conf;
    const char *set = b->p.values[MONGO_KEY_SET_NAME].text, *uri_set = c->uri.replica_set;
    if (set && uri_set && strcmp(set, uri_set) != 0)
        prepare_fail(&b->p, MONGO_KEY_SET_NAME, "differs from replicaSet in the uri");
    c->set_name = copy(b, set ? set : uri_set);
    bool one = !c->deployment || c->uri.load_balanced == 1;
    if (one)
        probe_leave_out(b->p.report, MONGO_KEY_MIN_MEMBERS);
    c->wish = (struct mongo_wish){
        .require = (enum mongo_require)b->p.values[MONGO_KEY_REQUIRE].num,
        .prefer = c->uri.prefer.given ? &c->uri.prefer : NULL,
        .set_name = c->set_name,
        .max_lag = b->p.values[MONGO_KEY_MAX_LAG].num,
        .warn_lag = b->p.values[MONGO_KEY_WARN_LAG].num,
        .min_members = (size_t)b->p.values[MONGO_KEY_MIN_MEMBERS].num,
    };
    if (mongo_prefer_is_too_strict(&c->uri.prefer))
        probe_warn(b->p.report, MONGO_KEY_URI,
                   "drivers refuse maxStalenessSeconds of less than 90, or less than 10 above "
                   "heartbeatFrequencyMS, with a replica set");
    if (c->wish.max_lag && (c->wish.require == MONGO_REQUIRE_PRIMARY))
        probe_warn(b->p.report, MONGO_KEY_MAX_LAG, "has no effect on a primary");
    if (c->wish.warn_lag && c->wish.require == MONGO_REQUIRE_PRIMARY && !c->deployment)
        probe_warn(b->p.report, MONGO_KEY_WARN_LAG, "has no effect on a primary");
    if (!b->p.failed && c->wish.warn_lag && c->driver)
        prepare_fail(&b->p, MONGO_KEY_WARN_LAG, driver_words);
    if (!b->p.failed && c->wish.min_members > 0 && (one || c->driver))
        prepare_fail(&b->p, MONGO_KEY_MIN_MEMBERS,
                     c->driver ? driver_words
                               : "this uri names one server: expected several hosts, replicaSet or "
                                 "mongodb+srv");
}

void *mongo_conf_prepare(const struct probe_value *values, struct probe_report *report,
                         char **target)
{
    struct mongo_conf *c = calloc(1, sizeof *c);
    struct build b = {.conf = c, .p = {.values = values, .report = report}};
    if (!c) {
        prepare_fail(&b.p, MONGO_KEY_URI, "out of memory");
        return NULL;
    }
    c->tls = calloc(1, sizeof *c->tls);
    if (!c->tls)
        prepare_fail(&b.p, MONGO_KEY_URI, "out of memory");
    c->init_guard = values[MONGO_KEY_INIT_GUARD].num == 1;
    c->family = family_of(&values[MONGO_KEY_FAMILY]);
    if (c->tls) {
        prepare_uri(&b);
        prepare_wish(&b);
    }
    *target = b.p.failed ? NULL : copy(&b, c->target);
    if (b.p.failed) {
        mongo_conf_dispose(c);
        return NULL;
    }
    return c;
}

void mongo_conf_dispose(void *conf)
{
    struct mongo_conf *c = conf;
    mongo_uri_fini(&c->uri);
    if (c->tls)
        tls_conf_fini(c->tls);
    free(c->tls);
    str_wipe(c->prepared);
    endpoint_fini(&c->ep);
    free(c->set_name);
    free(c->target);
    free(c);
}
