/* SPDX-License-Identifier: Apache-2.0 */
/* test_log.c - what proto/base/log.h promises
 *
 * stderr of the process is put aside and read back from a file.
 */

#include "proto/base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/file.h"
#include "tests/support/suite.h"

enum { LIMIT = 1 << 24 };

static char stderr_path[4096];
static int real_stderr = -1;

static void given_caught_stderr (void)
{
    int file;
    PASS (esp_path_join (stderr_path, sizeof (stderr_path), suite_folder (), "stderr"));
    file = open (stderr_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    fflush (stderr);
    real_stderr = dup (STDERR_FILENO);
    dup2 (file, STDERR_FILENO);
    close (file);
}

/* Puts stderr back; the caller frees *out. */
static void caught (esp_buf *out)
{
    dup2 (real_stderr, STDERR_FILENO);
    close (real_stderr);
    PASS (esp_file_read (stderr_path, LIMIT, out, NULL));
}

static bool matches (span text, const char *pattern)
{
    regex_t regex;
    char copy[8192];
    bool hit;
    snprintf (copy, sizeof (copy), "%.*s", (int)text.len, text.ptr);
    if (regcomp (&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    hit = regexec (&regex, copy, 0, NULL, 0) == 0;
    regfree (&regex);
    return hit;
}

static void a_path_that_cannot_be_opened_leaves_stderr (void)
{
    esp_buf seen = {0};
    given_caught_stderr ();
    FAILS (esp_log_open (1, LOG_INFO, "/nonexistent/folder/log", LOG_DEBUG), ESP_EIO);
    esp_log (LOG_INFO, "TEST-STILL", "here");
    esp_log_close ();
    caught (&seen);
    CHECK (matches (esp_buf_span (&seen), "TEST-STILL rank=1 here\n$"));
    esp_buf_free (&seen);
}

static void a_line_has_time_level_id_rank_and_text (void)
{
    esp_buf seen = {0};
    given_caught_stderr ();
    PASS (esp_log_open (3, LOG_INFO, NULL, LOG_DEBUG));
    esp_log (LOG_WARN, "DISPATCH-LEASE-EXPIRED", "task %s went to rank %d", "12.7", 2);
    esp_log_close ();
    caught (&seen);
    CHECK (matches (esp_buf_span (&seen),
                    "^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{3}Z "
                    "warn  DISPATCH-LEASE-EXPIRED rank=3 task 12.7 went to rank 2\n$"));
    esp_buf_free (&seen);
}

static void a_negative_rank_is_left_out (void)
{
    esp_buf seen = {0};
    given_caught_stderr ();
    PASS (esp_log_open (-1, LOG_INFO, NULL, LOG_DEBUG));
    esp_log (LOG_ERROR, "TEST-ALONE", "text");
    caught (&seen);
    CHECK (matches (esp_buf_span (&seen), "Z error TEST-ALONE text\n$"));
    esp_buf_free (&seen);
}

static void each_end_has_its_own_level (void)
{
    esp_buf seen = {0}, file = {0};
    char path[4096];
    given_caught_stderr ();
    PASS (esp_path_join (path, sizeof (path), suite_folder (), "log"));
    PASS (esp_log_open (0, LOG_WARN, path, LOG_INFO));
    esp_log (LOG_ERROR, "TEST-A", "1");
    esp_log (LOG_WARN, "TEST-B", "2");
    esp_log (LOG_INFO, "TEST-C", "3");
    esp_log (LOG_DEBUG, "TEST-D", "4");
    esp_log_close ();
    esp_log (LOG_ERROR, "TEST-E", "5");
    caught (&seen);
    PASS (esp_file_read (path, LIMIT, &file, NULL));
    CHECK (span_count (esp_buf_span (&seen), span_of ("\n")) == 3);
    CHECK (span_count (esp_buf_span (&file), span_of ("\n")) == 3);
    CHECK (matches (esp_buf_span (&seen), "TEST-A .*\n.*TEST-B .*\n.*TEST-E"));
    CHECK (matches (esp_buf_span (&file), "TEST-A .*\n.*TEST-B .*\n.*TEST-C"));
    esp_buf_free (&seen);
    esp_buf_free (&file);
}

static void a_file_is_appended_to (void)
{
    esp_buf file = {0};
    char path[4096];
    PASS (esp_path_join (path, sizeof (path), suite_folder (), "log"));
    PASS (esp_file_write (path, span_of ("old\n"), 0600, NULL));
    PASS (esp_log_open (0, LOG_ERROR, path, LOG_INFO));
    esp_log (LOG_INFO, "TEST-NEW", "line");
    esp_log_close ();
    PASS (esp_file_read (path, LIMIT, &file, NULL));
    CHECK (span_starts (esp_buf_span (&file), "old\n2"));
    CHECK (span_ends (esp_buf_span (&file), "TEST-NEW rank=0 line\n"));
    esp_buf_free (&file);
}

static void control_bytes_cannot_forge_a_line (void)
{
    esp_buf seen = {0};
    given_caught_stderr ();
    PASS (esp_log_open (-1, LOG_INFO, NULL, LOG_DEBUG));
    esp_log (LOG_INFO, "TEST-EVIL", "%s", "a\nb\rc\x1b[0m\xFF gr\xC3\xBC\xC3\x9F");
    caught (&seen);
    CHECK (span_ends (esp_buf_span (&seen), "TEST-EVIL a?b?c?[0m? gr\xC3\xBC\xC3\x9F\n"));
    CHECK (span_count (esp_buf_span (&seen), span_of ("\n")) == 1);
    esp_buf_free (&seen);
}

static void a_long_text_is_cut_to_one_line (void)
{
    static char text[100000];
    esp_buf seen = {0};
    for (size_t i = 0; i + 3 < sizeof (text); i += 3)
        memcpy (text + i, "\xE2\x82\xAC", 4); /* the euro sign */
    given_caught_stderr ();
    esp_log (LOG_INFO, "TEST-LONG", "%s", text);
    esp_log (LOG_INFO, "TEST-NEXT", "%s", "short");
    caught (&seen);
    CHECK (span_count (esp_buf_span (&seen), span_of ("\n")) == 2);
    CHECK (span_find (esp_buf_span (&seen), span_of ("\n")) > 2000);
    CHECK (span_find (esp_buf_span (&seen), span_of ("\n")) < 4096);
    CHECK (esp_utf8_valid (esp_buf_span (&seen)));
    CHECK (span_count (esp_buf_span (&seen), span_of ("?")) == 0);
    esp_buf_free (&seen);
}

static void a_long_id_leaves_room_for_the_text (void)
{
    esp_buf seen = {0};
    char id[1000];
    memset (id, 'X', sizeof (id));
    id[sizeof (id) - 1] = 0;
    given_caught_stderr ();
    PASS (esp_log_open (2147483647, LOG_INFO, NULL, LOG_DEBUG));
    esp_log (LOG_INFO, id, "text");
    caught (&seen);
    CHECK (span_ends (esp_buf_span (&seen), "XXX rank=2147483647 text\n"));
    esp_buf_free (&seen);
}

static void step_aside (void *ctx)
{
    (void)ctx;
    CHECK (write (STDERR_FILENO, "<", 1) == 1);
}

static void step_back (void *ctx)
{
    CHECK (write (STDERR_FILENO, ctx, 1) == 1);
}

static void a_progress_line_may_step_aside (void)
{
    static char end[] = ">";
    esp_buf seen = {0};
    given_caught_stderr ();
    PASS (esp_log_open (-1, LOG_INFO, NULL, LOG_DEBUG));
    esp_log_around (step_aside, step_back, end);
    esp_log (LOG_INFO, "TEST-AROUND", "1");
    esp_log (LOG_DEBUG, "TEST-AROUND", "not shown");
    esp_log_around (NULL, NULL, NULL);
    esp_log (LOG_INFO, "TEST-AROUND", "2");
    caught (&seen);
    CHECK (matches (esp_buf_span (&seen), "^<2.*AROUND 1\n>2.*AROUND 2\n$"));
    esp_buf_free (&seen);
}

static void a_line_that_cannot_be_written_is_counted (void)
{
    unsigned long before = esp_log_dropped ();
    if (access ("/dev/full", W_OK) != 0)
        return; /* not a Linux /dev: nothing to test with */
    PASS (esp_log_open (0, LOG_ERROR, "/dev/full", LOG_INFO));
    errno = 77;
    esp_log (LOG_INFO, "TEST-FULL", "lost");
    CHECK (errno == 77); /* a log call may stand between a failure and its errno */
    esp_log_close ();
    CHECK (esp_log_dropped () == before + 1);
}

static void *log_many (void *name)
{
    for (int i = 0; i < 500; i++)
        esp_log (LOG_INFO, "TEST-MANY", "%s%s%s end", (char *)name, (char *)name, (char *)name);
    return NULL;
}

static void threads_do_not_mix_inside_a_line (void)
{
    static char names[4][2] = {"a", "b", "c", "d"};
    pthread_t threads[4];
    esp_buf seen = {0};
    size_t whole = 0;
    given_caught_stderr ();
    PASS (esp_log_open (-1, LOG_INFO, NULL, LOG_DEBUG));
    for (int i = 0; i < 4; i++)
        pthread_create (&threads[i], NULL, log_many, names[i]);
    for (int i = 0; i < 4; i++)
        pthread_join (threads[i], NULL);
    caught (&seen);
    whole += span_count (esp_buf_span (&seen), span_of ("Z info  TEST-MANY aaa end\n2"));
    whole += span_count (esp_buf_span (&seen), span_of ("Z info  TEST-MANY bbb end\n2"));
    whole += span_count (esp_buf_span (&seen), span_of ("Z info  TEST-MANY ccc end\n2"));
    whole += span_count (esp_buf_span (&seen), span_of ("Z info  TEST-MANY ddd end\n2"));
    CHECK (whole == 4 * 500 - 1); /* the last line has no line behind it */
    CHECK (span_count (esp_buf_span (&seen), span_of ("\n")) == 4 * 500);
    esp_buf_free (&seen);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a path that cannot be opened leaves stderr", a_path_that_cannot_be_opened_leaves_stderr},
        {"a line has time, level, id, rank and text", a_line_has_time_level_id_rank_and_text},
        {"a negative rank is left out", a_negative_rank_is_left_out},
        {"each end has its own level", each_end_has_its_own_level},
        {"a file is appended to", a_file_is_appended_to},
        {"control bytes cannot forge a line", control_bytes_cannot_forge_a_line},
        {"a long text is cut to one line", a_long_text_is_cut_to_one_line},
        {"a long id leaves room for the text", a_long_id_leaves_room_for_the_text},
        {"a progress line may step aside", a_progress_line_may_step_aside},
        {"a line that cannot be written is counted", a_line_that_cannot_be_written_is_counted},
        {"threads do not mix inside a line", threads_do_not_mix_inside_a_line},
        {NULL, NULL},
    };
    return suite_main ("log", cases);
}
