/* SPDX-License-Identifier: Apache-2.0 */
/* test_file.c - what proto/base/file.h promises */

#include "proto/base/file.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

static void given_path (char path[PATH_MAX], const char *name)
{
    PASS (esp_path_join (path, PATH_MAX, suite_folder (), name));
}

static bool exists (const char *path)
{
    struct stat info;
    return lstat (path, &info) == 0;
}

static void bad_calls_are_refused (void)
{
    esp_buf buf = {0};
    esp_error error = {0};
    FAILS (esp_file_read (NULL, 10, &buf, &error), ESP_EINVAL);
    FAILS (esp_file_read ("x", 10, NULL, NULL), ESP_EINVAL);
    FAILS (esp_file_write (NULL, span_of ("x"), 0600, &error), ESP_EINVAL);
    FAILS (esp_file_write ("", span_of ("x"), 0600, NULL), ESP_EINVAL);
    FAILS (esp_folder_make (NULL, &error), ESP_EINVAL);
    FAILS (esp_folder_make ("", NULL), ESP_EINVAL);
    FAILS (esp_folder_sync (NULL, &error), ESP_EINVAL);
    CHECK (error.code == ESP_EINVAL && error.text[0]);
}

static void failures_name_the_path_and_the_reason (void)
{
    char path[PATH_MAX];
    esp_buf buf = {0};
    esp_error error = {0};
    given_path (path, "nothing");
    FAILS (esp_file_read (path, 10, &buf, &error), ESP_ENOENT);
    CHECK (error.code == ESP_ENOENT);
    CHECK (span_starts (span_of (error.text), path));
    CHECK (strstr (error.text, "No such file or directory") != NULL);
    CHECK (buf.data == NULL);
    FAILS (esp_file_read (path, 10, &buf, NULL), ESP_ENOENT);
    FAILS (esp_folder_sync (path, &error), ESP_ENOENT);
    FAILS (esp_file_write ("/nonexistent/a/b", span_of ("x"), 0600, &error), ESP_ENOENT);
    CHECK (strstr (error.text, "/nonexistent/a/b") != NULL);
}

static void a_folder_is_not_a_file (void)
{
    esp_buf buf = {0};
    esp_error error = {0};
    const char *folder = suite_folder ();
    FAILS (esp_file_read (folder, 10, &buf, &error), ESP_EIO);
    CHECK (strstr (error.text, "Is a directory") != NULL);
    FAILS (esp_file_write (folder, span_of ("x"), 0600, &error), ESP_EIO);
    esp_buf_free (&buf);
}

static void what_was_written_is_read_back (void)
{
    char path[PATH_MAX], temp[PATH_MAX + 4];
    esp_buf big = {0}, back = {0};
    for (int i = 0; i < 300000; i++)
        PASS (esp_buf_append (&big, &(char){(char)i}, 1));
    given_path (path, "data");
    PASS (esp_file_write (path, esp_buf_span (&big), 0644, NULL));
    PASS (esp_buf_puts (&back, "before:"));
    PASS (esp_file_read (path, big.len, &back, NULL));
    CHECK (back.len == big.len + 7);
    CHECK (memcmp (back.data + 7, big.data, big.len) == 0);
    CHECK (back.data[back.len] == 0);
    snprintf (temp, sizeof (temp), "%s.tmp", path);
    CHECK (!exists (temp));
    esp_buf_free (&big);
    esp_buf_free (&back);
}

static void an_empty_file_reads_as_nothing (void)
{
    char path[PATH_MAX];
    esp_buf back = {0};
    given_path (path, "empty");
    PASS (esp_file_write (path, span_make (NULL, 0), 0644, NULL));
    PASS (esp_file_read (path, 0, &back, NULL));
    CHECK (back.len == 0);
    esp_buf_free (&back);
}

static void the_limit_is_exact_and_a_failed_read_changes_nothing (void)
{
    char path[PATH_MAX];
    esp_buf back = {0};
    esp_error error = {0};
    given_path (path, "six");
    PASS (esp_file_write (path, span_of ("sixsix"), 0644, NULL));
    PASS (esp_buf_puts (&back, "kept"));
    FAILS (esp_file_read (path, 5, &back, &error), ESP_ETOOBIG);
    CHECK (strstr (error.text, "5 bytes") != NULL);
    CHECK (strcmp (esp_buf_text (&back), "kept") == 0 && back.len == 4);
    FAILS (esp_file_read ("/dev/zero", 200000, &back, NULL), ESP_ETOOBIG);
    CHECK (strcmp (esp_buf_text (&back), "kept") == 0 && back.len == 4);
    PASS (esp_file_read (path, 6, &back, NULL));
    CHECK (strcmp (esp_buf_text (&back), "keptsixsix") == 0);
    PASS (esp_file_read (path, SIZE_MAX, &back, NULL));
    esp_buf_free (&back);
}

static void write_replaces_the_whole_file_with_its_mode (void)
{
    char path[PATH_MAX];
    esp_buf back = {0};
    struct stat info;
    mode_t mask = umask (022);
    given_path (path, "secret");
    PASS (esp_file_write (path, span_of ("a long first version"), 0644, NULL));
    PASS (esp_file_write (path, span_of ("second"), 0600, NULL));
    PASS (esp_file_read (path, 100, &back, NULL));
    CHECK (strcmp (esp_buf_text (&back), "second") == 0);
    CHECK (stat (path, &info) == 0 && (info.st_mode & 0777) == 0600);
    umask (mask);
    esp_buf_free (&back);
}

static void a_link_left_at_the_temporary_name_is_not_followed (void)
{
    char path[PATH_MAX], temp[PATH_MAX + 4], victim[PATH_MAX];
    esp_buf back = {0};
    given_path (path, "file");
    given_path (victim, "victim");
    PASS (esp_file_write (victim, span_of ("untouched"), 0644, NULL));
    snprintf (temp, sizeof (temp), "%s.tmp", path);
    CHECK (symlink (victim, temp) == 0);
    PASS (esp_file_write (path, span_of ("new"), 0644, NULL));
    PASS (esp_file_read (victim, 100, &back, NULL));
    CHECK (strcmp (esp_buf_text (&back), "untouched") == 0);
    CHECK (!exists (temp));
    esp_buf_free (&back);
}

static void a_failed_write_leaves_the_old_file_and_no_temporary (void)
{
    char path[PATH_MAX], temp[PATH_MAX + 4];
    esp_error error = {0};
    given_path (path, "folder");
    PASS (esp_folder_make (path, NULL)); /* rename of a file over a folder fails */
    FAILS (esp_file_write (path, span_of ("x"), 0644, &error), ESP_EIO);
    snprintf (temp, sizeof (temp), "%s.tmp", path);
    CHECK (!exists (temp));
    CHECK (exists (path));
    CHECK (span_starts (span_of (error.text), path));
}

static void a_path_without_a_folder_is_in_the_working_folder (void)
{
    char here[PATH_MAX];
    esp_buf back = {0};
    CHECK (getcwd (here, sizeof (here)) != NULL);
    CHECK (chdir (suite_folder ()) == 0);
    PASS (esp_file_write ("bare", span_of ("x"), 0644, NULL));
    PASS (esp_file_read ("./bare", 10, &back, NULL));
    PASS (esp_folder_make ("one/two", NULL));
    CHECK (exists ("one/two"));
    CHECK (chdir (here) == 0);
    esp_buf_free (&back);
}

static void folders_are_made_with_their_parents (void)
{
    char path[PATH_MAX], file[PATH_MAX];
    esp_error error = {0};
    given_path (path, "a//b/c/");
    PASS (esp_folder_make (path, &error));
    CHECK (exists (path));
    PASS (esp_folder_make (path, &error)); /* again: fine */
    PASS (esp_folder_make ("/", &error));
    PASS (esp_folder_sync (path, &error));
    PASS (esp_path_join (file, sizeof (file), path, "file"));
    PASS (esp_file_write (file, span_of ("x"), 0644, NULL));
    FAILS (esp_folder_make (file, &error), ESP_EEXIST);
    CHECK (strstr (error.text, "in the way") != NULL);
    PASS (esp_path_join (path, sizeof (path), file, "deeper"));
    FAILS (esp_folder_make (path, NULL), ESP_EEXIST);
}

static void paths_that_are_too_long_are_refused (void)
{
    static char path[2 * PATH_MAX];
    esp_buf buf = {0};
    memset (path, 'x', sizeof (path) - 1);
    FAILS (esp_file_write (path, span_of ("x"), 0644, NULL), ESP_ETOOBIG);
    FAILS (esp_folder_make (path, NULL), ESP_ETOOBIG);
    FAILS (esp_file_read (path, 1, &buf, NULL), ESP_ETOOBIG);
    path[300] = 0; /* over NAME_MAX */
    FAILS (esp_folder_make (path, NULL), ESP_ETOOBIG);
}

static void join_puts_one_slash_between (void)
{
    char out[8] = "keep";
    FAILS (esp_path_join (NULL, 8, "a", "b"), ESP_EINVAL);
    FAILS (esp_path_join (out, 8, NULL, "b"), ESP_EINVAL);
    FAILS (esp_path_join (out, 8, "a", NULL), ESP_EINVAL);
    FAILS (esp_path_join (out, 8, "abcd", "efg"), ESP_ETOOBIG);
    FAILS (esp_path_join (out, 8, "abcdefgh", ""), ESP_ETOOBIG);
    FAILS (esp_path_join (out, 0, "", ""), ESP_ETOOBIG);
    CHECK (strcmp (out, "keep") == 0);
    PASS (esp_path_join (out, 8, "abc", "efg"));
    CHECK (strcmp (out, "abc/efg") == 0);
    PASS (esp_path_join (out, 8, "/", "x"));
    CHECK (strcmp (out, "/x") == 0);
    PASS (esp_path_join (out, 8, "a/", "b"));
    CHECK (strcmp (out, "a/b") == 0);
    PASS (esp_path_join (out, 8, "", "b"));
    CHECK (strcmp (out, "b") == 0);
}

static void errnos_have_codes (void)
{
    CHECK (esp_err_of_errno (0) == ESP_OK);
    CHECK (esp_err_of_errno (ENOENT) == ESP_ENOENT);
    CHECK (esp_err_of_errno (EACCES) == ESP_EPERMISSION);
    CHECK (esp_err_of_errno (EROFS) == ESP_EPERMISSION);
    CHECK (esp_err_of_errno (ENOSPC) == ESP_ENOSPC);
    CHECK (esp_err_of_errno (EDQUOT) == ESP_ENOSPC);
    CHECK (esp_err_of_errno (EEXIST) == ESP_EEXIST);
    CHECK (esp_err_of_errno (ENOMEM) == ESP_ENOMEM);
    CHECK (esp_err_of_errno (EIO) == ESP_EIO);
    CHECK (esp_err_of_errno (12345) == ESP_EIO);
}

static void a_read_survives_failure_of_every_allocation (void)
{
    char path[PATH_MAX];
    esp_buf big = {0};
    esp_err err = ESP_ENOMEM;
    long n;
    given_path (path, "big");
    for (int i = 0; i < 200000; i++)
        PASS (esp_buf_puts (&big, "x"));
    PASS (esp_file_write (path, esp_buf_span (&big), 0644, NULL));
    esp_buf_free (&big);
    for (n = 0; err != ESP_OK && n < 100; n++) {
        esp_buf back = {0};
        esp_error error = {0};
        esp_alloc_fail_after (n);
        err = esp_file_read (path, 1 << 20, &back, &error);
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || (err == ESP_ENOMEM && back.len == 0 && error.text[0]));
        esp_buf_free (&back);
        CHECK (esp_alloc_live () == 0);
    }
    CHECK (err == ESP_OK && n > 2);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls are refused", bad_calls_are_refused},
        {"failures name the path and the reason", failures_name_the_path_and_the_reason},
        {"a folder is not a file", a_folder_is_not_a_file},
        {"what was written is read back", what_was_written_is_read_back},
        {"an empty file reads as nothing", an_empty_file_reads_as_nothing},
        {"the limit is exact, and a failed read changes nothing",
         the_limit_is_exact_and_a_failed_read_changes_nothing},
        {"write replaces the whole file, with its mode",
         write_replaces_the_whole_file_with_its_mode},
        {"a link left at the temporary name is not followed",
         a_link_left_at_the_temporary_name_is_not_followed},
        {"a failed write leaves the old file and no temporary",
         a_failed_write_leaves_the_old_file_and_no_temporary},
        {"a path without a folder is in the working folder",
         a_path_without_a_folder_is_in_the_working_folder},
        {"folders are made with their parents", folders_are_made_with_their_parents},
        {"paths that are too long are refused", paths_that_are_too_long_are_refused},
        {"join puts one slash between", join_puts_one_slash_between},
        {"errnos have codes", errnos_have_codes},
        {"a read survives failure of every allocation",
         a_read_survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("file", cases);
}
