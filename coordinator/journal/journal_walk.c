/* SPDX-License-Identifier: Apache-2.0 */
/* journal_walk.c - everything there is, read-only; and what the newest header says
 *
 * Takes no lock and changes nothing, so it works beside a run: the newest segment may end inside a
 * frame that is being written, and a segment may move to closed/ under our hands.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "coordinator/journal/journal_private.h"
#include "proto/base/alloc.h"

struct walk {
    const char *folder;
    problem_key only;
    journal_visit visit;
    void *ctx;
    esp_error *error;
    uint64_t run_id; /* of the first header */
    bool any;
};

/* NNNNNN.log, or closed/NNNNNN.log.zst if it moved.  ESP_ENOENT: neither (journal.keep: open). */
static esp_err open_either (struct walk *w, uint32_t segment, journal_reader *r, bool *packed)
{
    char path[JOURNAL_PATH_MAX];
    esp_err err = journal_segment_path (w->folder, segment, JOURNAL_OPEN, path, w->error);
    *packed = false;
    if (err == ESP_OK)
        err = journal_reader_open (r, path, false, w->error);
    if (err != ESP_ENOENT)
        return err;
    *packed = true;
    err = journal_segment_path (w->folder, segment, JOURNAL_CLOSED, path, w->error);
    return err == ESP_OK ? journal_reader_open (r, path, true, w->error) : err;
}

static bool covers (const record *r, problem_key key)
{
    for (size_t i = 0; i < r->u.commit.problem_count; i++)
        if (r->u.commit.problems[i] == key)
            return true;
    return false;
}

static esp_err show (struct walk *w, const record *r)
{
    bool wanted = w->only == UINT64_MAX || r->kind == RECORD_HEADER ||
                  (r->kind == RECORD_INPUT && r->u.input.problem == w->only) ||
                  (r->kind == RECORD_HASH && r->u.hash.problem == w->only) ||
                  (r->kind == RECORD_COMMIT && covers (r, w->only));
    return wanted ? w->visit (w->ctx, r) : ESP_OK;
}

/* A bad frame in the newest segment: damage if a mark behind it says that it was on disk, unless it was only being
 * written when we looked.  ESP_EFORMAT: the end of what is whole. */
static esp_err look_again (struct walk *w, journal_reader *r, record *found, uint64_t *start)
{
    uint64_t mark;
    esp_err err = journal_reader_scan (r, *start + 1, &mark, w->error);
    if (err != ESP_OK)
        return err;
    if (mark == UINT64_MAX)
        return ESP_EFORMAT;
    journal_reader_again (r);
    err = journal_reader_next (r, found, start, w->error);
    return err == ESP_EFORMAT ? journal_reader_damage (r, *start, "a bad frame", w->error) : err;
}

static esp_err
walk_records (struct walk *w, journal_reader *r, record *found, bool newest, bool packed)
{
    uint64_t start = 0;
    esp_err err = show (w, found); /* the header */
    while (err == ESP_OK && found->kind != RECORD_FOOTER) {
        err = journal_reader_next (r, found, &start, w->error);
        if (err == ESP_EFORMAT && newest && !packed)
            err = look_again (w, r, found, &start);
        if (err == ESP_OK)
            err = show (w, found);
        else if ((err == ESP_EEMPTY || err == ESP_EFORMAT) && newest)
            return ESP_OK;
        else if (err == ESP_EEMPTY || err == ESP_EFORMAT)
            return journal_reader_damage (
                r, start, err == ESP_EEMPTY ? "the footer is missing" : "a bad frame", w->error);
    }
    return err;
}

static esp_err walk_segment (struct walk *w, uint32_t segment, bool newest)
{
    journal_reader r;
    record found;
    bool packed;
    esp_err err = open_either (w, segment, &r, &packed);
    if (err == ESP_ENOENT)
        return ESP_OK; /* deleted since we looked */
    if (err != ESP_OK)
        return err;
    if ((err = journal_reader_header (&r, segment, &found, w->error)) == ESP_OK) {
        if (w->any && found.u.header.run_id != w->run_id)
            err = journal_reader_damage (&r, 0, "belongs to another run", w->error);
        w->any = true;
        w->run_id = found.u.header.run_id;
    }
    if (err == ESP_OK)
        err = walk_records (w, &r, &found, newest, packed);
    journal_reader_close (&r);
    return err;
}

/* Both lists are ascending; a segment may be in both (it is just moving). */
static esp_err
walk_lists (struct walk *w, const uint32_t *a, size_t a_count, const uint32_t *b, size_t b_count)
{
    esp_err err = ESP_OK;
    size_t i = 0, j = 0;
    while (err == ESP_OK && (i < a_count || j < b_count)) {
        uint32_t next = j == b_count || (i < a_count && a[i] <= b[j]) ? a[i] : b[j];
        i += i < a_count && a[i] == next;
        j += j < b_count && b[j] == next;
        err = walk_segment (w, next, i == a_count && j == b_count);
    }
    return err;
}

esp_err journal_walk (const char *folder, problem_key only, journal_visit visit, void *ctx,
                      esp_error *error)
{
    struct walk w = {.folder = folder, .only = only, .visit = visit, .ctx = ctx, .error = error};
    uint32_t *open = NULL, *closed = NULL;
    size_t open_count = 0, closed_count = 0;
    esp_err err;
    if (!folder || !visit)
        return esp_error_set (error, ESP_EINVAL, "no folder or nobody to tell");
    err = journal_segment_list (folder, JOURNAL_OPEN, &open, &open_count, error);
    if (err == ESP_OK) /* after the open ones: what moves meanwhile is seen at least once */
        err = journal_segment_list (folder, JOURNAL_CLOSED, &closed, &closed_count, error);
    if (err == ESP_OK && open_count + closed_count == 0)
        err = esp_error_set (error, ESP_ENOENT, "%s: no journal here", folder);
    if (err == ESP_OK)
        err = walk_lists (&w, open, open_count, closed, closed_count);
    esp_free (open);
    esp_free (closed);
    return err;
}

/* ---- the newest header, deep-copied into one buffer ---- */

static size_t text_bytes (const record_header *h)
{
    size_t bytes = h->strategy.len + h->program.len + h->run_file.len;
    for (size_t i = 0; i < h->file_count; i++)
        bytes += h->files[i].name.len;
    return bytes;
}

static void *take (char **at, const void *from, size_t bytes)
{
    void *to = *at;
    if (bytes)
        memcpy (to, from, bytes);
    *at += bytes;
    return to;
}

static span take_span (char **at, span text)
{
    return span_make (take (at, text.ptr, text.len), text.len);
}

/* Arrays first: they need their alignment, texts do not. */
static esp_err copy_header (const record_header *from, record_header *out, esp_buf *memory)
{
    size_t ranges = (from->finished_count + from->closed_count) * sizeof (key_range);
    size_t files = from->file_count * sizeof (file_offset);
    file_offset *copied;
    char *at;
    esp_buf_free (memory);
    if (esp_buf_reserve (memory, ranges + files + text_bytes (from) + 1) != ESP_OK)
        return ESP_ENOMEM;
    memory->len = ranges + files + text_bytes (from);
    at = memory->data;
    *out = *from;
    out->finished = take (&at, from->finished, from->finished_count * sizeof (key_range));
    out->closed = take (&at, from->closed, from->closed_count * sizeof (key_range));
    out->files = copied = take (&at, from->files, files);
    for (size_t i = 0; i < from->file_count; i++)
        copied[i].name = take_span (&at, from->files[i].name);
    out->strategy = take_span (&at, from->strategy);
    out->program = take_span (&at, from->program);
    out->run_file = take_span (&at, from->run_file);
    return ESP_OK;
}

static esp_err peek_segment (const char *folder, uint32_t segment, record_header *out,
                             esp_buf *memory, esp_error *error)
{
    char path[JOURNAL_PATH_MAX];
    journal_reader r;
    record header;
    esp_err err = journal_segment_path (folder, segment, JOURNAL_OPEN, path, error);
    if (err != ESP_OK || (err = journal_reader_open (&r, path, false, error)) != ESP_OK)
        return err;
    if ((err = journal_reader_header (&r, segment, &header, error)) == ESP_OK &&
        (err = copy_header (&header.u.header, out, memory)) != ESP_OK)
        esp_error_set (error, err, "%s: %s", path, esp_err_text (err));
    journal_reader_close (&r);
    return err;
}

esp_err journal_peek (const char *folder, record_header *out, esp_buf *memory, esp_error *error)
{
    uint32_t *segments = NULL;
    size_t count = 0;
    esp_err err;
    if (!folder || !out || !memory)
        return esp_error_set (error, ESP_EINVAL, "no folder, or nowhere to put the header");
    if ((err = journal_segment_list (folder, JOURNAL_OPEN, &segments, &count, error)) != ESP_OK)
        return err;
    err = count == 0 ? esp_error_set (error, ESP_ENOENT, "%s: no journal here", folder)
                     : peek_segment (folder, segments[count - 1], out, memory, error);
    esp_free (segments);
    return err;
}
