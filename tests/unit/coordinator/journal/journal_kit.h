/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_COORDINATOR_JOURNAL_JOURNAL_KIT_H
#define ESP_TESTS_UNIT_COORDINATOR_JOURNAL_JOURNAL_KIT_H

/* journal_kit.h - a small make-believe run, for the tests of this folder
 *
 * Input n belongs to a problem and has a text that follow from n alone.  A problem has three inputs (OPEN, two results);
 * with the third it ends and gives one row to each file.  So after any accident a resume can be told exactly what it
 * must find, and at the end every row must be there once.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "coordinator/journal/journal_private.h"
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/base/log.h"
#include "tests/support/suite.h"

enum {
    KIT_BLOCK = 4,
    KIT_STEPS = 3,
    KIT_FILES = 2
}; /* problems whose inputs interleave; inputs of each; row files */

static const char *const kit_files[KIT_FILES] = {"answers.jsonl", "samples/steps.jsonl"};

static inline problem_key kit_problem (uint64_t n)
{
    return (n - 1) / (KIT_BLOCK * KIT_STEPS) * KIT_BLOCK + (n - 1) % KIT_BLOCK;
}

static inline bool kit_ends (uint64_t n) /* with input n its problem ends */
{
    return (n - 1) % (KIT_BLOCK * KIT_STEPS) / KIT_BLOCK == KIT_STEPS - 1;
}

static inline void kit_text (uint64_t n, char out[64])
{
    (void)snprintf (out, 64, "step %" PRIu64 " of the make-believe run", n);
}

static inline input kit_input (uint64_t n, char text[64])
{
    input in = {.kind = INPUT_OPEN, .problem = kit_problem (n)};
    if ((n - 1) % (KIT_BLOCK * KIT_STEPS) < KIT_BLOCK)
        return in;
    kit_text (n, text);
    in.kind = INPUT_RESULT;
    in.u.result = (result){.id = {.problem = in.problem, .number = (uint32_t)n},
                           .text = span_of (text),
                           .tokens = 5,
                           .steps = 1,
                           .logprob = NAN,
                           .mean_logprob = NAN,
                           .share = NAN};
    return in;
}

static inline journal_options kit_options (void)
{
    return (journal_options){.enabled = true, .segment_bytes = 1 << 20, .keep = 1, .sync = false};
}

static inline journal_run kit_run (void)
{
    return (journal_run){.identity = 77,
                         .semantics = 1,
                         .strategy = span_of ("beam"),
                         .program = span_of ("espalier test"),
                         .run_file = span_of ("run: {name: kit}\n")};
}

static inline journal *kit_create (const char *folder, const journal_options *options)
{
    journal_run run = kit_run ();
    journal *j = NULL;
    esp_error error = {0};
    esp_err err = journal_create (folder, options, &run, kit_files, KIT_FILES, &j, &error);
    if (err != ESP_OK)
        printf ("    %s\n", error.text);
    PASS (err);
    return j;
}

/* The row of the problem that ends with input n, for one file. */
static inline void kit_row (uint64_t n, size_t file, char out[64])
{
    if (file == 0)
        (void)snprintf (out, 64, "{\"answer\":%" PRIu64 "}\n", kit_problem (n));
    else
        (void)snprintf (out, 64, "{\"sample\":%" PRIu64 ",\"x\":[1,2]}\n", kit_problem (n));
}

static inline esp_err kit_rows (journal *j, uint64_t n)
{
    char row[KIT_FILES][64];
    span rows[KIT_FILES];
    for (size_t f = 0; f < KIT_FILES; f++) {
        kit_row (n, f, row[f]);
        rows[f] = span_of (row[f]);
    }
    return journal_rows (j, kit_problem (n), n, rows, KIT_FILES);
}

/* Inputs from..to; a sync after every `batch` of them (0: none). */
static inline esp_err kit_drive (journal *j, uint64_t from, uint64_t to, uint64_t batch)
{
    char text[64];
    uint64_t number = 0;
    esp_err err = ESP_OK;
    for (uint64_t n = from; n <= to && err == ESP_OK; n++) {
        input in = kit_input (n, text);
        err = journal_input (j, &in, &number);
        if (err == ESP_OK && number != n)
            return ESP_ERANGE;
        if (err == ESP_OK && n % 5 == 0)
            err = journal_hash (j, in.problem, n * 1000);
        if (err == ESP_OK && kit_ends (n))
            err = kit_rows (j, n);
        if (err == ESP_OK && batch && n % batch == 0)
            err = journal_sync (j);
        journal_flush (j);
    }
    return err;
}

/* ---- what replay hands out ---- */

typedef struct kit_seen {
    uint64_t inputs, last, wrong, hashes, commits, others;
    uint64_t ended
        [4096]; /* numbers of inputs that ended a problem, not committed as far as we were told */
    size_t ended_count;
    esp_err stop_with; /* at the third input, if set */
} kit_seen;

static inline esp_err kit_visit (void *ctx, const record *r)
{
    kit_seen *seen = ctx;
    char text[64], told[64];
    if (r->kind == RECORD_HASH)
        seen->hashes++;
    else if (r->kind == RECORD_COMMIT)
        seen->commits++;
    else if (r->kind != RECORD_INPUT)
        seen->others++;
    if (r->kind != RECORD_INPUT)
        return ESP_OK;
    input want = kit_input (r->number, text);
    if (r->number <= seen->last || r->u.input.problem != want.problem ||
        r->u.input.kind != want.kind)
        seen->wrong++;
    else if (want.kind == INPUT_RESULT) {
        kit_text (r->number, told);
        seen->wrong += !span_is (r->u.input.u.result.text, told);
    }
    seen->last = r->number;
    seen->inputs++;
    if (kit_ends (r->number) && seen->ended_count < 4096)
        seen->ended[seen->ended_count++] = r->number;
    return seen->stop_with != ESP_OK && seen->inputs == 3 ? seen->stop_with : ESP_OK;
}

static inline esp_err kit_resume (const char *folder, const journal_options *options,
                                  kit_seen *seen, journal **out, esp_error *error)
{
    journal_run run = kit_run ();
    *seen = (kit_seen){.stop_with = seen->stop_with};
    return journal_resume (folder, options, &run, kit_files, KIT_FILES, kit_visit, seen, NULL, NULL,
                           out, error);
}

/* Go on to input `to` as a coordinator would: first the rows that were not committed. */
static inline esp_err kit_go_on (journal *j, const kit_seen *seen, uint64_t to, uint64_t batch)
{
    esp_err err = ESP_OK;
    for (size_t i = 0; i < seen->ended_count && err == ESP_OK; i++)
        err = kit_rows (j, seen->ended[i]);
    return err == ESP_OK ? kit_drive (j, journal_durable (j) + 1, to, batch) : err;
}

/* ---- folders ---- */

static inline const char *kit_path (const char *folder, const char *name)
{
    static char paths[4][4096];
    static int next;
    char *path = paths[next++ % 4];
    (void)snprintf (path, sizeof (paths[0]), "%s/%s", folder, name);
    return path;
}

static inline const char *kit_segment (const char *folder, unsigned number)
{
    char name[64];
    (void)snprintf (name, sizeof (name), "journal/00/%06u.log", number);
    return kit_path (folder, name);
}

static inline bool kit_exists (const char *path)
{
    return access (path, F_OK) == 0;
}

static inline esp_buf kit_read (const char *path)
{
    esp_buf bytes = {0};
    PASS (esp_file_read (path, 1 << 28, &bytes, NULL));
    return bytes;
}

static inline void kit_write (const char *path, span bytes)
{
    int removed =
        unlink (path); /* a truncated file would be flushed at close (ext4), thousands of times */
    int fd = open (path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    bool whole = fd >= 0 && write (fd, bytes.ptr, bytes.len) == (ssize_t)bytes.len;
    (void)removed;
    if (fd >= 0)
        close (fd);
    CU_ASSERT_TRUE_FATAL (whole);
}

static inline void kit_copy_file (const char *from, const char *to)
{
    esp_buf bytes = kit_read (from);
    kit_write (to, esp_buf_span (&bytes));
    esp_buf_free (&bytes);
}

static inline void kit_remove_segments (const char *folder, enum journal_place place)
{
    char path[JOURNAL_PATH_MAX];
    uint32_t *numbers = NULL;
    size_t count = 0;
    PASS (journal_segment_list (folder, place, &numbers, &count, NULL));
    for (size_t i = 0; i < count; i++) {
        PASS (journal_segment_path (folder, numbers[i], place, path, NULL));
        CU_ASSERT_EQUAL_FATAL (unlink (path), 0);
    }
    esp_free (numbers);
}

/* A fresh copy of a run's folder (one segment to `segments`). */
static inline void kit_copy_run (const char *from, const char *to, unsigned segments)
{
    PASS (esp_folder_make (kit_path (to, "journal/00/closed"), NULL));
    PASS (esp_folder_make (kit_path (to, "samples"), NULL));
    kit_remove_segments (to, JOURNAL_OPEN);
    kit_remove_segments (to, JOURNAL_CLOSED);
    for (unsigned i = 1; i <= segments; i++)
        if (kit_exists (kit_segment (from, i)))
            kit_copy_file (kit_segment (from, i), kit_segment (to, i));
    for (size_t i = 0; i < KIT_FILES; i++)
        kit_copy_file (kit_path (from, kit_files[i]), kit_path (to, kit_files[i]));
}

/* Every problem that ended up to input `to` has its row in both files once, and nothing else is there. */
static inline void kit_check_rows (const char *folder, uint64_t to)
{
    for (size_t f = 0; f < KIT_FILES; f++) {
        esp_buf bytes = kit_read (kit_path (folder, kit_files[f]));
        size_t expected = 0;
        for (uint64_t n = 1; n <= to; n++) {
            char row[64];
            if (!kit_ends (n))
                continue;
            kit_row (n, f, row);
            CHECK (span_count (esp_buf_span (&bytes), span_of (row)) == 1);
            expected += strlen (row);
        }
        CHECK (bytes.len == expected);
        esp_buf_free (&bytes);
    }
}

/* Byte position of the last SYNCED mark of a segment file, by scanning (0: none). */
static inline uint64_t kit_last_mark (const char *path)
{
    journal_reader r;
    uint64_t at = 0, found = 0, last = 0;
    PASS (journal_reader_open (&r, path, false, NULL));
    for (; found != UINT64_MAX; at = found + 1) {
        PASS (journal_reader_scan (&r, at, &found, NULL));
        if (found != UINT64_MAX)
            last = found;
        else
            break;
    }
    journal_reader_close (&r);
    return last;
}

#endif
