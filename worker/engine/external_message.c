/* SPDX-License-Identifier: Apache-2.0 */
/* external_message.c - reading: jansson makes the tree, these functions look at every field that is used */

#include "worker/engine/external_message.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "worker/engine/fields.h"

enum { REASON_MAX = 256 }; /* bytes of a verdict's reason code */

const char *external_role_name (unsigned role)
{
    return role == ENGINE_PRM ? "prm" : role == ENGINE_VERIFIER ? "verifier" : "generator";
}

static esp_err refuse (esp_error *error, const char *sentence)
{
    return esp_error_set (error, ESP_EFORMAT, "%s", sentence);
}

/* A text of the peer, cut, for logs. */
static void take_words (const json_t *value, char out[EXTERNAL_WORDS])
{
    span text = json_is_string (value)
                    ? span_make (json_string_value (value), json_string_length (value))
                    : span_make ("", 0);
    text = esp_utf8_cut (text, EXTERNAL_WORDS - 1);
    memcpy (out, text.ptr, text.len);
    out[text.len] = 0;
    for (size_t i = 0; i < text.len; i++)
        if (!out[i])
            out[i] = '?';
    esp_text_scrub (out);
}

/* A whole number in [least, most], else `fallback`; a larger one is cut.  False: it is there and no such number. */
static bool
take_count (const json_t *root, const char *key, int64_t least, int64_t most, int64_t *out)
{
    const json_t *value = json_object_get (root, key);
    int64_t number;
    if (!value || json_is_null (value))
        return true;
    if (!json_is_integer (value) || (number = json_integer_value (value)) < least)
        return false;
    *out = number < most ? number : most;
    return true;
}

/* ---- hello ---- */

static unsigned role_of (const json_t *name)
{
    for (unsigned role = ENGINE_GENERATOR; role <= ENGINE_VERIFIER && json_is_string (name);
         role *= 2)
        if (strcmp (json_string_value (name), external_role_name (role)) == 0)
            return role;
    return 0;
}

static esp_err read_hello (const json_t *root, external_hello *h, esp_error *error)
{
    const json_t *roles = json_object_get (root, "roles");
    int64_t credits = 1, batch = 0, n = 1, version = 0;
    for (size_t i = 0; i < json_array_size (roles); i++)
        h->roles |= role_of (json_array_get (roles, i));
    if (!take_count (root, "version", 1, INT32_MAX, &version) || version == 0)
        return refuse (error, "hello: version is not there");
    if (h->roles == 0)
        return refuse (error, "hello: roles is not a list of generator, prm, verifier");
    if (!take_count (root, "credits", 1, EXTERNAL_CREDITS_MAX, &credits))
        return refuse (error, "hello: credits is not a number >= 1");
    batch = credits;
    if (!take_count (root, "batch", 1, EXTERNAL_CREDITS_MAX, &batch) ||
        !take_count (root, "n", 1, EXTERNAL_CREDITS_MAX, &n))
        return refuse (error, "hello: batch or n is not a number >= 1");
    h->version = version;
    h->credits = (uint32_t)credits;
    h->batch = (uint32_t)batch;
    h->n = (uint32_t)n;
    take_words (json_object_get (root, "name"), h->name);
    return ESP_OK;
}

/* ---- messages ---- */

static bool take_kind (const json_t *root, enum external_kind *kind)
{
    static const char *const names[] = {"hello", "results", "heartbeat", "error", "bye"};
    const char *type = json_string_value (json_object_get (root, "type"));
    for (size_t i = 0; type && i < sizeof (names) / sizeof (names[0]); i++)
        if (strcmp (type, names[i]) == 0) {
            *kind = (enum external_kind)i;
            return true;
        }
    return false;
}

static esp_err read_root (const json_t *root, external_message *m, esp_error *error)
{
    const json_t *list = json_object_get (root, "results");
    int64_t session = 0;
    if (!json_is_object (root))
        return refuse (error, "it is not a JSON object");
    if (!take_kind (root, &m->kind))
        return refuse (error, "type is none of hello, results, heartbeat, error, bye");
    if (!take_count (root, "session", 0, INT64_MAX, &session))
        return refuse (error, "session is not a number");
    m->session = (uint64_t)session;
    switch (m->kind) {
    case EXTERNAL_HELLO:
        return read_hello (root, &m->hello, error);
    case EXTERNAL_RESULTS:
        if (!json_is_array (list))
            return refuse (error, "results is not a list");
        m->result_count = json_array_size (list);
        return ESP_OK;
    case EXTERNAL_ERROR:
        take_words (json_object_get (root, "message"), m->text);
        m->retryable = json_is_true (json_object_get (root, "retryable"));
        return ESP_OK;
    case EXTERNAL_BYE:
        take_words (json_object_get (root, "reason"), m->text);
        return ESP_OK;
    case EXTERNAL_HEARTBEAT:
        return ESP_OK;
    }
    return ESP_EFORMAT;
}

esp_err external_read (span bytes, external_message *out, esp_error *error)
{
    external_message m = {.kind = EXTERNAL_HEARTBEAT};
    json_error_t why;
    json_t *root;
    esp_err err;
    if (bytes.len > EXTERNAL_BYTES_MAX)
        return refuse (error, "it is too long");
    root = json_loadb (bytes.len ? bytes.ptr : "", bytes.len, JSON_ALLOW_NUL, &why);
    if (!root)
        return json_error_code (&why) == json_error_out_of_memory
                   ? esp_error_set (error, ESP_ENOMEM, "out of memory")
                   : esp_error_set (error, ESP_EFORMAT, "%s (byte %d)", why.text, why.position);
    if ((err = read_root (root, &m, error)) != ESP_OK) {
        json_decref (root);
        return err;
    }
    m.root = root;
    *out = m;
    return ESP_OK;
}

void external_done (external_message *m)
{
    json_decref (m->root);
    m->root = NULL;
}

static const json_t *result_at (const external_message *m, size_t index)
{
    return json_array_get (json_object_get (m->root, "results"), index);
}

uint64_t external_result_id (const external_message *m, size_t index)
{
    const json_t *id = json_object_get (result_at (m, index), "id");
    return json_is_integer (id) && json_integer_value (id) > 0 ? (uint64_t)json_integer_value (id)
                                                               : 0;
}

/* ---- results ---- */

/* A number or nothing (NaN); jansson lets no NaN and no infinity through. */
static bool take_number (const json_t *root, const char *key, double *out)
{
    const json_t *value = json_object_get (root, key);
    *out = NAN;
    if (!value || json_is_null (value))
        return true;
    if (!json_is_number (value))
        return false;
    *out = json_number_value (value);
    return isfinite (*out);
}

/* A text or nothing (empty). */
static bool take_text (const json_t *root, const char *key, size_t most, span *out)
{
    const json_t *value = json_object_get (root, key);
    if (!value || json_is_null (value))
        return true;
    if (!json_is_string (value) || json_string_length (value) > most)
        return false;
    *out = span_make (json_string_value (value), json_string_length (value));
    return true;
}

/* Pieces that end with the separator, or with the text; white space alone is no piece. */
static uint32_t count_pieces (span text, const char *separator)
{
    uint32_t count = 0;
    span piece;
    while (fields_piece (&text, separator, &piece))
        count += span_trim (piece).len > 0;
    return count;
}

static bool take_finish (const json_t *from, const task *t, result *r)
{
    const json_t *value = json_object_get (from, "finish");
    const char *name = json_string_value (value);
    r->finish = t->mode == TASK_STEP ? FINISH_STOP : FINISH_EOS;
    if (!value || json_is_null (value))
        return true;
    for (uint8_t i = FINISH_STOP; name && i <= FINISH_LENGTH; i++)
        if (strcmp (name, node_finish_names[i]) == 0) {
            r->finish = i;
            return true;
        }
    return false;
}

static esp_err read_sample (const json_t *from, const task *t, result *r, esp_error *error)
{
    int64_t tokens, steps, prompt = 0, cached = 0;
    if (!json_is_string (json_object_get (from, "text")) ||
        !take_text (from, "text", EXTERNAL_TEXT_MAX, &r->text))
        return refuse (error, "text is not a string, or too long");
    tokens = fields_words (r->text);
    steps = t->mode == TASK_STEP ? 1 : count_pieces (r->text, "\n\n");
    if (!take_count (from, "tokens", 0, UINT32_MAX, &tokens) ||
        !take_count (from, "steps", 0, UINT32_MAX, &steps))
        return refuse (error, "tokens or steps is not a number >= 0");
    if (!take_count (from, "prompt_tokens", 0, UINT32_MAX, &prompt) ||
        !take_count (from, "cached_tokens", 0, UINT32_MAX, &cached))
        return refuse (error, "prompt_tokens or cached_tokens is not a number >= 0");
    if (!take_finish (from, t, r))
        return refuse (error, "finish is none of stop, eos, length");
    if (!take_number (from, "logprob", &r->logprob))
        return refuse (error, "logprob is not a number");
    if (t->max_tokens > 0 && tokens > t->max_tokens) /* the budget is hard, whoever counts */
        return esp_error_set (error, ESP_EFORMAT,
                              "a text of %lld tokens where at most max_tokens = %u were asked for",
                              (long long)tokens, t->max_tokens);
    r->tokens = (uint32_t)tokens;
    r->prompt_tokens = (uint32_t)prompt;
    r->cached_tokens = (uint32_t)cached;
    r->steps = (uint32_t)(steps < 1 ? 1 : steps);
    if (t->mode != TASK_STEP && t->max_steps > 0 && r->steps > t->max_steps)
        r->steps = t->max_steps;
    r->mean_logprob = r->tokens > 0 ? r->logprob / r->tokens : NAN;
    return ESP_OK;
}

static esp_err
read_generated (const json_t *from, const external_asked *asked, result *r, esp_error *error)
{
    const json_t *samples = json_object_get (from, "samples");
    if (!samples && asked->n == 1)
        return read_sample (from, &asked->job->task, r, error);
    if (json_array_size (samples) != asked->n)
        return esp_error_set (error, ESP_EFORMAT, "samples: %zu where %u were asked for",
                              json_array_size (samples), asked->n);
    return read_sample (json_array_get (samples, asked->sample), &asked->job->task, r, error);
}

/* One score a step asked, or one for each from `from` on. */
static esp_err read_scores (const json_t *from, const external_asked *asked, external_scores *room,
                            result *r, esp_error *error)
{
    const json_t *list = json_object_get (from, "scores");
    size_t count = json_array_size (list), wanted = asked->steps - asked->from;
    size_t skip = count == asked->steps ? asked->from : 0;
    int64_t read = 0;
    if (!json_is_array (list) || (count != asked->steps && count != wanted) ||
        wanted > EXTERNAL_SCORES_MAX)
        return esp_error_set (error, ESP_EFORMAT, "scores: %zu where %u steps were to be scored",
                              count, asked->steps);
    if (esp_grow (&room->values, &room->cap, wanted + 1, sizeof (*room->values)) != 0)
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    for (size_t i = 0; i < wanted; i++) {
        const json_t *value = json_array_get (list, skip + i);
        if (!json_is_number (value) || !isfinite (json_number_value (value)))
            return esp_error_set (error, ESP_EFORMAT, "scores: number %zu is not a number",
                                  skip + i);
        room->values[i] = json_number_value (value);
    }
    if (!take_count (from, "tokens", 0, UINT32_MAX, &read))
        return refuse (error, "tokens is not a number >= 0");
    r->scores = room->values;
    r->score_count = (uint32_t)wanted;
    r->score_own = asked->own;
    r->scored_tokens = (uint32_t)read;
    return ESP_OK;
}

static esp_err read_verdict (const json_t *from, result *r, esp_error *error)
{
    const char *name = json_string_value (json_object_get (from, "verdict"));
    r->reason = span_of ("external");
    for (uint8_t i = VERDICT_PASS; name && i <= VERDICT_UNKNOWN; i++)
        if (strcmp (name, verdict_names[i]) == 0)
            r->verdict = i;
    if (r->verdict == VERDICT_NONE)
        return refuse (error, "verdict is none of pass, fail, unknown");
    if (!take_text (from, "reason", REASON_MAX, &r->reason) ||
        !take_text (from, "answer", EXTERNAL_TEXT_MAX, &r->answer) ||
        !take_text (from, "observation", EXTERNAL_TEXT_MAX, &r->observation))
        return refuse (error, "reason, answer or observation is not a string, or too long");
    if (!take_number (from, "share", &r->share) || r->share < 0 || r->share > 1)
        return refuse (error, "share is not a number in [0, 1]");
    return ESP_OK;
}

static esp_err said_error (const json_t *said, esp_error *error)
{
    char words[EXTERNAL_WORDS];
    bool again = json_is_true (json_object_get (said, "retryable"));
    take_words (json_is_string (said) ? said : json_object_get (said, "message"), words);
    return esp_error_set (error, again ? ESP_EIO : ESP_EENGINE, "it says: %s",
                          words[0] ? words : "an error");
}

esp_err external_result_read (const external_message *m, size_t index, const external_asked *asked,
                              external_scores *room, result *r, esp_error *error)
{
    const json_t *from = result_at (m, index), *said = json_object_get (from, "error");
    result made = {.id = asked->job->task.id, .logprob = NAN, .mean_logprob = NAN, .share = NAN};
    esp_err err;
    if (said && !json_is_null (said))
        return said_error (said, error);
    if (asked->job->task.kind == TASK_GENERATE)
        err = read_generated (from, asked, &made, error);
    else if (asked->job->task.kind == TASK_SCORE)
        err = read_scores (from, asked, room, &made, error);
    else
        err = read_verdict (from, &made, error);
    if (err == ESP_OK)
        *r = made;
    return err;
}
