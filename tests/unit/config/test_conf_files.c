/* The files of conf/: each is good, and probe.ini names every key there is, with its sentence and
 * its default, in the place of its table: it cannot drift from the program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>

#include "base/buf.h"
#include "base/str.h"
#include "config/config.h"
#include "registry.h"

#define WIDTH 98

static char *conf_path(const char *name)
{
    char *path = str_format(TESTS_DIR "/../conf/%s", name);
    assert_non_null(path);
    return path;
}

static char *read_conf(const char *name)
{
    char *path = conf_path(name), chunk[4096];
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("cannot open %s", path);
    struct buf text;
    buf_init(&text, 1 << 20);
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
        buf_add(&text, chunk, n);
    fclose(f);
    free(path);
    return buf_take(&text);
}

/* A key's place in probe.ini: its sentence as comments, then the key at its default, commented out,
 * or (`in_force`) with another value. */
static char *block(const struct probe_key *key, bool in_force)
{
    struct buf b;
    buf_init(&b, 4096);
    size_t column = 0;
    for (const char *word = key->doc; *word;) {
        size_t n = strcspn(word, " ");
        if (column && column + 1 + n > WIDTH) {
            buf_putc(&b, '\n');
            column = 0;
        }
        buf_printf(&b, "%s%.*s", column ? " " : "# ", (int)n, word);
        column += n + (column ? 1 : 2);
        word += n;
        word += strspn(word, " ");
    }
    if (in_force)
        buf_printf(&b, "\n%s = ", key->name);
    else
        buf_printf(&b, "\n;%s =%s%s\n", key->name, key->def ? " " : "", key->def ? key->def : "");
    return buf_take(&b);
}

/* The part of the file under "# ---- NAME", up to the next such line. */
static char *part_of(const char *text, const char *name)
{
    char *head = str_format("\n# ---- %s", name);
    const char *from = strstr(text, head);
    if (!from)
        fail_msg("conf/probe.ini has no part that begins with \"%s\"", head + 1);
    from += strlen(head);
    free(head);
    const char *to = strstr(from, "\n# ---- ");
    return str_dup_n(from, to ? (size_t)(to - from) : strlen(from));
}

static void check_table(const char *text, const char *name, const struct probe_key *keys, size_t n)
{
    char *part = part_of(text, name);
    struct buf missing;
    buf_init(&missing, 1 << 16);
    const char *at = part;
    for (size_t k = 0; k < n; k++) {
        char *want = block(&keys[k], false), *in_force = block(&keys[k], true);
        const char *found = strstr(at, want);
        found = found ? found : strstr(at, in_force);
        if (found)
            at = found + strlen(in_force);
        else
            buf_printf(&missing, "%s\n", want);
        free(want);
        free(in_force);
    }
    free(part);
    if (missing.len)
        fail_msg("conf/probe.ini, part \"%s\", lacks (in this order):\n%s", name, missing.data);
    buf_fini(&missing);
}

static void test_every_key(void **state)
{
    (void)state;
    char *text = read_conf("probe.ini");
    check_table(text, "The agent", config_agent_keys, config_n_agent_keys);
    check_table(text, "Every probe", config_common_keys, config_n_common_keys);
    for (size_t t = 0; probe_types[t]; t++)
        check_table(text, probe_types[t]->name, probe_types[t]->keys, probe_types[t]->n_keys);
    free(text);
}

static bool is_word(const char *word, const char *text, size_t len)
{
    return strlen(word) == len && memcmp(word, text, len) == 0;
}

/* No key that is not one: the file with all its settings in force has nothing unknown in it. */
static void test_no_other_key(void **state)
{
    (void)state;
    char *text = read_conf("probe.ini");
    for (char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        const char *name = line + (*line == ';');
        size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789");
        bool setting = *line != '#' && len && strncmp(name + len, " =", 2) == 0;
        bool known = !setting;
        for (size_t k = 0; k < config_n_common_keys; k++)
            known = known || is_word(config_common_keys[k].name, name, len);
        for (size_t k = 0; k < config_n_agent_keys; k++)
            known = known || is_word(config_agent_keys[k].name, name, len);
        for (size_t t = 0; probe_types[t]; t++)
            for (size_t k = 0; k < probe_types[t]->n_keys; k++)
                known = known || is_word(probe_types[t]->keys[k].name, name, len);
        if (!known)
            fail_msg("conf/probe.ini: no key is named %.*s", (int)len, name);
        line += n + (line[n] != '\0');
    }
    free(text);
}

static void test_every_file(void **state)
{
    (void)state;
    unsetenv("MONGODB_URI");
    char *path = conf_path("");
    DIR *dir = opendir(path);
    if (!dir)
        fail_msg("cannot open %s", path);
    size_t files = 0;
    for (struct dirent *d; (d = readdir(dir));) {
        size_t n = strlen(d->d_name);
        if (n < 4 || strcmp(d->d_name + n - 4, ".ini") != 0)
            continue;
        char *file = conf_path(d->d_name);
        struct config_report r;
        struct config *c;
        config_report_init(&r);
        if (config_load(&(struct config_source){.path = file}, &c, &r) != CONFIG_OK)
            fail_msg("%s", r.problems[0].text);
        /* The quick start's server is on this machine, which is worth a warning elsewhere. */
        if (r.warnings && strcmp(d->d_name, "quickstart.ini") != 0)
            fail_msg("%s", r.problems[0].text);
        assert_true(c->n_checks > 0);
        config_report_fini(&r);
        config_free(c);
        free(file);
        files++;
    }
    closedir(dir);
    free(path);
    assert_true(files >= 4);
}

/* In force as it is: `probe wait mongodb` needs no file of the user's. */
static void test_default_probe(void **state)
{
    (void)state;
    char *file = conf_path("probe.ini"), name[] = "mongodb", *targets[] = {name};
    struct config_report r;
    struct config *c;
    static const struct {
        const char *env, *target;
    } cases[] = {{NULL, "mongodb:27017"}, {"mongodb://127.0.0.1:27099/", "127.0.0.1:27099"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (cases[i].env)
            setenv("MONGODB_URI", cases[i].env, 1);
        else
            unsetenv("MONGODB_URI");
        config_report_init(&r);
        struct config_source source = {.path = file, .targets = targets, .n_targets = 1};
        assert_int_equal(config_load(&source, &c, &r), CONFIG_OK);
        assert_int_equal(c->n_checks, 1);
        assert_string_equal(c->checks[0]->type->name, "mongo");
        assert_non_null(strstr(c->checks[0]->target, cases[i].target));
        config_report_fini(&r);
        config_free(c);
    }
    unsetenv("MONGODB_URI");
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key),
        cmocka_unit_test(test_no_other_key),
        cmocka_unit_test(test_every_file),
        cmocka_unit_test(test_default_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
