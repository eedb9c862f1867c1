/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_best_first.c - always expand the best branch that there is
 *
 * Source: best-first search of SakanaAI/treequest (BestFirst, num_samples): a heap of nodes by (score descending, depth ascending,
 * arrival), the root first; the popped node gets `expand` children of every action, action by action; with a PRM as the
 * heuristic also Koh et al. 2024, arXiv:2407.01476.
 *
 * Our deviations: up to search.in_flight nodes are expanded at once; each pop takes the best of what was delivered by then.
 * A branch that ended or has max_steps steps is never expanded.  A branch without a score comes after all that have one.
 *
 * Invariants (best_first_check):
 *   I1  no entry of the heap comes before its parent, heap[(i - 1) / 2]
 *   I2  `found` is in the order in which the heap would have given them out
 * Memory: 16 bytes a node that waits, at most twice that while the heap grows.
 */

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include "coordinator/search/strategies.h"
#include "coordinator/search/strategy_help.h"
#include "proto/base/alloc.h"

typedef struct best_first_options {
    int64_t expand, actions, expansions;
    bool stop_at_answer;
} best_first_options;

typedef struct entry {
    double score;  /* -infinity = not scored */
    node_ref node; /* later nodes have larger numbers: arrival */
} entry;

typedef struct entries { /* in the arena */
    entry *at;
    uint32_t count, cap;
} entries;

typedef struct best_first {
    entries heap;
    entries found;    /* finished branches, best first */
    uint64_t started; /* expansions */
} best_first;

static const esp_option best_first_rows[] = {
    {"expand", ESP_OPT_INT, offsetof (best_first_options, expand), "4", 1, 65536, NULL, "children",
     "steps asked of a popped node (per action)", ESP_OPT_FIXED, false},
    {"actions", ESP_OPT_INT, offsetof (best_first_options, actions), "1", 1, 1024, NULL, "actions",
     "prompt or model variants; a popped node gets `expand` children of each", ESP_OPT_FIXED,
     false},
    {"expansions", ESP_OPT_INT, offsetof (best_first_options, expansions), "16", 0, 1e9, NULL,
     "nodes", "nodes expanded; 0 = until the budget ends", ESP_OPT_FIXED, false},
    {"stop_at_answer", ESP_OPT_BOOL, offsetof (best_first_options, stop_at_answer), "false", 0, 0,
     NULL, "", "end when a finished branch is the best of all", ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

static esp_err best_first_fit (void *options, esp_error *error)
{
    const best_first_options *o = options;
    if (o->expand * o->actions > 1000000)
        return esp_error_set (error, ESP_EINVAL,
                              "search.expand: expand x actions is %lld, more than 1,000,000",
                              (long long)(o->expand * o->actions));
    return ESP_OK;
}

static esp_err best_first_suits (const void *options, const strategy_means *has, esp_error *error)
{
    const best_first_options *o = options;
    esp_err err = needs_prm (options, has, error);
    return err == ESP_OK ? needs_end ("expansions", o->expansions, has, error) : err;
}

static const best_first_options *options_of (const search *s)
{
    return search_strategy_options (s);
}

/* ---- order ---- */

static bool better (const search *s, const entry *a, const entry *b)
{
    uint16_t depth_a = search_node (s, a->node)->depth, depth_b = search_node (s, b->node)->depth;
    if (a->score != b->score)
        return a->score > b->score;
    return depth_a != depth_b ? depth_a < depth_b : a->node < b->node;
}

static esp_err make_room (search *s, entries *list)
{
    return array_room (s, &list->at, list->count, &list->cap, sizeof (*list->at));
}

static esp_err push (search *s, entries *heap, entry e)
{
    uint32_t i = heap->count;
    esp_err err = make_room (s, heap);
    if (err != ESP_OK)
        return err;
    for (heap->count++; i > 0 && better (s, &e, &heap->at[(i - 1) / 2]); i = (i - 1) / 2)
        heap->at[i] = heap->at[(i - 1) / 2];
    heap->at[i] = e;
    return ESP_OK;
}

static entry pop (const search *s, entries *heap)
{
    entry top = heap->at[0], last = heap->at[--heap->count];
    uint32_t i = 0, child;
    while ((child = 2 * i + 1) < heap->count) {
        child += child + 1 < heap->count && better (s, &heap->at[child + 1], &heap->at[child]);
        if (better (s, &last, &heap->at[child]))
            break;
        heap->at[i] = heap->at[child];
        i = child;
    }
    heap->at[i] = last;
    return top;
}

static esp_err insert_found (search *s, entries *found, entry e)
{
    uint32_t i = found->count;
    esp_err err = make_room (s, found);
    if (err != ESP_OK)
        return err;
    for (found->count++; i > 0 && better (s, &e, &found->at[i - 1]); i--)
        found->at[i] = found->at[i - 1];
    found->at[i] = e;
    return ESP_OK;
}

/* ---- the strategy ---- */

static esp_err expand (search *s, node_ref from)
{
    const best_first_options *o = options_of (s);
    size_t n = (size_t)(o->expand * o->actions);
    ask *asks = esp_calloc (n, sizeof (*asks));
    esp_err err;
    if (!asks)
        return ESP_ENOMEM;
    for (size_t i = 0; i < n; i++)
        asks[i] = (ask){.from = from,
                        .mode = ASK_STEP,
                        .scores = 1,
                        .action = (uint16_t)(i / (size_t)o->expand)};
    err = join_affordable (s, 0, asks, n, NULL);
    esp_free (asks);
    return err;
}

static esp_err best_first_open (search *s, void *state)
{
    best_first *me = state;
    return push (s, &me->heap, (entry){0.0, NODE_ROOT});
}

static bool is_finished (const search *s, node_ref ref)
{
    return ref != NODE_ROOT &&
           (node_ended (search_node (s, ref)) || search_node (s, ref)->text_len == 0);
}

static esp_err best_first_more (search *s, void *state, uint32_t lane)
{
    best_first *me = state;
    const best_first_options *o = options_of (s);
    (void)lane;
    if (o->expansions > 0 && me->started >= (uint64_t)o->expansions)
        return ESP_EEMPTY;
    while (me->heap.count > 0) {
        entry top = pop (s, &me->heap);
        esp_err err;
        if (branch_pruned (s, top.node))
            continue;
        if (is_finished (s, top.node)) { /* only there with stop_at_answer */
            search_finish (s, REASON_ANSWERED);
            return ESP_EEMPTY;
        }
        if ((err = expand (s, top.node)) == ESP_OK) {
            me->started++;
            search_mark (s, top.node, MARK_KEPT, "the best branch");
        } else if (err == ESP_EBUDGET) { /* it stays the best if something comes back */
            esp_err again = push (s, &me->heap, top);
            return again == ESP_OK ? err : again;
        }
        return err;
    }
    return ESP_EEMPTY;
}

static esp_err best_first_joined (search *s, void *state, join_id id, const item *items, size_t n)
{
    best_first *me = state;
    esp_err err = ESP_OK;
    (void)id;
    for (size_t i = 0; i < n && err == ESP_OK; i++) {
        entry e = {isnan (items[i].score) ? -INFINITY : items[i].score, items[i].node};
        bool ended = item_ended (s, &items[i]);
        if (ended)
            err = insert_found (s, &me->found, e);
        if (err == ESP_OK &&
            ((ended && options_of (s)->stop_at_answer) ||
             (item_open (s, &items[i]) && search_node (s, e.node)->depth < search_max_steps (s))))
            err = push (s, &me->heap, e);
    }
    return err;
}

static size_t best_first_answers (const search *s, const void *state, node_ref *out, size_t max)
{
    const best_first *me = state;
    (void)s;
    for (uint32_t i = 0; i < me->found.count && i < max; i++)
        out[i] = me->found.at[i].node;
    return me->found.count;
}

static void best_first_check (const search *s, const void *state)
{
    const best_first *me = state;
    for (uint32_t i = 1; i < me->heap.count; i++)
        assert (better (s, &me->heap.at[(i - 1) / 2], &me->heap.at[i]));
    for (uint32_t i = 1; i < me->found.count; i++)
        assert (better (s, &me->found.at[i - 1], &me->found.at[i]));
}

static void best_first_most (const void *options, const search_options *core, strategy_most *out)
{
    const best_first_options *o = options;
    out->steps = most_times (most_limit (o->expansions),
                             most_times ((uint64_t)o->expand, (uint64_t)o->actions));
    (void)core;
}

const strategy strategy_best_first = {
    .name = "best_first",
    .semantics = 1,
    .paper = "best-first search; SakanaAI/treequest; Koh et al. 2024, arXiv:2407.01476",
    .options = best_first_rows,
    .option_bytes = sizeof (best_first_options),
    .state_bytes = sizeof (best_first),
    .fit = best_first_fit,
    .suits = best_first_suits,
    .most = best_first_most,
    .open = best_first_open,
    .more = best_first_more,
    .joined = best_first_joined,
    .answers = best_first_answers,
    .check = best_first_check,
};
