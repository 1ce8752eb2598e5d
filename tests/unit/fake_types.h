/* fake_types: a registry of two types for tests of the configuration, which must not depend on what
 * the real ones are. Included by one file of a program: it defines probe_types. */
#ifndef TESTS_FAKE_TYPES_H
#define TESTS_FAKE_TYPES_H

#include <stdlib.h>
#include <string.h>

#include "registry.h"

static const char *const fake_modes[] = {"fast", "slow", NULL};

static const struct probe_key fake_tcp_keys[] = {
    {.name = "address", .kind = KEY_TEXT, .flags = KEY_REQUIRED},
    {.name = "send", .kind = KEY_TEXT},
    {.name = "password", .kind = KEY_TEXT, .flags = KEY_SECRET},
    {.name = "mode", .kind = KEY_CHOICE, .def = "fast", .choices = fake_modes},
    {.name = "tls_ca", .kind = KEY_FILE},
    {.name = "socket", .kind = KEY_TEXT},
};
static const struct probe_scheme fake_tcp_schemes[] = {
    {"tcp://", "address", true},
    {"unix://", "address", false},
    {"s4:", "socket", true},
    {NULL, NULL, false},
};

static const struct probe_key fake_web_keys[] = {
    {.name = "url", .kind = KEY_TEXT, .flags = KEY_REQUIRED | KEY_MAY_HIDE},
    {.name = "header", .kind = KEY_LINES, .flags = KEY_SECRET},
    {.name = "password", .kind = KEY_TEXT, .flags = KEY_SECRET},
    {.name = "max_lag", .kind = KEY_DURATION},
    {.name = "pid", .kind = KEY_INT, .min = 1},
    {.name = "socket", .kind = KEY_TEXT},
};
static const struct probe_scheme fake_web_schemes[] = {
    {"web://", "url", false},
    {"web:", "pid", true},
    {"s6:", "socket", true},
    {NULL, NULL, false},
};

/* Needs a colon in its first key, counts itself, and keeps a copy of the target. */
static int fake_alive;

static void *fake_prepare(const struct probe_value *values, struct probe_report *report,
                          char **target)
{
    if (values[0].text && !strchr(values[0].text, ':')) {
        probe_error(report, 0, "no port, expected HOST:PORT");
        return NULL;
    }
    if (values[0].text && strstr(values[0].text, "localhost"))
        probe_warn(report, 0, "localhost may be another");
    *target = strdup(values[0].text ? "shown\x1b" : "none");
    fake_alive++;
    return strdup(values[0].text ? values[0].text : "");
}

static void fake_dispose(void *conf)
{
    fake_alive--;
    free(conf);
}

static const struct probe_type fake_tcp = {
    .name = "tcp",
    .keys = fake_tcp_keys,
    .n_keys = sizeof fake_tcp_keys / sizeof *fake_tcp_keys,
    .schemes = fake_tcp_schemes,
    .prepare = fake_prepare,
    .dispose = fake_dispose,
};
static const struct probe_type fake_web = {
    .name = "web",
    .keys = fake_web_keys,
    .n_keys = sizeof fake_web_keys / sizeof *fake_web_keys,
    .schemes = fake_web_schemes,
    .prepare = fake_prepare,
    .dispose = fake_dispose,
};

const struct probe_type *const probe_types[] = {&fake_tcp, &fake_web, NULL};

#endif
