/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_GIVEN_H
#define ESP_WORKER_ENGINE_GIVEN_H

/* given.h - solutions that a problem row brings, whoever wrote it (docs/offline.md)
 *
 * The first of these fields that is there and not null says them:
 *
 *     completions, samples         a list of solutions (search-and-learn, our own); with `labels` beside it: the steps of one (TRL)
 *     steps                        the steps of one solution (ProcessBench)
 *     generation, completion, response, output    one solution (NeMo-Skills, HumanEval)
 *     label.steps                  one solution, step by step as chosen (PRM800K phase 2), else
 *     question.pre_generated_steps its steps
 *     solution                     one solution (EvalPlus; elsewhere it is the reference solution)
 *
 * A solution is a text, a list of steps, or an object with one of these fields.  A text is cut into steps by the run's rule, or
 * behind each separator; steps of a list are joined by the separator.
 *
 * Ownership: a given owns its texts; spans are borrowed from it.  Threads: none.  Input is hostile: limits below.
 */

#include "proto/base/err.h"
#include "proto/base/text.h"

enum {
    GIVEN_SOLUTIONS_MOST = 65536,
    GIVEN_STEPS_MOST = 65535,           /* of one solution; more stay in its last step */
    GIVEN_ALTERNATIVES_BYTES = 64 << 20 /* of a row: each repeats the steps before it */
};

typedef struct given given;
struct step_rule; /* worker/prompt/step_rule.h */

/* Errors: ESP_ENOENT (brings none; sentence), ESP_EFORMAT (no JSON object, or a field of another shape; sentence), ESP_ETOOBIG, ESP_ENOMEM.
 * rule: borrowed for the call; NULL: the separator cuts. */
ESP_MUST_CHECK esp_err given_read (span json, const char *separator, const struct step_rule *rule,
                                   given **out, esp_error *why);
void given_destroy (given *g); /* accepts NULL */

/* PRM800K: also what the labeler did not go on from, each completion as a solution that ends with it, behind the chosen steps.  Other rows
 * have none.  Errors: as given_read, without a sentence; *g is then as it was. */
ESP_MUST_CHECK esp_err given_add_alternatives (given *g, span json);

size_t given_count (const given *g);
span given_text (const given *g, size_t solution);    /* the whole text */
bool given_is_list (const given *g, size_t solution); /* it came as a list of steps */
size_t given_steps (const given *g, size_t solution);
/* Where step `step` ends in the text; 0 ... given_steps - 1. */
size_t given_step_end (const given *g, size_t solution, size_t step);

/* What the row says about its (only) solution: the index of the first wrong step, -1 = none.  From `label` (ProcessBench),
 * `labels` (TRL) or the ratings of label.steps (PRM800K).  Errors: ESP_ENOENT (says nothing), ESP_EFORMAT, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err given_first_error (span json, int64_t *out);
/* final_answer_correct of ProcessBench, or is_correct, correct.  Errors: as above. */
ESP_MUST_CHECK esp_err given_correct (span json, bool *out);

#endif
