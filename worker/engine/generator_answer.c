/* SPDX-License-Identifier: Apache-2.0 */
/* generator_answer.c - the calls of a request's exchange: what is sent, what came of it, and whose it is
 *
 * Samples are handed on one by one where the stream says what each of them took; all others with the end of the answer.
 */

#include <math.h>
#include <string.h>
#include "worker/engine/generator_inner.h"
#include "worker/http/sse.h"

static double sum_logprobs (const gen_sample *got)
{
    double sum = got->generated_count > 0 ? 0 : NAN;
    for (size_t i = 0; i < got->generated_count; i++)
        sum += got->generated[i].logprob;
    return sum;
}

/* Of any try: the context of another server may leave more. */
static size_t most_bytes (const struct request *r)
{
    gen_ask longest = r->ask;
    longest.max_tokens = r->wanted;
    return gen_ask_most_bytes (&longest);
}

static esp_err start_reading (struct request *r)
{
    esp_err err;
    reply_destroy (r->reply);
    r->reply = NULL;
    r->stream_err = ESP_OK;
    r->stream_why = (esp_error){0};
    for (uint32_t i = 0; i < r->ask.n; i++)
        if (r->samples[i]) {
            r->samples[i]->watch = (step_watch){0};
            r->samples[i]->met_tokens = 0;
            r->samples[i]->looked_at = r->samples[i]->met_generated = 0;
        }
    if ((err = reply_create (&r->ask, &r->reply)) != ESP_OK || !r->ask.stream)
        return err;
    if (r->sse) {
        sse_reset (r->sse);
        return ESP_OK;
    }
    return sse_create (most_bytes (r), &r->sse);
}

esp_err generator_request_write (void *ctx, server *s, esp_buf *path, esp_buf *json)
{
    struct request *r = ctx;
    const gen_shape *shape = r->owner->shape;
    esp_err err;
    r->ask.model = server_facts_of (s)->model[0] ? server_facts_of (s)->model : NULL;
    generator_ask_tokens (r, s);
    generator_slot_take (r, s);
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

/* ---- a step that we look for ourselves ---- */

/* What its server counts, else its tokens' ids or logprobs, else an event is taken for a token. */
static uint32_t tokens_so_far (const gen_sample *got)
{
    if (got->tokens > 0)
        return got->tokens;
    return got->generated_count > 0 ? (uint32_t)got->generated_count : got->events;
}

static bool met_now (struct request *r, struct sample *s, const gen_sample *got)
{
    esp_buf *joined = &r->owner->scratch;
    span text = esp_buf_span (&got->text);
    if (s->text.len > 0) {
        esp_buf_clear (joined);
        if (esp_buf_add (joined, esp_buf_span (&s->text)) != ESP_OK ||
            esp_buf_add (joined, text) != ESP_OK)
            return false;
        text = esp_buf_span (joined);
    }
    return step_watch_look (&s->watch, r->owner->setup.step, s->began_thinking, text);
}

/* After each event: a step ends with the event that showed its end, however many came together. */
static void look_for_steps (struct request *r)
{
    for (uint32_t i = 0; i < r->ask.n; i++) {
        struct sample *s = r->samples[i];
        const gen_sample *got = &r->reply->samples[i];
        if (!s || s->met_tokens > 0 || got->finish != GEN_OPEN || got->text.len == s->looked_at)
            continue;
        s->looked_at = got->text.len;
        if (met_now (r, s, got)) {
            s->met_tokens = tokens_so_far (got);
            s->met_generated = got->generated_count;
        }
    }
}

/* What came behind the step, while siblings had not theirs, is not the sample's, nor that the sequence ended then. */
static void cut_behind_step (struct request *r, uint32_t i)
{
    const struct sample *s = r->samples[i];
    gen_sample *got = &r->reply->samples[i];
    if (!s || s->met_tokens == 0)
        return;
    got->finish = GEN_OPEN;
    got->text.data[got->text.len = s->looked_at] = 0;
    got->tokens = s->met_tokens;
    if (got->generated_count > s->met_generated) {
        got->top_count = got->top_count / got->generated_count * s->met_generated;
        got->generated_count = s->met_generated;
        got->logprob = sum_logprobs (got);
    }
}

/* ---- what is handed on ---- */

static void count_tokens (struct request *r, server *s)
{
    server_counts *c = server_counts_of (s);
    c->prompt_tokens += r->reply->prompt_tokens;
    c->cached_tokens += r->reply->cached_tokens;
    for (uint32_t i = 0; i < r->ask.n; i++)
        c->generated_tokens += r->reply->samples[i].tokens;
}

/* llama.cpp takes any model's name, also when it was started anew with another one. */
static bool other_model (const struct request *r, const server *s)
{
    const struct generator_facts *f = server_data (s);
    return server_facts_of (s)->family == FAMILY_LLAMACPP && f->model[0] && r->reply->model[0] &&
           strcmp (f->model, r->reply->model) != 0;
}

/* It did the work of sample i, and holds its prefix now. */
static void note_server (struct request *r, const server *s, uint32_t i)
{
    const job *j = r->samples[i] ? r->samples[i]->job : NULL;
    int slot = r->reply->samples[0].slot; /* of siblings the first one's keeps the cache */
    if (!j)
        return;
    r->samples[i]->by = s;
    servers_set_home (r->owner->servers, generator_home_key (j, j->task.node), s, slot);
    if (j->task.child != NODE_NONE)
        servers_set_home (r->owner->servers, generator_home_key (j, j->task.child), s, slot);
}

static void note_servers (struct request *r, const server *s)
{
    generator_slot_note (r, s);
    for (uint32_t i = 0; i < r->ask.n; i++)
        note_server (r, s, i);
}

static void hand_on (struct request *r, uint32_t i)
{
    struct sample *s = r->samples[i];
    bool first = !r->prompt_told && r->reply->prompt_tokens > 0; /* vLLM tells them at the end */
    r->prompt_told |= first;
    cut_behind_step (r, i);
    r->samples[i] = NULL;
    r->live--;
    generator_take (r, s, &r->reply->samples[i], first);
}

/* A rule that no server knows (a pattern): the stream is cut as soon as every sample has its step; true: the request is over. */
static bool end_early (struct request *r, server *s)
{
    for (uint32_t i = 0; i < r->ask.n; i++) {
        const gen_sample *got = &r->reply->samples[i];
        bool ended = got->finish != GEN_OPEN && got->finish != GEN_ABORTED; /* else: asked again */
        if (r->samples[i] && !ended && r->samples[i]->met_tokens == 0)
            return false;
    }
    for (uint32_t i = 0; i < r->ask.n; i++) {
        gen_sample *got = &r->reply->samples[i];
        got->tokens = tokens_so_far (got);
        if (isnan (got->logprob))
            got->logprob = sum_logprobs (got);
    }
    count_tokens (r, s);
    note_servers (r, s);
    exchange_enough (r->exchange);
    generator_request_done (r, ESP_OK, "");
    return true;
}

static void spoiled (struct request *r, esp_err err)
{
    if (err == ESP_ETOOBIG)
        esp_error_set (&r->stream_why, err,
                       "an event of the stream has more than the %zu bytes that so many tokens "
                       "can have",
                       most_bytes (r));
    exchange_spoiled (r->exchange, r->stream_why.text[0] ? r->stream_why.text : esp_err_text (err));
}

/* Siblings end at different times: one is handed on at once, where the stream says what it took.  true: the request is over. */
static bool hand_on_ended (struct request *r, server *s)
{
    for (uint32_t i = 0; i < r->ask.n && !r->reply->done && !other_model (r, s); i++) {
        esp_err err =
            r->samples[i] ? reply_finish_one (r->reply, i, &r->ask, &r->stream_why) : ESP_EEMPTY;
        if (err == ESP_EEMPTY)
            continue;
        if (err != ESP_OK) {
            spoiled (r, err);
            return true;
        }
        generator_slot_note (r, s);
        note_server (r, s, i);
        exchange_lighter (r->exchange);
        hand_on (r, i);
    }
    if (r->live > 0)
        return false;
    count_tokens (r, s); /* those that still run were cancelled */
    exchange_enough (r->exchange);
    generator_request_free (r);
    return true;
}

void generator_request_chunk (void *ctx, server *s, span bytes)
{
    struct request *r = ctx;
    span name, data;
    esp_err err = r->stream_err;
    if (err == ESP_OK)
        err = sse_push (r->sse, bytes);
    while (err == ESP_OK && (err = sse_next (r->sse, &name, &data)) == ESP_OK) {
        err = r->owner->shape->read (r->reply, data, &r->stream_why);
        if (err == ESP_OK && r->watched)
            look_for_steps (r);
    }
    if (err == ESP_EFORMAT || err == ESP_ETOOBIG || err == ESP_EENGINE)
        spoiled (r, err); /* what else may come is of no use */
    else if (err != ESP_EEMPTY)
        r->stream_err = err;
    else if (!(r->watched ? end_early (r, s) : hand_on_ended (r, s)))
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

esp_err generator_request_take (void *ctx, server *s, span body, esp_error *why)
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
    note_servers (r, s);
    return ESP_OK;
}

/* ---- the end of a request ---- */

void generator_request_done (void *ctx, esp_err code, const char *text)
{
    struct request *r = ctx;
    r->exchange = NULL;
    if (code == ESP_ERANGE && generator_ask_fewer (r, text) &&
        generator_request_start (r) == ESP_OK)
        return;
    if (code == ESP_EENGINE && r->ask.n > 1 && r->owner->shape->traits.n_is_slots)
        generator_send_alone (r); /* it may have been started anew with fewer slots */
    for (uint32_t i = 0; i < r->ask.n; i++) {
        struct sample *s = r->samples[i];
        if (s && code == ESP_OK) {
            hand_on (r, i);
        } else if (s) {
            r->samples[i] = NULL;
            generator_end (s, code, text);
        }
    }
    generator_request_free (r);
}
