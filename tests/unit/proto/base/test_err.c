/* SPDX-License-Identifier: Apache-2.0 */
/* test_err.c - what proto/base/err.h promises */

#include "proto/base/err.h"
#include <string.h>
#include "proto/base/text.h"
#include "tests/support/suite.h"

static void no_error_struct_is_fine (void)
{
    FAILS (esp_error_set (NULL, ESP_EIO, "%s", "nobody reads this"), ESP_EIO);
}

static void every_code_has_a_text_and_a_name (void)
{
    CHECK (strcmp (esp_err_text (ESP_OK), "ok") == 0);
    CHECK (strcmp (esp_err_text (ESP_ENOMEM), "out of memory") == 0);
    CHECK (strcmp (esp_err_name (ESP_ENOMEM), "ENOMEM") == 0);
    CHECK (strcmp (esp_err_name (ESP_EPERMISSION), "EPERMISSION") == 0);
    for (int i = ESP_OK; i <= ESP_ECONTEXT; i++) {
        CHECK (strcmp (esp_err_text ((esp_err)i), "unknown error") != 0);
        CHECK (strcmp (esp_err_name ((esp_err)i), "EOTHER") != 0);
    }
}

static void a_number_outside_the_list_is_an_unknown_error (void)
{
    CHECK (strcmp (esp_err_text ((esp_err)(ESP_ECONTEXT + 1)), "unknown error") == 0);
    CHECK (strcmp (esp_err_text ((esp_err)9999), "unknown error") == 0);
    CHECK (strcmp (esp_err_name ((esp_err)9999), "EOTHER") == 0);
}

static void set_fills_code_and_sentence (void)
{
    esp_error error = {0};
    FAILS (esp_error_set (&error, ESP_ENOENT, "%s:%d: no such file", "run.yaml", 7), ESP_ENOENT);
    CHECK (error.code == ESP_ENOENT);
    CHECK (strcmp (error.text, "run.yaml:7: no such file") == 0);
}

static void a_text_may_wrap_the_one_that_is_there (void)
{
    esp_error error = {0};
    esp_error_set (&error, ESP_EIO, "disk is full");
    esp_error_set (&error, error.code, "while writing: %s", error.text);
    CHECK (strcmp (error.text, "while writing: disk is full") == 0);
}

static void control_bytes_and_broken_utf8_become_question_marks (void)
{
    esp_error error = {0};
    esp_error_set (&error, ESP_EFORMAT, "%s", "a\x1b[2Jb\nc\td\x7f");
    CHECK (strcmp (error.text, "a?[2Jb?c?d?") == 0);
    esp_error_set (&error, ESP_EFORMAT, "%s",
                   "\x9b"
                   "31m \xC2\x9b gr\xC3\xBC\xC3\x9F \xF0\x9F\x8C\xB2");
    CHECK (strcmp (error.text, "?31m ?? gr\xC3\xBC\xC3\x9F \xF0\x9F\x8C\xB2") == 0);
}

static void a_long_text_is_cut_between_characters (void)
{
    esp_error error = {0};
    char text[1000];
    for (size_t shift = 0; shift < 4; shift++) {
        memset (text, 'x', shift);
        for (size_t i = shift; i + 4 < sizeof (text); i += 4)
            memcpy (text + i, "\xF0\x9F\x8C\xB2", 5);
        esp_error_set (&error, ESP_ETOOBIG, "%s", text);
        CHECK (strlen (error.text) > sizeof (error.text) - 5);
        CHECK (esp_utf8_valid (span_of (error.text)));
        CHECK (strchr (error.text, '?') == NULL);
        CHECK (strncmp (error.text, text, strlen (error.text)) == 0);
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"no error struct is fine", no_error_struct_is_fine},
        {"every code has a text and a name", every_code_has_a_text_and_a_name},
        {"a number outside the list is an unknown error",
         a_number_outside_the_list_is_an_unknown_error},
        {"set fills code and sentence", set_fills_code_and_sentence},
        {"a text may wrap the one that is there", a_text_may_wrap_the_one_that_is_there},
        {"control bytes and broken UTF-8 become question marks",
         control_bytes_and_broken_utf8_become_question_marks},
        {"a long text is cut between characters", a_long_text_is_cut_between_characters},
        {NULL, NULL},
    };
    return suite_main ("err", cases);
}
