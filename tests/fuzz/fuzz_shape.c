/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_shape.c - any bytes as the answer of a server, whole or line by line as a stream: no crash, and what is taken keeps its
 * promises; any bytes as a prompt: the request is valid JSON; any bytes as an error
 *
 * The first byte says which kind of server and what was asked of it, the rest is the answer.
 */

// LINK: esp_prompt

#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "worker/prompt/json_thin.h"
#include "worker/prompt/shape.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

enum { SHAPES = 4, MOST_BYTES = 1 << 16 };

static const char *const stops[] = {"\n\n", "a"};

static gen_ask ask_of (uint8_t how)
{
    gen_ask ask = {.n = how & 4 ? 2 : 1,
                   .max_tokens = 24,
                   .temperature = 1,
                   .top_p = 1,
                   .stop = stops,
                   .stop_count = how & 8 ? 2 : 0,
                   .slot = -1};
    ask.stream = how & 16;
    ask.logprobs = how & 32;
    ask.top_logprobs = how & 32 ? 2 : 0;
    ask.messages = how & 64 ? span_make ("[]", 2) : span_make (NULL, 0);
    ask.ids = how & 128;
    return ask;
}

static void check (const gen_reply *r, const gen_ask *ask)
{
    assert (r->done && r->ended == r->n);
    assert (esp_utf8_valid (span_of (r->model)));
    for (uint32_t i = 0; i < r->n; i++) {
        const gen_sample *s = &r->samples[i];
        assert (s->finish != GEN_OPEN && s->tokens <= ask->max_tokens);
        assert (s->finish != GEN_STOP || span_ends (esp_buf_span (&s->text), "a") ||
                span_ends (esp_buf_span (&s->text), "\n\n"));
        assert (esp_utf8_valid (esp_buf_span (&s->text)));
        assert (s->text.len == 0 || !memchr (s->text.data, 0, s->text.len));
        assert (s->top_count == s->generated_count * ask->top_logprobs);
        assert (isnan (s->logprob) || (s->logprob <= 0 && s->logprob >= -9999.0 * 64));
        for (size_t t = 0; t < s->top_count; t++)
            assert (t % 2 == 0 || !(s->top[t].logprob > s->top[t - 1].logprob));
    }
}

static void read_answer (const gen_shape *shape, const gen_ask *ask, span text)
{
    gen_reply *r = NULL;
    esp_error why = {0};
    esp_err err = reply_create (ask, &r);
    while (err == ESP_OK && text.len > 0) {
        size_t end = ask->stream ? span_find (text, span_make ("\n", 1)) : text.len;
        err = shape->read (r, span_make (text.ptr, end), &why);
        end += end < text.len;
        text = span_make (text.ptr + end, text.len - end);
    }
    if (err == ESP_OK)
        err = reply_finish (r, ask, &why);
    assert (err == ESP_OK || err == ESP_EFORMAT || err == ESP_EENGINE);
    assert (err == ESP_OK || (why.text[0] && esp_utf8_valid (span_of (why.text))));
    if (err == ESP_OK)
        check (r, ask);
    reply_destroy (r);
}

static void write_request (const gen_shape *shape, gen_ask ask, span prompt)
{
    esp_buf out = {0};
    json_t *root;
    esp_err err;
    ask.prompt = prompt;
    err = shape->write (&ask, &out);
    if (err == ESP_OK) {
        root = json_loadb (out.data, out.len, JSON_ALLOW_NUL, NULL);
        assert (json_is_object (root));
        json_decref (root);
    }
    assert (err == ESP_OK || err == ESP_EUNSUPPORTED);
    esp_buf_free (&out);
}

static void refuse (int status, span body)
{
    char says[64];
    enum server_refusal means = refusal_of (status, body, says, sizeof (says));
    assert (means <= REFUSAL_REQUEST && strlen (says) < sizeof (says));
    assert (esp_utf8_valid (span_of (says)));
}

/* What the parser took before, it takes thin. */
static void thin (span text)
{
    esp_buf out = {0};
    json_t *before = json_loadb (text.ptr, text.len, JSON_ALLOW_NUL, NULL), *after;
    esp_err err = json_thin (text, "prompt_token_ids", "token_ids", &out);
    assert (err == ESP_OK);
    after = json_loadb (out.data, out.len, JSON_ALLOW_NUL, NULL);
    assert (!before || after);
    json_decref (before);
    json_decref (after);
    esp_buf_free (&out);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    const gen_shape *shape;
    gen_ask ask;
    span text;
    if (size < 2 || size > MOST_BYTES)
        return 0;
    shape = shape_at (data[0] % SHAPES);
    ask = ask_of (data[0]);
    text = span_make ((const char *)data + 1, size - 1);
    read_answer (shape, &ask, text);
    write_request (shape, ask, text);
    refuse (data[1] * 2, text);
    thin (text);
    assert (esp_alloc_live () == 0);
    return 0;
}
