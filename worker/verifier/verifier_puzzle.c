/* SPDX-License-Identifier: Apache-2.0 */
/* verifier_puzzle.c - kind `puzzle`: recomputes the whole chain from the problem's numbers
 *
 * pass     solved: every step right, every number used exactly once, the last result is the target
 * fail     wrong-result, number-not-there, wrong-arithmetic, wrong-left: the chain claims something false
 * unknown  unfinished, not-a-step, bad-problem: there is no claim that could be judged
 *
 * Lines that are empty say nothing and are passed over.  result.answer is the chain as one expression, as
 * soon as one number is left.
 */

#include "worker/verifier/verifiers.h"
#include "worker/engine/fields.h"
#include "worker/engine/puzzle.h"
#include "worker/verifier/verifier_job.h"

static void conclude (result *r, enum verdict verdict, const char *reason)
{
    r->verdict = (uint8_t)verdict;
    r->reason = span_of (reason);
}

static enum puzzle_fault follow (puzzle *p, span text)
{
    enum puzzle_fault fault = PUZZLE_FINE;
    span line;
    while (fault == PUZZLE_FINE && fields_piece (&text, "\n", &line))
        if (line.len > 0)
            fault = puzzle_read (p, line);
    return fault;
}

static esp_err judge (span json, span text, esp_buf *scratch, result *r)
{
    puzzle *p = NULL;
    enum puzzle_fault fault;
    esp_err err = puzzle_create (json, &p, NULL);
    if (err != ESP_OK) {
        conclude (r, VERDICT_UNKNOWN, "bad-problem");
        return err == ESP_EFORMAT ? ESP_OK : err;
    }
    fault = follow (p, text);
    if (fault != PUZZLE_FINE)
        conclude (r, fault == PUZZLE_NOT_A_STEP ? VERDICT_UNKNOWN : VERDICT_FAIL,
                  puzzle_fault_names[fault]);
    else if (puzzle_left (p) > 1)
        conclude (r, VERDICT_UNKNOWN, "unfinished");
    else if (puzzle_solved (p))
        conclude (r, VERDICT_PASS, "solved");
    else
        conclude (r, VERDICT_FAIL, "wrong-result");
    if (fault == PUZZLE_FINE && puzzle_left (p) == 1) {
        err = puzzle_expression (p, scratch);
        r->answer = esp_buf_span (scratch);
    }
    puzzle_destroy (p);
    return err;
}

static void start (void *state, const job *const *jobs, size_t n)
{
    verifier_job_start (state, judge, jobs, n);
}

const engine_kind verifier_puzzle = {.name = "puzzle",
                                     .roles = ENGINE_VERIFIER,
                                     .open = verifier_job_open,
                                     .start = start,
                                     .close = verifier_job_close,
                                     .check_problem = puzzle_check};
