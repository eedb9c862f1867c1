/* SPDX-License-Identifier: Apache-2.0 */
/* run_undo.c - see run_undo.h */

#include "cluster/cli/run_undo.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/file.h"

static const char *const names[RUN_UNDO_NAMES] = {"journal/problems.idx", "journal", "run.yaml",
                                                  "summary.json", "log.txt"};
enum { FOLDER_NAME = 1 }; /* of them */

static bool is_there (const char *folder, const char *name)
{
    char path[PATH_MAX];
    return esp_path_join (path, sizeof (path), folder, name) == ESP_OK && access (path, F_OK) == 0;
}

/* Cut the last name off; false: there is none. */
static bool go_up (char *path)
{
    char *slash = strrchr (path, '/');
    if (!slash || slash == path)
        return false;
    *slash = 0;
    return true;
}

void run_undo_note (run_undo *u, const char *output)
{
    char path[PATH_MAX];
    *u = (run_undo){.made = 0};
    if (strlen (output) >= sizeof (u->folder))
        return;
    memcpy (u->folder, output, strlen (output) + 1);
    for (size_t i = 0; i < RUN_UNDO_NAMES; i++)
        u->had[i] = is_there (output, names[i]);
    memcpy (path, u->folder, sizeof (path));
    while (access (path, F_OK) != 0) {
        u->made++;
        if (!go_up (path))
            break;
    }
}

void run_undo_take (const run_undo *u)
{
    char path[PATH_MAX];
    if (!u->folder[0] || is_there (u->folder, "journal/lock"))
        return;
    for (size_t i = 0; i < RUN_UNDO_NAMES; i++)
        if (!u->had[i] && esp_path_join (path, sizeof (path), u->folder, names[i]) == ESP_OK)
            (void)(i == FOLDER_NAME ? rmdir (path) : unlink (path));
    memcpy (path, u->folder, sizeof (path));
    for (unsigned i = 0; i < u->made; i++)
        if (rmdir (path) != 0 || !go_up (path))
            return;
}
