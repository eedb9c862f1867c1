/* SPDX-License-Identifier: Apache-2.0 */
/* line_process.c - see line_process.h
 *
 * posix_spawn and not fork: a process that speaks MPI must not copy its memory, and spawn tells at once when there is no such
 * program.
 */

#include "worker/sandbox/line_process.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "proto/base/alloc.h"

enum { CHUNK = 4096 }; /* bytes of one read */

extern char **environ;

struct line_process {
    pid_t pid; /* also that of the group */
    int fd;
    bool reaped, ending; /* ending: line_process_end() was called */
    int status;          /* of waitpid; -1: not known */
    size_t line_most;    /* bytes: a longer line is garbage */
    esp_buf out, in;
    size_t sent, heard; /* bytes of out that left, of in that were handed out */
    size_t looked;      /* bytes of in that hold no end of the line that comes next */
};

/* ---- life ---- */

/* Default signals, none blocked, a group of its own. */
static int set_attributes (posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    int failed;
    sigfillset (&all);
    sigdelset (&all, SIGKILL);
    sigdelset (&all, SIGSTOP);
    sigemptyset (&none);
    failed = posix_spawnattr_setsigdefault (attributes, &all);
    failed = failed ? failed : posix_spawnattr_setsigmask (attributes, &none);
    failed = failed ? failed : posix_spawnattr_setpgroup (attributes, 0);
    return failed ? failed
                  : posix_spawnattr_setflags (attributes, POSIX_SPAWN_SETSIGDEF |
                                                              POSIX_SPAWN_SETSIGMASK |
                                                              POSIX_SPAWN_SETPGROUP);
}

/* Opened anew: copies of a descriptor would share the place that was read up to. */
static int give_files (posix_spawn_file_actions_t *files, const int *give, int *next)
{
    int failed = 0;
    char path[64];
    *next = LINE_PROCESS_FD;
    for (size_t i = 0; i < LINE_PROCESS_GIVE && give[i] > 0 && !failed; i++) {
        snprintf (path, sizeof (path), "/proc/self/fd/%d", give[i]);
        failed = posix_spawn_file_actions_addopen (files, (*next)++, path, O_RDONLY, 0);
    }
    return failed;
}

static int set_files (posix_spawn_file_actions_t *files, int fd, const int *give)
{
    int first_closed;
    int failed = posix_spawn_file_actions_adddup2 (files, fd, STDIN_FILENO);
    failed = failed ? failed : posix_spawn_file_actions_adddup2 (files, fd, STDOUT_FILENO);
    failed =
        failed ? failed
               : posix_spawn_file_actions_addopen (files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    failed = failed ? failed : give_files (files, give, &first_closed);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    failed = failed ? failed : posix_spawn_file_actions_addclosefrom_np (files, first_closed);
#else
    (void)first_closed;
#endif
    return failed;
}

static int spawn (const line_process_setup *setup, int fd, pid_t *pid)
{
    const char *const *argv = setup->argv;
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    char **words;
    size_t count = 0;
    int failed;
    while (argv[count])
        count++;
    if (!(words = esp_calloc (count + 1, sizeof (*words))))
        return ENOMEM;
    for (size_t i = 0; i < count; i++)
        memcpy (&words[i], &argv[i], sizeof (words[i])); /* exec takes them as not const */
    posix_spawn_file_actions_init (&files);
    posix_spawnattr_init (&attributes);
    failed = set_attributes (&attributes);
    failed = failed ? failed : set_files (&files, fd, setup->give);
    failed = failed ? failed : posix_spawnp (pid, argv[0], &files, &attributes, words, environ);
    posix_spawn_file_actions_destroy (&files);
    posix_spawnattr_destroy (&attributes);
    esp_free (words);
    return failed;
}

esp_err line_process_start (const line_process_setup *setup, line_process **out, esp_error *error)
{
    const char *const *argv = setup ? setup->argv : NULL;
    int pair[2], failed;
    line_process *p;
    if (!argv || !argv[0] || !out)
        return esp_error_set (error, ESP_EINVAL, "no program to start");
    if (!(p = esp_calloc (1, sizeof (*p))))
        return esp_error_set (error, ESP_ENOMEM, "%s: out of memory", argv[0]);
    if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        failed = errno;
        esp_free (p);
        return esp_error_set (error, ESP_EIO, "%s: no socket: %s", argv[0], strerror (failed));
    }
    p->status = -1;
    p->line_most = setup->line_most ? setup->line_most : LINE_PROCESS_LINE;
    failed = spawn (setup, pair[1], &p->pid);
    close (pair[1]);
    if (failed) {
        close (pair[0]);
        esp_free (p);
        return esp_error_set (error,
                              failed == ENOENT   ? ESP_ENOENT
                              : failed == EACCES ? ESP_EPERMISSION
                              : failed == ENOMEM ? ESP_ENOMEM
                                                 : ESP_EIO,
                              "%s: cannot be started: %s", argv[0], strerror (failed));
    }
    p->fd = pair[0];
    (void)fcntl (p->fd, F_SETFL, O_NONBLOCK);
    *out = p;
    return ESP_OK;
}

void line_process_kill (line_process *p)
{
    if (p->reaped)
        return;
    (void)kill (-p->pid, SIGKILL);
    (void)kill (p->pid, SIGKILL); /* where the group is not there yet */
}

bool line_process_gone (line_process *p)
{
    int status;
    pid_t got = p->reaped ? 0 : waitpid (p->pid, &status, WNOHANG);
    if (got != 0)
        p->reaped = true; /* or not our child any more: nothing to wait for */
    if (got > 0)
        p->status = status;
    return p->reaped;
}

int line_process_status (const line_process *p)
{
    return p->status;
}

void line_process_destroy (line_process *p)
{
    if (!p)
        return;
    line_process_kill (p);
    while (!p->reaped && waitpid (p->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    close (p->fd);
    esp_buf_free (&p->out);
    esp_buf_free (&p->in);
    esp_free (p);
}

/* ---- lines ---- */

esp_err line_process_flush (line_process *p)
{
    while (p->sent < p->out.len) {
        ssize_t n = send (p->fd, p->out.data + p->sent, p->out.len - p->sent, MSG_NOSIGNAL);
        if (n > 0)
            p->sent += (size_t)n;
        else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return ESP_OK;
        else if (n == 0 || errno != EINTR)
            return ESP_EPEER;
    }
    esp_buf_clear (&p->out);
    p->sent = 0;
    if (p->ending)
        (void)shutdown (p->fd, SHUT_WR);
    return ESP_OK;
}

void line_process_end (line_process *p)
{
    p->ending = true;
    if (line_process_flush (p) != ESP_OK)
        p->sent = p->out.len; /* it has gone: nobody reads the rest */
}

esp_err line_process_say (line_process *p, span line)
{
    size_t before = p->out.len;
    esp_err err = esp_buf_add (&p->out, line);
    if (err == ESP_OK)
        err = esp_buf_puts (&p->out, "\n");
    if (err != ESP_OK) {
        p->out.len = before;
        return err;
    }
    return line_process_flush (p);
}

bool line_process_full (const line_process *p)
{
    return p->sent < p->out.len;
}

int line_process_fd (const line_process *p)
{
    return p->fd;
}

/* A whole line that is here already. */
static bool next_line (line_process *p, span *line)
{
    size_t from = p->looked > p->heard ? p->looked : p->heard;
    const char *end = p->in.len > from ? memchr (p->in.data + from, '\n', p->in.len - from) : NULL;
    p->looked = p->in.len;
    if (!end)
        return false;
    *line = span_make (p->in.data + p->heard, (size_t)(end - p->in.data) - p->heard);
    p->heard += line->len + 1;
    p->looked = p->heard;
    return true;
}

enum line_heard line_process_hear (line_process *p, span *line)
{
    ssize_t n;
    if (p->in.len > 0 && next_line (p, line))
        return LINE_HEARD;
    if (p->heard > 0) {
        memmove (p->in.data, p->in.data + p->heard, p->in.len - p->heard);
        p->in.len -= p->heard;
        p->looked = p->looked > p->heard ? p->looked - p->heard : 0;
        p->heard = 0;
    }
    while (p->in.len < p->line_most) {
        if (esp_buf_reserve (&p->in, CHUNK) != ESP_OK)
            return LINE_LONG;
        n = recv (p->fd, p->in.data + p->in.len, CHUNK, 0);
        if (n > 0) {
            p->in.len += (size_t)n;
            if (next_line (p, line))
                return LINE_HEARD;
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else {
            return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? LINE_NONE : LINE_ENDED;
        }
    }
    return LINE_LONG;
}
