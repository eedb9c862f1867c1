/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_COMMAND_PROGRAM_H
#define ESP_WORKER_VERIFIER_COMMAND_PROGRAM_H

/* command_program.h - the user's program: found at the start, with its files, and put into its sandbox
 *
 * The first word is a path, or a name: of a program in /usr/bin when there is a sandbox, else in PATH.  Words that name files are files: they are seen inside the sandbox, at their own
 * place, read-only.
 * Ownership: the caller owns the object.  Threads: one.
 */

#include "proto/base/option.h"
#include "worker/sandbox/sandbox.h"

typedef struct command_program command_program; /* private to command_program.c */

typedef struct command_program_setup {
    esp_strings words;     /* of the run file: program */
    esp_strings binds;     /* more files and folders that are seen inside */
    bool bare;             /* no sandbox */
    sandbox_limits limits; /* of each process */
    size_t line_most;      /* bytes of a line that it says */
} command_program_setup;

/* Errors with a sentence that names the key: ESP_EINVAL (no words, too many), ESP_ENOENT, ESP_EPERMISSION, those of sandbox_create. */
ESP_MUST_CHECK esp_err command_program_create (const command_program_setup *setup,
                                               command_program **out, esp_error *error);
void command_program_destroy (command_program *p); /* accepts NULL */

/* Errors as sandbox_start's. */
ESP_MUST_CHECK esp_err command_program_start (const command_program *p, line_process **out,
                                              esp_error *error);
const char *command_program_path (const command_program *p);    /* whole */
const char *command_program_sandbox (const command_program *p); /* sandbox_name() */

#endif
