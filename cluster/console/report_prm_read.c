/* SPDX-License-Identifier: Apache-2.0 */
/* report_prm_read.c - candidates.jsonl with its step scores, and what the problem rows say about them */

#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "cluster/console/report_group.h"
#include "cluster/console/report_prm.h"
#include "cluster/console/report_read.h"
#include "coordinator/problem/line_reader.h"
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/base/hash.h"
#include "worker/engine/given.h"

enum { ROW_BYTES = 256 << 20 };

struct reading {
    prm_data *data;
    int aggregate;
    size_t samples_cap, scores_cap;
    const char *path;
    uint64_t line;
    esp_error *error;
};

static esp_err bad_row (const struct reading *r, const char *what)
{
    return esp_error_set (r->error, ESP_EFORMAT,
                          "%s:%" PRIu64 ": %s; was the file written by espalier and not changed?",
                          r->path, r->line, what);
}

static esp_err no_memory (const struct reading *r)
{
    return esp_error_set (r->error, ESP_ENOMEM, "%s: out of memory", r->path);
}

/* ---- candidates ---- */

static esp_err take_scores (struct reading *r, const json_t *list, prm_sample *s)
{
    prm_data *d = r->data;
    s->first = d->score_count;
    if (list && !json_is_array (list) && !json_is_null (list))
        return bad_row (r, "`step_scores` is not a list");
    for (size_t i = 0; i < json_array_size (list); i++) {
        const json_t *score = json_array_get (list, i);
        if (json_is_null (score)) /* one is missing: then there is not one for each step */
            continue;
        if (!json_is_number (score))
            return bad_row (r, "`step_scores` holds something that is not a number");
        if (esp_grow (&d->scores, &r->scores_cap, d->score_count + 1, sizeof (double)) != 0)
            return no_memory (r);
        d->scores[d->score_count++] = json_number_value (score);
        s->count++;
    }
    return ESP_OK;
}

static esp_err take_row (struct reading *r, const json_t *row)
{
    const json_t *id = json_object_get (row, "id"), *correct = json_object_get (row, "correct");
    const json_t *score = json_object_get (row, "score");
    json_int_t repeat = json_integer_value (json_object_get (row, "repeat"));
    prm_data *d = r->data;
    prm_sample s = {.score = NAN};
    esp_err err;
    if (!json_is_string (id) || repeat < 0 || repeat > UINT32_MAX)
        return bad_row (r, "no `id`, or a bad `repeat`");
    if ((err = take_scores (r, json_object_get (row, "step_scores"), &s)) != ESP_OK)
        return err;
    s.id = esp_hash64 (json_string_value (id), json_string_length (id), 0);
    s.repeat = (uint32_t)repeat;
    s.order = (uint32_t)d->count;
    s.correct = json_is_true (correct)    ? REPORT_RIGHT
                : json_is_false (correct) ? REPORT_WRONG
                                          : REPORT_UNKNOWN;
    if (r->aggregate >= 0)
        s.score =
            report_aggregate ((enum report_aggregate)r->aggregate, d->scores + s.first, s.count);
    else if (json_is_number (score))
        s.score = json_number_value (score);
    if (d->count >= UINT32_MAX ||
        esp_grow (&d->samples, &r->samples_cap, d->count + 1, sizeof (s)) != 0)
        return no_memory (r);
    d->samples[d->count++] = s;
    return ESP_OK;
}

static esp_err take_line (struct reading *r, const line *l)
{
    json_error_t why;
    json_t *row;
    esp_err err;
    r->line = l->number;
    if (!l->too_long && span_trim (l->text).len == 0)
        return ESP_OK;
    row = l->too_long ? NULL : json_loadb (l->text.ptr, l->text.len, 0, &why);
    err = json_is_object (row) ? take_row (r, row)
                               : bad_row (r, l->cut ? "the last line is cut" : "not a JSON object");
    json_decref (row);
    return err;
}

static int compare_samples (const void *a, const void *b)
{
    const prm_sample *x = a, *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    if (x->repeat != y->repeat)
        return x->repeat < y->repeat ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static esp_err read_candidates (struct reading *r)
{
    line_reader *lines = NULL;
    prm_data *d = r->data;
    line l;
    esp_err err = line_reader_open (r->path, ROW_BYTES, &lines, r->error);
    if (err == ESP_ENOENT)
        return esp_error_set (r->error, err, "%s: no such file; give the output folder of a run",
                              r->path);
    while (err == ESP_OK)
        if ((err = line_reader_next (lines, &l, r->error)) == ESP_OK)
            err = take_line (r, &l);
    line_reader_close (lines);
    if (err != ESP_EEMPTY)
        return err;
    if (d->count == 0)
        return esp_error_set (r->error, ESP_EFORMAT, "%s:1: no row; has a problem ended yet?",
                              r->path);
    qsort (d->samples, d->count, sizeof (*d->samples), compare_samples);
    return ESP_OK;
}

/* ---- labels ---- */

static size_t first_of_id (const prm_data *d, uint64_t id)
{
    size_t low = 0, high = d->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (d->samples[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* How many steps the row's only solution has; 0 = it brings none, or several. */
static size_t steps_of (span json, const char *separator)
{
    given *g = NULL;
    size_t steps = 0;
    if (given_read (json, separator, NULL, &g, NULL) == ESP_OK && given_count (g) == 1)
        steps = given_steps (g, 0);
    given_destroy (g);
    return steps;
}

static void label_sample (prm_data *d, prm_sample *s, bool has_label, int64_t label, size_t steps)
{
    if (!has_label)
        return;
    s->labelled = s->count == steps && label < (int64_t)steps;
    s->label = label;
    d->mismatched += !s->labelled;
}

static void take_problem (prm_data *d, const problem *p, const char *separator)
{
    uint64_t id = esp_hash64 (p->id.ptr, p->id.len, 0);
    size_t i = first_of_id (d, id), steps;
    int64_t label = -1;
    bool right = false, has_label, has_truth;
    if (i == d->count || d->samples[i].id != id || !(steps = steps_of (p->json, separator)))
        return;
    has_label = given_first_error (p->json, &label) == ESP_OK;
    has_truth = given_correct (p->json, &right) == ESP_OK;
    for (; i < d->count && d->samples[i].id == id; i++) {
        prm_sample *s = &d->samples[i];
        label_sample (d, s, has_label, label, steps);
        if (has_truth && s->correct == REPORT_UNKNOWN)
            s->correct = right ? REPORT_RIGHT : REPORT_WRONG;
    }
}

static esp_err read_labels (prm_data *d, const config *c, const char *run_file, esp_error *error)
{
    const char *separator = config_peek (c, "generator.separator");
    problem_source *source = NULL;
    esp_buf memory = {0};
    esp_err err = report_problems_open (c, run_file, "no labels", &source, error);
    for (uint32_t n = 0; err == ESP_OK && n < problem_source_count (source); n++) {
        problem p;
        if ((err = problem_source_get (source, 0, n, &memory, &p, error)) == ESP_OK)
            take_problem (d, &p, separator && *separator ? separator : "\n\n");
    }
    problem_source_close (source);
    esp_buf_free (&memory);
    return err;
}

static esp_err find_labels (prm_data *d, const char *output, esp_error *note)
{
    char path[PATH_MAX];
    const char *engine;
    config *c = NULL;
    esp_err err = esp_path_join (path, sizeof (path), output, "run.yaml");
    if (err == ESP_OK)
        err = config_read (path, &c, note);
    if (err != ESP_OK)
        return err == ESP_ENOMEM ? err : ESP_OK;
    engine = config_peek (c, "generator.engine");
    if (engine && strcmp (engine, "file") == 0)
        err = read_labels (d, c, path, note);
    config_destroy (c);
    return err == ESP_ENOMEM ? err : ESP_OK;
}

esp_err
prm_read (const char *output, int aggregate, prm_data *out, esp_error *note, esp_error *error)
{
    char path[PATH_MAX];
    prm_data data = {.count = 0};
    struct reading r = {.data = &data, .aggregate = aggregate, .path = path, .error = error};
    esp_err err;
    if (report_rows_path (path, sizeof (path), output, "candidates.jsonl") != ESP_OK)
        return esp_error_set (error, ESP_ETOOBIG, "%s: the path is too long", output);
    if ((err = read_candidates (&r)) == ESP_OK &&
        (err = find_labels (&data, output, note)) != ESP_OK)
        err = no_memory (&r);
    if (err != ESP_OK) {
        prm_data_free (&data);
        return err;
    }
    *out = data;
    return ESP_OK;
}
