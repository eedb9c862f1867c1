/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_HARVEST_SHARDS_H
#define ESP_COORDINATOR_HARVEST_SHARDS_H

/* shards.h - lines into files of a given size: NAME-00000.jsonl or NAME-00000.jsonl.zst, with the SHA-256 of each
 *
 * Threads: none.  Errors: ESP_ENOSPC, ESP_EIO, ESP_EPERMISSION, ESP_ENOMEM, with a sentence that names the file.
 */

#include <stdbool.h>
#include "proto/base/hash.h"

typedef struct shard {                /* a finished file */
    char *name;                       /* owned; without folder */
    uint64_t rows, bytes, text_bytes; /* bytes of the file; of its text */
    char sha256[ESP_SHA256_HEX + 1];
} shard;

typedef struct shards shards;

/* Names are name, tail, number; all borrowed.  Files appear with the first line.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err shards_open (const char *folder, const char *name, const char *tail,
                                    uint64_t shard_bytes, bool compress, shards **out);
/* Append a line, without its newline, made of two parts. */
ESP_MUST_CHECK esp_err shards_add (shards *s, span first, span second, esp_error *error);
/* No more lines: the last file is complete and on disk. */
ESP_MUST_CHECK esp_err shards_end (shards *s, esp_error *error);
/* What was written; borrowed until close. */
const shard *shards_list (const shards *s, size_t *count);
void shards_close (shards *s); /* accepts NULL */

#endif
