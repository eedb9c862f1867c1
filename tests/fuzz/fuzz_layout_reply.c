/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_layout_reply.c - any bytes as a PRM server's answer: refused with a sentence, or scores in [0, 1]; any bytes as a
 * problem and a step: as many tags as steps, whatever stands in them
 *
 * The first byte chooses the serving (low bits) and the layout that it reads; the second how many texts and steps; the rest is the answer, or the texts.
 */

// LINK: esp_engine

#include <assert.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "worker/engine/prm_servings.h"

enum { TEXTS = 3, WANTED = 4, SERVINGS = 10 };

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static const prm_options options = {
    .layout = {.tag_id = -1, .good_id = -1, .bad_id = -1, .column = -1},
    .top_logprobs = 20,
    .samples = 2,
    .max_tokens = 10,
    .temperature = 1};

static void read_answer (const prm_serving *serving, const layout *row, uint8_t shape, span answer)
{
    double scores[TEXTS * WANTED];
    prm_text texts[TEXTS];
    prm_labels labels = {
        .good = {10, 648}, .bad = {12, 387}, .good_count = 2, .bad_count = 2, .has_tag = true};
    layout_plan plan;
    prm_ask ask = {.options = &options, .plan = &plan, .labels = &labels, .texts = texts};
    uint64_t tokens;
    uint32_t most;
    esp_error why = {0};
    esp_err err = layout_open (&options.layout, serving->name, row ? row->name : serving->layout,
                               serving->readings, &plan, NULL);
    if (err != ESP_OK) /* a pair that makes no sense */
        return;
    ask.count = serving->single ? 1 : 1 + shape % TEXTS;
    labels.tag = 77;
    most = plan.reading & (READ_NEXT | READ_LAST | READ_WHOLE) ? 1 : WANTED; /* a text per step */
    for (size_t i = 0; i < ask.count; i++) {
        uint32_t want = 1 + shape / 4 % most;
        texts[i] = (prm_text){span_of ("text"), want + shape / 16 % 3, want, scores + i * WANTED};
    }
    err = serving->read (&ask, answer, &tokens, &why);
    assert (err == ESP_OK || err == ESP_EFORMAT);
    assert (err == ESP_OK || why.text[0]);
    for (size_t i = 0; err == ESP_OK && i < ask.count; i++)
        for (uint32_t k = 0; k < texts[i].want; k++)
            assert (texts[i].scores[k] >= 0 && texts[i].scores[k] <= 1);
}

static void write_text (const layout *row, span text)
{
    unsigned readings[] = {row->readings & (~row->readings + 1), 0};
    layout_plan plan;
    span half = span_make (text.ptr, text.len / 2);
    span steps[2] = {span_make (text.ptr + half.len, text.len - half.len), half};
    layout_path path = {half, steps, 2};
    esp_buf out = {0};
    esp_err err = layout_open (&options.layout, "fuzz", row->name, readings, &plan, NULL);
    assert (err == ESP_OK);
    err = row->write (&plan, &path, &out);
    assert (err == ESP_OK);
    if (readings[0] == READ_ROWS)
        assert (span_count (esp_buf_span (&out), span_of (plan.tag)) == path.count);
    esp_buf_free (&out);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    span rest = span_make ((const char *)data + 2, size > 2 ? size - 2 : 0);
    const prm_serving *serving;
    const layout *row;
    double steps[4];
    span said;
    if (size < 2 || size > 1 << 16)
        return 0;
    serving = prm_serving_at (data[0] % 32);
    row = layout_at (data[0] % 32u - SERVINGS);
    if (serving)
        read_answer (serving, data[0] / 32 ? layout_at (data[0] / 32u) : NULL, data[1], rest);
    else if (row)
        write_text (row, rest);
    else
        layout_find ("thinkprm")->words (rest, steps, 4, &said);
    assert (esp_alloc_live () == 0);
    return 0;
}
