/* SPDX-License-Identifier: Apache-2.0 */
/* model_server.c - posix_spawn behind model_server.h */

#include "tests/support/model_server.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/support/suite.h"

enum { MOST_OPTIONS = 64, PATIENCE_MS = 30000 };

extern char **environ;

struct model_server {
    pid_t pid;
    int out; /* its standard output: "listening on URL" */
    char url[256];
};

static bool spawn (model_server *s, const char *const *options)
{
    const char *argv[MOST_OPTIONS] = {ESP_MODEL_SERVER, "--die-with-parent"};
    posix_spawn_file_actions_t actions;
    int ends[2];
    size_t n = 2;
    bool good;
    for (; *options && n < MOST_OPTIONS - 1; options++)
        argv[n++] = *options;
    if (pipe2 (ends, O_CLOEXEC) != 0)
        return false;
    (void)posix_spawn_file_actions_init (&actions);
    (void)posix_spawn_file_actions_adddup2 (&actions, ends[1], STDOUT_FILENO);
    good = posix_spawn (&s->pid, ESP_MODEL_SERVER, &actions, NULL, (char *const *)(uintptr_t)argv,
                        environ) == 0;
    (void)posix_spawn_file_actions_destroy (&actions);
    close (ends[1]);
    s->out = ends[0];
    return good;
}

static bool read_url (model_server *s)
{
    char line[300] = "";
    size_t len = 0;
    struct pollfd watch = {.fd = s->out, .events = POLLIN};
    while (!strchr (line, '\n') && len + 1 < sizeof (line) && poll (&watch, 1, PATIENCE_MS) > 0) {
        ssize_t n = read (s->out, line + len, sizeof (line) - 1 - len);
        if (n <= 0)
            return false;
        len += (size_t)n;
        line[len] = 0;
    }
    return sscanf (line, "listening on %255s", s->url) == 1;
}

model_server *model_server_start (const char *const *options)
{
    model_server *s = calloc (1, sizeof (*s)); /* the test counts blocks of esp_alloc */
    if (!s || !spawn (s, options) || !read_url (s))
        CU_FAIL_FATAL ("the model server cannot be started (its own words are above)");
    return s;
}

const char *model_server_url (const model_server *s)
{
    return s->url;
}

pid_t model_server_pid (const model_server *s)
{
    return s->pid;
}

void model_server_stop (model_server *s)
{
    int status = 0;
    if (!s)
        return;
    (void)kill (s->pid, SIGCONT); /* a test may have frozen it */
    (void)kill (s->pid, SIGTERM);
    (void)TEMP_FAILURE_RETRY (waitpid (s->pid, &status, 0));
    CHECK (!WIFEXITED (status) || WEXITSTATUS (status) == 0); /* a test may have killed it */
    close (s->out);
    free (s);
}
