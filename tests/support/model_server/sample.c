/* SPDX-License-Identifier: Apache-2.0 */
/* sample.c - see sample.h */

#include "tests/support/model_server/sample.h"
#include <math.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "proto/base/rng.h"
#include "tests/support/model_server/judge.h"

static uint32_t only_token (const char *text)
{
    tokens t = {0};
    uint32_t id = tokens_of (&t, span_of (text)) == ESP_OK && t.count == 1 ? t.ids[0] : 0;
    tokens_free (&t);
    return id;
}

/* What the model would say if nobody stopped it. */
static esp_err say (const sample_ask *ask, sample *s, uint64_t seed, esp_buf *said)
{
    if (judge_critique_is_asked (ask->prompt))
        return judge_critique (ask->prompt, said);
    if (!judge_is_asked (ask->prompt))
        return words_continue (ask->prompt, seed, &ask->style, said);
    s->judged = true;
    s->good = judge_text (ask->prompt);
    judge_labels (ask->prompt, s->labels);
    return esp_buf_puts (
        said,
        s->labels[ask->temperature > 0 ? esp_draw_unit (s->key, 7) >= s->good : s->good < 0.5]);
}

/* The stop string that begins first in the text from `from` on; NULL: none. */
static const char *find_stop (const sample_ask *ask, const sample *s, size_t from, size_t *at)
{
    const char *found = NULL;
    for (size_t i = 0; i < ask->stop_count; i++) {
        size_t begin = from > strlen (ask->stops[i]) ? from - strlen (ask->stops[i]) : 0;
        span tail = span_make (s->text.data + begin, s->text.len - begin);
        size_t place = span_find (tail, span_of (ask->stops[i]));
        if (place < tail.len && (!found || begin + place < *at)) {
            found = ask->stops[i];
            *at = begin + place;
        }
    }
    return found;
}

static bool is_stop_id (const sample_ask *ask, uint32_t id)
{
    for (size_t i = 0; i < ask->stop_id_count; i++)
        if (ask->stop_ids[i] == id)
            return true;
    return false;
}

/* One token more; *ended when it was the last. */
static esp_err take (const sample_ask *ask, sample *s, uint32_t id, bool *ended)
{
    char piece[TOKEN_LONGEST];
    size_t from = s->text.len, at = 0;
    bool end = id == TOKEN_END || id == TOKEN_END_OF_TEXT;
    esp_err err = tokens_add (&s->ids, id);
    if (err == ESP_OK && !end)
        err = esp_buf_append (&s->text, piece, token_piece (id, piece));
    if (err != ESP_OK)
        return err;
    s->cut = s->text.len;
    s->ends[s->ids.count - 1] = s->text.len;
    if (s->ids.count > ask->min_tokens && !end && (s->stop = find_stop (ask, s, from, &at))) {
        s->cut = at;
        s->text.len = at + strlen (s->stop);
        s->text.data[s->text.len] = 0;
        s->finish = FINISH_STOP;
    } else if (end || is_stop_id (ask, id))
        s->finish = end ? FINISH_END : FINISH_STOP_ID;
    *ended = s->finish != FINISH_LENGTH || s->ids.count >= ask->max_tokens;
    return ESP_OK;
}

static esp_err take_all (const sample_ask *ask, sample *s, const tokens *said)
{
    uint32_t so = only_token (" so");
    bool ended = ask->max_tokens == 0;
    esp_err err = ESP_OK;
    for (size_t i = 0; err == ESP_OK && !ended; i++)
        err = take (ask, s, i < said->count ? said->ids[i] : so, &ended);
    return err;
}

esp_err sample_make (const sample_ask *ask, sample *out)
{
    esp_buf text = {0};
    tokens said = {0};
    uint64_t seed = ask->temperature > 0 ? ask->seed : 0;
    size_t places;
    esp_err err;
    *out = (sample){.key = esp_hash_mix (esp_hash64 (ask->prompt.ptr, ask->prompt.len, 5), seed)};
    err = say (ask, out, seed, &text);
    if (err == ESP_OK)
        err = tokens_of (&said, esp_buf_span (&text));
    if (err == ESP_OK && !ask->ignore_end)
        err = tokens_add (&said, TOKEN_END);
    places = ask->ignore_end || ask->max_tokens < said.count ? ask->max_tokens : said.count;
    out->ends = esp_calloc (places + 1, sizeof (*out->ends));
    if (err == ESP_OK && out->ends)
        err = take_all (ask, out, &said);
    for (size_t i = 0; i < out->ids.count; i++)
        if (out->ends[i] > out->text.len)
            out->ends[i] = out->text.len;
    esp_buf_free (&text);
    tokens_free (&said);
    return out->ends ? err : ESP_ENOMEM;
}

size_t sample_sent (const sample *s, size_t count)
{
    if (count == 0 || count >= s->ids.count)
        return count ? s->text.len : 0;
    return esp_utf8_cut (esp_buf_span (&s->text), s->ends[count - 1]).len;
}

void sample_free (sample *s)
{
    tokens_free (&s->ids);
    esp_buf_free (&s->text);
    esp_free (s->ends);
    *s = (sample){0};
}

double sample_logprob (const sample *s, size_t i)
{
    if (s->judged && i == 0)
        return sample_logprob_of (s, i, s->ids.ids[0]);
    return -0.01 - 1.5 * esp_draw_unit (s->key, 100 + i);
}

/* 0 for a word that says good, 1 for bad, -1 for any other. */
static int verdict_of (uint32_t id)
{
    static const char *const says[2][4] = {{"+", " Yes", "Yes", "yes"}, {"-", " No", "No", "no"}};
    char piece[TOKEN_LONGEST];
    size_t len = token_piece (id, piece);
    for (int bad = 0; bad < 2; bad++)
        for (unsigned i = 0; i < 4; i++)
            if (span_is (span_make (piece, len), says[bad][i]))
                return bad;
    return -1;
}

double sample_logprob_of (const sample *s, size_t i, uint32_t id)
{
    int bad = s->judged && i == 0 ? verdict_of (id) : -1;
    if (bad >= 0)
        return log (0.97 * (bad ? 1 - s->good : s->good));
    if (i < s->ids.count && id == s->ids.ids[i] && !(s->judged && i == 0))
        return sample_logprob (s, i);
    return -4 - 12 * esp_draw_unit (esp_hash_mix (s->key, i), id);
}

/* The j-th of the candidates that were not sampled; in no order. */
static uint32_t other (const sample *s, size_t i, size_t j)
{
    uint32_t letters = esp_draw_below (esp_hash_mix (s->key, i), j, 17000);
    if (s->judged && i == 0 && j == 0)
        return only_token (s->labels[s->ids.ids[0] == only_token (s->labels[0])]);
    return (uint32_t)(' ' + 1) + 257 * ('a' + 1 + letters % 26) +
           257 * 257 * ('a' + 1 + letters / 26 % 26);
}

size_t sample_top (const sample *s, size_t i, long long count, uint32_t ids[])
{
    size_t n = count < 0 ? 0 : count < MOST_TOP ? (size_t)count : MOST_TOP, held = 0;
    for (size_t j = 0; j <= n && n > 0; j++) {
        uint32_t id = j == 0 ? s->ids.ids[i] : other (s, i, j - 1);
        double logprob = sample_logprob_of (s, i, id);
        size_t at = held;
        while (at > 0 && sample_logprob_of (s, i, ids[at - 1]) < logprob)
            at--;
        if (at == n)
            continue;
        held += held < n;
        memmove (ids + at + 1, ids + at, (held - 1 - at) * sizeof (*ids));
        ids[at] = id;
    }
    return held;
}

double prompt_logprob (span prompt, size_t i)
{
    return -0.05 - 9 * esp_draw_unit (esp_hash64 (prompt.ptr, prompt.len, 9), i);
}
