/* SPDX-License-Identifier: Apache-2.0 */
/* conf_fake_rules.c - the fake models themselves: fake_rules.json (README 1.1 to 1.3) */

#include <stdio.h>
#include <string.h>
#include "proto/base/hash.h"
#include "proto/model/task.h"
#include "tests/conformance/compare.h"
#include "tests/conformance/conf.h"

enum { PARTS_MOST = 16, LONGEST = 10000 /* steps of a generation to the end */ };

static void check_unit (const json_t *file, const json_t *one, outcome *o)
{
    const json_t *parts = golden_need_array (o, one, "parts");
    span spans[PARTS_MOST];
    uint8_t hash[ESP_SHA256_BYTES];
    char hex[ESP_SHA256_HEX + 1];
    size_t n = json_array_size (parts);
    (void)file;
    if (n > PARTS_MOST)
        outcome_fail (o, "malformed: %zu parts", n);
    for (size_t i = 0; i < n && !o->failed; i++) {
        const json_t *part = json_array_get (parts, i);
        if (!json_is_string (part))
            outcome_fail (o, "malformed: a part is not text");
        else
            spans[i] = span_make (json_string_value (part), json_string_length (part));
    }
    if (o->failed)
        return;
    esp_sha256_joined (spans, n, hash);
    esp_hex (hash, sizeof (hash), hex);
    compare_text (o, "sha256", json_object_get (one, "sha256"), span_of (hex));
    compare_exact (o, "unit", json_object_get (one, "unit"), esp_unit_joined (spans, n));
}

typedef struct asked { /* a request: prompt = question|A|text */
    span prompt, question, text;
    uint32_t k;
} asked;

static asked read_asked (outcome *o, const json_t *one)
{
    asked a = {.prompt = span_of (golden_need_text (o, one, "prefix"))};
    const json_t *k = json_object_get (one, "k");
    size_t bar = span_find (a.prompt, span_of ("|A|"));
    uint8_t hash[ESP_SHA256_BYTES];
    char hex[ESP_SHA256_HEX + 1];
    if (bar == a.prompt.len)
        outcome_fail (o, "malformed: prefix holds no |A|");
    else
        a.text = span_make (a.prompt.ptr + bar + 3, a.prompt.len - bar - 3);
    a.question = span_make (a.prompt.ptr, bar);
    a.k = json_is_string (k) ? TASK_K_GREEDY : (uint32_t)json_integer_value (k);
    esp_sha256 (a.prompt, hash);
    esp_hex (hash, sizeof (hash), hex);
    compare_text (o, "p", json_object_get (one, "p"), span_of (hex));
    return a;
}

static fake_lm lm_of (const json_t *file, outcome *o)
{
    return golden_lm (&(golden_case){.body = file}, o);
}

static void
compare_generated (outcome *o, const json_t *one, esp_err err, const esp_buf *text, bool eos)
{
    const json_t *want = json_object_get (one, "eos");
    if (err != ESP_OK)
        outcome_fail (o, "%s", esp_err_text (err));
    else if (compare_text (o, "text", json_object_get (one, "text"), esp_buf_span (text)) &&
             json_is_boolean (want) && json_is_true (want) != eos)
        outcome_fail (o, "eos is %s", eos ? "true" : "false");
}

static void check_step (const json_t *file, const json_t *one, outcome *o)
{
    fake_lm lm = lm_of (file, o);
    asked a = read_asked (o, one);
    esp_buf text = {0};
    bool eos = false;
    if (!o->failed) {
        esp_err err = fake_lm_step (&lm, a.prompt, a.question.len + 3, a.k, &text, &eos, NULL);
        compare_generated (o, one, err, &text, eos);
    }
    esp_buf_free (&text);
}

static void check_to_eos (const json_t *file, const json_t *one, outcome *o)
{
    fake_lm lm = lm_of (file, o);
    asked a = read_asked (o, one);
    esp_buf text = {0};
    uint32_t steps;
    bool eos = false;
    if (!o->failed) {
        esp_err err = fake_to_end (&lm, a.question, a.text, a.k, LONGEST, &text, &steps, &eos);
        compare_generated (o, one, err, &text, eos);
    }
    esp_buf_free (&text);
}

static void check_prm (const json_t *file, const json_t *one, outcome *o)
{
    span question = span_of (golden_need_text (o, one, "question")),
         text = span_of (golden_need_text (o, one, "text"));
    esp_arena *arena = NULL;
    double *scores;
    size_t count;
    (void)file;
    if (esp_arena_create (1024, &arena) != ESP_OK ||
        fake_scores (question, text, arena, &scores, NULL, &count) != ESP_OK)
        outcome_fail (o, "out of memory");
    else
        compare_numbers (o, "scores", json_object_get (one, "scores"), scores, count);
    esp_arena_destroy (arena);
}

static const struct {
    const char *key;
    void (*check) (const json_t *file, const json_t *one, outcome *o);
} parts[] = {
    {"unit", check_unit}, {"step", check_step}, {"to_eos", check_to_eos}, {"prm", check_prm}};
enum { PARTS = sizeof (parts) / sizeof (parts[0]) };

size_t conf_fake_rules_count (const json_t *file)
{
    size_t n = 0;
    for (size_t p = 0; p < PARTS; p++)
        n += json_array_size (json_object_get (file, parts[p].key));
    return n;
}

void conf_fake_rules_check (const json_t *file, size_t i, char *id, size_t id_size, outcome *o)
{
    for (size_t p = 0; p < PARTS; p++) {
        const json_t *list = json_object_get (file, parts[p].key);
        if (i < json_array_size (list)) {
            snprintf (id, id_size, "%s-%zu", parts[p].key, i);
            parts[p].check (file, json_array_get (list, i), o);
            return;
        }
        i -= json_array_size (list);
    }
}
