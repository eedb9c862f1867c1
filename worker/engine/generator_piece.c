/* SPDX-License-Identifier: Apache-2.0 */
/* generator_piece.c - one piece of n siblings: what is asked of whom
 *
 * A step is mostly one piece.  It is more where the rule wants several separators, where a piece is too short to be a step, where
 * thinking is closed by force, and where a pattern that no server knows is looked for (then pieces are short).  Later
 * pieces are of one sample each; their seed is a hash of the sample's seed and the piece's number.
 */

#include <math.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "proto/base/log.h"
#include "worker/engine/generator_inner.h"
#include "worker/http/sse.h"

/* Longer samples are streamed, so that they can be watched; smaller: more events to read. */
enum { LONG_TOKENS = 1024 };

/* ---- life of a request ---- */

static void link_request (struct request *r)
{
    generator *g = r->owner;
    r->next = g->requests;
    if (r->next)
        r->next->before = r;
    g->requests = r;
}

void generator_request_free (struct request *r)
{
    if (!r)
        return;
    *(r->before ? &r->before->next : &r->owner->requests) = r->next;
    if (r->next)
        r->next->before = r->before;
    for (uint32_t i = 0; r->samples && i < r->ask.n; i++)
        if (r->samples[i])
            r->samples[i]->request = NULL;
    esp_free (r->samples);
    esp_buf_free (&r->prompt);
    esp_buf_free (&r->messages);
    reply_destroy (r->reply);
    sse_destroy (r->sse);
    esp_free (r);
}

/* ---- what is asked ---- */

static esp_err add_path (esp_buf *out, const struct sample *s)
{
    const job *j = s->job;
    esp_err err = ESP_OK;
    if (s->root->chat) /* else it is part of the rendered text */
        err = esp_buf_add (out, esp_buf_span (&s->root->prefill));
    for (size_t i = 0; i < j->step_count && err == ESP_OK; i++)
        err = esp_buf_add (out, j->steps[i]);
    if (err == ESP_OK)
        err = esp_buf_add (out, j->task.extra);
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

static void walk_over (struct sample *s, span text, uint64_t tokens)
{
    size_t inside = step_rule_walk (s->owner->setup.step, &s->thinking, text);
    if (text.len > 0)
        s->think_tokens += (uint32_t)(tokens * inside / text.len);
}

/* Where the path stands: thinking or not, and how much of it. */
static void look_back (struct sample *s)
{
    const job *j = s->job;
    span extra = j->task.extra;
    s->thinking = s->root->thinking;
    if (!s->owner->setup.step)
        return;
    for (size_t i = 0; i < j->step_count; i++)
        walk_over (s, j->steps[i],
                   j->step_tokens ? j->step_tokens[i] : j->steps[i].len / STEP_TOKEN_BYTES);
    walk_over (s, extra, extra.len / STEP_TOKEN_BYTES);
    s->began_thinking = s->thinking;
}

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

uint64_t generator_home_key (const job *j, node_ref n)
{
    uint64_t key = esp_hash_mix (esp_hash_mix (j->task.action, j->task.id.problem), n);
    return key ? key : 1;
}

static uint32_t least (uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Tokens of the context that the problem's prompt leaves, at least 1: vLLM refuses a request for more than its whole context
 * holds, and clips without a word what is more than this. */
static uint32_t context_room (generator *g, const struct sample *s)
{
    const task *t = &s->job->task;
    uint32_t context = generator_context (g), prompt = s->root->tokens, room;
    if (context == 0)
        return UINT32_MAX;
    if (prompt >= context) /* the server says so, with its figures */
        return 1;
    room = context - prompt;
    if (prompt > 0 && t->max_tokens > room && !g->said_room) {
        g->said_room = true;
        esp_log (LOG_WARN, "GENERATOR-CONTEXT",
                 "generator: problem %u: prompt of %u tokens, context of %u: there is no room for "
                 "the %u tokens that may follow; such branches are cut",
                 problem_number (t->id.problem), prompt, context, t->max_tokens);
    }
    return room;
}

static void fill_ask (struct request *r, const struct sample *s, uint32_t n)
{
    generator *g = r->owner;
    const task *t = &s->job->task;
    bool to_end = t->mode == TASK_TO_END;
    gen_ask *a = &r->ask;
    a->n = n;
    a->seed = s->piece == 0 ? t->seed : (uint32_t)(esp_hash_mix (t->seed, s->piece) & 0x7fffffff);
    a->max_tokens = t->max_tokens - s->tokens;
    a->max_tokens = least (a->max_tokens, r->plan.most_tokens);
    a->max_tokens = least (a->max_tokens, context_room (g, s));
    a->temperature = t->how.temperature;
    a->top_p = t->how.top_p;
    a->top_k = t->how.top_k;
    a->logprobs = g->options->logprobs != LOGPROBS_NONE;
    a->top_logprobs = g->options->logprobs == LOGPROBS_TOP ? (uint32_t)g->options->top_logprobs : 0;
    a->ids = g->shape->traits.ids && a->top_logprobs > 0; /* for token_data */
    r->watched =
        !to_end && g->setup.step && r->plan.stop_count == 0 && r->plan.most_tokens == UINT32_MAX;
    a->stream = g->options->stream == STREAM_ALWAYS || r->watched ||
                (g->options->stream == STREAM_AUTO &&
                 (!g->shape->traits.cancels_plain || a->max_tokens >= LONG_TOKENS));
    a->slot = -1;
    fill_stops (r);
}

/* ---- off ---- */

static struct request *
make_request (generator *g, struct sample **samples, uint32_t n, const step_plan *plan)
{
    struct request *r = esp_calloc (1, sizeof (*r));
    struct sample *s = samples[0];
    if (!r)
        return NULL;
    r->owner = g;
    link_request (r);
    r->plan = *plan;
    fill_ask (r, s, n);
    if (!(r->samples = esp_calloc (n, sizeof (struct sample *))) || fill_prompt (r, s) != ESP_OK) {
        generator_request_free (r);
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++) {
        r->samples[i] = samples[i];
        samples[i]->request = r;
    }
    r->live = n;
    return r;
}

/* What may come next; false: the sample is at an end (it was delivered). */
static bool plan_piece (struct sample *s, step_plan *plan)
{
    step_place at = {.to_end = s->job->task.mode == TASK_TO_END};
    *plan = (step_plan){.most_tokens = UINT32_MAX};
    if (!s->owner->setup.step)
        return true;
    for (int round = 0; round < 2; round++) {
        at.thinking = s->thinking;
        at.step_tokens = s->tokens;
        at.think_tokens = s->think_tokens;
        step_rule_plan (s->owner->setup.step, &at, plan);
        if (!plan->force_close)
            return true;
        if (!generator_force_close (s))
            return false;
    }
    return true;
}

static void send_request (generator *g, struct request *r, struct sample **samples, uint32_t n)
{
    const job *j = samples[0]->job;
    exchange_ask ask = {.home = generator_home_key (j, j->task.node),
                        .spread = generator_home_key (j, NODE_ROOT),
                        .weight = n,
                        .write = generator_request_write,
                        .take = generator_request_take,
                        .done = generator_request_done,
                        .ctx = r};
    if (r->ask.stream)
        ask.chunk = generator_request_chunk;
    if (g->setup.trace && samples[0]->piece == 0)
        g->setup.trace (g->setup.trace_ctx, r->ask.messages.ptr ? "messages sent" : "prompt sent",
                        r->ask.messages.ptr ? r->ask.messages : r->ask.prompt);
    if (exchange_start (g->servers, &ask, &r->exchange) == ESP_OK)
        return;
    generator_request_free (r);
    for (uint32_t i = 0; i < n; i++)
        generator_fail (samples[i], ESP_ENOMEM);
}

void generator_send (generator *g, struct sample **samples, uint32_t n)
{
    step_plan plan = {.most_tokens = UINT32_MAX};
    struct request *r;
    uint32_t left = 0, think_tokens;
    bool thinking;
    if (samples[0]->piece == 0)
        look_back (samples[0]);
    thinking =
        samples[0]
            ->began_thinking; /* siblings stand at the same place, so they have the same plan */
    think_tokens = samples[0]->think_tokens;
    for (uint32_t i = 0; i < n; i++) {
        if (samples[i]->piece == 0) {
            samples[i]->thinking = samples[i]->began_thinking = thinking;
            samples[i]->think_tokens = think_tokens;
        }
        if (plan_piece (samples[i], &plan))
            samples[left++] = samples[i];
    }
    if (left == 0)
        return;
    if ((r = make_request (g, samples, left, &plan)) != NULL) {
        send_request (g, r, samples, left);
        return;
    }
    for (uint32_t i = 0; i < left; i++)
        generator_fail (samples[i], ESP_ENOMEM);
}
