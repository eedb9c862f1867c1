/* SPDX-License-Identifier: Apache-2.0 */
/* verifier_answer.c - kind `answer`: the text's final answer against the problem's reference answer
 *
 * pass     right-answer: equal values, or equal texts
 * fail     wrong-answer: both are understood, and they differ
 * unknown  no-answer, no-reference, cannot-compare, bad-problem
 *
 * result.answer is the answer as the text spells it; votes group by its canonical form (coordinator/merge/answer_key.h).
 */

#include "worker/verifier/verifiers.h"
#include "proto/answer/answer.h"
#include "worker/engine/fields.h"
#include "worker/verifier/verifier_job.h"

static esp_err conclude (result *r, enum verdict verdict, const char *reason)
{
    r->verdict = (uint8_t)verdict;
    r->reason = span_of (reason);
    return ESP_OK;
}

/* The problem's answer: what it boxes or puts behind "####", else all of it. */
static esp_err read_reference (span json, answer_form **out)
{
    esp_buf text = {0};
    esp_err err = fields_answer (json, &text);
    span answer = esp_buf_span (&text);
    if (err == ESP_OK) {
        (void)answer_find (esp_buf_span (&text), &answer);
        err = answer_form_create (answer, out);
        if (err == ESP_EFORMAT)
            err = ESP_ENOENT;
    }
    esp_buf_free (&text);
    return err;
}

static esp_err compare (const answer_form *mine, span json, result *r)
{
    static const struct {
        enum verdict verdict;
        const char *reason;
    } meaning[] = {[ANSWER_SAME] = {VERDICT_PASS, "right-answer"},
                   [ANSWER_OTHER] = {VERDICT_FAIL, "wrong-answer"},
                   [ANSWER_UNKNOWN] = {VERDICT_UNKNOWN, "cannot-compare"}};
    answer_form *reference = NULL;
    enum answer_match match = ANSWER_UNKNOWN;
    esp_err err = read_reference (json, &reference);
    if (err == ESP_EFORMAT)
        return conclude (r, VERDICT_UNKNOWN, "bad-problem");
    if (err == ESP_ENOENT)
        return conclude (r, VERDICT_UNKNOWN, "no-reference");
    if (err == ESP_OK)
        err = answer_form_compare (mine, reference, &match);
    answer_form_destroy (reference);
    return err == ESP_OK ? conclude (r, meaning[match].verdict, meaning[match].reason) : err;
}

static esp_err judge (span json, span text, esp_buf *scratch, result *r)
{
    answer_form *mine = NULL;
    span answer;
    esp_err err;
    (void)scratch;
    err = answer_find (text, &answer) ? answer_form_create (answer, &mine) : ESP_EFORMAT;
    if (err == ESP_EFORMAT)
        return conclude (r, VERDICT_UNKNOWN, "no-answer");
    if (err == ESP_OK) {
        r->answer = answer;
        err = compare (mine, json, r);
    }
    answer_form_destroy (mine);
    return err;
}

static const char *doubt (span json)
{
    answer_form *reference = NULL;
    esp_err err = read_reference (json, &reference);
    answer_form_destroy (reference);
    return err == ESP_ENOENT ? "have no reference answer that can be read: their verdicts will be "
                               "unknown (no-reference)"
                             : NULL;
}

static void start (void *state, const job *const *jobs, size_t n)
{
    verifier_job_start (state, judge, jobs, n);
}

const engine_kind verifier_answer = {.name = "answer",
                                     .roles = ENGINE_VERIFIER,
                                     .open = verifier_job_open,
                                     .start = start,
                                     .close = verifier_job_close,
                                     .doubt = doubt};
