/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_BASE_FILE_H
#define ESP_PROTO_BASE_FILE_H

/* file.h - whole files, with limits and sentences
 *
 * Threads: none.  Errors: each fills *error with the path and the reason of the system.
 */

#include "proto/base/err.h"
#include "proto/base/text.h"

/* Append the file's bytes to *out.  Errors: ESP_ENOENT, ESP_EPERMISSION, ESP_ETOOBIG (over limit bytes),
 * ESP_EIO, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err esp_file_read (const char *path, size_t limit, esp_buf *out,
                                      esp_error *error);

/* Write a file so that a crash leaves the old or the new one whole: PATH.tmp, fsync, rename, fsync of the folder.
 * mode: such as 0644 or 0600.  Errors: ESP_ENOSPC, ESP_EPERMISSION, ESP_EIO. */
ESP_MUST_CHECK esp_err esp_file_write (const char *path, span bytes, unsigned mode,
                                       esp_error *error);

/* mkdir -p.  Errors: ESP_EEXIST (a file is in the way), ESP_EPERMISSION, ESP_ENOSPC, ESP_EIO. */
ESP_MUST_CHECK esp_err esp_folder_make (const char *path, esp_error *error);

/* fsync of a folder, so that names in it are durable. */
ESP_MUST_CHECK esp_err esp_folder_sync (const char *path, esp_error *error);

/* "folder/name" into out; ESP_ETOOBIG when it does not fit size bytes. */
ESP_MUST_CHECK esp_err esp_path_join (char *out, size_t size, const char *folder, const char *name);

/* The code for an errno of open, read, write, mkdir, rename. */
esp_err esp_err_of_errno (int number);

#endif
