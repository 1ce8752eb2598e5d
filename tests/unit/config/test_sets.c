/* `--set [NAME.]KEY=VALUE`: how it is split, whom it is meant for, what it wins over, what is said
 * when it is wrong, and that no word about it tells a secret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "config/config.h"
#include "config/keys.h"
#include "config/sets.h"
#include "fake_types.h"

enum { TCP_ADDRESS, TCP_SEND, TCP_PASSWORD, TCP_MODE };
enum { WEB_URL, WEB_HEADER, WEB_PASSWORD, WEB_MAX_LAG };

/* ---- The word ---- */

static void splits(const char *word, const char *name, const char *key, const char *value)
{
    struct config_set set;
    struct err e;
    assert_int_equal(sets_parse(word, &set, &e), 0);
    if (name)
        assert_string_equal(set.name, name);
    else
        assert_null(set.name);
    assert_string_equal(set.key, key);
    assert_string_equal(set.value, value);
    sets_fini_one(&set);
}

static void test_the_last_dot_before_the_first_equals_splits(void **state)
{
    (void)state;
    splits("timeout=5s", NULL, "timeout", "5s");
    splits("web.timeout=5s", "web", "timeout", "5s");
    splits("web.eu-1.timeout=5s", "web.eu-1", "timeout", "5s");
    splits("header=A: b=c.d", NULL, "header", "A: b=c.d");
    splits("timeout=", NULL, "timeout", "");
}

static void test_no_word_about_a_bad_one_repeats_it(void **state)
{
    (void)state;
    static const char *const words[] = {
        "",
        "hunter2",
        "=hunter2",
        "-=hunter2",
        "web.=hunter2",
        ".a=hunter2",
        "b c.a=hunter2",
        "hunter2 =x",
        "http://hunter2/.url=x",
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        struct config_set set;
        struct err e;
        assert_int_equal(sets_parse(words[i], &set, &e), -1);
        assert_null(strstr(e.text, "hunter2"));
        assert_null(set.value);
    }
}

/* ---- Loading with them ---- */

/* `sets` and `targets` end with NULL; `ini` NULL: no file. The problems, the caller's to free. */
static char *load(const char *ini, char *const *targets, const char *const *sets, struct config **c,
                  enum config_rc want)
{
    struct config_set split[8];
    struct config_source source = {.path = "t.ini",
                                   .text = ini ? ini : "",
                                   .text_len = ini ? strlen(ini) : 0,
                                   .targets = targets,
                                   .sets = split,
                                   .keep_values = true};
    while (targets[source.n_targets])
        source.n_targets++;
    for (; sets[source.n_sets]; source.n_sets++)
        assert_int_equal(sets_parse(sets[source.n_sets], &split[source.n_sets], NULL), 0);
    struct config_report r;
    struct buf out;
    config_report_init(&r);
    assert_int_equal(config_load(&source, c, &r), want);
    buf_init(&out, 1 << 16);
    buf_puts(&out, "");
    for (size_t i = 0; i < r.n; i++)
        if (r.problems[i].is_error)
            buf_printf(&out, "%s\n", r.problems[i].text);
    config_report_fini(&r);
    for (size_t i = 0; i < source.n_sets; i++)
        sets_fini_one(&split[i]);
    return buf_take(&out);
}

#define WORDS(...) ((char *const[]){__VA_ARGS__, NULL})
#define SETS(...)  ((const char *const[]){__VA_ARGS__, NULL})

static struct config *good(const char *ini, char *const *targets, const char *const *sets)
{
    struct config *c;
    char *problems = load(ini, targets, sets, &c, CONFIG_OK);
    assert_string_equal(problems, "");
    free(problems);
    return c;
}

static void bad(const char *ini, char *const *targets, const char *const *sets, enum config_rc want,
                const char *words)
{
    struct config *c;
    char *problems = load(ini, targets, sets, &c, want);
    assert_null(c);
    assert_string_equal(problems, words);
    free(problems);
}

static void test_every_target_that_has_the_key(void **state)
{
    (void)state;
    struct config *c = good(NULL, WORDS("a=tcp://h:1", "b=web://h:2"),
                            SETS("max_lag=7s", "retries=9", "b.retries=4"));
    assert_int_equal(c->checks[0]->policy.retries, 9);
    assert_int_equal(c->checks[1]->policy.retries, 4);
    assert_int_equal(c->checks[1]->values[WEB_MAX_LAG].num, 7 * NS_PER_S);
    assert_true(c->checks[1]->values[WEB_MAX_LAG].given);
    assert_int_equal(c->checks[1]->values[WEB_MAX_LAG].line, 0);
    config_free(c);
}

static void test_it_wins_over_the_file_for_the_targets_only(void **state)
{
    (void)state;
    static const char ini[] = "[defaults]\nretries = 5\n[probe a]\naddress = h:1\nmode = slow\n"
                              "password = old\n[probe b]\naddress = h:2\nmode = slow\n";
    struct config *c = good(ini, WORDS("a"), SETS("mode=fast", "retries=6"));
    assert_int_equal(c->checks[0]->values[TCP_MODE].num, 0);
    assert_int_equal(c->checks[0]->policy.retries, 6);
    config_free(c);
    c = good(ini, WORDS(NULL), SETS("b.mode=fast"));
    assert_int_equal(c->checks[0]->values[TCP_MODE].num, 1);
    assert_int_equal(c->checks[1]->values[TCP_MODE].num, 0);
    config_free(c);
    /* A URL is meant, whatever the file has besides. */
    c = good(ini, WORDS("tcp://h:9"), SETS("mode=slow", "retries=6"));
    assert_int_equal(c->checks[0]->values[TCP_MODE].num, 1);
    assert_int_equal(c->checks[0]->policy.retries, 6);
    config_free(c);
    /* What is not asked for is not meant, and its errors are nobody's. */
    c = good(ini, WORDS("a"), SETS("address=h:3"));
    assert_string_equal(c->checks[0]->conf, "h:3");
    config_free(c);
    bad(ini, WORDS("a"), SETS("b.mode=fast"), CONFIG_BAD_TARGET,
        "--set b.mode: no target is named b\n");
}

static void test_a_list_grows_and_a_named_one_replaces_it(void **state)
{
    (void)state;
    struct config *c = good(NULL, WORDS("a=web://h:1", "b=web://h:2"),
                            SETS("header=X: 1", "header=Y: 2", "b.header=Z: 3"));
    assert_int_equal(c->checks[0]->values[WEB_HEADER].n_lines, 2);
    assert_string_equal(c->checks[0]->values[WEB_HEADER].lines[1], "Y: 2");
    assert_int_equal(c->checks[1]->values[WEB_HEADER].n_lines, 1);
    assert_string_equal(c->checks[1]->values[WEB_HEADER].lines[0], "Z: 3");
    config_free(c);
    bad(NULL, WORDS("tcp://h:1"), SETS("retries=1", "retries=2"), CONFIG_BAD_TARGET,
        "--set retries: given twice\n");
}

static void test_a_secret_is_not_for_the_command_line(void **state)
{
    (void)state;
    char secret[] = "/tmp/probe-sets-XXXXXX";
    char word[64];
    int fd = mkstemp(secret);
    assert_true(fd >= 0 && write(fd, "hunter2\n", 8) == 8);
    close(fd);
    static const char why[] = "every user of the machine can read a secret on the command line";
    char words[512];
    snprintf(words, sizeof words,
             "--set password: %s, expected --set password_file=PATH\n"
             "--set w.header: %s, expected --set w.header_file=PATH\n"
             "--set url: %s, expected --set url_file=PATH\n",
             why, why, why);
    bad(NULL, WORDS("w=web://h:1"),
        SETS("password=hunter2", "w.header=Authorization: hunter2", "url=web://u:hunter2@h"),
        CONFIG_BAD_TARGET, words);
    snprintf(word, sizeof word, "password_file=%s", secret);
    struct config *c = good("[probe w]\nurl = web://h:1\npassword = old\n", WORDS("w"), SETS(word));
    assert_string_equal(c->checks[0]->values[WEB_PASSWORD].text, "hunter2");
    config_free(c);
    unlink(secret);
}

static void test_what_is_wrong_names_the_option(void **state)
{
    (void)state;
    bad(NULL, WORDS("tcp://h:1"), SETS("mod=slow"), CONFIG_BAD_TARGET,
        "--set mod: unknown key, did you mean mode?\n");
    bad(NULL, WORDS("tcp://h:1"), SETS("max_lag=3s"), CONFIG_BAD_TARGET,
        "--set max_lag: no target has such a key, it is a key of type web\n");
    bad(NULL, WORDS("a=tcp://h:1"), SETS("a.max_lag=3s"), CONFIG_BAD_TARGET,
        "--set a.max_lag: the target has no such key, it is a key of type web\n");
    bad(NULL, WORDS("tcp://h:1"), SETS("type=web", "target=x", "log_level=info"), CONFIG_BAD_TARGET,
        "--set type: the target itself says it, expected it there\n"
        "--set target: the target itself says it, expected it there\n"
        "--set log_level: it belongs to [agent], expected a key of a probe\n");
    /* Once, of how many targets it may be wrong. */
    bad(NULL, WORDS("tcp://h:1", "tcp://h:2"), SETS("level=never"), CONFIG_BAD_TARGET,
        "--set level: \"never\" is unknown, expected alive, ready or both\n");
    bad("[probe a]\naddress = h:1\n[probe b]\naddress = h:1\n", WORDS(NULL),
        SETS("address=nowhere"), CONFIG_BAD, "--set address: no port, expected HOST:PORT\n");
    bad(NULL, WORDS("tcp://h:1"), SETS("address=h:2"), CONFIG_BAD_TARGET,
        "--set address: target and address are both given, expected one of them\n");
}

static void test_after_between_targets(void **state)
{
    (void)state;
    char *const *two = WORDS("a=tcp://h:1", "b=tcp://h:2");
    struct config *c = good(NULL, two, SETS("a.after=b"));
    assert_int_equal(c->checks[0]->n_after, 1);
    assert_string_equal(c->checks[0]->after[0], "b");
    config_free(c);
    bad(NULL, two, SETS("a.after=nothing"), CONFIG_BAD_TARGET,
        "probe a.after: no probe is named \"nothing\"\n");
    bad(NULL, two, SETS("a.after=b", "b.after=a"), CONFIG_BAD_TARGET,
        "probe b.after: probes wait for each other: a after b after a\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_dot_before_the_first_equals_splits),
        cmocka_unit_test(test_no_word_about_a_bad_one_repeats_it),
        cmocka_unit_test(test_every_target_that_has_the_key),
        cmocka_unit_test(test_it_wins_over_the_file_for_the_targets_only),
        cmocka_unit_test(test_a_list_grows_and_a_named_one_replaces_it),
        cmocka_unit_test(test_a_secret_is_not_for_the_command_line),
        cmocka_unit_test(test_what_is_wrong_names_the_option),
        cmocka_unit_test(test_after_between_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
