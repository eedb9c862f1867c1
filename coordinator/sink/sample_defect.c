/* SPDX-License-Identifier: Apache-2.0 */
/* sample_defect.c - format `defect`: a right solution of the problem row, a text with a bug in it, and where it is
 *
 * A row is made from the row's solution, the branch's text and the verdicts alone: whether engine `mutate` put the bug in or a
 * model did.  Kept is a text that the verifier fails, without running out of time, while it passed the solution as it is in this same
 * run; controls (the solution, or another text with the same meaning) are kept when they pass.  Where the solution itself was not
 * among the branches, and where a text ends behind its wrong step, rows are unverified.  Fields after SWE-smith (validity) and ProcessBench (label, -1 = none).
 */

#include <math.h>
#include <stdio.h>
#include "coordinator/sink/defect.h"
#include "coordinator/sink/sample_formats.h"
#include "proto/model/solution.h"

enum { UNIT_AUTO, UNIT_LINE, UNIT_STEP };

struct options {
    int unit;
    bool dropped;
    int64_t changed_most;
};

static const esp_option option_rows[] = {
    {"unit", ESP_OPT_CHOICE, offsetof (struct options, unit), "auto", 0, 0, "auto|line|step", "",
     "what a defect is located by; auto: lines where the problem row brings tests, else steps",
     ESP_OPT_FREE, false},
    {"dropped", ESP_OPT_BOOL, offsetof (struct options, dropped), "false", 0, 0, NULL, "",
     "write what is no sample to the unverified file, with the reason in `dropped`: to count it",
     ESP_OPT_FREE, false},
    {"changed_most", ESP_OPT_INT, offsetof (struct options, changed_most), "0", 0, 1e6, NULL,
     "lines or steps",
     "texts in which more were exchanged are no sample (a model that rewrote all); 0 = any",
     ESP_OPT_FREE, false},
    ESP_OPTION_END,
};

struct defects { /* one problem */
    const sample_view *v;
    const struct options *o;
    sample_writer *w;
    enum defect_unit unit;
    span solution;   /* as the row has it */
    esp_buf whole;   /* owned: prompt and solution, where the latter is its continuation */
    uint8_t verdict; /* of the solution as it is; VERDICT_NONE: it is no branch */
    double share;
};

/* ---- texts ---- */

static span string_of (const json_t *value)
{
    return json_is_string (value)
               ? span_make (json_string_value (value), json_string_length (value))
               : span_make ("", 0);
}

static span solution_of (const json_t *row)
{
    span answer = string_of (json_object_get (row, SOLUTION_ANSWER_FIELD));
    for (size_t i = 0; solution_fields[i]; i++)
        if (json_is_string (json_object_get (row, solution_fields[i])))
            return string_of (json_object_get (row, solution_fields[i]));
    return span_find (answer, span_of (SOLUTION_ANSWER_MARK)) < answer.len ? answer
                                                                           : span_make ("", 0);
}

static bool about_programs (const json_t *row)
{
    bool found = false;
    for (size_t i = 0; program_fields[i]; i++)
        found = found || json_object_get (row, program_fields[i]);
    return found;
}

/* Does this text bring the function's head itself, which the solution leaves to the prompt? */
static bool begins_itself (const struct defects *d, span program)
{
    span name = string_of (json_object_get (d->v->row, "entry_point"));
    char head[200];
    if (d->unit != DEFECT_LINE || name.len == 0 || name.len > 100)
        return false;
    snprintf (head, sizeof (head), "def %.*s", (int)name.len, name.ptr);
    return span_find (program, span_of (head)) < program.len &&
           span_find (d->solution, span_of (head)) >= d->solution.len;
}

/* The two texts that are compared. */
static esp_err texts_of (struct defects *d, const branch *b, span *original, span *text)
{
    esp_err err = ESP_OK;
    *original = d->solution;
    *text = esp_buf_span (&b->text);
    if (span_equal (*original, *text) || d->unit != DEFECT_LINE)
        return err;
    *text = defect_program (*text);
    if (!begins_itself (d, *text))
        return err;
    if (d->whole.len == 0 && (err = esp_buf_add (&d->whole, d->v->prompt)) == ESP_OK)
        err = esp_buf_add (&d->whole, d->solution);
    *original = esp_buf_span (&d->whole);
    return err;
}

/* ---- what is kept ---- */

static bool is_control (const node *n, const defect *at)
{
    return !at->differs || span_starts (node_made (n), "same");
}

static span reason_of (const node *n)
{
    return n->extra && n->extra->reason ? span_make (n->extra->reason, n->extra->reason_len)
                                        : span_make ("", 0);
}

static double share_of (const node *n)
{
    return n->extra ? n->extra->share : NAN;
}

/* Why it is no sample, or NULL. */
static const char *why_dropped (const struct defects *d, const node *n, const defect *at)
{
    size_t exchanged =
        at->after_end > at->before_end ? at->after_end - at->begin : at->before_end - at->begin;
    if (d->verdict != VERDICT_PASS && d->verdict != VERDICT_NONE)
        return "solution-not-right";
    if (is_control (n, at))
        return n->verdict == VERDICT_PASS ? NULL : "control-not-right";
    if (d->o->changed_most > 0 && exchanged > (size_t)d->o->changed_most)
        return "too-much-changed";
    if (n->finish == FINISH_LENGTH)
        return NULL; /* cut: unverified */
    if (n->verdict == VERDICT_PASS || (n->verdict == VERDICT_FAIL && share_of (n) >= 1))
        return "equivalent";
    if (n->verdict != VERDICT_FAIL)
        return n->verdict == VERDICT_UNKNOWN ? "undecided" : "not-verified";
    return span_is (reason_of (n), "cpu-limit") ? "timeout" : NULL;
}

/* ---- a row ---- */

static void write_place (json_row *r, const struct defects *d, const defect *at, bool control)
{
    row_raw (r, d->unit == DEFECT_LINE ? ",\"unit\":\"line\"" : ",\"unit\":\"step\"");
    if (control)
        row_raw (r, ",\"first_error\":-1");
    else
        row_count (r, ",\"first_error\":", at->begin);
    row_string (r, ",\"before\":", at->differs ? at->before : span_make ("", 0));
    row_string (r, ",\"after\":", at->differs ? at->after : span_make ("", 0));
    row_count (r, ",\"fix\":{\"begin\":", at->differs ? at->begin : 0);
    row_count (r, ",\"end\":", at->differs ? at->after_end : 0);
    row_string (r, ",\"text\":", at->differs ? at->before : span_make ("", 0));
    row_raw (r, "}");
}

static void write_verdict (json_row *r, const char *key, uint8_t verdict)
{
    row_raw (r, key);
    row_raw (r, "\"");
    row_raw (r, verdict_names[verdict]);
    row_raw (r, "\"");
}

static esp_err write_branch (struct defects *d, const branch *b)
{
    const node *n = search_node (d->v->search, b->node);
    bool control, cut = n->finish == FINISH_LENGTH;
    span original, text;
    const char *dropped;
    json_row *r;
    defect at;
    esp_err err = texts_of (d, b, &original, &text);
    if (err != ESP_OK || (err = defect_between (original, text, d->unit,
                                                &search_setup_of (d->v->search)->split, &at)))
        return err;
    control = is_control (n, &at);
    dropped = why_dropped (d, n, &at);
    if (dropped && !d->o->dropped)
        return ESP_OK;
    r = sample_begin (
        d->w, dropped || cut || d->verdict != VERDICT_PASS ? SAMPLE_UNVERIFIED : SAMPLE_VERIFIED,
        b->node, NULL);
    sample_prompt (r, d->v);
    row_string (r, ",\"original\":", original);
    row_string (r, ",\"mutated\":", text);
    row_string_or_null (r, ",\"operator\":", node_made (n));
    write_place (r, d, &at, control);
    row_bool (r, ",\"is_control\":", control);
    row_bool (r, ",\"cut\":", cut);
    write_verdict (r, ",\"verdict_original\":", d->verdict);
    write_verdict (r, ",\"verdict_mutated\":", n->verdict);
    row_number (r, ",\"share_original\":", d->share);
    row_number (r, ",\"share_mutated\":", share_of (n));
    row_string_or_null (r, ",\"dropped\":", span_of (dropped));
    return sample_end (d->w);
}

/* ---- a problem ---- */

/* The verdict on the solution as it is: a pass counts, whatever else came. */
static esp_err judge_solution (struct defects *d)
{
    d->verdict = VERDICT_NONE;
    d->share = NAN;
    for (size_t i = 0; i < d->v->branches->count && d->verdict != VERDICT_PASS; i++) {
        const branch *b = &d->v->branches->items[i];
        span original, text;
        esp_err err = texts_of (d, b, &original, &text);
        if (err != ESP_OK)
            return err;
        if (!span_equal (original, text))
            continue;
        d->verdict = search_node (d->v->search, b->node)->verdict;
        d->share = share_of (search_node (d->v->search, b->node));
    }
    return ESP_OK;
}

static esp_err write_problem (const sample_view *v, const void *options, sample_writer *w)
{
    const struct options *o = options;
    struct defects d = {.v = v, .o = o, .w = w, .solution = solution_of (v->row)};
    esp_err err;
    d.unit = o->unit == UNIT_LINE || (o->unit == UNIT_AUTO && about_programs (v->row))
                 ? DEFECT_LINE
                 : DEFECT_STEP;
    if (d.solution.len == 0)
        return ESP_OK;
    err = judge_solution (&d);
    for (size_t i = 0; i < v->branches->count && err == ESP_OK; i++)
        if (!v->branches->items[i].again)
            err = write_branch (&d, &v->branches->items[i]);
    esp_buf_free (&d.whole);
    return err;
}

const sample_format sample_defect = {
    .name = "defect",
    .what = "a right solution, the same with a bug, where it is and its repair; controls without",
    .needs = SAMPLE_NEEDS_VERIFIER,
    .options = option_rows,
    .option_bytes = sizeof (struct options),
    .write = write_problem,
};
