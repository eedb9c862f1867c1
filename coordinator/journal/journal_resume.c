/* SPDX-License-Identifier: Apache-2.0 */
/* journal_resume.c - go on with a run
 *
 * First everything is read and checked and the searches are rebuilt; only then is anything changed, in an
 * order that may be cut off anywhere: rows back to the last commit, a footer under the last segment, the next segment.
 */

#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include "coordinator/journal/journal_private.h"
#include "proto/base/alloc.h"
#include "proto/base/log.h"

static esp_err remove_temporaries (const char *folder, enum journal_place place, esp_error *error)
{
    char path[JOURNAL_PATH_MAX];
    uint32_t *segments = NULL;
    size_t count = 0;
    esp_err err = journal_segment_list (folder, place, &segments, &count, error);
    for (size_t i = 0; i < count && err == ESP_OK; i++)
        if ((err = journal_segment_path (folder, segments[i], place, path, error)) == ESP_OK)
            unlink (path);
    esp_free (segments);
    return err;
}

static esp_err not_among (const journal_state *s, const char *folder, const char *const *names,
                          size_t count, esp_error *error)
{
    for (size_t f = 0; f < s->file_count; f++) {
        size_t i = 0;
        while (i < count && strcmp (s->files[f].name, names[i]) != 0)
            i++;
        if (i == count)
            return esp_error_set (error, ESP_ECONFLICT,
                                  "%s: the run writes rows to %s, which this program does not; "
                                  "resume it with the program that started it",
                                  folder, s->files[f].name);
    }
    return ESP_OK;
}

/* Rows are given by index: put the files into the order of the caller's names.  A name that the run was begun without, by an
 * older program, is a file that holds nothing yet. */
static esp_err match_files (journal_state *s, const char *folder, const char *const *names,
                            size_t count, esp_error *error)
{
    esp_err err = not_among (s, folder, names, count, error);
    for (size_t i = 0; i < count && err == ESP_OK; i++) {
        size_t at = i;
        journal_file swapped;
        while (at < s->file_count && strcmp (s->files[at].name, names[i]) != 0)
            at++;
        if (at == s->file_count && (err = journal_state_add_file (s, names[i])) != ESP_OK)
            return esp_error_set (error, err, "%s: %s", folder, esp_err_text (err));
        swapped = s->files[i];
        s->files[i] = s->files[at];
        s->files[at] = swapped;
    }
    return err;
}

static esp_err open_file (const journal *j, journal_file *f, bool sync, esp_error *error)
{
    if (!f->fresh)
        return journal_file_resume (j->folder, f, sync, error);
    esp_log (LOG_WARN, "JOURNAL-NEW-FILE",
             "%s/%s: an older program began this run without it; it gets the rows of problems that "
             "end from now on",
             j->folder, f->name);
    return journal_file_create (j->folder, f, sync, error);
}

static esp_err seal_newest (const journal *j, const journal_state *s, const journal_tail *tail,
                            bool sync, esp_error *error)
{
    esp_err err;
    if (tail->footer)
        return ESP_OK;
    err = journal_segment_seal (j->folder, s, tail->bytes, j->codec, sync, error);
    if (err == ESP_OK && tail->torn > 0)
        esp_log (LOG_WARN, "JOURNAL-TORN-TAIL",
                 "%s/journal/00/%06" PRIu32 ".log: the last %" PRIu64 " bytes (from byte %" PRIu64
                 ") were not whole and never promised; they are cut",
                 j->folder, s->segment, tail->torn, tail->bytes);
    return err;
}

static esp_err change_disk (journal *j, const journal_run *run, const journal_options *options,
                            journal_state *s, const journal_tail *tail, esp_error *error)
{
    esp_err err = ESP_OK;
    for (size_t i = 0; i < s->file_count && err == ESP_OK; i++)
        err = open_file (j, &s->files[i], options->sync, error);
    if (err == ESP_OK)
        err = seal_newest (j, s, tail, options->sync, error);
    if (err != ESP_OK)
        return err;
    if ((err = journal_state_leave (s)) != ESP_OK ||
        (err = journal_state_set_run (s, run)) != ESP_OK ||
        (err = journal_ranges_copy (&j->finished, s->finished.items, s->finished.count)) != ESP_OK)
        return esp_error_set (error, err, "%s: %s", j->folder, esp_err_text (err));
    s->epoch++;
    s->segment++;
    return journal_begin (j, options, s, error);
}

static esp_err go_on (journal *j, const journal_options *options, const journal_run *run,
                      const char *const *row_files, size_t row_file_count, journal_visit visit,
                      void *ctx, esp_error *error)
{
    journal_tail tail = {0};
    journal_state s;
    esp_err err;
    journal_state_init (&s);
    err = journal_replay (j->folder, visit, ctx, &s, &tail, error);
    if (err == ESP_OK && (s.epoch == UINT32_MAX || s.segment >= UINT32_MAX - 1))
        err = esp_error_set (error, ESP_EDAMAGE, "%s: its journal has nonsensical numbers",
                             j->folder);
    if (err == ESP_OK)
        err = match_files (&s, j->folder, row_files, row_file_count, error);
    if (err == ESP_OK)
        err = change_disk (j, run, options, &s, &tail, error);
    journal_state_free (&s);
    return err;
}

static esp_err must_hold_one (const char *folder, esp_error *error)
{
    uint32_t *segments = NULL;
    size_t count = 0;
    esp_err err = journal_segment_list (folder, JOURNAL_OPEN, &segments, &count, error);
    esp_free (segments);
    if (err == ESP_OK && count == 0)
        err = esp_error_set (error, ESP_ENOENT, "%s: no journal here; nothing to resume", folder);
    return err;
}

esp_err journal_resume (const char *folder, const journal_options *options, const journal_run *run,
                        const char *const *row_files, size_t row_file_count, journal_visit visit,
                        void *ctx, const key_range **finished, size_t *finished_count,
                        journal **out, esp_error *error)
{
    journal *j;
    esp_err err =
        journal_prepare (folder, options, run, row_files, row_file_count, out ? &j : NULL, error);
    if (err != ESP_OK)
        return err;
    if (!visit || !options->enabled)
        err = esp_error_set (error, ESP_EINVAL, "%s: cannot resume %s", folder,
                             visit ? "with journal.enabled: false" : "without a visitor");
    if (err == ESP_OK)
        err = must_hold_one (folder, error); /* before the lock file is made */
    if (err == ESP_OK && (err = journal_lock_take (folder, NULL, &j->lock, error)) == ESP_OK &&
        (err = remove_temporaries (folder, JOURNAL_OPEN_TEMP, error)) == ESP_OK &&
        (err = remove_temporaries (folder, JOURNAL_CLOSED_TEMP, error)) == ESP_OK)
        err = go_on (j, options, run, row_files, row_file_count, visit, ctx, error);
    if (err != ESP_OK) {
        journal_close (j);
        return err;
    }
    if (finished)
        *finished = j->finished.items;
    if (finished_count)
        *finished_count = j->finished.count;
    *out = j;
    return ESP_OK;
}
