/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_wire.c - any bytes as a message between ranks: no crash, and what was read can be written
 *
 * What was written reads back and writes the same bytes: one form for each message.
 */

#include <assert.h>
#include <stdint.h>
#include "proto/base/err.h"
#include "proto/wire/wire.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void check (esp_err err)
{
    assert (err == ESP_OK);
    (void)err;
}

/* Touch every byte that the caller may use, so that a bad pointer is found. */
static uint64_t sum_of (const wire_message *m)
{
    uint64_t sum = 0;
    if (m->kind == WIRE_BATCH) {
        for (size_t i = 0; i < m->u.batch.task_count; i++) {
            const wire_task *t = &m->u.batch.tasks[i];
            const wire_prefix *p = &m->u.batch.prefixes[t->prefix];
            sum += p->step_count ? p->steps[p->step_count - 1].node : t->task.node;
            sum += (uint64_t)*task_kind_names[t->task.kind];
        }
    } else if (m->kind == WIRE_RESULTS) {
        for (size_t i = 0; i < m->u.results.count; i++) {
            const result *r = &m->u.results.results[i].result;
            sum += (uint64_t)*node_finish_names[r->finish] + (uint64_t)*verdict_names[r->verdict];
            for (uint32_t s = 0; s < r->score_count; s++)
                sum += r->scores[s] > 0;
        }
    }
    return sum;
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    wire_codec *codec = NULL;
    wire_message m;
    esp_buf first = {0}, second = {0};
    volatile uint64_t used;
    check (wire_codec_create (&codec));
    if (wire_decode (codec, span_make ((const char *)data, size), &m) == ESP_OK) {
        used = sum_of (&m);
        (void)used;
        check (wire_encode (codec, &m, &first));
        check (wire_decode (codec, esp_buf_span (&first), &m));
        check (wire_encode (codec, &m, &second));
        assert (span_equal (esp_buf_span (&first), esp_buf_span (&second)));
    }
    esp_buf_free (&first);
    esp_buf_free (&second);
    wire_codec_destroy (codec);
    return 0;
}
