/* SPDX-License-Identifier: Apache-2.0 */
/* sample_distill.c - format `distill`: token ids and the most likely alternatives of each token, to distill a model
 *
 * The columns of axolotl's KD plugin (integrations/kd/chat_template.py): messages, logprobs and target_token_ids, a list per position,
 * aligned to the end of the sequence.  So the lists cover the end of the branch that has tokens without a gap: what a file, a person or a
 * tool said before is masked (weight 0 in `parts`).  Verified: the verdict is pass.  Unverified: none decided.
 */

#include "coordinator/sink/sample_formats.h"
#include "coordinator/sink/sample_tokens.h"

/* The problem as messages, and the answer behind them. */
static void messages (json_row *r, const sample_view *v, const branch *b)
{
    if (v->messages.len > 2) {
        row_span (r, ",\"messages\":", span_make (v->messages.ptr, v->messages.len - 1));
    } else {
        row_string (r, ",\"messages\":[{\"role\":\"user\",\"content\":", v->prompt);
        row_raw (r, "}");
    }
    row_string (r, ",{\"role\":\"assistant\",\"content\":", esp_buf_span (&b->text));
    row_raw (r, "}]");
}

static void parts (json_row *r, const token_parts *p)
{
    row_raw (r, ",\"parts\":[");
    for (size_t i = 0; i < p->count; i++) {
        row_string (r, i ? ",{\"text\":" : "{\"text\":", p->items[i].text);
        row_count (r, ",\"tokens\":", i < p->tail ? 0 : p->items[i].data.count);
        row_count (r, ",\"weight\":", i >= p->tail);
        row_raw (r, "}");
    }
    row_raw (r, "]");
}

static esp_err write_branch (const sample_view *v, const branch *b, sample_writer *w)
{
    enum sample_set set = sample_passed (v, b->node) ? SAMPLE_VERIFIED : SAMPLE_UNVERIFIED;
    token_parts p;
    json_row *r;
    esp_err err = token_parts_of (v, b->node, &p);
    if (err == ESP_OK && p.tail < p.count) {
        r = sample_begin (w, set, b->node, NULL);
        messages (r, v, b);
        row_string_or_null (r, ",\"answer\":", b->answer);
        token_ids (r, ",\"token_ids\":", &p);
        token_logprobs (r, ",\"token_logprobs\":", &p);
        token_top_ids (r, ",\"target_token_ids\":", &p);
        token_top_logprobs (r, ",\"logprobs\":", &p);
        parts (r, &p);
        err = sample_end (w);
    }
    token_parts_free (&p);
    return err;
}

static esp_err write_problem (const sample_view *v, const void *options, sample_writer *w)
{
    esp_err err = ESP_OK;
    (void)options;
    for (size_t i = 0; i < v->branches->count && err == ESP_OK; i++) {
        const branch *b = &v->branches->items[i];
        if (!b->again && sample_complete (v, b->node) &&
            search_node (v->search, b->node)->verdict != VERDICT_FAIL)
            err = write_branch (v, b, w);
    }
    return err;
}

static const char *const measured[] = {"token_logprobs", "target_token_ids", "logprobs", NULL};

const sample_format sample_distill = {
    .name = "distill",
    .what = "token ids and top-k logprobs of every finished branch that is true (axolotl KD)",
    .needs = SAMPLE_NEEDS_TOKENS | SAMPLE_NEEDS_LOGPROBS,
    .by_passes = true,
    .measured = measured,
    .write = write_problem,
};
