/* SPDX-License-Identifier: Apache-2.0 */
/* sample_processbench.c - format `processbench`, for `espalier export`: whole solutions and their first error
 *
 *     {"id","generator","problem","steps":[...],"final_answer_correct":true,"label":-1}
 *
 * One row for each finished branch whose first bad step is known, or that has none: then every step is labelled and the text passed.
 * generator: the program's name; which model it was, the run file says.
 */

#include "coordinator/sink/labelled.h"
#include "coordinator/sink/sample_formats.h"

static esp_err write_branch (const labelled *l, const branch *b, sample_writer *w)
{
    bool passed = sample_passed (l->v, b->node), decided = sample_decided (l->v, b->node);
    json_row *r;
    if (labelled_first_error (l) < 0 && !(l->done == l->count && passed))
        return ESP_OK;
    r = sample_begin (w, decided ? labelled_set (l) : SAMPLE_UNVERIFIED, b->node, NULL);
    sample_id (r, "{\"id\":", l->v, b->node, NULL);
    row_string (r, ",\"generator\":\"espalier\",\"problem\":", l->v->prompt);
    row_raw (r, ",\"steps\":[");
    for (size_t i = 0; i < l->count; i++)
        row_string (r, i ? "," : "", labelled_text (l, i));
    row_raw (r, "],\"final_answer_correct\":");
    row_raw (r, !decided ? "null" : passed ? "true" : "false");
    row_int (r, ",\"label\":", labelled_first_error (l));
    row_raw (r, "}");
    return sample_end (w);
}

static esp_err write_problem (const sample_view *v, const void *options, sample_writer *w)
{
    labelled l = {.v = v, .options = options};
    esp_err err = ESP_OK;
    for (size_t i = 0; i < v->branches->count && err == ESP_OK; i++) {
        const branch *b = &v->branches->items[i];
        if (!b->again && sample_complete (v, b->node) &&
            (err = labelled_of (&l, b->node)) == ESP_OK)
            err = write_branch (&l, b, w);
    }
    labelled_free (&l);
    return err;
}

const sample_format sample_processbench = {
    .name = "processbench",
    .what = "whole solutions and the index of their first bad step, as ProcessBench's files",
    .needs = SAMPLE_NEEDS_LABELS,
    .text = true,
    .options = labelled_option_rows,
    .option_bytes = sizeof (labelled_options),
    .write = write_problem,
};
