/* SPDX-License-Identifier: Apache-2.0 */
/* sample_sft.c - format `sft`: rejection sampling, one row per distinct finished branch that is true
 *
 * TRL's prompt-completion (docs/source/dataset_formats.md): prompt and completion are texts; of a problem that is a list of
 * messages both are lists of messages.  Verified: the verdict is pass.  Unverified: no verdict decided (unknown or none); what failed
 * is never written.  A branch that a limit cut is no solution.
 */

#include "coordinator/sink/sample_formats.h"

static void completion (json_row *r, const sample_view *v, const branch *b)
{
    bool chat = v->messages.len > 0;
    row_string (r,
                chat ? ",\"completion\":[{\"role\":\"assistant\",\"content\":" : ",\"completion\":",
                esp_buf_span (&b->text));
    row_raw (r, chat ? "}]" : "");
}

static esp_err write_branch (const sample_view *v, const branch *b, sample_writer *w)
{
    bool passed = sample_passed (v, b->node);
    json_row *r = sample_begin (w, passed ? SAMPLE_VERIFIED : SAMPLE_UNVERIFIED, b->node, NULL);
    sample_prompt (r, v);
    completion (r, v, b);
    row_string_or_null (r, ",\"answer\":", b->answer);
    row_number (r, ",\"score\":", search_node (v->search, b->node)->score);
    row_count (r, ",\"tokens\":", tree_path_tokens (v->tree, b->node));
    return sample_end (w);
}

static esp_err write_problem (const sample_view *v, const void *options, sample_writer *w)
{
    esp_err err = ESP_OK;
    (void)options;
    for (size_t i = 0; i < v->branches->count && err == ESP_OK; i++) {
        const branch *b = &v->branches->items[i];
        const node *n = search_node (v->search, b->node);
        if (!b->again && n->verdict != VERDICT_FAIL && sample_complete (v, b->node))
            err = write_branch (v, b, w);
    }
    return err;
}

static const char *const measured[] = {"score", "tokens", NULL};

const sample_format sample_sft = {
    .name = "sft",
    .what = "prompt and completion of every finished branch that is true (rejection sampling)",
    .by_passes = true,
    .measured = measured,
    .write = write_problem,
};
