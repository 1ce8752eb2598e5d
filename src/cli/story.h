/* story: why a probe is in the state that an agent says, and what would change that, in sentences.
 * Pure: what is known goes in, comment lines come out. */
#ifndef PROBE_CLI_STORY_H
#define PROBE_CLI_STORY_H

#include "base/buf.h"
#include "cli/view.h"
#include "health/health.h"

struct story {
    const struct view *view;
    /* The agent does not say with which it runs; `by` is said where something is reckoned with
     * this: the file that it is from. */
    const struct health_policy *policy;
    const char *by;
    const char *held_by; /* the probe of `after` that blocks it; NULL: none, or not known */
    const char *held_status;
    int64_t now; /* wall time, ns */
};

/* Appends lines that begin with "# ". Nothing of the view can begin a line of its own. */
void story_tell(struct buf *out, const struct story *s);

/* What it takes: so many checks in a row that end so, of which some do not count yet, the last of
 * them at the earliest `in` ns from now. checks 0: more than can be foreseen. */
struct story_turn {
    uint32_t checks, uncounted;
    int64_t in;
};

/* The next checks all have this outcome; the first starts in `next_in` ns, each ends as it starts.
 * `state` has times relative to now. */
struct story_turn story_turn(const struct health_policy *policy, struct health_state state,
                             int64_t next_in, enum health_outcome outcome);

#endif
