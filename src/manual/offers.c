/* offers: see offers.h. */
#include "manual/offers.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "config/config.h"
#include "registry.h"

int offers_lack_schemes(const char *path, const char *text)
{
    struct buf plain;
    int lacking = 0;
    buf_init(&plain, 1 << 20);
    for (const char *c = text; *c; c++)
        if (*c != '\\')
            buf_putc(&plain, *c);
    for (size_t t = 0; probe_types[t]; t++)
        for (const struct probe_scheme *s = probe_types[t]->schemes; s && s->prefix; s++)
            if (!probe_types[t]->only_configured &&
                (!plain.data || !strstr(plain.data, s->prefix))) {
                fprintf(stderr, "%s: lacks the target %s of the type %s\n", path, s->prefix,
                        probe_types[t]->name);
                lacking++;
            }
    buf_fini(&plain);
    return lacking;
}

int offers_lack_topic(const struct page *p)
{
    struct page_topic topic;
    for (size_t at = 0; page_next_topic(p, &at, &topic);) {
        if (strcmp(topic.name, "targets") != 0)
            continue;
        struct buf part;
        buf_init(&part, 1 << 20);
        for (size_t i = topic.first; i < topic.end; i++)
            buf_printf(&part, "%s\n", p->lines[i]);
        int lacking = offers_lack_schemes(p->path, part.data ? part.data : "");
        buf_fini(&part);
        return lacking;
    }
    fprintf(stderr, "%s: no part `.\\\" topic: targets`\n", p->path);
    return 1;
}

int offers_lack_types(void)
{
    int lacking = 0;
    for (size_t k = 0; k < config_n_common_keys; k++)
        for (size_t t = 0; strcmp(config_common_keys[k].name, "type") == 0 && probe_types[t]; t++)
            if (!strstr(config_common_keys[k].doc, probe_types[t]->name)) {
                fprintf(stderr, "src/config/keys.c: the sentence of the key type lacks %s\n",
                        probe_types[t]->name);
                lacking++;
            }
    return lacking;
}
