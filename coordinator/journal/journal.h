/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_JOURNAL_JOURNAL_H
#define ESP_COORDINATOR_JOURNAL_JOURNAL_H

/* journal.h - the list of inputs, and the rows that follow from it (design.md, D3 and D9)
 *
 * OUTPUT/journal/00/NNNNNN.log   open segments (00 = shard)
 * OUTPUT/journal/00/closed/NNNNNN.log.zst   segments whose problems are all finished and committed
 * OUTPUT/journal/lock            one writer per output folder
 * OUTPUT/answers.jsonl, ...      row files: appended by the journal's writer thread only
 *
 * Frame: u32 length of the body, u32 CRC-32C of the body (both little-endian), the body (wire_record_encode).
 *
 * The loop appends; a writer thread owns the files.  It writes what has gathered,
 * calls fdatasync, publishes the number that is now durable, then appends the rows whose inputs are
 * covered, syncs the row files, and notes their lengths in a COMMIT record.  While one sync runs the
 * next batch gathers; the loop never waits for a disk.  A failed write or sync is never retried: the
 * journal is then failed, what was durable stays durable, and the run must stop (exit 3).  ENOSPC before any byte of a batch is durable is told
 * apart (journal_failure gives ESP_ENOSPC) and the partly written tail is cut back.
 *
 * ESP_ECONFLICT: another process goes on with this run (the segment was replaced, its next name is taken, or a row file grew).
 *
 * Threads: every function from the loop's thread.
 */

#include <stdbool.h>
#include "proto/base/option.h"
#include "proto/model/record.h"

typedef struct journal journal;

typedef struct journal_options {
    bool enabled;          /* false: rows only, no resume (benches) */
    int64_t commit_ms;     /* ceiling between a record and its sync */
    int64_t segment_bytes; /* a new segment after so many */
    int keep;              /* 0 open: closed segments are deleted; 1 all */
    bool sync; /* false: no fdatasync (tests on slow disks); rows still wait for the write */
} journal_options;
extern const esp_option journal_option_rows
    []; /* section `journal`: enabled, commit_ms, segment_bytes, keep (open|all, default all), sync */

/* What identifies the run; spans borrowed during the call. */
typedef struct journal_run {
    uint64_t identity;
    uint32_t semantics;
    span strategy, program, run_file;
} journal_run;

/* Start a run in `folder` (exists, holds no journal).  row_files: names inside folder, created empty; rows are given by index.
 * Errors (sentence names path): ESP_EEXIST (a run is there), ESP_ELOCKED (another process, with host and pid from the lock file),
 * ESP_EPERMISSION, ESP_ENOSPC, ESP_EIO, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err journal_create (const char *folder, const journal_options *options,
                                       const journal_run *run, const char *const *row_files,
                                       size_t row_file_count, journal **out, esp_error *error);

/* What the newest header says, before anything is opened for writing (for config_may_resume).  Spans are owned by *memory, freed by esp_buf_free.
 * Errors: ESP_ENOENT (no run here), ESP_EVERSION (written in another format: names both programs), ESP_EDAMAGE. */
ESP_MUST_CHECK esp_err journal_peek (const char *folder, record_header *out, esp_buf *memory,
                                     esp_error *error);

/* Called once per record in order of number during replay; stop with an error to end replay with it. */
typedef esp_err (*journal_visit) (void *ctx, const record *r);

/* Go on with a run: take the lock, cut torn tails (said in the log), replay the open segments into
 * visit (HEADER, INPUT, HASH, COMMIT and DEATH records; only inputs of problems that are not committed), truncate row files to the committed lengths, open a new segment with epoch + 1.
 * Inputs are numbered on from the last durable one.  *finished (owned by the journal, valid until destroy): the committed problems.
 * Until visit has seen everything nothing is changed.  Errors: as create, ESP_ENOENT, ESP_EDAMAGE (sentence names file and offset; exit 4), ESP_EVERSION,
 * ESP_ECONFLICT (a row file of the start is not among row_files), and visit's.  A row file that the run was begun without starts empty. */
ESP_MUST_CHECK esp_err journal_resume (const char *folder, const journal_options *options,
                                       const journal_run *run, const char *const *row_files,
                                       size_t row_file_count, journal_visit visit, void *ctx,
                                       const key_range **finished, size_t *finished_count,
                                       journal **out, esp_error *error);

/* Read-only walk over everything there is in order of number, closed segments too, every record kind; for dump, show, replay, export.  Works while a run
 * writes (stops quietly at the end of what is whole).  only: the headers and the inputs, hashes and commits of one problem, or UINT64_MAX for all.
 * Errors: ESP_ENOENT, ESP_EDAMAGE, ESP_EVERSION, ESP_EIO, ESP_ENOMEM, and visit's. */
ESP_MUST_CHECK esp_err journal_walk (const char *folder, problem_key only, journal_visit visit,
                                     void *ctx, esp_error *error);

/* Queue one input; *number (may be NULL) is its journal number.  Copies.  Errors: ESP_ENOMEM, ESP_ETOOBIG (over 256 MiB),
 * ESP_EINVAL (problem UINT64_MAX); the code of journal_failure once failed. */
ESP_MUST_CHECK esp_err journal_input (journal *j, const input *in, uint64_t *number);
/* Queue a digest record (every 4,096 inputs; the loop decides). */
ESP_MUST_CHECK esp_err journal_hash (journal *j, problem_key problem, uint64_t digest);
/* Queue what a worker had when it died.  Copies.  Errors: as journal_input; no task, several alone (ESP_EINVAL), over 65,536. */
ESP_MUST_CHECK esp_err journal_death (journal *j, int rank, bool alone, const task_id *tasks,
                                      size_t count);

/* `problem` ended with input `number` (queued before); its rows (whole lines, one span per row file, may be empty) are appended to the row files after that input is durable, in the order of
 * these calls; the problem then counts as finished.  Copies.  Errors: as journal_input. */
ESP_MUST_CHECK esp_err journal_rows (journal *j, problem_key problem, uint64_t number,
                                     const span *rows, size_t count);

/* Hand what was queued to the writer; call once per loop pass.  Never blocks on the disk. */
void journal_flush (journal *j);

uint64_t journal_durable (const journal *j); /* highest input number that is on disk */
uint64_t journal_committed (
    const journal
        *j); /* highest number given to journal_rows whose rows are on disk and committed */
bool journal_idle (const journal *j); /* nothing queued or being written */
size_t journal_backlog (
    const journal
        *j); /* bytes queued and not yet durable: the loop sends nothing new over 256 MiB */
/* Wait (blocks) until everything queued is durable and committed, or the journal failed. */
ESP_MUST_CHECK esp_err journal_sync (journal *j);
/* ESP_OK, or why the journal stopped (sentence names the file). */
esp_err journal_failure (const journal *j, esp_error *error);
/* A descriptor that becomes readable when durable or committed advanced or the journal failed; for link_wait.  Only wait
 * for it: journal_flush empties it, one whole pass after the progress. */
int journal_fd (const journal *j);
uint64_t journal_writer_cpu_ns (const journal *j); /* for benches */
uint64_t journal_run_id (const journal *j);        /* random, one per output folder */
uint32_t journal_epoch (const journal *j);         /* 1, and one more at each resume */

/* Accepts NULL.  Flushes, writes the footer, ends the thread, drops the lock. */
void journal_close (journal *j);
/* Accepts NULL.  As journal_close, of a run in which nothing was done: what journal_create made in the folder is removed, under
 * its lock.  row_files: as there; one that holds a row stays. */
void journal_discard (journal *j, const char *const *row_files, size_t row_file_count);

#endif
