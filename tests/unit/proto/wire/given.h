/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_PROTO_WIRE_GIVEN_H
#define ESP_TESTS_UNIT_PROTO_WIRE_GIVEN_H

/* given.h - random contents, comparisons, golden files and hostile bytes for the tests of proto/wire */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/arena.h"
#include "proto/base/file.h"
#include "proto/base/rng.h"
#include "proto/wire/wire.h"
#include "tests/support/suite.h"

/* ---- draws ---- */

struct given {
    uint64_t key, next;
    esp_arena *arena; /* owned */
};

static inline struct given given_draws (uint64_t key)
{
    struct given g = {key, 0, NULL};
    PASS (esp_arena_create (1 << 16, &g.arena));
    return g;
}

static inline uint32_t below (struct given *g, uint32_t n)
{
    return esp_draw_below (g->key, g->next++, n);
}

/* Small, any, or at the edge. */
static inline uint64_t some_u64 (struct given *g)
{
    uint64_t bits = esp_draw_bits (g->key, g->next++);
    static const uint64_t edges[4] = {0, 1, UINT64_MAX, UINT32_MAX};
    switch (below (g, 3)) {
    case 0:
        return bits % 1000;
    case 1:
        return edges[bits % 4];
    default:
        return bits;
    }
}

static inline uint32_t some_u32 (struct given *g)
{
    return (uint32_t)some_u64 (g);
}

static inline double some_finite (struct given *g)
{
    static const double edges[6] = {0.0, -0.0, 1e308, -1e308, 5e-324, 1.0};
    uint32_t kind = below (g, 12);
    return kind < 6 ? edges[kind] : (esp_draw_unit (g->key, g->next++) - 0.5) * 100;
}

static inline double some_number (struct given *g)
{
    return below (g, 3) ? some_finite (g) : NAN;
}

/* Any bytes, also 0 and what is not UTF-8. */
static inline span some_text (struct given *g)
{
    static const size_t sizes[8] = {0, 0, 1, 5, 40, 127, 128, 900};
    size_t len = sizes[below (g, 8)];
    char *text = esp_arena_alloc (g->arena, len);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)below (g, 256);
    return span_make (text, len);
}

static inline span some_name (struct given *g)
{
    static const char *const names[4] = {"", "beam", "h\xc3\xb6st-1", "wrong-answer"};
    return span_of (names[below (g, 4)]);
}

static inline void *some_array (struct given *g, size_t size, size_t *count)
{
    *count = below (g, 4) ? below (g, 6) : 0;
    return esp_arena_calloc (g->arena, size * *count);
}

static inline problem_key *some_keys (struct given *g, size_t *count)
{
    problem_key *keys = some_array (g, sizeof (*keys), count);
    for (size_t i = 0; i < *count; i++)
        keys[i] = some_u64 (g);
    return keys;
}

static inline result some_result (struct given *g)
{
    size_t scores;
    double *list = some_array (g, sizeof (*list), &scores);
    for (size_t i = 0; i < scores; i++)
        list[i] = some_finite (g);
    return (result){
        .id = {some_u64 (g), some_u32 (g)},
        .error = (esp_err)below (g, ESP_ECONTEXT + 1),
        .text = some_text (g),
        .tokens = some_u32 (g),
        .steps = some_u32 (g),
        .finish = (uint8_t)below (g, FINISH_ERROR + 1),
        .logprob = some_number (g),
        .mean_logprob = some_number (g),
        .scores = list,
        .score_count = (uint32_t)scores,
        .score_own = below (g, (uint32_t)scores + 1),
        .scored_tokens = some_u32 (g),
        .verdict = (uint8_t)below (g, VERDICT_UNKNOWN + 1),
        .share = below (g, 2) ? NAN : (double)below (g, 5) / 4,
        .answer = some_text (g),
        .observation = some_text (g),
        .reason = some_name (g),
        .prompt_tokens = some_u32 (g),
        .cached_tokens = some_u32 (g),
        .token_data = some_text (g),
    };
}

static inline command some_command (struct given *g)
{
    return (command){(uint8_t)below (g, COMMAND_KINDS), some_u32 (g), some_finite (g) + 0.5,
                     some_text (g)};
}

/* ---- comparisons ---- */

/* Equal bits, or both not given. */
static inline bool same_number (double a, double b)
{
    return memcmp (&a, &b, sizeof (a)) == 0 || (isnan (a) && isnan (b));
}

static inline bool same_keys (const problem_key *a, size_t n, const problem_key *b, size_t m)
{
    return n == m && (n == 0 || memcmp (a, b, n * sizeof (*a)) == 0);
}

static inline bool same_id (task_id a, task_id b)
{
    return a.problem == b.problem && a.number == b.number;
}

static inline bool same_result (const result *a, const result *b)
{
    bool same = same_id (a->id, b->id) && a->error == b->error && span_equal (a->text, b->text) &&
                a->tokens == b->tokens && a->steps == b->steps && a->finish == b->finish &&
                same_number (a->logprob, b->logprob) &&
                same_number (a->mean_logprob, b->mean_logprob) &&
                a->score_count == b->score_count && a->score_own == b->score_own &&
                a->scored_tokens == b->scored_tokens && a->verdict == b->verdict &&
                same_number (a->share, b->share) && span_equal (a->answer, b->answer) &&
                span_equal (a->observation, b->observation) && span_equal (a->reason, b->reason) &&
                a->prompt_tokens == b->prompt_tokens && a->cached_tokens == b->cached_tokens &&
                span_equal (a->token_data, b->token_data);
    for (uint32_t i = 0; same && i < a->score_count; i++)
        same = same_number (a->scores[i], b->scores[i]);
    return same;
}

static inline bool same_command (const command *a, const command *b)
{
    return a->kind == b->kind && a->node == b->node && same_number (a->value, b->value) &&
           span_equal (a->text, b->text);
}

/* ---- golden files ---- */

/* Compare with golden/NAME.bin beside this file, or write it. */
static inline void golden (bool write, const char *name, span bytes)
{
    char path[4096];
    esp_buf stored = {0};
    esp_error error = {0};
    snprintf (path, sizeof (path), "%s/proto/wire/golden/%s.bin", ESP_TESTS_UNIT, name);
    if (write)
        PASS (esp_file_write (path, bytes, 0644, &error));
    PASS (esp_file_read (path, 1 << 20, &stored, &error));
    if (!span_equal (bytes, esp_buf_span (&stored)))
        printf ("%s: other bytes than were stored\n", path);
    CHECK (span_equal (bytes, esp_buf_span (&stored)));
    esp_buf_free (&stored);
}

/* ---- hostile bytes ---- */

/* Decode and, where that works, encode again: both may fail, neither may crash; what was decoded must encode. */
typedef void (*take_bytes) (wire_codec *codec, span bytes);

/* A block of exactly this size, so that ASan sees one byte too far. */
static inline void take_copy (wire_codec *codec, span bytes, take_bytes take)
{
    char *copy = malloc (bytes.len ? bytes.len : 1);
    if (bytes.len)
        memcpy (copy, bytes.ptr, bytes.len);
    take (codec, span_make (copy, bytes.len));
    free (copy);
}

static inline void take_damaged (wire_codec *codec, span bytes, take_bytes take)
{
    esp_buf damaged = {0};
    for (size_t len = 0; len <= bytes.len; len++)
        take_copy (codec, span_make (bytes.ptr, len), take);
    PASS (esp_buf_add (&damaged, bytes));
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        damaged.data[bit / 8] = (char)(damaged.data[bit / 8] ^ (1 << bit % 8));
        take_copy (codec, esp_buf_span (&damaged), take);
        damaged.data[bit / 8] = (char)(damaged.data[bit / 8] ^ (1 << bit % 8));
    }
    esp_buf_free (&damaged);
}

#endif
