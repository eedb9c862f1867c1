/* SPDX-License-Identifier: Apache-2.0 */
/* test_json_thin.c - what worker/prompt/json_thin.h promises */

#include "worker/prompt/json_thin.h"
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

static void becomes (const char *json, const char *thin)
{
    esp_buf out = {0};
    PASS (json_thin (span_of (json), "drop", "count", &out));
    CHECK (strcmp (esp_buf_text (&out), thin) == 0);
    if (strcmp (esp_buf_text (&out), thin) != 0)
        printf ("    %s: %s\n", json, esp_buf_text (&out));
    esp_buf_free (&out);
}

static void stays (const char *json)
{
    becomes (json, json);
}

static void lists_of_numbers_become_nothing_or_their_count (void)
{
    becomes ("{\"drop\":[1,2,3],\"a\":[1],\"count\":[4, 5],\"drop\" : [ ]}",
             "{\"drop\":[],\"a\":[1],\"count\":2,\"drop\" : []}");
    becomes ("[{\"count\":[]},{\"count\":[7]}]", "[{\"count\":0},{\"count\":1}]");
}

static void whatever_else_they_hold_they_stay (void)
{
    stays ("{\"drop\":[1,\"<cut>\"]}");
    stays ("{\"drop\":[[1]]}");
    stays ("{\"drop\":[-1]}");
    stays ("{\"count\":[null]}");
    stays ("{\"count\":null,\"drop\":7}");
}

static void names_inside_of_texts_are_texts (void)
{
    stays ("{\"text\":\"\\\"drop\\\":[1,2]\"}");
    stays ("{\"text\":\"x\\\\\",\"a\":\"drop\"}");
    becomes ("{\"text\":\"x\\\\\",\"drop\":[1]}", "{\"text\":\"x\\\\\",\"drop\":[]}");
}

static void broken_json_is_left_to_the_parser (void)
{
    stays ("");
    stays ("\"");
    stays ("{\"drop\"");
    stays ("{\"drop\":");
    stays ("{\"drop\":[");
    stays ("{\"drop\":[1,2");
    becomes ("{\"drop\":[1]x\"\\", "{\"drop\":[]x\"\\");
}

static void no_names_change_nothing (void)
{
    esp_buf out = {0};
    PASS (esp_buf_puts (&out, "a"));
    PASS (json_thin (span_of ("{\"drop\":[1]}"), NULL, NULL, &out));
    CHECK (strcmp (esp_buf_text (&out), "a{\"drop\":[1]}") == 0);
    esp_buf_free (&out);
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 100; n++) {
        esp_buf out = {0};
        esp_alloc_fail_after (n);
        err = json_thin (span_of ("{\"count\":[1]}"), "drop", "count", &out);
        esp_alloc_fail_after (-1);
        esp_buf_free (&out);
        CHECK (esp_alloc_live () == 0);
    }
    CHECK (err == ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"lists of numbers become nothing, or their count",
         lists_of_numbers_become_nothing_or_their_count},
        {"whatever else they hold, they stay", whatever_else_they_hold_they_stay},
        {"names inside of texts are texts", names_inside_of_texts_are_texts},
        {"broken JSON is left to the parser", broken_json_is_left_to_the_parser},
        {"no names change nothing", no_names_change_nothing},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("json_thin", cases);
}
