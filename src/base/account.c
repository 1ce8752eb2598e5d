/* account: see account.h. */
#include "base/account.h"

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USERS "/etc/passwd"

/* A number, up to `end` or the end of the text. */
static bool take_id(const char **text, char end, unsigned *out)
{
    char *behind;
    if (!isdigit((unsigned char)**text))
        return false;
    unsigned long n = strtoul(*text, &behind, 10);
    *text = behind + (*behind && *behind == end);
    *out = (unsigned)n;
    return (!*behind || *behind == end) && n < UINT32_MAX;
}

bool account_parse(const char *text, struct account *out)
{
    bool both = strchr(text, ':') != NULL;
    if (!take_id(&text, ':', &out->uid))
        return false;
    out->gid = out->uid;
    return !both || take_id(&text, '\0', &out->gid);
}

int account_find(const char *name, struct account *out, struct err *e)
{
    const struct passwd *user;
    FILE *f = fopen(USERS, "re");
    if (!f)
        return err_errno(e, errno,
                         "cannot look up user '%.60s' (a number works without it): " USERS, name);
    do
        user = fgetpwent(f);
    while (user && strcmp(user->pw_name, name) != 0);
    if (user)
        *out = (struct account){user->pw_uid, user->pw_gid};
    fclose(f);
    return user ? 0 : err_set(e, "no user '%.60s' in " USERS, name);
}
