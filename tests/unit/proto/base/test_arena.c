/* SPDX-License-Identifier: Apache-2.0 */
/* test_arena.c - what proto/base/arena.h promises */

#include "proto/base/arena.h"
#include <stdint.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

static esp_arena *given_arena (size_t chunk_bytes)
{
    esp_arena *arena = NULL;
    PASS (esp_arena_create (chunk_bytes, &arena));
    return arena;
}

static void bad_calls_change_nothing (void)
{
    esp_arena *arena = NULL;
    FAILS (esp_arena_create (1024, NULL), ESP_EINVAL);
    FAILS (esp_arena_create (0, &arena), ESP_EINVAL);
    FAILS (esp_arena_create (SIZE_MAX, &arena), ESP_EINVAL);
    CHECK (arena == NULL);
    esp_arena_destroy (NULL);
}

static void sizes_that_overflow_give_null (void)
{
    esp_arena *arena = given_arena (64);
    size_t before = esp_arena_bytes (arena);
    span out = span_make ("kept", 4);
    CHECK (esp_arena_alloc (arena, SIZE_MAX) == NULL);
    CHECK (esp_arena_alloc (arena, SIZE_MAX - 15) == NULL);
    CHECK (esp_arena_calloc (arena, SIZE_MAX / 2 + 1) == NULL);
    CHECK (esp_arena_string (arena, span_make ("x", SIZE_MAX)) == NULL);
    FAILS (esp_arena_copy (arena, span_make ("x", SIZE_MAX - 1), &out), ESP_ENOMEM);
    CHECK (span_is (out, "kept"));
    CHECK (esp_arena_bytes (arena) == before);
    esp_arena_destroy (arena);
}

static void blocks_are_aligned_distinct_and_stay (void)
{
    esp_arena *arena = given_arena (100);
    unsigned char *blocks[400];
    for (size_t i = 0; i < 400; i++) {
        blocks[i] = esp_arena_alloc (arena, i);
        CHECK (blocks[i] != NULL && (uintptr_t)blocks[i] % 16 == 0);
        memset (blocks[i], (int)(i % 251), i);
    }
    for (size_t i = 0; i < 400; i++) {
        size_t wrong = 0;
        for (size_t j = 0; j < i; j++)
            wrong += blocks[i][j] != i % 251;
        CHECK (wrong == 0);
        CHECK (i == 0 || blocks[i] != blocks[i - 1]);
    }
    esp_arena_destroy (arena);
}

static void calloc_zeroes_memory_that_was_used (void)
{
    esp_arena *arena = given_arena (4096);
    unsigned char *block = esp_arena_alloc (arena, 1000), sum = 0;
    memset (block, 0xFF, 1000);
    esp_arena_reset (arena);
    block = esp_arena_calloc (arena, 1000);
    for (size_t i = 0; i < 1000; i++)
        sum = (unsigned char)(sum | block[i]);
    CHECK (sum == 0);
    esp_arena_destroy (arena);
}

static void texts_pack_without_padding (void)
{
    esp_arena *arena = given_arena (1024);
    size_t before = esp_arena_bytes (arena);
    span out;
    for (int i = 0; i < 1024; i++) {
        PASS (esp_arena_copy (arena, span_of ("x"), &out));
        CHECK (span_is (out, "x"));
    }
    CHECK (esp_arena_bytes (arena) == before); /* 1024 texts of 1 byte fill 1024 bytes */
    PASS (esp_arena_copy (arena, span_of ("x"), &out));
    CHECK (esp_arena_bytes (arena) > before);
    esp_arena_destroy (arena);
}

static void texts_and_structs_share_a_chunk_and_do_not_overlap (void)
{
    esp_arena *arena = given_arena (512);
    span texts[200], copy = span_of ("step text");
    uint64_t *numbers[200];
    for (size_t i = 0; i < 200; i++) {
        PASS (esp_arena_copy (arena, copy, &texts[i]));
        numbers[i] = esp_arena_alloc (arena, sizeof (uint64_t));
        *numbers[i] = UINT64_MAX - i;
    }
    for (size_t i = 0; i < 200; i++) {
        CHECK (span_equal (texts[i], copy));
        CHECK (*numbers[i] == UINT64_MAX - i);
    }
    esp_arena_destroy (arena);
}

static void an_empty_span_copies_to_the_empty_text (void)
{
    esp_arena *arena = given_arena (64);
    span out = span_make (NULL, 9);
    char *text;
    PASS (esp_arena_copy (arena, span_make (NULL, 0), &out));
    CHECK (out.ptr != NULL && out.len == 0);
    text = esp_arena_string (arena, span_make (NULL, 0));
    CHECK (text && strcmp (text, "") == 0);
    text = esp_arena_string (arena, span_make ("abcdef", 3));
    CHECK (text && strcmp (text, "abc") == 0);
    esp_arena_destroy (arena);
}

static void chunks_double_up_to_64_times_the_first (void)
{
    esp_arena *arena = given_arena (1024);
    size_t last = esp_arena_bytes (arena), largest = 0;
    for (int i = 0; i < 100000; i++) {
        CHECK (esp_arena_alloc (arena, 16) != NULL);
        if (esp_arena_bytes (arena) - last > largest)
            largest = esp_arena_bytes (arena) - last;
        last = esp_arena_bytes (arena);
    }
    CHECK (largest >= 64 * 1024 && largest < 65 * 1024);
    CHECK (last < 2 * 100000 * 16);
    esp_arena_destroy (arena);
}

static void a_large_request_gets_its_own_chunk_and_wastes_none (void)
{
    esp_arena *arena = given_arena (1024);
    char *small = esp_arena_alloc (arena, 16), *large, *next;
    size_t bytes = esp_arena_bytes (arena);
    large = esp_arena_alloc (arena, 1 << 20);
    CHECK (large != NULL);
    memset (large, 1, 1 << 20);
    CHECK (esp_arena_bytes (arena) - bytes >= 1 << 20);
    CHECK (esp_arena_bytes (arena) - bytes < (1 << 20) + 256);
    next = esp_arena_alloc (arena, 16);
    CHECK (next == small + 16); /* the first chunk is still in use */
    esp_arena_destroy (arena);
}

static void reset_keeps_the_first_chunk_only (void)
{
    esp_arena *arena = given_arena (1024);
    size_t bytes = esp_arena_bytes (arena);
    void *first = esp_arena_alloc (arena, 16);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++)
            CHECK (esp_arena_alloc (arena, i == 500 ? 1 << 18 : 100) != NULL);
        CHECK (esp_alloc_live () > 2);
        esp_arena_reset (arena);
        CHECK (esp_arena_bytes (arena) == bytes);
        CHECK (esp_alloc_live () == 2);
        CHECK (esp_arena_alloc (arena, 16) == first);
    }
    esp_arena_destroy (arena);
    CHECK (esp_alloc_live () == 0);
}

static esp_err fill (esp_arena **arena)
{
    span out;
    esp_err err = esp_arena_create (64, arena);
    for (int i = 0; err == ESP_OK && i < 50; i++) {
        if (!esp_arena_calloc (*arena, 40) || !esp_arena_string (*arena, span_of ("name")))
            return ESP_ENOMEM;
        err =
            esp_arena_copy (*arena, span_of (i == 20 ? "a longer text, for a change" : "x"), &out);
    }
    return err;
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    long n;
    for (n = 0; err != ESP_OK && n < 100; n++) {
        esp_arena *arena = NULL;
        esp_alloc_fail_after (n);
        err = fill (&arena);
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        esp_arena_destroy (arena);
        CHECK (esp_alloc_live () == 0);
    }
    CHECK (err == ESP_OK && n > 3);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls change nothing", bad_calls_change_nothing},
        {"sizes that overflow give NULL", sizes_that_overflow_give_null},
        {"blocks are aligned, distinct and stay", blocks_are_aligned_distinct_and_stay},
        {"calloc zeroes memory that was used", calloc_zeroes_memory_that_was_used},
        {"texts pack without padding", texts_pack_without_padding},
        {"texts and structs share a chunk and do not overlap",
         texts_and_structs_share_a_chunk_and_do_not_overlap},
        {"an empty span copies to the empty text", an_empty_span_copies_to_the_empty_text},
        {"chunks double up to 64 times the first", chunks_double_up_to_64_times_the_first},
        {"a large request gets its own chunk and wastes none",
         a_large_request_gets_its_own_chunk_and_wastes_none},
        {"reset keeps the first chunk only", reset_keeps_the_first_chunk_only},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("arena", cases);
}
