/* init_guard: see init_guard.h. */
#include "net/init_guard.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

const char *const init_guard_choices[] = {
    [INIT_GUARD_OFF] = "off", [INIT_GUARD_AUTO] = "auto", NULL};

#define CMDLINE_MAX 16384 /* bytes of a command line; the signs stand at its end */

static bool postgres_is_temporary(const char *cmdline, size_t len)
{
    bool no_network = false, port = false;
    const char *last = "", *end = cmdline + len;
    for (const char *arg = cmdline; arg < end; last = arg, arg += strlen(arg) + 1) {
        const char *setting = strcmp(last, "-c") == 0                          ? arg
                              : str_starts(arg, "-c") || str_starts(arg, "--") ? arg + 2
                                                                               : "";
        if (str_starts(setting, "listen_addresses=")) /* the last one holds */
            no_network = strcmp(setting, "listen_addresses=") == 0;
        port = port || strcmp(last, "-p") == 0 || str_starts(setting, "port=");
    }
    return no_network && port;
}

static bool mysql_is_temporary(const char *cmdline, size_t len)
{
    bool no_network = false, zone = false, daemon = false, local = false, alone = false;
    const char *end = cmdline + len;
    for (const char *arg = cmdline; arg < end; arg += strlen(arg) + 1) {
        no_network = no_network || strcmp(arg, "--skip-networking") == 0;
        zone = zone || strcmp(arg, "--default-time-zone=SYSTEM") == 0;
        daemon = daemon || strcmp(arg, "--daemonize") == 0;
        local = local || strcmp(arg, "--bind-address=127.0.0.1") == 0;
        alone = alone || strcmp(arg, "--skip-replica-start") == 0 ||
                strcmp(arg, "--skip-slave-start") == 0;
    }
    return (no_network && (zone || daemon)) || (local && alone);
}

bool init_guard_is_temporary(enum init_guard_server server, const char *cmdline, size_t len)
{
    return server == INIT_GUARD_POSTGRES ? postgres_is_temporary(cmdline, len)
                                         : mysql_is_temporary(cmdline, len);
}

void init_guard_look(void *memory)
{
    struct init_guard_look *l = memory;
    char path[64], text[CMDLINE_MAX];
    l->found = INIT_GUARD_UNSEEN;
    if (l->pid <= 0)
        return;
    snprintf(path, sizeof path, "/proc/%d/cmdline", l->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0 || n == (ssize_t)sizeof text - 1)
        return;
    text[n] = '\0';
    l->found = init_guard_is_temporary(l->server, text, (size_t)n) ? INIT_GUARD_TEMPORARY
                                                                   : INIT_GUARD_CLEAR;
}
