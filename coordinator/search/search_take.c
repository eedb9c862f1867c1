/* SPDX-License-Identifier: Apache-2.0 */
/* search_take.c - what a result, or a cancellation, does to its ask
 *
 * A result fills the node and moves the ask to its next stage; search_plan.c plans what that stage needs.
 * A cancelled ask is charged in full, and what had come for it is forgotten unless the problem is being stopped: which results had come
 * is a matter of time, and nothing that is delivered or written may depend on it (D4).
 */

#include <assert.h>
#include <math.h>
#include <string.h>
#include "coordinator/search/search_private.h"
#include "proto/base/alloc.h"

/* ---- results ---- */

static void fail_ask (search *s, ask_state *a, esp_err error)
{
    a->got.failed = true;
    if (s->error == ESP_OK)
        s->error = error;
}

static bool is_given (const search *s, uint16_t action)
{
    return action < s->setup->action_count ? s->setup->actions[action].given : s->setup->given;
}

/* A copy of what a node has besides; NULL = out of memory. */
static node_extra *new_extra (search *s, const node *n)
{
    node_extra *extra = search_alloc (s, sizeof (*extra));
    if (extra)
        *extra = n->extra ? *n->extra : (node_extra){.share = NAN, .visible_share = NAN};
    return extra;
}

static esp_err keep_text (search *s, span text, const char **ptr, uint32_t *len)
{
    span kept;
    esp_err err = esp_arena_copy (tree_arena (s->tree), text, &kept);
    if (err == ESP_OK && text.len > 0) {
        *ptr = kept.ptr;
        *len = (uint32_t)kept.len;
    }
    return err;
}

/* What the generator says of its text, and its tokens: they outlive the verdict, which comes later. */
static esp_err keep_made (search *s, node *n, const result *r)
{
    bool tokens = s->setup->keep_tokens && r->token_data.len > 0;
    node_extra *extra;
    esp_err err;
    if (r->reason.len == 0 && !tokens)
        return ESP_OK;
    if (!(extra = new_extra (s, n)))
        return ESP_ENOMEM;
    n->extra = extra;
    err = keep_text (s, r->reason, &extra->made, &extra->made_len);
    if (err == ESP_OK && tokens)
        err = keep_text (s, r->token_data, &extra->token_data, &extra->token_data_len);
    return err;
}

static esp_err take_text (search *s, ask_state *a, const result *r)
{
    node *n = tree_edit (s->tree, a->got.node);
    span kept;
    uint32_t steps;
    esp_err err = keep_made (s, n, r);
    if (err != ESP_OK)
        return err;
    if (r->error != ESP_OK) {
        n->state = NODE_FAILED;
        n->finish = FINISH_ERROR;
        search_mark (s, a->got.node, MARK_FAILED, "no text came");
        fail_ask (s, a, r->error);
        a->stage = STAGE_DONE;
        return ESP_OK;
    }
    if ((err = esp_arena_copy (tree_arena (s->tree), r->text, &kept)) != ESP_OK)
        return err;
    n->text = kept.ptr;
    n->text_len = (uint32_t)kept.len;
    n->tokens = r->tokens < a->max_tokens ? r->tokens
                                          : a->max_tokens; /* D13 holds even if a server does not */
    steps = r->steps < a->max_steps ? r->steps : a->max_steps;
    n->steps = (uint16_t)(a->want.mode == ASK_STEP ? 1 : steps < UINT16_MAX ? steps : UINT16_MAX);
    n->finish = r->finish;
    n->source = is_given (s, n->action) ? SOURCE_GIVEN : SOURCE_MODEL;
    n->mean_logprob = r->mean_logprob;
    n->state = NODE_GENERATED;
    a->got.generated = true;
    a->stage = a->want.lookahead > 0 && n->finish == FINISH_STOP ? STAGE_LOOKAHEAD : STAGE_JUDGE;
    return emit_event (s, (event){.kind = EVENT_TEXT,
                                  .mark = n->finish,
                                  .node = a->got.node,
                                  .parent = n->parent,
                                  .ordinal = n->ordinal,
                                  .tokens = n->tokens,
                                  .text = kept});
}

/* A lookahead that fails is a shorter lookahead. */
static esp_err take_look (search *s, ask_state *a, const result *r)
{
    a->looked++;
    if (r->error == ESP_OK && r->text.len > 0) {
        char *joined = esp_arena_alloc (tree_arena (s->tree), a->look.len + r->text.len);
        if (!joined)
            return ESP_ENOMEM;
        if (a->look.len)
            memcpy (joined, a->look.ptr, a->look.len);
        memcpy (joined + a->look.len, r->text.ptr, r->text.len);
        a->look = span_make (joined, a->look.len + r->text.len);
    }
    if (r->error == ESP_OK)
        a->look_tokens += r->tokens < a->max_tokens ? r->tokens : a->max_tokens;
    if (r->error != ESP_OK || r->finish != FINISH_STOP || a->looked == a->want.lookahead)
        a->stage = STAGE_JUDGE;
    return ESP_OK;
}

esp_err store_scores (search *s, node_ref ref, const double *scores, size_t count, size_t own)
{
    node *n = tree_edit (s->tree, ref);
    double few[64], *path = few;
    size_t total;
    if (count > UINT16_MAX)
        count = UINT16_MAX;
    if (count > 1) {
        double *kept = esp_arena_alloc (tree_arena (s->tree), count * sizeof (*kept));
        if (!kept)
            return ESP_ENOMEM;
        memcpy (kept, scores, count * sizeof (*kept));
        n->scores.many = kept;
    } else if (count == 1) {
        n->scores.one = scores[0];
    }
    n->score_count = (uint16_t)count;
    n->score_own = (uint16_t)(own < count ? own : count);
    total = tree_path_scores (s->tree, ref, few, 64);
    if (total > 64) {
        if (!(path = esp_reallocarray (NULL, total, sizeof (*path))))
            return ESP_ENOMEM;
        total = tree_path_scores (s->tree, ref, path, total);
    }
    n->score = search_aggregate (s, path, total);
    if (path != few)
        esp_free (path);
    return ESP_OK;
}

static bool all_finite (const double *scores, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite (scores[i]))
            return false;
    return true;
}

static esp_err take_score (search *s, ask_state *a, const result *r, const task_slot *slot)
{
    const node *n = tree_node (s->tree, a->got.node);
    esp_err err = ESP_OK;
    a->readings_left--;
    if (r->error != ESP_OK || r->score_count == 0 || !all_finite (r->scores, r->score_count)) {
        fail_ask (s, a, r->error != ESP_OK ? r->error : ESP_EFORMAT);
        return ESP_OK;
    }
    if (slot->reading == 0)
        a->read_tokens += n->tokens + a->look_tokens;
    if (a->want.scores == 1)
        err = store_scores (s, a->got.node, r->scores, r->score_count, r->score_own);
    else
        a->readings[slot->reading] = r->scores[r->score_count - 1];
    return err;
}

esp_err tell_score (search *s, ask_state *a)
{
    const node *n = tree_node (s->tree, a->got.node);
    a->got.scored = true;
    a->got.score = n->score;
    a->got.last = node_last_score (n);
    return emit_event (s, (event){.kind = EVENT_SCORED,
                                  .node = a->got.node,
                                  .parent = n->parent,
                                  .ordinal = n->ordinal,
                                  .value = n->score});
}

/* The last reading came.  Several are summed in their own order, not in that of arrival. */
static esp_err finish_scores (search *s, ask_state *a)
{
    double sum = 0.0;
    esp_err err;
    if (a->got.failed)
        return ESP_OK;
    for (uint16_t r = 0; a->readings && r < a->want.scores; r++)
        sum += a->readings[r];
    if (a->readings && (err = store_scores (s, a->got.node, &sum, 1, 1)) != ESP_OK)
        return err;
    return tell_score (s, a);
}

/* Millions of nodes, a handful of reasons. */
static esp_err keep_reason (search *s, span text, const char **ptr, uint32_t *len)
{
    esp_err err;
    for (uint8_t i = 0; i < s->said_count; i++)
        if (span_equal (s->said[i], text)) {
            *ptr = s->said[i].ptr;
            *len = (uint32_t)s->said[i].len;
            return ESP_OK;
        }
    err = keep_text (s, text, ptr, len);
    if (err == ESP_OK && text.len > 0 && s->said_count < sizeof (s->said) / sizeof (s->said[0]))
        s->said[s->said_count++] = span_make (*ptr, *len);
    return err;
}

/* A verdict by the visible tests: it is told to the strategy, and leaves the node without a verdict. */
static esp_err keep_visible (search *s, const result *r, node_extra *extra)
{
    extra->visible = r->error == ESP_OK ? r->verdict : VERDICT_UNKNOWN;
    extra->visible_share = r->error == ESP_OK ? r->share : NAN;
    return r->error == ESP_OK
               ? keep_reason (s, r->reason, &extra->visible_reason, &extra->visible_reason_len)
               : ESP_OK;
}

static esp_err keep_verdict (search *s, const result *r, node *n, node_extra *extra)
{
    n->verdict = r->error == ESP_OK ? r->verdict : VERDICT_UNKNOWN;
    extra->share = r->error == ESP_OK ? r->share : NAN;
    return r->error == ESP_OK ? keep_reason (s, r->reason, &extra->reason, &extra->reason_len)
                              : ESP_OK;
}

/* What the hidden tests say is never put in the place of what the visible ones said: children's prompts may show that. */
static esp_err take_verdict (search *s, node_ref ref, enum verify_reading reading, const result *r)
{
    node *n = tree_edit (s->tree, ref);
    node_extra *extra = new_extra (s, n);
    bool shown = n->extra && n->extra->visible;
    esp_err err;
    if (!extra)
        return ESP_ENOMEM;
    err = reading == VERIFY_VISIBLE ? keep_visible (s, r, extra) : keep_verdict (s, r, n, extra);
    if (err == ESP_OK && r->error == ESP_OK)
        err = keep_text (s, r->answer, &extra->answer, &extra->answer_len);
    if (err == ESP_OK && r->error == ESP_OK && (reading == VERIFY_VISIBLE || !shown))
        err = keep_text (s, r->observation, &extra->observation, &extra->observation_len);
    if (err != ESP_OK)
        return err;
    n->extra = extra;
    return emit_event (
        s, (event){.kind = EVENT_VERIFIED,
                   .mark = reading == VERIFY_VISIBLE ? VERDICT_UNKNOWN : n->verdict,
                   .node = ref,
                   .parent = n->parent,
                   .ordinal = n->ordinal,
                   .value = reading == VERIFY_VISIBLE ? extra->visible_share : extra->share,
                   .text = r->answer});
}

static esp_err
take_for_ask (search *s, join *j, uint32_t index, const task_slot *slot, const result *r)
{
    ask_state *a = &j->asks[index];
    esp_err err = ESP_OK;
    switch ((enum ask_stage)a->stage) {
    case STAGE_GENERATE:
        err = take_text (s, a, r);
        break;
    case STAGE_LOOKAHEAD:
        err = take_look (s, a, r);
        break;
    case STAGE_JUDGE:
        if (slot->kind == TASK_SCORE) {
            err = take_score (s, a, r, slot);
            if (err == ESP_OK && a->readings_left == 0)
                err = finish_scores (s, a);
        } else {
            a->verdict_out = false;
            a->got.verified = r->error == ESP_OK;
            err = take_verdict (s, a->got.node, (enum verify_reading)slot->reading, r);
        }
        if (err != ESP_OK || a->readings_left > 0 || a->verdict_out)
            return err;
        a->stage = STAGE_DONE;
        break;
    case STAGE_DONE:
        assert (a->stage != STAGE_DONE); /* a finished ask has no tasks out */
    }
    return err != ESP_OK ? err : plan_ask (s, j, index);
}

static void add_costs (generator_costs *c, const result *r)
{
    c->generations += r->error == ESP_OK;
    c->generated_tokens += r->tokens;
    c->prompt_tokens += r->prompt_tokens;
    c->cached_tokens += r->cached_tokens;
}

void note_costs (search *s, const task_slot *slot, const result *r)
{
    uint16_t generator;
    s->spent.read_tokens += slot->kind == TASK_SCORE ? r->scored_tokens : 0;
    s->spent.verdicts += slot->kind == TASK_VERIFY && r->error == ESP_OK;
    if (slot->kind != TASK_GENERATE)
        return;
    add_costs (&s->spent.all, r);
    generator = s->planned[slot->cell].task.engine;
    if (s->spent_on && generator < s->setup->generator_count)
        add_costs (&s->spent_on[generator], r);
}

esp_err take_result (search *s, const task_slot *slot, const result *r)
{
    if (slot->owner)
        return take_for_ask (s, slot->owner, slot->index, slot, r);
    s->grading--;
    return take_verdict (s, slot->node, (enum verify_reading)slot->reading, r);
}

/* The verdict's part of it; and the text's. */
static void forget_extra (node *n, bool text)
{
    node_extra *extra = (node_extra *)(uintptr_t)n->extra; /* ours, in the arena */
    if (text || !extra || (!extra->token_data && !extra->made)) {
        n->extra = NULL;
        return;
    }
    *extra = (node_extra){.token_data = extra->token_data,
                          .token_data_len = extra->token_data_len,
                          .made = extra->made,
                          .made_len = extra->made_len,
                          .share = NAN,
                          .visible_share = NAN};
}

/* As if nothing had come for this ask. */
static void forget_ask (search *s, ask_state *a)
{
    node *n = tree_edit (s->tree, a->got.node);
    if (a->want.mode != ASK_NOTHING) {
        n->text = NULL;
        n->text_len = n->tokens = n->steps = 0;
        n->mean_logprob = NAN;
        n->state = NODE_PLANNED;
        n->finish = FINISH_STOP;
    }
    if (a->want.mode != ASK_NOTHING || a->want.scores > 0) {
        n->score_count = n->score_own = 0;
        n->score = NAN;
    }
    if (a->want.mode != ASK_NOTHING || a->want.verifier > 0) {
        n->verdict = VERDICT_NONE;
        forget_extra (n, a->want.mode != ASK_NOTHING);
    }
    if (a->want.mode != ASK_NOTHING)
        search_mark (s, a->got.node, MARK_PRUNED, "not needed any more");
    a->got = (item){.node = a->got.node,
                    .from = a->got.from,
                    .tag = a->got.tag,
                    .action = a->got.action,
                    .score = NAN,
                    .last = NAN};
    a->looked = 0;
    a->look_tokens = a->read_tokens = 0;
}

void cancel_ask (search *s, join *j, size_t index, bool forget)
{
    ask_state *a = &j->asks[index];
    effects *out = s->out;
    for (uint32_t i = 0; a->stage != STAGE_DONE && i < a->task_count; i++) {
        task_slot *slot = find_slot (s, a->first_task + i);
        if (!slot)
            continue;
        if (esp_grow (&out->cancels, &out->cancel_cap, out->cancel_count + 1,
                      sizeof (*out->cancels)) == 0)
            out->cancels[out->cancel_count++] =
                slot->number; /* else: its result comes and is dropped */
        free_slot (s, slot);
    }
    a->stage = STAGE_DONE;
    if (forget)
        forget_ask (s, a);
    a->got.dropped = true;
}

static uint64_t larger (uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What an ask is charged when its join is delivered: what it used, or, when it was cancelled, all it held.
 * A column without a cap holds nothing: there a cancelled ask counts what is left of it, which is nothing when it was forgotten. */
budget charge_of_ask (const search *s, const ask_state *a)
{
    const node *n = tree_node (s->tree, a->got.node);
    budget used = {0, 0, 0, 0};
    if (a->want.mode != ASK_NOTHING) {
        used.generations = 1ULL + a->looked;
        used.steps = (n->state == NODE_GENERATED ? (uint64_t)n->steps : 0) + a->looked;
        used.generated_tokens = (uint64_t)n->tokens + a->look_tokens;
    }
    used.scored_tokens = a->read_tokens;
    if (a->got.dropped)
        used = (budget){larger (used.generations, a->held.generations),
                        larger (used.steps, a->held.steps),
                        larger (used.generated_tokens, a->held.generated_tokens),
                        larger (used.scored_tokens, a->held.scored_tokens)};
    return used;
}
