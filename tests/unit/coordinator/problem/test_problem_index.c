/* SPDX-License-Identifier: Apache-2.0 */
/* test_problem_index.c - what coordinator/problem/problem_index.h promises */

#include "coordinator/problem/problem_index.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "tests/support/suite.h"

static problem_index *given_index (uint32_t count)
{
    problem_index *x = NULL;
    PASS (problem_index_create (&x));
    for (uint32_t i = 0; i < count; i++)
        PASS (problem_index_add (x, i % 1000 * 0x9e3779b97f4a7c15u, i * 10));
    return x;
}

static void bad_calls_are_refused (void)
{
    problem_index *x = NULL;
    FAILS (problem_index_create (NULL), ESP_EINVAL);
    FAILS (problem_index_load ("/nowhere/problems.idx", &x, NULL), ESP_ENOENT);
    problem_index_destroy (NULL);
    CHECK (x == NULL);
}

static void every_problem_with_a_hash_is_found (void)
{
    problem_index *x = given_index (5000);
    for (uint64_t h = 0; h < 1000; h++) {
        uint64_t cursor = 0;
        uint32_t number = 0, found = 0;
        while (problem_index_find (x, h * 0x9e3779b97f4a7c15u, &cursor, &number)) {
            CU_ASSERT_EQUAL (number % 1000, h);
            found++;
        }
        CU_ASSERT_EQUAL (found, 5);
    }
    CHECK (!problem_index_find (x, 12345, &(uint64_t){0}, &(uint32_t){0}));
    problem_index_scanned (x);
    CHECK (!problem_index_find (x, 0, &(uint64_t){0}, &(uint32_t){0}));
    PASS (problem_index_prepare (x));
    CHECK (problem_index_find (x, 0, &(uint64_t){0}, &(uint32_t){0}));
    problem_index_destroy (x);
}

static void a_saved_index_comes_back (void)
{
    char path[600];
    problem_index *x = given_index (3000), *y = NULL;
    esp_error error = {0};
    PASS (esp_path_join (path, sizeof (path), suite_folder (), "problems.idx"));
    *problem_index_mark (x) = (index_mark){1, 2, 3, 4, 5, 6, 1, 0};
    PASS (problem_index_save (x, path, &error));
    PASS (problem_index_load (path, &y, &error));
    CU_ASSERT_EQUAL (problem_index_count (y), 3000);
    CHECK (memcmp (problem_index_mark (x), problem_index_mark (y), sizeof (index_mark)) == 0);
    for (uint32_t i = 0; i < 3000; i++) {
        CU_ASSERT_EQUAL (problem_index_offset (y, i), i * 10);
        CU_ASSERT_EQUAL (problem_index_hash (y, i), problem_index_hash (x, i));
    }
    PASS (problem_index_add (y, 7, 8));
    problem_index_destroy (x);
    problem_index_destroy (y);
}

static void every_changed_or_missing_byte_is_damage (void)
{
    char path[600];
    esp_buf bytes = {0};
    problem_index *x = given_index (3), *y = NULL;
    PASS (esp_path_join (path, sizeof (path), suite_folder (), "problems.idx"));
    PASS (problem_index_save (x, path, NULL));
    PASS (esp_file_read (path, 10000, &bytes, NULL));
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= 0x40;
        PASS (esp_file_write (path, esp_buf_span (&bytes), 0644, NULL));
        FAILS (problem_index_load (path, &y, NULL), ESP_EDAMAGE);
        bytes.data[i] ^= 0x40;
        PASS (esp_file_write (path, span_make (bytes.data, i), 0644, NULL));
        FAILS (problem_index_load (path, &y, NULL), ESP_EDAMAGE);
    }
    CHECK (y == NULL);
    esp_buf_free (&bytes);
    problem_index_destroy (x);
}

static void survives_failure_of_every_allocation (void)
{
    char path[600];
    esp_err err = ESP_ENOMEM;
    PASS (esp_path_join (path, sizeof (path), suite_folder (), "problems.idx"));
    for (long n = 0; err == ESP_ENOMEM && n < 200; n++) {
        problem_index *x = NULL, *y = NULL;
        esp_alloc_fail_after (n);
        err = problem_index_create (&x);
        for (uint32_t i = 0; err == ESP_OK && i < 1500; i++)
            err = problem_index_add (x, i, i);
        if (err == ESP_OK)
            err = problem_index_save (x, path, NULL);
        if (err == ESP_OK)
            err = problem_index_load (path, &y, NULL);
        problem_index_destroy (x);
        problem_index_destroy (y);
        esp_alloc_fail_after (-1);
        CU_ASSERT_EQUAL (esp_alloc_live (), 0);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls are refused", bad_calls_are_refused},
        {"every problem with a hash is found", every_problem_with_a_hash_is_found},
        {"a saved index comes back", a_saved_index_comes_back},
        {"every changed or missing byte is damage", every_changed_or_missing_byte_is_damage},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("problem_index", cases);
}
