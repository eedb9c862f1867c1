/* SPDX-License-Identifier: Apache-2.0 */
/* generator_piece.c - one piece of n siblings: asked, read, joined, and whether it was the last
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
#include "worker/engine/generator.h"
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

static uint32_t least (uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void fill_ask (struct request *r, const struct sample *s, uint32_t n)
{
    const generator *g = r->owner;
    const task *t = &s->job->task;
    bool to_end = t->mode == TASK_TO_END;
    gen_ask *a = &r->ask;
    a->n = n;
    a->seed = s->piece == 0 ? t->seed : (uint32_t)(esp_hash_mix (t->seed, s->piece) & 0x7fffffff);
    a->max_tokens = t->max_tokens - s->tokens;
    a->max_tokens = least (a->max_tokens, r->plan.most_tokens);
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

/* ---- what came ---- */

static void request_done (void *ctx, esp_err code, const char *text);
static void count_tokens (struct request *r, server *s);
static void note_server (struct request *r, const server *s);

static double sum_logprobs (const gen_sample *got)
{
    double sum = got->generated_count > 0 ? 0 : NAN;
    for (size_t i = 0; i < got->generated_count; i++)
        sum += got->generated[i].logprob;
    return sum;
}

static esp_err start_reading (struct request *r)
{
    esp_err err;
    reply_destroy (r->reply);
    r->reply = NULL;
    r->stream_err = ESP_OK;
    r->stream_why = (esp_error){0};
    for (uint32_t i = 0; i < r->ask.n; i++)
        if (r->samples[i])
            r->samples[i]->watch = (step_watch){0};
    if ((err = reply_create (&r->ask, &r->reply)) != ESP_OK || !r->ask.stream)
        return err;
    if (r->sse) {
        sse_reset (r->sse);
        return ESP_OK;
    }
    return sse_create (gen_ask_most_bytes (&r->ask), &r->sse);
}

static esp_err request_write (void *ctx, server *s, esp_buf *path, esp_buf *json)
{
    struct request *r = ctx;
    const gen_shape *shape = r->owner->shape;
    esp_err err;
    r->ask.model = server_facts_of (s)->model[0] ? server_facts_of (s)->model : NULL;
    if ((err = start_reading (r)) != ESP_OK ||
        (err = esp_buf_puts (path, r->ask.messages.ptr ? shape->chat_path : shape->path)) != ESP_OK)
        return err;
    return shape->write (&r->ask, json);
}

static void show_progress (struct request *r)
{
    const engine_setup *setup = &r->owner->setup;
    esp_buf *text = &r->owner->scratch;
    for (uint32_t i = 0; setup->progress && i < r->ask.n; i++) {
        const struct sample *s = r->samples[i];
        span got = esp_buf_span (&r->reply->samples[i].text);
        if (!s || got.len == 0)
            continue;
        esp_buf_clear (text);
        if (s->text.len > 0 && esp_buf_add (text, esp_buf_span (&s->text)) == ESP_OK &&
            esp_buf_add (text, got) == ESP_OK) /* behind its pieces so far */
            got = esp_buf_span (text);
        setup->progress (setup->ctx, s->job, got);
    }
}

static bool is_complete (struct request *r, struct sample *s, const gen_sample *got)
{
    esp_buf *joined = &r->owner->scratch;
    span text = esp_buf_span (&got->text);
    if (got->finish != GEN_OPEN)
        return true;
    if (s->text.len > 0) {
        esp_buf_clear (joined);
        if (esp_buf_add (joined, esp_buf_span (&s->text)) != ESP_OK ||
            esp_buf_add (joined, text) != ESP_OK)
            return false;
        text = esp_buf_span (joined);
    }
    return step_watch_look (&s->watch, r->owner->setup.step, s->began_thinking, text);
}

/* A rule that no server knows (a pattern): the stream is cut as soon as every sample has its step; true: the request is over. */
static bool end_early (struct request *r, server *s)
{
    for (uint32_t i = 0; i < r->ask.n; i++) {
        if (r->samples[i] && !is_complete (r, r->samples[i], &r->reply->samples[i]))
            return false;
    }
    for (uint32_t i = 0; i < r->ask.n; i++) {
        gen_sample *got = &r->reply->samples[i];
        got->tokens = got->generated_count > 0 ? (uint32_t)got->generated_count : got->events;
        if (isnan (got->logprob))
            got->logprob = sum_logprobs (got);
    }
    count_tokens (r, s);
    note_server (r, s);
    exchange_enough (r->exchange);
    request_done (r, ESP_OK, "");
    return true;
}

static void spoiled (struct request *r, esp_err err)
{
    if (err == ESP_ETOOBIG)
        esp_error_set (&r->stream_why, err,
                       "an event of the stream has more than the %zu bytes that so many tokens "
                       "can have",
                       gen_ask_most_bytes (&r->ask));
    exchange_spoiled (r->exchange, r->stream_why.text[0] ? r->stream_why.text : esp_err_text (err));
}

static void request_chunk (void *ctx, server *s, span bytes)
{
    struct request *r = ctx;
    span name, data;
    esp_err err = r->stream_err;
    (void)s;
    if (err == ESP_OK)
        err = sse_push (r->sse, bytes);
    while (err == ESP_OK && (err = sse_next (r->sse, &name, &data)) == ESP_OK)
        err = r->owner->shape->read (r->reply, data, &r->stream_why);
    if (err == ESP_EFORMAT || err == ESP_ETOOBIG || err == ESP_EENGINE)
        spoiled (r, err); /* what else may come is of no use */
    else if (err != ESP_EEMPTY)
        r->stream_err = err;
    else if (!r->watched || !end_early (r, s))
        show_progress (r);
}

static esp_err end_of_stream (struct request *r, esp_error *why)
{
    enum sse_end end = sse_finish (r->sse);
    if (r->stream_err != ESP_OK) /* out of memory */
        return esp_error_set (why, r->stream_err, "%s", esp_err_text (r->stream_err));
    if (end == SSE_CUT ||
        (end == SSE_UNMARKED && (r->owner->shape->done_mark || r->ask.messages.ptr)))
        return esp_error_set (why, ESP_EPEER, "the stream ended in the middle of the answer");
    return ESP_OK;
}

static void count_tokens (struct request *r, server *s)
{
    server_counts *c = server_counts_of (s);
    c->prompt_tokens += r->reply->prompt_tokens;
    c->cached_tokens += r->reply->cached_tokens;
    for (uint32_t i = 0; i < r->ask.n; i++)
        c->generated_tokens += r->reply->samples[i].tokens;
}

static uint64_t home_key (const job *j, node_ref n)
{
    uint64_t key = esp_hash_mix (esp_hash_mix (j->task.action, j->task.id.problem), n);
    return key ? key : 1;
}

/* llama.cpp takes any model's name, also when it was started anew with another one. */
static bool other_model (const struct request *r, const server *s)
{
    const struct generator_facts *f = server_data (s);
    return server_facts_of (s)->family == FAMILY_LLAMACPP && f->model[0] && r->reply->model[0] &&
           strcmp (f->model, r->reply->model) != 0;
}

/* It did the work, and holds the prefixes now. */
static void note_server (struct request *r, const server *s)
{
    for (uint32_t i = 0; i < r->ask.n; i++) {
        const job *j = r->samples[i] ? r->samples[i]->job : NULL;
        if (!j)
            continue;
        r->samples[i]->by = s;
        servers_set_home (r->owner->servers, home_key (j, j->task.node), s);
        if (j->task.child != NODE_NONE)
            servers_set_home (r->owner->servers, home_key (j, j->task.child), s);
    }
}

static esp_err request_take (void *ctx, server *s, span body, esp_error *why)
{
    struct request *r = ctx;
    esp_err err =
        r->ask.stream ? end_of_stream (r, why) : r->owner->shape->read (r->reply, body, why);
    if (err == ESP_EENGINE)
        err = ESP_EPEER; /* an error that came with status 200 */
    if (err != ESP_OK || (err = reply_finish (r->reply, &r->ask, why)) != ESP_OK)
        return err;
    for (uint32_t i = 0; i < r->ask.n; i++)
        if (r->reply->samples[i].finish == GEN_ABORTED)
            return esp_error_set (why, ESP_EPEER, "the server gave the request up");
    if (other_model (r, s))
        return esp_error_set (why, ESP_EPEER, "the model '%.100s' answered, not '%.100s'",
                              r->reply->model, ((struct generator_facts *)server_data (s))->model);
    count_tokens (r, s);
    note_server (r, s);
    return ESP_OK;
}

/* ---- the end of a request ---- */

static void request_done (void *ctx, esp_err code, const char *text)
{
    struct request *r = ctx;
    bool first = true;
    r->exchange = NULL;
    for (uint32_t i = 0; i < r->ask.n; i++) {
        struct sample *s = r->samples[i];
        if (!s)
            continue;
        r->samples[i] = NULL;
        if (code == ESP_OK)
            generator_take (r, s, &r->reply->samples[i], first);
        else
            generator_end (s, code, text);
        first = false;
    }
    generator_request_free (r);
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
    exchange_ask ask = {.home = home_key (j, j->task.node),
                        .spread = home_key (j, NODE_ROOT),
                        .weight = n,
                        .write = request_write,
                        .take = request_take,
                        .done = request_done,
                        .ctx = r};
    if (r->ask.stream)
        ask.chunk = request_chunk;
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
