/* SPDX-License-Identifier: Apache-2.0 */
/* test_journal.c - what coordinator/journal/journal.h promises while nothing goes wrong */

#include <poll.h>
#include <sys/wait.h>
#include "tests/unit/coordinator/journal/journal_kit.h"

static void bad_calls_make_nothing (void)
{
    const char *folder = suite_folder ();
    const char *const outside[] = {"../answers.jsonl"}, *const absolute[] = {"/tmp/x"},
                      *const nothing[] = {NULL};
    journal_options options = kit_options (), negative = options;
    journal_run run = kit_run ();
    journal *j = NULL;
    input in = {.kind = INPUT_OPEN};
    esp_buf memory = {0};
    record_header header;
    negative.commit_ms = -1;
    FAILS (journal_create (NULL, &options, &run, NULL, 0, &j, NULL), ESP_EINVAL);
    FAILS (journal_create (folder, NULL, &run, NULL, 0, &j, NULL), ESP_EINVAL);
    FAILS (journal_create (folder, &options, NULL, NULL, 0, &j, NULL), ESP_EINVAL);
    FAILS (journal_create (folder, &options, &run, NULL, 1, &j, NULL), ESP_EINVAL);
    FAILS (journal_create (folder, &options, &run, NULL, 0, NULL, NULL), ESP_EINVAL);
    FAILS (journal_create (folder, &negative, &run, NULL, 0, &j, NULL), ESP_EINVAL);
    FAILS (journal_create (folder, &options, &run, outside, 1, &j, NULL), ESP_EINVAL);
    FAILS (journal_create (folder, &options, &run, absolute, 1, &j, NULL), ESP_EINVAL);
    FAILS (journal_create (folder, &options, &run, nothing, 1, &j, NULL), ESP_EINVAL);
    FAILS (journal_resume (folder, &options, &run, NULL, 0, NULL, NULL, NULL, NULL, &j, NULL),
           ESP_EINVAL);
    FAILS (journal_peek (NULL, &header, &memory, NULL), ESP_EINVAL);
    FAILS (journal_walk (folder, UINT64_MAX, NULL, NULL, NULL), ESP_EINVAL);
    FAILS (journal_input (NULL, &in, NULL), ESP_EINVAL);
    FAILS (journal_hash (NULL, 0, 0), ESP_EINVAL);
    FAILS (journal_rows (NULL, 0, 0, NULL, 0), ESP_EINVAL);
    journal_close (NULL);
    CHECK (j == NULL && !kit_exists (kit_path (folder, "journal")));
}

static void bad_records_change_nothing (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    journal *j = kit_create (folder, &options);
    input all = {.kind = INPUT_OPEN, .problem = UINT64_MAX}, unknown = {.kind = INPUT_KINDS},
          good = {.kind = INPUT_OPEN};
    span rows[3] = {{"", 0}, {"", 0}, {"", 0}};
    uint64_t number = 99;
    FAILS (journal_input (j, NULL, &number), ESP_EINVAL);
    FAILS (journal_input (j, &all, &number), ESP_EINVAL);
    FAILS (journal_input (j, &unknown, &number), ESP_EINVAL);
    FAILS (journal_rows (j, 0, 1, rows, 2), ESP_EINVAL); /* no such input yet */
    FAILS (journal_rows (j, 0, 0, rows, 3), ESP_EINVAL); /* no such file */
    CHECK (number == 99);
    PASS (journal_input (j, &good, &number));
    CHECK (number == 1);
    PASS (journal_sync (j));
    CHECK (journal_durable (j) == 1);
    journal_close (j);
}

static void what_was_written_is_what_resume_hands_out (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    journal *j = kit_create (folder, &options);
    uint64_t run_id = journal_run_id (j);
    kit_seen seen = {0};
    const key_range *finished = NULL;
    size_t finished_count = 0;
    journal_run run = kit_run ();
    CHECK (journal_epoch (j) == 1 && run_id != 0);
    PASS (kit_drive (j, 1, 32, 0)); /* problems 0..7 end, 8..11 are open */
    PASS (journal_sync (j));
    CHECK (journal_durable (j) == 32 && journal_committed (j) == 24);
    CHECK (journal_idle (j) && journal_backlog (j) == 0);
    journal_close (j);
    PASS (journal_resume (folder, &options, &run, kit_files, KIT_FILES, kit_visit, &seen, &finished,
                          &finished_count, &j, NULL));
    CHECK (seen.wrong == 0 && seen.inputs == 8 && seen.last == 32 && seen.ended_count == 0);
    CHECK (seen.commits > 0 &&
           seen.hashes == 2); /* 25 and 30; the others belong to finished problems */
    CHECK (finished_count == 1 && finished[0].first == 0 && finished[0].count == 8);
    CHECK (journal_epoch (j) == 2 && journal_run_id (j) == run_id);
    CHECK (journal_durable (j) == 32);
    PASS (kit_go_on (j, &seen, 36, 0));
    journal_close (j);
    kit_check_rows (folder, 36);
}

static void replay_ends_with_the_error_of_the_visitor_and_changes_nothing (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    journal *j = kit_create (folder, &options);
    kit_seen seen = {.stop_with = ESP_EDIVERGED};
    PASS (kit_drive (j, 1, 8, 0));
    journal_close (j);
    FAILS (kit_resume (folder, &options, &seen, &j, NULL), ESP_EDIVERGED);
    CHECK (seen.inputs == 3 && !kit_exists (kit_segment (folder, 2)));
    seen.stop_with = ESP_OK;
    PASS (kit_resume (folder, &options, &seen, &j, NULL));
    CHECK (seen.inputs == 8);
    journal_close (j);
}

static void a_folder_holds_one_run (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    journal_run run = kit_run ();
    kit_seen seen = {0};
    esp_error error = {0};
    journal *j = NULL, *second = NULL;
    FAILS (kit_resume (folder, &options, &seen, &j, &error), ESP_ENOENT);
    CHECK (strstr (error.text, folder) != NULL && !kit_exists (kit_path (folder, "journal")));
    FAILS (journal_walk (folder, UINT64_MAX, kit_visit, &seen, NULL), ESP_ENOENT);
    j = kit_create (folder, &options);
    FAILS (journal_create (folder, &options, &run, kit_files, KIT_FILES, &second, &error),
           ESP_ELOCKED);
    FAILS (kit_resume (folder, &options, &seen, &second, &error), ESP_ELOCKED);
    journal_close (j);
    FAILS (journal_create (folder, &options, &run, kit_files, KIT_FILES, &second, &error),
           ESP_EEXIST);
    CHECK (strstr (error.text, folder) != NULL);
}

static void a_run_that_did_nothing_can_be_taken_back (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    journal *j = kit_create (folder, &options);
    PASS (kit_drive (j, 1, 2, 1));
    journal_discard (j, kit_files, KIT_FILES);
    journal_discard (NULL, kit_files, KIT_FILES);
    CHECK (!kit_exists (kit_path (folder, "answers.jsonl")) &&
           !kit_exists (kit_path (folder, "journal/00")) &&
           !kit_exists (kit_path (folder, "journal/lock")));
    j = kit_create (folder, &options); /* and begun again */
    PASS (kit_drive (j, 1, KIT_BLOCK * KIT_STEPS, 1));
    PASS (journal_sync (j));
    journal_discard (j, kit_files, KIT_FILES);
    CHECK (kit_exists (kit_path (folder, "answers.jsonl"))); /* rows are never removed */
    CHECK (esp_alloc_live () == 0);
}

static void rows_of_an_earlier_run_are_not_touched (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    journal_run run = kit_run ();
    journal *j = NULL;
    esp_buf rows;
    kit_write (kit_path (folder, "answers.jsonl"), span_of ("{}\n"));
    FAILS (journal_create (folder, &options, &run, kit_files, KIT_FILES, &j, NULL), ESP_EEXIST);
    rows = kit_read (kit_path (folder, "answers.jsonl"));
    CHECK (span_is (esp_buf_span (&rows), "{}\n"));
    esp_buf_free (&rows);
}

static void a_second_process_is_refused_by_host_and_pid (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    journal *j = kit_create (folder, &options);
    char mine[32];
    int status = 0;
    pid_t child;
    journal_flush (j);
    (void)snprintf (mine, sizeof (mine), "process %ld ", (long)getpid ());
    if ((child = fork ()) == 0) {
        kit_seen seen = {0};
        esp_error error = {0};
        journal *second = NULL;
        esp_err err = kit_resume (folder, &options, &seen, &second, &error);
        _exit (err == ESP_ELOCKED && strstr (error.text, mine) ? 0 : 1);
    }
    CHECK (waitpid (child, &status, 0) == child && status == 0);
    journal_close (j);
}

static void the_lock_file_of_a_dead_process_does_not_block (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    kit_seen seen = {0};
    int status = 0;
    journal *j = NULL;
    pid_t child = fork ();
    if (child == 0) {
        j = kit_create (folder, &options);
        _exit (kit_drive (j, 1, 12, 1) == ESP_OK ? 0 : 1); /* no close */
    }
    CHECK (waitpid (child, &status, 0) == child && status == 0);
    CHECK (kit_exists (kit_path (folder, "journal/lock")));
    PASS (kit_resume (folder, &options, &seen, &j, NULL));
    CHECK (seen.wrong == 0 && seen.inputs == 0 && journal_durable (j) == 12);
    journal_close (j);
    kit_check_rows (folder, 12);
}

static void the_header_tells_what_the_run_is (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    journal *j = kit_create (folder, &options);
    kit_seen seen = {0};
    esp_buf memory = {0};
    record_header header = {0};
    PASS (kit_drive (j, 1, 24, 1));
    journal_close (j);
    PASS (kit_resume (folder, &options, &seen, &j, NULL));
    PASS (journal_peek (folder, &header, &memory, NULL)); /* beside the run */
    CHECK (header.format == RECORD_FORMAT && header.epoch == 2 && header.first == 25);
    CHECK (header.identity == 77 && header.semantics == 1 && header.run_id == journal_run_id (j));
    CHECK (span_is (header.strategy, "beam") && span_is (header.program, "espalier test"));
    CHECK (span_is (header.run_file, "run: {name: kit}\n"));
    CHECK (header.finished_count == 1 && header.finished[0].count == 8);
    CHECK (header.file_count == 2 && span_is (header.files[1].name, "samples/steps.jsonl"));
    esp_buf_free (&memory);
    journal_close (j);
    CHECK (esp_alloc_live () == 0);
}

static void the_descriptor_is_readable_after_progress_and_calm_after_a_pass (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    journal *j = kit_create (folder, &options);
    struct pollfd fd = {.fd = journal_fd (j), .events = POLLIN};
    CHECK (poll (&fd, 1, 0) == 0);
    PASS (kit_drive (j, 1, 1, 0));
    CHECK (poll (&fd, 1, -1) == 1); /* waits for the writer */
    PASS (journal_sync (j));
    CHECK (journal_durable (j) == 1);
    journal_flush (j);
    CHECK (poll (&fd, 1, 0) == 1); /* one more pass, for who looked before the progress */
    journal_flush (j);
    CHECK (poll (&fd, 1, 0) == 0);
    journal_close (j);
}

static void without_a_journal_rows_are_still_written_in_order (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    kit_seen seen = {0};
    journal *j;
    options.enabled = false;
    j = kit_create (folder, &options);
    PASS (kit_drive (j, 1, 24, 0));
    CHECK (journal_durable (j) == 24);
    PASS (journal_sync (j));
    CHECK (journal_committed (j) == 24 && journal_idle (j));
    journal_close (j);
    kit_check_rows (folder, 24);
    CHECK (!kit_exists (kit_segment (folder, 1)));
    FAILS (kit_resume (folder, &options, &seen, &j, NULL), ESP_EINVAL);
    options.enabled = true;
    FAILS (kit_resume (folder, &options, &seen, &j, NULL), ESP_ENOENT);
}

static void other_row_files_than_at_the_start_are_refused (void)
{
    static const char *const swapped[] = {"samples/steps.jsonl", "answers.jsonl"}, *const other[] =
                                                                                       {"a", "b"};
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    journal_run run = kit_run ();
    kit_seen seen = {0};
    journal *j = kit_create (folder, &options);
    span rows[] = {{"s\n", 2}, {"a\n", 2}};
    esp_buf answers;
    PASS (kit_drive (j, 1, 4, 0));
    journal_close (j);
    FAILS (journal_resume (folder, &options, &run, kit_files, 1, kit_visit, &seen, NULL, NULL, &j,
                           NULL),
           ESP_ECONFLICT);
    seen = (kit_seen){0};
    FAILS (
        journal_resume (folder, &options, &run, other, 2, kit_visit, &seen, NULL, NULL, &j, NULL),
        ESP_ECONFLICT);
    seen = (kit_seen){0};
    PASS (journal_resume (folder, &options, &run, swapped, 2, kit_visit, &seen, NULL, NULL, &j,
                          NULL));
    PASS (journal_rows (j, 0, 4, rows, 2)); /* the order of this call counts */
    journal_close (j);
    answers = kit_read (kit_path (folder, "answers.jsonl"));
    CHECK (span_is (esp_buf_span (&answers), "a\n"));
    esp_buf_free (&answers);
}

/* An older program began the run without the second file, and without its folder. */
static void a_row_file_that_the_run_was_begun_without_starts_empty (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    journal_run run = kit_run ();
    kit_seen seen = {0};
    journal *j = NULL;
    span rows[] = {{"a\n", 2}, {"s\n", 2}};
    esp_buf answers, samples;
    PASS (journal_create (folder, &options, &run, kit_files, 1, &j, NULL));
    PASS (kit_drive (j, 1, 4, 0));
    PASS (journal_rows (j, 0, 4, rows, 1));
    journal_close (j);
    PASS (kit_resume (folder, &options, &seen, &j, NULL));
    PASS (journal_rows (j, 1, 4, rows, 2));
    journal_close (j);
    PASS (kit_resume (folder, &options, &seen, &j, NULL)); /* now it is known */
    PASS (journal_rows (j, 2, 4, rows, 2));
    journal_close (j);
    answers = kit_read (kit_path (folder, kit_files[0]));
    samples = kit_read (kit_path (folder, kit_files[1]));
    CHECK (span_is (esp_buf_span (&answers), "a\na\na\n"));
    CHECK (span_is (esp_buf_span (&samples), "s\ns\n"));
    esp_buf_free (&answers);
    esp_buf_free (&samples);
}

static void a_new_row_file_does_not_touch_what_stands_there (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    journal_run run = kit_run ();
    kit_seen seen = {0};
    journal *j = NULL;
    esp_error error = {0};
    esp_buf kept;
    PASS (journal_create (folder, &options, &run, kit_files + 1, 1, &j, NULL));
    PASS (kit_drive (j, 1, 4, 0));
    journal_close (j);
    kit_write (kit_path (folder, kit_files[0]), span_of ("mine\n"));
    FAILS (kit_resume (folder, &options, &seen, &j, &error), ESP_EEXIST);
    CHECK (strstr (error.text, kit_files[0]) != NULL);
    kept = kit_read (kit_path (folder, kit_files[0]));
    CHECK (span_is (esp_buf_span (&kept), "mine\n"));
    esp_buf_free (&kept);
}

static void a_sync_to_disk_works_too (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    kit_seen seen = {0};
    journal *j;
    options.sync = true;
    options.commit_ms = 5;
    j = kit_create (folder, &options);
    PASS (kit_drive (j, 1, 24, 6));
    CHECK (journal_durable (j) == 24 && journal_committed (j) == 24);
    journal_close (j);
    PASS (kit_resume (folder, &options, &seen, &j, NULL));
    CHECK (journal_durable (j) == 24);
    CHECK (journal_failure (j, NULL) == ESP_OK);
    journal_close (j);
    kit_check_rows (folder, 24);
}

static void the_option_table_is_whole (void)
{
    size_t rows = 0;
    for (const esp_option *o = journal_option_rows; o->key; o++, rows++)
        CHECK (o->fallback && o->help && o->offset < sizeof (journal_options));
    CHECK (rows == 5);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls make nothing", bad_calls_make_nothing},
        {"bad records change nothing", bad_records_change_nothing},
        {"what was written is what resume hands out", what_was_written_is_what_resume_hands_out},
        {"replay ends with the error of the visitor and changes nothing",
         replay_ends_with_the_error_of_the_visitor_and_changes_nothing},
        {"a folder holds one run", a_folder_holds_one_run},
        {"a run that did nothing can be taken back", a_run_that_did_nothing_can_be_taken_back},
        {"rows of an earlier run are not touched", rows_of_an_earlier_run_are_not_touched},
        {"a second process is refused by host and pid",
         a_second_process_is_refused_by_host_and_pid},
        {"the lock file of a dead process does not block",
         the_lock_file_of_a_dead_process_does_not_block},
        {"the header tells what the run is", the_header_tells_what_the_run_is},
        {"the descriptor is readable after progress and calm after a pass",
         the_descriptor_is_readable_after_progress_and_calm_after_a_pass},
        {"without a journal rows are still written in order",
         without_a_journal_rows_are_still_written_in_order},
        {"other row files than at the start are refused",
         other_row_files_than_at_the_start_are_refused},
        {"a row file that the run was begun without starts empty",
         a_row_file_that_the_run_was_begun_without_starts_empty},
        {"a new row file does not touch what stands there",
         a_new_row_file_does_not_touch_what_stands_there},
        {"a sync to disk works too", a_sync_to_disk_works_too},
        {"the option table is whole", the_option_table_is_whole},
        {NULL, NULL},
    };
    if (esp_log_open (-1, LOG_ERROR, NULL, LOG_ERROR) != ESP_OK)
        return 1;
    return suite_main ("journal", cases);
}
