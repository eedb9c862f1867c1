/* SPDX-License-Identifier: Apache-2.0 */
/* command_program.c - see command_program.h */

#include "worker/verifier/command_program.h"
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/base/alloc.h"

enum { WORDS_MOST = 64, BINDS_MOST = 32, PROBE_MS = 20 * 1000 };

struct command_program {
    sandbox *box; /* owned */
    sandbox_limits limits;
    size_t line_most;
    const char *argv[WORDS_MOST + 1]; /* into words, or the setup's */
    const char *binds[BINDS_MOST];
    size_t bind_count;
    char (*words)[PATH_MAX]; /* owned: whole paths; WORDS_MOST of them */
};

/* ---- words that are files ---- */

static bool is_file (const char *path)
{
    struct stat st;
    return stat (path, &st) == 0 && S_ISREG (st.st_mode);
}

/* The whole path, its last part as it stands: a link may mean something to whoever is started by it. */
static bool whole_path (const char *word, char out[PATH_MAX])
{
    char folder[PATH_MAX], real[PATH_MAX];
    const char *slash = strrchr (word, '/'), *name = slash ? slash + 1 : word;
    int n = slash == word ? snprintf (folder, sizeof (folder), "/")
            : slash       ? snprintf (folder, sizeof (folder), "%.*s", (int)(slash - word), word)
                          : snprintf (folder, sizeof (folder), ".");
    if (n < 0 || n >= PATH_MAX || !realpath (folder, real))
        return false;
    n = snprintf (out, PATH_MAX, "%s/%s", strcmp (real, "/") == 0 ? "" : real, name);
    return n > 0 && n < PATH_MAX;
}

static bool find_in_path (const char *path, const char *name, char out[PATH_MAX])
{
    while (path && *path) {
        size_t n = strcspn (path, ":");
        int len = snprintf (out, PATH_MAX, "%.*s/%s", (int)(n < PATH_MAX ? n : 0), path, name);
        if (len > 0 && len < PATH_MAX && is_file (out) && access (out, X_OK) == 0)
            return true;
        path += n + (path[n] == ':');
    }
    return false;
}

static esp_err see (command_program *p, const char *path, esp_error *error)
{
    if (strncmp (path, "/usr/", 5) == 0)
        return ESP_OK;
    if (p->bind_count == BINDS_MOST)
        return esp_error_set (error, ESP_EINVAL, "verifier.binds: more than %d files and folders",
                              BINDS_MOST);
    p->binds[p->bind_count++] = path;
    return ESP_OK;
}

static esp_err find_program (command_program *p, const char *word, bool bare, esp_error *error)
{
    char *path = p->words[0];
    if (!strchr (word, '/') && (bare || !find_in_path ("/usr/bin", word, path)) &&
        !find_in_path (getenv ("PATH"), word, path))
        return esp_error_set (
            error, ESP_ENOENT,
            "verifier.program: there is no program %s in PATH; say its whole path", word);
    if (strchr (word, '/') && (!whole_path (word, path) || !is_file (path)))
        return esp_error_set (error, ESP_ENOENT, "verifier.program: there is no file %s", word);
    if (access (path, X_OK) != 0)
        return esp_error_set (
            error, ESP_EPERMISSION,
            "verifier.program: %s may not be executed: chmod +x it, or say what runs it "
            "([python3, %s])",
            word, word);
    p->argv[0] = path;
    return see (p, path, error);
}

static esp_err find_words (command_program *p, const command_program_setup *setup, esp_error *error)
{
    const esp_strings *words = &setup->words;
    esp_err err;
    if (words->count == 0 || words->count > WORDS_MOST || words->items[0][0] == 0)
        return esp_error_set (error, ESP_EINVAL,
                              "verifier.program: name the program and its arguments, such as "
                              "[python3, verify.py]; at most %d words",
                              WORDS_MOST);
    err = find_program (p, words->items[0], setup->bare, error);
    for (size_t i = 1; i < words->count && err == ESP_OK; i++) {
        p->argv[i] = words->items[i];
        if (is_file (words->items[i]) && whole_path (words->items[i], p->words[i])) {
            p->argv[i] = p->words[i];
            err = see (p, p->argv[i], error);
        }
    }
    return err;
}

/* ---- is all of it there, inside? ---- */

/* Names the first file that cannot be read, or says that all can. */
static const char look[] = "for f do [ -r \"$f\" ] || { echo \"no $f\"; exit; }; done; "
                           "[ -x \"$1\" ] && echo yes || echo \"no $1\"";

static esp_err probe (const command_program *p, esp_error *error)
{
    const char *argv[BINDS_MOST + 8] = {"/bin/sh", "-c", look, "sh", p->argv[0]};
    const sandbox_program program = {.argv = argv};
    line_process *process;
    enum line_heard heard;
    span line = span_of ("");
    esp_err err;
    for (size_t i = 0; i < p->bind_count; i++)
        argv[5 + i] = p->binds[i];
    if ((err = sandbox_start (p->box, &program, &process, error)) != ESP_OK)
        return err;
    struct pollfd fd = {.fd = line_process_fd (process), .events = POLLIN};
    while ((heard = line_process_hear (process, &line)) == LINE_NONE)
        if (poll (&fd, 1, PROBE_MS) == 0)
            break;
    if (heard != LINE_HEARD || !span_is (line, "yes"))
        err = esp_error_set (
            error, ESP_EPERMISSION, "verifier.program: %.*s cannot be seen inside the sandbox; %s",
            heard == LINE_HEARD && line.len > 3 ? (int)line.len - 3 : (int)strlen (p->argv[0]),
            heard == LINE_HEARD && line.len > 3 ? line.ptr + 3 : p->argv[0],
            geteuid () == 0
                ? "started by root it runs as nobody, who must be able to read it and its folder"
                : "name its folder in verifier.binds");
    line_process_destroy (process);
    return err;
}

/* ---- life ---- */

static esp_err
open_inside (command_program *p, const command_program_setup *setup, esp_error *error)
{
    sandbox_setup box = {.section = "verifier",
                         .bare = setup->bare,
                         .binds = p->binds,
                         .group_memory_mb = setup->limits.memory_mb,
                         .group_processes = setup->limits.processes};
    esp_err err;
    if (!(p->words = esp_calloc (WORDS_MOST, sizeof (*p->words))))
        return esp_error_set (error, ESP_ENOMEM, "command: out of memory");
    p->limits = setup->limits;
    p->line_most = setup->line_most;
    for (size_t i = 0; i < setup->binds.count; i++)
        if ((err = see (p, setup->binds.items[i], error)) != ESP_OK)
            return err;
    if ((err = find_words (p, setup, error)) != ESP_OK)
        return err;
    box.bind_count = p->bind_count;
    if ((err = sandbox_create (&box, &p->box, error)) != ESP_OK)
        return err;
    return probe (p, error);
}

esp_err
command_program_create (const command_program_setup *setup, command_program **out, esp_error *error)
{
    command_program *p = esp_calloc (1, sizeof (*p));
    esp_err err;
    if (!p)
        return esp_error_set (error, ESP_ENOMEM, "command: out of memory");
    if ((err = open_inside (p, setup, error)) != ESP_OK) {
        command_program_destroy (p);
        return err;
    }
    *out = p;
    return ESP_OK;
}

void command_program_destroy (command_program *p)
{
    if (!p)
        return;
    sandbox_destroy (p->box);
    esp_free (p->words);
    esp_free (p);
}

esp_err command_program_start (const command_program *p, line_process **out, esp_error *error)
{
    const sandbox_program program = {
        .argv = p->argv, .limits = &p->limits, .line_most = p->line_most};
    return sandbox_start (p->box, &program, out, error);
}

const char *command_program_path (const command_program *p)
{
    return p->argv[0];
}

const char *command_program_sandbox (const command_program *p)
{
    return sandbox_name (p->box);
}
