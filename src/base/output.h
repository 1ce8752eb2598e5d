/* output: standard output and standard error, written without waiting for whoever reads them. A
 * terminal that is stopped or a pipe that is full keeps nobody from a deadline, a signal or its
 * exit code. O_NONBLOCK would be that of everyone who has the same stream, so it is opened once
 * more. */
#ifndef PROBE_BASE_OUTPUT_H
#define PROBE_BASE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

/* How long the end of a command waits for a reader that takes nothing: of its results, and of what
 * else it says. */
#define OUTPUT_RESULT_MS  1000
#define OUTPUT_MESSAGE_MS 100

/* `fd` is STDOUT_FILENO or STDERR_FILENO in all of these. What finds no room is kept, and written
 * before what follows. False: nobody will ever read it, or too much is kept already. */
bool output_put(int fd, const char *data, size_t n);
bool output_print(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Writes what is kept, and waits while its reader takes nothing for at most `patience_ms`. False
 * when there still is some. */
bool output_flush(int fd, int patience_ms);

/* The same at the end of a command; what is not read by then is dropped. The error number of the
 * write that failed; 0: none, also where the reader went away or reads nothing. */
int output_end(int fd, int patience_ms);

/* One attempt, nothing is kept. Safe in a signal handler once something was put. */
void output_try(int fd, const char *data, size_t n);

#endif
