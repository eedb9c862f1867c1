/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_SANDBOX_SANDBOX_H
#define ESP_WORKER_SANDBOX_SANDBOX_H

/* sandbox.h - what contains a program that nobody trusts (docs/security.md)
 *
 * bubblewrap with namespaces of its own: no network, no other processes to see, a read-only root with /usr and little else, 64 MiB of
 * /tmp, user 65534 without capabilities; a seccomp filter; limits on time, memory, files and processes; a control group of its own
 * where the host lets us make one.  Killing its first process
 * ends everything inside.
 *
 * Threads: one.  Ownership: the caller owns the object; it outlives nothing that it started.
 */

#include "worker/sandbox/line_process.h"

typedef struct sandbox sandbox; /* private to sandbox.c */

typedef struct sandbox_setup {
    const char *section; /* of the run file, for messages: "verifier" */
    bool bare;           /* no containment at all: the user said so */
    const char *const
        *binds; /* folders and files that are seen inside, read-only, at their own place */
    size_t bind_count;
    /* Of all processes of one program together, where the host lets us make control groups; 0 = no limit. */
    int64_t group_memory_mb, group_processes;
} sandbox_setup;

typedef struct sandbox_file { /* one more file, read-only */
    const char *path;         /* inside, in the root; must outlive the start */
    int fd;                   /* its content, from the start; a number above 15 (F_DUPFD) */
} sandbox_file;

typedef struct sandbox_limits { /* 0: as the host has it */
    int64_t memory_mb;          /* address space of each process */
    int64_t cpu_s, processes, file_mb;
} sandbox_limits;

/* Finds out what this host allows, by running a program.  Errors with a sentence that says what to do: ESP_ENOENT (no bubblewrap),
 * ESP_EUNSUPPORTED (the host forbids it), ESP_ETIMEOUT, ESP_EIO, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err sandbox_create (const sandbox_setup *setup, sandbox **out, esp_error *error);
void sandbox_destroy (sandbox *b); /* accepts NULL */

/* For check and for what a sample says of its verdict: "bwrap+seccomp+cgroup", "bwrap+seccomp", "none". */
const char *sandbox_name (const sandbox *b);
/* Why programs have no control group of their own; "" = they have, or there is no sandbox. */
const char *sandbox_no_cgroup (const sandbox *b);

typedef struct sandbox_program {
    const char *const *argv;      /* NULL at the end; argv[0] a whole path */
    const sandbox_limits *limits; /* NULL: it sets its own */
    const sandbox_file *file;     /* NULL: none; not in a bare sandbox */
    size_t line_most;             /* as line_process_setup's */
} sandbox_program;

/* Errors as line_process_start's. */
ESP_MUST_CHECK esp_err sandbox_start (const sandbox *b, const sandbox_program *program,
                                      line_process **out, esp_error *error);
bool sandbox_is_bare (const sandbox *b);

/* sandbox_filter.c: the seccomp filter as bubblewrap reads it, in a memory file; the caller closes it.  -1: none to be had (errno). */
int sandbox_filter (void);

#endif
