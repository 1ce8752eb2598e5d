/* The first heap of the static build: pieces that are aligned, zeroed, apart from each other and
 * keep what is in them as they grow, here and over into the C library's heap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../packaging/static/first_heap.c"

void *__real_malloc(size_t n)
{
    return malloc(n);
}

void *__real_calloc(size_t n, size_t size)
{
    return calloc(n, size);
}

void *__real_realloc(void *p, size_t n)
{
    return realloc(p, n);
}

void __real_free(void *p)
{
    free(p);
}

static int begin(void **state)
{
    (void)state;
    memset(heap, 0, sizeof heap);
    atomic_store(&used, 0);
    return 0;
}

static void fill(unsigned char *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)(seed + i);
}

static void assert_filled(const unsigned char *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(p[i], (unsigned char)(seed + i));
}

static void test_pieces_lie_apart(void **state)
{
    (void)state;
    enum { N = 400 };
    unsigned char *pieces[N];
    for (unsigned i = 0; i < N; i++) { /* more than fit: the last are the library's */
        pieces[i] = __wrap_malloc(i);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
        fill(pieces[i], i, i);
    }
    assert_true(is_ours(pieces[0]));
    assert_false(is_ours(pieces[N - 1]));
    for (unsigned i = 0; i < N; i++)
        assert_filled(pieces[i], i, i);
    for (unsigned i = 0; i < N; i++)
        __wrap_free(pieces[i]);
}

static void test_growing_keeps_the_bytes(void **state)
{
    (void)state;
    unsigned char *p = __wrap_realloc(NULL, 10);
    assert_true(is_ours(p));
    fill(p, 10, 7);
    for (size_t n = 11; n < 4 * HEAP_SIZE; n = 2 * n + 1) {
        p = __wrap_realloc(p, n);
        assert_non_null(p);
        assert_filled(p, 10, 7);
        fill(p, n, 7);
        assert_filled(p, n, 7);
    }
    assert_false(is_ours(p));
    __wrap_free(p);
}

static void test_calloc_is_zeroed(void **state)
{
    (void)state;
    void *freed = __wrap_malloc(64);
    fill(freed, 64, 1);
    __wrap_free(freed);
    const unsigned char *p = __wrap_calloc(8, 8);
    assert_true(is_ours(p));
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(p[i], 0);
}

static void test_what_is_large_is_the_librarys(void **state)
{
    (void)state;
    void *p = __wrap_malloc(PIECE_MAX + 1);
    assert_false(is_ours(p));
    __wrap_free(p);
    volatile size_t most = SIZE_MAX / 2; /* volatile: the compiler knows better than to ask */
    assert_null(__wrap_calloc(most, 3)); /* no product that wraps around */
    __wrap_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_pieces_lie_apart, begin),
        cmocka_unit_test_setup(test_growing_keeps_the_bytes, begin),
        cmocka_unit_test_setup(test_calloc_is_zeroed, begin),
        cmocka_unit_test_setup(test_what_is_large_is_the_librarys, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
