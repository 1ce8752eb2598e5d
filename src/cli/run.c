/* run: loads the configuration and becomes the agent. */
#include <stdio.h>

#include "agent/agent.h"
#include "base/log.h"
#include "cli/cli.h"
#include "reports/reports.h"

int cmd_run(const struct cli *cli)
{
    static struct config_override overrides[2]; /* a thread that hangs may outlive this call */
    overrides[0] = (struct config_override){cli->timeout ? "timeout" : NULL, cli->timeout};
    const struct config_source source = {.path = cli->config,
                                         .targets = cli->targets,
                                         .n_targets = cli->n_targets,
                                         .overrides = overrides,
                                         .for_agent = true,
                                         .check_ready_file = ready_file_try};
    struct config_report report;
    struct config *config = NULL;
    config_report_init(&report);
    int rc = config_load(&source, &config, &report);
    if (rc == CONFIG_OK) {
        log_setup(config->agent.log_json, (enum log_level)config->agent.log_level);
        agent_log_report(&report);
    } else {
        cli_print_report(cli, &report);
    }
    config_report_fini(&report);
    if (rc != CONFIG_OK)
        return rc == CONFIG_BAD_TARGET ? EXIT_USAGE : EXIT_CONFIG;
    struct err e;
    rc = agent_run(&source, config, &e);
    config_free(config);
    if (rc == 0)
        return EXIT_HEALTHY;
    fprintf(stderr, "probe: %s\n", e.text);
    return rc == AGENT_BAD_CONFIG ? EXIT_CONFIG : EXIT_INTERNAL;
}
