/* SPDX-License-Identifier: Apache-2.0 */
/* test_text.c - what proto/base/text.h promises */

#include "proto/base/text.h"
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/rng.h"
#include "tests/support/suite.h"

static const span none = {NULL, 0};

static void null_and_empty_spans_work_everywhere (void)
{
    CHECK (span_of (NULL).len == 0);
    CHECK (span_equal (none, span_of ("")));
    CHECK (span_is (none, "") && span_is (none, NULL) && !span_is (none, "a"));
    CHECK (span_starts (none, "") && span_starts (none, NULL) && !span_starts (none, "a"));
    CHECK (span_ends (none, "") && span_ends (none, NULL) && !span_ends (none, "a"));
    CHECK (span_compare (none, span_of ("")) == 0 && span_compare (none, span_of ("a")) < 0);
    CHECK (span_trim (none).len == 0);
    CHECK (span_find (none, none) == 0 && span_find (none, span_of ("a")) == 0);
    CHECK (span_find_last (none, none) == 0 && span_find_last (none, span_of ("a")) == 0);
    CHECK (span_count (none, none) == 0 && span_count (none, span_of ("a")) == 0);
    CHECK (esp_utf8_valid (none) && esp_utf8_cut (none, 0).len == 0);
    esp_buf_free (NULL);
}

static void spans_compare_by_bytes_then_length (void)
{
    CHECK (span_equal (span_make ("a\0b", 3), span_make ("a\0b", 3)));
    CHECK (!span_equal (span_make ("a\0b", 3), span_make ("a\0c", 3)));
    CHECK (span_compare (span_of ("a"), span_of ("ab")) < 0);
    CHECK (span_compare (span_of ("b"), span_of ("ab")) > 0);
    CHECK (span_compare (span_of ("\xC3"), span_of ("z")) > 0); /* bytes are unsigned */
    CHECK (span_compare (span_of ("ab"), span_of ("ab")) == 0);
    CHECK (span_starts (span_of ("step"), "st") && !span_starts (span_of ("st"), "step"));
    CHECK (span_ends (span_of ("step"), "ep") && !span_ends (span_of ("ep"), "step"));
}

static void trim_takes_white_space_from_both_ends (void)
{
    CHECK (span_is (span_trim (span_of (" \t\r\n\v\f a b \n")), "a b"));
    CHECK (span_is (span_trim (span_of (" \n ")), ""));
    CHECK (span_is (span_trim (span_of ("\xC2\xA0")), "\xC2\xA0"));
}

static void finding_and_counting (void)
{
    span text = span_of ("ab\n\ncd\n\n");
    CHECK (span_find (text, span_of ("\n\n")) == 2);
    CHECK (span_find_last (text, span_of ("\n\n")) == 6);
    CHECK (span_find (text, span_of ("x")) == text.len);
    CHECK (span_find_last (text, span_of ("x")) == text.len);
    CHECK (span_find (text, none) == 0 && span_find_last (text, none) == text.len);
    CHECK (span_find (span_of ("a"), text) == 1);
    CHECK (span_count (text, span_of ("\n\n")) == 2);
    CHECK (span_count (span_of ("aaaaa"), span_of ("aa")) == 2); /* they do not overlap */
    CHECK (span_count (span_of ("\n\n\n"), span_of ("\n\n")) == 1);
    CHECK (span_find (span_make ("a\0b", 3), span_make ("\0b", 2)) == 1);
}

static void a_buffer_keeps_a_0_behind_its_bytes (void)
{
    esp_buf buf = {0};
    CHECK (strcmp (esp_buf_text (&buf), "") == 0);
    CHECK (esp_buf_span (&buf).ptr != NULL);
    esp_buf_clear (&buf);
    PASS (esp_buf_append (&buf, NULL, 0));
    PASS (esp_buf_puts (&buf, NULL));
    CHECK (buf.data == NULL);
    for (size_t i = 0; i < 100; i++) {
        PASS (esp_buf_add (&buf, span_make ("x\0", 2)));
        CHECK (buf.len == 2 * i + 2 && buf.len < buf.cap && buf.data[buf.len] == 0);
    }
    esp_buf_clear (&buf);
    CHECK (buf.len == 0 && strcmp (esp_buf_text (&buf), "") == 0);
    PASS (esp_buf_reserve (&buf, 1000));
    CHECK (buf.cap > 1000 && buf.len == 0);
    esp_buf_free (&buf);
    CHECK (buf.data == NULL && buf.len == 0 && buf.cap == 0);
    PASS (esp_buf_puts (&buf, "again"));
    CHECK (strcmp (esp_buf_text (&buf), "again") == 0);
    esp_buf_free (&buf);
}

static void sizes_that_overflow_are_out_of_memory (void)
{
    esp_buf buf = {0};
    PASS (esp_buf_puts (&buf, "kept"));
    FAILS (esp_buf_reserve (&buf, SIZE_MAX), ESP_ENOMEM);
    FAILS (esp_buf_reserve (&buf, SIZE_MAX - 4), ESP_ENOMEM);
    FAILS (esp_buf_reserve (&buf, SIZE_MAX - 6), ESP_ENOMEM);
    CHECK (strcmp (esp_buf_text (&buf), "kept") == 0 && buf.len == 4);
    esp_buf_free (&buf);
}

static void printf_appends_short_and_long (void)
{
    esp_buf buf = {0};
    PASS (esp_buf_printf (&buf, "%s", ""));
    PASS (esp_buf_printf (&buf, "%d-%s", 7, "a"));
    CHECK (strcmp (esp_buf_text (&buf), "7-a") == 0);
    PASS (esp_buf_printf (&buf, "%5000d", 1));
    CHECK (buf.len == 5003 && buf.data[5002] == '1' && buf.data[5003] == 0);
    esp_buf_free (&buf);
}

static void check_json (span text, const char *expected)
{
    esp_buf buf = {0};
    PASS (esp_buf_json_string (&buf, text));
    CHECK (strcmp (esp_buf_text (&buf), expected) == 0);
    esp_buf_free (&buf);
}

static void json_strings_escape_what_they_must (void)
{
    check_json (none, "\"\"");
    check_json (span_of ("plain"), "\"plain\"");
    check_json (span_of ("\"\\/\b\f\n\r\t"), "\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
    check_json (span_make ("a\0b\x1f\x7f", 5), "\"a\\u0000b\\u001f\x7f\"");
    check_json (span_of ("\\boxed{\xC3\xBC}"), "\"\\\\boxed{\xC3\xBC}\"");
    check_json (span_of ("\n\xF0\x9F\x8C\xB2\n"), "\"\\n\xF0\x9F\x8C\xB2\\n\"");
}

#define FFFD "\xEF\xBF\xBD"

static void json_strings_are_always_utf8 (void)
{
    check_json (span_of ("\xFF"), "\"" FFFD "\"");
    check_json (span_of ("a\xC3"), "\"a" FFFD "\"");
    check_json (span_of ("\xED\xA0\x80z"), "\"" FFFD FFFD FFFD "z\""); /* a surrogate */
    check_json (span_of ("\xC0\xAF"), "\"" FFFD FFFD "\"");            /* an overlong slash */
    for (uint64_t round = 0; round < 2000; round++) {
        char bytes[24];
        esp_buf buf = {0};
        for (uint64_t i = 0; i < sizeof (bytes); i++)
            bytes[i] = (char)(esp_draw_bits (round, i) & (round % 2 ? 0xFF : 0xBF));
        PASS (esp_buf_json_string (&buf, span_make (bytes, sizeof (bytes))));
        CHECK (esp_utf8_valid (esp_buf_span (&buf)));
        for (size_t i = 0; i < buf.len; i++)
            CHECK ((unsigned char)buf.data[i] >= 0x20);
        esp_buf_free (&buf);
    }
}

static void check_double (double value, const char *expected)
{
    esp_buf buf = {0};
    PASS (esp_buf_json_double (&buf, value));
    CHECK (strcmp (esp_buf_text (&buf), expected) == 0);
    esp_buf_free (&buf);
}

static void doubles_are_short_and_stay_floats (void)
{
    check_double (0.0, "0.0");
    check_double (-0.0, "-0.0");
    check_double (3.0, "3.0");
    check_double (-17.0, "-17.0");
    check_double (0.1, "0.1");
    check_double (0.1 + 0.2, "0.30000000000000004");
    check_double (0.4838273841559258, "0.4838273841559258");
    check_double (1e15, "1e+15");
    check_double (123456789012345.0, "123456789012345.0");
    check_double (1e22, "1e+22");
    check_double (5e-324, "4.94065645841247e-324");
    check_double (DBL_MAX, "1.7976931348623157e+308");
    check_double (HUGE_VAL, "null");
    check_double (-HUGE_VAL, "null");
    check_double ((double)NAN, "null");
}

static void doubles_read_back_equal (void)
{
    esp_buf buf = {0};
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t bits = esp_draw_bits (5, i);
        double value, back;
        memcpy (&value, &bits, sizeof (value));
        if (i % 2)
            value = esp_draw_unit (5, i);
        if (!isfinite (value))
            continue;
        esp_buf_clear (&buf);
        PASS (esp_buf_json_double (&buf, value));
        back = strtod (esp_buf_text (&buf), NULL);
        CHECK (back == value);
        CHECK (buf.len <= 24);
    }
    esp_buf_free (&buf);
}

static void doubles_do_not_follow_the_locale (void)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "ps_AF.UTF-8"};
    for (size_t i = 0; i < sizeof (names) / sizeof (names[0]); i++) {
        if (!setlocale (LC_ALL, names[i]))
            continue; /* not installed here */
        check_double (0.5, "0.5");
        check_double (1.5e300, "1.5e+300");
        check_double (3.0, "3.0");
    }
    setlocale (LC_ALL, "C");
}

static void utf8_is_valid_or_not (void)
{
    static const char *const good[] = {"",
                                       "ascii",
                                       "\xC2\x80",
                                       "\xDF\xBF",
                                       "\xE0\xA0\x80",
                                       "\xED\x9F\xBF",
                                       "\xEE\x80\x80",
                                       "\xEF\xBF\xBF",
                                       "\xF0\x90\x80\x80",
                                       "\xF4\x8F\xBF\xBF"};
    static const char *const bad[] = {"\x80",
                                      "\xBF",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xC2",
                                      "\xC2z",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xED\xBF\xBF",
                                      "\xE2\x82",
                                      "\xE2\x82z",
                                      "\xE2z\x82",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xF0\x9F\x8C",
                                      "\xFE",
                                      "\xFF",
                                      "ok\xC3"};
    for (size_t i = 0; i < sizeof (good) / sizeof (good[0]); i++)
        CHECK (esp_utf8_valid (span_of (good[i])));
    for (size_t i = 0; i < sizeof (bad) / sizeof (bad[0]); i++)
        CHECK (!esp_utf8_valid (span_of (bad[i])));
    CHECK (esp_utf8_valid (span_make ("\0", 1)));
}

static void a_cut_never_splits_a_sequence (void)
{
    span text = span_of ("a\xC3\xBC\xE2\x82\xAC\xF0\x9F\x8C\xB2z"); /* 1 + 2 + 3 + 4 + 1 bytes */
    static const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
    for (size_t max = 0; max < sizeof (expected) / sizeof (expected[0]); max++)
        CHECK (esp_utf8_cut (text, max).len == expected[max]);
    CHECK (esp_utf8_cut (span_of ("\x80\x80\x80\x80\x80"), 3).len == 3); /* nothing to keep whole */
    CHECK (esp_utf8_cut (span_of ("a\xE2\x82\x82\x82"), 4).len == 4);
    CHECK (esp_utf8_cut (span_of ("abc\xF0\x9F"), 4).len == 4);
}

static void scrub_keeps_the_length (void)
{
    char text[] = "a\n\x1b\x7f\x80\xC2\x85\xC3\xBC\xE2\x82";
    esp_text_scrub (text);
    CHECK (strcmp (text, "a??????\xC3\xBC??") == 0);
}

static void the_nearest_word_is_found (void)
{
    static const char *const keys[] = {"keep", "expand", "max_steps", "aggregate", "n", NULL};
    static const char *const nothing[] = {NULL};
    CHECK (esp_nearest (NULL, keys) == NULL);
    CHECK (esp_nearest ("", keys) == NULL);
    CHECK (esp_nearest ("keep", NULL) == NULL);
    CHECK (esp_nearest ("keep", nothing) == NULL);
    CHECK (esp_nearest ("keep", keys) == keys[0]);
    CHECK (esp_nearest ("kep", keys) == keys[0]);   /* a letter is missing */
    CHECK (esp_nearest ("keeep", keys) == keys[0]); /* one too many */
    CHECK (esp_nearest ("kaxp", keys) == NULL);     /* two replaced: over 1 of 4 letters */
    CHECK (esp_nearest ("kepe", keys) == keys[0]);  /* neighbours swapped: one mistake */
    CHECK (esp_nearest ("expnad", keys) == keys[1]);
    CHECK (esp_nearest ("maxsteps", keys) == keys[2]);
    CHECK (esp_nearest ("max-step", keys) == keys[2]); /* two mistakes in 8 letters */
    CHECK (esp_nearest ("aggrgat", keys) == keys[3]);
    CHECK (esp_nearest ("temperature", keys) == NULL);
    CHECK (esp_nearest ("max_s", keys) == keys[2]); /* its beginning */
    CHECK (esp_nearest ("max_", keys) == NULL);     /* too little of it */
}

static void hostile_words_get_no_suggestion (void)
{
    char word[1000];
    const char *keys[] = {"keep", word, NULL};
    memset (word, 'k', sizeof (word) - 1);
    word[sizeof (word) - 1] = 0;
    CHECK (esp_nearest (word, keys) == NULL);
    CHECK (esp_nearest ("kee", keys) == keys[0]);
}

static esp_err build (esp_buf *buf)
{
    esp_err err = esp_buf_puts (buf, "x");
    for (int i = 0; err == ESP_OK && i < 30; i++) {
        size_t before = buf->len;
        err = esp_buf_json_string (buf, span_of ("text \n with \xFF escapes"));
        if (err == ESP_OK)
            err = esp_buf_json_double (buf, 1.0 / (i + 1));
        if (err == ESP_OK)
            err = esp_buf_printf (buf, "%d", i);
        CHECK (buf->data[buf->len] == 0 && buf->len >= before);
    }
    return err;
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    long n;
    for (n = 0; err != ESP_OK && n < 100; n++) {
        esp_buf buf = {0};
        esp_alloc_fail_after (n);
        err = build (&buf);
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        CHECK (buf.len == strlen (esp_buf_text (&buf)));
        esp_buf_free (&buf);
        CHECK (esp_alloc_live () == 0);
    }
    CHECK (err == ESP_OK && n > 4);
}

static void a_json_string_that_fails_leaves_nothing (void)
{
    esp_buf buf = {0};
    PASS (esp_buf_puts (&buf, "0123456789"));
    esp_alloc_fail_after (0);
    FAILS (esp_buf_json_string (&buf, span_of ("a\nb\nc\nd")), ESP_ENOMEM);
    esp_alloc_fail_after (-1);
    CHECK (strcmp (esp_buf_text (&buf), "0123456789") == 0 && buf.len == 10);
    esp_buf_free (&buf);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"NULL and empty spans work everywhere", null_and_empty_spans_work_everywhere},
        {"spans compare by bytes, then length", spans_compare_by_bytes_then_length},
        {"trim takes white space from both ends", trim_takes_white_space_from_both_ends},
        {"finding and counting see every byte", finding_and_counting},
        {"a buffer keeps a 0 behind its bytes", a_buffer_keeps_a_0_behind_its_bytes},
        {"sizes that overflow are out of memory", sizes_that_overflow_are_out_of_memory},
        {"printf appends short and long texts", printf_appends_short_and_long},
        {"JSON strings escape what they must", json_strings_escape_what_they_must},
        {"JSON strings are always UTF-8", json_strings_are_always_utf8},
        {"doubles are short and stay floats", doubles_are_short_and_stay_floats},
        {"doubles read back equal", doubles_read_back_equal},
        {"doubles do not follow the locale", doubles_do_not_follow_the_locale},
        {"UTF-8 is valid or not, as RFC 3629 says", utf8_is_valid_or_not},
        {"a cut never splits a sequence", a_cut_never_splits_a_sequence},
        {"scrub keeps the length", scrub_keeps_the_length},
        {"the nearest word is found", the_nearest_word_is_found},
        {"hostile words get no suggestion", hostile_words_get_no_suggestion},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {"a JSON string that fails leaves nothing", a_json_string_that_fails_leaves_nothing},
        {NULL, NULL},
    };
    return suite_main ("text", cases);
}
