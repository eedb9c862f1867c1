/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c - a list of chunks, filled from both ends
 *
 *     head -> [ header | aligned structs ->   free   <- packed texts ] -> older chunks
 *
 * Structs grow up and texts grow down, so texts cost no padding and one chunk serves both.
 *
 * Invariants:
 *   I1  low <= high <= size of head; low is a multiple of 16
 *   I2  head is the only chunk that is still filled; its offsets are kept in the arena, not in the chunk: one cache
 *       line less for every call
 *   I3  first is in the list; reset frees all others
 */

#include "proto/base/arena.h"
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "proto/base/alloc.h"

enum {
    ALIGNMENT = 16,
    GROWTH_LIMIT = 64, /* chunk_bytes; larger chunks would waste more in the last one */
    LARGEST_SHIFT = 16 /* chunk_bytes below SIZE_MAX >> 16, so that no sum overflows */
};

struct chunk {
    alignas (ALIGNMENT) struct chunk *next; /* owned */
    size_t size;                            /* bytes behind the header */
};

struct esp_arena {
    struct chunk *head;  /* owned list */
    size_t low, high;    /* offsets behind the header of head: the free part */
    struct chunk *first; /* borrowed from the list */
    size_t chunk_bytes;
    size_t next_bytes; /* of the next ordinary chunk */
    size_t total;      /* bytes of all chunks and the arena itself */
};

static char *chunk_data (struct chunk *chunk)
{
    return (char *)(chunk + 1);
}

/* The free part is all of this chunk, which is now the head. */
static void start_head (esp_arena *arena, struct chunk *chunk)
{
    arena->head = chunk;
    arena->low = 0;
    arena->high = chunk->size;
}

static struct chunk *chunk_create (esp_arena *arena, size_t bytes)
{
    struct chunk *chunk = esp_malloc (sizeof (*chunk) + bytes);
    if (!chunk)
        return NULL;
    *chunk = (struct chunk){.size = bytes};
    arena->total += sizeof (*chunk) + bytes;
    return chunk;
}

esp_err esp_arena_create (size_t chunk_bytes, esp_arena **out)
{
    esp_arena *arena;
    if (!out || chunk_bytes == 0 || chunk_bytes > SIZE_MAX >> LARGEST_SHIFT)
        return ESP_EINVAL;
    chunk_bytes = (chunk_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!(arena = esp_calloc (1, sizeof (*arena))))
        return ESP_ENOMEM;
    arena->total = sizeof (*arena);
    arena->chunk_bytes = chunk_bytes;
    arena->next_bytes = chunk_bytes * 2;
    if (!(arena->first = chunk_create (arena, chunk_bytes))) {
        esp_free (arena);
        return ESP_ENOMEM;
    }
    start_head (arena, arena->first);
    *out = arena;
    return ESP_OK;
}

void esp_arena_reset (esp_arena *arena)
{
    struct chunk *first = arena->first, *next;
    for (struct chunk *chunk = arena->head; chunk; chunk = next) {
        next = chunk->next;
        if (chunk != first)
            esp_free (chunk);
    }
    first->next = NULL;
    start_head (arena, first);
    arena->next_bytes = arena->chunk_bytes * 2;
    arena->total = sizeof (*arena) + sizeof (*first) + first->size;
}

void esp_arena_destroy (esp_arena *arena)
{
    if (!arena)
        return;
    esp_arena_reset (arena);
    esp_free (arena->first);
    esp_free (arena);
}

/* A chunk for bytes that do not fit: a new head, or behind the head one for this request only, so that the head's free
 * part is not lost; then *own is its data. */
static bool add_chunk (esp_arena *arena, size_t bytes, char **own)
{
    bool large = bytes > arena->next_bytes;
    struct chunk *chunk;
    *own = NULL;
    if (bytes > SIZE_MAX >> 1 || !(chunk = chunk_create (arena, large ? bytes : arena->next_bytes)))
        return false;
    if (large) {
        chunk->next = arena->head->next;
        arena->head->next = chunk;
        *own = chunk_data (chunk);
        return true;
    }
    chunk->next = arena->head;
    start_head (arena, chunk);
    if (arena->next_bytes < arena->chunk_bytes * GROWTH_LIMIT)
        arena->next_bytes *= 2;
    return true;
}

void *esp_arena_alloc (esp_arena *arena, size_t bytes)
{
    char *own;
    size_t rounded = bytes ? bytes : 1; /* like esp_malloc: 0 bytes still give a unique pointer */
    if (rounded > SIZE_MAX >> 1)
        return NULL;
    rounded = (rounded + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (arena->high - arena->low < rounded) {
        if (!add_chunk (arena, rounded, &own) || own)
            return own;
    }
    arena->low += rounded;
    return chunk_data (arena->head) + arena->low - rounded;
}

void *esp_arena_calloc (esp_arena *arena, size_t bytes)
{
    void *ptr = esp_arena_alloc (arena, bytes);
    return ptr ? memset (ptr, 0, bytes) : NULL;
}

static char *take_packed (esp_arena *arena, size_t bytes)
{
    char *own;
    if (arena->high - arena->low < bytes) {
        if (!add_chunk (arena, bytes, &own) || own)
            return own;
    }
    arena->high -= bytes;
    return chunk_data (arena->head) + arena->high;
}

esp_err esp_arena_copy (esp_arena *arena, span text, span *out)
{
    char *copy;
    if (text.len == 0) {
        *out = span_make ("", 0);
        return ESP_OK;
    }
    if (!(copy = take_packed (arena, text.len)))
        return ESP_ENOMEM;
    memcpy (copy, text.ptr, text.len);
    *out = span_make (copy, text.len);
    return ESP_OK;
}

char *esp_arena_string (esp_arena *arena, span text)
{
    char *copy = text.len < SIZE_MAX ? take_packed (arena, text.len + 1) : NULL;
    if (!copy)
        return NULL;
    if (text.len)
        memcpy (copy, text.ptr, text.len);
    copy[text.len] = 0;
    return copy;
}

size_t esp_arena_bytes (const esp_arena *arena)
{
    return arena->total;
}
