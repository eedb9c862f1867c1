/* SPDX-License-Identifier: Apache-2.0 */
/* search.c - the life of one problem
 *
 *     WAITING --open--> SEARCHING --strategy ends, budget, stop--> GRADING --verdicts--> FINISHED
 *
 * Grading asks the verifier about every candidate, so that rows can say what is true; no verdict of it steers the search.  It is
 * skipped without a verifier.
 *
 * Invariants (search_check):
 *   I1  slots, joins and accounts agree (search_join.c, search_plan.c)
 *   I2  in SEARCHING some join is open; in GRADING some verdict is out
 *   I3  a finished search has no slot, no join, nothing held
 */

#include "coordinator/search/search.h"
#include <assert.h>
#include <stddef.h>
#include <string.h>
#include "coordinator/search/search_private.h"
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "proto/base/prefetch.h"

const esp_option search_option_rows[] = {
    {"strategy", ESP_OPT_STRING, offsetof (search_options, strategy), "beam", 0, 0, NULL, "",
     "search algorithm", ESP_OPT_FIXED, false},
    {"max_steps", ESP_OPT_INT, offsetof (search_options, max_steps), "40", 1, 60000, NULL, "steps",
     "longest branch; strategies that go step by step stop there", ESP_OPT_FIXED, false},
    {"rollout_steps", ESP_OPT_INT, offsetof (search_options, rollout_steps), "0", 0, 60000, NULL,
     "steps", "longest generation to the end, hard; 0 = as many as budget.steps leaves",
     ESP_OPT_FIXED, false},
    {"aggregate", ESP_OPT_CHOICE, offsetof (search_options, aggregate), "last", 0, 0,
     AGGREGATE_CHOICES, "", "one number from the step scores of a branch", ESP_OPT_FIXED, false},
    {"deterministic", ESP_OPT_BOOL, offsetof (search_options, deterministic), "true", 0, 0, NULL,
     "", "joins are delivered in the order opened: same answers on any number of workers",
     ESP_OPT_FIXED, false},
    {"in_flight", ESP_OPT_INT, offsetof (search_options, in_flight), "1", 1, 65536, NULL, "joins",
     "open joins per lane (descents of a tree search at once)", ESP_OPT_FIXED, false},
    {"budget.generations", ESP_OPT_INT, offsetof (search_options, budget_generations), NULL, 1,
     1e15, NULL, "samples", "hard cap per problem; left out: none", ESP_OPT_GROWS, false},
    {"budget.steps", ESP_OPT_INT, offsetof (search_options, budget_steps), NULL, 1, 1e15, NULL,
     "steps", "hard cap per problem on generated steps; left out: none", ESP_OPT_GROWS, false},
    {"budget.generated_tokens", ESP_OPT_INT, offsetof (search_options, budget_generated_tokens),
     NULL, 1, 1e15, NULL, "tokens", "hard cap per problem; left out: none", ESP_OPT_GROWS, false},
    {"budget.scored_tokens", ESP_OPT_INT, offsetof (search_options, budget_scored_tokens), NULL, 1,
     1e15, NULL, "tokens", "hard cap per problem on tokens newly shown to the PRM; left out: none",
     ESP_OPT_GROWS, false},
    {"budget.seconds", ESP_OPT_DOUBLE, offsetof (search_options, budget_seconds), NULL, 0.001, 1e9,
     NULL, "s", "wall time per problem from its first task; left out: none", ESP_OPT_GROWS, false},
    {"grade", ESP_OPT_CHOICE, offsetof (search_options, grade), "candidates", 0, 0,
     "none|candidates", "",
     "let the verifier judge every candidate at the end (never steers the search)", ESP_OPT_FIXED,
     false},
    {"score", ESP_OPT_CHOICE, offsetof (search_options, score), "prm", 0, 0, "prm|logprob", "",
     "what a step is worth: what the PRM says, or without a PRM exp of the mean log-probability of "
     "its tokens (generator.logprobs: sum)",
     ESP_OPT_FIXED, false},
    {"draws", ESP_OPT_STRING, offsetof (search_options, draws), NULL, 0, 0, NULL, "",
     "rule|key: draws of the golden traces instead of run.seed (tests)", ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

void effects_free (effects *e)
{
    esp_free (e->tasks);
    esp_free (e->cancels);
    esp_free (e->events);
    *e = (effects){0};
}

void mix_digest (search *s, uint64_t a, uint64_t b)
{
    s->digest = esp_hash_mix (esp_hash_mix (s->digest, a), b);
}

esp_err emit_event (search *s, event e)
{
    effects *out = s->out;
    if (!s->setup->want_events)
        return ESP_OK;
    if (esp_grow (&out->events, &out->event_cap, out->event_count + 1, sizeof (*out->events)) != 0)
        return ESP_ENOMEM;
    e.problem = s->problem.key;
    e.index = (uint32_t)out->event_count;
    out->events[out->event_count++] = e;
    return ESP_OK;
}

/* ---- life ---- */

static budget cap_of (const search_options *o)
{
    const int64_t values[] = {o->budget_generations, o->budget_steps, o->budget_generated_tokens,
                              o->budget_scored_tokens};
    uint64_t caps[4];
    for (int i = 0; i < 4; i++)
        caps[i] = values[i] > 0 ? (uint64_t)values[i] : BUDGET_UNLIMITED;
    return (budget){caps[0], caps[1], caps[2], caps[3]};
}

static uint64_t identity_of (const search_setup *setup, const problem *p)
{
    return esp_hash_mix (esp_hash_mix_span (setup->run_seed, p->id), problem_repeat (p->key));
}

static esp_err make_lanes (search *s, uint32_t n)
{
    lane *lanes = esp_calloc (n, sizeof (*lanes));
    budget cap = cap_of (&s->setup->options);
    uint64_t base = identity_of (s->setup, &s->problem);
    if (!lanes)
        return ESP_ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        lanes[i].account.cap = budget_share (&cap, i, n);
        lanes[i].draw_key = esp_hash_mix (base, 0xd4a5ULL + i);
    }
    esp_free (s->lanes);
    s->lanes = lanes;
    s->lane_count = n;
    return ESP_OK;
}

esp_err search_lanes (search *s, uint32_t n)
{
    assert (n >= 1 && !s->lanes_fixed && s->delivering);
    return make_lanes (s, n);
}

esp_err search_create (const search_setup *setup, const problem *p, search **out)
{
    search *s;
    esp_err err = ESP_ENOMEM;
    if (!setup || !p || !out || !setup->strategy)
        return ESP_EINVAL;
    if (!(s = esp_calloc (1, sizeof (*s))))
        return ESP_ENOMEM;
    s->setup = setup;
    s->problem = *p;
    s->next_task = 1;
    if ((err = tree_create (identity_of (setup, p), &s->tree)) != ESP_OK ||
        (err = esp_arena_copy (tree_arena (s->tree), p->id, &s->problem.id)) != ESP_OK ||
        (err = esp_arena_copy (tree_arena (s->tree), p->json, &s->problem.json)) != ESP_OK ||
        (err = make_lanes (s, 1)) != ESP_OK)
        goto fail;
    if (!(s->me = esp_arena_calloc (tree_arena (s->tree), setup->strategy->state_bytes + 1))) {
        err = ESP_ENOMEM;
        goto fail;
    }
    if (setup->generator_count > 1 &&
        !(s->spent_on = esp_calloc (setup->generator_count, sizeof (*s->spent_on)))) {
        err = ESP_ENOMEM;
        goto fail;
    }
    *out = s;
    return ESP_OK;
fail:
    search_destroy (s);
    return err;
}

void search_destroy (search *s)
{
    if (!s)
        return;
    if (s->lanes)
        free_joins (s);
    esp_free (s->lanes);
    free_slots (s);
    esp_free (s->prompts);
    esp_free (s->spent_on);
    tree_destroy (s->tree);
    esp_free (s);
}

/* ---- the end of a problem ---- */

static enum finish_reason settled_reason (const search *s)
{
    bool starved = false;
    if (s->reason != REASON_RUNNING)
        return (enum finish_reason)s->reason;
    for (uint32_t l = 0; l < s->lane_count; l++)
        starved = starved || (s->lanes[l].starved && !s->lanes[l].ended);
    if (starved)
        return REASON_BUDGET;
    if (search_answers (s, NULL, 0) > 0)
        return REASON_ANSWERED;
    return s->error != ESP_OK ? REASON_ERROR : REASON_NO_ANSWER;
}

static esp_err finish (search *s)
{
    s->phase = PHASE_FINISHED;
    s->out->finished = true;
    free_slots (s);
    mix_digest (s, s->reason, tree_size (s->tree));
    return emit_event (
        s,
        (event){.kind = EVENT_FINISHED, .mark = s->reason, .node = NODE_ROOT, .parent = NODE_NONE});
}

static esp_err plan_grades (search *s, const node_ref *candidates, size_t count)
{
    esp_err err = ESP_OK;
    for (size_t i = 0; i < count && err == ESP_OK; i++) {
        node *n = tree_edit (s->tree, candidates[i]);
        bool seen = n->graded; /* a candidate may stand more than once */
        n->graded = true;
        if (!seen)
            search_mark (s, candidates[i], MARK_ANSWER, "candidate");
        if (seen || n->verdict != VERDICT_NONE || !s->setup->has_verifier ||
            !s->setup->options.grade)
            continue;
        s->grading++;
        err = plan_verdict (s, candidates[i], 0, VERIFY_ALL, NULL, (uint32_t)i);
    }
    return err;
}

static esp_err start_grading (search *s)
{
    size_t count;
    node_ref *candidates;
    esp_err err = ESP_ENOMEM;
    cancel_all (s, s->reason != REASON_STOPPED && s->reason != REASON_ERROR);
    count = search_answers (s, NULL, 0);
    candidates = esp_reallocarray (NULL, count + 1, sizeof (*candidates));
    s->reason = (uint8_t)settled_reason (s);
    s->phase = PHASE_GRADING;
    if (candidates) {
        search_answers (s, candidates, count);
        err = plan_grades (s, candidates, count);
    }
    esp_free (candidates);
    return err == ESP_OK && s->grading == 0 ? finish (s) : err;
}

static bool idle (const search *s)
{
    for (uint32_t l = 0; l < s->lane_count; l++)
        if (s->lanes[l].open > 0)
            return false;
    return true;
}

/* Deliver, plan what follows, and end when nothing is open any more. */
static esp_err go_on (search *s)
{
    esp_err err;
    if (s->phase == PHASE_GRADING)
        return s->grading == 0 ? finish (s) : ESP_OK;
    if ((err = deliver_joins (s)) != ESP_OK)
        return err;
    return s->finish_asked || idle (s) ? start_grading (s) : ask_early (s);
}

static esp_err cut_grading (search *s)
{
    for (size_t i = 0; i < s->slot_cap; i++)
        if (s->slots[i].number) {
            effects *out = s->out;
            if (esp_grow (&out->cancels, &out->cancel_cap, out->cancel_count + 1,
                          sizeof (*out->cancels)) != 0)
                return ESP_ENOMEM;
            out->cancels[out->cancel_count++] = s->slots[i].number;
        }
    s->grading = 0;
    return finish (s);
}

/* ---- inputs ---- */

static esp_err apply_open (search *s)
{
    esp_err err;
    if (s->phase != PHASE_WAITING)
        return ESP_OK;
    s->phase = PHASE_SEARCHING;
    if ((err = emit_event (s, (event){.kind = EVENT_OPENED,
                                      .node = NODE_ROOT,
                                      .parent = NODE_NONE,
                                      .text = s->problem.id})) != ESP_OK)
        return err;
    err = settle_error (s, s->setup->strategy->open (s, s->me));
    return err == ESP_OK ? go_on (s) : err;
}

static esp_err apply_result (search *s, const result *r)
{
    task_slot *slot = find_slot (s, r->id.number), copy;
    esp_err err;
    if (!slot)
        return ESP_OK;
    copy = *slot;
    if (copy.owner)
        esp_prefetch (&copy.owner->asks[copy.index], sizeof (copy.owner->asks[0]));
    note_costs (s, slot, r);
    free_slot (s, slot);
    if (r->error == ESP_EPOISONED && s->phase == PHASE_SEARCHING) {
        s->error = ESP_EPOISONED;
        s->reason = REASON_ERROR;
        s->finish_asked = true;
    }
    if ((err = take_result (s, &copy, r)) != ESP_OK)
        return err;
    return go_on (s);
}

static esp_err apply_stop (search *s)
{
    if (s->phase == PHASE_WAITING || s->phase == PHASE_FINISHED)
        return ESP_OK;
    if (s->phase == PHASE_GRADING)
        return cut_grading (s);
    s->reason = REASON_STOPPED;
    s->finish_asked = true;
    return start_grading (s);
}

static void prune_join (search *s, join *j, node_ref top)
{
    for (size_t i = 0; i < j->count; i++) {
        bool was_done = j->asks[i].stage == STAGE_DONE; /* and not delivered yet */
        node_ref r = j->asks[i].got.node;
        while (r != top && r != NODE_ROOT && r != NODE_NONE)
            r = tree_node (s->tree, r)->parent;
        if (r != top)
            continue;
        cancel_ask (s, j, i, true);
        if (!was_done)
            ask_done (s, j, i);
    }
}

/* The tree part of a prune: mark everything below and cancel what is out there. */
static void prune_below (search *s, node_ref top)
{
    for (uint32_t l = 0; l < s->lane_count; l++)
        for (join *j = s->lanes[l].first; j; j = j->next) {
            prune_join (s, j, top);
            for (join *e = j->early; e; e = e->next)
                prune_join (s, e, top);
        }
    search_mark (s, top, MARK_PRUNED, "pruned by an observer");
}

/* A step of a person below a node that can go on; anywhere else it has no effect. */
static esp_err add_human_step (search *s, const command *c)
{
    const node *n = tree_node (s->tree, c->node);
    node_ref made;
    esp_err err;
    if (n->state != NODE_GENERATED || node_ended (n) || c->text.len == 0)
        return ESP_OK;
    err = search_adopt (s, c->node, c->text, FINISH_STOP, SOURCE_HUMAN, &made);
    return err == ESP_ETOOBIG ? ESP_OK : err;
}

static esp_err apply_command (search *s, const command *c)
{
    const strategy *how = s->setup->strategy;
    esp_err err = ESP_OK;
    if (s->phase != PHASE_SEARCHING || (c->node != NODE_NONE && c->node >= tree_size (s->tree)))
        return ESP_OK; /* journaled, without effect */
    if (c->kind == COMMAND_FINISH)
        return apply_stop (s);
    if (c->kind == COMMAND_PRUNE && c->node != NODE_NONE)
        prune_below (s, c->node);
    if (c->kind == COMMAND_ADD_STEP && c->node != NODE_NONE)
        err = add_human_step (s, c);
    if (err == ESP_OK && how->command)
        err = settle_error (s, how->command (s, s->me, c));
    if (err == ESP_OK)
        err = emit_event (
            s, (event){.kind = EVENT_COMMAND, .mark = c->kind, .node = c->node, .value = c->value});
    return err == ESP_OK ? go_on (s) : err;
}

esp_err search_apply (search *s, const input *in, effects *out)
{
    esp_err err = ESP_EINVAL;
    if (!s || !in || !out)
        return ESP_EINVAL;
    out->task_count = out->cancel_count = out->event_count = 0;
    out->finished = false;
    if (s->phase == PHASE_FINISHED)
        return ESP_OK;
    s->out = out;
    s->now = in;
    s->delivering = true;
    switch ((enum input_kind)in->kind) {
    case INPUT_OPEN:
        err = apply_open (s);
        break;
    case INPUT_RESULT:
        err = apply_result (s, &in->u.result);
        break;
    case INPUT_DEADLINE:
    case INPUT_STOP:
        err = apply_stop (s);
        break;
    case INPUT_COMMAND:
        err = apply_command (s, &in->u.command);
        break;
    case INPUT_KINDS:
        break;
    }
    s->delivering = false;
    s->out = NULL;
    s->now = NULL;
#ifdef ESP_CHECK
    if (err == ESP_OK)
        search_check (s);
#endif
    return err;
}
