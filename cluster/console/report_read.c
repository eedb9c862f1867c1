/* SPDX-License-Identifier: Apache-2.0 */
/* report_read.c - two row files, one after the other, a line at a time
 *
 * answers.jsonl first, sorted; then each candidate finds its item by binary search (the last one is
 * tried before: rows of one problem mostly stand together), and a counting sort brings the
 * candidates of an item together without changing their order.
 */

#include "cluster/console/report_read.h"
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cluster/console/report_group.h"
#include "coordinator/merge/answer_key.h"
#include "coordinator/problem/line_reader.h"
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/base/hash.h"
#include "proto/config/config.h"

enum { MAX_ROW_BYTES = 256 << 20 }; /* a row holds one answer's text; larger is not ours */

struct reading {
    report_run *run;
    int aggregate;
    const char *path; /* of the file being read */
    uint64_t line;
    esp_error *error;
    size_t items_cap, candidates_cap;
    double *scores; /* owned: step scores of one row */
    size_t scores_cap;
    bool candidates_told;          /* a row of answers.jsonl says that there are some */
    enum answer_equality equality; /* vote.equal of the run */
    esp_buf key;                   /* owned: of one answer */
};

static esp_err bad_row (struct reading *r, const char *what)
{
    return esp_error_set (r->error, ESP_EFORMAT,
                          "%s:%" PRIu64 ": %s; was the file written by espalier and not changed?",
                          r->path, r->line, what);
}

static esp_err no_memory (struct reading *r)
{
    return esp_error_set (r->error, ESP_ENOMEM, "%s:%" PRIu64 ": out of memory", r->path, r->line);
}

/* A number, null or nothing; NaN for the last two. */
static esp_err get_number (struct reading *r, const json_t *row, const char *key, double *out)
{
    const json_t *value = json_object_get (row, key);
    char what[80];
    *out = NAN;
    if (!value || json_is_null (value))
        return ESP_OK;
    snprintf (what, sizeof (what), "`%s` is not a number", key);
    if (!json_is_number (value))
        return bad_row (r, what);
    *out = json_number_value (value);
    return ESP_OK;
}

static esp_err get_correct (struct reading *r, const json_t *row, uint8_t *out)
{
    const json_t *value = json_object_get (row, "correct");
    if (value && !json_is_boolean (value) && !json_is_null (value))
        return bad_row (r, "`correct` is not true, false or null");
    *out = json_is_true (value)    ? REPORT_RIGHT
           : json_is_false (value) ? REPORT_WRONG
                                   : REPORT_UNKNOWN;
    r->run->graded |= *out != REPORT_UNKNOWN;
    return ESP_OK;
}

static esp_err get_key (struct reading *r, const json_t *row, uint64_t *id, uint32_t *repeat)
{
    const json_t *name = json_object_get (row, "id"), *turn = json_object_get (row, "repeat");
    json_int_t n = json_integer_value (turn);
    if (!json_is_string (name))
        return bad_row (r, "no `id`");
    if ((turn && !json_is_integer (turn)) || n < 0 || n > UINT32_MAX)
        return bad_row (r, "`repeat` is not a whole number");
    *id = esp_hash64 (json_string_value (name), json_string_length (name), 0);
    *repeat = (uint32_t)n;
    return ESP_OK;
}

static bool is_text (const json_t *row, const char *key, const char *text)
{
    const char *value = json_string_value (json_object_get (row, key));
    return value && strcmp (value, text) == 0;
}

static esp_err take_answer (struct reading *r, const json_t *row)
{
    report_run *run = r->run;
    const json_t *answer = json_object_get (row, "answer");
    report_item item = {.answered = answer && !json_is_null (answer)};
    double candidates;
    esp_err err;
    if ((err = get_key (r, row, &item.id, &item.repeat)) != ESP_OK ||
        (err = get_correct (r, row, &item.correct)) != ESP_OK ||
        (err = get_number (r, row, "generations", &item.generations)) != ESP_OK ||
        (err = get_number (r, row, "steps", &item.steps)) != ESP_OK ||
        (err = get_number (r, row, "generated_tokens", &item.generated_tokens)) != ESP_OK ||
        (err = get_number (r, row, "scored_tokens", &item.scored_tokens)) != ESP_OK ||
        (err = get_number (r, row, "candidates", &candidates)) != ESP_OK)
        return err;
    r->candidates_told |= candidates > 0;
    item.failed = is_text (row, "finish_reason", "error");
    if (run->item_count >= UINT32_MAX ||
        esp_grow (&run->items, &r->items_cap, run->item_count + 1, sizeof (item)) != 0)
        return no_memory (r);
    item.first = (size_t)r->line; /* for sort_items; gather_candidates gives the real value */
    run->items[run->item_count++] = item;
    return ESP_OK;
}

int report_item_compare (const void *a, const void *b)
{
    const report_item *x = a, *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return (x->repeat > y->repeat) - (x->repeat < y->repeat);
}

static esp_err sort_items (struct reading *r)
{
    report_run *run = r->run;
    if (run->item_count == 0)
        return esp_error_set (r->error, ESP_EFORMAT,
                              "%s:1: no row; has a problem of this run ended yet?", r->path);
    qsort (run->items, run->item_count, sizeof (*run->items), report_item_compare);
    for (size_t i = 1; i < run->item_count; i++) {
        size_t a = run->items[i - 1].first, b = run->items[i].first;
        if (report_item_compare (&run->items[i - 1], &run->items[i]) == 0)
            return esp_error_set (r->error, ESP_EFORMAT,
                                  "%s:%zu: the id and repeat of line %zu again; are there rows of "
                                  "two runs in the file?",
                                  r->path, a > b ? a : b, a > b ? b : a);
    }
    return ESP_OK;
}

static esp_err get_score (struct reading *r, const json_t *row, double *out)
{
    const json_t *list = json_object_get (row, "step_scores");
    size_t count = 0;
    if (r->aggregate < 0)
        return get_number (r, row, "score", out);
    if (list && !json_is_array (list) && !json_is_null (list))
        return bad_row (r, "`step_scores` is not a list");
    for (size_t i = 0; i < json_array_size (list); i++) {
        const json_t *score = json_array_get (list, i);
        if (json_is_null (score))
            continue;
        if (!json_is_number (score))
            return bad_row (r, "`step_scores` holds something that is not a number");
        if (esp_grow (&r->scores, &r->scores_cap, count + 1, sizeof (double)) != 0)
            return no_memory (r);
        r->scores[count++] = json_number_value (score);
    }
    *out = report_aggregate ((enum report_aggregate)r->aggregate, r->scores, count);
    return ESP_OK;
}

/* The hash that stands for an answer: text by its key, other values by their JSON; 0 for none. */
static esp_err get_answer (struct reading *r, const json_t *row, uint64_t *out)
{
    const json_t *answer = json_object_get (row, "answer");
    char *dump;
    *out = 0;
    if (!answer || json_is_null (answer))
        return ESP_OK;
    if (json_is_string (answer)) {
        span text = span_make (json_string_value (answer), json_string_length (answer));
        if (answer_key (text, r->equality, &r->key) != ESP_OK)
            return no_memory (r);
        *out = esp_hash64 (esp_buf_text (&r->key), r->key.len, 1);
    } else {
        if (!(dump = json_dumps (answer, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS)))
            return no_memory (r);
        *out = esp_hash64 (dump, strlen (dump), 1);
        free (dump);
    }
    *out += *out == 0; /* 0 is taken */
    return ESP_OK;
}

static const report_item *find_item (const struct reading *r, uint64_t id, uint32_t repeat)
{
    const report_run *run = r->run;
    report_item key = {.id = id, .repeat = repeat};
    if (run->candidate_count > 0) {
        const report_item *last = &run->items[run->candidates[run->candidate_count - 1].item];
        if (report_item_compare (&key, last) == 0)
            return last;
    }
    return bsearch (&key, run->items, run->item_count, sizeof (key), report_item_compare);
}

static esp_err take_candidate (struct reading *r, const json_t *row)
{
    report_run *run = r->run;
    report_candidate c = {.cut = is_text (row, "finish_reason", "length")};
    const report_item *item;
    uint64_t id;
    uint32_t repeat;
    esp_err err;
    if ((err = get_key (r, row, &id, &repeat)) != ESP_OK ||
        (err = get_correct (r, row, &c.correct)) != ESP_OK ||
        (err = get_score (r, row, &c.score)) != ESP_OK ||
        (err = get_answer (r, row, &c.answer)) != ESP_OK)
        return err;
    if (!(item = find_item (r, id, repeat))) {
        run->orphans++;
        return ESP_OK;
    }
    c.item = (uint32_t)(item - run->items);
    run->scored |= !isnan (c.score);
    if (esp_grow (&run->candidates, &r->candidates_cap, run->candidate_count + 1, sizeof (c)) != 0)
        return no_memory (r);
    run->candidates[run->candidate_count++] = c;
    return ESP_OK;
}

/* Bring the candidates of each item together; stable. */
static esp_err gather_candidates (struct reading *r)
{
    report_run *run = r->run;
    report_candidate *sorted = esp_calloc (run->candidate_count + 1, sizeof (*sorted));
    size_t first = 0;
    if (!sorted)
        return no_memory (r);
    for (size_t i = 0; i < run->item_count; i++)
        run->items[i].count = 0;
    for (size_t i = 0; i < run->candidate_count; i++)
        run->items[run->candidates[i].item].count++;
    for (size_t i = 0; i < run->item_count; i++) {
        run->items[i].first = first;
        first += run->items[i].count;
        run->items[i].count = 0;
    }
    for (size_t i = 0; i < run->candidate_count; i++) {
        report_item *item = &run->items[run->candidates[i].item];
        sorted[item->first + item->count++] = run->candidates[i];
    }
    esp_free (run->candidates);
    run->candidates = sorted;
    return ESP_OK;
}

static esp_err
take_line (struct reading *r, const line *l, esp_err (*take) (struct reading *r, const json_t *row))
{
    json_error_t why;
    json_t *row;
    esp_err err;
    r->line = l->number;
    if (l->too_long)
        return bad_row (r, "more than 256 MiB in one line");
    if (span_trim (l->text).len == 0)
        return ESP_OK;
    row = json_loadb (l->text.ptr, l->text.len, 0, &why);
    if (!row && l->cut)
        return bad_row (r, "the last line is cut (if the run is still going, try again)");
    if (!row)
        return esp_error_set (r->error, ESP_EFORMAT, "%s:%" PRIu64 ": column %d: %s", r->path,
                              l->number, why.column, why.text);
    err = json_is_object (row) ? take (r, row) : bad_row (r, "not a JSON object");
    json_decref (row);
    return err;
}

static esp_err read_rows (struct reading *r, const char *name,
                          esp_err (*take) (struct reading *r, const json_t *row),
                          char path[PATH_MAX])
{
    line_reader *lines = NULL;
    esp_error reason = {0};
    line l;
    esp_err err;
    if (report_rows_path (path, PATH_MAX, r->run->output, name) != ESP_OK)
        return esp_error_set (r->error, ESP_ETOOBIG, "%s: the path is too long", r->run->output);
    r->path = path;
    r->line = 1;
    err = line_reader_open (path, MAX_ROW_BYTES, &lines, &reason);
    if (err == ESP_ENOENT)
        return esp_error_set (r->error, err, "%s: no such file; give the output folder of a run",
                              path);
    if (err != ESP_OK)
        return esp_error_set (r->error, err, "%s", reason.text);
    while (err == ESP_OK)
        if ((err = line_reader_next (lines, &l, r->error)) == ESP_OK)
            err = take_line (r, &l, take);
    line_reader_close (lines);
    return err == ESP_EEMPTY ? ESP_OK : err;
}

esp_err report_rows_path (char *path, size_t size, const char *output, const char *name)
{
    static const char *const endings[] = {"", ".gz", ".zst"};
    for (size_t i = 0; i < sizeof (endings) / sizeof (endings[0]); i++) {
        char packed[64];
        snprintf (packed, sizeof (packed), "%s%s", name, endings[i]);
        if (esp_path_join (path, size, output, packed) != ESP_OK)
            return ESP_ETOOBIG;
        if (access (path, F_OK) == 0)
            return ESP_OK;
    }
    return esp_path_join (path, size, output, name);
}

static esp_err read_both (struct reading *r)
{
    char path[PATH_MAX];
    esp_err err;
    if ((err = read_rows (r, "answers.jsonl", take_answer, path)) != ESP_OK ||
        (err = sort_items (r)) != ESP_OK ||
        (err = read_rows (r, "candidates.jsonl", take_candidate, path)) != ESP_OK)
        return err;
    if (r->run->candidate_count == 0 && r->candidates_told)
        return esp_error_set (r->error, ESP_EFORMAT,
                              "%s:1: no row for any problem, but answers.jsonl tells of candidates",
                              path);
    return gather_candidates (r);
}

/* How the run's own votes took answers for equal.  Mistakes in the run file are told by read_run_file. */
static enum answer_equality equality_of (const char *output)
{
    char path[PATH_MAX];
    config *c = NULL;
    const char *equal = NULL;
    bool by_text;
    if (esp_path_join (path, sizeof (path), output, "run.yaml") == ESP_OK &&
        config_read (path, &c, NULL) == ESP_OK)
        equal = config_peek (c, "vote.equal");
    by_text = equal && strcmp (equal, "text") == 0;
    config_destroy (c);
    return by_text ? ANSWER_BY_TEXT : ANSWER_BY_VALUE;
}

/* The run file is optional: without it the strategy is not known. */
static esp_err read_run_file (report_run *run, const char *by, esp_error *error)
{
    static const char *const plain[] = {"", "best_of_n", "greedy"};
    char path[PATH_MAX];
    config *c = NULL;
    const char *strategy;
    esp_err err = esp_path_join (path, sizeof (path), run->output, "run.yaml");
    if (err == ESP_OK)
        err = config_read (path, &c, error);
    if (err != ESP_OK && (err != ESP_ENOENT || by))
        return err;
    strategy = err == ESP_OK ? config_peek (c, "search.strategy") : NULL;
    run->strategy = esp_strdup (strategy ? strategy : "");
    err = run->strategy ? ESP_OK : esp_error_set (error, ESP_ENOMEM, "%s: out of memory", path);
    run->tree = true;
    for (size_t i = 0; run->strategy && i < sizeof (plain) / sizeof (plain[0]); i++)
        run->tree &= strcmp (run->strategy, plain[i]) != 0;
    if (err == ESP_OK && by)
        err = report_group_items (run, c, path, by, error);
    config_destroy (c);
    return err;
}

esp_err
report_read (const char *output, const report_reading *how, report_run *out, esp_error *error)
{
    report_run run = {0};
    struct reading r = {.run = &run, .error = error};
    esp_err err;
    if (!output || !how || !out)
        return esp_error_set (error, ESP_EINVAL, "no output folder was named");
    r.aggregate = how->aggregate;
    r.equality = equality_of (output);
    if (!(run.output = esp_strdup (output)))
        err = esp_error_set (error, ESP_ENOMEM, "%s: out of memory", output);
    else if ((err = read_both (&r)) == ESP_OK)
        err = read_run_file (&run, how->by, error);
    esp_free (r.scores);
    esp_buf_free (&r.key);
    if (err != ESP_OK) {
        report_run_free (&run);
        return err;
    }
    *out = run;
    return ESP_OK;
}

void report_run_free (report_run *run)
{
    for (size_t i = 0; i < run->group_count; i++)
        esp_free (run->group_names[i]);
    esp_free (run->group_names);
    esp_free (run->items);
    esp_free (run->candidates);
    esp_free (run->strategy);
    esp_free (run->output);
    *run = (report_run){0};
}
