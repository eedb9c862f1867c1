/* SPDX-License-Identifier: Apache-2.0 */
/* external_place.c - see external_place.h */

#include "worker/engine/external_place.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/file.h"

int external_local_rank (void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID",
                                        "SLURM_LOCALID"};
    for (size_t i = 0; i < sizeof (names) / sizeof (names[0]); i++) {
        const char *value = getenv (names[i]);
        if (value && *value)
            return atoi (value);
    }
    return 0;
}

/* What stands for the placeholder at `at`, and its length; false: there is no such one. */
static bool fill (const char *at, int rank, char *out, size_t size, size_t *len)
{
    if (strncmp (at, "{rank}", *len = 6) == 0)
        snprintf (out, size, "%d", rank);
    else if (strncmp (at, "{local_rank}", *len = 12) == 0)
        snprintf (out, size, "%d", external_local_rank ());
    else if (strncmp (at, "{host}", *len = 6) == 0)
        return gethostname (out, size - 1) == 0;
    else
        return false;
    return true;
}

esp_err external_url (const char *url, int rank, char out[EXTERNAL_URL_MAX], esp_error *error)
{
    size_t n = 0;
    out[0] = 0;
    if (strncmp (url, "ipc://", 6) != 0 && strncmp (url, "tcp://", 6) != 0)
        return esp_error_set (error, ESP_EFORMAT,
                              "url: '%.100s' is neither ipc:///PATH nor tcp://HOST:PORT", url);
    for (const char *at = url; *at;) {
        char piece[256] = "";
        size_t len = 1;
        if (*at == '{') {
            if (!fill (at, rank, piece, sizeof (piece), &len))
                return esp_error_set (error, ESP_EFORMAT,
                                      "url: '%.100s': placeholders are {rank}, {local_rank} and "
                                      "{host}",
                                      url);
        } else {
            piece[0] = *at;
        }
        if (n + strlen (piece) >= EXTERNAL_URL_MAX)
            return esp_error_set (error, ESP_ETOOBIG, "url: '%.100s' is longer than %d bytes", url,
                                  EXTERNAL_URL_MAX - 1);
        n += (size_t)snprintf (out + n, EXTERNAL_URL_MAX - n, "%s", piece);
        at += len;
    }
    return ESP_OK;
}

static bool make_under (const char *parent, char folder[EXTERNAL_FOLDER_MAX])
{
    if (!parent || parent[0] != '/' ||
        strlen (parent) + sizeof ("/espalier-peer-XXXXXX") > EXTERNAL_FOLDER_MAX)
        return false;
    snprintf (folder, EXTERNAL_FOLDER_MAX, "%s/espalier-peer-XXXXXX", parent);
    return mkdtemp (folder) != NULL; /* mode 0700 */
}

esp_err
external_place_make (char folder[EXTERNAL_FOLDER_MAX], char url[EXTERNAL_URL_MAX], esp_error *error)
{
    if (!make_under (getenv ("XDG_RUNTIME_DIR"), folder) &&
        !make_under (getenv ("TMPDIR"), folder) && !make_under ("/tmp", folder)) {
        int number = errno;
        folder[0] = 0;
        return esp_error_set (error, esp_err_of_errno (number),
                              "no folder for a socket in $XDG_RUNTIME_DIR, $TMPDIR or /tmp: %s",
                              strerror (number));
    }
    snprintf (url, EXTERNAL_URL_MAX, "ipc://%s/peer", folder);
    return ESP_OK;
}

void external_place_remove (const char *folder)
{
    char path[EXTERNAL_FOLDER_MAX + 8];
    if (!folder[0])
        return;
    snprintf (path, sizeof (path), "%s/peer", folder);
    (void)unlink (path);
    (void)rmdir (folder);
}
