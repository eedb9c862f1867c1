/* SPDX-License-Identifier: Apache-2.0 */
/* sample_stepwise.c - format `stepwise`: steps and whether each is good, for process reward models
 *
 * TRL's stepwise supervision (docs/source/dataset_formats.md): prompt and completions are texts, labels are booleans; its trainer takes
 * int (label), so soft values stand in a column of their own.  Rows are those of labelled.h.
 */

#include "coordinator/sink/labelled.h"
#include "coordinator/sink/sample_formats.h"

static const char *rollouts_of (const labelled *l)
{
    const char *source = "value";
    for (size_t i = 0; i < l->done; i++) {
        if (l->steps[i].label.strategy)
            return "mc";
        if (l->steps[i].label.rollouts > 0)
            source = "tree";
    }
    return source;
}

/* What the labels of the row are of. */
static const char *source_of (const labelled *l)
{
    size_t human = 0;
    for (size_t i = 0; i < l->done; i++)
        human += l->chosen[i].source == LABEL_FROM_HUMAN;
    if (l->options->source == LABEL_FROM_MONTE_CARLO ||
        (l->options->source == LABEL_FROM_MIXED && human == 0))
        return rollouts_of (l);
    return label_source_names[human == l->done ? LABEL_FROM_HUMAN : l->options->source];
}

static void counts (json_row *r, const labelled *l)
{
    row_raw (r, "],\"rollouts\":[");
    for (size_t i = 0; i < l->done; i++)
        row_count (r, i ? "," : "", l->steps[i].label.rollouts);
    row_raw (r, "],\"passed\":[");
    for (size_t i = 0; i < l->done; i++)
        row_count (r, i ? "," : "", l->steps[i].label.passed);
    row_raw (r, "],\"low\":[");
    for (size_t i = 0; i < l->done; i++)
        row_number (r, i ? "," : "", l->steps[i].label.low);
    row_raw (r, "],\"high\":[");
    for (size_t i = 0; i < l->done; i++)
        row_number (r, i ? "," : "", l->steps[i].label.high);
}

static esp_err write_row (const labelled *l, sample_writer *w)
{
    json_row *r = sample_begin (w, labelled_set (l), l->end, NULL);
    row_string (r, ",\"prompt\":", l->v->prompt);
    row_raw (r, ",\"completions\":[");
    for (size_t i = 0; i < l->done; i++)
        row_string (r, i ? "," : "", labelled_text (l, i));
    row_raw (r, "],\"labels\":[");
    for (size_t i = 0; i < l->done; i++)
        row_bool (r, i ? "," : "", labelled_good (l, i));
    row_raw (r, "],\"values\":[");
    for (size_t i = 0; i < l->done; i++)
        row_number (r, i ? "," : "", l->steps[i].label.value);
    counts (r, l);
    row_raw (r, "],\"prm_scores\":[");
    for (size_t i = 0; i < l->done; i++)
        row_number (r, i ? "," : "", l->steps[i].score);
    row_int (r, "],\"first_error\":", labelled_first_error (l));
    row_string (r, ",\"label_source\":", span_of (source_of (l)));
    return sample_end (w);
}

static esp_err write_problem (const sample_view *v, const void *options, sample_writer *w)
{
    labelled l = {.v = v, .options = options};
    esp_err err = labelled_rows (&l, write_row, w);
    labelled_free (&l);
    return err;
}

static const char *const measured[] = {"values", "rollouts",   "passed",       "low",
                                       "high",   "prm_scores", "label_source", NULL};

const sample_format sample_stepwise = {
    .name = "stepwise",
    .what = "steps with a label each, for process reward models (TRL)",
    .needs = SAMPLE_NEEDS_LABELS,
    .by_passes = true,
    .options = labelled_option_rows,
    .option_bytes = sizeof (labelled_options),
    .measured = measured,
    .write = write_problem,
};
