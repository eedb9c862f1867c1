/* SPDX-License-Identifier: Apache-2.0 */
/* generator_judge.c - a piece joined to its sample: is the step complete, and what is delivered */

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "proto/base/log.h"
#include "proto/model/token_data.h"
#include "worker/engine/fields.h"
#include "worker/engine/generator_inner.h"

enum { PIECES_MOST = 4096 }; /* of one sample */

/* ---- is it complete? ---- */

enum outcome { GO_ON, DONE_STOP, DONE_EOS, DONE_LENGTH };

static bool ends_with_final (const struct request *r, struct sample *s)
{
    const esp_strings *stop = &r->owner->options->stop;
    for (size_t i = 0; i < stop->count; i++)
        if (span_ends (esp_buf_span (&s->text), stop->items[i])) {
            s->text.len -= strlen (stop->items[i]); /* not part of the answer */
            s->text.data[s->text.len] = 0;
            return true;
        }
    return false;
}

/* A text that ends the sample may lie across the border of two steps: "\n\nQuestion:" where steps end at "\n\n". */
static bool begins_with_final (const struct request *r, struct sample *s)
{
    const esp_strings *stop = &r->owner->options->stop;
    const job *j = s->job;
    span before = job_lookahead (j), text = esp_buf_span (&s->text);
    if (j->task.mode != TASK_DRAFT && before.len == 0 && j->step_count > 0)
        before = j->steps[j->step_count - 1];
    for (size_t i = 0; i < stop->count; i++) {
        span final = span_of (stop->items[i]);
        for (size_t head = 1; head < final.len && head <= before.len; head++)
            if (memcmp (before.ptr + before.len - head, final.ptr, head) == 0 &&
                text.len >= final.len - head &&
                memcmp (text.ptr, final.ptr + head, final.len - head) == 0) {
                s->text.len = 0;
                s->text.data[0] = 0;
                return true;
            }
    }
    return false;
}

static bool step_is_complete (struct sample *s, enum piece_end how)
{
    size_t cut = s->text.len;
    if (!s->owner->setup.step)
        return true;
    if (!step_rule_complete (s->owner->setup.step, s->began_thinking, esp_buf_span (&s->text), how,
                             &cut))
        return false;
    if (cut < s->text.len) {
        s->text.len = cut;
        s->text.data[cut] = 0;
    }
    return true;
}

static enum outcome at_length (const struct request *r, struct sample *s, const gen_sample *got)
{
    const task *t = &s->job->task;
    bool step = t->mode == TASK_STEP;
    if (got->tokens >= r->plan.most_tokens) {
        if (step && r->plan.length_ends && step_is_complete (s, PIECE_AT_MOST))
            return DONE_STOP;
        return s->tokens >= t->max_tokens ? DONE_LENGTH : GO_ON;
    }
    if (step && step_is_complete (s, PIECE_STOPPED))
        return DONE_STOP;
    if (s->tokens >= t->max_tokens)
        return DONE_LENGTH;
    if (got->tokens >= r->ask.max_tokens && !r->fills_context)
        return GO_ON;
    if (!s->owner->said_context) {
        s->owner->said_context = true;
        esp_log (LOG_WARN, "GENERATOR-CONTEXT",
                 "generator: the server stopped after %u of %u tokens: its context is full; such "
                 "branches end there",
                 got->tokens, r->wanted);
    }
    return DONE_LENGTH;
}

/* Stopped, but nobody says by what: an answer is an end, all else is a step. */
static enum outcome guess_stop (const struct request *r, struct sample *s, const gen_sample *got)
{
    span answer;
    if (s->job->task.mode != TASK_STEP || got->text.len == 0 ||
        fields_boxed (esp_buf_span (&s->text), &answer))
        return DONE_EOS;
    if (r->ask.stop_count > 0 && !span_ends (esp_buf_span (&s->text), r->ask.stop[0]) &&
        esp_buf_puts (&s->text, r->ask.stop[0]) != ESP_OK) /* such servers cut it off */
        return DONE_EOS;
    if (step_is_complete (s, PIECE_STOPPED))
        return DONE_STOP;
    return s->tokens >= s->job->task.max_tokens ? DONE_LENGTH : GO_ON;
}

static enum outcome judge (const struct request *r, struct sample *s, const gen_sample *got)
{
    const task *t = &s->job->task;
    if (begins_with_final (r, s))
        return DONE_EOS;
    switch ((enum gen_finish)got->finish) {
    case GEN_OPEN: /* its stream was cut: the step is there */
    case GEN_STOP:
        if (got->text.len == 0 || ends_with_final (r, s))
            return DONE_EOS;
        if (t->mode == TASK_STEP && step_is_complete (s, PIECE_STOPPED))
            return DONE_STOP;
        return s->tokens >= t->max_tokens ? DONE_LENGTH : GO_ON;
    case GEN_STOPPED:
        return guess_stop (r, s, got);
    case GEN_LENGTH:
        return at_length (r, s, got);
    case GEN_EOS: /* a pattern may have been met long before */
        if (r->watched && step_is_complete (s, PIECE_STOPPED))
            return DONE_STOP;
        break;
    case GEN_ABORTED:
        break;
    }
    return DONE_EOS;
}

/* ---- joined ---- */

static esp_err keep_tokens (struct sample *s, gen_sample *got)
{
    if (got->generated_count == 0)
        return ESP_OK;
    if (esp_grow (&s->generated, &s->generated_cap, s->generated_count + got->generated_count,
                  sizeof (token_logprob)) != 0 ||
        esp_grow (&s->top, &s->top_cap, s->top_count + got->top_count + 1,
                  sizeof (token_logprob)) != 0)
        return ESP_ENOMEM;
    memcpy (s->generated + s->generated_count, got->generated,
            got->generated_count * sizeof (token_logprob));
    if (got->top_count > 0)
        memcpy (s->top + s->top_count, got->top, got->top_count * sizeof (token_logprob));
    s->generated_count += got->generated_count;
    s->top_count += got->top_count;
    return ESP_OK;
}

static esp_err join (const struct request *r, struct sample *s, gen_sample *got, bool first)
{
    esp_err err = esp_buf_add (&s->text, esp_buf_span (&got->text));
    if (err == ESP_OK && r->ask.top_logprobs > 0)
        err = keep_tokens (s, got);
    if (err != ESP_OK)
        return err;
    if (s->owner->setup.step && got->text.len > 0)
        s->think_tokens += (uint32_t)((uint64_t)got->tokens *
                                      step_rule_walk (s->owner->setup.step, &s->thinking,
                                                      esp_buf_span (&got->text)) /
                                      got->text.len);
    s->tokens += got->tokens;
    s->logprob += got->logprob;
    s->piece++;
    if (first) { /* the prompt of a request is counted once */
        s->prompt_tokens += r->reply->prompt_tokens;
        s->cached_tokens += r->reply->cached_tokens;
    }
    return ESP_OK;
}

/* A rollout has at most max_steps steps: the rest is cut off. */
static uint32_t count_steps (struct sample *s, enum outcome *how)
{
    const step_rule *rule = s->owner->setup.step;
    const task *t = &s->job->task;
    bool thinking = s->began_thinking;
    span rest = esp_buf_span (&s->text), step;
    uint32_t n = 0;
    if (t->mode == TASK_STEP || !rule)
        return 1;
    while (n < t->max_steps && step_rule_next (rule, &thinking, &rest, &step))
        n++;
    if (n == t->max_steps && span_trim (rest).len > 0) {
        s->text.len -= rest.len;
        s->text.data[s->text.len] = 0;
        *how = DONE_LENGTH;
    }
    return n > 0 ? n : 1;
}

static void deliver (struct sample *s, enum outcome how)
{
    result r = {.error = ESP_OK,
                .logprob = s->piece > 0 ? s->logprob : NAN,
                .mean_logprob = NAN,
                .share = NAN};
    r.steps = count_steps (s, &how);
    r.text = esp_buf_span (&s->text);
    r.tokens = s->tokens;
    r.prompt_tokens = s->prompt_tokens;
    r.cached_tokens = s->cached_tokens;
    if (s->by)
        r.server = span_of (server_url (s->by));
    if (s->generated_count > 0 &&
        token_data_encode (s->generated, s->generated_count, s->top,
                           (uint32_t)(s->top_count / s->generated_count), &s->token_data) == ESP_OK)
        r.token_data = esp_buf_span (&s->token_data);
    r.finish = how == DONE_STOP ? FINISH_STOP : how == DONE_EOS ? FINISH_EOS : FINISH_LENGTH;
    if (s->tokens > 0)
        r.mean_logprob = r.logprob / s->tokens;
    generator_finish (s, &r);
}

bool generator_force_close (struct sample *s)
{
    if (esp_buf_add (&s->text, step_rule_force (s->owner->setup.step)) != ESP_OK) {
        generator_fail (s, ESP_ENOMEM);
        return false;
    }
    s->thinking = false;
    if (s->job->task.mode != TASK_STEP || !step_is_complete (s, PIECE_FORCED))
        return true;
    deliver (s, DONE_STOP);
    return false;
}

void generator_take (const struct request *r, struct sample *s, gen_sample *got, bool first)
{
    enum outcome how;
    s->request = NULL;
    if (got->guessed && got->finish == GEN_LENGTH)
        got->tokens = r->ask.max_tokens; /* that is what it says; its share of all is less sure */
    if (join (r, s, got, first) != ESP_OK) {
        generator_fail (s, ESP_ENOMEM);
        return;
    }
    how = judge (r, s, got);
    if (how == GO_ON && s->piece < PIECES_MOST)
        generator_send (s->owner, &s, 1);
    else
        deliver (s, how == GO_ON ? DONE_LENGTH : how);
}

/* Not even the problem fits: there is no branch that could end here. */
static void prompt_too_long (struct sample *s, const char *text)
{
    const root *at = s->root;
    uint32_t context = generator_context (s->owner, s->job->task.action);
    char says[96] = "";
    result r = {.error = ESP_ECONTEXT, .logprob = NAN, .mean_logprob = NAN, .share = NAN};
    if (at->tokens > 0 && context > 0)
        snprintf (says, sizeof (says), "prompt of %u tokens, context of %u", at->tokens, context);
    if (!at->said_context)
        esp_log (LOG_WARN, "GENERATOR-CONTEXT", "generator: problem %u cannot be asked: %s%s%s",
                 problem_number (s->job->task.id.problem), says, says[0] ? ": " : "", text);
    s->root->said_context = true;
    r.reason = span_of (says);
    generator_finish (s, &r);
}

/* What is refused for good is mostly refused for every task: the same sentence is told once. */
static void say_failure (generator *g, const job *j, const char *text)
{
    uint64_t sentence = esp_hash64 (text, strlen (text), 0);
    esp_log (sentence == g->said_failure ? LOG_DEBUG : LOG_WARN, "GENERATOR-FAILED",
             "generator: task %u of problem %u: %s", j->task.id.number,
             problem_number (j->task.id.problem), text);
    g->said_failure = sentence;
}

void generator_end (struct sample *s, esp_err code, const char *text)
{
    const job *j = s->job;
    s->request = NULL;
    if (code == ESP_ERANGE) /* not even one token fits behind it */
        code = ESP_ETOOBIG;
    if (code == ESP_ETOOBIG && j->step_count == 0 && j->task.extra.len == 0 && s->text.len == 0) {
        prompt_too_long (s, text);
        return;
    }
    if (code == ESP_ETOOBIG) { /* the branch is as long as the context: it ends here */
        if (!s->owner->said_context)
            esp_log (LOG_WARN, "GENERATOR-CONTEXT", "generator: %s; such branches end there", text);
        s->owner->said_context = true;
        deliver (s, DONE_LENGTH);
        return;
    }
    if (code != ESP_ECANCELED)
        say_failure (s->owner, j, text);
    generator_fail (s, code);
}
