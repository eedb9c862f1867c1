/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_CLIENT_CONTROL_FILE_H
#define ESP_PROTO_CLIENT_CONTROL_FILE_H

/* control_file.h - OUTPUT/control.json: where a run can be reached
 *
 * Threads: none.
 */

#include <stdbool.h>
#include "proto/base/err.h"

typedef struct control_file {
    char events[1024], control[1024]; /* URLs */
    char token[260];
    char host[256];
    long pid;
} control_file;

/* Errors (sentence): ESP_ENOENT (it says whether the run is finished, was never here, or is only not running),
 * ESP_EPERMISSION, ESP_EFORMAT, ESP_EIO, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err control_file_read (const char *output, control_file *out, esp_error *error);

bool control_file_is_current (
    const char *output, const control_file *mine); /* it is still there, with the same token */
bool control_file_is_here (const control_file *f); /* written on this host */

#endif
