/* settings: see internal.h. */
#include "serve/internal.h"

unsigned settings_text(const struct engine *e, const char *name, struct buf *out)
{
    const struct check *c = engine_find(e, name);
    buf_init(out, SIZE_MAX / 2);
    if (!c) {
        buf_puts(out, "no such probe\n");
        return MHD_HTTP_NOT_FOUND;
    }
    buf_printf(out, "[probe %s]\n%s", c->conf->name, c->conf->settings ? c->conf->settings : "");
    return MHD_HTTP_OK;
}
