/* SPDX-License-Identifier: Apache-2.0 */
/* engine_prm_critique.c - a PRM that writes its judgement (ThinkPRM), on any server with /v1/completions
 *
 * `samples` critiques of one path; the score of a step is the share of them that find it correct (0.5 for one that says nothing
 * of it).  The last step's is P(Yes) / (P(Yes) + P(No)) where a critique decides about the whole and the server gives
 * logprobs, as in the paper's reward for guided search; else the step's own verdict.
 */

#include "worker/engine/engines.h"
#include <math.h>
#include <strings.h>
#include "proto/base/alloc.h"
#include "proto/base/fmath.h"
#include "worker/engine/prm_reply.h"
#include "worker/engine/prm_servings.h"

static esp_err critique_write (const prm_ask *ask, esp_buf *path, esp_buf *json)
{
    json_out o = prm_write_begin (ask, "/v1/completions", path, json);
    json_out_text (&o, "prompt", ask->texts[0].text);
    json_out_i64 (&o, "n", ask->options->samples);
    json_out_i64 (&o, "max_tokens", ask->options->max_tokens);
    json_out_u64 (&o, "seed", ask->seed);
    json_out_u64 (&o, "logprobs", 5);
    json_out_bool (&o, "return_tokens_as_token_ids", true); /* no token text is safe as a key */
    json_out_double (&o, "temperature", ask->options->temperature);
    json_out_bool (&o, "stream", false);
    json_out_bool (&o, "add_special_tokens", ask->add_special);
    return prm_write_end (&o);
}

/* ---- P(Yes) at the token that decides ---- */

static bool says (const char *token, const char *word)
{
    span t = span_trim (span_of (token));
    return t.len == span_of (word).len && strncasecmp (t.ptr, word, t.len) == 0;
}

static bool has_id (const uint32_t *ids, size_t count, uint64_t id)
{
    for (size_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

/* 'y' or 'n' for a token that is this word, by its id or by its text; else 0. */
static char word_of (const prm_labels *l, const char *token)
{
    uint64_t id;
    if (!token)
        return 0;
    if (!prm_token_id (token, &id))
        return says (token, "yes") ? 'y' : says (token, "no") ? 'n' : 0;
    return has_id (l->good, l->good_count, id) ? 'y' : has_id (l->bad, l->bad_count, id) ? 'n' : 0;
}

struct tally {
    const prm_labels *labels;
    char word; /* that the text says */
    double yes, no;
};

static void count_token (struct tally *t, const char *token, const json_t *logprob)
{
    char word = word_of (t->labels, token);
    double v;
    if (!word || !prm_number (logprob, &v) || v > 0)
        return;
    *(word == 'y' ? &t->yes : &t->no) += esp_exp (v);
}

/* {"tokens": [...], "top_logprobs": [{token: logprob}]}: the last token that is this word. */
static void tally_openai (const json_t *logprobs, struct tally *t)
{
    const json_t *tokens = json_object_get (logprobs, "tokens");
    for (size_t i = json_array_size (tokens); i > 0; i--) {
        const char *key;
        json_t *top = json_array_get (json_object_get (logprobs, "top_logprobs"), i - 1), *value;
        if (word_of (t->labels, json_string_value (json_array_get (tokens, i - 1))) != t->word)
            continue;
        json_object_foreach (top, key, value) count_token (t, key, value);
        return;
    }
}

/* {"content": [{"token", "top_logprobs": [{"token", "logprob"}]}]}: llama.cpp */
static void tally_llamacpp (const json_t *content, struct tally *t)
{
    for (size_t i = json_array_size (content); i > 0; i--) {
        const json_t *entry = json_array_get (content, i - 1);
        const json_t *top = json_object_get (entry, "top_logprobs");
        if (word_of (t->labels, json_string_value (json_object_get (entry, "token"))) != t->word)
            continue;
        for (size_t k = 0; k < json_array_size (top); k++) {
            const json_t *other = json_array_get (top, k);
            count_token (t, json_string_value (json_object_get (other, "token")),
                         json_object_get (other, "logprob"));
        }
        return;
    }
}

/* P(Yes) at the word that the critique says; NaN: it decides nothing. */
static double decision_of (const prm_labels *labels, const json_t *choice, span said)
{
    const json_t *logprobs = json_object_get (choice, "logprobs");
    const json_t *content = json_object_get (logprobs, "content");
    struct tally t = {labels, said.len == 3 ? 'y' : 'n', 0, 0};
    if (said.len == 0)
        return NAN;
    if (content)
        tally_llamacpp (content, &t);
    else
        tally_openai (logprobs, &t);
    if (!(t.yes + t.no > 0) || !isfinite (t.yes + t.no))
        return t.word == 'y' ? 1 : 0;
    return t.yes / (t.yes + t.no);
}

/* ---- critiques ---- */

static esp_err take_critique (const prm_ask *ask, const json_t *choice, double *verdicts,
                              double *sums, esp_error *why)
{
    const prm_text *t = &ask->texts[0];
    const json_t *text = json_object_get (choice, "text");
    span said, words = span_make (json_string_value (text), json_string_length (text));
    double decision;
    if (!json_is_string (text))
        return esp_error_set (why, ESP_EFORMAT, "a choice has no text");
    ask->plan->row->words (words, verdicts, t->rows, &said);
    decision = decision_of (ask->labels, choice, said);
    if (!isnan (decision))
        verdicts[t->rows - 1] = decision;
    for (uint32_t i = 0; i < t->want; i++) {
        double v = verdicts[t->rows - t->want + i];
        sums[i] += isnan (v) ? 0.5 : v;
    }
    return ESP_OK;
}

static esp_err take_all (const prm_ask *ask, const json_t *root, esp_error *why)
{
    const prm_text *t = &ask->texts[0];
    size_t n = (size_t)ask->options->samples;
    const json_t **items = esp_calloc (n, sizeof (*items));
    double *verdicts = esp_calloc (t->rows, sizeof (*verdicts));
    esp_err err = items && verdicts
                      ? prm_items (json_object_get (root, "choices"), "choices", n, items, why)
                      : ESP_ENOMEM;
    for (uint32_t i = 0; i < t->want; i++)
        t->scores[i] = 0;
    for (size_t i = 0; err == ESP_OK && i < n; i++)
        err = take_critique (ask, items[i], verdicts, t->scores, why);
    for (uint32_t i = 0; i < t->want; i++)
        t->scores[i] /= (double)n;
    esp_free (verdicts);
    esp_free (items);
    return err;
}

static esp_err critique_read (const prm_ask *ask, span json, uint64_t *tokens, esp_error *why)
{
    json_t *root = prm_load (json, why);
    esp_err err = root ? take_all (ask, root, why) : ESP_EFORMAT;
    *tokens = err == ESP_OK ? prm_count_at (root, "usage", "total_tokens") : 0;
    json_decref (root);
    return err;
}

const prm_serving prm_openai_critique = {.name = "openai-critique",
                                         .family = "openai",
                                         .layout = "thinkprm",
                                         .readings = {READ_WORDS},
                                         .likes_labels = true,
                                         .caches = true,
                                         .single = true,
                                         .start_how = "a model that generates",
                                         .write = critique_write,
                                         .read = critique_read};

const engine_kind engine_openai_critique = PRM_KIND ("openai-critique");
