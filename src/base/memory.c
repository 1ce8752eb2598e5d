/* memory: see memory.h. */
#include "base/memory.h"

#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* An allocation of that size is the kernel's, and goes back to it when it is freed. */
#define LARGE_BYTES (128 * 1024)

#ifdef __GLIBC__
/* By default glibc raises its limits with the largest block that was freed: after one body of
 * 1 MiB, blocks of that size and 2 MiB of free heap stay. A thread would get an arena of its own.
 */
void memory_bound(void)
{
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    mallopt(M_TRIM_THRESHOLD, LARGE_BYTES);
    mallopt(M_ARENA_MAX, 1);
}

static void trim(void)
{
    malloc_trim(0);
}
#else
void memory_bound(void) {}

static void trim(void) {}
#endif

/* Does the loader write into its code, which is then in no file (some libraries of 32 bits)? */
static bool has_written_code(const struct dl_phdr_info *object)
{
    const ElfW(Dyn) *entry = NULL;
    for (int i = 0; i < object->dlpi_phnum; i++)
        if (object->dlpi_phdr[i].p_type == PT_DYNAMIC)
            entry = (const void *)(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr);
    for (; entry && entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_TEXTREL ||
            (entry->d_tag == DT_FLAGS && entry->d_un.d_val & DF_TEXTREL))
            return true;
    return false;
}

static int let_go(struct dl_phdr_info *object, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < object->dlpi_phnum && !has_written_code(object); i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || part->p_flags & PF_W)
            continue; /* what was written is in no file */
        uintptr_t first = object->dlpi_addr + part->p_vaddr, end = first + part->p_memsz;
        first -= first % page;
        madvise((void *)first, end - first, MADV_DONTNEED);
    }
    return 0;
}

void memory_settle(void)
{
    dl_iterate_phdr(let_go, NULL);
    trim();
}
