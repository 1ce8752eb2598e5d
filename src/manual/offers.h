/* offers: whether the places that list every type, or every way to write a target, lack one. Part
 * of manual_check. */
#ifndef PROBE_MANUAL_OFFERS_H
#define PROBE_MANUAL_OFFERS_H

#include "manual/page.h"

/* Each prints what is lacking, and returns how much of it. `path` is for the message. */

/* Every scheme of the types ("tcp://") in the text; backslashes in it do not count. */
int offers_lack_schemes(const char *path, const char *text);

/* The same in the page's part "topic: targets". */
int offers_lack_topic(const struct page *p);

/* Every type's name in the sentence of the key `type`. */
int offers_lack_types(void);

#endif
