/* SPDX-License-Identifier: Apache-2.0 */
/* generator_ask.c - what one request asks: the prompt, the stop texts, how many tokens
 *
 * How many: as many as the step may still have, but no more than the context leaves behind the prompt: some servers cut the answer
 * by themselves (vLLM since 0.11, llama.cpp), others refuse.  What stands in the context is known in tokens where the server
 * rendered the prompt; where it is not, or is known too low, the server's refusal is believed and half as many are asked for.
 */

#include "proto/base/hash.h"
#include "proto/base/log.h"
#include "worker/engine/generator_inner.h"

/* Longer samples are streamed, so that they can be watched; smaller: more events to read. */
enum { LONG_TOKENS = 1024 };

/* ---- the prompt ---- */

static esp_err add_path (esp_buf *out, const struct sample *s)
{
    const job *j = s->job;
    size_t count = j->task.mode == TASK_DRAFT ? 0 : j->step_count; /* else they are in the root */
    esp_err err = ESP_OK;
    if (s->root->chat) /* else it is part of the rendered text */
        err = esp_buf_add (out, esp_buf_span (&s->root->prefill));
    for (size_t i = 0; i < count && err == ESP_OK; i++)
        err = esp_buf_add (out, j->steps[i]);
    if (err == ESP_OK)
        err = esp_buf_add (out, job_lookahead (j));
    return err == ESP_OK ? esp_buf_add (out, esp_buf_span (&s->text)) : err;
}

/* Chat: the steps so far are the beginning of the assistant's message. */
static esp_err fill_messages (struct request *r, const struct sample *s)
{
    span list = esp_buf_span (&s->root->messages);
    esp_buf path = {0};
    esp_err err = add_path (&path, s);
    if (err == ESP_OK && path.len == 0) {
        err = esp_buf_add (&r->messages, list);
    } else if (err == ESP_OK &&
               (err = esp_buf_append (&r->messages, list.ptr, list.len - 1)) == ESP_OK &&
               (err = esp_buf_puts (&r->messages, ",{\"role\":\"assistant\",\"content\":")) ==
                   ESP_OK &&
               (err = esp_buf_json_string (&r->messages, esp_buf_span (&path))) == ESP_OK) {
        err = esp_buf_puts (&r->messages, "}]");
        r->ask.continues = true;
    }
    esp_buf_free (&path);
    r->ask.messages = esp_buf_span (&r->messages);
    return err;
}

static esp_err fill_prompt (struct request *r, const struct sample *s)
{
    esp_err err;
    if (s->root->chat)
        return fill_messages (r, s);
    if ((err = esp_buf_add (&r->prompt, esp_buf_span (&s->root->text))) == ESP_OK)
        err = add_path (&r->prompt, s);
    r->ask.prompt = esp_buf_span (&r->prompt);
    return err;
}

/* ---- the rest ---- */

static void fill_stops (struct request *r)
{
    const generator_options *o = r->owner->options;
    size_t most = r->owner->shape->traits.most_stops, n = 0;
    if (most == 0 || most > sizeof (r->stop) / sizeof (r->stop[0]))
        most = sizeof (r->stop) / sizeof (r->stop[0]);
    for (size_t i = 0; i < r->plan.stop_count && n < most; i++)
        r->stop[n++] = r->plan.stop[i];
    for (size_t i = 0; i < o->stop.count && n < most; i++)
        r->stop[n++] = o->stop.items[i];
    r->ask.stop = r->stop;
    r->ask.stop_count = n;
}

static uint32_t least (uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Of what stands before the answer, as far as it is known. */
static uint32_t prompt_tokens (const struct sample *s)
{
    const job *j = s->job;
    uint64_t tokens = (uint64_t)s->root->tokens + s->tokens;
    for (size_t i = 0; j->task.mode != TASK_DRAFT && j->step_tokens && i < j->step_count; i++)
        tokens += j->step_tokens[i]; /* of a draft they are in the root */
    return tokens < UINT32_MAX / 2 ? (uint32_t)tokens : UINT32_MAX / 2;
}

static void fill_rest (struct request *r, const struct sample *s, uint32_t n)
{
    const generator *g = r->owner;
    const task *t = &s->job->task;
    gen_ask *a = &r->ask;
    r->to_end = t->mode != TASK_STEP;
    a->n = n;
    a->seed = s->piece == 0 ? t->seed : (uint32_t)(esp_hash_mix (t->seed, s->piece) & 0x7fffffff);
    r->wanted = r->at_most = a->max_tokens = least (t->max_tokens - s->tokens, r->plan.most_tokens);
    r->prompt_tokens = prompt_tokens (s);
    a->temperature = t->how.temperature;
    a->top_p = t->how.top_p;
    a->top_k = t->how.top_k;
    a->logprobs = g->options->logprobs != LOGPROBS_NONE;
    a->top_logprobs = g->options->logprobs == LOGPROBS_TOP ? (uint32_t)g->options->top_logprobs : 0;
    a->ids = g->shape->traits.ids && a->top_logprobs > 0; /* for token_data */
    r->watched =
        !r->to_end && g->setup.step && r->plan.stop_count == 0 && r->plan.most_tokens == UINT32_MAX;
    a->stream = g->options->stream == STREAM_ALWAYS || r->watched ||
                (g->options->stream == STREAM_AUTO &&
                 (!g->shape->traits.cancels_plain || a->max_tokens >= LONG_TOKENS));
    a->slot = -1;
    a->uncached = !g->options->cache_prompt;
    fill_stops (r);
}

esp_err generator_ask_fill (struct request *r, const struct sample *s, uint32_t n)
{
    fill_rest (r, s, n);
    return fill_prompt (r, s);
}

/* ---- how many tokens ---- */

/* The key that says how many a sample may have at most. */
static const char *key_of (const struct request *r)
{
    return r->to_end ? "generator.max_tokens" : "generator.max_step_tokens";
}

static void say_room (struct request *r, const server *s, uint32_t context)
{
    if (r->owner->said_room || r->wanted < context)
        return; /* said by the branch that really fills the context */
    r->owner->said_room = true;
    esp_log (LOG_WARN, "GENERATOR-CONTEXT",
             "generator: %s: its context of %u tokens has no room for %s (%u); fewer are asked "
             "for, and a branch ends where the context does",
             server_url (s), context, key_of (r), r->wanted);
}

void generator_ask_tokens (struct request *r, const server *s)
{
    uint32_t context = server_facts_of (s)->context_tokens;
    uint32_t used = r->prompt_tokens + 1; /* SGLang wants one place to stay free */
    uint32_t left = context > used ? context - used : 1;
    r->fills_context = context > 0 && left < r->at_most;
    r->ask.max_tokens = r->fills_context ? left : r->at_most;
    if (r->fills_context)
        say_room (r, s, context);
}

bool generator_ask_fewer (struct request *r, const char *why)
{
    if (r->ask.max_tokens <= 1)
        return false;
    r->at_most = r->ask.max_tokens / 2;
    if (!r->owner->said_room)
        esp_log (LOG_WARN, "GENERATOR-CONTEXT",
                 "generator: %s; fewer tokens than %s are asked for, and a branch ends where the "
                 "context does",
                 why, key_of (r));
    r->owner->said_room = true;
    return true;
}
