/* check: compares the manual with the program: commands, options, exit codes, states, reasons,
 * environment, keys, routes, members of the JSON, events and metrics. Each must have its paragraph,
 * under the very head that its table asks for, and each paragraph must be of something that there
 * is. Prints every difference, and fails where there is one. Run by the build. */
#include <ctype.h>
#include <dirent.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/options.h"
#include "config/config.h"
#include "config/duration.h"
#include "engine/members.h"
#include "manual/offers.h"
#include "manual/page.h"
#include "registry.h"
#include "serve/page.h"
#include "view/document.h"

static int differences;

static void differ(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void differ(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    differences++;
}

/* ---- What a list must hold ---- */

struct wanted {
    char *name, *head; /* head NULL: any that has the name */
    bool found;
};

struct wish {
    struct wanted *items;
    size_t n, size;
};

static void want(struct wish *w, const char *name, char *head)
{
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->items[i].name, name) == 0)
            return;
    if (w->n == w->size) {
        w->size = 2 * w->size + 64;
        w->items = realloc(w->items, w->size * sizeof *w->items);
    }
    if (!w->items)
        abort();
    w->items[w->n++] = (struct wanted){.name = strdup(name), .head = head};
}

/* In a wish with heads the name is the first word behind the macro; of options, the long one. */
static bool is_of(const struct page_item *item, const struct wanted *w)
{
    if (!w->head)
        return str_has_word(item->head, w->name);
    if (strcmp(item->list, "options") == 0) {
        const char *name = strstr(item->head, "Fl Fl ");
        char *word = page_word(name ? name + strlen("Fl Fl ") : "", 0);
        bool its = strcmp(word, w->name) == 0;
        free(word);
        return its;
    }
    char *second = page_word(item->head, 1);
    bool same = strcmp(item->head, w->head) == 0 || strcmp(second, w->name) == 0;
    free(second);
    return same;
}

static void compare_item(const struct page *p, const struct page_item *item, struct wish *w,
                         bool more_is_fine)
{
    bool known = false;
    for (size_t i = 0; i < w->n; i++) {
        struct wanted *x = &w->items[i];
        if (!is_of(item, x))
            continue;
        known = true;
        if (x->found)
            differ("%s:%zu: a second paragraph for %s", p->path, item->line + 1, x->name);
        else if (x->head && strcmp(x->head, item->head) != 0)
            differ("%s:%zu: the program has\n    .It %s\n  and not\n    .It %s", p->path,
                   item->line + 1, x->head, item->head);
        x->found = true;
    }
    if (!known && !more_is_fine)
        differ("%s:%zu: a paragraph for \"%s\", which is not in the program", p->path,
               item->line + 1, item->head);
    if (item->end == item->line + 1)
        differ("%s:%zu: a paragraph without a text", p->path, item->line + 1);
}

/* Is the list, as the comment above it names it, that one? The keys of several types may stand in
 * one list, "keys tcp http mongo": it is that of each of them. */
static bool is_list(const char *list, const char *wanted)
{
    bool keys = str_starts(list, "keys ") && str_starts(wanted, "keys ");
    return keys ? str_has_word(list + 5, wanted + 5) : strcmp(list, wanted) == 0;
}

static void compare(const struct page *p, const char *list, struct wish *w, bool more_is_fine)
{
    struct page_item item;
    for (size_t at = 0; page_next_item(p, &at, &item);)
        if (is_list(item.list, list))
            compare_item(p, &item, w, more_is_fine);
    for (size_t i = 0; i < w->n; i++)
        if (!w->items[i].found)
            differ("%s: no paragraph for %s; expected, in the list \"%s\":\n    .It %s%s", p->path,
                   w->items[i].name, list, w->items[i].head ? w->items[i].head : "... ",
                   w->items[i].head ? "" : w->items[i].name);
}

/* ---- Keys ---- */

static const char *value_form(const struct probe_key *key, char *out, size_t size)
{
    static const char *const words[] = {
        [KEY_TEXT] = "Ar text",         [KEY_FILE] = "Ar file",   [KEY_BOOL] = "Cm yes | no",
        [KEY_INT] = "Ar number",        [KEY_SIZE] = "Ar size",   [KEY_PERCENT] = "Ar percent",
        [KEY_DURATION] = "Ar duration", [KEY_WORDS] = "Ar words", [KEY_LINES] = "Ar lines",
    };
    if (key->kind != KEY_CHOICE)
        return words[key->kind];
    size_t n = (size_t)snprintf(out, size, "Cm");
    for (size_t i = 0; key->choices[i] && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s %s", i ? " |" : "", key->choices[i]);
    return out;
}

static const char *bound(const struct probe_key *key, int64_t n, char out[DURATION_SIZE])
{
    if (key->kind == KEY_DURATION)
        return duration_format(n, out);
    bool mib = key->kind == KEY_SIZE && n >= 1 << 20 && n % (1 << 20) == 0;
    snprintf(out, DURATION_SIZE, "%lld%s", (long long)(mib ? n >> 20 : n),
             mib                        ? "MiB"
             : key->kind == KEY_PERCENT ? "%"
                                        : "");
    return out;
}

/* "Cm interval No = Ar duration Pq default 30s, at least 1ms" */
static char *key_head(const struct probe_key *key)
{
    char form[256], range[128] = "", low[DURATION_SIZE], high[DURATION_SIZE];
    int64_t max = key->kind == KEY_PERCENT && !key->max ? 100 : key->max;
    if (max)
        snprintf(range, sizeof range, ", %s to %s", bound(key, key->min, low),
                 bound(key, max, high));
    else if (key->min)
        snprintf(range, sizeof range, ", at least %s", bound(key, key->min, low));
    bool twin = key->flags & (KEY_SECRET | KEY_MAY_HIDE);
    return str_format("Cm %s No = %s Pq %s%s%s%s%s%s", key->name,
                      value_form(key, form, sizeof form),
                      key->flags & KEY_REQUIRED ? "required"
                      : key->def                ? "default "
                                                : "no default",
                      key->def ? key->def : "", range, twin ? "; or " : "", twin ? key->name : "",
                      twin ? "_file" : "");
}

static void check_table(const struct page *p, const char *list, const struct probe_key *keys,
                        size_t n)
{
    struct wish w = {0};
    for (size_t k = 0; k < n; k++)
        want(&w, keys[k].name, key_head(&keys[k]));
    compare(p, list, &w, false);
}

static void check_type(const struct page *p, const struct probe_type *type)
{
    struct page_topic topic;
    bool told = false;
    for (size_t at = 0; page_next_topic(p, &at, &topic);)
        told = told || strcmp(topic.name, type->name) == 0;
    if (!told)
        differ("%s: no text for the type %s; expected a part `.\\\" topic: %s`", p->path,
               type->name, type->name);
    char *list = str_format("keys %s", type->name);
    check_table(p, list, type->keys, type->n_keys);
    free(list);
}

static void check_keys(const struct page *p)
{
    check_table(p, "keys agent", config_agent_keys, config_n_agent_keys);
    check_table(p, "keys defaults", config_common_keys, config_n_common_keys);
    for (size_t t = 0; probe_types[t]; t++)
        check_type(p, probe_types[t]);
}

/* ---- The command line ---- */

static void check_options(const struct page *p)
{
    struct wish w = {0};
    for (const struct option_spec *o = options_table; o->name; o++) {
        char letter[16] = "";
        if (o->letter)
            snprintf(letter, sizeof letter, "Fl %c , ", o->letter);
        want(&w, o->name,
             str_format("%sFl Fl %s%s%s%s%s", letter, o->name, o->arg_name ? " Ar " : "",
                        o->arg_name ? o->arg_name : "", o->commands ? " Pq Cm " : "",
                        o->commands ? o->commands : ""));
    }
    compare(p, "options", &w, false);
}

static void check_commands(const struct page *p)
{
    size_t n = 0;
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        char *line = str_format(".Ss probe %s%s%s", c->name, *c->synopsis ? " " : "", c->synopsis);
        char *topic = str_format(".\\\" topic: %s", c->name);
        size_t at = 0;
        while (at < p->n && strcmp(p->lines[at], line) != 0)
            at++;
        if (at + 1 >= p->n)
            differ("%s: no section for the command %s; expected\n    %s", p->path, c->name, line);
        else if (strcmp(p->lines[at + 1], topic) != 0)
            differ("%s:%zu: expected after it\n    %s", p->path, at + 1, topic);
        free(line);
        free(topic);
        n++;
    }
    for (size_t i = 0; i < p->n; i++)
        if (str_starts(p->lines[i], ".Ss probe ") && n-- == 0)
            differ("%s:%zu: more commands than the program has", p->path, i + 1);
}

static void check_words(const struct page *p)
{
    struct wish reasons = {0}, states = {0};
    for (int r = REASON_OK + 1; r < REASON_COUNT; r++)
        want(&reasons, reason_name((enum reason)r),
             str_format("Cm %s", reason_name((enum reason)r)));
    compare(p, "reasons", &reasons, false);
    for (enum page_state s = 0; s < PAGE_STATES; s++)
        want(&states, page_state_name(s), str_format("Cm %s", page_state_name(s)));
    compare(p, "states", &states, false);
}

/* ---- What only the sources tell ---- */

/* Calls for each .c and .h file of the folder. */
static void each_source(const char *root, const char *folder,
                        void (*look)(struct wish *w, const char *text), struct wish *w)
{
    char *path = str_format("%s/%s", root, folder);
    DIR *dir = opendir(path);
    if (!dir)
        differ("%s: cannot be opened", path);
    for (struct dirent *d; dir && (d = readdir(dir));) {
        size_t n = strlen(d->d_name);
        if (n < 3 || d->d_name[n - 2] != '.' || !strchr("ch", d->d_name[n - 1]))
            continue;
        char *file = str_format("%s/%s", path, d->d_name), *text = page_read_file(file);
        look(w, text);
        free(text);
        free(file);
    }
    if (dir)
        closedir(dir);
    free(path);
}

/* The same for each folder of src but this one, or of probes. */
static void each_room(const char *root, const char *tree,
                      void (*look)(struct wish *w, const char *text), struct wish *w)
{
    char *path = str_format("%s/%s", root, tree);
    DIR *dir = opendir(path);
    for (struct dirent *d; dir && (d = readdir(dir));) {
        if (strchr(d->d_name, '.') || strcmp(d->d_name, "manual") == 0)
            continue;
        char *room = str_format("%s/%s", tree, d->d_name);
        each_source(root, room, look, w);
        free(room);
    }
    if (dir)
        closedir(dir);
    free(path);
}

/* For each place where `before` stands: the word behind it, of these bytes. */
static void take_words(struct wish *w, const char *text, const char *before, const char *head,
                       const char *bytes)
{
    for (const char *at = text; (at = strstr(at, before));) {
        at += strlen(before);
        size_t n = strspn(at, bytes);
        char *word = str_dup_n(at, n);
        if (n)
            want(w, word, head ? str_format("%s %s", head, word) : NULL);
        free(word);
    }
}

static const char small[] = "abcdefghijklmnopqrstuvwxyz_", large[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";

static void look_for_environment(struct wish *w, const char *text)
{
    take_words(w, text, "getenv(\"", NULL, large);
}

static void look_for_codes(struct wish *w, const char *text)
{
    for (const char *at = text; (at = strstr(at, "\n    EXIT_"));) {
        const char *equals = strstr(at, " = ");
        bool is_signal = str_starts(at, "\n    EXIT_SIGNAL ");
        at += strlen("\n    EXIT_");
        if (!equals)
            return;
        char *code = str_format("%ld%s", strtol(equals + 3, NULL, 10), is_signal ? "+N" : "");
        want(w, code, strdup(code));
        free(code);
    }
}

/* {"/status/", false, ...}: a path with a slash at its end has a name behind it. */
static void look_for_routes(struct wish *w, const char *text)
{
    for (const char *at = text; (at = strstr(at, "{\"/"));) {
        at += 2;
        size_t n = strcspn(at, "\"");
        bool post = str_starts(at + n, "\", true, ");
        if (!post && !str_starts(at + n, "\", false, "))
            continue;
        char *name = str_format("%s %.*s%s", post ? "POST" : "GET", (int)n, at,
                                n > 1 && at[n - 1] == '/' ? "NAME" : "");
        want(w, name, str_format("Cm %s", name));
        free(name);
    }
}

static void look_for_metrics(struct wish *w, const char *text)
{
    static const char *const kinds[] = {"\"probe_", "\"process_"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        for (const char *at = text; (at = strstr(at, kinds[i]));) {
            size_t n = strspn(++at, small);
            char *name = str_dup_n(at, n);
            if (strchr("\"{ ", at[n]))
                want(w, name, NULL);
            free(name);
        }
}

/* ---- Documents, as they are made ---- */

static void want_members(struct wish *w, const char *prefix, const json_t *value)
{
    const char *key;
    json_t *member;
    size_t i;
    json_array_foreach(value, i, member)
    {
        want_members(w, prefix, member);
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        char *name = str_format("%s%s%s", prefix, *prefix ? "." : "", key);
        want(w, name, str_format("Cm %s", name));
        if (strcmp(name, "probes.history") == 0)
            want_members(w, "probes.last", member);
        else
            want_members(w, name, member);
        free(name);
    }
}

static void check_document(const struct page *p, const char *list, const char *text)
{
    struct wish w = {0};
    json_t *document = json_loads(text ? text : "", JSON_DISABLE_EOF_CHECK, NULL);
    if (!document)
        differ("%s: the document of the list %s cannot be read", p->path, list);
    want_members(&w, "", document);
    json_decref(document);
    compare(p, list, &w, false);
}

static void check_documents(const struct page *p)
{
    static char detail[] = "";
    const struct probe_type type = {.name = detail};
    struct check_conf conf = {.type = &type, .name = detail, .target = detail};
    const struct probe_member member = {.name = detail, .state = detail};
    struct check c = {.conf = &conf, .n_results = 1, .members = members_new(&member, 1)};
    struct engine e = {.checks = &(struct check *){&c}, .n_checks = 1};
    struct buf b;
    struct jsonw j;
    buf_init(&b, 1 << 20);
    c.engine = &e;
    c.history[0].detail = detail;
    jsonw_init(&j, &b);
    document_status(&j, &e, 0);
    check_document(p, "members", b.data);
    buf_fini(&b);
    struct facts f = {.engine = &e};
    struct body stream = {.facts = &f};
    buf_init(&stream.buf, 1 << 20);
    events_more(&stream, 0);
    const char *event = stream.buf.data ? strstr(stream.buf.data, "data: {") : NULL;
    check_document(p, "events", event ? event + strlen("data: ") : NULL);
    buf_fini(&stream.buf);
    free(c.members);
}

static void check_sources(const struct page *cli, const struct page *api, const char *root)
{
    struct wish environment = {0}, codes = {0}, routes = {0}, metrics = {0};
    each_room(root, "probes", look_for_environment, &environment);
    each_room(root, "src", look_for_environment, &environment);
    compare(cli, "environment", &environment, true); /* libraries read some too */
    char *header = str_format("%s/src/cli/cli.h", root);
    look_for_codes(&codes, page_read_file(header));
    compare(cli, "exit codes", &codes, false);
    each_source(root, "src/serve", look_for_routes, &routes);
    compare(api, "routes", &routes, false);
    each_source(root, "src/serve", look_for_metrics, &metrics);
    compare(api, "metrics", &metrics, false);
    const struct wish *all[] = {&environment, &codes, &routes, &metrics};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i]->n < 4)
            differ("check.c: finds too little in the sources (%zu); were they rewritten?", i);
}

/* ---- Completions: every command, option and scheme. What goes with what, their test sees. ---- */

static void check_completion(const char *path)
{
    char *text = page_read_file(path);
    bool fish = strstr(path, ".fish") != NULL;
    for (const struct cli_command *c = cli_commands; c->name; c++)
        if (!strstr(text, c->name))
            differ("%s: lacks the command %s", path, c->name);
    for (const struct option_spec *o = options_table; o->name; o++) {
        char *option = str_format(fish ? "-l %s" : "--%s", o->name);
        if (!strstr(text, option))
            differ("%s: lacks the option --%s of %s", path, o->name,
                   o->commands ? o->commands : "every command");
        free(option);
    }
    differences += offers_lack_schemes(path, text);
    free(text);
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr,
                "usage: check SOURCE-ROOT probe.1 probe.ini.5 probe-api.7 [COMPLETION...]\n");
        return 64;
    }
    for (int i = 5; i < argc; i++)
        check_completion(argv[i]);
    struct page cli = page_read(argv[2]), ini = page_read(argv[3]), api = page_read(argv[4]);
    check_commands(&cli);
    check_options(&cli);
    check_words(&cli);
    check_keys(&ini);
    char *help = str_format("%s/src/cli/help.c", argv[1]);
    differences += offers_lack_schemes(help, page_read_file(help));
    differences += offers_lack_topic(&cli) + offers_lack_types();
    check_documents(&api);
    check_sources(&cli, &api, argv[1]);
    if (differences)
        fprintf(stderr, "the manual and the program differ in %d places (src/manual)\n",
                differences);
    return differences ? 1 : 0;
}
