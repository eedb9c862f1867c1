/* SPDX-License-Identifier: Apache-2.0 */
/* search_look.c - what strategies may call besides joins, and what anyone may look at */

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coordinator/search/search_private.h"
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "proto/base/rng.h"
#include "proto/base/prefetch.h"

/* ---- for strategies ---- */

esp_err search_adopt (search *s, node_ref parent, span text, enum node_finish finish,
                      enum node_source source, node_ref *out)
{
    node_ref ref;
    span kept;
    node *n;
    esp_err err;
    assert (s->delivering);
    if ((err = esp_arena_copy (tree_arena (s->tree), text, &kept)) != ESP_OK ||
        (err = tree_add (s->tree, parent, &ref)) != ESP_OK)
        return err;
    n = tree_edit (s->tree, ref);
    n->text = kept.ptr;
    n->text_len = (uint32_t)kept.len;
    n->finish = (uint8_t)finish;
    n->source = source & 3U;
    n->steps = 1;
    n->state = NODE_GENERATED;
    *out = ref;
    return emit_event (s, (event){.kind = EVENT_TEXT,
                                  .mark = n->finish,
                                  .node = ref,
                                  .parent = parent,
                                  .ordinal = n->ordinal,
                                  .text = kept});
}

esp_err search_adopt_scores (search *s, node_ref ref, const double *scores, size_t count)
{
    return store_scores (s, ref, scores, count, count);
}

void search_adopt_tokens (search *s, node_ref ref, uint32_t tokens)
{
    tree_edit (s->tree, ref)->tokens = tokens;
}

esp_err search_adopt_end (search *s, node_ref ref, node_ref whole)
{
    node *n = tree_edit (s->tree, ref);
    const node *from = tree_node (s->tree, whole);
    n->finish = from->finish;
    n->verdict = from->verdict;
    n->extra = from->extra;
    return emit_event (s, (event){.kind = EVENT_VERIFIED,
                                  .mark = n->verdict,
                                  .node = ref,
                                  .parent = n->parent,
                                  .ordinal = n->ordinal,
                                  .value = n->extra ? n->extra->share : NAN,
                                  .text = node_answer (n)});
}

double search_draw_at (const search *s, uint32_t lane_index, uint64_t i)
{
    const struct lane *l = &s->lanes[lane_index];
    const char *golden = s->setup->options.draws, *bar = golden ? strchr (golden, '|') : NULL;
    char digits[24];
    if (!bar)
        return esp_draw_unit (l->draw_key, l->draws + i);
    snprintf (digits, sizeof (digits), "%llu", (unsigned long long)(l->draws + i));
    return esp_unit_joined (
        (span[]){span_make (golden, (size_t)(bar - golden)), span_of (bar + 1), span_of (digits)},
        3);
}

double search_draw (search *s, uint32_t lane_index)
{
    double u = search_draw_at (s, lane_index, 0);
    assert (s->delivering);
    s->lanes[lane_index].draws++;
    return u;
}

budget search_left (const search *s, uint32_t lane_index)
{
    return account_left (&s->lanes[lane_index].account);
}

void search_lane_end (search *s, uint32_t lane_index)
{
    s->lanes[lane_index].ended = true;
}

void search_finish (search *s, enum finish_reason reason)
{
    assert (s->lane_count == 1 && s->delivering);
    if (s->reason == REASON_RUNNING && reason != REASON_ANSWERED && reason != REASON_NO_ANSWER)
        s->reason = (uint8_t)reason;
    s->finish_asked = true;
}

static uint8_t why_index (search *s, const char *why)
{
    if (!why)
        return 0;
    for (uint8_t i = 0; i < s->why_count; i++)
        if (strcmp (s->why[i], why) == 0)
            return (uint8_t)(i + 1);
    if (s->why_count == sizeof (s->why) / sizeof (s->why[0]))
        return 0;
    s->why[s->why_count++] = why;
    return s->why_count;
}

void search_mark (search *s, node_ref ref, enum node_mark mark, const char *why)
{
    node *n = tree_edit (s->tree, ref);
    if (n->mark == mark && n->why == why_index (s, why))
        return;
    n->mark = (uint8_t)mark;
    n->why = why_index (s, why);
    if (emit_event (s, (event){.kind = EVENT_MARK,
                               .mark = (uint8_t)mark,
                               .node = ref,
                               .parent = n->parent,
                               .ordinal = n->ordinal,
                               .value = n->score,
                               .text = span_of (why)}) != ESP_OK)
        return; /* an observer misses a mark; the search does not */
}

void *search_alloc (search *s, size_t bytes)
{
    return esp_arena_calloc (tree_arena (s->tree), bytes);
}

/* ---- for everyone ---- */

const node *search_node (const search *s, node_ref n)
{
    return tree_node (s->tree, n);
}

const tree *search_tree (const search *s)
{
    return s->tree;
}

const void *search_strategy_options (const search *s)
{
    return s->setup->strategy_options;
}

uint32_t search_max_steps (const search *s)
{
    return (uint32_t)s->setup->options.max_steps;
}

uint32_t search_lane_count (const search *s)
{
    return s->lane_count;
}

uint32_t search_join_lane (const search *s, join_id id)
{
    const join *j = s->handing && s->handing->id == id ? s->handing : find_join (s, id);
    return j ? j->lane : 0;
}

size_t search_open_joins (const search *s, uint32_t lane_index)
{
    return s->lanes[lane_index].open;
}

bool search_has_prm (const search *s)
{
    return s->setup->has_prm || s->setup->options.score == SCORE_LOGPROB;
}

uint32_t search_in_flight (const search *s)
{
    return s->setup->options.in_flight > 1 ? (uint32_t)s->setup->options.in_flight : 1;
}

double search_aggregate (const search *s, const double *scores, size_t n)
{
    return aggregate_scores ((enum aggregate)s->setup->options.aggregate, scores, n);
}

void search_expect (const search *s)
{
    esp_prefetch (s, offsetof (search, problem));
}

bool search_wants (const search *s, uint32_t task_number)
{
    return find_slot (s, task_number) != NULL;
}

const problem *search_problem (const search *s)
{
    return &s->problem;
}

bool search_finished (const search *s)
{
    return s->phase == PHASE_FINISHED;
}

enum finish_reason search_reason (const search *s)
{
    return (enum finish_reason)s->reason;
}

esp_err search_error (const search *s)
{
    return s->error;
}

uint32_t search_pending (const search *s)
{
    return (uint32_t)s->slot_used;
}

uint64_t search_digest (const search *s)
{
    return s->digest;
}

budget search_used (const search *s)
{
    budget sum = {0, 0, 0, 0};
    for (uint32_t l = 0; l < s->lane_count; l++)
        sum = budget_sum (&sum, &s->lanes[l].account.used);
    return sum;
}

static void add_asked (const search *s, const join *j, budget *sum)
{
    for (size_t i = 0; i < j->count; i++) {
        budget asked = charge_of_ask (s, &j->asks[i]);
        *sum = budget_sum (sum, &asked);
    }
}

budget search_asked (const search *s)
{
    budget sum = search_used (s);
    for (uint32_t l = 0; l < s->lane_count; l++)
        for (const join *j = s->lanes[l].first; j; j = j->next) {
            add_asked (s, j, &sum);
            for (const join *e = j->early; e; e = e->next)
                add_asked (s, e, &sum);
        }
    return sum;
}

const search_costs *search_spent (const search *s)
{
    return &s->spent;
}

const generator_costs *search_spent_on (const search *s, size_t generator)
{
    assert (generator < s->setup->generator_count || generator == 0);
    return s->spent_on ? &s->spent_on[generator] : &s->spent.all;
}

const task *search_task (const search *s, uint32_t number)
{
    const task_slot *slot = find_slot (s, number);
    return slot ? &s->planned[slot->cell].task : NULL;
}

uint64_t search_scored_steps (const search *s)
{
    return s->scored_steps;
}

size_t search_answers (const search *s, node_ref *out, size_t max)
{
    if (s->phase == PHASE_WAITING)
        return 0;
    return s->setup->strategy->answers (s, s->me, out, max);
}

bool search_value (const search *s, node_ref n, node_value *out)
{
    return s->setup->strategy->value && s->setup->strategy->value (s, s->me, n, out);
}

const search_setup *search_setup_of (const search *s)
{
    return s->setup;
}

static int by_number (const void *a, const void *b)
{
    uint32_t x = ((const task *)a)->id.number, y = ((const task *)b)->id.number;
    return (x > y) - (x < y);
}

esp_err search_pending_tasks (const search *s, effects *out)
{
    out->task_count = out->cancel_count = out->event_count = 0;
    if (s->slot_used == 0)
        return ESP_OK;
    if (esp_grow (&out->tasks, &out->task_cap, s->slot_used, sizeof (*out->tasks)) != 0)
        return ESP_ENOMEM;
    for (size_t i = 0; i < s->slot_cap; i++)
        if (s->slots[i].number)
            out->tasks[out->task_count++] = s->planned[s->slots[i].cell].task;
    qsort (out->tasks, out->task_count, sizeof (*out->tasks), by_number);
    return ESP_OK;
}

const char *search_mark_why (const search *s, node_ref n)
{
    uint8_t why = tree_node (s->tree, n)->why;
    return why ? s->why[why - 1] : "";
}

/* ---- invariants ---- */

enum {
    CHECKED_NODES = 2000
}; /* larger trees are walked at the end only: the walk is O(nodes) after every input */

static void check_join (const join *j, size_t *tasks, budget *held)
{
    size_t done = 0;
    for (size_t i = 0; i < j->count; i++) {
        const ask_state *a = &j->asks[i];
        *held = budget_sum (held, &a->held);
        done += a->stage == STAGE_DONE;
        if (a->stage == STAGE_JUDGE)
            *tasks += (size_t)a->readings_left + a->verdict_out;
        else
            *tasks += a->stage != STAGE_DONE;
    }
    assert (done == j->done);
}

static void check_lane (const struct lane *l, size_t *tasks)
{
    budget held = {0, 0, 0, 0};
    size_t open = 0;
    for (const join *j = l->first; j; j = j->next) {
        open++;
        check_join (j, tasks, &held);
        for (const join *e = j->early; e; e = e->next)
            check_join (e, tasks, &held);
    }
    assert (open == l->open);
    assert (memcmp (&held, &l->account.held, sizeof (held)) == 0);
}

void search_check (const search *s)
{
    size_t tasks = s->grading, used = 0, open = 0;
    for (uint32_t l = 0; l < s->lane_count; l++) {
        const account *a = &s->lanes[l].account;
        budget gone = budget_sum (&a->held, &a->used);
        assert (gone.generations <= a->cap.generations && gone.steps <= a->cap.steps);
        assert (gone.generated_tokens <= a->cap.generated_tokens &&
                gone.scored_tokens <= a->cap.scored_tokens);
        check_lane (&s->lanes[l], &tasks);
        open += s->lanes[l].open;
    }
    for (size_t i = 0; i < s->slot_cap; i++)
        used += s->slots[i].number != 0;
    assert (used == s->slot_used && tasks == s->slot_used);
    assert (s->phase != PHASE_FINISHED || s->slot_used == 0);
    assert (s->phase != PHASE_SEARCHING || open > 0);
    if (s->phase == PHASE_FINISHED || tree_size (s->tree) < CHECKED_NODES)
        tree_check (s->tree);
    if (s->setup->strategy->check)
        s->setup->strategy->check (s, s->me);
}
