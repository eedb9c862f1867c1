/* SPDX-License-Identifier: Apache-2.0 */
/* sample_prm800k.c - format `prm800k`, for `espalier export`: the lines of openai/prm800k
 *
 * One completion a step with rating 1 or -1; the first bad step is the last one, as their labellers stopped there, and none is chosen
 * from it.  No row holds a time: timestamp is null, total_time 0.  finish_reason: found_error; solution (all steps good, the text is finished);
 * else give_up.  Rows are those of labelled.h.
 */

#include "coordinator/sink/labelled.h"
#include "coordinator/sink/sample_formats.h"

static size_t steps_of (const labelled *l)
{
    int bad = labelled_first_error (l);
    return bad < 0 ? l->done : (size_t)bad + 1;
}

static void question (json_row *r, const labelled *l)
{
    row_string (r, "\"question\":{\"problem\":", l->v->prompt);
    row_string_or_null (r, ",\"ground_truth_answer\":", l->v->gold);
    row_raw (r, ",\"pre_generated_steps\":[");
    for (size_t i = 0; i < l->count; i++)
        row_string (r, i ? "," : "", labelled_text (l, i));
    row_raw (r, "]},");
}

static const char *reason_of (const labelled *l)
{
    if (labelled_first_error (l) >= 0)
        return "found_error";
    return l->done == l->count && search_node (l->v->search, l->end)->finish == FINISH_EOS
               ? "solution"
               : "give_up";
}

static esp_err write_row (const labelled *l, sample_writer *w)
{
    json_row *r = sample_begin (w, labelled_set (l), l->end, NULL);
    size_t steps = steps_of (l);
    row_raw (r, "{\"labeler\":\"espalier\",\"timestamp\":null,\"generation\":null,"
                "\"is_quality_control_question\":false,\"is_initial_screening_question\":false,");
    question (r, l);
    row_raw (r, "\"label\":{\"steps\":[");
    for (size_t i = 0; i < steps; i++) {
        row_string (r, i ? ",{\"completions\":[{\"text\":" : "{\"completions\":[{\"text\":",
                    labelled_text (l, i));
        row_int (r, ",\"rating\":", labelled_good (l, i) ? 1 : -1);
        row_raw (r, ",\"flagged\":null}],\"human_completion\":null,\"chosen_completion\":");
        row_raw (r, labelled_good (l, i) ? "0}" : "null}");
    }
    row_string (r, "],\"total_time\":0,\"finish_reason\":", span_of (reason_of (l)));
    row_raw (r, "}}");
    return sample_end (w);
}

static esp_err write_problem (const sample_view *v, const void *options, sample_writer *w)
{
    labelled l = {.v = v, .options = options};
    esp_err err = labelled_rows (&l, write_row, w);
    labelled_free (&l);
    return err;
}

const sample_format sample_prm800k = {
    .name = "prm800k",
    .what = "steps with a rating each, as PRM800K's files",
    .needs = SAMPLE_NEEDS_LABELS,
    .text = true,
    .options = labelled_option_rows,
    .option_bytes = sizeof (labelled_options),
    .write = write_problem,
};
