/* first_heap: the first memory that the program asks for is a piece of its own data, handed out
 * from one end to the other and never given back; what comes after is the C library's as always.
 *
 * A one-shot check needs some ten KiB in a hundred pieces. musl's allocator, built to survive
 * abuse, maps a page or more for each size of piece, and unmaps it again: that was a fifth of the
 * check's whole time. An agent spends this heap while it reads its configuration and then never
 * comes here again. The linker puts these in the place of the library's (--wrap). */
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HEAP_SIZE  (32 << 10)
#define PIECE_MAX  8192 /* one that is larger would leave little for the others */
#define PIECE_UNIT alignof(max_align_t)

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

struct piece {
    size_t size;
    alignas(max_align_t) unsigned char memory[];
};

static alignas(struct piece) unsigned char heap[HEAP_SIZE];
static atomic_size_t used; /* beyond HEAP_SIZE once it is full */

static bool is_ours(const void *p)
{
    return (uintptr_t)p - (uintptr_t)heap < HEAP_SIZE;
}

/* Zeroed, since no byte is ever used twice. NULL: not from here. */
static void *take(size_t n)
{
    if (n > PIECE_MAX || atomic_load(&used) >= HEAP_SIZE)
        return NULL;
    size_t size = (n + PIECE_UNIT - 1) / PIECE_UNIT * PIECE_UNIT;
    size_t at = atomic_fetch_add(&used, sizeof(struct piece) + size);
    if (at + sizeof(struct piece) + size > HEAP_SIZE)
        return NULL;
    struct piece *piece = (struct piece *)(void *)(heap + at);
    piece->size = size;
    return piece->memory;
}

void *__wrap_malloc(size_t n)
{
    void *p = take(n);
    return p ? p : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    void *p = size && n > PIECE_MAX / size ? NULL : take(n * size);
    return p ? p : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    if (!p)
        return __wrap_malloc(n);
    if (!is_ours(p))
        return __real_realloc(p, n);
    const struct piece *piece =
        (struct piece *)(void *)((unsigned char *)p - offsetof(struct piece, memory));
    if (n <= piece->size)
        return p;
    void *grown = __wrap_malloc(n);
    if (grown)
        memcpy(grown, p, piece->size);
    return grown;
}

void __wrap_free(void *p)
{
    if (!is_ours(p))
        __real_free(p);
}
