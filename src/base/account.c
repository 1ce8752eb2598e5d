/* account: see account.h. */
#include "base/account.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"

#define USERS     "/etc/passwd"
#define USERS_MAX (1 << 20) /* bytes that are read of it */

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

/* "name:password:uid:gid:..." */
static bool read_line(char *line, struct account *out)
{
    char *field[4];
    size_t k = 0;
    while (k < ARRAY_LEN(field) && (field[k] = strsep(&line, ":")))
        k++;
    if (k < ARRAY_LEN(field))
        return false;
    const char *uid = field[2], *gid = field[3];
    return take_id(&uid, '\0', &out->uid) && take_id(&gid, '\0', &out->gid);
}

int account_find(const char *name, struct account *out, struct err *e)
{
    char *text, *rest, *line;
    size_t len, n = strlen(name);
    struct err why;
    if (file_read(USERS, USERS_MAX, &text, &len, NULL, &why) != FILE_OPEN)
        return err_set(e, "cannot look up user '%.60s' (a number works without it): " USERS " %s",
                       name, why.text);
    bool found = false;
    rest = text;
    while (!found && n && !strchr(name, ':') && (line = strsep(&rest, "\n")))
        found = strncmp(line, name, n) == 0 && line[n] == ':' && read_line(line, out);
    free(text);
    return found ? 0 : err_set(e, "no user '%.60s' in " USERS, name);
}
