/* SPDX-License-Identifier: Apache-2.0 */
/* journal_replay.c - the open segments as resume needs them; torn tail or damage
 *
 * Two passes.  The first reads the newest segment: its header and the COMMITs behind it say which
 * problems are finished, and its end is where a torn tail may be.  The second reads the open segments
 * in order and hands out the inputs of all other problems.
 *
 * A bad frame is a torn tail only if nothing behind it says "synced up to here" (S1 of
 * journal_segment.c); every mark behind it proves that it stood on disk once, so then it is damage.
 * All older segments end with a footer (S3): there every bad frame before the footer is damage, and
 * what stands behind the footer was written by an older epoch and is ignored.
 */

#include <inttypes.h>
#include <stdio.h>
#include "coordinator/journal/journal_private.h"
#include "proto/base/alloc.h"

struct replay {
    const char *folder;
    journal_visit visit;
    void *ctx;
    journal_state *s;
    journal_tail *tail;
    esp_error *error;
    bool any; /* a segment was read: last_* are known */
    uint32_t last_segment, last_epoch;
    uint64_t last_input;
};

static esp_err open_segment (struct replay *p, uint32_t segment, journal_reader *r, record *header)
{
    char path[JOURNAL_PATH_MAX];
    esp_err err = journal_segment_path (p->folder, segment, JOURNAL_OPEN, path, p->error);
    if (err != ESP_OK || (err = journal_reader_open (r, path, false, p->error)) != ESP_OK)
        return err;
    if ((err = journal_reader_header (r, segment, header, p->error)) != ESP_OK)
        journal_reader_close (r);
    return err;
}

static esp_err
learn (struct replay *p, const journal_reader *r, const record *found, uint64_t start)
{
    esp_err err = ESP_OK;
    if (found->kind == RECORD_INPUT)
        err = journal_keys_add (&p->s->problems, found->u.input.problem);
    else if (found->kind == RECORD_DEATH)
        for (size_t i = 0; i < found->u.death.task_count && err == ESP_OK; i++)
            err = journal_keys_add (&p->s->problems, found->u.death.tasks[i].problem);
    else if (found->kind == RECORD_COMMIT)
        err = journal_state_commit (p->s, found);
    if (err == ESP_EDAMAGE || err == ESP_EINVAL)
        return journal_reader_damage (r, start, "an input or a commit of unknown files or problems",
                                      p->error);
    return err == ESP_OK ? ESP_OK
                         : esp_error_set (p->error, err, "%s: %s", r->path, esp_err_text (err));
}

/* The newest segment ends with a frame that is not whole or not valid at `start`. */
static esp_err judge_tail (struct replay *p, journal_reader *r, uint64_t start)
{
    uint64_t mark, end;
    esp_err err = journal_reader_scan (r, start + 1, &mark, p->error);
    if (err != ESP_OK)
        return err;
    if (mark != UINT64_MAX)
        return esp_error_set (p->error, ESP_EDAMAGE,
                              "%s: damaged at byte %" PRIu64
                              ": a bad frame, though the mark at byte %" PRIu64
                              " says that it was on disk; bring the file back",
                              r->path, start, mark);
    if ((err = journal_reader_size (r, &end, p->error)) == ESP_OK)
        *p->tail = (journal_tail){.bytes = start, .torn = end - start};
    return err;
}

static esp_err read_newest (struct replay *p, uint32_t segment)
{
    journal_reader r;
    record found;
    uint64_t start = 0;
    esp_err err = open_segment (p, segment, &r, &found);
    if (err != ESP_OK)
        return err;
    if ((err = journal_state_from_header (p->s, &found.u.header)) == ESP_EDAMAGE)
        journal_reader_damage (&r, 0, "ranges out of order", p->error);
    while (err == ESP_OK && (err = journal_reader_next (&r, &found, &start, p->error)) == ESP_OK) {
        if (found.kind == RECORD_FOOTER)
            break;
        err = learn (p, &r, &found, start);
    }
    p->s->last = r.last;
    *p->tail = (journal_tail){.footer = err == ESP_OK, .bytes = r.offset};
    if (err == ESP_EEMPTY)
        err = ESP_OK;
    else if (err == ESP_EFORMAT)
        err = judge_tail (p, &r, start);
    journal_reader_close (&r);
    return err;
}

/* Does this segment follow the one that was read before? */
static esp_err check_chain (struct replay *p, const journal_reader *r, const record_header *h)
{
    bool neighbour = p->any && h->segment == p->last_segment + 1;
    if (h->run_id != p->s->run_id)
        return journal_reader_damage (r, 0, "belongs to another run", p->error);
    if (h->epoch > p->s->epoch || (p->any && h->epoch < p->last_epoch))
        return journal_reader_damage (r, 0, "its epoch is not in order", p->error);
    if (p->any && (h->first <= p->last_input || (neighbour && h->first != p->last_input + 1)))
        return esp_error_set (p->error, ESP_EDAMAGE,
                              "%s: begins with input %" PRIu64 ", but segment %06" PRIu32
                              " ends with input %" PRIu64 ": inputs are missing",
                              r->path, h->first, p->last_segment, p->last_input);
    return ESP_OK;
}

static esp_err deliver (struct replay *p, const record *found)
{
    uint64_t key = found->kind == RECORD_HASH ? found->u.hash.problem : found->u.input.problem;
    if (found->kind == RECORD_COMMIT || found->kind == RECORD_DEATH)
        return p->visit (p->ctx, found);
    if (found->kind != RECORD_INPUT && found->kind != RECORD_HASH)
        return ESP_OK;
    return journal_ranges_has (&p->s->finished, key, 1) ? ESP_OK : p->visit (p->ctx, found);
}

static esp_err replay_records (struct replay *p, journal_reader *r, bool newest)
{
    record found;
    uint64_t start;
    esp_err err;
    while (!newest || r->offset < p->tail->bytes) {
        err = journal_reader_next (r, &found, &start, p->error);
        if (err == ESP_EEMPTY || err == ESP_EFORMAT)
            return journal_reader_damage (
                r, start, err == ESP_EEMPTY ? "the footer is missing" : "a bad frame", p->error);
        if (err == ESP_OK && found.kind == RECORD_FOOTER)
            return newest ? ESP_OK
                          : journal_state_add_left (p->s, p->last_segment, found.u.footer.problems,
                                                    found.u.footer.problem_count);
        if (err != ESP_OK || (err = deliver (p, &found)) != ESP_OK)
            return err;
    }
    return ESP_OK;
}

static esp_err replay_segment (struct replay *p, uint32_t segment)
{
    journal_reader r;
    record header;
    esp_err err = open_segment (p, segment, &r, &header);
    if (err != ESP_OK)
        return err;
    if ((err = check_chain (p, &r, &header.u.header)) == ESP_OK) {
        p->any = true;
        p->last_segment = segment;
        p->last_epoch = header.u.header.epoch;
        if ((err = p->visit (p->ctx, &header)) == ESP_OK)
            err = replay_records (p, &r, segment == p->s->segment);
        p->last_input = r.last;
    }
    journal_reader_close (&r);
    return err;
}

/* Segments between `after` and `next` (both excluded) are either closed or lost. */
static esp_err check_gap (struct replay *p, uint32_t after, uint32_t next)
{
    if (next - after <= 1 || journal_ranges_has (&p->s->closed, after + 1, next - after - 1))
        return ESP_OK;
    return esp_error_set (p->error, ESP_EDAMAGE,
                          "%s/journal/00: segments between %06" PRIu32 " and %06" PRIu32
                          " are missing; bring them back",
                          p->folder, after, next);
}

static esp_err replay_list (struct replay *p, const uint32_t *segments, size_t count)
{
    uint32_t after = 0;
    esp_err err = read_newest (p, segments[count - 1]);
    for (size_t i = 0; i < count && err == ESP_OK; i++) {
        err = check_gap (p, after, segments[i]);
        after = segments[i];
        if (err == ESP_OK && !journal_ranges_has (&p->s->closed, segments[i], 1))
            err = replay_segment (p, segments[i]);
    }
    for (size_t i = 0; i < p->s->file_count && err == ESP_OK; i++)
        err = journal_file_check (p->folder, &p->s->files[i], p->error);
    return err;
}

esp_err journal_replay (const char *folder, journal_visit visit, void *ctx, journal_state *s,
                        journal_tail *tail, esp_error *error)
{
    struct replay p = {
        .folder = folder, .visit = visit, .ctx = ctx, .s = s, .tail = tail, .error = error};
    uint32_t *segments = NULL;
    size_t count = 0;
    esp_err err = journal_segment_list (folder, JOURNAL_OPEN, &segments, &count, error);
    if (err != ESP_OK)
        return err;
    err = count == 0
              ? esp_error_set (error, ESP_ENOENT, "%s: no journal here; nothing to resume", folder)
              : replay_list (&p, segments, count);
    esp_free (segments);
    return err;
}
