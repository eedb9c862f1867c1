/* SPDX-License-Identifier: Apache-2.0 */
/* problem_source.c - one scan into an index, then lines by offset
 *
 * The scan starts where the kept index ends, so a resumed run reads only what was added.  Ids are
 * compared by a 64-bit hash; equal hashes are settled by reading the earlier line again, which only
 * happens for real duplicates.
 *
 * A bad last line without a newline in a plain file may still be being written: it is told or
 * skipped now, but stays outside the mark, so a resume looks at it again.
 */

#include "coordinator/problem/problem_source.h"
#include <inttypes.h>
#include <string.h>
#include "coordinator/problem/line_reader.h"
#include "coordinator/problem/problem_index.h"
#include "coordinator/problem/problem_row.h"
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "proto/base/log.h"

enum { REFUSE, SKIP };            /* problem_options.on_error */
enum { LONGEST_LINE = 16000000 }; /* bytes; a message to a worker carries 16 MiB of one text */

#define AT(field) offsetof (problem_options, field)
const esp_option problem_option_rows[] = {
    /* FREE, not FIXED: the index compares what was read; the same content may have moved. */
    {.key = "file",
     .type = ESP_OPT_STRING,
     .offset = AT (file),
     .required = true,
     .change = ESP_OPT_FREE,
     .unit = "",
     .help = "Problems, one JSON object a line; plain, gzip or zstd."},
    {.key = "limit",
     .type = ESP_OPT_INT,
     .offset = AT (limit),
     .fallback = "0",
     .min = 0,
     .max = INT32_MAX,
     .unit = "problems",
     .change = ESP_OPT_GROWS,
     .help = "Only the first so many good lines; 0 = all."},
    {.key = "on_error",
     .type = ESP_OPT_CHOICE,
     .offset = AT (on_error),
     .fallback = "refuse",
     .choices = "refuse|skip",
     .unit = "",
     .change = ESP_OPT_FIXED,
     .help = "What a bad line does: the run does not start, or the line is named and left out."},
    {.key = "max_line_bytes",
     .type = ESP_OPT_INT,
     .offset = AT (max_line_bytes),
     .fallback = "8388608",
     .min = 64,
     .max = LONGEST_LINE,
     .unit = "bytes",
     .change = ESP_OPT_FIXED,
     .help = "A longer line is a bad line."},
    {.key = "open",
     .type = ESP_OPT_INT,
     .offset = AT (open),
     .fallback = "0",
     .min = 0,
     .max = INT32_MAX,
     .unit = "problems",
     .change = ESP_OPT_FREE,
     .help = "Problems worked on at once; 0 = until twice the slots are queued."},
    {.key = "fields.id",
     .type = ESP_OPT_STRING,
     .offset = AT (field_id),
     .unit = "",
     .change = ESP_OPT_FIXED,
     .help = "Own name of the id field."},
    {.key = "fields.problem",
     .type = ESP_OPT_STRING,
     .offset = AT (field_problem),
     .unit = "",
     .change = ESP_OPT_FIXED,
     .help = "Own name of the problem text field."},
    {.key = "fields.answer",
     .type = ESP_OPT_STRING,
     .offset = AT (field_answer),
     .unit = "",
     .change = ESP_OPT_FIXED,
     .help = "Own name of the reference answer field."},
    ESP_OPTION_END,
};
#undef AT

struct problem_source {
    char *file; /* owned */
    size_t max_line_bytes;
    char *own_id, *own_problem, *own_answer; /* owned; names points at them */
    problem_names names;
    line_reader *reader;  /* owned */
    problem_index *index; /* owned */
    uint32_t count;
    uint64_t torn; /* 1: a bad last line that the mark leaves out */
    problem_doubts doubts;
};

struct scan {
    problem_source *s;
    uint64_t limit;
    bool skip;
    esp_err (*check) (void *ctx, span json, esp_error *error);
    void *ctx;
    esp_buf json; /* owned: the row for `check` */
};

static esp_err copy_name (const char *name, char **out)
{
    return !name || (*out = esp_strdup (name)) ? ESP_OK : ESP_ENOMEM;
}

static esp_err copy_options (problem_source *s, const problem_options *o)
{
    if (copy_name (o->file, &s->file) != ESP_OK || copy_name (o->field_id, &s->own_id) != ESP_OK ||
        copy_name (o->field_problem, &s->own_problem) != ESP_OK ||
        copy_name (o->field_answer, &s->own_answer) != ESP_OK)
        return ESP_ENOMEM;
    s->names = (problem_names){s->own_id, s->own_problem, s->own_answer};
    s->max_line_bytes = (size_t)o->max_line_bytes;
    return ESP_OK;
}

static uint64_t settings_of (const problem_options *o)
{
    uint64_t h = esp_hash_mix ((uint64_t)o->on_error, (uint64_t)o->max_line_bytes);
    h = esp_hash_mix_span (h, span_of (o->field_id));
    h = esp_hash_mix_span (h, span_of (o->field_problem));
    return esp_hash_mix_span (h, span_of (o->field_answer));
}

/* Does the earlier problem have this id too?  *number is its line.  Reads with a second reader from the start: only
 * for equal hashes, so in practice only on the way to an error. */
static esp_err has_id (const problem_source *s, uint32_t earlier, const problem_row *row,
                       bool *same, uint64_t *number, esp_error *error)
{
    line_reader *again = NULL;
    problem_row old = {.id_len = 0};
    line l = {.number = 0};
    uint64_t offset = problem_index_offset (s->index, earlier);
    esp_err err = line_reader_open (s->file, s->max_line_bytes, &again, error);
    while (err == ESP_OK && (l.number == 0 || l.offset < offset))
        err = line_reader_next (again, &l, error);
    if (err == ESP_OK)
        err = problem_row_read (l.text, &s->names, &old, NULL, error);
    if (err == ESP_OK) {
        *same = old.id_len == row->id_len && memcmp (old.id, row->id, row->id_len) == 0;
        *number = l.number;
    }
    line_reader_close (again);
    if (err == ESP_EEMPTY || err == ESP_EFORMAT)
        return esp_error_set (error, ESP_ECONFLICT, "%s: changed while it was read", s->file);
    return err;
}

static esp_err refuse_equal_id (const problem_source *s, const line *l, const problem_row *row,
                                uint64_t hash, esp_error *error)
{
    uint64_t cursor = 0, number = 0;
    uint32_t earlier;
    while (problem_index_find (s->index, hash, &cursor, &earlier)) {
        bool same = false;
        esp_err err = has_id (s, earlier, row, &same, &number, error);
        if (err != ESP_OK)
            return err;
        if (same)
            return esp_error_set (
                error, ESP_EEXIST,
                "%s:%" PRIu64 ": id \"%.100s\" stands in line %" PRIu64
                " too; ids must differ: rename one or delete the line (samples of "
                "one problem become one row by espalier import samples)",
                s->file, l->number, row->id, number);
    }
    return ESP_OK;
}

/* The row of one line, checked; ESP_EFORMAT and ESP_ETOOBIG are the line's fault. */
static esp_err read_row (struct scan *c, const line *l, problem_row *row, esp_error *reason)
{
    esp_err err;
    if (l->too_long)
        return esp_error_set (reason, ESP_ETOOBIG,
                              "the line has more than %zu bytes; raise problems.max_line_bytes",
                              c->s->max_line_bytes);
    esp_buf_clear (&c->json);
    err = problem_row_read (l->text, &c->s->names, row, c->check ? &c->json : NULL, reason);
    if (err != ESP_OK || !c->check)
        return err;
    err = c->check (c->ctx, esp_buf_span (&c->json), reason);
    return err == ESP_OK || err == ESP_ENOMEM ? err : ESP_EFORMAT;
}

static esp_err take_line (struct scan *c, const line *l, bool *good, esp_error *error)
{
    esp_error reason = {0};
    problem_row row;
    uint64_t hash;
    esp_err err = read_row (c, l, &row, &reason);
    *good = err == ESP_OK;
    if (err == ESP_EFORMAT || err == ESP_ETOOBIG) {
        if (!c->skip)
            return esp_error_set (error, err,
                                  "%s:%" PRIu64 ": %s; mend the line, or set problems.on_error: "
                                  "skip to leave such lines out",
                                  c->s->file, l->number, reason.text);
        esp_log (LOG_WARN, "PROBLEM-SKIPPED", "%s:%" PRIu64 ": %s; line left out", c->s->file,
                 l->number, reason.text);
        return ESP_OK;
    }
    if (err != ESP_OK)
        return esp_error_set (error, err, "%s:%" PRIu64 ": %s", c->s->file, l->number, reason.text);
    if (reason.text[0])
        problem_doubts_add (&c->s->doubts, reason.text, l->number);
    hash = esp_hash64 (row.id, row.id_len, 0);
    if ((err = refuse_equal_id (c->s, l, &row, hash, error)) != ESP_OK)
        return err;
    if ((err = problem_index_add (c->s->index, hash, l->offset)) != ESP_OK)
        return esp_error_set (error, err, "%s:%" PRIu64 ": %s", c->s->file, l->number,
                              err == ESP_ETOOBIG ? "more than 2^31 problems; split the file"
                                                 : "out of memory");
    return ESP_OK;
}

static esp_err scan_line (struct scan *c, const line *l, esp_error *error)
{
    index_mark *mark = problem_index_mark (c->s->index);
    bool blank = !l->too_long && span_trim (l->text).len == 0, good = true;
    esp_err err = ESP_OK;
    if (mark->cut && !blank)
        return esp_error_set (error, ESP_ECONFLICT,
                              "%s:%" PRIu64 ": the last line that this run had read has grown; put "
                              "it back and add lines below it",
                              c->s->file, l->number);
    if (!blank && (err = take_line (c, l, &good, error)) != ESP_OK)
        return err;
    if (!good && l->cut && !byte_stream_packed (line_reader_stream (c->s->reader))) {
        c->s->torn = 1;
        return ESP_OK;
    }
    mark->skipped += good ? 0 : 1;
    mark->lines = l->number;
    mark->text_bytes = l->end;
    mark->cut = l->cut && !blank;
    return ESP_OK;
}

static esp_err scan_lines (struct scan *c, esp_error *error)
{
    index_mark *mark = problem_index_mark (c->s->index);
    esp_err err = problem_index_prepare (c->s->index);
    if (err != ESP_OK)
        return esp_error_set (error, err, "%s: out of memory", c->s->file);
    err = line_reader_seek (c->s->reader, mark->text_bytes, mark->lines + 1 - mark->cut, error);
    while (err == ESP_OK && problem_index_count (c->s->index) < c->limit) {
        line l;
        err = line_reader_next (c->s->reader, &l, error);
        if (err == ESP_OK)
            err = scan_line (c, &l, error);
    }
    mark->ended = err == ESP_EEMPTY;
    problem_index_scanned (c->s->index);
    return mark->ended ? ESP_OK : err;
}

static esp_err
take_fingerprint (problem_source *s, uint64_t raw_bytes, uint64_t *out, esp_error *error)
{
    esp_error reason = {0};
    esp_err err = byte_stream_fingerprint (line_reader_stream (s->reader), raw_bytes, out, &reason);
    return err == ESP_OK ? err : esp_error_set (error, err, "%s: %s", s->file, reason.text);
}

/* Read on from the mark, unless the limit or the end of the file was reached before. */
static esp_err scan_rest (struct scan *c, esp_error *error)
{
    index_mark *mark = problem_index_mark (c->s->index);
    const byte_stream *stream = line_reader_stream (c->s->reader);
    esp_error reason = {0};
    uint64_t size;
    esp_err err = byte_stream_size (stream, &size, &reason);
    if (err != ESP_OK)
        return esp_error_set (error, err, "%s: %s", c->s->file, reason.text);
    if (problem_index_count (c->s->index) >= c->limit || (mark->ended && size == mark->raw_bytes))
        return ESP_OK;
    if ((err = scan_lines (c, error)) != ESP_OK)
        return err;
    mark->raw_bytes = byte_stream_packed (stream) ? byte_stream_raw (stream) : mark->text_bytes;
    return take_fingerprint (c->s, mark->raw_bytes, &mark->fingerprint, error);
}

static esp_err new_index (problem_source *s, uint64_t settings, esp_error *error)
{
    problem_index *x = NULL;
    if (problem_index_create (&x) != ESP_OK)
        return esp_error_set (error, ESP_ENOMEM, "%s: out of memory", s->file);
    problem_index_destroy (s->index);
    s->index = x;
    problem_index_mark (x)->settings = settings;
    return ESP_OK;
}

/* The index of an earlier start if it is whole and was made under the same settings, else an empty one. */
static esp_err get_index (problem_source *s, const char *path, uint64_t settings, esp_error *error)
{
    esp_error reason = {0};
    const index_mark *mark;
    uint64_t now = 0;
    esp_err err = path ? problem_index_load (path, &s->index, &reason) : ESP_ENOENT;
    if (err == ESP_EDAMAGE || err == ESP_ETOOBIG)
        esp_log (LOG_WARN, "PROBLEM-INDEX-DAMAGED", "%s; the problems are read again", reason.text);
    else if (err != ESP_OK && err != ESP_ENOENT)
        return esp_error_set (error, err, "%s", reason.text);
    if (err != ESP_OK || problem_index_mark (s->index)->settings != settings)
        return new_index (s, settings, error);
    mark = problem_index_mark (s->index);
    err = take_fingerprint (s, mark->raw_bytes, &now, error);
    if (err != ESP_OK && err != ESP_ECONFLICT)
        return err;
    if (err == ESP_ECONFLICT || now != mark->fingerprint)
        return esp_error_set (error, ESP_ECONFLICT,
                              "%s: the part that this run has read is not what it was; put it back "
                              "(adding lines at the end is fine), or start a new output folder",
                              s->file);
    return ESP_OK;
}

static esp_err fill (struct scan *c, const char *index_path, uint64_t settings, esp_error *error)
{
    problem_source *s = c->s;
    index_mark before;
    esp_error why = {0};
    esp_err err = line_reader_open (s->file, s->max_line_bytes, &s->reader, &why);
    if (err != ESP_OK)
        return esp_error_set (error, err, "%s; check problems.file", why.text);
    if ((err = get_index (s, index_path, settings, error)) != ESP_OK)
        return err;
    before = *problem_index_mark (s->index);
    if ((err = scan_rest (c, error)) != ESP_OK)
        return err;
    s->count = problem_index_count (s->index);
    if (s->count > c->limit)
        s->count = (uint32_t)c->limit;
    if (s->count == 0)
        return esp_error_set (error, ESP_EFORMAT,
                              "%s:1: no problem in the file; write one JSON object a line",
                              s->file);
    if (index_path && memcmp (&before, problem_index_mark (s->index), sizeof (before)) != 0)
        return problem_index_save (s->index, index_path, error);
    return ESP_OK;
}

esp_err problem_source_open (const problem_options *options, const char *index_path,
                             esp_err (*check) (void *ctx, span json, esp_error *error), void *ctx,
                             problem_source **out, esp_error *error)
{
    struct scan c = {.check = check, .ctx = ctx};
    esp_err err;
    if (!options || !options->file || !out || options->limit < 0 || options->max_line_bytes < 1)
        return esp_error_set (error, ESP_EINVAL, "problems.file is not set");
    c.limit = options->limit ? (uint64_t)options->limit : UINT64_MAX;
    c.skip = options->on_error == SKIP;
    if (!(c.s = esp_calloc (1, sizeof (*c.s))) || copy_options (c.s, options) != ESP_OK)
        err = esp_error_set (error, ESP_ENOMEM, "%s: out of memory", options->file);
    else
        err = fill (&c, index_path, settings_of (options), error);
    esp_buf_free (&c.json);
    if (err != ESP_OK) {
        problem_source_close (c.s);
        return err;
    }
    *out = c.s;
    return ESP_OK;
}

void problem_source_close (problem_source *source)
{
    if (!source)
        return;
    line_reader_close (source->reader);
    problem_index_destroy (source->index);
    esp_free (source->own_id);
    esp_free (source->own_problem);
    esp_free (source->own_answer);
    esp_free (source->file);
    esp_free (source);
}

uint32_t problem_source_count (const problem_source *source)
{
    return source ? source->count : 0;
}

const problem_doubts *problem_source_doubts (const problem_source *source)
{
    return &source->doubts;
}

uint32_t problem_source_skipped (const problem_source *source)
{
    uint64_t n = source ? problem_index_mark (source->index)->skipped + source->torn : 0;
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static esp_err
changed (const problem_source *source, uint32_t number, const char *why, esp_error *error)
{
    return esp_error_set (error, ESP_ECONFLICT,
                          "%s: problem %" PRIu32 " (byte %" PRIu64 ") is not what it was: %s; the "
                          "file must not change while a run uses it",
                          source->file, number, problem_index_offset (source->index, number), why);
}

esp_err problem_source_get (problem_source *source, uint32_t repeat, uint32_t number,
                            esp_buf *memory, problem *out, esp_error *error)
{
    esp_error reason = {0};
    problem_row row;
    line l = {.too_long = false};
    esp_err err;
    if (!source || !memory || !out)
        return esp_error_set (error, ESP_EINVAL, "no problem source");
    if (number >= source->count)
        return esp_error_set (error, ESP_ERANGE, "%s: no problem %" PRIu32 ", there are %" PRIu32,
                              source->file, number, source->count);
    err = line_reader_seek (source->reader, problem_index_offset (source->index, number), 0, error);
    if (err == ESP_OK)
        err = line_reader_next (source->reader, &l, error);
    if (err == ESP_EEMPTY || err == ESP_EFORMAT || l.too_long)
        return changed (source, number, "it ends early", error);
    if (err != ESP_OK)
        return err;
    esp_buf_clear (memory);
    err = problem_row_read (l.text, &source->names, &row, memory, &reason);
    if (err == ESP_EFORMAT)
        return changed (source, number, reason.text, error);
    if (err == ESP_OK &&
        esp_hash64 (row.id, row.id_len, 0) != problem_index_hash (source->index, number))
        return changed (source, number, "it has another id", error);
    if (err == ESP_OK)
        err = esp_buf_append (memory, row.id, row.id_len);
    if (err != ESP_OK)
        return esp_error_set (error, err, "%s: out of memory", source->file);
    out->key = problem_key_make (repeat, number);
    out->json = span_make (memory->data, memory->len - row.id_len);
    out->id = span_make (memory->data + out->json.len, row.id_len);
    out->priority = row.priority;
    return ESP_OK;
}
