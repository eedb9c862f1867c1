/* SPDX-License-Identifier: Apache-2.0 */
/* verifier_answer.c - kind `answer`: the text's final answer against the problem's reference answer
 *
 * pass     right-answer: equal as exact numbers, or as strings
 * fail     wrong-answer: both are numbers, or both are plain words, and they differ
 * unknown  no-answer, no-reference, cannot-compare, bad-problem
 */

#include "worker/verifier/verifiers.h"
#include "worker/engine/fields.h"
#include "worker/verifier/answer_form.h"
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
    static const char *const reasons[] = {[VERDICT_PASS] = "right-answer",
                                          [VERDICT_FAIL] = "wrong-answer",
                                          [VERDICT_UNKNOWN] = "cannot-compare"};
    answer_form *reference = NULL;
    enum verdict verdict;
    esp_err err = read_reference (json, &reference);
    if (err == ESP_EFORMAT)
        return conclude (r, VERDICT_UNKNOWN, "bad-problem");
    if (err == ESP_ENOENT)
        return conclude (r, VERDICT_UNKNOWN, "no-reference");
    if (err != ESP_OK)
        return err;
    verdict = answer_form_compare (mine, reference);
    answer_form_destroy (reference);
    return conclude (r, verdict, reasons[verdict]);
}

static esp_err judge (span json, span text, esp_buf *scratch, result *r)
{
    answer_form *mine = NULL;
    span answer;
    esp_err err = answer_find (text, &answer) ? answer_form_create (answer, &mine) : ESP_EFORMAT;
    if (err == ESP_EFORMAT)
        return conclude (r, VERDICT_UNKNOWN, "no-answer");
    if (err == ESP_OK)
        err = esp_buf_add (scratch, answer_form_text (mine));
    if (err == ESP_OK) {
        r->answer = esp_buf_span (scratch);
        err = compare (mine, json, r);
    }
    answer_form_destroy (mine);
    return err;
}

static void start (void *state, const job *const *jobs, size_t n)
{
    verifier_job_start (state, judge, jobs, n);
}

const engine_kind verifier_answer = {.name = "answer",
                                     .roles = ENGINE_VERIFIER,
                                     .open = verifier_job_open,
                                     .start = start,
                                     .close = verifier_job_close};
