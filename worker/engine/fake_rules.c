/* SPDX-License-Identifier: Apache-2.0 */
/* fake_rules.c - unit () over joined parts, and what the fake models make of it */

#include "worker/engine/fake_rules.h"
#include <inttypes.h>
#include <stdio.h>
#include "proto/base/hash.h"

enum { K_BYTES = 16 };

static const char separator[] = "\n\n";

/* k as the golden files write it: decimal, or "g" for a greedy request. */
static span k_text (uint32_t k, char memory[K_BYTES])
{
    if (k == TASK_K_GREEDY)
        return span_of ("g");
    snprintf (memory, K_BYTES, "%" PRIu32, k);
    return span_of (memory);
}

static double unit (const char *what, span a, uint32_t k)
{
    char memory[K_BYTES];
    span parts[] = {span_of (what), a, k_text (k, memory)};
    return esp_unit_joined (parts, 3);
}

esp_err fake_lm_step (const fake_lm *lm, span prompt, size_t text_at, uint32_t k, esp_buf *out,
                      bool *eos, double *mean_logprob)
{
    span text = span_make (prompt.ptr + text_at, prompt.len - text_at);
    int64_t depth = (int64_t)span_count (text, span_of (separator));
    bool answered = span_find (text, span_of ("\\boxed{")) < text.len;
    if (mean_logprob)
        *mean_logprob = -2.0 * unit ("lp", prompt, k);
    *eos = answered || depth >= lm->max_depth ||
           (depth >= lm->min_depth && unit ("eos", prompt, k) < lm->p_eos);
    if (answered)
        return ESP_OK;
    if (*eos)
        return esp_buf_printf (out, "ans \\boxed{%" PRId64 "}",
                               (int64_t)(unit ("ans", prompt, k) * (double)lm->answers));
    return esp_buf_printf (out, "s%04" PRId64 "\n\n",
                           (int64_t)(unit ("tok", prompt, k) * (double)lm->vocab));
}

esp_err fake_prm_score (span question, span piece, esp_buf *so_far, double *score)
{
    size_t before = so_far->len;
    esp_err err = esp_buf_add (so_far, piece);
    if (err == ESP_OK)
        err = esp_buf_puts (so_far, separator);
    if (err != ESP_OK) {
        so_far->len = before;
        return err;
    }
    *score = esp_unit_joined ((span[]){span_of ("prm"), question, esp_buf_span (so_far)}, 3);
    return ESP_OK;
}

esp_err fake_gen_child (const char *action, uint32_t c, esp_buf *out)
{
    char memory[K_BYTES];
    return esp_buf_printf (out, "/%s%s", action, k_text (c, memory).ptr);
}

double fake_gen_score (span question, span state)
{
    return esp_unit_joined ((span[]){span_of ("tq"), question, state}, 3);
}

/* unit (what, source + question + "|" + state, i) */
static esp_err thought_unit (const char *what, const char *source, span question, span state,
                             uint32_t i, double *u)
{
    esp_buf prompt = {0};
    esp_err err = esp_buf_puts (&prompt, source);
    if (err == ESP_OK)
        err = esp_buf_add (&prompt, question);
    if (err == ESP_OK)
        err = esp_buf_puts (&prompt, "|");
    if (err == ESP_OK)
        err = esp_buf_add (&prompt, state);
    if (err == ESP_OK)
        *u = unit (what, esp_buf_span (&prompt), i);
    esp_buf_free (&prompt);
    return err;
}

esp_err fake_thought_line (const char *source, span question, span state, uint32_t i, int64_t vocab,
                           esp_buf *out)
{
    double u;
    esp_err err = thought_unit ("thought", source, question, state, i, &u);
    return err == ESP_OK ? esp_buf_printf (out, "t%02" PRId64 "\n", (int64_t)(u * (double)vocab))
                         : err;
}

esp_err fake_thought_value (span question, span state, uint32_t j, double *value)
{
    return thought_unit ("value", "V|", question, state, j, value);
}
