/* family: see family.h. */
#include "net/family.h"

const char *const family_choices[] = {"any", "4", "6", NULL};

int family_of(const struct probe_value *v)
{
    static const int families[] = {0, 4, 6};
    return families[v->num];
}
