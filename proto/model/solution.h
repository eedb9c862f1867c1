/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_MODEL_SOLUTION_H
#define ESP_PROTO_MODEL_SOLUTION_H

/* solution.h - which field of a problem row is its right solution, for whoever changes it and whoever compares with it
 *
 * The first of solution_fields that is a text (HumanEval; MATH, EvalPlus; MBPP), else the field `answer` if "####" stands in
 * it (GSM8K: the reasoning with its answer).  A row is about programs if it has one of program_fields, else about reasoning.
 * worker/engine/mutate/ has the same lists in Python.
 */

#include <stddef.h>

static const char *const solution_fields[] = {"canonical_solution", "solution", "code", NULL};
#define SOLUTION_ANSWER_FIELD "answer"
#define SOLUTION_ANSWER_MARK  "####"
static const char *const program_fields[] = {"entry_point", "test",         "test_list",
                                             "tests",       "input_output", NULL};

#endif
