/* mongodb+srv: what the records of a name make of a string, and what they may not say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "mongo/mongo_srv.h"

/* "a.b.c:27017 d.b.c:1" */
static size_t read_targets(const char *text, struct dns_srv *out)
{
    char copy[512], *rest = copy;
    size_t n = 0;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *word; (word = strsep(&rest, " "));) {
        if (!*word)
            continue;
        char *colon = strrchr(word, ':');
        out[n].port = (uint16_t)atoi(colon + 1);
        *colon = '\0';
        snprintf(out[n++].target, DNS_NAME_SIZE, "%s", word);
    }
    return n;
}

static struct mongo_srv *resolve(struct mongo_conf *conf, const char *uri, const char *targets,
                                 const char *txt, size_t n_txt, struct err *e)
{
    static struct dns_srv srv[8];
    *conf = (struct mongo_conf){0};
    if (mongo_uri_parse(&conf->uri, uri, NULL, NULL, e))
        fail_msg("%s: %s", uri, e->text);
    const struct dns_records r = {
        .n_srv = read_targets(targets, srv), .srv = srv, .n_txt = n_txt, .txt = txt, .ttl = 5};
    return mongo_srv_new(conf, &r, e);
}

/* What is left of it, as one line. */
static void describe(const struct mongo_srv *s, char *out, size_t size)
{
    const struct mongo_uri *u = &s->conf.uri;
    int used = 0;
    for (size_t i = 0; i < u->n_hosts; i++)
        used += snprintf(out + used, size - (size_t)used, "%s%s", i ? "," : "", u->hosts[i]);
    snprintf(out + used, size - (size_t)used, " %s %s%s", u->replica_set ? u->replica_set : "-",
             u->auth_db, s->conf.deployment ? "" : " balanced");
}

static void good_records(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *targets, *txt, *is;
    } rows[] = {
        {"mongodb+srv://db.shop.test", "a.shop.test:1", NULL, "a.shop.test:1 - admin"},
        {"mongodb+srv://db.shop.test", "a.shop.test:1 b.c.shop.test:2", NULL,
         "a.shop.test:1,b.c.shop.test:2 - admin"},
        {"mongodb+srv://DB.Shop.TEST.", "a.shop.test:1", NULL, "a.shop.test:1 - admin"},
        {"mongodb+srv://shop", "a.shop:1", NULL, "a.shop:1 - admin"},
        {"mongodb+srv://shop.test", "a.shop.test:1", NULL, "a.shop.test:1 - admin"},
        {"mongodb+srv://db.shop.test", "a.shop.test:1", "replicaSet=rs0&authSource=users",
         "a.shop.test:1 rs0 users"},
        {"mongodb+srv://db.shop.test", "a.shop.test:1", "REPLICASET=rs%30",
         "a.shop.test:1 rs0 admin"},
        {"mongodb+srv://db.shop.test/?replicaSet=own", "a.shop.test:1", "replicaSet=rs0",
         "a.shop.test:1 own admin"},
        {"mongodb+srv://u:p@db.shop.test/?authSource=own", "a.shop.test:1", "authSource=users",
         "a.shop.test:1 - own"},
        {"mongodb+srv://u:p@db.shop.test/app", "a.shop.test:1", "authSource=users",
         "a.shop.test:1 - users"},
        {"mongodb+srv://db.shop.test/?authMechanism=MONGODB-X509", "a.shop.test:1",
         "authSource=users", "a.shop.test:1 - $external"},
        {"mongodb+srv://db.shop.test", "a.shop.test:1", "loadBalanced=true",
         "a.shop.test:1 - admin balanced"},
        {"mongodb+srv://db.shop.test/?loadBalanced=false", "a.shop.test:1", "loadBalanced=true",
         "a.shop.test:1 - admin"},
        {"mongodb+srv://db.shop.test/?srvMaxHosts=9", "a.shop.test:1 b.shop.test:2", NULL,
         "a.shop.test:1,b.shop.test:2 - admin"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct mongo_conf conf;
        struct err e = {""};
        char line[256];
        struct mongo_srv *s =
            resolve(&conf, rows[i].uri, rows[i].targets, rows[i].txt, rows[i].txt != NULL, &e);
        if (!s)
            fail_msg("%s: %s", rows[i].uri, e.text);
        describe(s, line, sizeof line);
        assert_string_equal(line, rows[i].is);
        assert_true(s->expires > clock_now() + 4 * NS_PER_S);
        mongo_srv_free(s);
        mongo_uri_fini(&conf.uri);
    }
}

static void bad_records(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *targets, *txt;
        size_t n_txt;
        const char *says;
    } rows[] = {
        {"mongodb+srv://db.shop.test", "a.other.test:1", "", 0, "not below shop.test"},
        {"mongodb+srv://db.shop.test", "shop.test:1", "", 0, "not below shop.test"},
        {"mongodb+srv://db.shop.test", "a.myshop.test:1", "", 0, "not below shop.test"},
        {"mongodb+srv://db.shop.test", "a.shop.test:1 a.evil.test:1", "", 0, "a.evil.test"},
        {"mongodb+srv://shop.test", "shop.test:1", "", 0, "not below shop.test"},
        {"mongodb+srv://shop.test", "a.test:1", "", 0, "not below shop.test"},
        {"mongodb+srv://shop", "shop:1", "", 0, "not below shop"},
        {"mongodb+srv://shop", "a.myshop:1", "", 0, "not below shop"},
        {"mongodb+srv://db.shop.test", "a.shop.test:0", "", 0, "port 0"},
        {"mongodb+srv://db.shop.test", "a.shop.test:1", "authSource=a", 2, "2 TXT records"},
        {"mongodb+srv://db.shop.test", "a.shop.test:1", "tls=false", 1, "the option tls"},
        {"mongodb+srv://db.shop.test", "a.shop.test:1", "authSource", 1, "name=value"},
        {"mongodb+srv://db.shop.test", "a.shop.test:1", "authSource=", 1, "name=value"},
        {"mongodb+srv://db.shop.test", "a.shop.test:1", "authSource=%4", 1, "broken escape"},
        {"mongodb+srv://db.shop.test", "a.shop.test:1", "authSource=%00x", 1, "broken escape"},
        {"mongodb+srv://db.shop.test", "a.shop.test:1", "loadBalanced=yes", 1, "neither true"},
        {"mongodb+srv://db.shop.test", "a.shop.test:1 b.shop.test:1", "loadBalanced=true", 1,
         "its SRV records name 2"},
        {"mongodb+srv://db.shop.test", "a.shop.test:1", "loadBalanced=true&replicaSet=a", 1,
         "together with replicaSet"},
        {"mongodb+srv://db.shop.test/?srvMaxHosts=1", "a.shop.test:1", "replicaSet=a", 1,
         "srvMaxHosts cannot"},
        {"mongodb+srv://db.shop.test/?srvMaxHosts=1", "a.shop.test:1", "loadBalanced=true", 1,
         "srvMaxHosts cannot"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct mongo_conf conf;
        struct err e = {""};
        if (resolve(&conf, rows[i].uri, rows[i].targets, rows[i].txt, rows[i].n_txt, &e))
            fail_msg("%s %s %s is taken", rows[i].uri, rows[i].targets, rows[i].txt);
        if (!strstr(e.text, rows[i].says))
            fail_msg("%s: %s", rows[i].says, e.text);
        mongo_uri_fini(&conf.uri);
    }
}

/* One server has no members that could be too few. */
static void no_members_behind_a_balancer(void **state)
{
    (void)state;
    static char txt[] = "loadBalanced=true";
    struct dns_srv srv = {.port = 1, .target = "a.shop.test"};
    const struct dns_records r = {.n_srv = 1, .srv = &srv, .n_txt = 1, .txt = txt, .ttl = 5};
    struct mongo_conf conf = {.wish.min_members = 2};
    struct err e;
    assert_int_equal(mongo_uri_parse(&conf.uri, "mongodb+srv://db.shop.test", NULL, NULL, &e), 0);
    assert_null(mongo_srv_new(&conf, &r, &e));
    assert_non_null(strstr(e.text, "min_members is for deployments"));
    mongo_uri_fini(&conf.uri);
}

/* Each target is chosen now and then, none twice. */
static void some_of_many(void **state)
{
    (void)state;
    bool seen[4] = {false};
    for (int i = 0; i < 1000 && !(seen[0] && seen[1] && seen[2] && seen[3]); i++) {
        struct mongo_conf conf;
        struct err e;
        struct mongo_srv *s =
            resolve(&conf, "mongodb+srv://db.shop.test/?srvMaxHosts=2",
                    "a.shop.test:1 b.shop.test:1 c.shop.test:1 d.shop.test:1", NULL, 0, &e);
        assert_non_null(s);
        assert_int_equal(s->conf.uri.n_hosts, 2);
        assert_string_not_equal(s->conf.uri.hosts[0], s->conf.uri.hosts[1]);
        for (size_t k = 0; k < 2; k++)
            seen[s->conf.uri.hosts[k][0] - 'a'] = true;
        mongo_srv_free(s);
        mongo_uri_fini(&conf.uri);
    }
    for (size_t k = 0; k < 4; k++)
        assert_true(seen[k]);
}

static void names(void **state)
{
    (void)state;
    char srv[DNS_NAME_SIZE], txt[DNS_NAME_SIZE];
    struct mongo_uri u;
    struct err e;
    assert_int_equal(
        mongo_uri_parse(&u, "mongodb+srv://DB.shop.test./?srvServiceName=wares", NULL, NULL, &e),
        0);
    assert_int_equal(mongo_srv_names(&u, srv, txt, &e), 0);
    assert_string_equal(srv, "_wares._tcp.db.shop.test");
    assert_string_equal(txt, "db.shop.test");
    mongo_uri_fini(&u);
}

/* What a login that only the driver has makes of it: it is given the hosts. */
static void text_for_the_driver(void **state)
{
    (void)state;
    static const struct {
        const char *text, *more, *is;
    } rows[] = {
        {"mongodb+srv://u:p@db.shop.test", "tls=true", "mongodb://u:p@a:1,b:2/?tls=true"},
        {"mongodb+srv://db.shop.test/app", "tls=true", "mongodb://a:1,b:2/app?tls=true"},
        {"mongodb+srv://db.shop.test/?srvMaxHosts=2&w=1", "tls=true&replicaSet=x",
         "mongodb://a:1,b:2/?tls=true&replicaSet=x&w=1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct mongo_uri u;
        struct err e;
        assert_int_equal(mongo_uri_parse(&u, rows[i].text, NULL, NULL, &e), 0);
        char *text = mongo_uri_text(&u, "a:1,b:2", rows[i].more);
        assert_string_equal(text, rows[i].is);
        free(text);
        mongo_uri_fini(&u);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_records),
        cmocka_unit_test(bad_records),
        cmocka_unit_test(no_members_behind_a_balancer),
        cmocka_unit_test(some_of_many),
        cmocka_unit_test(names),
        cmocka_unit_test(text_for_the_driver),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
