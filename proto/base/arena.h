/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_BASE_ARENA_H
#define ESP_PROTO_BASE_ARENA_H

/* arena.h - memory that is dropped whole
 *
 * A search keeps its nodes, texts and strategy state in one arena; nothing in
 * it is freed alone.  Pointers stay valid until the arena is destroyed or reset.
 *
 * Threads: none.  Errors: NULL when memory is out.
 */

#include <stddef.h>
#include "proto/base/err.h"
#include "proto/base/text.h"

typedef struct esp_arena esp_arena; /* private to arena.c */

/* chunk_bytes: first chunk; later ones double up to 64 times that.  Larger requests get their own. */
ESP_MUST_CHECK esp_err esp_arena_create (size_t chunk_bytes, esp_arena **out);
void esp_arena_destroy (esp_arena *arena); /* accepts NULL */
void esp_arena_reset (esp_arena *arena);   /* keeps the first chunk; all pointers die */

void *esp_arena_alloc (esp_arena *arena, size_t bytes);  /* 16-aligned, not zeroed */
void *esp_arena_calloc (esp_arena *arena, size_t bytes); /* zeroed */

/* Bytes without alignment (texts pack tightly).  *out is borrowed from the arena; an empty
 * span copies to {"", 0}. */
ESP_MUST_CHECK esp_err esp_arena_copy (esp_arena *arena, span text, span *out);

/* 0-terminated copy; NULL when memory is out. */
char *esp_arena_string (esp_arena *arena, span text);

size_t esp_arena_bytes (const esp_arena *arena); /* taken from the heap, for budgets and benches */

#endif
