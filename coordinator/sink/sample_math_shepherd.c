/* SPDX-License-Identifier: Apache-2.0 */
/* sample_math_shepherd.c - format `math_shepherd`, for `espalier export`: the lines of peiyi9979/Math-Shepherd
 *
 *     {"input":"Q Step 1: ... ки\nStep 2: ... ки","label":"Q Step 1: ... +\nStep 2: ... -","task":"GSM8K"}
 *
 * input and label differ in the tags only.  task: that of the problem's row, else null.  Rows are those of labelled.h.
 */

#include "coordinator/sink/labelled.h"
#include "coordinator/sink/sample_formats.h"

static const char tag[] = "\xd0\xba\xd0\xb8"; /* ки */

/* marks: the labels, else the tag. */
static esp_err join (const labelled *l, bool marks, esp_buf *out)
{
    esp_err err = esp_buf_add (out, l->v->prompt);
    for (size_t i = 0; i < l->done && err == ESP_OK; i++) {
        span text = labelled_text (l, i);
        err = esp_buf_puts (out, i ? "\n" : " ");
        if (err == ESP_OK && !span_starts (text, "Step "))
            err = esp_buf_printf (out, "Step %zu: ", i + 1);
        if (err == ESP_OK && (err = esp_buf_add (out, text)) == ESP_OK)
            err = esp_buf_printf (out, " %s", !marks ? tag : labelled_good (l, i) ? "+" : "-");
    }
    return err;
}

static esp_err write_row (const labelled *l, sample_writer *w)
{
    const char *task_name = json_string_value (json_object_get (l->v->row, "task"));
    json_row *r = sample_begin (w, labelled_set (l), l->end, NULL);
    esp_buf text = {0};
    for (int marks = 0; marks < 2; marks++) {
        esp_buf_clear (&text);
        if (r->err == ESP_OK)
            r->err = join (l, marks, &text);
        row_string (r, marks ? ",\"label\":" : "{\"input\":", esp_buf_span (&text));
    }
    row_string_or_null (r, ",\"task\":", span_of (task_name));
    row_raw (r, "}");
    esp_buf_free (&text);
    return sample_end (w);
}

static esp_err write_problem (const sample_view *v, const void *options, sample_writer *w)
{
    labelled l = {.v = v, .options = options};
    esp_err err = labelled_rows (&l, write_row, w);
    labelled_free (&l);
    return err;
}

const sample_format sample_math_shepherd = {
    .name = "math_shepherd",
    .what = "input and label with a tag behind each step, as Math-Shepherd's files",
    .needs = SAMPLE_NEEDS_LABELS,
    .text = true,
    .options = labelled_option_rows,
    .option_bytes = sizeof (labelled_options),
    .write = write_problem,
};
