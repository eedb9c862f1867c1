/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_steps.c - any bytes under rules of every kind: steps together are the text, the count is right, and text that
 * is generated piece by piece is cut where the whole text is cut, which a watch over it sees
 *
 * The first byte chooses the rule and the size of pieces, the rest is the text.
 */

// LINK: esp_prompt

#include <assert.h>
#include "proto/base/alloc.h"
#include "worker/prompt/step_watch.h"

enum { PIECES_BYTES = 400 }; /* longest text that is tried piece by piece: that is quadratic */

#define LIST(...)                                                                                  \
    {                                                                                              \
        (const char *const[]){__VA_ARGS__},                                                        \
            sizeof ((const char *const[]){__VA_ARGS__}) / sizeof (char *)                          \
    }
static const step_options rules[] = {
    {.answer.separator = {NULL, 0}},
    {.answer.separator = LIST ("\n", ". ", "abab")},
    {.answer = {.separator = LIST ("\n"), .every = 3, .min_chars = 4}},
    {.answer.regex = "\\n+(?=[A-Z])|\\d\\d"},
    {.answer.whole = true, .think.separator = LIST ("\n\n", "b")},
    {.answer.regex = "a+\\s", .think = {.regex = "[^a]b+", .min_chars = 3}},
    {.answer.min_chars = 3, .think_open = "<<", .think_close = ">"},
    {.answer.tokens = 3},
    {.answer = {.tokens = 4, .separator = LIST ("\n"), .min_chars = 9}, .think.tokens = 2},
};
enum { RULES = sizeof (rules) / sizeof (*rules) };

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void steps_are_the_text (const step_rule *r, bool thinking, span text)
{
    bool phase = thinking;
    span rest = text, step;
    uint32_t count = 0;
    esp_buf shown = {0};
    esp_err err;
    while (step_rule_next (r, &phase, &rest, &step)) {
        assert (step.ptr + step.len == rest.ptr && step.len > 0);
        assert (step.ptr == (count ? step.ptr : text.ptr));
        count++;
    }
    assert (count == 0 ? rest.len == text.len : rest.len == 0);
    assert (count == step_rule_count (r, thinking, text));
    phase = thinking;
    assert (step_rule_walk (r, &phase, text) <= text.len);
    err = step_rule_show (r, text.len % 2 ? VIEW_ANSWER : VIEW_THINKING, &thinking, text, &shown);
    assert (err == ESP_OK && thinking == phase && shown.len <= text.len);
    esp_buf_free (&shown);
}

/* The first step of a text that comes in pieces; all of it if nothing completes it before the end. */
static size_t generated (const step_rule *r, bool thinking, span text, size_t piece)
{
    step_watch watch = {0};
    size_t cut = 0;
    bool done, seen;
    for (size_t n = piece; n < text.len; n += piece) {
        span so_far = esp_utf8_cut (text, n);
        done = step_rule_complete (r, thinking, so_far, PIECE_STOPPED, &cut);
        seen = step_watch_look (&watch, r, thinking, so_far);
        assert (done ? seen || so_far.len < watch.next_bytes : !seen);
        if (done) {
            assert (cut > 0 && cut <= so_far.len);
            return cut;
        }
    }
    done = step_rule_complete (r, thinking, text, PIECE_ENDED, &cut);
    assert (done && cut <= text.len);
    return cut;
}

static void pieces_give_the_same_steps (const step_rule *r, bool thinking, span text, size_t piece)
{
    span step, after;
    while (text.len > 0) {
        span rest = text;
        bool phase = thinking, same;
        size_t cut = generated (r, thinking, text, piece);
        if (!step_rule_next (r, &phase, &rest, &step)) {
            assert (cut == text.len);
            return;
        }
        text = span_make (text.ptr + cut, text.len - cut);
        same = cut == step.len;
        thinking = step_rule_thinks (r, thinking, span_make (step.ptr, cut));
        /* only what has no content and follows the last step is seen too late */
        assert (same ||
                (step.len == cut + text.len && !step_rule_next (r, &thinking, &text, &after)));
        assert (!same || thinking == phase);
        if (!same)
            return;
    }
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    span text = span_make ((const char *)data + 1, size ? size - 1 : 0);
    const step_options *o;
    step_rule *r = NULL;
    esp_err err;
    if (size == 0)
        return 0;
    o = &rules[data[0] % RULES];
    err = step_rule_create (o, &r, NULL);
    assert (err == ESP_OK);
    steps_are_the_text (r, false, text);
    steps_are_the_text (r, true, text);
    if (o->answer.tokens == 0 && text.len <= PIECES_BYTES && esp_utf8_valid (text)) {
        pieces_give_the_same_steps (r, false, text, 1u + data[0] / RULES);
        pieces_give_the_same_steps (r, true, text, 1u + data[0] / RULES);
    }
    step_rule_destroy (r);
    assert (esp_alloc_live () == 0);
    return 0;
}
