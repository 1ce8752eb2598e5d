/* failing_heap: the program's own allocations fail on demand, one of them or all from one on. The
 * libraries' own are not touched. tests/CMakeLists.txt has the linker hand them over in every unit
 * test that includes this header. */
#ifndef PROBE_TESTS_FAILING_HEAP_H
#define PROBE_TESTS_FAILING_HEAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

static struct {
    size_t at;   /* the allocation that fails; 0: none */
    bool rest;   /* and all after it */
    size_t made; /* so far */
} heap;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
int __real_vasprintf(char **out, const char *fmt, va_list ap);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);
int __wrap_vasprintf(char **out, const char *fmt, va_list ap);

static bool fails(void)
{
    heap.made++;
    return heap.at && (heap.made == heap.at || (heap.rest && heap.made > heap.at));
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

int __wrap_vasprintf(char **out, const char *fmt, va_list ap)
{
    return fails() ? -1 : __real_vasprintf(out, fmt, ap);
}

#endif
