/* SPDX-License-Identifier: Apache-2.0 */
/* search_join.c - joins: reserve, complete, deliver in the order opened
 *
 * A join is a set of asks whose results a strategy gets together.  With deterministic: true a complete join
 * waits in its lane's queue until the ones opened before it were delivered; what a strategy sees then does not
 * depend on time.
 *
 * Invariants:
 *   I1  lane.account.held is the sum of the holds of its open joins' asks
 *   I2  join.done counts its asks in STAGE_DONE; a delivered join is freed
 *   I3  enough() has seen exactly the first `checked` items, all done, in plan order
 */

#include <assert.h>
#include <math.h>
#include "coordinator/search/search_private.h"
#include "proto/base/alloc.h"
#include "proto/base/hash.h"

/* ---- opening ---- */

/* What n asks need and what each may use at most; limits shrink to what is left (D13: last requests get less). */
typedef struct need {
    uint64_t generations, fixed_steps, long_asks, scored;
    uint64_t step_cap;  /* per TO_END ask; UINT32_MAX = none */
    uint64_t token_cap; /* per generation; UINT64_MAX = none */
} need;

static uint64_t generations_of (const ask *a)
{
    return a->mode == ASK_NOTHING ? 0 : 1ULL + a->lookahead;
}

static uint64_t tokens_wanted (const search *s, const ask *a)
{
    const search_setup *setup = s->setup;
    action_means plain = {.how = setup->how, .max_tokens = setup->max_tokens};
    const action_means *means =
        a->action < setup->action_count ? &setup->actions[a->action] : &plain;
    const sampling *how = a->how ? a->how : &means->how;
    return a->mode == ASK_STEP ? how->max_step_tokens : means->max_tokens;
}

static bool is_scored (const search *s, const ask *a)
{
    return s->setup->has_prm && a->scores > 0;
}

static uint64_t smaller (uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static need needs_of (const search *s, const ask *asks, size_t n, const budget *left)
{
    need sum = {0, 0, 0, 0, UINT32_MAX, UINT64_MAX};
    uint64_t wanted = 0, read = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t g = generations_of (&asks[i]);
        sum.generations += g;
        wanted += g * tokens_wanted (s, &asks[i]);
        if (asks[i].mode == ASK_STEP)
            sum.fixed_steps += g;
        else if (g > 0)
            sum.long_asks++;
        if (is_scored (s, &asks[i])) {
            sum.scored += g;
            read += g ? g * tokens_wanted (s, &asks[i]) : tree_node (s->tree, asks[i].from)->tokens;
        }
    }
    if (sum.generations > 0 && wanted > left->generated_tokens)
        sum.token_cap = left->generated_tokens / sum.generations;
    if (sum.scored > 0 && read > left->scored_tokens)
        sum.token_cap = smaller (sum.token_cap, left->scored_tokens / sum.scored);
    if (sum.long_asks > 0 && left->steps != BUDGET_UNLIMITED)
        sum.step_cap =
            left->steps > sum.fixed_steps ? (left->steps - sum.fixed_steps) / sum.long_asks : 0;
    return sum;
}

static budget
hold_of (const search *s, const account *acc, const ask *a, const need *limits, ask_state *out)
{
    uint64_t g = generations_of (a);
    uint64_t tokens = smaller (tokens_wanted (s, a), limits->token_cap);
    uint64_t steps = a->mode == ASK_STEP ? g : 0;
    budget held = {g, 0, 0, 0};
    if (g > 0 && a->mode != ASK_STEP) {
        steps = smaller (limits->step_cap, s->setup->options.rollout_steps
                                               ? (uint64_t)s->setup->options.rollout_steps
                                               : UINT32_MAX);
        out->max_steps = (uint32_t)steps;
    }
    out->max_tokens = (uint32_t)smaller (tokens, UINT32_MAX);
    if (acc->cap.steps != BUDGET_UNLIMITED)
        held.steps = steps;
    if (acc->cap.generated_tokens != BUDGET_UNLIMITED)
        held.generated_tokens = g * tokens;
    if (acc->cap.scored_tokens != BUDGET_UNLIMITED && is_scored (s, a))
        held.scored_tokens = g ? g * tokens : tree_node (s->tree, a->from)->tokens;
    return held;
}

/* Fill the asks of a join and the sum of their holds; false when an ask would get nothing. */
static bool
size_asks (const search *s, const lane *l, const ask *asks, size_t n, ask_state *out, budget *sum)
{
    budget left = account_left (&l->account);
    need limits = needs_of (s, asks, n, &left);
    *sum = (budget){0, 0, 0, 0};
    if (limits.token_cap == 0 || (limits.long_asks > 0 && limits.step_cap == 0))
        return false;
    for (size_t i = 0; i < n; i++) {
        ask_state scratch = {0}, *a = out ? &out[i] : &scratch;
        a->held = hold_of (s, &l->account, &asks[i], &limits, a);
        *sum = budget_sum (sum, &a->held);
    }
    return true;
}

size_t search_affordable (const search *s, uint32_t lane_index, const ask *asks, size_t n)
{
    const struct lane *l = &s->lanes[lane_index];
    size_t low = 0, high = n, middle = n; /* mostly all can be paid: tried first */
    while (low < high) {                  /* what n asks hold grows with n */
        account trial = l->account;
        budget sum;
        if (size_asks (s, l, asks, middle, NULL, &sum) && account_hold (&trial, &sum) == ESP_OK)
            low = middle;
        else
            high = middle - 1;
        middle = low + (high - low + 1) / 2;
    }
    return low;
}

esp_err plant_child (search *s, ask_state *a)
{
    const node *n;
    esp_err err;
    a->got = (item){.node = a->want.from,
                    .from = a->want.from,
                    .tag = a->want.tag,
                    .action = a->want.action,
                    .score = NAN,
                    .last = NAN};
    if (a->want.mode == ASK_NOTHING) {
        a->stage = STAGE_JUDGE;
        return ESP_OK;
    }
    if ((err = tree_add (s->tree, a->want.from, &a->got.node)) != ESP_OK)
        return err;
    n = tree_node (s->tree, a->got.node);
    tree_edit (s->tree, a->got.node)->action = a->want.action;
    tree_edit (s->tree, a->got.node)->draft = a->want.mode == ASK_DRAFT;
    return emit_event (s, (event){.kind = EVENT_PLANNED,
                                  .node = a->got.node,
                                  .parent = a->want.from,
                                  .ordinal = n->ordinal});
}

static void queue_join (lane *l, join *j)
{
    if (l->last)
        l->last->next = j;
    else
        l->first = j;
    l->last = j;
    l->open++;
}

static join *new_join (search *s, uint32_t lane_index, const ask *asks, size_t n, budget *held)
{
    join *j = esp_calloc (1, sizeof (*j) + n * sizeof (j->asks[0]));
    if (!j)
        return NULL;
    j->lane = lane_index;
    j->count = n;
    if (!size_asks (s, &s->lanes[lane_index], asks, n, j->asks, held))
        *held =
            (budget){UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}; /* refused by any account */
    for (size_t i = 0; i < n; i++)
        j->asks[i].want = asks[i];
    return j;
}

join *new_early (search *s, uint32_t lane_index, const ask *asks, size_t n)
{
    budget held;
    join *j = new_join (s, lane_index, asks, n, &held);
    for (size_t i = 0; j && i < n; i++)
        j->asks[i].held = (budget){0, 0, 0, 0};
    return j;
}

esp_err search_join (search *s, uint32_t lane_index, const ask *asks, size_t n, join_id *out)
{
    struct lane *l = &s->lanes[lane_index];
    budget held;
    join *j;
    esp_err err = ESP_OK;
    assert (n > 0 && lane_index < s->lane_count && s->delivering);
    if (!(j = new_join (s, lane_index, asks, n, &held)))
        return ESP_ENOMEM;
    if (held.generations == UINT64_MAX || account_hold (&l->account, &held) != ESP_OK) {
        l->starved = true;
        esp_free (j);
        return ESP_EBUDGET;
    }
    s->lanes_fixed = true;
    j->id = s->next_join++;
    queue_join (l, j);
    if (out)
        *out = j->id;
    for (size_t i = 0; i < n && err == ESP_OK; i++)
        if (!take_early (s, j, i))
            err = plant_child (s, &j->asks[i]);
    for (size_t i = 0; i < n && err == ESP_OK; i++)
        if (j->asks[i].task_count == 0 && j->asks[i].stage != STAGE_DONE)
            err = plan_ask (s, j, i);
    return err;
}

/* ---- completing ---- */

void drop_rest (search *s, join *j, size_t from)
{
    for (size_t i = from; i < j->count; i++) {
        bool was_done = j->asks[i].stage == STAGE_DONE;
        cancel_ask (s, j, i, true);
        j->done += !was_done;
    }
    j->dropped = true;
}

/* enough() sees each item once its predecessors are known, so its answer does not depend on time. */
static void ask_enough (search *s, join *j)
{
    const strategy *how = s->setup->strategy;
    if (!how->enough || (how->enough_by_rule && !stop_rule_given (&s->setup->stop)))
        return;
    while (!j->dropped && j->checked < j->count && j->asks[j->checked].stage == STAGE_DONE) {
        if (esp_grow (&j->heard, &j->heard_cap, j->checked + 1, sizeof (*j->heard)) != 0)
            return; /* the rest is not dropped: more work, same guarantees */
        j->heard[j->checked] = j->asks[j->checked].got;
        if (how->enough (s, s->me, j->heard, ++j->checked))
            drop_rest (s, j, j->checked);
    }
}

static void free_join (join *j)
{
    esp_free (j->heard);
    esp_free (j);
}

void ask_done (search *s, join *j, size_t index)
{
    assert (j->asks[index].stage == STAGE_DONE);
    j->done++;
    ask_enough (s, j);
}

join *find_join (const search *s, join_id id)
{
    for (uint32_t l = 0; l < s->lane_count; l++)
        for (join *j = s->lanes[l].first; j; j = j->next)
            if (j->id == id)
                return j;
    return NULL;
}

void search_drop (search *s, join_id id)
{
    join *j = find_join (s, id);
    assert (j && s->delivering);
    drop_rest (s, j, 0);
}

/* ---- delivering ---- */

static join *take_join (lane *l, bool in_order)
{
    join *before = NULL;
    for (join *j = l->first; j; before = j, j = j->next) {
        if (j->done == j->count) {
            if (before)
                before->next = j->next;
            else
                l->first = j->next;
            if (l->last == j)
                l->last = before;
            l->open--;
            return j;
        }
        if (in_order)
            return NULL;
    }
    return NULL;
}

/* Take the hold of a join back and charge what its asks used. */
static void settle_join (search *s, const join *j)
{
    budget held = {0, 0, 0, 0}, used = {0, 0, 0, 0};
    for (size_t i = 0; i < j->count; i++) {
        const ask_state *a = &j->asks[i];
        budget charge = charge_of_ask (s, a);
        held = budget_sum (&held, &a->held);
        used = budget_sum (&used, &charge);
        if (a->got.scored)
            s->scored_steps += tree_node (s->tree, a->got.node)->score_count;
    }
    account_settle (&s->lanes[j->lane].account, &held, &used);
}

static esp_err hand_over (search *s, join *j)
{
    item *items = esp_reallocarray (NULL, j->count, sizeof (*items));
    esp_err err = ESP_ENOMEM;
    settle_join (s, j);
    if (items) {
        for (size_t i = 0; i < j->count; i++)
            items[i] = j->asks[i].got;
        s->handing = j;
        err = s->setup->strategy->joined (s, s->me, j->id, items, j->count);
        s->handing = NULL;
    }
    drop_early (s, j, true);
    esp_free (items);
    free_join (j);
    return err;
}

esp_err settle_error (search *s, esp_err err)
{
    if (err == ESP_OK || err == ESP_ENOMEM)
        return err;
    if (err != ESP_EBUDGET) { /* nothing more can be paid: no failure */
        s->error = err;
        s->reason = REASON_ERROR;
        s->finish_asked = true;
    }
    return ESP_OK;
}

static esp_err ask_for_more (search *s, uint32_t lane_index, bool *moved)
{
    struct lane *l = &s->lanes[lane_index];
    const strategy *how = s->setup->strategy;
    while (how->more && !l->ended && !s->finish_asked && l->open < search_in_flight (s)) {
        size_t before = l->open;
        esp_err err = how->more (s, s->me, lane_index);
        if (err != ESP_OK)
            return err == ESP_EEMPTY ? ESP_OK : settle_error (s, err);
        *moved = true;
        if (l->open <= before)
            return ESP_OK; /* it only changed its own mind */
    }
    return ESP_OK;
}

esp_err deliver_joins (search *s)
{
    bool moved = true;
    esp_err err = ESP_OK;
    while (moved && err == ESP_OK && !s->finish_asked) {
        moved = false;
        for (uint32_t l = 0; l < s->lane_count && err == ESP_OK && !s->finish_asked; l++) {
            join *j = take_join (&s->lanes[l], s->setup->options.deterministic);
            if (j) {
                moved = true;
                err = settle_error (s, hand_over (s, j));
            }
            if (err == ESP_OK)
                err = ask_for_more (s, l, &moved);
        }
    }
    return err;
}

/* ---- the end ---- */

void cancel_all (search *s, bool forget)
{
    for (uint32_t l = 0; l < s->lane_count; l++)
        for (join *j = s->lanes[l].first; j; j = j->next) {
            for (size_t i = 0; i < j->count; i++)
                if (forget || j->asks[i].stage != STAGE_DONE)
                    cancel_ask (s, j, i, forget);
            drop_early (s, j, forget);
            settle_join (s, j);
        }
    free_joins (s);
}

void free_joins (search *s)
{
    for (uint32_t l = 0; l < s->lane_count; l++) {
        for (join *j = s->lanes[l].first, *next; j; j = next) {
            next = j->next;
            for (join *e = j->early, *after; e; e = after) {
                after = e->next;
                free_join (e);
            }
            free_join (j);
        }
        s->lanes[l].first = s->lanes[l].last = NULL;
        s->lanes[l].open = 0;
    }
}
