/* SPDX-License-Identifier: Apache-2.0 */
/* test_store.c - what worker/store.h promises */

#include "worker/store.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

static store *given_store (size_t limit)
{
    store *s = NULL;
    PASS (store_create (limit, &s));
    return s;
}

static bool holds (store *s, problem_key key)
{
    span json; /* looks at texts only: a look at the problem would count as use */
    return store_find_text (s, key, 1, &json, NULL);
}

static void keep (store *s, problem_key key)
{
    PASS (store_problem (s, key, span_of ("{}")));
    PASS (store_text (s, key, 1, span_of ("one"), 1));
}

static void bad_calls_change_nothing (void)
{
    store *s = given_store (0);
    span text = span_of ("as before");
    FAILS (store_create (0, NULL), ESP_EINVAL);
    FAILS (store_text (s, 1, 1, span_of ("a"), 1), ESP_ENOENT);
    CHECK (!store_find_problem (s, 1, &text) && !store_find_text (s, 1, 1, &text, NULL));
    CHECK (span_is (text, "as before") && store_bytes (s) == 0);
    store_destroy (s);
    store_destroy (NULL);
}

static void texts_come_back_as_they_were (void)
{
    store *s = given_store (0);
    char text[64];
    span got;
    for (problem_key key = 0; key < 40; key++) {
        PASS (store_problem (s, key << 32, span_of ("{\"id\":\"p\"}")));
        for (node_ref n = 1; n < 60; n++) {
            snprintf (text, sizeof (text), "%u of %u", n, (unsigned)key);
            PASS (store_text (s, key << 32, n * 3, span_of (text), 1));
        }
    }
    for (problem_key key = 0; key < 40; key++) {
        CHECK (store_find_problem (s, key << 32, &got) && span_is (got, "{\"id\":\"p\"}"));
        for (node_ref n = 1; n < 60; n++) {
            snprintf (text, sizeof (text), "%u of %u", n, (unsigned)key);
            CHECK (store_find_text (s, key << 32, n * 3, &got, NULL) && span_is (got, text));
        }
        CHECK (!store_find_text (s, key << 32, 1, &got, NULL));
        CHECK (!store_find_text (s, key << 32, NODE_NONE, &got, NULL));
    }
    store_destroy (s);
}

static void what_is_there_stays_as_it_is (void)
{
    store *s = given_store (0);
    size_t bytes;
    span got;
    keep (s, 1);
    bytes = store_bytes (s);
    PASS (store_problem (s, 1, span_of ("{other}")));
    PASS (store_text (s, 1, 1, span_of ("other"), 1));
    PASS (store_text (s, 1, NODE_ROOT, span_of ("the root has no text"), 1));
    CHECK (store_find_problem (s, 1, &got) && span_is (got, "{}"));
    CHECK (store_find_text (s, 1, 1, &got, NULL) && span_is (got, "one"));
    CHECK (!store_find_text (s, 1, NODE_ROOT, &got, NULL));
    CHECK (store_bytes (s) == bytes);
    store_destroy (s);
}

static void the_least_recently_used_problem_goes_first (void)
{
    store *s = given_store (0);
    size_t one;
    span got;
    keep (s, 1);
    one = store_bytes (s);
    store_destroy (s);
    s = given_store (3 * one);
    for (problem_key key = 1; key <= 3; key++)
        keep (s, key);
    CHECK (store_find_problem (s, 1, &got)); /* now 2 is the oldest */
    keep (s, 4);
    CHECK (holds (s, 1) && !holds (s, 2) && holds (s, 3) && holds (s, 4));
    CHECK (store_bytes (s) <= 3 * one);
    keep (s, 2);
    CHECK (!holds (s, 3) && holds (s, 2));
    store_destroy (s);
}

static void a_pinned_problem_stays_over_the_limit (void)
{
    store *s = given_store (1); /* too little for anything */
    span text, again;
    keep (s, 1);
    CHECK (holds (s, 1)); /* what was just put in stays */
    store_pin (s, 1);
    store_pin (s, 1);
    CHECK (store_find_text (s, 1, 1, &text, NULL));
    for (problem_key key = 2; key < 50; key++)
        keep (s, key);
    CHECK (store_find_text (s, 1, 1, &again, NULL) && again.ptr == text.ptr &&
           span_is (text, "one"));
    CHECK (!holds (s, 48) && holds (s, 49));
    store_unpin (s, 1);
    keep (s, 50);
    CHECK (holds (s, 1));
    store_unpin (s, 1);
    keep (s, 51);
    CHECK (!holds (s, 1) && holds (s, 51));
    store_destroy (s);
}

static void thousands_of_problems_come_and_go (void)
{
    store *s = given_store (200000);
    for (problem_key key = 0; key < 5000; key++) {
        keep (s, key);
        CHECK (holds (s, key) && store_bytes (s) <= 200000);
    }
    CHECK (!holds (s, 0));
    store_destroy (s);
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 200; n++) {
        store *s = NULL;
        span got;
        esp_alloc_fail_after (n);
        err = store_create (0, &s);
        for (problem_key key = 0; err == ESP_OK && key < 20; key++) {
            err = store_problem (s, key, span_of ("{}"));
            for (node_ref i = 1; err == ESP_OK && i < 20; i++)
                if ((err = store_text (s, key, i, span_of ("text"), 1)) != ESP_OK)
                    CHECK (!store_find_text (s, key, i, &got, NULL));
        }
        esp_alloc_fail_after (-1);
        store_destroy (s);
        CHECK (esp_alloc_live () == 0);
    }
    CHECK (err == ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls change nothing", bad_calls_change_nothing},
        {"texts come back as they were", texts_come_back_as_they_were},
        {"what is there stays as it is", what_is_there_stays_as_it_is},
        {"the least recently used problem goes first", the_least_recently_used_problem_goes_first},
        {"a pinned problem stays, over the limit too", a_pinned_problem_stays_over_the_limit},
        {"thousands of problems come and go", thousands_of_problems_come_and_go},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("store", cases);
}
