/* SPDX-License-Identifier: Apache-2.0 */
/* journal_state.c - what a segment's header says, kept current
 *
 * Replay fills it, the writer carries it on, every new header writes it down.
 */

#include <string.h>
#include <unistd.h>
#include "coordinator/journal/journal_private.h"
#include "proto/base/alloc.h"

void journal_state_init (journal_state *s)
{
    *s = (journal_state){0};
}

static void free_files (journal_state *s)
{
    for (size_t i = 0; i < s->file_count; i++) {
        if (s->files[i].fd >= 0)
            close (s->files[i].fd);
        esp_free (s->files[i].name);
        esp_buf_free (&s->files[i].packed);
    }
    esp_free (s->files);
    s->files = NULL;
    s->file_count = 0;
}

void journal_state_free (journal_state *s)
{
    free_files (s);
    for (size_t i = 0; i < s->left_count; i++)
        esp_free (s->left[i].problems);
    esp_free (s->left);
    esp_free (s->strategy);
    esp_free (s->program);
    esp_buf_free (&s->run_file);
    journal_ranges_free (&s->finished);
    journal_ranges_free (&s->closed);
    journal_keys_free (&s->problems);
    *s = (journal_state){0};
}

esp_err journal_state_set_run (journal_state *s, const journal_run *run)
{
    esp_free (s->strategy);
    esp_free (s->program);
    s->strategy = esp_strndup (run->strategy.len ? run->strategy.ptr : "", run->strategy.len);
    s->program = esp_strndup (run->program.len ? run->program.ptr : "", run->program.len);
    if (!s->strategy || !s->program)
        return ESP_ENOMEM;
    s->identity = run->identity;
    s->semantics = run->semantics;
    esp_buf_clear (&s->run_file);
    return esp_buf_add (&s->run_file, run->run_file);
}

static esp_err add_file (journal_state *s, span name, uint64_t committed)
{
    journal_file *f = &s->files[s->file_count];
    if (!(f->name = esp_strndup (name.ptr ? name.ptr : "", name.len)))
        return ESP_ENOMEM;
    f->fd = -1;
    f->bytes = f->committed = committed;
    s->file_count++;
    return ESP_OK;
}

esp_err journal_state_set_files (journal_state *s, const char *const *names, size_t count)
{
    esp_err err = ESP_OK;
    if (!(s->files = esp_calloc (count, sizeof (*s->files))))
        return ESP_ENOMEM;
    for (size_t i = 0; i < count && err == ESP_OK; i++)
        err = add_file (s, span_of (names[i]), 0);
    return err;
}

esp_err journal_state_add_file (journal_state *s, const char *name)
{
    journal_file *grown = esp_reallocarray (s->files, s->file_count + 1, sizeof (*grown));
    esp_err err;
    if (!grown)
        return ESP_ENOMEM;
    s->files = grown;
    grown[s->file_count] = (journal_file){0};
    if ((err = add_file (s, span_of (name), 0)) == ESP_OK)
        s->files[s->file_count - 1].fresh = true;
    return err;
}

esp_err journal_state_from_header (journal_state *s, const record_header *h)
{
    esp_err err;
    s->run_id = h->run_id;
    s->epoch = h->epoch;
    s->segment = h->segment;
    s->last = h->first - 1;
    if ((err = journal_ranges_copy (&s->finished, h->finished, h->finished_count)) == ESP_OK)
        err = journal_ranges_copy (&s->closed, h->closed, h->closed_count);
    free_files (s);
    if (err == ESP_OK && !(s->files = esp_calloc (h->file_count, sizeof (*s->files))))
        return ESP_ENOMEM;
    for (size_t i = 0; i < h->file_count && err == ESP_OK; i++)
        err = add_file (s, h->files[i].name, h->files[i].bytes);
    return err == ESP_EFORMAT ? ESP_EDAMAGE : err;
}

static journal_file *find_file (journal_state *s, span name)
{
    for (size_t i = 0; i < s->file_count; i++)
        if (span_is (name, s->files[i].name))
            return &s->files[i];
    return NULL;
}

esp_err journal_state_commit (journal_state *s, const record *commit)
{
    esp_err err = ESP_OK;
    for (size_t i = 0; i < commit->u.commit.file_count; i++)
        if (!find_file (s, commit->u.commit.files[i].name))
            return ESP_EDAMAGE;
    for (size_t i = 0; i < commit->u.commit.problem_count && err == ESP_OK; i++)
        err = journal_ranges_add (&s->finished, commit->u.commit.problems[i]);
    if (err != ESP_OK)
        return err == ESP_EINVAL ? ESP_EDAMAGE : err;
    for (size_t i = 0; i < commit->u.commit.file_count; i++)
        find_file (s, commit->u.commit.files[i].name)->committed = commit->u.commit.files[i].bytes;
    if (s->up_to < commit->u.commit.up_to)
        s->up_to = commit->u.commit.up_to;
    return ESP_OK;
}

record journal_state_commit_record (const journal_state *s, uint64_t up_to,
                                    const problem_key *problems, size_t count, file_offset *offsets)
{
    record r = {.kind = RECORD_COMMIT, .number = s->last};
    for (size_t i = 0; i < s->file_count; i++)
        offsets[i] = (file_offset){span_of (s->files[i].name), s->files[i].bytes};
    r.u.commit.up_to = up_to;
    r.u.commit.files = offsets;
    r.u.commit.file_count = s->file_count;
    r.u.commit.problems = problems;
    r.u.commit.problem_count = count;
    return r;
}

esp_err journal_state_add_left (journal_state *s, uint32_t segment, const problem_key *problems,
                                size_t count)
{
    journal_left *left;
    if (esp_grow (&s->left, &s->left_capacity, s->left_count + 1, sizeof (*s->left)) != 0)
        return ESP_ENOMEM;
    left = &s->left[s->left_count];
    *left = (journal_left){.segment = segment};
    if (!(left->problems = esp_calloc (count, sizeof (*problems))))
        return ESP_ENOMEM;
    if (count)
        memcpy (left->problems, problems, count * sizeof (*problems));
    left->count = count;
    s->left_count++;
    return ESP_OK;
}

esp_err journal_state_leave (journal_state *s)
{
    esp_err err = journal_state_add_left (s, s->segment, s->problems.list, s->problems.count);
    if (err == ESP_OK)
        journal_keys_free (&s->problems);
    return err;
}

/* Forget the problems that have finished since; true when none is left. */
static bool left_is_finished (const journal_state *s, journal_left *left)
{
    size_t kept = 0;
    for (size_t i = 0; i < left->count; i++)
        if (!journal_ranges_has (&s->finished, left->problems[i], 1))
            left->problems[kept++] = left->problems[i];
    left->count = kept;
    return kept == 0;
}

esp_err journal_state_close_finished (journal_state *s,
                                      esp_err (*found) (void *ctx, uint32_t segment), void *ctx)
{
    size_t kept = 0;
    esp_err err = ESP_OK;
    for (size_t i = 0; i < s->left_count; i++) {
        journal_left *left = &s->left[i];
        if (err == ESP_OK && left_is_finished (s, left) &&
            (err = journal_ranges_add (&s->closed, left->segment)) == ESP_OK) {
            err = found (ctx, left->segment);
            esp_free (left->problems);
        } else {
            s->left[kept++] = *left;
        }
    }
    s->left_count = kept;
    return err;
}
