/* Plays inputs to a fuzz target without a fuzzer: what libFuzzer's main does with files, for a
 * compiler and a processor that have none. Each input comes whole and cut short, in a block of its
 * exact size, so that a sanitizer sees what is read behind it. An input that fails ends the program
 * as the target does, and its name is the last line of what was printed.
 *
 *   fuzz_replay NAME FOLDER-OR-FILE...  */
#include "replay.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CUTS = 64 }; /* an input is cut at each of its bytes, or at this many places */

static size_t n_inputs, n_runs;

static void play_part(const struct replay_target *t, const char *data, size_t size)
{
    uint8_t *own = malloc(size ? size : 1);
    if (!own)
        abort();
    if (size)
        memcpy(own, data, size);
    t->one(own, size);
    free(own);
    n_runs++;
}

static void play_input(const struct replay_target *t, const char *path, size_t size)
{
    FILE *f = fopen(path, "rb");
    char *data = malloc(size + 1);
    if (!f || !data || fread(data, 1, size + 1, f) != size) {
        perror(path);
        exit(2);
    }
    fclose(f);
    printf("%s\n", path);
    fflush(stdout);
    play_part(t, data, size);
    size_t step = size / CUTS + 1;
    for (size_t cut = 0; cut < size; cut += step)
        play_part(t, data, cut);
    free(data);
    n_inputs++;
}

static void play_path(const struct replay_target *t, const char *path)
{
    struct stat st;
    DIR *folder = NULL;
    if (stat(path, &st) != 0 || (S_ISDIR(st.st_mode) && !(folder = opendir(path)))) {
        perror(path);
        exit(2);
    }
    if (!folder) {
        play_input(t, path, (size_t)st.st_size);
        return;
    }
    for (struct dirent *e; (e = readdir(folder));) {
        char inner[4096];
        if (e->d_name[0] == '.')
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        play_path(t, inner);
    }
    closedir(folder);
}

int main(int argc, char **argv)
{
    const struct replay_target *t = replay_targets;
    while (t->name && (argc < 2 || strcmp(t->name, argv[1]) != 0))
        t++;
    if (!t->name || argc < 3) {
        fprintf(stderr, "usage: fuzz_replay NAME FOLDER-OR-FILE...\n");
        return 64;
    }
    if (t->init)
        t->init(&argc, &argv);
    for (int i = 2; i < argc; i++)
        play_path(t, argv[i]);
    printf("%s: %zu inputs, played %zu times\n", t->name, n_inputs, n_runs);
    return n_inputs ? 0 : 2; /* an empty folder tests nothing */
}
