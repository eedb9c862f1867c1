/* SPDX-License-Identifier: Apache-2.0 */
/* search_plan.c - asks become tasks
 *
 *     GENERATE -> LOOKAHEAD x n -> JUDGE (scores and verdict at once) -> DONE
 *
 * Each arrow needs only this ask's own result: there is no barrier inside a join.  Identity is
 * given when an ask is planned (join opening, plan order), so the tasks that follow a result have the same seed
 * whenever that result comes.
 *
 * Invariants:
 *   I1  a slot exists exactly while its task is wanted
 *   I2  an ask in STAGE_JUDGE has readings_left > 0 or verdict_out
 */

#include <math.h>
#include <string.h>
#include "coordinator/search/search_private.h"
#include "proto/base/alloc.h"
#include "proto/base/fmath.h"
#include "proto/base/hash.h"

enum { FIRST_SLOTS = 16, SEED_BITS = 0x7fffffff };

/* ---- task slots ---- */

static size_t slot_home (uint32_t number, size_t cap)
{
    return (size_t)(number * 2654435761U) & (cap - 1);
}

task_slot *find_slot (const search *s, uint32_t number)
{
    if (s->slot_cap == 0 || number == 0)
        return NULL;
    for (size_t i = slot_home (number, s->slot_cap);; i = (i + 1) & (s->slot_cap - 1)) {
        if (s->slots[i].number == number)
            return &s->slots[i];
        if (s->slots[i].number == 0)
            return NULL;
    }
}

static void place_slot (task_slot *slots, size_t cap, const task_slot *slot)
{
    size_t i = slot_home (slot->number, cap);
    while (slots[i].number)
        i = (i + 1) & (cap - 1);
    slots[i] = *slot;
}

static esp_err add_slot (search *s, const task_slot *slot)
{
    if (2 * (s->slot_used + 1) > s->slot_cap) {
        size_t cap = s->slot_cap ? 2 * s->slot_cap : FIRST_SLOTS;
        task_slot *grown = esp_calloc (cap, sizeof (*grown));
        if (!grown)
            return ESP_ENOMEM;
        for (size_t i = 0; i < s->slot_cap; i++)
            if (s->slots[i].number)
                place_slot (grown, cap, &s->slots[i]);
        esp_free (s->slots);
        s->slots = grown;
        s->slot_cap = cap;
    }
    place_slot (s->slots, s->slot_cap, slot);
    s->slot_used++;
    return ESP_OK;
}

static esp_err keep_task (search *s, const task *t, uint32_t *cell)
{
    if (s->planned_free) {
        *cell = s->planned_free - 1;
        s->planned_free = s->planned[*cell].next;
    } else {
        if (esp_grow (&s->planned, &s->planned_cap, s->planned_used + 1, sizeof (*s->planned)) != 0)
            return ESP_ENOMEM;
        *cell = (uint32_t)s->planned_used++;
    }
    s->planned[*cell].task = *t;
    return ESP_OK;
}

void free_slots (search *s)
{
    esp_free (s->slots);
    esp_free (s->planned);
    s->slots = NULL;
    s->planned = NULL;
    s->slot_cap = s->slot_used = s->planned_cap = s->planned_used = 0;
    s->planned_free = 0;
}

/* Deletion by shifting back: no tombstones, so a long search stays quick. */
void free_slot (search *s, task_slot *slot)
{
    size_t mask = s->slot_cap - 1, hole = (size_t)(slot - s->slots);
    s->planned[slot->cell].next = s->planned_free;
    s->planned_free = slot->cell + 1;
    for (size_t i = (hole + 1) & mask; s->slots[i].number; i = (i + 1) & mask) {
        size_t home = slot_home (s->slots[i].number, s->slot_cap);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            s->slots[hole] = s->slots[i];
            hole = i;
        }
    }
    s->slots[hole].number = 0;
    s->slot_used--;
}

/* ---- the sample number k (fake engine only) ---- */

static esp_err grow_prompts (search *s)
{
    size_t cap = s->prompt_cap ? 2 * s->prompt_cap : FIRST_SLOTS;
    prompt_count *grown = esp_calloc (cap, sizeof (*grown));
    if (!grown)
        return ESP_ENOMEM;
    for (size_t i = 0; i < s->prompt_cap; i++)
        if (s->prompts[i].used) {
            size_t at = s->prompts[i].hash & (cap - 1);
            while (grown[at].used)
                at = (at + 1) & (cap - 1);
            grown[at] = s->prompts[i];
        }
    esp_free (s->prompts);
    s->prompts = grown;
    s->prompt_cap = cap;
    return ESP_OK;
}

/* Counts per (lane, prompt text, action): lanes may not see each other's progress.  The root's joins are all
 * opened by open(), in order, so its count is shared by all lanes. */
static esp_err
count_prompt (search *s, uint32_t lane_index, node_ref from, uint16_t action, uint32_t *k)
{
    esp_buf text = {0};
    uint64_t hash;
    esp_err err = tree_path_text (s->tree, from, &text);
    if (err == ESP_OK && 2 * (s->prompt_used + 1) > s->prompt_cap)
        err = grow_prompts (s);
    if (err != ESP_OK) {
        esp_buf_free (&text);
        return err;
    }
    /* The action is mixed in, not taken as the seed: XXH3 of short texts collides for seeds that are close. */
    hash = esp_hash_mix (esp_hash_mix (esp_hash64 (text.data, text.len, 0), action),
                         from == NODE_ROOT ? 0 : lane_index + 1ULL);
    esp_buf_free (&text);
    size_t at = hash & (s->prompt_cap - 1);
    while (s->prompts[at].used && s->prompts[at].hash != hash)
        at = (at + 1) & (s->prompt_cap - 1);
    s->prompt_used += !s->prompts[at].used;
    s->prompts[at].used = 1;
    s->prompts[at].hash = hash;
    *k = s->prompts[at].count++;
    return ESP_OK;
}

/* ---- planning ---- */

static uint32_t seed_of (const node *from, uint32_t stage, uint32_t ordinal)
{
    uint64_t base = esp_hash_mix (from->path_hash, stage) & SEED_BITS;
    return (uint32_t)((base + ordinal) & SEED_BITS);
}

static esp_err add_task (search *s, task *t, join *owner, uint32_t index)
{
    task_slot slot = {.number = s->next_task,
                      .index = index,
                      .owner = owner,
                      .node = t->node,
                      .reading = t->reading,
                      .kind = t->kind};
    effects *out = s->out;
    esp_err err;
    t->id = (task_id){s->problem.key, s->next_task};
    if (esp_grow (&out->tasks, &out->task_cap, out->task_count + 1, sizeof (*out->tasks)) != 0)
        return ESP_ENOMEM;
    if ((err = keep_task (s, t, &slot.cell)) != ESP_OK || (err = add_slot (s, &slot)) != ESP_OK)
        return err; /* the search is given up then: a lost cell does not matter */
    if (owner) {
        ask_state *a = &owner->asks[index];
        if (a->task_count++ == 0)
            a->first_task = s->next_task;
    }
    s->next_task++;
    out->tasks[out->task_count++] = *t;
    mix_digest (s, ((uint64_t)t->seed << 32) | t->id.number,
                ((uint64_t)t->node << 32) | ((uint64_t)t->kind << 24) | (t->max_tokens & 0xffffff));
    return ESP_OK;
}

/* Longest expected chain of steps behind a task: what D5 sends first among equals. */
static uint32_t chain_behind (const search *s, const node *n)
{
    uint32_t most = search_max_steps (s);
    return n->depth < most ? most - n->depth : 0;
}

static task task_for (const search *s, const ask_state *a, enum task_kind kind, node_ref ref)
{
    const node *n = tree_node (s->tree, ref);
    task t = {.kind = (uint8_t)kind, .node = ref, .child = NODE_NONE, .action = a->want.action};
    t.how = a->want.how                               ? *a->want.how
            : a->want.action < s->setup->action_count ? s->setup->actions[a->want.action].how
                                                      : s->setup->how;
    if (kind == TASK_GENERATE && a->want.action < s->setup->action_count)
        t.engine = s->setup->actions[a->want.action].generator;
    if (a->want.greedy)
        t.how.temperature = 0.0;
    t.priority = a->want.priority;
    t.chain = chain_behind (s, n);
    t.max_steps = 1;
    return t;
}

static esp_err plan_generation (search *s, join *j, size_t index)
{
    ask_state *a = &j->asks[index];
    task t = task_for (s, a, TASK_GENERATE, a->want.from);
    const node *from = tree_node (s->tree, a->want.from);
    esp_err err;
    t.mode = a->want.mode == ASK_STEP    ? TASK_STEP
             : a->want.mode == ASK_DRAFT ? TASK_DRAFT
                                         : TASK_TO_END;
    t.child = a->got.node;
    t.ordinal = tree_node (s->tree, a->got.node)->ordinal;
    t.seed = seed_of (from, 0, t.ordinal);
    t.max_tokens = a->max_tokens;
    t.max_steps = a->want.mode == ASK_STEP ? 1 : a->max_steps;
    if (t.mode == TASK_DRAFT && from->extra && from->extra->observation)
        t.extra = span_make (from->extra->observation, from->extra->observation_len);
    if (s->setup->count_prompts && !a->want.greedy) {
        if ((err = count_prompt (s, j->lane, a->want.from, a->want.action, &t.k)) != ESP_OK)
            return err;
    } else if (a->want.greedy) {
        t.k = TASK_K_GREEDY;
    }
    return add_task (s, &t, j, (uint32_t)index);
}

static esp_err plan_lookahead (search *s, join *j, size_t index)
{
    ask_state *a = &j->asks[index];
    task t = task_for (s, a, TASK_GENERATE, a->got.node);
    t.mode = TASK_STEP;
    t.how.temperature = 0.0;
    t.k = TASK_K_GREEDY;
    t.seed = seed_of (tree_node (s->tree, a->got.node), a->looked + 1U, 0);
    t.max_tokens = a->max_tokens;
    t.extra = a->look;
    return add_task (s, &t, j, (uint32_t)index);
}

esp_err plan_verdict (search *s, node_ref ref, uint16_t verifier, enum verify_reading reading,
                      join *owner, uint32_t index)
{
    task t = {.kind = TASK_VERIFY,
              .node = ref,
              .child = NODE_NONE,
              .engine = verifier,
              .reading = (uint16_t)reading};
    return add_task (s, &t, owner, index);
}

/* Last step score at or above a node; NaN = none. */
static double last_on_path (const search *s, node_ref ref)
{
    for (; ref != NODE_NONE; ref = tree_node (s->tree, ref)->parent) {
        const node *n = tree_node (s->tree, ref);
        if (n->score_count)
            return node_last_score (n);
        if (n->draft)
            break;
    }
    return NAN;
}

/* An empty text has no step to score: the branch is worth what it was. */
static esp_err inherit_score (search *s, ask_state *a)
{
    esp_err err = store_scores (s, a->got.node, NULL, 0, 0);
    if (err != ESP_OK)
        return err;
    a->got.score = tree_node (s->tree, a->got.node)->score;
    a->got.last = last_on_path (s, a->got.node);
    a->got.scored = !isnan (a->got.last);
    return ESP_OK;
}

/* search.score: logprob.  A node that no model generated, or without tokens, is worth what its branch was. */
static esp_err score_by_logprob (search *s, ask_state *a)
{
    double logprob = tree_node (s->tree, a->got.node)->mean_logprob, score;
    esp_err err;
    if (isnan (logprob))
        return inherit_score (s, a);
    score = esp_exp (fmin (0.0, logprob));
    err = store_scores (s, a->got.node, &score, 1, 1);
    return err == ESP_OK ? tell_score (s, a) : err;
}

static esp_err plan_judgement (search *s, join *j, size_t index)
{
    ask_state *a = &j->asks[index];
    bool readable = tree_node (s->tree, a->got.node)->text_len + a->look.len > 0;
    bool asked = s->setup->has_prm && a->want.scores > 0;
    esp_err err = ESP_OK;
    a->readings_left = asked && readable ? a->want.scores : 0;
    if (asked && !readable)
        err = inherit_score (s, a);
    else if (!s->setup->has_prm && a->want.scores > 0 && s->setup->options.score == SCORE_LOGPROB)
        err = score_by_logprob (s, a);
    if (err != ESP_OK)
        return err;
    a->verdict_out = a->want.verifier > 0 && s->setup->has_verifier;
    if (a->readings_left > 1 && !(a->readings = search_alloc (s, a->want.scores * sizeof (double))))
        return ESP_ENOMEM;
    for (uint16_t r = 0; r < a->readings_left; r++) {
        task t = task_for (s, a, TASK_SCORE, a->got.node);
        t.reading = r;
        t.extra = a->look;
        if ((err = add_task (s, &t, j, (uint32_t)index)) != ESP_OK)
            return err;
    }
    if (a->verdict_out)
        return plan_verdict (s, a->got.node, (uint16_t)(a->want.verifier - 1),
                             a->want.steers && s->setup->hidden_tests ? VERIFY_VISIBLE : VERIFY_ALL,
                             j, (uint32_t)index);
    return ESP_OK;
}

esp_err plan_ask (search *s, join *j, size_t index)
{
    ask_state *a = &j->asks[index];
    esp_err err = ESP_OK;
    a->task_count = 0;
    switch ((enum ask_stage)a->stage) {
    case STAGE_GENERATE:
        return plan_generation (s, j, index);
    case STAGE_LOOKAHEAD:
        return plan_lookahead (s, j, index);
    case STAGE_JUDGE:
        err = plan_judgement (s, j, index);
        if (err != ESP_OK || a->readings_left > 0 || a->verdict_out)
            return err;
        a->stage = STAGE_DONE; /* nothing to judge */
        /* fall through */
    case STAGE_DONE:
        ask_done (s, j, index);
        return ESP_OK;
    }
    return ESP_OK;
}
