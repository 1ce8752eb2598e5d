/* keys: the keys of every probe and of [agent]; see config.h. Defaults and order are the contract's
 * (Docker's defaults, where Docker has the key). */
#include "config/keys.h"

#include "base/clock.h"
#include "config/config.h"

static const char *const log_formats[] = {"logfmt", "json", NULL};
static const char *const not_ready_words[] = {"down", "drain", NULL};
static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};

const struct probe_key config_common_keys[] = {
    [COMMON_TYPE] =
        {.name = "type",
         .kind = KEY_TEXT,
         .doc = "What is probed: grpc, exec, dns, mongo, tcp, http, process, redis, postgres or "
                "mysql; not needed where another key tells it, as address does."},
    [COMMON_INTERVAL] = {.name = "interval",
                         .kind = KEY_DURATION,
                         .def = "30s",
                         .min = NS_PER_MS,
                         .doc = "From the end of a check to the start of the next."},
    [COMMON_TIMEOUT] = {.name = "timeout",
                        .kind = KEY_DURATION,
                        .def = "30s",
                        .min = NS_PER_MS,
                        .doc = "One budget over name lookup, connect, TLS, request and reply."},
    [COMMON_RETRIES] = {.name = "retries",
                        .kind = KEY_INT,
                        .def = "3",
                        .min = 1,
                        .max = 1000000,
                        .doc = "Failures in a row until unhealthy."},
    [COMMON_START_PERIOD] = {.name = "start_period",
                             .kind = KEY_DURATION,
                             .def = "0s",
                             .doc = "Until the first success, failures of checks started in that "
                                    "time do not count."},
    [COMMON_START_INTERVAL] = {.name = "start_interval",
                               .kind = KEY_DURATION,
                               .def = "5s",
                               .min = NS_PER_MS,
                               .doc = "The interval while starting within start_period."},
    [COMMON_SUCCESS_THRESHOLD] = {.name = "success_threshold",
                                  .kind = KEY_INT,
                                  .def = "1",
                                  .min = 1,
                                  .max = 1000000,
                                  .doc = "Successes in a row until healthy."},
    [COMMON_INITIAL_DELAY] = {.name = "initial_delay",
                              .kind = KEY_DURATION,
                              .def = "0s",
                              .doc = "Time before the first check."},
    [COMMON_FAIL_INTERVAL] = {.name = "fail_interval",
                              .kind = KEY_DURATION,
                              .min = NS_PER_MS,
                              .doc = "The interval while not healthy, or while results contradict "
                                     "the state; if not set, interval is used."},
    [COMMON_JITTER] = {.name = "jitter",
                       .kind = KEY_PERCENT,
                       .def = "0%",
                       .doc = "Spreads the checks of many probes, in percent of the interval."},
    [COMMON_LEVEL] = {.name = "level",
                      .kind = KEY_WORDS,
                      .def = "ready",
                      .doc = "The verdicts that this probe is part of: alive, ready or both."},
    [COMMON_REQUIRED] = {.name = "required",
                         .kind = KEY_BOOL,
                         .def = "yes",
                         .doc = "no: reported, never counted."},
    [COMMON_AFTER] = {.name = "after",
                      .kind = KEY_WORDS,
                      .doc =
                          "Names of probes; while one of them is unhealthy or blocked, this one is "
                          "blocked: not checked."},
    [COMMON_WARN_AFTER] = {.name = "warn_after",
                           .kind = KEY_DURATION,
                           .min = NS_PER_MS,
                           .doc = "A check that succeeds but takes longer than this warns; the "
                                  "probe stays healthy. If not set, no check is too slow."},
    [COMMON_LABELS] = {.name = "labels",
                       .kind = KEY_WORDS,
                       .doc = "Labels for metrics, JSON and events, e.g. team=shop, env=prod."},
    [COMMON_HISTORY] = {.name = "history",
                        .kind = KEY_DURATION,
                        .min = 2 * 60 * NS_PER_S,
                        .max = 24 * 3600 * NS_PER_S,
                        .doc = "How much of the past its page /probe/NAME shows, e.g. 1h, for 4 "
                               "KiB of memory. If not set, only the last results."},
};
const size_t config_n_common_keys = COMMON_COUNT;

const struct probe_key config_agent_keys[] = {
    [AGENT_NAME] = {.name = "name",
                    .kind = KEY_TEXT,
                    .doc = "What this agent is called on its page, in JSON, events and metrics; if "
                           "not set, as its machine or container."},
    [AGENT_LABELS] = {.name = "labels",
                      .kind = KEY_WORDS,
                      .doc = "Labels of this agent, beside its name, e.g. site=fra, env=prod."},
    [AGENT_SOCKET] = {.name = "socket",
                      .kind = KEY_TEXT,
                      .def = CONFIG_DEFAULT_SOCKET,
                      .doc = "Path of the API's Unix socket, or off."},
    [AGENT_SOCKET_MODE] = {.name = "socket_mode",
                           .kind = KEY_TEXT,
                           .def = "0660",
                           .doc = "Permissions of the socket, in octal: who may ask, check and "
                                  "reload."},
    [AGENT_LISTEN] = {.name = "listen",
                      .kind = KEY_TEXT,
                      .def = "127.0.0.1:9797",
                      .doc = "Address and port of the read-only API on TCP, or off."},
    [AGENT_TOKEN] = {.name = "token",
                     .kind = KEY_TEXT,
                     .flags = KEY_SECRET,
                     .def = "off",
                     .doc = "Bearer token that the API asks for on TCP, of at least 16 "
                            "characters; off: everybody who reaches it may read it."},
    [AGENT_MAX_WORKERS] = {.name = "max_workers",
                           .kind = KEY_INT,
                           .def = "4",
                           .min = 1,
                           .max = 256,
                           .doc = "Child processes at once, for exec and for the Mongo driver."},
    [AGENT_SHARD] =
        {.name = "shard",
         .kind = KEY_TEXT,
         .doc = "This agent's share of the probes, as I/N, where N agents have the same file: "
                "those whose name's hash (FNV-1a, 32 bits) modulo N is I. N/N means 0/N."},
    [AGENT_ALLOW_EMPTY] = {.name = "allow_empty",
                           .kind = KEY_BOOL,
                           .def = "no",
                           .doc = "yes: an agent that watches nothing may run, and is ready. "
                                  "Otherwise a configuration without a probe is an error, and an "
                                  "agent whose share is empty is not ready."},
    [AGENT_WATCH] =
        {.name = "watch",
         .kind = KEY_BOOL,
         .def = "yes",
         .doc = "The configuration is reloaded when its file changes, or a file with a secret or "
                "certificate that it names. no: only by SIGHUP or POST /reload."},
    [AGENT_LOG_FORMAT] = {.name = "log_format",
                          .kind = KEY_CHOICE,
                          .def = "logfmt",
                          .choices = log_formats,
                          .doc = "How log lines are written: logfmt or json."},
    [AGENT_LOG_LEVEL] = {.name = "log_level",
                         .kind = KEY_CHOICE,
                         .def = "info",
                         .choices = log_levels,
                         .doc = "The lowest level that is logged: debug, info, warn or error."},
    [AGENT_AGENT_CHECK] = {.name = "agent_check",
                           .kind = KEY_TEXT,
                           .doc = "Address and port for HAProxy's agent-check, e.g. "
                                  "127.0.0.1:9798: one line a connection, 'up' with the share of "
                                  "healthy probes as weight, or what agent_check_not_ready says. "
                                  "Stale is not ready."},
    [AGENT_AGENT_CHECK_NOT_READY] = {.name = "agent_check_not_ready",
                                     .kind = KEY_CHOICE,
                                     .def = "down",
                                     .choices = not_ready_words,
                                     .doc =
                                         "What HAProxy is told while not ready: down, with the "
                                         "reason, or drain: sessions go on, new ones go elsewhere. "
                                         "Its end is told as 'ready', which also ends a drain or "
                                         "maint that was set by hand."},
    [AGENT_READY_FILE] = {.name = "ready_file",
                          .kind = KEY_TEXT,
                          .doc = "File that is there while the agent is ready, renewed each "
                                 "second: one older than 5s was left by an agent that is gone or "
                                 "hangs."},
    [AGENT_READY_FD] = {.name = "ready_fd",
                        .kind = KEY_INT,
                        .min = 3,
                        .max = 65535,
                        .doc = "Descriptor for s6's readiness notification: gets one newline "
                               "when the agent is ready for the first time."},
    [AGENT_ON_TRANSITION] = {.name = "on_transition",
                             .kind = KEY_TEXT,
                             .doc = "Command that is run at each change of a state, with the "
                                    "event as JSON on its standard input. Split at blanks, with "
                                    "'...' and \"...\" for words that have some; no shell reads "
                                    "it."},
    [AGENT_ON_TRANSITION_URL] = {.name = "on_transition_url",
                                 .kind = KEY_TEXT,
                                 .flags = KEY_SECRET,
                                 .doc = "http or https URL to which the same JSON is posted at "
                                        "each change of a state."},
    [AGENT_ON_TRANSITION_TIMEOUT] = {.name = "on_transition_timeout",
                                     .kind = KEY_DURATION,
                                     .def = "10s",
                                     .min = NS_PER_MS,
                                     .doc = "How long the command, or the request, may take."},
};
const size_t config_n_agent_keys = AGENT_COUNT;
