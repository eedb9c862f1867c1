/* SPDX-License-Identifier: Apache-2.0 */
/* test_journal_faults.c - full disks, missing memory, strangers, file systems without locks */

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "tests/unit/coordinator/journal/journal_kit.h"

/* In a child process whose files may not grow over `limit`: drive until it fails as it should. */
static void run_into_limit (const char *folder, rlim_t limit, const char *file, int report)
{
    struct rlimit bounds = {limit, limit};
    journal_options options = kit_options ();
    esp_error error = {0};
    journal *j = kit_create (folder, &options);
    uint64_t durable;
    esp_err err;
    (void)signal (SIGXFSZ, SIG_IGN);
    if (setrlimit (RLIMIT_FSIZE, &bounds) != 0)
        _exit (2);
    err = kit_drive (j, 1, 600, 7);
    durable = journal_durable (j);
    if (write (report, &durable, sizeof (durable)) != (ssize_t)sizeof (durable) ||
        err != ESP_ENOSPC)
        _exit (3);
    if (journal_failure (j, &error) != ESP_ENOSPC || !strstr (error.text, file) ||
        !strstr (error.text, "resume"))
        _exit (4);
    if (journal_sync (j) != ESP_ENOSPC || journal_backlog (j) == 0)
        _exit (5);
    journal_close (j);
    _exit (0);
}

static uint64_t torn_bytes (const char *folder)
{
    journal_state s;
    journal_tail tail = {0};
    kit_seen seen = {0};
    journal_state_init (&s);
    PASS (journal_replay (folder, kit_visit, &seen, &s, &tail, NULL));
    journal_state_free (&s);
    return tail.torn;
}

static void a_full_disk_keeps_what_was_durable (rlim_t limit, const char *file)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    kit_seen seen = {0};
    journal *j = NULL;
    uint64_t durable = 0;
    int status = -1, pipes[2];
    pid_t child;
    CU_ASSERT_EQUAL_FATAL (pipe (pipes), 0);
    if ((child = fork ()) == 0)
        run_into_limit (folder, limit, file, pipes[1]);
    CHECK (waitpid (child, &status, 0) == child && status == 0);
    CHECK (read (pipes[0], &durable, sizeof (durable)) == (ssize_t)sizeof (durable));
    close (pipes[0]);
    close (pipes[1]);
    PASS (journal_walk (folder, UINT64_MAX, kit_visit, &seen, NULL));
    CHECK (durable > 0 && seen.wrong == 0 && seen.last >= durable);
    CHECK (torn_bytes (folder) == 0); /* the part that was written is cut back */
    PASS (kit_resume (folder, &options, &seen, &j, NULL));
    CHECK (journal_durable (j) >= durable && seen.wrong == 0);
    PASS (kit_go_on (j, &seen, 600, 0));
    journal_close (j);
    kit_check_rows (folder, 600);
}

static void no_room_for_a_segment_keeps_what_was_durable (void)
{
    for (rlim_t limit = 3000; limit < 3200; limit += 13) /* ends in marks, heads and bodies */
        a_full_disk_keeps_what_was_durable (limit, "000001.log");
}

static void no_room_for_rows_keeps_what_was_durable (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    journal_run run = kit_run ();
    kit_seen seen = {0};
    esp_error error = {0};
    journal *j = NULL;
    uint64_t durable;
    CU_ASSERT_EQUAL_FATAL (symlink ("/dev/full", kit_path (folder, "answers.jsonl")), 0);
    PASS (journal_create (folder, &options, &run, kit_files, KIT_FILES, &j, NULL));
    FAILS (kit_drive (j, 1, 24, 12), ESP_ENOSPC);
    durable = journal_durable (j); /* with input 9 the first problem ends */
    CHECK (durable >= 9 && durable <= 12 && journal_committed (j) == 0);
    CHECK (journal_failure (j, &error) == ESP_ENOSPC &&
           strstr (error.text, "answers.jsonl") != NULL);
    journal_close (j);
    CHECK (unlink (kit_path (folder, "answers.jsonl")) == 0);
    PASS (kit_resume (folder, &options, &seen, &j, NULL));
    CHECK (seen.inputs == durable && seen.ended_count == durable - 8);
    PASS (kit_go_on (j, &seen, 24, 0));
    journal_close (j);
    kit_check_rows (folder, 24);
}

static void a_failed_journal_takes_nothing_more (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    kit_seen seen = {0};
    journal *j = kit_create (folder, &options);
    span rows[2] = {{"", 0}, {"", 0}};
    input in = {.kind = INPUT_OPEN};
    uint64_t number = 99;
    PASS (kit_drive (j, 1, 8, 8));
    CHECK (unlink (kit_segment (folder, 1)) == 0); /* somebody deletes the run */
    FAILS (kit_drive (j, 9, 12, 12), ESP_ECONFLICT);
    FAILS (journal_input (j, &in, &number), ESP_ECONFLICT);
    FAILS (journal_hash (j, 1, 1), ESP_ECONFLICT);
    FAILS (journal_rows (j, 1, 1, rows, 2), ESP_ECONFLICT);
    FAILS (journal_sync (j), ESP_ECONFLICT);
    CHECK (number == 99 && journal_durable (j) == 8);
    journal_close (j);
    FAILS (kit_resume (folder, &options, &seen, &j, NULL), ESP_ENOENT);
}

static void a_stranger_in_a_row_file_is_noticed (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    esp_error error = {0};
    journal *j = kit_create (folder, &options);
    int fd = open (kit_path (folder, "answers.jsonl"), O_WRONLY | O_APPEND);
    PASS (kit_drive (j, 1, 12, 12));
    CHECK (write (fd, "x", 1) == 1);
    close (fd);
    FAILS (kit_drive (j, 13, 24, 12), ESP_ECONFLICT);
    CHECK (journal_failure (j, &error) == ESP_ECONFLICT &&
           strstr (error.text, "answers.jsonl") != NULL);
    journal_close (j);
}

static void a_folder_that_may_not_be_written_is_refused (void)
{
    journal_options options = kit_options ();
    journal_run run = kit_run ();
    esp_error error = {0};
    journal *j = NULL;
    FAILS (journal_create ("/proc/self", &options, &run, kit_files, KIT_FILES, &j, &error),
           ESP_ENOENT);
    CHECK (strstr (error.text, "/proc/self") != NULL);
    FAILS (journal_create ("/dev/null", &options, &run, kit_files, KIT_FILES, &j, &error),
           ESP_EEXIST);
}

/* ---- locks ---- */

static int no_locks (int fd)
{
    (void)fd;
    errno = ENOLCK;
    return -1;
}

static int broken_locks (int fd)
{
    (void)fd;
    errno = EIO;
    return -1;
}

static void without_locks_the_file_itself_is_the_lock (void)
{
    const char *folder = suite_folder ();
    journal_lock first, second;
    esp_error error = {0};
    char mine[32];
    (void)snprintf (mine, sizeof (mine), "process %ld ", (long)getpid ());
    PASS (esp_folder_make (kit_path (folder, "journal"), NULL));
    PASS (journal_lock_take (folder, no_locks, &first, NULL));
    FAILS (journal_lock_take (folder, no_locks, &second, &error), ESP_ELOCKED);
    CHECK (strstr (error.text, mine) != NULL && strstr (error.text, "remove the file") != NULL);
    CHECK (kit_exists (kit_path (folder, "journal/lock")));
    journal_lock_drop (&first);
    CHECK (!kit_exists (kit_path (folder, "journal/lock")));
    PASS (journal_lock_take (folder, no_locks, &first, NULL));
    journal_lock_drop (&first);
    FAILS (journal_lock_take (folder, broken_locks, &first, &error), ESP_EIO);
    journal_lock_drop (&first);
}

static void a_lock_file_without_sense_is_no_obstacle (void)
{
    const char *folder = suite_folder ();
    journal_lock lock;
    esp_error error = {0};
    PASS (esp_folder_make (kit_path (folder, "journal"), NULL));
    kit_write (kit_path (folder, "journal/lock"), span_make ("\x1b[31m\0\xff %n%s", 13));
    FAILS (journal_lock_take (folder, no_locks, &lock, &error), ESP_ELOCKED);
    PASS (journal_lock_take (folder, NULL, &lock, NULL));
    journal_lock_drop (&lock);
}

/* ---- memory ---- */

static esp_err whole_run (const char *folder)
{
    journal_options options = kit_options ();
    journal_run run = kit_run ();
    journal *j = NULL;
    esp_err err;
    options.segment_bytes = 1500;
    err = journal_create (folder, &options, &run, kit_files, KIT_FILES, &j, NULL);
    if (err == ESP_OK && (err = kit_drive (j, 1, 40, 4)) == ESP_OK)
        err = journal_sync (j);
    journal_close (j);
    return err;
}

static esp_err go_on_and_look (const char *folder, kit_seen *seen)
{
    journal_options options = kit_options ();
    record_header header;
    esp_buf memory = {0};
    journal *j = NULL;
    esp_err err;
    options.segment_bytes = 1500;
    if ((err = kit_resume (folder, &options, seen, &j, NULL)) == ESP_OK &&
        (err = kit_go_on (j, seen, 60, 5)) == ESP_OK)
        err = journal_sync (j);
    journal_close (j);
    if (err == ESP_OK && (err = journal_walk (folder, UINT64_MAX, kit_visit, seen, NULL)) == ESP_OK)
        err = journal_peek (folder, &header, &memory, NULL);
    esp_buf_free (&memory);
    return err;
}

/* Fail the 1st, 2nd, 3rd ... allocation of either thread until all goes well; each time the run can go on after. */
static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    long n = 0;
    for (; err != ESP_OK && n < 3000; n++) {
        const char *folder = suite_folder ();
        kit_seen seen = {0};
        esp_alloc_fail_after (n);
        if ((err = whole_run (folder)) == ESP_OK)
            err = go_on_and_look (folder, &seen);
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        CHECK (esp_alloc_live () == 0);
        if (err != ESP_OK && kit_exists (kit_segment (folder, 1)))
            PASS (go_on_and_look (folder, &seen));
        if (kit_exists (kit_segment (folder, 1)))
            kit_check_rows (folder, 60);
    }
    CHECK (err == ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"no room for a segment keeps what was durable",
         no_room_for_a_segment_keeps_what_was_durable},
        {"no room for rows keeps what was durable", no_room_for_rows_keeps_what_was_durable},
        {"a failed journal takes nothing more", a_failed_journal_takes_nothing_more},
        {"a stranger in a row file is noticed", a_stranger_in_a_row_file_is_noticed},
        {"a folder that may not be written is refused",
         a_folder_that_may_not_be_written_is_refused},
        {"without locks the file itself is the lock", without_locks_the_file_itself_is_the_lock},
        {"a lock file without sense is no obstacle", a_lock_file_without_sense_is_no_obstacle},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    (void)!freopen ("/dev/null", "w", stderr);
    return suite_main ("journal_faults", cases);
}
