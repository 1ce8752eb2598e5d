/* agent: see agent.h. */
#include "config/agent.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/endpoint.h"
#include "base/file.h"
#include "base/str.h"
#include "base/words.h"
#include "config/labels.h"
#include "config/value.h"

#define DIGITS      "0123456789"
#define NAME_MOST   128 /* bytes */
#define TOKEN_LEAST 16
#define TOKEN_MOST  1024

static bool is_off(const char *text)
{
    return !text || !*text || strcmp(text, "off") == 0;
}

/* "I/N". Swarm counts its slots from 1 and Kubernetes its pods from 0: N of N is 0 of N. */
static bool read_shard(struct agent_conf *a, const char *text)
{
    a->shard = 0;
    a->n_shards = 1;
    if (!text || !*text)
        return true;
    size_t i = strspn(text, DIGITS), n = text[i] == '/' ? strspn(text + i + 1, DIGITS) : 0;
    if (i < 1 || i > 5 || n < 1 || n > 5 || text[i + 1 + n])
        return false;
    unsigned long part = strtoul(text, NULL, 10), parts = strtoul(text + i + 1, NULL, 10);
    if (part > parts || parts < 1)
        return false;
    a->shard = (uint32_t)(part % parts);
    a->n_shards = (uint32_t)parts;
    return true;
}

/* A place to listen on, or off. */
static bool check_address(const struct probe_value *v, const char *key, struct source *s)
{
    struct endpoint ep;
    struct err e;
    if (is_off(v->text))
        return false;
    if (endpoint_parse_listen(&ep, v->text, &e) < 0) {
        source_problem(s, true, v->line, key, "%s", e.text);
        return false;
    }
    endpoint_fini(&ep);
    return true;
}

/* What a header can carry (RFC 6750, b64token), and nobody guesses. */
static void check_token(const struct probe_value *v, struct source *s)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" DIGITS "-._~+/=";
    const struct probe_value *token = &v[AGENT_TOKEN];
    size_t len = token->text ? strlen(token->text) : 0;
    if (!token->given || (len && is_off(token->text)))
        return;
    if (len < TOKEN_LEAST || len > TOKEN_MOST || token->text[strspn(token->text, alphabet)])
        source_problem(s, true, token->line, "token",
                       "cannot be used, expected %d to %d letters, digits and -._~+/=", TOKEN_LEAST,
                       TOKEN_MOST);
}

/* Everybody on the network may read what the agent says there: meant, or overlooked? */
static void warn_of_open_api(const struct probe_value *v, struct source *s)
{
    struct endpoint ep;
    struct err e;
    const struct probe_value *listen = &v[AGENT_LISTEN];
    if (is_off(listen->text) || endpoint_parse_listen(&ep, listen->text, &e) < 0)
        return;
    if (!endpoint_is_loopback(&ep))
        source_problem(s, false, listen->line, "listen",
                       "everybody who reaches %.80s may read the API, expected token_file = FILE "
                       "with a token, or token = off if that is meant",
                       listen->text);
    endpoint_fini(&ep);
}

static void check_agent_check(const struct probe_value *v, struct source *s)
{
    const struct probe_value *address = &v[AGENT_AGENT_CHECK];
    if (!check_address(address, "agent_check", s))
        return;
    if (v[AGENT_LISTEN].text && strcmp(address->text, v[AGENT_LISTEN].text) == 0)
        source_problem(s, true, address->line, "agent_check",
                       "is the same address and port as listen, expected one of its own");
}

static void check_ready_file(const struct builder *b, const struct probe_value *v, struct source *s)
{
    struct err e;
    const char *path = v[AGENT_READY_FILE].text;
    if (is_off(path))
        return;
    if (path[strlen(path) - 1] == '/' || strlen(path) >= PATH_MAX - sizeof ".new")
        source_problem(s, true, v[AGENT_READY_FILE].line, "ready_file",
                       "\"%.60s\" cannot be the path of a file", path);
    else if (v[AGENT_SOCKET].text && strcmp(path, v[AGENT_SOCKET].text) == 0)
        source_problem(s, true, v[AGENT_READY_FILE].line, "ready_file",
                       "is the same path as socket, expected one of its own");
    else if (b->check_ready_file && b->check_ready_file(path, &e) < 0)
        source_problem(s, true, v[AGENT_READY_FILE].line, "ready_file", "%s", e.text);
}

/* Only http and https: the rest is the request's to find out. */
static void check_url(const struct probe_value *v, struct source *s)
{
    const struct probe_value *url = &v[AGENT_ON_TRANSITION_URL];
    if (is_off(url->text))
        return;
    bool http = str_starts(url->text, "http://") || str_starts(url->text, "https://");
    const char *host = http ? strstr(url->text, "://") + 3 : "";
    if (!*host || strchr("/?#:@", *host) || url->text[strcspn(url->text, " \t\r\n")])
        source_problem(s, true, url->line, "on_transition_url",
                       "cannot be posted to, expected http://host/path or "
                       "https://host/path");
}

static void check_command(struct agent_conf *a, const struct probe_value *v, struct source *s)
{
    struct err e;
    const struct probe_value *command = &v[AGENT_ON_TRANSITION];
    if (is_off(command->text))
        return;
    if (words_split(command->text, &a->on_transition, &e) < 0)
        source_problem(s, true, command->line, "on_transition",
                       "%s, expected a command and its words, e.g. /usr/local/bin/tell --to \"the "
                       "people\"",
                       e.text);
    else if (!strchr(a->on_transition[0], '/'))
        return; /* looked for in PATH, when it is run */
    else if (access(a->on_transition[0], X_OK) < 0)
        source_problem(s, false, command->line, "on_transition", "%.200s cannot be run: %s",
                       a->on_transition[0], strerror(errno));
    else
        source_expect_safe(s, command->line, "on_transition", a->on_transition[0]);
}

static void check(struct agent_conf *a, const struct builder *b, const struct probe_value *v,
                  struct source *s)
{
    const char *path = v[AGENT_SOCKET].text;
    if (!is_off(path) && strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path)
        source_problem(s, true, v[AGENT_SOCKET].line, "socket",
                       "the path is longer than the system allows, expected at most 107 bytes");
    const char *mode = v[AGENT_SOCKET_MODE].text;
    size_t n = strspn(mode, "01234567");
    if (n < 3 || n > 4 || mode[n] || (a->socket_mode = (unsigned)strtoul(mode, NULL, 8)) > 0777)
        source_problem(s, true, v[AGENT_SOCKET_MODE].line, "socket_mode",
                       "\"%.20s\" is not a mode, expected octal digits such as 0660", mode);
    if (!read_shard(a, v[AGENT_SHARD].text))
        source_problem(s, true, v[AGENT_SHARD].line, "shard",
                       "\"%.20s\" is not a share, expected I/N with I from 0 to N, e.g. 2/5",
                       v[AGENT_SHARD].text);
    if (v[AGENT_NAME].text && strlen(v[AGENT_NAME].text) > NAME_MOST)
        source_problem(s, true, v[AGENT_NAME].line, "name",
                       "is too long, expected at most %d bytes", NAME_MOST);
    check_address(&v[AGENT_LISTEN], "listen", s);
    check_token(v, s);
    check_agent_check(v, s);
    check_ready_file(b, v, s);
    check_command(a, v, s);
    check_url(v, s);
}

static int keep_texts(struct agent_conf *a, const struct probe_value *v)
{
    const struct {
        enum agent_key key;
        char **to;
    } texts[] = {
        {AGENT_SOCKET, &a->socket},         {AGENT_LISTEN, &a->listen},
        {AGENT_TOKEN, &a->token},           {AGENT_AGENT_CHECK, &a->agent_check},
        {AGENT_READY_FILE, &a->ready_file}, {AGENT_ON_TRANSITION_URL, &a->on_transition_url}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (!is_off(v[texts[i].key].text) && !(*texts[i].to = strdup(v[texts[i].key].text)))
            return -1;
    const char *name = v[AGENT_NAME].text;
    return name && *name && !(a->identity.name = strdup(name)) ? -1 : 0;
}

static int keep(struct agent_conf *a, const struct table *t, bool keep_values)
{
    const struct probe_value *v = t->values;
    a->max_workers = (unsigned)v[AGENT_MAX_WORKERS].num;
    a->allow_empty = v[AGENT_ALLOW_EMPTY].num;
    a->watch = v[AGENT_WATCH].num;
    a->log_json = v[AGENT_LOG_FORMAT].num == 1;
    a->log_level = (int)v[AGENT_LOG_LEVEL].num;
    a->agent_check_drain = v[AGENT_AGENT_CHECK_NOT_READY].num == 1;
    a->ready_fd = v[AGENT_READY_FD].text ? (int)v[AGENT_READY_FD].num : -1;
    a->on_transition_timeout = v[AGENT_ON_TRANSITION_TIMEOUT].num;
    if (keep_texts(a, v) < 0)
        return -1;
    return keep_values ? table_copy(t, &a->values) : 0;
}

int agent_conf_read(struct agent_conf *a, struct builder *b, const struct ini_entry *entries,
                    size_t n, struct source *s)
{
    struct table t;
    int rc = table_init(&t, config_agent_keys, config_n_agent_keys);
    if (rc == 0)
        rc = table_defaults(&t, s);
    if (rc == 0) {
        for (size_t i = 0; i < n; i++) {
            const struct key_word *w = lookup_word(&b->lookup, entries[i].key);
            if (w && w->agent != LOOKUP_NONE)
                table_set(&t, (size_t)w->agent, entries[i].key, w->twin, entries[i].value,
                          entries[i].line, s);
            else
                build_unknown_key(b, &entries[i], true, 0, s);
        }
        check(a, b, t.values, s);
        if (!t.slots[AGENT_TOKEN].word)
            warn_of_open_api(t.values, s);
        rc = labels_read(&a->identity.labels, &t.values[AGENT_LABELS], s);
        if (rc == 0)
            rc = keep(a, &t, b->keep_values);
    }
    table_fini(&t);
    return rc;
}

void agent_conf_fini(struct agent_conf *a)
{
    identity_fini(&a->identity);
    free(a->socket);
    free(a->listen);
    str_wipe(a->token);
    free(a->agent_check);
    free(a->ready_file);
    words_free(a->on_transition);
    free(a->on_transition_url);
    for (size_t k = 0; a->values && k < config_n_agent_keys; k++)
        value_fini(&a->values[k]);
    free(a->values);
    *a = (struct agent_conf){0};
}
