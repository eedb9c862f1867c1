/* SPDX-License-Identifier: Apache-2.0 */
/* test_journal_cut.c - cut anywhere, flipped anywhere, killed at any time: nothing durable is lost, no row is there
 * twice, damage is never taken for a torn tail */

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include "proto/base/hash.h"
#include "tests/unit/coordinator/journal/journal_kit.h"

enum {
    SMALL = 36,
    SYNC_EVERY = 5
}; /* inputs of the small journal; 36 = three blocks, all problems end */

/* The files of a run as a kill leaves them: not closed. */
static const char *given_killed_run (void)
{
    const char *live = suite_folder (), *dead = suite_folder ();
    journal_options options = kit_options ();
    journal *j = kit_create (live, &options);
    PASS (kit_drive (j, 1, SMALL, SYNC_EVERY));
    PASS (journal_sync (j));
    kit_copy_run (live, dead, 1);
    journal_close (j);
    return dead;
}

/* A run of three starts, the last one killed: segments 1 and 2 have footers. */
static const char *given_killed_run_of_three_starts (void)
{
    const char *live = suite_folder (), *dead = suite_folder ();
    journal_options options = kit_options ();
    kit_seen seen = {0};
    journal *j = kit_create (live, &options);
    PASS (kit_drive (j, 1, 16, SYNC_EVERY)); /* 4 problems end, 4 do not */
    for (int start = 0; start < 2; start++) {
        journal_close (j);
        PASS (kit_resume (live, &options, &seen, &j, NULL));
        PASS (kit_go_on (j, &seen, start == 0 ? 18 : 20,
                         1)); /* none ends: all three segments stay open */
    }
    kit_copy_run (live, dead, 3);
    journal_close (j);
    return dead;
}

/* Inputs whose frames are whole in the first `bytes` bytes. */
static uint64_t count_inputs (const char *path, uint64_t bytes, uint64_t *header_bytes)
{
    journal_reader r;
    record found;
    uint64_t start, last = 0;
    PASS (journal_reader_open (&r, path, false, NULL));
    PASS (journal_reader_header (&r, 1, &found, NULL));
    *header_bytes = r.offset;
    while (journal_reader_next (&r, &found, &start, NULL) == ESP_OK && r.offset <= bytes)
        last = r.last;
    journal_reader_close (&r);
    return last;
}

static void cut_anywhere_the_run_goes_on_and_every_row_is_there_once (void)
{
    const char *dead = given_killed_run (), *work = suite_folder ();
    journal_options options = kit_options ();
    esp_buf whole = kit_read (kit_segment (dead, 1));
    uint64_t header_bytes = 0;
    for (size_t bytes = 0; bytes <= whole.len; bytes++) {
        uint64_t expected = count_inputs (kit_segment (dead, 1), bytes, &header_bytes);
        kit_seen seen = {0};
        journal *j = NULL;
        esp_err err;
        kit_copy_run (dead, work, 0);
        kit_write (kit_segment (work, 1), span_make (whole.data, bytes));
        err = kit_resume (work, &options, &seen, &j, NULL);
        if (bytes < header_bytes) { /* it was on disk before the file had its name */
            CHECK (err == ESP_EDAMAGE);
            continue;
        }
        CU_ASSERT_EQUAL_FATAL (err, ESP_OK);
        CHECK (journal_durable (j) == expected && seen.wrong == 0);
        PASS (kit_go_on (j, &seen, SMALL, 0));
        journal_close (j);
        kit_check_rows (work, SMALL);
    }
    esp_buf_free (&whole);
}

static void a_torn_tail_of_zeros_or_of_text_is_cut (void)
{
    const char *dead = given_killed_run (), *work = suite_folder ();
    journal_options options = kit_options ();
    static const span tails[] = {{"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16},
                                 {"\xff\xff\xff\x7fnot a frame at all", 21},
                                 {"\xff\xff\xff\xff", 4},
                                 {"\x05\0\0\0", 4}};
    for (size_t i = 0; i < sizeof (tails) / sizeof (*tails); i++) {
        esp_buf bytes = kit_read (kit_segment (dead, 1));
        kit_seen seen = {0};
        journal *j = NULL;
        PASS (esp_buf_add (&bytes, tails[i]));
        kit_copy_run (dead, work, 0);
        kit_write (kit_segment (work, 1), esp_buf_span (&bytes));
        PASS (kit_resume (work, &options, &seen, &j, NULL));
        CHECK (journal_durable (j) == SMALL);
        journal_close (j);
        esp_buf_free (&bytes);
        PASS (kit_resume (work, &options, &seen, &j, NULL)); /* the cut stays cut */
        CHECK (journal_epoch (j) == 3);
        journal_close (j);
    }
}

static void add_unknown_frame (esp_buf *out)
{
    static const char body[] = "\xf8\x7f\x01"; /* a field that no schema has */
    uint32_t crc = esp_crc32c (0, body, 3);
    char head[JOURNAL_FRAME_HEAD] = {3};
    for (int i = 0; i < 4; i++)
        head[4 + i] = (char)(crc >> (8 * i));
    PASS (esp_buf_append (out, head, sizeof (head)));
    PASS (esp_buf_append (out, body, 3));
}

/* Append one frame of ours behind a killed run: a torn write never makes a right checksum. */
static void expect_damage (const record *r, const char *what)
{
    const char *dead = given_killed_run ();
    esp_buf bytes = kit_read (kit_segment (dead, 1));
    journal_options options = kit_options ();
    wire_codec *codec = NULL;
    kit_seen seen = {0};
    journal *j = NULL;
    esp_error error = {0};
    PASS (wire_codec_create (&codec));
    if (r)
        PASS (journal_frame_add (codec, r, &bytes));
    else
        add_unknown_frame (&bytes);
    kit_write (kit_segment (dead, 1), esp_buf_span (&bytes));
    FAILS (kit_resume (dead, &options, &seen, &j, &error), ESP_EDAMAGE);
    CHECK (strstr (error.text, what) != NULL);
    wire_codec_destroy (codec);
    esp_buf_free (&bytes);
}

static void a_whole_frame_that_does_not_belong_there_is_damage (void)
{
    static const problem_key all = UINT64_MAX;
    static const file_offset unknown = {{"x.jsonl", 7}, 1};
    record r = {.kind = RECORD_INPUT, .number = SMALL + 2};
    r.u.input = (input){.kind = INPUT_OPEN, .problem = 1};
    expect_damage (&r, "order");
    r.number = SMALL + 1;
    r.u.input.problem = UINT64_MAX;
    expect_damage (&r, "problems");
    r = (record){.kind = RECORD_HASH, .number = SMALL - 1};
    expect_damage (&r, "order");
    r = (record){.kind = RECORD_SYNCED, .number = SMALL};
    expect_damage (&r, "mark");
    r = (record){.kind = RECORD_HEADER, .number = SMALL};
    r.u.header = (record_header){
        .format = RECORD_FORMAT, .first = 1, .strategy = span_of ("x"), .program = span_of ("x")};
    expect_damage (&r, "header");
    r = (record){.kind = RECORD_COMMIT, .number = SMALL};
    r.u.commit.files = &unknown;
    r.u.commit.file_count = 1;
    expect_damage (&r, "commit");
    r = (record){.kind = RECORD_COMMIT, .number = SMALL};
    r.u.commit.problems = &all;
    r.u.commit.problem_count = 1;
    expect_damage (&r, "commit");
    expect_damage (NULL, "does not know");
}

static void a_cut_before_a_later_segment_is_damage (void)
{
    const char *dead = given_killed_run_of_three_starts ();
    for (unsigned segment = 1; segment <= 2; segment++) {
        esp_buf whole = kit_read (kit_segment (dead, segment));
        for (size_t bytes = 0; bytes < whole.len; bytes++) {
            journal_state s;
            journal_tail tail;
            kit_seen seen = {0};
            esp_error error = {0};
            kit_write (kit_segment (dead, segment), span_make (whole.data, bytes));
            journal_state_init (&s);
            FAILS (journal_replay (dead, kit_visit, &seen, &s, &tail, &error), ESP_EDAMAGE);
            CHECK (strstr (error.text, kit_segment (dead, segment)) != NULL &&
                   strstr (error.text, "byte") != NULL);
            journal_state_free (&s);
        }
        kit_write (kit_segment (dead, segment), esp_buf_span (&whole));
        esp_buf_free (&whole);
    }
}

/* Somebody brought back an older copy of a segment: whole, with a footer, but not all of it. */
static void a_shorter_segment_before_a_later_one_is_damage (void)
{
    const char *dead = given_killed_run_of_three_starts (), *work = suite_folder ();
    journal_options options = kit_options ();
    esp_buf bytes = kit_read (kit_segment (dead, 1));
    kit_seen seen = {0};
    journal *j = NULL;
    esp_error error = {0};
    kit_copy_run (dead, work, 0);
    kit_write (kit_segment (work, 1), span_make (bytes.data, bytes.len * 3 / 4));
    PASS (kit_resume (work, &options, &seen, &j, NULL));
    journal_close (j);
    kit_copy_file (kit_segment (work, 1), kit_segment (dead, 1));
    FAILS (kit_resume (dead, &options, &seen, &j, &error), ESP_EDAMAGE);
    CHECK (strstr (error.text, "inputs are missing") != NULL);
    esp_buf_free (&bytes);
}

/* A model may say anything, a frame of the journal too. */
static void a_mark_in_the_text_of_a_torn_input_is_no_mark (void)
{
    const char *dead = given_killed_run ();
    esp_buf bytes = kit_read (kit_segment (dead, 1)), text = {0};
    journal_options options = kit_options ();
    record r = {.kind = RECORD_INPUT, .number = SMALL + 1};
    size_t whole = bytes.len;
    wire_codec *codec = NULL;
    kit_seen seen = {0};
    journal *j = NULL;
    PASS (wire_codec_create (&codec));
    for (uint64_t offset = 0; offset < 100; offset++)
        PASS (journal_frame_synced (codec, offset, SMALL, &text));
    r.u.input = (input){.kind = INPUT_COMMAND, .problem = 1};
    r.u.input.u.command = (command){.kind = COMMAND_ADD_STEP, .text = esp_buf_span (&text)};
    PASS (journal_frame_add (codec, &r, &bytes));
    bytes.data[whole + 4] ^= 1;
    kit_write (kit_segment (dead, 1), esp_buf_span (&bytes));
    PASS (kit_resume (dead, &options, &seen, &j, NULL));
    CHECK (journal_durable (j) == SMALL);
    journal_close (j);
    wire_codec_destroy (codec);
    esp_buf_free (&bytes);
    esp_buf_free (&text);
}

/* Flip each bit of a segment; only what stands behind the last mark may pass as a torn tail. */
static void flip_every_bit (const char *folder, unsigned segment, bool newest)
{
    const char *path = kit_segment (folder, segment);
    esp_buf bytes = kit_read (path);
    uint64_t mark = newest ? kit_last_mark (path) : bytes.len, passed = 0;
    int fd = open (path, O_WRONLY);
    CHECK (!newest || mark > 0);
    for (size_t i = 0; i < bytes.len * 8; i++) {
        char flipped = (char)(bytes.data[i / 8] ^ (1 << (i % 8)));
        journal_state s;
        journal_tail tail = {0};
        kit_seen seen = {0};
        esp_error error = {0};
        esp_err err;
        CU_ASSERT_EQUAL_FATAL (pwrite (fd, &flipped, 1, (off_t)(i / 8)), 1);
        journal_state_init (&s);
        err = journal_replay (folder, kit_visit, &seen, &s, &tail, &error);
        if (err == ESP_OK) { /* everything before the mark was used */
            CHECK (i / 8 >= mark && tail.torn > 0 && tail.bytes >= mark && seen.wrong == 0);
            passed++;
        } else {
            CHECK (err == ESP_EDAMAGE && strstr (error.text, "byte") != NULL &&
                   strstr (error.text, path));
        }
        journal_state_free (&s);
        CU_ASSERT_EQUAL_FATAL (pwrite (fd, &bytes.data[i / 8], 1, (off_t)(i / 8)), 1);
    }
    CHECK (passed == (newest ? (bytes.len - mark) * 8 : 0));
    close (fd);
    esp_buf_free (&bytes);
}

static void a_flipped_bit_is_damage_unless_it_was_never_promised (void)
{
    flip_every_bit (given_killed_run (), 1, true);
}

static void a_flipped_bit_in_an_older_segment_is_damage (void)
{
    const char *dead = given_killed_run_of_three_starts ();
    flip_every_bit (dead, 1, false);
    flip_every_bit (dead, 2, false);
    flip_every_bit (dead, 3, true);
}

static void a_flipped_bit_in_a_closed_run_is_damage_up_to_the_footer (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    journal *j = kit_create (folder, &options);
    PASS (kit_drive (j, 1, 16, SYNC_EVERY));
    journal_close (j);
    flip_every_bit (folder, 1, true);
}

static void a_row_file_shorter_than_committed_is_damage_a_longer_one_is_cut (void)
{
    const char *dead = given_killed_run (), *work = suite_folder ();
    journal_options options = kit_options ();
    for (size_t f = 0; f < KIT_FILES; f++) {
        esp_buf whole = kit_read (kit_path (dead, kit_files[f]));
        size_t committed = whole.len;
        kit_seen seen = {0};
        journal *j = NULL;
        esp_error error = {0};
        PASS (esp_buf_puts (&whole, "{\"half a row"));
        kit_copy_run (dead, work, 1);
        for (size_t bytes = 0; bytes <= whole.len; bytes++) {
            kit_write (kit_path (work, kit_files[f]), span_make (whole.data, bytes));
            if (bytes < committed) {
                FAILS (kit_resume (work, &options, &seen, &j, &error), ESP_EDAMAGE);
                CHECK (strstr (error.text, kit_files[f]) != NULL);
                continue;
            }
            PASS (kit_resume (work, &options, &seen, &j, NULL));
            CHECK (seen.ended_count == 0);
            journal_close (j);
            kit_check_rows (work, SMALL);
        }
        CHECK (unlink (kit_path (work, kit_files[f])) == 0);
        FAILS (kit_resume (work, &options, &seen, &j, &error), ESP_EDAMAGE);
        esp_buf_free (&whole);
    }
}

/* One life of a coordinator, in a child process: go on from what is there, to the end or until killed. */
static void live (const char *folder, uint64_t to, int64_t segment_bytes)
{
    journal_options options = kit_options ();
    journal_run run = kit_run ();
    kit_seen seen = {0};
    journal *j = NULL;
    esp_error error = {0};
    esp_err err;
    options.segment_bytes = segment_bytes;
    err = kit_resume (folder, &options, &seen, &j, &error);
    if (err == ESP_ENOENT)
        err = journal_create (folder, &options, &run, kit_files, KIT_FILES, &j, &error);
    if (err == ESP_OK && seen.wrong == 0)
        err = kit_go_on (j, &seen, to, 6000); /* kit_seen.ended has room for more than that */
    if (err == ESP_OK)
        err = journal_sync (j);
    if (err != ESP_OK || seen.wrong > 0)
        fprintf (stderr, "    %s: %s\n", esp_err_name (err), error.text);
    journal_close (j);
    _exit (err == ESP_OK && seen.wrong == 0 ? 0 : 1);
}

static void killed_at_any_time (int64_t segment_bytes)
{
    enum { LAST = 60000, KILLS = 40 };
    const char *folder = suite_folder ();
    int status = -1, kills = 0, failures = 0;
    for (int i = 0; i < 1000 && status != 0; i++) {
        struct timespec wait = {.tv_nsec = (1 + (i * 7919) % 97) * 200000L};
        pid_t child = fork ();
        if (child == 0)
            live (folder, LAST, segment_bytes);
        if (i < KILLS) { /* after that it may end */
            nanosleep (&wait, NULL);
            kill (child, SIGKILL);
        }
        CU_ASSERT_EQUAL_FATAL (waitpid (child, &status, 0), child);
        kills += WIFSIGNALED (status);
        failures += WIFEXITED (status) && WEXITSTATUS (status) != 0;
    }
    printf ("    (killed %d times)\n", kills);
    CHECK (status == 0 && failures == 0);
    for (size_t f = 0; f < KIT_FILES;
         f++) { /* as kit_check_rows, in one pass: rows come in order of their input */
        esp_buf bytes = kit_read (kit_path (folder, kit_files[f]));
        size_t at = 0;
        bool right = true;
        for (uint64_t n = 1; n <= LAST && right; n++) {
            char row[64];
            if (!kit_ends (n))
                continue;
            kit_row (n, f, row);
            right = span_starts (span_make (bytes.data + at, bytes.len - at), row);
            at += strlen (row);
        }
        CHECK (right && at == bytes.len);
        esp_buf_free (&bytes);
    }
}

static void killed_at_any_time_every_row_is_there_once (void)
{
    killed_at_any_time (1 << 30);
}

static void killed_while_segments_rotate_and_close_every_row_is_there_once (void)
{
    killed_at_any_time (20000);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"cut anywhere, the run goes on and every row is there once",
         cut_anywhere_the_run_goes_on_and_every_row_is_there_once},
        {"a torn tail of zeros or of text is cut", a_torn_tail_of_zeros_or_of_text_is_cut},
        {"a whole frame that does not belong there is damage",
         a_whole_frame_that_does_not_belong_there_is_damage},
        {"a cut before a later segment is damage", a_cut_before_a_later_segment_is_damage},
        {"a shorter segment before a later one is damage",
         a_shorter_segment_before_a_later_one_is_damage},
        {"a mark in the text of a torn input is no mark",
         a_mark_in_the_text_of_a_torn_input_is_no_mark},
        {"a flipped bit is damage unless it was never promised",
         a_flipped_bit_is_damage_unless_it_was_never_promised},
        {"a flipped bit in an older segment is damage",
         a_flipped_bit_in_an_older_segment_is_damage},
        {"a flipped bit in a closed run is damage up to the footer",
         a_flipped_bit_in_a_closed_run_is_damage_up_to_the_footer},
        {"a row file shorter than committed is damage, a longer one is cut",
         a_row_file_shorter_than_committed_is_damage_a_longer_one_is_cut},
        {"killed at any time, every row is there once", killed_at_any_time_every_row_is_there_once},
        {"killed while segments rotate and close, every row is there once",
         killed_while_segments_rotate_and_close_every_row_is_there_once},
        {NULL, NULL},
    };
    (void)!freopen ("/dev/null", "w", stderr); /* thousands of torn tails are said there */
    return suite_main ("journal_cut", cases);
}
