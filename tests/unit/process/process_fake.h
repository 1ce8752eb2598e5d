/* process_fake: a folder in /proc's place. Process 1 is always there. */
#ifndef TEST_PROCESS_FAKE_H
#define TEST_PROCESS_FAKE_H

#include "process_rig.h"

static void fake_add(const char *root, pid_t pid, const char *comm, char state, int threads,
                     long start, const char *cmdline, size_t cmdline_len)
{
    char path[200], text[400];
    snprintf(path, sizeof path, "%s/%d", root, (int)pid);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/%d/stat", root, (int)pid);
    int len = snprintf(text, sizeof text,
                       "%d (%s) %c 1 1 1 0 -1 4194560 90 0 0 0 0 0 0 0 20 0 %d 0 %ld 1 2 3 4\n",
                       (int)pid, comm, state, threads, start);
    write_file(path, text, (size_t)len);
    snprintf(path, sizeof path, "%s/%d/status", root, (int)pid);
    len = snprintf(text, sizeof text, "Name:\tx\nTgid:\t%d\nUid:\t7\t8\t9\t10\n", (int)pid);
    write_file(path, text, (size_t)len);
    snprintf(path, sizeof path, "%s/%d/cmdline", root, (int)pid);
    write_file(path, cmdline ? cmdline : "", cmdline_len);
}

static void fake_open(char root[64])
{
    char path[128];
    scratch_open(root);
    snprintf(path, sizeof path, "%s/self", root);
    assert_int_equal(symlink("nowhere", path), 0);
    fake_add(root, 1, "init", 'S', 1, 5, "init", 5);
}

#endif
