/* keys: the indexes of the two tables of keys that belong to no type (config.h: config_common_keys,
 * config_agent_keys). */
#ifndef PROBE_CONFIG_KEYS_H
#define PROBE_CONFIG_KEYS_H

enum common_key {
    COMMON_TYPE,
    COMMON_INTERVAL,
    COMMON_TIMEOUT,
    COMMON_RETRIES,
    COMMON_START_PERIOD,
    COMMON_START_INTERVAL,
    COMMON_SUCCESS_THRESHOLD,
    COMMON_INITIAL_DELAY,
    COMMON_FAIL_INTERVAL,
    COMMON_JITTER,
    COMMON_LEVEL,
    COMMON_REQUIRED,
    COMMON_AFTER,
    COMMON_COUNT
};

enum agent_key {
    AGENT_SOCKET,
    AGENT_SOCKET_MODE,
    AGENT_LISTEN,
    AGENT_MAX_WORKERS,
    AGENT_SHARD,
    AGENT_LOG_FORMAT,
    AGENT_LOG_LEVEL,
    AGENT_AGENT_CHECK,
    AGENT_AGENT_CHECK_NOT_READY,
    AGENT_COUNT
};

#endif
