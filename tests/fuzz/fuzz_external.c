/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_external.c - any bytes as a message of a peer of the external engine, and as the answer to each kind of task
 *
 * What is accepted keeps the promises of result: finite scores of the right count, tokens within the budget, texts that are
 * UTF-8.
 */

// LINK: esp_engine_table

#include <assert.h>
#include <math.h>
#include "proto/base/alloc.h"
#include "worker/engine/external_message.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void check_result (const result *r, const external_asked *asked)
{
    const task *t = &asked->job->task;
    assert (esp_utf8_valid (r->text) && esp_utf8_valid (r->answer) && esp_utf8_valid (r->reason) &&
            esp_utf8_valid (r->observation));
    assert (r->finish <= FINISH_LENGTH && r->verdict <= VERDICT_UNKNOWN);
    assert (!isinf (r->logprob) && !(r->share < 0) && !(r->share > 1));
    if (t->kind == TASK_GENERATE)
        assert (r->tokens <= t->max_tokens && r->steps >= 1 &&
                (t->mode == TASK_STEP || r->steps <= t->max_steps));
    if (t->kind == TASK_SCORE)
        assert (r->score_count == asked->steps - asked->from && r->score_own <= r->score_count);
    for (uint32_t i = 0; i < r->score_count; i++)
        assert (isfinite (r->scores[i]));
}

static void read_as (const external_message *m, uint8_t kind, uint8_t mode, uint32_t n)
{
    const job j = {
        .task = {.kind = kind, .mode = mode, .max_tokens = 20, .max_steps = 3, .id = {1, 2}}};
    external_scores room = {NULL, 0};
    for (size_t i = 0; i < m->result_count && i < 64; i++)
        for (uint32_t s = 0; s < n; s++) {
            const external_asked asked = {&j, s, n, 3, 1, 1};
            result r;
            esp_error error = {0};
            if (external_result_read (m, i, &asked, &room, &r, &error) == ESP_OK)
                check_result (&r, &asked);
            else
                assert (error.text[0]);
        }
    esp_free (room.values);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    external_message m = {.root = NULL};
    esp_error error = {0};
    if (external_read (span_make ((const char *)data, size), &m, &error) == ESP_OK) {
        if (m.kind == EXTERNAL_HELLO)
            assert (m.hello.roles && m.hello.credits >= 1 && m.hello.batch >= 1 && m.hello.n >= 1 &&
                    m.hello.credits <= EXTERNAL_CREDITS_MAX);
        for (size_t i = 0; i < m.result_count && i < 64; i++)
            (void)external_result_id (&m, i);
        read_as (&m, TASK_GENERATE, TASK_STEP, 1);
        read_as (&m, TASK_GENERATE, TASK_TO_END, 2);
        read_as (&m, TASK_SCORE, 0, 1);
        read_as (&m, TASK_VERIFY, 0, 1);
        external_done (&m);
    } else {
        assert (error.text[0]);
    }
    assert (esp_alloc_live () == 0);
    return 0;
}
