/* SPDX-License-Identifier: Apache-2.0 */
/* reply.c - the samples of one answer
 *
 * Limits: a sample holds no more tokens than were asked (and SPARE_TOKENS, so that reply_finish can say by how many it is
 * too long), its text no more bytes than so many tokens can have.  So a server that ignores max_tokens is found early.
 *
 * Invariants:
 *   I1  top holds top_logprobs entries for each entry of generated
 *   I2  ended counts the samples with a finish
 */

#include "worker/prompt/reply.h"
#include <math.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "worker/prompt/shape_inner.h"

enum {
    SPARE_TOKENS = 16,
    TOKEN_BYTES = 512,      /* of one token's text: the longest known ones have 256 (white space) */
    TEXT_BYTES = 4096,      /* spare */
    CUT_CHARACTERS = 3,     /* U+FFFD that a character cut at max_tokens leaves: a byte each */
    JSON_BYTES = 64 * 1024, /* of an answer without its samples */
    JSON_TOKEN_BYTES = 1024, /* of a token: text, id, logprob, all with names */
    JSON_TOP_BYTES = 512,    /* of an alternative */
    JSON_PROMPT_BYTES = 12   /* of a prompt's byte: vLLM gives its ids back with each choice */
};
static const double floor_logprob = -9999.0; /* vLLM and SGLang send it for -inf */
static const double slack_logprob = 1e-3;    /* above 0, by rounding */

size_t gen_ask_most_bytes (const gen_ask *ask)
{
    uint64_t token = JSON_TOKEN_BYTES + (uint64_t)ask->top_logprobs * JSON_TOP_BYTES;
    uint64_t prompt = (uint64_t)JSON_PROMPT_BYTES * (ask->prompt.len + ask->messages.len);
    uint64_t tokens = (uint64_t)ask->max_tokens + SPARE_TOKENS;
    double bytes = JSON_BYTES + (double)ask->n * ((double)token * (double)tokens + (double)prompt);
    return bytes < (double)(SIZE_MAX / 4) ? (size_t)bytes : SIZE_MAX / 4;
}

esp_err reply_create (const gen_ask *ask, gen_reply **out)
{
    gen_reply *r;
    if (!ask || !out || ask->n == 0 || ask->n > REPLY_MOST_N)
        return ESP_EINVAL;
    if (!(r = esp_calloc (1, sizeof (*r))))
        return ESP_ENOMEM;
    if (!(r->samples = esp_calloc (ask->n, sizeof (*r->samples)))) {
        esp_free (r);
        return ESP_ENOMEM;
    }
    if (ask->continues && reply_take_prefill (r, ask->messages) != ESP_OK) {
        reply_destroy (r);
        return ESP_ENOMEM;
    }
    r->n = ask->n;
    r->max_tokens = ask->max_tokens;
    r->top_logprobs = ask->top_logprobs;
    r->most_bytes = gen_ask_most_bytes (ask);
    r->stop = ask->stop;
    r->stop_count = ask->stop_count;
    r->chat = ask->messages.ptr != NULL;
    r->stream = ask->stream;
    r->ids = ask->ids;
    for (uint32_t i = 0; i < r->n; i++) {
        r->samples[i].logprob = NAN;
        r->samples[i].slot = -1;
    }
    *out = r;
    return ESP_OK;
}

void reply_destroy (gen_reply *r)
{
    if (!r)
        return;
    for (uint32_t i = 0; i < r->n; i++) {
        esp_buf_free (&r->samples[i].text);
        esp_free (r->samples[i].generated);
        esp_free (r->samples[i].top);
    }
    esp_buf_free (&r->prefill);
    esp_free (r->samples);
    esp_free (r);
}

uint32_t reply_number (const gen_reply *r, const gen_sample *s)
{
    return (uint32_t)(s - r->samples);
}

/* ---- collecting ---- */

/* A model may say a 0 byte; the project's own files do not take it back (jansson), so it becomes U+FFFD. */
static esp_err add_without_zeros (gen_sample *s, span text)
{
    esp_err err = ESP_OK;
    const char *zero;
    while (err == ESP_OK && text.len > 0 && (zero = memchr (text.ptr, 0, text.len))) {
        size_t before = (size_t)(zero - text.ptr);
        if ((err = esp_buf_append (&s->text, text.ptr, before)) == ESP_OK)
            err = esp_buf_puts (&s->text, "\xEF\xBF\xBD");
        text = span_make (zero + 1, text.len - before - 1);
    }
    return err == ESP_OK ? esp_buf_add (&s->text, text) : err;
}

esp_err reply_add_text (const gen_reply *r, gen_sample *s, span text, esp_error *why)
{
    size_t most = TEXT_BYTES + ((size_t)r->max_tokens + SPARE_TOKENS) * TOKEN_BYTES;
    if (text.len > most || s->text.len > most - text.len)
        return esp_error_set (why, ESP_EFORMAT,
                              "the text of sample %u is longer than %u tokens can be: the server "
                              "ignores max_tokens",
                              reply_number (r, s), r->max_tokens);
    return add_without_zeros (s, text);
}

static esp_err
check_logprob (const gen_reply *r, const gen_sample *s, double *logprob, esp_error *why)
{
    if (*logprob > slack_logprob)
        return esp_error_set (why, ESP_EFORMAT,
                              "sample %u has a log probability of %g: none is above 0 (does the "
                              "server send probabilities?)",
                              reply_number (r, s), *logprob);
    if (*logprob > 0)
        *logprob = 0;
    if (*logprob < floor_logprob)
        *logprob = floor_logprob;
    return ESP_OK;
}

static esp_err too_many (const gen_reply *r, const gen_sample *s, esp_error *why)
{
    return esp_error_set (
        why, ESP_EFORMAT,
        "sample %u has more than the %u tokens asked for: the server ignores max_tokens",
        reply_number (r, s), r->max_tokens);
}

esp_err reply_add_count (const gen_reply *r, gen_sample *s, size_t count, esp_error *why)
{
    if (count > UINT32_MAX || s->tokens + (uint64_t)count > (uint64_t)r->max_tokens + SPARE_TOKENS)
        return too_many (r, s, why);
    s->tokens += (uint32_t)count;
    return ESP_OK;
}

esp_err
reply_add_token (const gen_reply *r, gen_sample *s, uint32_t id, double logprob, esp_error *why)
{
    size_t at = s->generated_count, k = r->top_logprobs;
    esp_err err = check_logprob (r, s, &logprob, why);
    if (err != ESP_OK)
        return err;
    if (at >= (size_t)r->max_tokens + SPARE_TOKENS)
        return too_many (r, s, why);
    if (esp_grow (&s->generated, &s->generated_cap, at + 1, sizeof (*s->generated)) != 0 ||
        (k > 0 && esp_grow (&s->top, &s->top_cap, (at + 1) * k, sizeof (*s->top)) != 0))
        return ESP_ENOMEM;
    s->generated[at] = (token_logprob){id, (float)logprob};
    for (size_t i = 0; i < k; i++)
        s->top[at * k + i] = (token_logprob){TOKEN_ID_NONE, NAN};
    s->generated_count++;
    s->top_count += k;
    return ESP_OK;
}

esp_err
reply_add_top (const gen_reply *r, gen_sample *s, uint32_t id, double logprob, esp_error *why)
{
    size_t k = r->top_logprobs, i = k;
    token_logprob *best;
    esp_err err = check_logprob (r, s, &logprob, why);
    if (err != ESP_OK || k == 0 || s->generated_count == 0 || isnan (logprob))
        return err;
    best = s->top + (s->generated_count - 1) * k;
    for (; i > 0 && !(best[i - 1].logprob >= (float)logprob); i--)
        if (i < k)
            best[i] = best[i - 1];
    if (i < k)
        best[i] = (token_logprob){id, (float)logprob};
    return ESP_OK;
}

/* ---- how a sample ends ---- */

static bool was_asked (const gen_reply *r, span stop)
{
    for (size_t i = 0; i < r->stop_count; i++)
        if (span_is (stop, r->stop[i]))
            return true;
    return false;
}

static bool ends_with (const gen_sample *s, span tail)
{
    return s->text.len >= tail.len && tail.len > 0 &&
           memcmp (s->text.data + s->text.len - tail.len, tail.ptr, tail.len) == 0;
}

/* Without a word of the server: a text that ends with a stop text was stopped by it. */
static enum gen_finish guess_stop (const gen_reply *r, const gen_sample *s)
{
    if (r->stop_count == 0)
        return GEN_EOS;
    for (size_t i = 0; i < r->stop_count; i++)
        if (ends_with (s, span_of (r->stop[i])))
            return GEN_STOP;
    return GEN_STOPPED;
}

esp_err reply_end (gen_reply *r, gen_sample *s, enum gen_finish finish, span stop, esp_error *why)
{
    esp_err err = ESP_OK;
    if (finish == GEN_STOP && was_asked (r, stop)) {
        if (!ends_with (s, stop))
            err = reply_add_text (r, s, stop, why);
    } else if (finish == GEN_STOP) {
        finish = GEN_EOS;
        if (ends_with (s, stop))
            s->text.data[s->text.len -= stop.len] = 0;
    } else if (finish == GEN_STOPPED)
        finish = guess_stop (r, s);
    if (err != ESP_OK)
        return err;
    s->finish = (uint8_t)finish;
    r->ended++;
    r->done = r->ended == r->n;
    return ESP_OK;
}

/* ---- all of it ---- */

static void drop_cut_character (gen_sample *s)
{
    span cut = span_of ("\xEF\xBF\xBD");
    for (int i = 0; i < CUT_CHARACTERS && ends_with (s, cut); i++)
        s->text.data[s->text.len -= cut.len] = 0;
}

/* The server's own count, else what came, else its share of all tokens by bytes (the last gets what rounding
 * leaves), else the events. */
static void count_tokens (gen_reply *r)
{
    uint64_t bytes = 0, before = 0, given = 0;
    for (uint32_t i = 0; i < r->n; i++)
        bytes += r->samples[i].text.len + 1;
    for (uint32_t i = 0; i < r->n; i++) {
        gen_sample *s = &r->samples[i];
        uint64_t share;
        before += s->text.len + 1;
        share = r->completion_tokens * before / bytes - given;
        given += share;
        if (s->tokens == 0 && r->n == 1)
            s->tokens = r->completion_tokens;
        if (s->tokens == 0)
            s->tokens = (uint32_t)s->generated_count;
        s->guessed = s->tokens == 0 && (share > 0 || s->events > 0);
        if (s->tokens == 0)
            s->tokens = share > 0 ? (uint32_t)share : s->events;
    }
}

static esp_err sum_logprobs (const gen_reply *r, gen_sample *s, bool asked, esp_error *why)
{
    double sum = 0;
    size_t missing = 0, behind = 0; /* the last `behind` tokens have none */
    bool tail = r->tail_unsaid && s->finish == GEN_STOP;
    for (size_t i = 0; i < s->generated_count; i++) {
        bool has = !isnan (s->generated[i].logprob);
        sum += has ? (double)s->generated[i].logprob : 0;
        missing += !has;
        behind = has ? 0 : behind + 1;
    }
    if (missing == 0 && (s->generated_count > 0 || (asked && s->tokens == 0)))
        s->logprob = sum;
    else if (tail && asked && missing == behind)
        s->logprob = sum;
    else if (asked && s->finish != GEN_ABORTED)
        return esp_error_set (why, ESP_EFORMAT,
                              "sample %u has %zu tokens without a log probability, and all were "
                              "asked for; does the server give them?",
                              reply_number (r, s), missing ? missing : (size_t)s->tokens);
    return ESP_OK;
}

static esp_err finish_sample (const gen_reply *r, gen_sample *s, const gen_ask *ask, esp_error *why)
{
    size_t most = s->tokens > s->generated_count ? s->tokens : s->generated_count;
    if (!esp_utf8_valid (esp_buf_span (&s->text)))
        return esp_error_set (why, ESP_EFORMAT, "the text of sample %u is not UTF-8",
                              reply_number (r, s));
    if (!s->guessed && most > r->max_tokens)
        return esp_error_set (why, ESP_EFORMAT,
                              "sample %u has %zu tokens, %u were asked for at most: the server "
                              "ignores max_tokens",
                              reply_number (r, s), most, r->max_tokens);
    if (s->tokens > r->max_tokens)
        s->tokens = r->max_tokens;
    if (s->finish == GEN_LENGTH)
        drop_cut_character (s);
    return sum_logprobs (r, s, ask->logprobs, why);
}

esp_err reply_finish (gen_reply *r, const gen_ask *ask, esp_error *why)
{
    esp_err err = ESP_OK;
    for (uint32_t i = 0; i < r->n; i++)
        if (r->samples[i].finish == GEN_OPEN)
            return esp_error_set (
                why, ESP_EFORMAT,
                "%u of %u samples ended, the first that did not is %u: part of the answer is "
                "missing",
                r->ended, r->n, i);
    count_tokens (r);
    for (uint32_t i = 0; err == ESP_OK && i < r->n; i++)
        err = finish_sample (r, &r->samples[i], ask, why);
    return err;
}

esp_err reply_finish_one (gen_reply *r, uint32_t i, const gen_ask *ask, esp_error *why)
{
    gen_sample *s = &r->samples[i];
    if (s->finish == GEN_OPEN || s->finish == GEN_ABORTED)
        return ESP_EEMPTY;
    if (s->tokens == 0)
        s->tokens = (uint32_t)s->generated_count;
    if (s->tokens == 0)
        return ESP_EEMPTY;
    return finish_sample (r, s, ask, why);
}
