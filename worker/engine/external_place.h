/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_EXTERNAL_PLACE_H
#define ESP_WORKER_ENGINE_EXTERNAL_PLACE_H

/* external_place.h - where a worker and its peer meet
 *
 * Threads: none.
 */

#include <stdbool.h>
#include "proto/base/err.h"

enum {
    EXTERNAL_URL_MAX = 128,
    EXTERNAL_FOLDER_MAX = 96
}; /* a socket file's path has 107 bytes at most */

/* The worker's number on its host, as mpirun or srun says; without them 0. */
int external_local_rank (void);

/* url with {rank}, {local_rank} and {host} filled in.  Errors: ESP_EFORMAT (another placeholder, a scheme that is none of ipc
 * and tcp), ESP_ETOOBIG; with a sentence. */
ESP_MUST_CHECK esp_err external_url (const char *url, int rank, char out[EXTERNAL_URL_MAX],
                                     esp_error *error);

/* A fresh folder that only this user may enter, and the URL of a socket in it.  Errors: ESP_EIO, ESP_EPERMISSION, ... */
ESP_MUST_CHECK esp_err external_place_make (char folder[EXTERNAL_FOLDER_MAX],
                                            char url[EXTERNAL_URL_MAX], esp_error *error);
void external_place_remove (const char *folder); /* "": nothing */

#endif
