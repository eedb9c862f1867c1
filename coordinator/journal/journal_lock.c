/* SPDX-License-Identifier: Apache-2.0 */
/* journal_lock.c - one writer per output folder
 *
 * A lock of the kernel, so that the file of a dead process never blocks.  Over NFS the server
 * keeps it.  Where the file system has no locks (Lustre without -o flock), the file itself is the lock:
 * made with O_EXCL, removed in order; then only a person can say that its owner is dead.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "coordinator/journal/journal_private.h"

enum {
    TEXT_BYTES = 512, /* host names are at most 255 */
    LOCK_TRIES = 20   /* 0.1 s apart; fewer: a resume right after a kill is refused */
};

static int set_lock (int fd)
{
    struct flock how = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    /* of the open file, not of the process: a second journal in this process is refused too */
    if (fcntl (fd, F_OFD_SETLK, &how) == 0)
        return 0;
    return errno == EINVAL ? fcntl (fd, F_SETLK, &how) : -1;
}

static bool no_locks_here (int number)
{
    return number == ENOLCK || number == EOPNOTSUPP || number == ENOSYS || number == EINVAL;
}

/* "HOST PID TIME" */
static esp_err write_owner (const journal_lock *lock, esp_error *error)
{
    char text[TEXT_BYTES], host[256] = "unknown", when[32] = "";
    time_t now = time (NULL);
    struct tm parts;
    int len;
    if (gethostname (host, sizeof (host) - 1) != 0)
        (void)strcpy (host, "unknown");
    if (gmtime_r (&now, &parts))
        (void)strftime (when, sizeof (when), "%Y-%m-%dT%H:%M:%SZ", &parts);
    len = snprintf (text, sizeof (text), "%s %ld %s\n", host, (long)getpid (), when);
    if (ftruncate (lock->fd, 0) != 0 ||
        journal_write_at (lock->fd, span_make (text, (size_t)len), 0) != 0)
        return journal_io_failed (error, lock->path, "write");
    return ESP_OK;
}

/* Say who holds it, as the file tells. */
static esp_err refused (const journal_lock *lock, int fd, const char *advice, esp_error *error)
{
    char text[TEXT_BYTES] = {0}, host[256] = "an unknown host", when[64] = "an unknown time";
    long pid = 0;
    if (pread (fd, text, sizeof (text) - 1, 0) > 0)
        (void)sscanf (text, "%255s %ld %63s", host, &pid, when);
    return esp_error_set (error, ESP_ELOCKED, "%s: in use by process %ld on %s since %s; %s",
                          lock->path, pid, host, when, advice);
}

static esp_err take_by_name (journal_lock *lock, bool existed, esp_error *error)
{
    if (existed)
        return refused (
            lock, lock->fd,
            "this file system has no locks, so if that process is gone, remove the file", error);
    lock->by_name = true;
    return write_owner (lock, error);
}

/* A process that was just killed may hold the lock until the kernel has put it away. */
static int lock_soon (int (*set) (int fd), int fd)
{
    const struct timespec pause = {.tv_nsec = 100000000};
    for (int tries = 0; tries < LOCK_TRIES; tries++) {
        if (set (fd) == 0)
            return 0;
        if (errno != EAGAIN && errno != EACCES)
            return -1;
        if (tries + 1 < LOCK_TRIES)
            nanosleep (&pause, NULL);
    }
    errno = EAGAIN;
    return -1;
}

esp_err
journal_lock_take (const char *folder, int (*set) (int fd), journal_lock *out, esp_error *error)
{
    bool existed = false;
    esp_err err = journal_path (folder, "lock", out->path, error);
    out->by_name = false;
    out->fd = -1;
    if (err != ESP_OK)
        return err;
    out->fd = open (out->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (out->fd < 0 && errno == EEXIST) {
        existed = true;
        out->fd = open (out->path, O_RDWR | O_CLOEXEC);
    }
    if (out->fd < 0)
        return journal_io_failed (error, out->path, "open");
    if (lock_soon (set ? set : set_lock, out->fd) == 0)
        err = write_owner (out, error);
    else if (errno == EAGAIN || errno == EACCES)
        err = refused (out, out->fd, "end it first", error);
    else if (no_locks_here (errno))
        err = take_by_name (out, existed, error);
    else
        err = journal_io_failed (error, out->path, "lock");
    if (err != ESP_OK)
        journal_lock_drop (out);
    return err;
}

void journal_lock_drop (journal_lock *lock)
{
    if (lock->fd < 0)
        return;
    if (lock->by_name)
        unlink (lock->path);
    close (
        lock->fd); /* the lock goes with it; the file stays, or a waiting process would hold a lost one */
    lock->fd = -1;
    lock->by_name = false;
}
