/* SPDX-License-Identifier: Apache-2.0 */
/* code_row.c - see code_row.h */

#include "worker/verifier/code_row.h"
#include <jansson.h>

static bool is_text (const json_t *value)
{
    return json_is_string (value) && json_string_length (value) > 0;
}

static enum code_row of_list (const json_t *tests)
{
    size_t i;
    json_t *test;
    json_array_foreach (
        tests, i, test) if (!json_object_get (test, "stdout") &&
                            !json_is_string (json_object_get (test, "call"))) return CODE_ROW_BAD;
    return json_array_size (tests) > 0 ? CODE_ROW_GOOD : CODE_ROW_EMPTY;
}

/* {"inputs": [..], "outputs": [..]}, as APPS has it. */
static enum code_row of_pairs (const json_t *tests)
{
    const json_t *inputs = json_object_get (tests, "inputs"),
                 *outputs = json_object_get (tests, "outputs");
    if (!json_is_array (inputs) || !json_is_array (outputs))
        return CODE_ROW_BAD;
    return json_array_size (inputs) > 0 && json_array_size (outputs) > 0 ? CODE_ROW_GOOD
                                                                         : CODE_ROW_EMPTY;
}

static enum code_row of_tests (const json_t *tests)
{
    if (!tests || json_is_null (tests))
        return CODE_ROW_EMPTY;
    return json_is_array (tests)    ? of_list (tests)
           : json_is_object (tests) ? of_pairs (tests)
                                    : CODE_ROW_BAD;
}

/* The list itself, or its text. */
static enum code_row own_tests (const json_t *row)
{
    json_t *tests = json_object_get (row, "tests"), *inside;
    enum code_row got;
    if (!tests)
        tests = json_object_get (row, "input_output");
    if (!json_is_string (tests))
        return of_tests (tests);
    inside = json_loadb (json_string_value (tests), json_string_length (tests),
                         JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
    got = inside ? of_tests (inside) : CODE_ROW_BAD;
    json_decref (inside);
    return got;
}

enum code_row code_row_look (span json)
{
    json_t *row = json_loadb (json.ptr ? json.ptr : "", json.len, JSON_ALLOW_NUL, NULL);
    enum code_row got = json_is_object (row) ? own_tests (row) : CODE_ROW_BAD;
    if (got == CODE_ROW_EMPTY && (is_text (json_object_get (row, "test")) ||
                                  json_array_size (json_object_get (row, "test_list")) > 0))
        got = CODE_ROW_GOOD;
    json_decref (row);
    return got;
}
