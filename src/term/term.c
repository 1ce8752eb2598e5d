/* term: see term.h. */
#include "term/term.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SIZE_MOST 10000

static size_t size_of(unsigned short own, const char *variable, size_t otherwise)
{
    const char *text = own ? NULL : getenv(variable);
    unsigned long n = text ? strtoul(text, NULL, 10) : own;
    return n > 0 && n <= SIZE_MOST ? n : otherwise;
}

void term_look(struct term *t, int fd)
{
    *t = (struct term){.tty = isatty(fd)};
    if (!t->tty)
        return;
    const char *kind = getenv("TERM"), *plain = getenv("NO_COLOR");
    t->moves = kind && *kind && strcmp(kind, "dumb") != 0;
    t->colour = t->moves && !(plain && *plain);
    struct winsize size = {0};
    ioctl(fd, TIOCGWINSZ, &size);
    t->columns = size_of(size.ws_col, "COLUMNS", 80);
    t->rows = size_of(size.ws_row, "LINES", 24);
}

bool term_in_background(int fd)
{
    pid_t owner = tcgetpgrp(fd);
    return owner > 0 && owner != getpgrp();
}
