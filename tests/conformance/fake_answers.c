/* SPDX-License-Identifier: Apache-2.0 */
/* fake_answers.c - see fake_answers.h */

#include "tests/conformance/fake_answers.h"
#include <inttypes.h>
#include <stdio.h>
#include "proto/answer/answer.h"

static const char separator[] = "\n\n";
enum { SEPARATOR = 2 };

const char *fake_k (uint32_t k, char out[FAKE_K])
{
    if (k == TASK_K_GREEDY)
        snprintf (out, FAKE_K, "g");
    else
        snprintf (out, FAKE_K, "%" PRIu32, k);
    return out;
}

span fake_stated (span text)
{
    span answer;
    return answer_find (text, &answer) ? answer : span_make ("", 0);
}

uint32_t fake_tokens (span text)
{
    uint32_t count = 0;
    bool inside = false;
    for (size_t i = 0; i < text.len; i++) {
        bool word = text.ptr[i] != ' ' && text.ptr[i] != '\n';
        count += word && !inside;
        inside = word;
    }
    return count;
}

/* ---- generate ---- */

static esp_err prompt_of (span question, span text, esp_buf *out)
{
    esp_err err = esp_buf_add (out, question);
    if (err == ESP_OK)
        err = esp_buf_puts (out, "|A|");
    return err == ESP_OK ? esp_buf_add (out, text) : err;
}

esp_err fake_to_end (const fake_lm *lm, span question, span text, uint32_t k, uint32_t max_steps,
                     esp_buf *out, uint32_t *steps, bool *eos)
{
    esp_buf prompt = {0};
    esp_err err = prompt_of (question, text, &prompt);
    *eos = false;
    for (*steps = 0; err == ESP_OK && !*eos && *steps < max_steps; (*steps)++) {
        size_t before = out->len;
        err = fake_lm_step (lm, esp_buf_span (&prompt), question.len + 3, *steps ? 0 : k, out, eos,
                            NULL);
        if (err == ESP_OK)
            err = esp_buf_append (&prompt, esp_buf_text (out) + before, out->len - before);
    }
    esp_buf_free (&prompt);
    return err;
}

static esp_err one_step (const fake_world *w, const task *t, span text, esp_buf *out, result *r)
{
    span question = span_of (w->question);
    esp_buf prompt = {0};
    bool eos = false;
    esp_err err = prompt_of (question, text, &prompt);
    if (err == ESP_OK)
        err = fake_lm_step (&w->lm, esp_buf_span (&prompt), question.len + 3, t->k, out, &eos,
                            &r->mean_logprob);
    esp_buf_free (&prompt);
    r->steps = 1;
    r->finish = eos ? FINISH_EOS : FINISH_STOP;
    return err;
}

static esp_err lines_of (const fake_world *w, const task *t, span text, esp_buf *out)
{
    bool propose = w->thought[0] == 'P';
    uint32_t lines = propose ? w->candidates : 1;
    esp_err err = ESP_OK;
    for (uint32_t i = 0; i < lines && err == ESP_OK; i++)
        err = fake_thought_line (w->thought, span_of (w->question), text, propose ? i : t->k,
                                 w->lm.vocab, out);
    return err;
}

static esp_err generate (const fake_world *w, const task *t, span text, esp_buf *out, result *r)
{
    bool eos = false;
    esp_err err;
    r->steps = 1;
    r->finish = t->mode == TASK_STEP ? FINISH_STOP : FINISH_EOS;
    if (w->actions)
        return t->action < w->action_count ? fake_gen_child (w->actions[t->action], t->k, out)
                                           : ESP_ERANGE;
    if (w->thought)
        return lines_of (w, t, text, out);
    if (t->mode == TASK_STEP)
        return one_step (w, t, text, out, r);
    err =
        fake_to_end (&w->lm, span_of (w->question), text, t->k, t->max_steps, out, &r->steps, &eos);
    r->finish = eos ? FINISH_EOS : FINISH_LENGTH;
    return err;
}

/* ---- score ---- */

esp_err fake_scores (span question, span text, esp_arena *arena, double **scores, size_t **ends,
                     size_t *count)
{
    size_t most = span_count (text, span_of (separator)) + 1, n = 0, at = 0;
    double *values = esp_arena_alloc (arena, most * sizeof (*values));
    size_t *stops = esp_arena_alloc (arena, most * sizeof (*stops));
    esp_buf so_far = {0};
    esp_err err = values && stops ? ESP_OK : ESP_ENOMEM;
    while (err == ESP_OK && at < text.len) {
        span rest = span_make (text.ptr + at, text.len - at);
        size_t length = span_find (rest, span_of (separator));
        if (length > 0) {
            err = fake_prm_score (question, span_make (rest.ptr, length), &so_far, &values[n]);
            stops[n++] = at + length;
        }
        at += length + SEPARATOR;
    }
    esp_buf_free (&so_far);
    if (err != ESP_OK)
        return err;
    *scores = values;
    if (ends)
        *ends = stops;
    *count = n;
    return ESP_OK;
}

/* The scores of the node's own steps and of the lookahead; those of its ancestors are known. */
static esp_err lm_score (const fake_world *w, span text, size_t own_at, size_t extra_at,
                         esp_arena *arena, result *r)
{
    double *scores;
    size_t *ends, count, above = 0;
    esp_err err = fake_scores (span_of (w->question), text, arena, &scores, &ends, &count);
    if (err != ESP_OK)
        return err;
    while (above < count && ends[above] <= own_at)
        above++;
    r->scores = scores + above;
    r->score_count = (uint32_t)(count - above);
    for (size_t i = above; i < count; i++)
        r->score_own += ends[i] <= extra_at;
    return ESP_OK;
}

static esp_err
state_score (const fake_world *w, const task *t, span text, esp_arena *arena, result *r)
{
    double *value = esp_arena_alloc (arena, sizeof (*value));
    esp_err err = ESP_OK;
    if (!value)
        return ESP_ENOMEM;
    if (w->actions)
        *value = fake_gen_score (span_of (w->question), text);
    else
        err = fake_thought_value (span_of (w->question), text, t->reading, value);
    if (err == ESP_OK && !w->actions && w->level_count)
        *value = w->levels[(size_t)(*value * (double)w->level_count)];
    r->scores = value;
    r->score_count = r->score_own = 1;
    return err;
}

esp_err fake_answer (const fake_world *w, const task *t, span text, size_t own_at, size_t extra_at,
                     esp_arena *arena, result *r)
{
    esp_buf out = {0};
    esp_err err = ESP_OK;
    switch ((enum task_kind)t->kind) {
    case TASK_GENERATE:
        err = generate (w, t, text, &out, r);
        if (err == ESP_OK)
            err = esp_arena_copy (arena, esp_buf_span (&out), &r->text);
        r->tokens = fake_tokens (r->text);
        r->logprob = r->mean_logprob * r->tokens;
        break;
    case TASK_SCORE:
        err = w->actions || w->thought ? state_score (w, t, text, arena, r)
                                       : lm_score (w, text, own_at, extra_at, arena, r);
        break;
    case TASK_VERIFY:
        r->verdict = VERDICT_UNKNOWN;
        r->answer = fake_stated (text);
        break;
    case TASK_KINDS:
        break;
    }
    esp_buf_free (&out);
    return err;
}
