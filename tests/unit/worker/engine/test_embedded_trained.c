/* SPDX-License-Identifier: Apache-2.0 */
/* test_embedded_trained.c - files of weights: read, refused, used */

#include "worker/engine/embedded_trained.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"
#include "worker/engine/embedded_model.h"

static puzzle *given_puzzle (const char *json)
{
    puzzle *p = NULL;
    PASS (puzzle_create (span_of (json), &p, NULL));
    return p;
}

static void refused (const char *json, esp_err code, const char *word)
{
    embedded_trained *t = NULL;
    esp_error error = {0};
    FAILS (embedded_trained_read (span_of (json), "w.json", &t, &error), code);
    CHECK (t == NULL && strncmp (error.text, "w.json: ", 8) == 0);
    if (!strstr (error.text, word))
        printf ("    not in the message: %s: %s\n", word, error.text);
    CHECK (strstr (error.text, word) != NULL);
}

/* A network for 2 left: one layer, all 0 but the weight of feature `input` and the bias. */
static span one_layer (esp_buf *out, size_t input, double weight, double bias)
{
    esp_buf_clear (out);
    PASS (esp_buf_puts (out,
                        "{\"format\": \"espalier puzzle values\", \"version\": 1, \"networks\": "
                        "[{\"left\": 2, \"features\": \"numbers\", \"units\": [], \"layers\": [["));
    for (size_t i = 0; i < 26; i++)
        PASS (esp_buf_printf (out, "%g, ", i == input ? weight : 0));
    PASS (esp_buf_printf (out, "%g]]}]}", bias));
    return esp_buf_span (out);
}

static void a_layer_is_a_weighted_sum (void)
{
    esp_buf text = {0};
    embedded_trained *t = NULL;
    puzzle *p = given_puzzle ("{\"numbers\": [1, 2, 3], \"target\": 6}");
    PASS (embedded_trained_read (one_layer (&text, 9, 3, 0.5), "w.json", &t, NULL));
    CU_ASSERT_EQUAL (embedded_trained_value (t, p), embedded_value_of (p)); /* 3 left: no network */
    CU_ASSERT_EQUAL (puzzle_read (p, span_of ("1 + 2 = 3 (left: 3 3)")), PUZZLE_FINE);
    /* feature 9: the larger number over the target */
    CU_ASSERT_DOUBLE_EQUAL (embedded_trained_value (t, p), 1 / (1 + exp (-(3 * 0.5 + 0.5))), 1e-15);
    embedded_trained_destroy (t);
    PASS (embedded_trained_read (one_layer (&text, 9, 0, 1000000), "w.json", &t, NULL));
    CU_ASSERT_EQUAL (embedded_trained_value (t, p), 0.999);
    CU_ASSERT_EQUAL (puzzle_read (p, span_of ("3 + 3 = 6 (left: 6)")), PUZZLE_FINE);
    CU_ASSERT_EQUAL (embedded_trained_value (t, p), 0.999);
    embedded_trained_destroy (t);
    esp_buf_free (&text);
    puzzle_destroy (p);
}

static void hidden_units_are_rectified (void)
{
    esp_buf text = {0};
    embedded_trained *t = NULL;
    puzzle *p = given_puzzle ("{\"numbers\": [1, 2, 3], \"target\": 6}");
    CU_ASSERT_EQUAL (puzzle_read (p, span_of ("1 + 2 = 3 (left: 3 3)")), PUZZLE_FINE);
    PASS (esp_buf_puts (
        &text, "{\"format\": \"espalier puzzle values\", \"version\": 1, \"networks\": "
               "[{\"left\": 2, \"features\": \"numbers\", \"units\": [2], \"layers\": [["));
    for (size_t i = 0; i < 26 * 2; i++)
        PASS (esp_buf_printf (&text, "%d, ", i == 0 ? 2 : i == 1 ? -2 : 0)); /* first number: 0.5 */
    PASS (esp_buf_puts (&text, "0, 0], [1, 100, 0.25]]}]}"));
    PASS (embedded_trained_read (esp_buf_span (&text), "w.json", &t, NULL));
    CU_ASSERT_DOUBLE_EQUAL (embedded_trained_value (t, p), 1 / (1 + exp (-(1 + 0.25))), 1e-15);
    embedded_trained_destroy (t);
    esp_buf_free (&text);
    puzzle_destroy (p);
}

#define HEAD "{\"format\": \"espalier puzzle values\", \"version\": 1, \"networks\": "

static void other_files_are_refused_with_a_sentence (void)
{
    esp_buf text = {0};
    refused ("", ESP_EFORMAT, "line");
    refused ("[1, 2", ESP_EFORMAT, "line 1");
    refused ("{}", ESP_EFORMAT, "format");
    refused ("{\"format\": \"other\"}", ESP_EFORMAT, "format");
    refused ("{\"format\": \"espalier puzzle values\", \"version\": 2}", ESP_EVERSION, "version");
    refused (HEAD "[]}", ESP_EFORMAT, "networks");
    refused (HEAD "[7]}", ESP_EFORMAT, "left");
    refused (HEAD "[{\"left\": 6}]}", ESP_EFORMAT, "left");
    refused (HEAD "[{\"left\": 2, \"features\": \"pairs\"}]}", ESP_EFORMAT, "features");
    refused (HEAD "[{\"left\": 3, \"features\": \"pairs\"}]}", ESP_EFORMAT, "for 3 left: `layers`");
    refused (HEAD "[{\"left\": 3, \"features\": \"pairs\", \"units\": [], \"layers\": []}]}",
             ESP_EFORMAT, "1 to 4");
    refused (HEAD "[{\"left\": 3, \"features\": \"pairs\", \"units\": [0], \"layers\": [[], []]}]}",
             ESP_EFORMAT, "`units`");
    refused (HEAD
             "[{\"left\": 3, \"features\": \"pairs\", \"units\": [257], \"layers\": [[], []]}]}",
             ESP_EFORMAT, "1 to 256");
    refused (HEAD "[{\"left\": 3, \"features\": \"pairs\", \"units\": [], \"layers\": [[1]]}]}",
             ESP_EFORMAT, "inputs");
    (void)one_layer (&text, 1, 2000000, 0);
    refused (esp_buf_text (&text), ESP_EFORMAT, "weight");
    memcpy (strstr (text.data, "2e+06"), "null ", 5);
    refused (esp_buf_text (&text), ESP_EFORMAT, "weight");
    esp_buf_free (&text);
}

static void the_same_count_twice_is_refused (void)
{
    esp_buf one = {0}, two = {0};
    const char *network;
    (void)one_layer (&one, 0, 1, 0);
    network = strstr (esp_buf_text (&one), "[{") + 1;
    PASS (esp_buf_printf (&two, HEAD "[%.*s, %s", (int)(strlen (network) - 2), network, network));
    refused (esp_buf_text (&two), ESP_EFORMAT, "twice");
    esp_buf_free (&one);
    esp_buf_free (&two);
}

static void a_huge_file_is_refused_unread (void)
{
    embedded_trained *t = NULL;
    esp_error error = {0};
    FAILS (embedded_trained_read (span_make ("", (size_t)EMBEDDED_TRAINED_BYTES + 1), "w.json", &t,
                                  &error),
           ESP_ETOOBIG);
    CHECK (strstr (error.text, "w.json") != NULL);
}

/* States of Game of 24, a target that was not trained on. */
static void the_built_in_weights_tell_good_states_from_bad_ones (void)
{
    static const struct {
        const char *steps[2];
        bool good;
    } rows[] = {{{"13 - 9 = 4 (left: 4 4 10)", "10 - 4 = 6 (left: 4 6)"}, true},
                {{"13 * 10 = 130 (left: 4 9 130)", "130 * 9 = 1170 (left: 4 1170)"}, false},
                {{"13 - 10 = 3 (left: 3 4 9)", "9 / 4 = 9/4 (left: 9/4 3)"}, false}};
    embedded_trained *t = NULL;
    PASS (embedded_trained_built_in (&t, NULL));
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        puzzle *p = given_puzzle ("{\"numbers\": [4, 9, 10, 13], \"target\": 24}");
        for (size_t k = 0; k < 2; k++)
            CU_ASSERT_EQUAL (puzzle_read (p, span_of (rows[i].steps[k])), PUZZLE_FINE);
        if (rows[i].good)
            CHECK (embedded_trained_value (t, p) > 0.05);
        else
            CHECK (embedded_trained_value (t, p) < 0.01);
        puzzle_destroy (p);
    }
    embedded_trained_destroy (t);
}

static void survives_failure_of_every_allocation (void)
{
    esp_buf text = {0};
    esp_err err = ESP_ENOMEM;
    span json = one_layer (&text, 1, 1, 1);
    long live = esp_alloc_live ();
    for (long n = 0; err != ESP_OK && n < 20; n++) {
        embedded_trained *t = NULL;
        esp_alloc_fail_after (n);
        err = embedded_trained_read (json, "w.json", &t, NULL);
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || (err == ESP_ENOMEM && t == NULL));
        embedded_trained_destroy (t);
        CU_ASSERT_EQUAL (esp_alloc_live (), live);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
    esp_buf_free (&text);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a layer is a weighted sum", a_layer_is_a_weighted_sum},
        {"hidden units are rectified", hidden_units_are_rectified},
        {"other files are refused with a sentence", other_files_are_refused_with_a_sentence},
        {"the same count twice is refused", the_same_count_twice_is_refused},
        {"a huge file is refused unread", a_huge_file_is_refused_unread},
        {"the built-in weights tell good states from bad ones",
         the_built_in_weights_tell_good_states_from_bad_ones},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("embedded_trained", cases);
}
