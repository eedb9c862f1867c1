/* SPDX-License-Identifier: Apache-2.0 */
/* journal.c - the loop's side: records go into the filling batch, figures come back as atomics
 *
 * A record is encoded straight into the batch, behind room for its frame head; nothing is copied again until write(2).
 */

#include "coordinator/journal/journal.h"
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "coordinator/journal/journal_private.h"
#include "proto/base/alloc.h"
#include "proto/base/file.h"

#define ROW(field) offsetof (journal_options, field)

const esp_option journal_option_rows[] = {
    {.key = "enabled",
     .type = ESP_OPT_BOOL,
     .offset = ROW (enabled),
     .fallback = "true",
     .change = ESP_OPT_FIXED,
     .help = "Keep the journal; without it a run that was cut off cannot be resumed."},
    {.key = "commit_ms",
     .type = ESP_OPT_INT,
     .offset = ROW (commit_ms),
     .fallback = "20",
     .min = 0,
     .max = 10000,
     .unit = "ms",
     .change = ESP_OPT_FREE,
     .help = "At most this long a record waits for company before it is synced."},
    {.key = "segment_bytes",
     .type = ESP_OPT_INT,
     .offset = ROW (segment_bytes),
     .fallback = "64M",
     .min = 65536,
     .max = 1e9,
     .unit = "bytes",
     .change = ESP_OPT_FREE,
     .help = "A new segment file is begun after so many bytes."},
    {.key = "keep",
     .type = ESP_OPT_CHOICE,
     .offset = ROW (keep),
     .fallback = "all",
     .choices = "open|all",
     .change = ESP_OPT_FREE,
     .help = "Keep all segments (packed, for replay and export) or only those of open problems."},
    {.key = "sync",
     .type = ESP_OPT_BOOL,
     .offset = ROW (sync),
     .fallback = "true",
     .change = ESP_OPT_FREE,
     .help = "Wait for the disk; false survives a crash of the program, not of the machine."},
    ESP_OPTION_END};

/* ---- life ---- */

static bool good_name (const char *name)
{
    return name && *name && *name != '/' && !strstr (name, "..");
}

esp_err journal_prepare (const char *folder, const journal_options *options, const journal_run *run,
                         const char *const *row_files, size_t row_file_count, journal **out,
                         esp_error *error)
{
    journal *j;
    if (!folder || !*folder || !options || !run || !out || (row_file_count && !row_files) ||
        options->commit_ms < 0 || options->segment_bytes < 1)
        return esp_error_set (error, ESP_EINVAL, "a journal without a folder, options or a run");
    for (size_t i = 0; i < row_file_count; i++)
        if (!good_name (row_files[i]))
            return esp_error_set (error, ESP_EINVAL,
                                  "a row file must be a path inside the output folder");
    if (strlen (folder) >= JOURNAL_PATH_MAX)
        return esp_error_set (error, ESP_ETOOBIG, "%s: the path is too long", folder);
    if (!(j = esp_calloc (1, sizeof (*j))))
        return esp_error_set (error, ESP_ENOMEM, "%s: out of memory", folder);
    (void)strcpy (j->folder, folder);
    j->lock.fd = -1;
    j->enabled = options->enabled;
    if (wire_codec_create (&j->codec) != ESP_OK) {
        journal_close (j);
        return esp_error_set (error, ESP_ENOMEM, "%s: out of memory", folder);
    }
    *out = j;
    return ESP_OK;
}

esp_err
journal_begin (journal *j, const journal_options *options, journal_state *s, esp_error *error)
{
    esp_err err;
    j->next = s->last + 1;
    if ((err = journal_writer_create (j->folder, options, s, &j->writer)) != ESP_OK)
        return esp_error_set (error, err, "%s: no journal writer: %s", j->folder,
                              esp_err_text (err));
    return journal_writer_start (j->writer, error);
}

static esp_err make_folders (const char *folder, bool sync, esp_error *error)
{
    char path[JOURNAL_PATH_MAX];
    esp_err err = journal_path (folder, "00/closed", path, error);
    if (err == ESP_OK)
        err = esp_folder_make (path, error);
    if (!sync)
        return err;
    if (err == ESP_OK)
        err = journal_path (folder, "", path, error);
    if (err == ESP_OK && (err = esp_folder_sync (path, error)) == ESP_OK)
        err = esp_folder_sync (folder, error);
    return err;
}

static esp_err must_hold_none (const char *folder, enum journal_place place, esp_error *error)
{
    uint32_t *segments = NULL;
    size_t count = 0;
    esp_err err = journal_segment_list (folder, place, &segments, &count, error);
    esp_free (segments);
    if (err == ESP_OK && count > 0)
        err = esp_error_set (error, ESP_EEXIST,
                             "%s: holds a run; resume it, or choose another output folder", folder);
    return err;
}

static esp_err
start_new (journal *j, const journal_options *options, journal_state *s, esp_error *error)
{
    esp_err err = must_hold_none (j->folder, JOURNAL_OPEN, error);
    if (err == ESP_OK)
        err = must_hold_none (j->folder, JOURNAL_CLOSED, error);
    for (size_t i = 0; i < s->file_count && err == ESP_OK; i++)
        err = journal_file_create (j->folder, &s->files[i], options->sync, error);
    if (err != ESP_OK)
        return err;
    if (getrandom (&s->run_id, sizeof (s->run_id), 0) != (ssize_t)sizeof (s->run_id))
        return esp_error_set (error, ESP_EIO, "no random number for the run: %s", strerror (errno));
    s->epoch = s->segment = 1;
    return journal_begin (j, options, s, error);
}

esp_err journal_create (const char *folder, const journal_options *options, const journal_run *run,
                        const char *const *row_files, size_t row_file_count, journal **out,
                        esp_error *error)
{
    journal *j;
    journal_state s;
    esp_err err =
        journal_prepare (folder, options, run, row_files, row_file_count, out ? &j : NULL, error);
    if (err != ESP_OK)
        return err;
    journal_state_init (&s);
    if ((err = journal_state_set_run (&s, run)) != ESP_OK ||
        (err = journal_state_set_files (&s, row_files, row_file_count)) != ESP_OK)
        esp_error_set (error, err, "%s: %s", folder, esp_err_text (err));
    if (err == ESP_OK && (err = make_folders (folder, options->sync, error)) == ESP_OK &&
        (err = journal_lock_take (folder, NULL, &j->lock, error)) == ESP_OK)
        err = start_new (j, options, &s, error);
    journal_state_free (&s);
    if (err != ESP_OK)
        journal_close (j);
    else
        *out = j;
    return err;
}

void journal_close (journal *j)
{
    if (!j)
        return;
    journal_writer_destroy (j->writer);
    journal_lock_drop (&j->lock);
    wire_codec_destroy (j->codec);
    journal_ranges_free (&j->finished);
    esp_free (j);
}

static void remove_segments (const char *folder)
{
    static const char *const folders[] = {"00/closed", "00"};
    char path[JOURNAL_PATH_MAX];
    uint32_t *segments = NULL;
    size_t count = 0;
    if (journal_segment_list (folder, JOURNAL_OPEN, &segments, &count, NULL) == ESP_OK)
        for (size_t i = 0; i < count; i++)
            if (journal_segment_path (folder, segments[i], JOURNAL_OPEN, path, NULL) == ESP_OK)
                (void)unlink (path);
    esp_free (segments);
    for (size_t i = 0; i < 2; i++)
        if (journal_path (folder, folders[i], path, NULL) == ESP_OK)
            (void)rmdir (path);
}

void journal_discard (journal *j, const char *const *row_files, size_t row_file_count)
{
    char path[JOURNAL_PATH_MAX];
    struct stat info;
    if (!j)
        return;
    journal_writer_destroy (j->writer);
    j->writer = NULL;
    for (size_t i = 0; i < row_file_count; i++)
        if (esp_path_join (path, sizeof (path), j->folder, row_files[i]) == ESP_OK &&
            stat (path, &info) == 0 && info.st_size == 0)
            (void)unlink (path);
    remove_segments (j->folder);
    if (journal_path (j->folder, "lock", path, NULL) == ESP_OK)
        (void)unlink (path);
    journal_close (j);
}

/* ---- queueing ---- */

/* There is room. */
static void note_problem (journal_batch *b, problem_key key)
{
    if (b->problem_count == 0 || b->problems[b->problem_count - 1] != key)
        b->problems[b->problem_count++] = key;
}

/* Under the mutex. */
static esp_err add_record (journal *j, const record *r)
{
    journal_batch *b = &j->writer->filling;
    size_t before = b->frames.len;
    size_t deaths = r->kind == RECORD_DEATH ? r->u.death.task_count : 0;
    esp_err err;
    if (j->writer->failed)
        return j->writer->failure.code;
    if (esp_grow (&b->problems, &b->problem_capacity, b->problem_count + 1 + deaths,
                  sizeof (*b->problems)) != 0)
        return ESP_ENOMEM;
    if ((err = journal_frame_add (j->codec, r, &b->frames)) != ESP_OK)
        return err;
    if (r->kind == RECORD_INPUT) {
        b->last = r->number;
        note_problem (b, r->u.input.problem);
    }
    for (size_t i = 0; i < deaths; i++)
        note_problem (b, r->u.death.tasks[i].problem);
    b->bytes += b->frames.len - before;
    atomic_fetch_add_explicit (&j->writer->backlog, b->frames.len - before, memory_order_relaxed);
    return ESP_OK;
}

static esp_err queue_record (journal *j, const record *r)
{
    esp_err err;
    pthread_mutex_lock (&j->writer->mutex);
    err = add_record (j, r);
    pthread_mutex_unlock (&j->writer->mutex);
    return err;
}

esp_err journal_input (journal *j, const input *in, uint64_t *number)
{
    record r = {.kind = RECORD_INPUT};
    esp_err err = ESP_OK;
    if (!j || !in || in->problem == UINT64_MAX)
        return ESP_EINVAL;
    r.number = j->next;
    r.u.input = *in;
    if (j->enabled)
        err = queue_record (j, &r);
    else
        atomic_store_explicit (&j->writer->durable, j->next, memory_order_relaxed);
    if (err != ESP_OK)
        return err;
    if (number)
        *number = j->next;
    j->next++;
    return ESP_OK;
}

esp_err journal_hash (journal *j, problem_key key, uint64_t digest)
{
    record r = {.kind = RECORD_HASH};
    if (!j)
        return ESP_EINVAL;
    r.number = j->next - 1;
    r.u.hash.problem = key;
    r.u.hash.digest = digest;
    return j->enabled ? queue_record (j, &r) : ESP_OK;
}

esp_err journal_death (journal *j, int rank, bool alone, const task_id *tasks, size_t count)
{
    record r = {.kind = RECORD_DEATH};
    if (!j || rank < 0 || !tasks)
        return ESP_EINVAL;
    r.number = j->next - 1;
    r.u.death.rank = (uint32_t)rank;
    r.u.death.alone = alone;
    r.u.death.tasks = tasks;
    r.u.death.task_count = count;
    return j->enabled ? queue_record (j, &r) : ESP_OK;
}

/* Under the mutex.  Reserve everything first: then nothing can fail half way. */
static esp_err
add_rows (journal_writer *w, problem_key key, uint64_t number, const span *rows, size_t count)
{
    journal_batch *b = &w->filling;
    size_t added = 0;
    if (w->failed)
        return w->failure.code;
    if (esp_grow (&b->ended, &b->ended_capacity, b->ended_count + 1, sizeof (*b->ended)) != 0)
        return ESP_ENOMEM;
    for (size_t i = 0; i < count; i++)
        if (esp_buf_reserve (&b->rows[i], rows[i].len) != ESP_OK)
            return ESP_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (esp_buf_add (&b->rows[i], rows[i]) != ESP_OK)
            return ESP_ENOMEM; /* never: the room is there */
        added += rows[i].len;
    }
    b->ended[b->ended_count++] = key;
    if (b->up_to < number)
        b->up_to = number;
    b->bytes += added;
    atomic_fetch_add_explicit (&w->backlog, added, memory_order_relaxed);
    return ESP_OK;
}

esp_err journal_rows (journal *j, problem_key key, uint64_t number, const span *rows, size_t count)
{
    esp_err err;
    if (!j || number >= j->next || key == UINT64_MAX || (count && !rows) ||
        count > j->writer->state.file_count)
        return ESP_EINVAL;
    pthread_mutex_lock (&j->writer->mutex);
    err = add_rows (j->writer, key, number, rows, count);
    pthread_mutex_unlock (&j->writer->mutex);
    return err;
}

/* The descriptor stays readable for one whole pass after the last progress, so it does not matter where
 * in its pass the loop looks at the figures. */
static void calm_descriptor (journal *j)
{
    uint64_t now = atomic_load (&j->writer->progress), value;
    if (now != j->seen) {
        j->seen = now;
    } else if (now != j->cleared) {
        j->cleared = now;
        if (read (j->writer->wake_fd, &value, sizeof (value)) > 0 &&
            atomic_load (&j->writer->progress) != now) {
            value = 1; /* progress between the two looks: its wake must not be lost */
            (void)!write (j->writer->wake_fd, &value, sizeof (value));
        }
    }
}

void journal_flush (journal *j)
{
    journal_writer *w = j->writer;
    calm_descriptor (j);
    pthread_mutex_lock (&w->mutex);
    if (w->filling.bytes >= JOURNAL_GATHERED ||
        (w->sleeping && (w->filling.bytes > 0 || w->filling.ended_count > 0)))
        pthread_cond_signal (&w->work);
    pthread_mutex_unlock (&w->mutex);
}

esp_err journal_sync (journal *j)
{
    journal_writer *w = j->writer;
    esp_err err;
    pthread_mutex_lock (&w->mutex);
    w->urgent = true;
    pthread_cond_signal (&w->work);
    while (w->failure.code == ESP_OK &&
           (w->busy || w->filling.bytes > 0 || w->filling.ended_count > 0))
        pthread_cond_wait (&w->done, &w->mutex);
    w->urgent = false;
    err = w->failure.code;
    pthread_mutex_unlock (&w->mutex);
    return err;
}

/* ---- figures ---- */

uint64_t journal_durable (const journal *j)
{
    return atomic_load (&j->writer->durable);
}

uint64_t journal_committed (const journal *j)
{
    return atomic_load (&j->writer->committed);
}

bool journal_idle (const journal *j)
{
    journal_writer *w = j->writer;
    bool idle;
    pthread_mutex_lock (&w->mutex);
    idle = !w->busy && w->filling.bytes == 0 && w->filling.ended_count == 0;
    pthread_mutex_unlock (&w->mutex);
    return idle;
}

size_t journal_backlog (const journal *j)
{
    return atomic_load (&j->writer->backlog);
}

esp_err journal_failure (const journal *j, esp_error *error)
{
    journal_writer *w = j->writer;
    esp_err err;
    if (!atomic_load (&w->failed))
        return ESP_OK;
    pthread_mutex_lock (&w->mutex);
    err = w->failure.code;
    if (error)
        *error = w->failure;
    pthread_mutex_unlock (&w->mutex);
    return err;
}

int journal_fd (const journal *j)
{
    return j->writer->wake_fd;
}

uint64_t journal_writer_cpu_ns (const journal *j)
{
    return atomic_load (&j->writer->cpu_ns);
}

uint64_t journal_run_id (const journal *j)
{
    return j->writer->state.run_id;
}

uint32_t journal_epoch (const journal *j)
{
    return j->writer->state.epoch;
}
