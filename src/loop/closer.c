/* closer: see closer.h. */
#include "loop/closer.h"

#include <assert.h>

void closer_init(struct closer *c, uv_loop_t *loop, void (*on_closed)(struct closer *c))
{
    *c = (struct closer){.on_closed = on_closed};
    uv_idle_init(loop, &c->self);
    closer_add(c, &c->self);
}

void closer_add(struct closer *c, void *handle)
{
    uv_handle_t *h = handle;
    assert(!c->closing && c->n_handles < CLOSER_HANDLES);
    h->data = c;
    c->handles[c->n_handles++] = h;
    c->n_open++;
}

void closer_hold(struct closer *c)
{
    c->n_open++;
}

void closer_drop(struct closer *c)
{
    assert(c->n_open > 0);
    if (--c->n_open > 0)
        return;
    assert(c->closing); /* until then `self` is open */
    c->on_closed(c);
}

static void on_handle_closed(uv_handle_t *handle)
{
    closer_drop(handle->data);
}

void closer_close(struct closer *c)
{
    assert(!c->closing);
    c->closing = true;
    for (unsigned i = 0; i < c->n_handles; i++)
        uv_close(c->handles[i], on_handle_closed);
}
