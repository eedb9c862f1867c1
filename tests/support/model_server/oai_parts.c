/* SPDX-License-Identifier: Apache-2.0 */
/* oai_parts.c - parts of oai.h's replies: logprobs in both shapes, usage, the list of models */

#include <stdio.h>
#include <time.h>
#include "tests/support/model_server/oai.h"

static void token_name (const oai_order *o, uint32_t id, char *name, size_t size)
{
    const char *text;
    json_t *piece;
    if (o->tokens_as_ids) {
        snprintf (name, size, "token_id:%u", id);
        return;
    }
    piece = token_text (id);
    text = json_string_value (piece);
    snprintf (name, size, "%s", text);
    json_decref (piece);
}

/* The sampled token first, then the best ones (k or k + 1 in all); or exactly the labels that were asked for. */
static json_t *top_of (const oai_order *o, const sample *s, size_t i)
{
    json_t *top = json_object ();
    uint32_t best[MOST_TOP];
    size_t count =
        o->label_ids ? json_array_size (o->label_ids) : sample_top (s, i, o->logprobs, best);
    char name[64];
    token_name (o, s->ids.ids[i], name, sizeof (name));
    (void)json_object_set_new (top, name, json_real (sample_logprob (s, i)));
    for (size_t j = 0; j < count; j++) {
        uint32_t id = o->label_ids ? (uint32_t)json_integer_value (json_array_get (o->label_ids, j))
                                   : best[j];
        token_name (o, id, name, sizeof (name));
        (void)json_object_set_new (top, name, json_real (sample_logprob_of (s, i, id)));
    }
    return top;
}

static void add_echo (const oai_order *o, const struct prompt_row *prompt, json_t *tokens_out,
                      json_t *logprobs, json_t *tops, json_t *offsets)
{
    json_t *ids = prompt_ids (prompt);
    size_t at = 0;
    char name[64], piece[TOKEN_LONGEST];
    for (size_t i = 0; i < json_array_size (ids); i++) {
        uint32_t id = (uint32_t)json_integer_value (json_array_get (ids, i));
        double logprob = prompt_logprob (span_make (prompt->text, prompt->len), i);
        token_name (o, id, name, sizeof (name));
        (void)json_array_append_new (tokens_out, json_string (name));
        (void)json_array_append_new (logprobs, i ? json_real (logprob) : json_null ());
        (void)json_array_append_new (tops, i ? json_pack ("{s:f}", name, logprob) : json_null ());
        (void)json_array_append_new (offsets, json_integer ((json_int_t)at));
        at += token_piece (id, piece);
    }
    json_decref (ids);
}

json_t *oai_logprobs_lists (const oai_order *o, const struct prompt_row *prompt, const sample *s,
                            size_t from, size_t to)
{
    json_t *names = json_array (), *logprobs = json_array (), *tops = json_array (),
           *offsets = json_array ();
    size_t before = o->echo ? prompt->len : 0;
    char name[64];
    if (o->echo && from == 0)
        add_echo (o, prompt, names, logprobs, tops, offsets);
    for (size_t i = from; i < to; i++) {
        token_name (o, s->ids.ids[i], name, sizeof (name));
        (void)json_array_append_new (names, json_string (name));
        (void)json_array_append_new (logprobs, json_real (sample_logprob (s, i)));
        (void)json_array_append_new (tops, top_of (o, s, i));
        (void)json_array_append_new (
            offsets, json_integer ((json_int_t)(before + (i ? s->ends[i - 1] : 0))));
    }
    return json_pack ("{s:o, s:o, s:o, s:o}", "text_offset", offsets, "token_logprobs", logprobs,
                      "tokens", names, "top_logprobs", tops);
}

/* {"token", "logprob", "bytes"} and, as llama.cpp has it, "id". */
static json_t *token_entry (const oai_order *o, const sample *s, size_t i, uint32_t id)
{
    char piece[TOKEN_LONGEST];
    json_t *bytes = json_array (), *entry;
    size_t len = token_piece (id, piece);
    for (size_t b = 0; b < len; b++)
        (void)json_array_append_new (bytes, json_integer ((unsigned char)piece[b]));
    entry = json_pack ("{s:o, s:o, s:f}", "token", token_text (id), "bytes", bytes, "logprob",
                       sample_logprob_of (s, i, id));
    if (o->entry_ids)
        (void)json_object_set_new (entry, "id", json_integer (id));
    return entry;
}

json_t *oai_logprobs_content (const oai_order *o, const struct prompt_row *prompt, const sample *s,
                              size_t from, size_t to)
{
    json_t *list = json_array ();
    uint32_t best[MOST_TOP];
    size_t count;
    (void)prompt;
    for (size_t i = from; i < to; i++) {
        json_t *entry = token_entry (o, s, i, s->ids.ids[i]), *top = json_array ();
        count = sample_top (s, i, o->logprobs, best);
        for (size_t j = 0; j < count; j++)
            (void)json_array_append_new (top, token_entry (o, s, i, best[j]));
        (void)json_object_set_new (entry, "top_logprobs", top);
        (void)json_array_append_new (list, entry);
    }
    return json_pack ("{s:o}", "content", list);
}

json_t *oai_usage (const asked *q, const oai_order *o, size_t generated, size_t first_generated,
                   size_t cached)
{
    size_t prompt = 0;
    (void)q, (void)first_generated, (void)cached;
    for (size_t i = 0; i < o->prompts.count; i++)
        prompt += o->prompts.rows[i].token_count; /* once, whatever n is */
    return json_pack ("{s:I, s:I, s:I}", "prompt_tokens", (json_int_t)prompt, "total_tokens",
                      (json_int_t)(prompt + generated), "completion_tokens", (json_int_t)generated);
}

json_t *oai_models (const asked *q, const char *owner)
{
    return json_pack ("{s:s, s:[{s:s, s:s, s:I, s:s}]}", "object", "list", "data", "id", q->model,
                      "object", "model", "created", (json_int_t)time (NULL), "owned_by", owner);
}
