/* SPDX-License-Identifier: Apache-2.0 */
/* journal_writer.c - the thread that owns the files
 *
 * Two batches: the loop fills one while the thread writes the other; the mutex is held to append one
 * record or to swap the two, never over a system call.
 *
 * A batch, in this order (each step relies on the one before):
 *   1  frames are written and synced; `durable` advances; the SYNCED mark
 *   2  rows of problems that ended are appended and synced: their inputs are durable by 1,
 *      because rows are queued after the input that ended the problem
 *   3  a COMMIT frame is written and synced; `committed` advances; the SYNCED mark
 *   4  a full segment is left: footer, next segment, closing of what is finished
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "coordinator/journal/journal_private.h"
#include "proto/base/alloc.h"
#include "proto/base/log.h"

enum { KEPT_BYTES = 16 * 1024 * 1024 }; /* a buffer that grew beyond it is given back */

static void wake_loop (journal_writer *w)
{
    uint64_t one = 1;
    atomic_fetch_add (&w->progress, 1);
    if (write (w->wake_fd, &one, sizeof (one)) < 0 &&
        errno != EAGAIN) /* EAGAIN: it is readable anyway */
        esp_log (LOG_WARN, "JOURNAL-WAKE", "cannot wake the loop");
}

static void fail (journal_writer *w, const esp_error *error)
{
    pthread_mutex_lock (&w->mutex);
    w->failure = *error;
    atomic_store (&w->failed, true);
    pthread_cond_broadcast (&w->done);
    pthread_mutex_unlock (&w->mutex);
    esp_log (LOG_ERROR, "JOURNAL-FAILED", "%s", error->text);
    wake_loop (w);
}

/* ---- one batch ---- */

/* Frames to disk, and the mark behind them. */
static esp_err put_frames (journal_writer *w, span frames, _Atomic uint64_t *reached,
                           uint64_t number, esp_error *error)
{
    esp_err err = journal_segment_append (&w->segment, frames, w->options.sync, error);
    if (err != ESP_OK)
        return err;
    atomic_store (reached, number);
    wake_loop (w);
    return journal_segment_mark (&w->segment, w->codec, w->state.last, &w->scratch, error);
}

static esp_err put_inputs (journal_writer *w, esp_error *error)
{
    journal_batch *b = &w->writing;
    for (size_t i = 0; i < b->problem_count; i++)
        if (journal_keys_add (&w->state.problems, b->problems[i]) != ESP_OK)
            return esp_error_set (error, ESP_ENOMEM, "%s: out of memory", w->segment.path);
    w->state.last = b->last;
    return put_frames (w, esp_buf_span (&b->frames), &w->durable, b->last, error);
}

static esp_err put_rows (journal_writer *w, esp_error *error)
{
    esp_err err = ESP_OK;
    for (size_t i = 0; i < w->state.file_count && err == ESP_OK; i++)
        if (w->writing.rows[i].len > 0)
            err = journal_file_append (w->folder, &w->state.files[i],
                                       esp_buf_span (&w->writing.rows[i]), w->options.sync, error);
    return err;
}

static esp_err put_commit (journal_writer *w, esp_error *error)
{
    journal_batch *b = &w->writing;
    record commit =
        journal_state_commit_record (&w->state, b->up_to, b->ended, b->ended_count, w->offsets);
    esp_buf frame = {0};
    esp_err err = journal_frame_add (w->codec, &commit, &frame);
    if (err == ESP_OK)
        err = journal_state_commit (&w->state, &commit);
    if (err != ESP_OK)
        esp_error_set (error, err, "%s: no commit: %s", w->segment.path, esp_err_text (err));
    else
        err = put_frames (w, esp_buf_span (&frame), &w->committed, b->up_to, error);
    esp_buf_free (&frame);
    return err;
}

static esp_err found_closed (void *ctx, uint32_t segment)
{
    return journal_closer_add (ctx, segment);
}

static esp_err put_footer (journal_writer *w, esp_error *error)
{
    esp_err err;
    esp_buf_clear (&w->scratch);
    if ((err = journal_frame_footer (w->codec, &w->state, &w->scratch)) != ESP_OK)
        return esp_error_set (error, err, "%s: no footer: %s", w->segment.path, esp_err_text (err));
    return journal_segment_append (&w->segment, esp_buf_span (&w->scratch), w->options.sync, error);
}

static esp_err open_segment (journal_writer *w, esp_error *error)
{
    esp_err err = journal_state_close_finished (&w->state, found_closed, w->closer);
    if (err != ESP_OK)
        return esp_error_set (error, err, "%s: %s", w->folder, esp_err_text (err));
    return journal_segment_create (w->folder, &w->state, w->codec, w->options.sync, &w->segment,
                                   error);
}

static esp_err rotate (journal_writer *w, esp_error *error)
{
    esp_err err = put_footer (w, error);
    if (err != ESP_OK)
        return err;
    close (w->segment.fd);
    w->segment.fd = -1;
    if ((err = journal_state_leave (&w->state)) != ESP_OK)
        return esp_error_set (error, err, "%s: %s", w->folder, esp_err_text (err));
    w->state.segment++;
    return open_segment (w, error);
}

static esp_err run_journaled (journal_writer *w, esp_error *error)
{
    esp_err err = ESP_OK;
    if (w->writing.frames.len > 0)
        err = put_inputs (w, error);
    if (err == ESP_OK && w->writing.ended_count > 0 && (err = put_rows (w, error)) == ESP_OK)
        err = put_commit (w, error);
    if (err == ESP_OK && w->segment.bytes >= (uint64_t)w->options.segment_bytes)
        err = rotate (w, error);
    return err;
}

/* journal.enabled: false */
static esp_err run_rows_only (journal_writer *w, esp_error *error)
{
    esp_err err = put_rows (w, error);
    if (err != ESP_OK)
        return err;
    if (w->writing.ended_count > 0)
        atomic_store (&w->committed, w->writing.up_to);
    wake_loop (w);
    return ESP_OK;
}

static void clear_buffer (esp_buf *buf)
{
    if (buf->cap > KEPT_BYTES)
        esp_buf_free (buf);
    esp_buf_clear (buf);
}

static void clear_batch (journal_batch *b, size_t file_count)
{
    clear_buffer (&b->frames);
    for (size_t i = 0; i < file_count; i++)
        clear_buffer (&b->rows[i]);
    b->problem_count = b->ended_count = 0;
    b->bytes = 0;
}

static void run_batch (journal_writer *w)
{
    esp_error error = {0};
    esp_err err = w->options.enabled ? run_journaled (w, &error) : run_rows_only (w, &error);
    if (err != ESP_OK)
        fail (w, &error);
    else
        atomic_fetch_sub (&w->backlog, w->writing.bytes);
    clear_batch (&w->writing, w->state.file_count);
    atomic_store (&w->cpu_ns, esp_thread_cpu_ns ());
}

/* ---- the thread ---- */

static uint64_t now_ns (void)
{
    esp_clock clock = esp_clock_monotonic ();
    return esp_clock_ns (&clock);
}

static bool is_empty (const journal_batch *b)
{
    return b->frames.len == 0 && b->ended_count == 0 && b->bytes == 0;
}

/* Under the mutex: nothing to write now.  Close a piece, or sleep; the caller looks again after. */
static void pass_time (journal_writer *w, bool until_not_before)
{
    struct timespec until = {.tv_sec = (time_t)(w->not_before_ns / 1000000000u),
                             .tv_nsec = (long)(w->not_before_ns % 1000000000u)};
    if (!w->failed && journal_closer_waiting (w->closer)) {
        pthread_mutex_unlock (&w->mutex);
        journal_closer_step (w->closer);
        pthread_mutex_lock (&w->mutex);
    } else if (until_not_before) {
        (void)pthread_cond_timedwait (&w->work, &w->mutex, &until);
    } else {
        w->sleeping = true;
        (void)pthread_cond_wait (&w->work, &w->mutex);
        w->sleeping = false;
    }
}

/* Wait for the next batch and swap it into `writing`; false: the journal is being closed. */
static bool take_batch (journal_writer *w)
{
    journal_batch taken;
    pthread_mutex_lock (&w->mutex);
    w->busy = false;
    for (;;) {
        bool any = !is_empty (&w->filling) && !w->failed;
        bool hurry = w->stop || w->urgent || w->filling.bytes >= JOURNAL_GATHERED;
        if (any && (hurry || now_ns () >= w->not_before_ns))
            break;
        if (!any)
            pthread_cond_broadcast (&w->done);
        if (!any && w->stop) {
            pthread_mutex_unlock (&w->mutex);
            return false;
        }
        pass_time (w, any);
    }
    taken = w->filling;
    w->filling = w->writing;
    w->filling.last = taken.last;
    w->filling.up_to = taken.up_to;
    w->writing = taken;
    w->busy = true;
    pthread_mutex_unlock (&w->mutex);
    return true;
}

static void *writer_main (void *arg)
{
    journal_writer *w = arg;
    esp_error error = {0};
    while (take_batch (w)) {
        w->not_before_ns = now_ns () + (uint64_t)w->options.commit_ms * 1000000u;
        run_batch (w);
        if (!w->failed) /* also under load, where there is no time to pass */
            journal_closer_step (w->closer);
    }
    if (w->failed || !w->options.enabled)
        return NULL;
    if (put_footer (w, &error) != ESP_OK)
        fail (w, &error);
    else
        while (journal_closer_waiting (w->closer))
            journal_closer_step (w->closer);
    return NULL;
}

/* ---- life ---- */

static void batch_free (journal_batch *b, size_t file_count)
{
    for (size_t i = 0; b->rows && i < file_count; i++)
        esp_buf_free (&b->rows[i]);
    esp_free (b->rows);
    esp_buf_free (&b->frames);
    esp_free (b->problems);
    esp_free (b->ended);
}

static void init_locks (journal_writer *w)
{
    pthread_condattr_t attributes;
    pthread_condattr_init (&attributes);
    pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init (&w->mutex, NULL);
    pthread_cond_init (&w->work, &attributes);
    pthread_cond_init (&w->done, &attributes);
    pthread_condattr_destroy (&attributes);
}

esp_err journal_writer_create (const char *folder, const journal_options *options,
                               journal_state *state, journal_writer **out)
{
    journal_writer *w = esp_calloc (1, sizeof (*w));
    size_t files = state->file_count;
    if (!w)
        return ESP_ENOMEM;
    w->options = *options;
    w->folder = folder;
    w->segment.fd = -1;
    init_locks (w);
    w->wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->filling.rows = esp_calloc (files, sizeof (esp_buf));
    w->writing.rows = esp_calloc (files, sizeof (esp_buf));
    w->offsets = esp_calloc (files, sizeof (*w->offsets));
    if (w->wake_fd < 0 || !w->filling.rows || !w->writing.rows || !w->offsets ||
        wire_codec_create (&w->codec) != ESP_OK ||
        journal_closer_create (folder, options->keep != 0, options->sync, &w->closer) != ESP_OK) {
        esp_err err = w->wake_fd < 0 ? ESP_EIO : ESP_ENOMEM;
        journal_writer_destroy (w);
        return err;
    }
    w->state = *state;
    journal_state_init (state);
    w->filling.last = w->writing.last = w->state.last;
    atomic_store (&w->durable, w->state.last);
    atomic_store (&w->committed, w->state.up_to);
    *out = w;
    return ESP_OK;
}

/* Segments that a header already calls closed, but that did not get away before the last start ended. */
static esp_err close_the_rest (journal_writer *w, esp_error *error)
{
    uint32_t *segments = NULL;
    size_t count = 0;
    esp_err err = journal_segment_list (w->folder, JOURNAL_OPEN, &segments, &count, error);
    for (size_t i = 0; i < count && err == ESP_OK; i++)
        if (journal_ranges_has (&w->state.closed, segments[i], 1) &&
            (err = journal_closer_add (w->closer, segments[i])) != ESP_OK)
            esp_error_set (error, err, "%s: %s", w->folder, esp_err_text (err));
    esp_free (segments);
    return err;
}

esp_err journal_writer_start (journal_writer *w, esp_error *error)
{
    sigset_t all, before;
    esp_err err = ESP_OK;
    int failed;
    if (w->options.enabled && (err = close_the_rest (w, error)) == ESP_OK)
        err = open_segment (w, error);
    if (err != ESP_OK)
        return err;
    sigfillset (&all); /* signals are for the loop's thread */
    pthread_sigmask (SIG_SETMASK, &all, &before);
    failed = pthread_create (&w->thread, NULL, writer_main, w);
    pthread_sigmask (SIG_SETMASK, &before, NULL);
    if (failed)
        return esp_error_set (error, ESP_EIO, "cannot start the journal's writer thread: %s",
                              strerror (failed));
    w->started = true;
    return ESP_OK;
}

void journal_writer_destroy (journal_writer *w)
{
    if (!w)
        return;
    if (w->started) {
        pthread_mutex_lock (&w->mutex);
        w->stop = true;
        pthread_cond_signal (&w->work);
        pthread_mutex_unlock (&w->mutex);
        pthread_join (w->thread, NULL);
    }
    if (w->segment.fd >= 0)
        close (w->segment.fd);
    if (w->wake_fd >= 0)
        close (w->wake_fd);
    batch_free (&w->filling, w->state.file_count);
    batch_free (&w->writing, w->state.file_count);
    journal_state_free (&w->state);
    journal_closer_destroy (w->closer);
    wire_codec_destroy (w->codec);
    esp_buf_free (&w->scratch);
    esp_free (w->offsets);
    pthread_cond_destroy (&w->work);
    pthread_cond_destroy (&w->done);
    pthread_mutex_destroy (&w->mutex);
    esp_free (w);
}
