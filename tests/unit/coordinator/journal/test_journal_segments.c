/* SPDX-License-Identifier: Apache-2.0 */
/* test_journal_segments.c - rotation, closing, epochs, and walks over all of it */

// LINK: PkgConfig::ZSTD

#include <zstd.h>
#include "proto/base/hash.h"
#include "tests/unit/coordinator/journal/journal_kit.h"

enum { MANY = 12 * 40 }; /* inputs: 160 problems, all end */

static const char *closed_path (const char *folder, unsigned number)
{
    char name[64];
    (void)snprintf (name, sizeof (name), "journal/00/closed/%06u.log.zst", number);
    return kit_path (folder, name);
}

static journal_options tiny_segments (int keep)
{
    journal_options options = kit_options ();
    options.segment_bytes = 2500;
    options.keep = keep;
    return options;
}

static size_t count_segments (const char *folder, enum journal_place place)
{
    uint32_t *numbers = NULL;
    size_t count = 0;
    PASS (journal_segment_list (folder, place, &numbers, &count, NULL));
    esp_free (numbers);
    return count;
}

static uint64_t walk_all (const char *folder, kit_seen *seen)
{
    *seen = (kit_seen){0};
    PASS (journal_walk (folder, UINT64_MAX, kit_visit, seen, NULL));
    CHECK (seen->wrong == 0);
    return seen->inputs;
}

static void finished_segments_move_to_closed_and_resume_does_not_read_them (void)
{
    const char *folder = suite_folder ();
    journal_options options = tiny_segments (1);
    kit_seen seen = {0};
    journal *j = kit_create (folder, &options);
    size_t open, closed;
    PASS (kit_drive (j, 1, MANY, 8));
    journal_close (j);
    open = count_segments (folder, JOURNAL_OPEN);
    closed = count_segments (folder, JOURNAL_CLOSED);
    CHECK (closed > 5 && open < 5);
    CHECK (walk_all (folder, &seen) == MANY && seen.last == MANY);
    CHECK (seen.hashes == MANY / 5 && seen.others > 2 * (open + closed));
    for (unsigned i = 1; i <= closed; i++) /* garbage there is not seen by resume */
        if (kit_exists (closed_path (folder, i)))
            kit_write (closed_path (folder, i), span_of ("garbage"));
    PASS (kit_resume (folder, &options, &seen, &j, NULL));
    CHECK (journal_durable (j) == MANY && seen.inputs == 0 && seen.wrong == 0);
    journal_close (j);
    kit_check_rows (folder, MANY);
    FAILS (journal_walk (folder, UINT64_MAX, kit_visit, &seen, NULL), ESP_EDAMAGE);
}

static void with_keep_open_finished_segments_are_deleted (void)
{
    const char *folder = suite_folder ();
    journal_options options = tiny_segments (0);
    kit_seen seen = {0};
    journal *j = kit_create (folder, &options);
    PASS (kit_drive (j, 1, MANY, 8));
    journal_close (j);
    CHECK (count_segments (folder, JOURNAL_CLOSED) == 0 &&
           count_segments (folder, JOURNAL_OPEN) < 5);
    PASS (kit_resume (folder, &options, &seen, &j, NULL));
    CHECK (journal_durable (j) == MANY);
    PASS (kit_go_on (j, &seen, MANY + 24, 8));
    journal_close (j);
    kit_check_rows (folder, MANY + 24);
    PASS (journal_walk (folder, UINT64_MAX, kit_visit, &seen, NULL));
}

/* One problem stays open from the first segment on: only the segments it is in stay. */
static void an_open_problem_keeps_only_its_own_segments (void)
{
    const char *folder = suite_folder ();
    journal_options options = tiny_segments (1);
    kit_seen seen = {0};
    journal *j = kit_create (folder, &options);
    char text[64];
    for (uint64_t n = 1; n <= MANY; n++) {
        input in = kit_input (n, text);
        PASS (journal_input (j, &in, NULL));
        if (kit_ends (n) && kit_problem (n) != 2) /* its rows never come */
            PASS (kit_rows (j, n));
        if (n % 8 == 0)
            PASS (journal_sync (j));
    }
    journal_close (j);
    CHECK (kit_exists (kit_segment (folder, 1)) && !kit_exists (closed_path (folder, 1)));
    CHECK (kit_exists (closed_path (folder, 3)) && !kit_exists (kit_segment (folder, 3)));
    PASS (kit_resume (folder, &options, &seen, &j, NULL));
    CHECK (seen.inputs == 3 && seen.wrong == 0 && seen.ended_count == 1 && seen.ended[0] == 11);
    PASS (kit_rows (j, 11));
    journal_close (j);
    kit_check_rows (folder, MANY);
}

static void a_lost_segment_is_damage (void)
{
    const char *folder = suite_folder ();
    journal_options options = tiny_segments (1);
    kit_seen seen = {0};
    esp_error error = {0};
    journal *j = kit_create (folder, &options);
    char text[64];
    for (uint64_t n = 1; n <= 120; n++) { /* nothing ends: all segments stay open */
        input in = kit_input (n, text);
        PASS (journal_input (j, &in, NULL));
        PASS (journal_sync (j));
    }
    journal_close (j);
    CHECK (count_segments (folder, JOURNAL_OPEN) > 3);
    CHECK (unlink (kit_segment (folder, 2)) == 0);
    FAILS (kit_resume (folder, &options, &seen, &j, &error), ESP_EDAMAGE);
    CHECK (strstr (error.text, "missing") != NULL);
}

static void unpack (const char *from, const char *to)
{
    static char bytes[1 << 20];
    esp_buf packed = kit_read (from);
    ZSTD_DCtx *zstd = ZSTD_createDCtx ();
    size_t len = ZSTD_decompressDCtx (zstd, bytes, sizeof (bytes), packed.data, packed.len);
    CU_ASSERT_FALSE_FATAL (ZSTD_isError (len));
    kit_write (to, span_make (bytes, len));
    ZSTD_freeDCtx (zstd);
    esp_buf_free (&packed);
}

static void closing_goes_on_at_the_next_start (void)
{
    const char *folder = suite_folder (), *copy = suite_folder ();
    journal_options options = tiny_segments (1);
    kit_seen seen = {0};
    journal *j = kit_create (folder, &options);
    PASS (kit_drive (j, 1, 48, 1));
    for (unsigned i = 1; i <= 9; i++) /* a kill right after the header that says closed */
        if (kit_exists (closed_path (folder, i)))
            CHECK (!kit_exists (kit_segment (folder, i)));
    journal_close (j);
    kit_copy_run (folder, copy, 99);
    for (unsigned i = 1; i < 99; i++) { /* as if they had not moved yet, or been half way */
        if (kit_exists (closed_path (folder, i)))
            unpack (closed_path (folder, i), kit_segment (copy, i));
        kit_write (kit_path (copy, "journal/00/closed/000001.log.zst.tmp"), span_of ("half"));
    }
    CHECK (count_segments (copy, JOURNAL_CLOSED) == 0);
    PASS (kit_resume (copy, &options, &seen, &j, NULL));
    CHECK (seen.inputs == 0);
    journal_close (j);
    CHECK (count_segments (copy, JOURNAL_CLOSED) >= count_segments (folder, JOURNAL_CLOSED));
    CHECK (count_segments (copy, JOURNAL_CLOSED_TEMP) == 0);
    CHECK (walk_all (copy, &seen) == 48);
}

static void a_walk_works_while_the_run_writes (void)
{
    const char *folder = suite_folder ();
    journal_options options = tiny_segments (1);
    kit_seen seen = {0};
    journal *j = kit_create (folder, &options);
    uint64_t durable;
    for (uint64_t n = 1; n <= 4 * MANY; n += 12) {
        PASS (kit_drive (j, n, n + 11, 0));
        durable = journal_durable (j);
        CHECK (walk_all (folder, &seen) >= durable);
    }
    PASS (journal_sync (j));
    CHECK (walk_all (folder, &seen) == 4 * MANY);
    journal_close (j);
}

static void a_walk_can_look_at_one_problem (void)
{
    const char *folder = suite_folder ();
    journal_options options = tiny_segments (1);
    kit_seen seen = {0};
    journal *j = kit_create (folder, &options);
    PASS (kit_drive (j, 1, 60, 6));
    PASS (journal_walk (folder, 6, kit_visit, &seen, NULL));
    CHECK (seen.inputs == 3 && seen.last == 23 && seen.wrong == 0 && seen.commits == 1 &&
           seen.others > 0);  /* the headers */
    CHECK (seen.hashes == 1); /* behind input 15 */
    seen = (kit_seen){.stop_with = ESP_ECANCELED};
    FAILS (journal_walk (folder, UINT64_MAX, kit_visit, &seen, NULL), ESP_ECANCELED);
    CHECK (seen.inputs == 3);
    journal_close (j);
}

static void a_walk_says_damage_in_the_middle_and_ends_quietly_in_the_tail (void)
{
    const char *live = suite_folder (), *dead = suite_folder ();
    journal_options options = kit_options ();
    kit_seen seen = {0};
    journal *j = kit_create (live, &options);
    esp_buf bytes;
    PASS (kit_drive (j, 1, 24, 4));
    kit_copy_run (live, dead, 1);
    journal_close (j);
    bytes = kit_read (kit_segment (dead, 1));
    kit_write (kit_segment (dead, 1), span_make (bytes.data, bytes.len - 30));
    CHECK (walk_all (dead, &seen) >= 20);
    bytes.data[bytes.len / 2] ^= 4;
    kit_write (kit_segment (dead, 1), esp_buf_span (&bytes));
    FAILS (journal_walk (dead, UINT64_MAX, kit_visit, &seen, NULL), ESP_EDAMAGE);
    esp_buf_free (&bytes);
}

/* An old coordinator, still alive on a node that was cut off, holds its segment open and goes on writing. */
static void what_an_older_epoch_writes_later_is_ignored (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    kit_seen seen = {0};
    journal *j = kit_create (folder, &options);
    esp_buf late = {0}, old;
    wire_codec *codec = NULL;
    char text[64];
    int held;
    PASS (kit_drive (j, 1, 16, 0));
    journal_close (j);
    held = open (kit_segment (folder, 1), O_WRONLY | O_APPEND);
    PASS (kit_resume (folder, &options, &seen, &j, NULL));
    PASS (kit_go_on (j, &seen, 20, 0));
    journal_close (j);
    PASS (wire_codec_create (&codec));
    for (uint64_t n = 17; n < 30; n++) { /* other inputs under the same numbers */
        record r = {.kind = RECORD_INPUT, .number = n};
        r.u.input = kit_input (n + 12, text);
        PASS (journal_frame_add (codec, &r, &late));
    }
    wire_codec_destroy (codec);
    old = kit_read (kit_segment (folder, 1));
    CHECK (write (held, late.data, late.len) == (ssize_t)late.len); /* by its descriptor */
    PASS (esp_buf_add (&old, esp_buf_span (&late)));
    kit_write (kit_segment (folder, 1), esp_buf_span (&old)); /* and by the name */
    close (held);
    PASS (kit_resume (folder, &options, &seen, &j, NULL));
    CHECK (seen.wrong == 0 && seen.last == 20 && journal_durable (j) == 20);
    PASS (kit_go_on (j, &seen, 24, 0));
    journal_close (j);
    kit_check_rows (folder, 24);
    CHECK (walk_all (folder, &seen) == 24);
    esp_buf_free (&old);
    esp_buf_free (&late);
}

/* After a kill the segment is replaced when the run goes on: the old process notices with its next batch. */
static void an_old_process_that_is_still_alive_stops_itself (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    kit_seen seen = {0};
    esp_error error = {0};
    journal *old = kit_create (folder, &options), *j = NULL;
    PASS (kit_drive (old, 1, 16, 4));
    CHECK (unlink (kit_path (folder, "journal/lock")) == 0); /* a file system that lost the lock */
    PASS (kit_resume (folder, &options, &seen, &j, NULL));
    FAILS (kit_drive (old, 17, 20, 1), ESP_ECONFLICT);
    CHECK (journal_durable (old) == 16);
    CHECK (journal_failure (old, &error) == ESP_ECONFLICT &&
           strstr (error.text, "another process") != NULL);
    PASS (kit_go_on (j, &seen, 24, 0));
    journal_close (old);
    journal_close (j);
    kit_check_rows (folder, 24);
}

static void a_segment_of_another_run_is_refused (void)
{
    const char *a = suite_folder (), *b = suite_folder ();
    journal_options options = kit_options ();
    kit_seen seen = {0};
    esp_error error = {0};
    journal *j = kit_create (a, &options);
    PASS (kit_drive (j, 1, 16, 0));
    journal_close (j);
    PASS (kit_resume (a, &options, &seen, &j, NULL));
    journal_close (j);
    j = kit_create (b, &options);
    PASS (kit_drive (j, 1, 16, 0));
    journal_close (j);
    kit_copy_file (kit_segment (b, 1), kit_segment (a, 1));
    FAILS (kit_resume (a, &options, &seen, &j, &error), ESP_EDAMAGE);
    CHECK (strstr (error.text, "another run") != NULL);
    FAILS (journal_walk (a, UINT64_MAX, kit_visit, &seen, NULL), ESP_EDAMAGE);
    kit_copy_file (kit_segment (b, 1), kit_segment (a, 7)); /* under a wrong name */
    FAILS (kit_resume (a, &options, &seen, &j, &error), ESP_EDAMAGE);
    CHECK (strstr (error.text, "000007.log") != NULL);
}

static void other_files_in_the_folder_do_no_harm (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    kit_seen seen = {0};
    journal *j = kit_create (folder, &options);
    PASS (kit_drive (j, 1, 16, 0));
    journal_close (j);
    kit_write (kit_path (folder, "journal/00/README"), span_of ("x"));
    kit_write (kit_path (folder, "journal/00/2.log"), span_of ("x"));
    kit_write (kit_path (folder, "journal/00/000000.log"), span_of ("x"));
    kit_write (kit_path (folder, "journal/00/000002.log~"), span_of ("x"));
    kit_write (kit_path (folder, "journal/00/99999999999.log"), span_of ("x"));
    kit_write (kit_path (folder, "journal/00/000002.log.tmp"),
               span_of ("x")); /* a kill while a segment was made */
    PASS (kit_resume (folder, &options, &seen, &j, NULL));
    CHECK (!kit_exists (kit_path (folder, "journal/00/000002.log.tmp")));
    journal_close (j);
}

/* The first `from` in the header of segment 1 becomes `to`, of the same length; the checksum is right. */
static void change_header (const char *folder, const char *from, const char *to)
{
    esp_buf bytes = kit_read (kit_segment (folder, 1));
    char *head = bytes.data + JOURNAL_FRAME_HEAD, *at;
    size_t body = (size_t)(unsigned char)bytes.data[0] | (size_t)(unsigned char)bytes.data[1] << 8;
    uint32_t crc;
    CU_ASSERT_FATAL ((at = memmem (head, body, from, strlen (from))) != NULL);
    memcpy (at, to, strlen (to));
    crc = esp_crc32c (0, head, body);
    for (int i = 0; i < 4; i++)
        bytes.data[4 + i] = (char)(crc >> (8 * i));
    kit_write (kit_segment (folder, 1), esp_buf_span (&bytes));
    esp_buf_free (&bytes);
}

static void another_format_is_refused_and_its_writer_named (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    kit_seen seen = {0};
    esp_error error = {0};
    record_header header;
    esp_buf memory = {0};
    journal *j = kit_create (folder, &options);
    PASS (kit_drive (j, 1, 4, 0));
    journal_close (j);
    change_header (folder, "\x08\x02\x11", "\x08\x03\x11"); /* Header.format, tag of run_id */
    FAILS (kit_resume (folder, &options, &seen, &j, &error), ESP_EVERSION);
    CHECK (strstr (error.text, "000001.log: written by espalier test (journal format 3); this is "
                               "espalier " ESP_VERSION
                               " (format 2): use that version or newer to resume") != NULL);
    FAILS (journal_peek (folder, &header, &memory, &error), ESP_EVERSION);
    FAILS (journal_walk (folder, UINT64_MAX, kit_visit, &seen, &error), ESP_EVERSION);
    change_header (folder, "espalier test", "espalier\x1b[2Jt");
    FAILS (journal_peek (folder, &header, &memory, &error), ESP_EVERSION);
    CHECK (strstr (error.text, "written by another version (journal format 3)") != NULL);
    esp_buf_free (&memory);
}

static void a_journal_of_the_first_format_goes_on (void)
{
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    kit_seen seen = {0};
    journal *j = kit_create (folder, &options);
    PASS (kit_drive (j, 1, 16, 0));
    journal_close (j);
    change_header (folder, "\x08\x02\x11", "\x08\x01\x11");
    PASS (kit_resume (folder, &options, &seen, &j, NULL));
    CHECK (seen.wrong == 0 && seen.last == 16);
    PASS (kit_go_on (j, &seen, 24, 0));
    journal_close (j);
    kit_check_rows (folder, 24);
    CHECK (walk_all (folder, &seen) == 24);
}

/* ---- deaths ---- */

struct deaths {
    size_t count, tasks, alone;
    uint64_t number; /* of the last */
    task_id last;
};

static esp_err count_deaths (void *ctx, const record *r)
{
    struct deaths *d = ctx;
    if (r->kind != RECORD_DEATH)
        return ESP_OK;
    d->count++;
    d->tasks += r->u.death.task_count;
    d->alone += r->u.death.alone;
    d->number = r->number;
    d->last = r->u.death.tasks[r->u.death.task_count - 1];
    return ESP_OK;
}

static struct deaths
deaths_of_resume (const char *folder, const journal_options *options, journal **j)
{
    journal_run run = kit_run ();
    struct deaths d = {0};
    const key_range *finished;
    size_t count;
    PASS (journal_resume (folder, options, &run, kit_files, KIT_FILES, count_deaths, &d, &finished,
                          &count, j, NULL));
    return d;
}

static void deaths_come_back_in_every_later_start (void)
{
    static const task_id both[] = {{0, 1}, {2, 7}}, one = {2, 7};
    const char *folder = suite_folder ();
    journal_options options = kit_options ();
    journal *j = kit_create (folder, &options);
    struct deaths d;
    FAILS (journal_death (j, 1, false, both, 0), ESP_EINVAL);
    FAILS (journal_death (j, 1, true, both, 2), ESP_EINVAL);
    FAILS (journal_death (NULL, 1, true, &one, 1), ESP_EINVAL);
    PASS (kit_drive (j, 1, 3, 0)); /* three problems were opened */
    PASS (journal_death (j, 1, false, both, 2));
    journal_close (j);
    d = deaths_of_resume (folder, &options, &j);
    CHECK (d.count == 1 && d.tasks == 2 && d.alone == 0 && d.number == 3);
    PASS (journal_sync (j));
    PASS (journal_death (j, 2, true, &one, 1)); /* the only record of its batch */
    PASS (journal_sync (j));
    journal_close (j);
    d = deaths_of_resume (folder, &options, &j);
    CHECK (d.count == 2 && d.tasks == 3 && d.alone == 1);
    CHECK (d.last.problem == 2 && d.last.number == 7 && journal_durable (j) == 3);
    journal_close (j);
}

/* Problem 2 stays open; of the segments it has no input in, the one with its task at a death stays too. */
static void a_segment_with_a_death_of_an_open_problem_stays (void)
{
    static const task_id lost = {2, 7};
    const char *folder = suite_folder ();
    journal_options options = tiny_segments (1);
    journal *j = kit_create (folder, &options);
    char text[64];
    struct deaths d;
    for (uint64_t n = 1; n <= MANY; n++) {
        input in = kit_input (n, text);
        PASS (journal_input (j, &in, NULL));
        if (kit_ends (n) && kit_problem (n) != 2)
            PASS (kit_rows (j, n));
        if (n == MANY / 2)
            PASS (journal_death (j, 1, true, &lost, 1));
        if (n % 8 == 0)
            PASS (journal_sync (j));
    }
    journal_close (j);
    for (int start = 0; start < 3; start++) {
        d = deaths_of_resume (folder, &options, &j);
        CHECK (d.count == 1 && d.last.problem == 2 && d.number == MANY / 2);
        journal_close (j);
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"finished segments move to closed/ and resume does not read them",
         finished_segments_move_to_closed_and_resume_does_not_read_them},
        {"with keep: open, finished segments are deleted",
         with_keep_open_finished_segments_are_deleted},
        {"an open problem keeps only its own segments",
         an_open_problem_keeps_only_its_own_segments},
        {"a lost segment is damage", a_lost_segment_is_damage},
        {"closing goes on at the next start", closing_goes_on_at_the_next_start},
        {"a walk works while the run writes", a_walk_works_while_the_run_writes},
        {"a walk can look at one problem", a_walk_can_look_at_one_problem},
        {"a walk says damage in the middle and ends quietly in the tail",
         a_walk_says_damage_in_the_middle_and_ends_quietly_in_the_tail},
        {"what an older epoch writes later is ignored",
         what_an_older_epoch_writes_later_is_ignored},
        {"an old process that is still alive stops itself",
         an_old_process_that_is_still_alive_stops_itself},
        {"a segment of another run is refused", a_segment_of_another_run_is_refused},
        {"other files in the folder do no harm", other_files_in_the_folder_do_no_harm},
        {"another format is refused, and its writer named",
         another_format_is_refused_and_its_writer_named},
        {"a journal of the first format goes on", a_journal_of_the_first_format_goes_on},
        {"deaths come back in every later start", deaths_come_back_in_every_later_start},
        {"a segment with a death of an open problem stays",
         a_segment_with_a_death_of_an_open_problem_stays},
        {NULL, NULL},
    };
    (void)!freopen ("/dev/null", "w", stderr);
    return suite_main ("journal_segments", cases);
}
