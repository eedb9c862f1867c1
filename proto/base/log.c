/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - the one log of a process
 *
 * File-scope state, as in alloc.c: a log line must be possible from anywhere, also before
 * esp_log_open and in a thread that was handed nothing.  Every line is built on the stack and
 * leaves by one write(2) of less than PIPE_BUF bytes, so lines of ranks that share a pipe stay whole.
 */

#include "proto/base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "proto/base/text.h"

enum {
    HEAD_BYTES = 160,                     /* time, level, id, rank */
    TEXT_BYTES = 2048,                    /* longer texts are cut; 2 lines fit in PIPE_BUF */
    LINE_BYTES = HEAD_BYTES + TEXT_BYTES, /* the newline takes the place of a 0 */
};

static struct {
    pthread_mutex_t lock; /* guards all below */
    int rank;
    int file; /* -1: none */
    enum log_level stderr_level, file_level;
    void (*before) (void *ctx);
    void (*after) (void *ctx);
    void *ctx;
    unsigned long dropped;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .rank = -1, .file = -1, .stderr_level = LOG_INFO};

esp_err
esp_log_open (int rank, enum log_level stderr_level, const char *path, enum log_level file_level)
{
    int file = -1;
    if (path)
        file = open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    pthread_mutex_lock (&state.lock);
    if (state.file >= 0)
        close (state.file);
    state.rank = rank;
    state.file = file;
    state.stderr_level = stderr_level;
    state.file_level = file_level;
    pthread_mutex_unlock (&state.lock);
    return path && file < 0 ? ESP_EIO : ESP_OK;
}

void esp_log_close (void)
{
    pthread_mutex_lock (&state.lock);
    if (state.file >= 0)
        close (state.file);
    state.file = -1;
    pthread_mutex_unlock (&state.lock);
}

void esp_log_around (void (*before) (void *ctx), void (*after) (void *ctx), void *ctx)
{
    pthread_mutex_lock (&state.lock);
    state.before = before;
    state.after = after;
    state.ctx = ctx;
    pthread_mutex_unlock (&state.lock);
}

unsigned long esp_log_dropped (void)
{
    unsigned long dropped;
    pthread_mutex_lock (&state.lock);
    dropped = state.dropped;
    pthread_mutex_unlock (&state.lock);
    return dropped;
}

static size_t write_head (char *out, enum log_level level, const char *id)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    struct timespec now = {0, 0};
    struct tm utc;
    char rank[24] = "";
    int len;
    clock_gettime (CLOCK_REALTIME, &now);
    gmtime_r (&now.tv_sec, &utc);
    if (state.rank >= 0)
        snprintf (rank, sizeof (rank), "rank=%d ", state.rank);
    len = snprintf (out, HEAD_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %-5s %.64s %s",
                    utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                    utc.tm_sec, now.tv_nsec / 1000000, names[level], id, rank);
    return len < HEAD_BYTES ? (size_t)len : HEAD_BYTES - 1;
}

/* Short writes count as lost: a second write could land inside a line of another rank. */
static void write_line (int file, const char *line, size_t len)
{
    ssize_t done;
    do
        done = write (file, line, len);
    while (done < 0 && errno == EINTR);
    if (done != (ssize_t)len)
        state.dropped++;
}

static void emit (enum log_level level, const char *line, size_t len)
{
    if (level <= state.stderr_level) {
        if (state.before)
            state.before (state.ctx);
        write_line (STDERR_FILENO, line, len);
        if (state.after)
            state.after (state.ctx);
    }
    if (state.file >= 0 && level <= state.file_level)
        write_line (state.file, line, len);
}

void esp_log (enum log_level level, const char *id, const char *format, ...)
{
    char line[LINE_BYTES + 4]; /* 4 more: the cut must see a whole UTF-8 sequence */
    int saved = errno;
    size_t len;
    va_list args;
    if ((unsigned)level > LOG_DEBUG)
        level = LOG_ERROR;
    pthread_mutex_lock (&state.lock);
    if (level <= state.stderr_level || (state.file >= 0 && level <= state.file_level)) {
        len = write_head (line, level, id);
        va_start (args, format);
        if (vsnprintf (line + len, sizeof (line) - len, format, args) < 0)
            line[len] = 0;
        va_end (args);
        len = esp_utf8_cut (span_of (line), LINE_BYTES - 1).len;
        line[len] = 0;
        esp_text_scrub (line);
        line[len++] = '\n';
        emit (level, line, len);
    }
    pthread_mutex_unlock (&state.lock);
    errno = saved;
}
