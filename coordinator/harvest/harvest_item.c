/* SPDX-License-Identifier: Apache-2.0 */
/* harvest_item.c - the two passes over the raw rows of one item of `samples` */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "coordinator/harvest/harvest_private.h"
#include "coordinator/harvest/problem_text.h"
#include "coordinator/problem/line_reader.h"
#include "coordinator/sink/rows.h"
#include "proto/base/alloc.h"
#include "proto/base/file.h"

enum { LINE_MOST = 1 << 30, PROGRESS_EVERY = 4096 };

/* ---- raw rows ---- */

static bool member (span *rest, const char *key, uint64_t *out)
{
    size_t at = strlen (key), digits = 0;
    if (!span_starts (*rest, key))
        return false;
    for (*out = 0; at < rest->len && rest->ptr[at] >= '0' && rest->ptr[at] <= '9'; at++, digits++)
        *out = *out * 10 + (uint64_t)(rest->ptr[at] - '0');
    *rest = span_make (rest->ptr + at, rest->len - at);
    return digits > 0 && digits < 20;
}

esp_err raw_row_read (span text, raw_row *out)
{
    span rest = span_trim (text);
    uint64_t key, set, pass, of;
    const char *opens = ",\"sample\":";
    if (!member (&rest, "{\"key\":", &key) || !member (&rest, ",\"set\":", &set) ||
        !member (&rest, ",\"pass\":", &pass) || !member (&rest, ",\"of\":", &of) ||
        !span_starts (rest, opens) || !span_ends (rest, "}}") || set >= SAMPLE_SETS ||
        of > UINT32_MAX || pass > of)
        return ESP_EFORMAT;
    *out = (raw_row){key, (unsigned)set, (uint32_t)pass, (uint32_t)of,
                     span_make (rest.ptr + strlen (opens), rest.len - strlen (opens) - 1)};
    return ESP_OK;
}

/* ---- a walk over them ---- */

struct pass {
    harvest_work *work;
    const sample_item *one;
    harvest_result *result;
    raw_table *table;
    uint32_t row; /* that is being looked at */
    words problem, all;
    esp_error *error;
};

typedef esp_err (*row_step) (struct pass *p, const raw_row *raw, json_t *sample);

static const char *item_name (const sample_item *one)
{
    return one->options.name ? one->options.name : one->format->name;
}

static esp_err take_line (struct pass *p, const line *got, const char *path, row_step step)
{
    raw_row raw;
    json_t *sample = NULL;
    esp_err err = got->too_long ? ESP_EFORMAT : raw_row_read (got->text, &raw);
    if (err == ESP_OK && !(sample = json_loadb (raw.sample.ptr, raw.sample.len, 0, NULL)))
        err = ESP_EFORMAT;
    if (err != ESP_OK)
        return esp_error_set (p->error, err, "%s:%" PRIu64 ": not a raw row of this program", path,
                              got->number);
    err = step (p, &raw, sample);
    json_decref (sample);
    p->row++;
    if (p->work->setup->progress && p->row % PROGRESS_EVERY == 0)
        p->work->setup->progress (p->work->setup->ctx, item_name (p->one), p->row);
    if (err != ESP_OK && p->error->code == ESP_OK)
        esp_error_set (p->error, err, "%s: %s", path, esp_err_text (err));
    return err;
}

/* Of a run that goes on the end of the file may be half a frame or line: what is whole counts. */
static esp_err walk (struct pass *p, size_t index, uint32_t most, row_step step)
{
    char path[4096];
    line_reader *r;
    line got;
    esp_err err = esp_path_join (path, sizeof (path), p->work->setup->output,
                                 p->work->setup->plan->row_files[ROW_FILES + index]);
    if (err != ESP_OK)
        return esp_error_set (p->error, err, "%s: the path is too long", p->work->setup->output);
    if ((err = line_reader_open (path, LINE_MOST, &r, p->error)) != ESP_OK)
        return err;
    p->row = 0;
    while (err == ESP_OK && p->row < most &&
           (err = line_reader_next (r, &got, p->error)) == ESP_OK && !got.cut)
        err = take_line (p, &got, path, step);
    line_reader_close (r);
    return err == ESP_EEMPTY ? ESP_OK : err;
}

/* ---- first pass ---- */

static void remove_fields (json_t *sample, const char *const *names)
{
    for (; *names; names++)
        (void)json_object_del (sample, *names);
}

/* What the sample says: all but its names, its provenance, and what was measured of it. */
static esp_err content_of (struct pass *p, json_t *sample, uint64_t *hash)
{
    static const char *const names[] = {"id", "problem_id", "group", "repeat", "meta", NULL};
    char *text;
    esp_err err;
    p->problem.count = p->all.count = 0;
    remove_fields (sample, names);
    if (p->one->format->measured)
        remove_fields (sample, p->one->format->measured);
    if ((err = words_of_problem (&p->problem, sample)) != ESP_OK ||
        (err = words_of_json (&p->all, sample)) != ESP_OK)
        return err;
    if (!(text = json_dumps (sample, JSON_COMPACT | JSON_SORT_KEYS)))
        return ESP_ENOMEM;
    *hash = esp_hash64 (text, strlen (text), 0);
    free (text);
    return ESP_OK;
}

static esp_err note_group (raw_table *t, const raw_row *raw, uint32_t row)
{
    raw_group *last = t->group_count ? &t->groups[t->group_count - 1] : NULL;
    if (last && last->key == raw->key) {
        last->count++;
        return ESP_OK;
    }
    if (esp_grow (&t->groups, &t->group_cap, t->group_count + 1, sizeof (*t->groups)) != 0)
        return ESP_ENOMEM;
    t->groups[t->group_count++] = (raw_group){raw->key, row, 1, raw->pass, raw->of};
    return ESP_OK;
}

static esp_err note_row (struct pass *p, const raw_row *raw, json_t *sample)
{
    raw_table *t = p->table;
    uint64_t content;
    eval_hit hit;
    uint8_t mark = raw->set == SAMPLE_UNVERIFIED ? ROW_UNVERIFIED : 0;
    esp_err err = content_of (p, sample, &content);
    if (err == ESP_OK)
        err = eval_sets_find (p->work->evals, &p->problem, &p->all, &hit);
    if (err == ESP_OK)
        mark |= ROW_EVAL;
    else if (err != ESP_EEMPTY)
        return err;
    if ((err = note_group (t, raw, p->row)) != ESP_OK ||
        (err = dedupe_note (t->seen, content, words_simhash (&p->all))) != ESP_OK)
        return err;
    if (esp_grow (&t->marks, &t->mark_cap, (size_t)p->row + 1, 1) != 0)
        return ESP_ENOMEM;
    t->marks[p->row] = mark;
    return ESP_OK;
}

/* ---- second pass ---- */

static void count_verdict (harvest_result *h, const json_t *meta, unsigned set)
{
    const char *verdict = json_string_value (json_object_get (meta, "verdict")),
               *reason = json_string_value (json_object_get (meta, "reason"));
    char what[sizeof (h->verdicts[0].what)];
    size_t at = 0;
    snprintf (what, sizeof (what), "%s: %.20s%s%.30s",
              set == SAMPLE_VERIFIED ? "verified" : "unverified", verdict ? verdict : "none",
              reason ? ", " : "", reason ? reason : "");
    while (at < h->verdict_kinds && strcmp (h->verdicts[at].what, what) != 0)
        at++;
    if (at == VERDICT_KINDS)
        return; /* the sum stands elsewhere */
    if (at == h->verdict_kinds)
        snprintf (h->verdicts[h->verdict_kinds++].what, sizeof (what), "%s", what);
    h->verdicts[at].rows++;
}

/* What an unverified one was worth, put into its meta, which stands last. */
static esp_err calibrated (const harvest_work *w, const json_t *meta, esp_buf *tail)
{
    const json_t *agreement = json_object_get (meta, "agreement");
    esp_err err = esp_buf_puts (tail, ",\"calibration\":");
    if (err == ESP_OK)
        err = calibration_json (&w->calibration,
                                json_is_number (agreement) ? json_number_value (agreement) : NAN,
                                tail);
    return err == ESP_OK ? esp_buf_puts (tail, "}}") : err;
}

static esp_err write_kept (struct pass *p, const raw_row *raw, const json_t *meta)
{
    esp_buf tail = {0};
    span text = raw->sample;
    esp_err err = ESP_OK;
    if (raw->set == SAMPLE_UNVERIFIED && p->work->setup->calibrate && span_ends (text, "}}")) {
        text.len -= 2;
        err = calibrated (p->work, meta, &tail);
    }
    if (err == ESP_OK)
        err = shards_add (p->result->files[raw->set], text, esp_buf_span (&tail), p->error);
    esp_buf_free (&tail);
    return err;
}

static esp_err write_refused (struct pass *p, json_t *sample)
{
    json_t *id = json_incref (json_object_get (sample, "id")),
           *of = json_incref (json_object_get (sample, "problem_id"));
    eval_hit hit = {"", ""};
    uint64_t content;
    json_t *row = NULL;
    char *text = NULL;
    esp_err err = content_of (p, sample, &content);
    if (err == ESP_OK &&
        (err = eval_sets_find (p->work->evals, &p->problem, &p->all, &hit)) == ESP_EEMPTY)
        err = ESP_OK;
    row = json_pack ("{sO? sO? ss ss ss}", "id", id, "problem_id", of, "samples",
                     item_name (p->one), "set", hit.set, "set_id", hit.id);
    text = row ? json_dumps (row, JSON_COMPACT) : NULL;
    if (err == ESP_OK)
        err = text ? shards_add (p->work->refused, span_of (text), span_make ("", 0), p->error)
                   : ESP_ENOMEM;
    free (text);
    json_decref (row);
    json_decref (id);
    json_decref (of);
    return err;
}

static esp_err write_row (struct pass *p, const raw_row *raw, json_t *sample)
{
    const json_t *meta = json_object_get (sample, "meta");
    switch (p->table->marks[p->row] & ROW_LEFT) {
    case LEFT_KEPT:
        count_verdict (p->result, meta, raw->set);
        return write_kept (p, raw, meta);
    case LEFT_EVAL:
        return write_refused (p, sample);
    default:
        return ESP_OK;
    }
}

/* ---- one item ---- */

static esp_err open_shards (harvest_work *w, size_t index, esp_error *error)
{
    const sample_item *one = &w->setup->plan->items[index];
    harvest_result *h = &w->results[index];
    for (int set = 0; set < SAMPLE_SETS; set++)
        if (shards_open (w->part, item_name (one), set == SAMPLE_VERIFIED ? "" : "-unverified",
                         (uint64_t)one->options.shard_bytes, one->options.compress,
                         &h->files[set]) != ESP_OK)
            return esp_error_set (error, ESP_ENOMEM, "out of memory");
    return ESP_OK;
}

static esp_err end_shards (harvest_result *h, esp_error *error)
{
    esp_err err = ESP_OK;
    for (int set = 0; set < SAMPLE_SETS && err == ESP_OK; set++)
        err = shards_end (h->files[set], error);
    return err;
}

static void choose (raw_table *t, const sample_item *one, harvest_counts *counts)
{
    sample_options o = one->options;
    o.dedupe = o.dedupe && !one->format->places;
    harvest_choose (t, &o, counts);
}

esp_err harvest_one (harvest_work *w, size_t index, esp_error *error)
{
    raw_table table = {.seen = NULL};
    struct pass p = {.work = w,
                     .one = &w->setup->plan->items[index],
                     .result = &w->results[index],
                     .table = &table,
                     .error = error};
    esp_err err = dedupe_create ((int)p.one->options.near, &table.seen);
    if (err != ESP_OK)
        esp_error_set (error, err, "out of memory");
    if (err == ESP_OK && (err = walk (&p, index, UINT32_MAX, note_row)) == ESP_OK)
        choose (&table, p.one, &p.result->counts);
    if (err == ESP_OK && (err = open_shards (w, index, error)) == ESP_OK &&
        (err = walk (&p, index, (uint32_t)dedupe_count (table.seen), write_row)) == ESP_OK)
        err = end_shards (p.result, error);
    words_free (&p.problem);
    words_free (&p.all);
    raw_table_free (&table);
    return err;
}
