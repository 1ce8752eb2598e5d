/* hosts: see hosts.h. The text is kept whole, and each name in it is found by its hash: lists that
 * block advertisers have 150,000 lines. */
#include "net/hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/array.h"
#include "base/endpoint.h"
#include "base/file_id.h"
#include "base/str.h"

#define BLANKS "\t\r\v\f "

/* A name on a line; those of one bucket in the order of the file. */
struct host_name {
    uint32_t name, line; /* where they begin in the text */
    uint32_t next;       /* index + 1; 0: the last */
};

static struct {
    char path[64];
    struct file_id id;
    char *text;
    size_t len;
    struct host_name *names;
    size_t n_names, room;
    uint32_t *first, *last; /* of each bucket, index + 1 */
    size_t n_buckets;       /* a power of two */
} file;

static size_t name_len(const char *name)
{
    return strcspn(name, BLANKS "\n#");
}

static uint32_t hash_of(const char *name, size_t len)
{
    uint32_t h = 2166136261U; /* FNV-1a, of the letters in lower case */
    for (size_t i = 0; i < len; i++)
        h = (h ^ ((unsigned char)name[i] | 0x20U)) * 16777619U;
    return h;
}

static int add_name(const char *name, size_t len, const char *line)
{
    if (!array_room(&file.names, file.n_names, &file.room, sizeof *file.names))
        return -1;
    size_t bucket = hash_of(name, len) & (file.n_buckets - 1);
    uint32_t at = (uint32_t)file.n_names;
    file.names[file.n_names++] = (struct host_name){.name = (uint32_t)(name - file.text),
                                                    .line = (uint32_t)(line - file.text)};
    if (file.last[bucket])
        file.names[file.last[bucket] - 1].next = at + 1;
    else
        file.first[bucket] = at + 1;
    file.last[bucket] = at + 1;
    return 0;
}

static int add_line(const char *line)
{
    const char *p = line + strspn(line, BLANKS);
    const char *address = p;
    p += name_len(p);
    for (p += strspn(p, BLANKS); *p && *p != '\n' && *p != '#'; p += strspn(p, BLANKS)) {
        size_t len = name_len(p);
        if (add_name(p, len, address) < 0)
            return -1;
        p += len;
    }
    return 0;
}

static void forget(void)
{
    free(file.text);
    free(file.names);
    free(file.first);
    memset(&file, 0, sizeof file);
}

static int make_index(void)
{
    size_t n = 64;
    while (n < file.len / 16) /* a line has hardly less */
        n *= 2;
    file.n_buckets = n;
    file.first = calloc(2 * n, sizeof *file.first);
    if (!file.first)
        return -1;
    file.last = file.first + n;
    for (const char *line = file.text; line && *line;) {
        if (add_line(line) < 0)
            return -1;
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return 0;
}

/* The whole text with a NUL behind it. */
static int read_text(int fd, const char *path, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_errno(e, errno, "cannot read %s", path);
    if (!S_ISREG(st.st_mode) || (size_t)st.st_size > HOSTS_FILE_MAX)
        return err_set(e, "cannot read %s: no regular file of 64 MiB at most", path);
    file.text = malloc((size_t)st.st_size + 1);
    if (!file.text)
        return err_set(e, "cannot read %s: out of memory", path);
    ssize_t n;
    while (file.len < (size_t)st.st_size &&
           (n = read(fd, file.text + file.len, (size_t)st.st_size - file.len)) != 0) {
        if (n < 0)
            return err_errno(e, errno, "cannot read %s", path);
        file.len += (size_t)n;
    }
    file.text[file.len] = '\0';
    return 0;
}

static int load(const char *path, struct err *e)
{
    struct file_id id = file_id_of(path);
    if (strcmp(file.path, path) == 0 && file_id_same(&file.id, &id))
        return 0;
    forget();
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0
                                                   : err_errno(e, errno, "cannot read %s", path);
    int rc = read_text(fd, path, e);
    close(fd);
    if (rc == 0 && make_index() < 0)
        rc = err_set(e, "cannot read %s: out of memory", path);
    if (rc < 0) {
        forget();
        return -1;
    }
    file.id = id;
    snprintf(file.path, sizeof file.path, "%s", path);
    return 0;
}

/* False: no address is at the beginning of that line, and getaddrinfo skips it too. */
static bool take_address(const char *line, struct sockaddr_in6 *a)
{
    char text[80];
    size_t len = name_len(line);
    if (len >= sizeof text)
        return false;
    memcpy(text, line, len);
    text[len] = '\0';
    return endpoint_address(&(struct endpoint){.host = text}, a);
}

int hosts_find_in(const char *path, const char *name, struct sockaddr_in6 *out, size_t max,
                  struct err *e)
{
    size_t len = strlen(name), n = 0;
    if (len && name[len - 1] == '.')
        len--;
    if (load(path, e) < 0)
        return -1;
    uint32_t at = file.n_buckets ? file.first[hash_of(name, len) & (file.n_buckets - 1)] : 0;
    for (; at; at = file.names[at - 1].next) {
        const struct host_name *h = &file.names[at - 1];
        struct sockaddr_in6 a;
        const char *found = file.text + h->name;
        if (name_len(found) != len || strncasecmp(found, name, len) != 0 ||
            !take_address(file.text + h->line, &a))
            continue;
        if (n < max)
            out[n] = a;
        n++;
    }
    return (int)n;
}

int hosts_find(const char *name, struct sockaddr_in6 *out, size_t max, struct err *e)
{
    return hosts_find_in("/etc/hosts", name, out, max, e);
}
