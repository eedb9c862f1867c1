/* SPDX-License-Identifier: Apache-2.0 */
/* generator_piece.c - one piece of n siblings: what is asked of whom
 *
 * A step is mostly one piece.  It is more where the rule wants several separators, where a piece is too short to be a step, where
 * thinking is closed by force, and where the context had room for less than was wanted.  A pattern that no server knows is looked
 * for in the stream.  Later pieces are of one sample each; their seed is a hash of the sample's seed and the piece's number.
 */

#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "worker/engine/generator_inner.h"
#include "worker/http/sse.h"

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
    generator_slot_give (r);
    esp_free (r->samples);
    esp_buf_free (&r->prompt);
    esp_buf_free (&r->messages);
    reply_destroy (r->reply);
    sse_destroy (r->sse);
    esp_free (r);
}

/* ---- where it stands ---- */

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
    span extra = job_lookahead (j);
    size_t count = j->task.mode == TASK_DRAFT ? 0 : j->step_count;
    s->thinking = s->root->thinking;
    if (!s->owner->setup.step)
        return;
    for (size_t i = 0; i < count; i++)
        walk_over (s, j->steps[i],
                   j->step_tokens ? j->step_tokens[i] : j->steps[i].len / STEP_TOKEN_BYTES);
    walk_over (s, extra, extra.len / STEP_TOKEN_BYTES);
    s->began_thinking = s->thinking;
}

uint64_t generator_home_key (const job *j, node_ref n)
{
    uint64_t key = esp_hash_mix (esp_hash_mix (j->task.action, j->task.id.problem), n);
    return key ? key : 1;
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
    r->problem = generator_home_key (s->job, NODE_ROOT);
    r->home = generator_home_key (s->job, s->piece > 0 && s->job->task.child != NODE_NONE
                                              ? s->job->task.child
                                              : s->job->task.node);
    if (generator_ask_fill (r, s, n) != ESP_OK ||
        !(r->samples = esp_calloc (n, sizeof (struct sample *)))) {
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
    step_place at = {.to_end = s->job->task.mode != TASK_STEP};
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

static const struct sample *first_sample (const struct request *r)
{
    uint32_t i = 0;
    while (i + 1 < r->ask.n && !r->samples[i])
        i++;
    return r->samples[i];
}

esp_err generator_request_start (struct request *r)
{
    const job *j = first_sample (r)->job;
    exchange_ask ask = {.home = r->home,
                        .spread = generator_home_key (j, NODE_ROOT),
                        .weight = r->ask.n,
                        .write = generator_request_write,
                        .take = generator_request_take,
                        .done = generator_request_done,
                        .ctx = r};
    if (r->ask.stream)
        ask.chunk = generator_request_chunk;
    return exchange_start (r->owner->servers, &ask, &r->exchange);
}

static void send_request (generator *g, struct request *r, struct sample **samples, uint32_t n)
{
    if (g->setup.trace && samples[0]->piece == 0)
        g->setup.trace (g->setup.trace_ctx, r->ask.messages.ptr ? "messages sent" : "prompt sent",
                        r->ask.messages.ptr ? r->ask.messages : r->ask.prompt);
    if (generator_request_start (r) == ESP_OK)
        return;
    generator_request_free (r);
    for (uint32_t i = 0; i < n; i++)
        generator_fail (samples[i], ESP_ENOMEM);
}

void generator_send_alone (struct request *r)
{
    generator *g = r->owner;
    for (uint32_t i = 0; i < r->ask.n; i++) {
        struct sample *s = r->samples[i];
        struct request *alone;
        if (!s)
            continue;
        r->samples[i] = NULL;
        r->live--;
        s->request = NULL;
        if ((alone = make_request (g, &s, 1, &r->plan)) != NULL)
            send_request (g, alone, &s, 1);
        else
            generator_fail (s, ESP_ENOMEM);
    }
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
