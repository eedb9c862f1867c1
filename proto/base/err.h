/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_BASE_ERR_H
#define ESP_PROTO_BASE_ERR_H

/* err.h - the one error idiom of the project
 *
 * A function that can fail returns esp_err; 0 is success.  A failed call
 * changes nothing and writes no out-parameter unless its header says so.
 * The world's faults (files, network, models, MPI peers, users) are codes;
 * our own bugs are asserts.  Where a person will read it, the function also
 * takes an esp_error and fills a sentence there: it names the file, line, key,
 * URL or rank, and what to do.
 */

#include <stddef.h>

/* The only X-macro of the project: code and text cannot drift apart. */
#define ESP_ERRORS(X)                                                                              \
    X (OK, 0, "ok")                                                                                \
    X (EINVAL, 1, "invalid argument")                                                              \
    X (ENOMEM, 2, "out of memory")                                                                 \
    X (EEMPTY, 3, "nothing there")                                                                 \
    X (EFULL, 4, "no room now")                                                                    \
    X (ENOENT, 5, "does not exist")                                                                \
    X (EEXIST, 6, "exists already")                                                                \
    X (EIO, 7, "input/output error")                                                               \
    X (ENOSPC, 8, "no space left")                                                                 \
    X (EFORMAT, 9, "malformed data")                                                               \
    X (EVERSION, 10, "other version")                                                              \
    X (EDAMAGE, 11, "damaged data")                                                                \
    X (EBUDGET, 12, "budget exhausted")                                                            \
    X (EPEER, 13, "peer is gone")                                                                  \
    X (ETIMEOUT, 14, "timed out")                                                                  \
    X (ERANGE, 15, "out of range")                                                                 \
    X (EUNKNOWN, 16, "unknown name")                                                               \
    X (EUNSUPPORTED, 17, "not supported")                                                          \
    X (ELOCKED, 18, "in use by another process")                                                   \
    X (ECANCELED, 19, "cancelled")                                                                 \
    X (ECONFLICT, 20, "conflicts with what is there")                                              \
    X (ETOOBIG, 21, "too big")                                                                     \
    X (EDIVERGED, 22, "replay differs from what was recorded")                                     \
    X (EENGINE, 23, "engine failed")                                                               \
    X (EMISSING, 24, "prefix text is missing")                                                     \
    X (EPOISONED, 25, "task kills its workers")                                                    \
    X (EPERMISSION, 26, "not permitted")                                                           \
    X (ECONTEXT, 27, "the prompt is longer than the model's context")

#define ESP_ERR_ENUM(name, number, text) ESP_##name = number,
typedef enum esp_err { ESP_ERRORS (ESP_ERR_ENUM) } esp_err;
#undef ESP_ERR_ENUM

#define ESP_MUST_CHECK         __attribute__ ((warn_unused_result))
#define ESP_PRINTF(fmt, first) __attribute__ ((format (printf, fmt, first)))

/* A failure told to a person.  Zero-initialise before use. */
typedef struct esp_error {
    esp_err code;
    char text[480]; /* UTF-8 sentence, 0-terminated, cut at the end if longer */
} esp_error;

/* "out of memory" for ESP_ENOMEM; "unknown error" for a number not in the list.  Static. */
const char *esp_err_text (esp_err err);

/* "ENOMEM": the stable code for rows and logs.  Static. */
const char *esp_err_name (esp_err err);

/* Fill *error (NULL is allowed) and return code, so that callers write
 *     return esp_error_set (error, ESP_ENOENT, "%s: no such file", path);
 * Control bytes in the result are replaced by '?': the text may end on a terminal.
 */
esp_err esp_error_set (esp_error *error, esp_err code, const char *format, ...) ESP_PRINTF (3, 4);

#endif
