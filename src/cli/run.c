/* run: loads the configuration and becomes the agent. */
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "agent/agent.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "reports/reports.h"

/* Its memory holds secrets. A limit of 0 forbids a file, but not a pipe to a program that collects
 * dumps; 1 forbids both (core(5), the kernel's do_coredump). Where the limit is fixed at 0, the
 * process is made one that is never dumped. */
static void forbid_core_dumps(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) < 0)
        limit.rlim_max = 0;
    limit.rlim_cur = 1;
    if (limit.rlim_max < 1)
        limit.rlim_max = 1;
    if (setrlimit(RLIMIT_CORE, &limit) < 0)
        prctl(PR_SET_DUMPABLE, 0);
}

int cmd_run(const struct cli *cli)
{
    static struct config_override overrides[2]; /* a thread that hangs may outlive this call */
    overrides[0] = (struct config_override){cli->timeout ? "timeout" : NULL, cli->timeout};
    struct config_source source;
    int code = cli_source(cli, &source);
    if (code)
        return code;
    source.overrides = overrides;
    source.for_agent = true;
    source.check_ready_file = ready_file_try;
    struct config_report report;
    struct config *config = NULL;
    forbid_core_dumps();
    memory_bound();
    config_report_init(&report);
    int rc = config_load(&source, &config, &report);
    if (rc == CONFIG_OK) {
        log_setup(config->agent.log_json, (enum log_level)config->agent.log_level);
        agent_log_report(&report);
    } else {
        cli_print_report(cli, &report);
    }
    if (rc != CONFIG_OK) {
        config_report_fini(&report);
        return rc == CONFIG_BAD_TARGET ? EXIT_USAGE : EXIT_CONFIG;
    }
    struct err e;
    rc = agent_run(&source, config, &report, &e);
    config_report_fini(&report);
    config_free(config);
    if (rc == 0)
        return EXIT_HEALTHY;
    fprintf(stderr, "probe: %s\n", e.text);
    return rc == AGENT_BAD_CONFIG ? EXIT_CONFIG : EXIT_INTERNAL;
}
