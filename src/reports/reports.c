/* reports: see reports.h. */
#include "reports/reports.h"

#include <stdlib.h>
#include <string.h>

#include "reports/agent_check.h"

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

int reports_prepare(struct reports *r, const struct agent_conf *conf, struct reports_draft *draft,
                    struct err *err)
{
    *draft = (struct reports_draft){0};
    if (!conf->agent_check)
        return 0;
    if (!(draft->agent_check_address = strdup(conf->agent_check)))
        return err_set(err, "out of memory");
    if (same_text(conf->agent_check, r->agent_check_address))
        return 0;
    draft->agent_check =
        agent_check_open(r->engine, conf->agent_check, conf->agent_check_drain, err);
    if (draft->agent_check)
        return 0;
    reports_discard(draft);
    return -1;
}

void reports_commit(struct reports *r, const struct agent_conf *conf, struct reports_draft *draft)
{
    if (draft->agent_check || !draft->agent_check_address) {
        agent_check_close(r->agent_check);
        r->agent_check = draft->agent_check;
    } else if (r->agent_check) {
        agent_check_set(r->agent_check, conf->agent_check_drain);
    }
    free(r->agent_check_address);
    r->agent_check_address = draft->agent_check_address;
    *draft = (struct reports_draft){0};
}

void reports_discard(struct reports_draft *draft)
{
    agent_check_close(draft->agent_check);
    free(draft->agent_check_address);
    *draft = (struct reports_draft){0};
}

int reports_open(struct reports *r, struct engine *e, const struct agent_conf *conf,
                 struct err *err)
{
    struct reports_draft draft;
    *r = (struct reports){.engine = e, .open = true};
    if (reports_prepare(r, conf, &draft, err) < 0)
        return -1;
    reports_commit(r, conf, &draft);
    return 0;
}

void reports_close(struct reports *r)
{
    if (!r->open)
        return;
    r->open = false;
    agent_check_close(r->agent_check);
    r->agent_check = NULL;
    free(r->agent_check_address);
    r->agent_check_address = NULL;
}
