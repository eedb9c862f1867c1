/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_beam.c - step-level beam search guided by a PRM, in the three published rules
 *
 * tiled  search-and-learn, src/sal/search/beam_search.py: n = keep x expand beams; survivors keep frontier order
 *        and are repeated cyclically up to n; finished beams leave; the last level runs to the end of the sequence.
 * fixed  its_hub, algorithms/beam_search.py: `expand` candidates at first; every level sorts all candidates, finished ones
 *        included, keeps `keep` and repeats that list `expand` times; ends when all kept are finished.
 * heap   openreasoner/openr, reason/guided_search/tree.py: each kept node has `expand` distinct children; the `keep` best children
 *        of the frontier go on; a finished node takes its place in the result and narrows the beam.
 *
 * Our deviations: one join a level and no other barrier; equal scores at the cut: the later beam survives (tiled, as numpy's
 * stable sort leaves it), the earlier one (fixed, heap); when the budget cannot pay a whole level the first
 * branches of it are asked.  search-and-learn's `lookahead` in beam search changes nothing there and is left out.
 */

#include "coordinator/search/strategy_beam.h"
#include <stddef.h>
#include <string.h>
#include "coordinator/search/strategies.h"
#include "proto/base/alloc.h"

static const esp_option beam_rows[] = {
    {"keep", ESP_OPT_INT, offsetof (beam_options, keep), "4", 1, 65536, NULL, "branches",
     "branches that survive a step", ESP_OPT_FIXED, false},
    {"expand", ESP_OPT_INT, offsetof (beam_options, expand), "4", 1, 65536, NULL, "children",
     "children asked of each survivor; n = keep x expand", ESP_OPT_FIXED, false},
    {"width", ESP_OPT_INT, offsetof (beam_options, width), "0", 0, 65536, NULL, "branches",
     "tiled: n when it is not keep x expand; 0 = keep x expand", ESP_OPT_FIXED, false},
    {"rule", ESP_OPT_CHOICE, offsetof (beam_options, rule), "tiled", 0, 0, "tiled|fixed|heap", "",
     "tiled: search-and-learn; fixed: its_hub; heap: OpenR", ESP_OPT_FIXED, false},
    {"filter_duplicates", ESP_OPT_BOOL, offsetof (beam_options, filter_duplicates), "true", 0, 0,
     NULL, "", "tiled: of branches with the same text keep the first", ESP_OPT_FIXED, false},
    {"sort_completed", ESP_OPT_BOOL, offsetof (beam_options, sort_completed), "true", 0, 0, NULL,
     "", "tiled: the n best finished branches are the result, not the n first", ESP_OPT_FIXED,
     false},
    ESP_OPTION_END,
};

static esp_err beam_fit (void *options, esp_error *error)
{
    beam_options *o = options;
    if (o->width == 0)
        o->width = o->keep * o->expand;
    if (o->rule == RULE_TILED && o->width < o->keep)
        return esp_error_set (error, ESP_EINVAL, "search.width: %lld is less than search.keep %lld",
                              (long long)o->width, (long long)o->keep);
    if (o->width > 1000000)
        return esp_error_set (error, ESP_EINVAL,
                              "search.expand: keep x expand is %lld, more than 1,000,000",
                              (long long)o->width);
    return ESP_OK;
}

static esp_err beam_suits (const void *options, const strategy_means *has, esp_error *error)
{
    const beam_options *o = options;
    return needs_level (o->rule == RULE_TILED ? o->width : o->keep * o->expand, has, error);
}

const beam_options *beam_options_of (const search *s)
{
    return search_strategy_options (s);
}

bool beam_last_level (const search *s, const beam *me)
{
    return beam_options_of (s)->rule == RULE_TILED && me->level + 1 >= search_max_steps (s);
}

ask beam_step (const search *s, const beam *me, node_ref from, uint64_t tag)
{
    return (ask){.from = from,
                 .mode = beam_last_level (s, me) ? ASK_TO_END : ASK_STEP,
                 .scores = 1,
                 .tag = tag};
}

/* ---- tiled ---- */

/* keep_it[i]: item i is expanded next.  Returns how many are. */
static esp_err cut_tiled (const search *s, const item *items, size_t n, bool *keep_it, size_t *kept)
{
    const beam_options *o = beam_options_of (s);
    double *scores = esp_reallocarray (NULL, n, sizeof (*scores));
    uint64_t *texts = esp_reallocarray (NULL, n, sizeof (*texts));
    uint32_t *live = esp_reallocarray (NULL, n, sizeof (*live)),
             *order = esp_reallocarray (NULL, n, sizeof (*order));
    size_t count = 0;
    esp_err err = scores && texts && live && order ? ESP_OK : ESP_ENOMEM;
    memset (keep_it, 0, n * sizeof (*keep_it));
    for (size_t i = 0; i < n && err == ESP_OK; i++) {
        bool twin = false;
        if (!item_open (s, &items[i]))
            continue;
        if (o->filter_duplicates &&
            (err = path_text_hash (s, items[i].node, &texts[count])) == ESP_OK)
            for (size_t k = 0; k < count && !twin; k++)
                twin = texts[k] == texts[count];
        if (twin)
            continue;
        scores[count] = items[i].score;
        live[count++] = (uint32_t)i;
    }
    if (err == ESP_OK) {
        order_ascending (scores, count, order);
        *kept = count < (size_t)o->keep ? count : (size_t)o->keep;
        for (size_t i = count - *kept; i < count;
             i++) /* the end of the ascending order: later equals survive */
            keep_it[live[order[i]]] = true;
    }
    esp_free (scores);
    esp_free (texts);
    esp_free (live);
    esp_free (order);
    return err;
}

static size_t tile_asks (const search *s, const beam *me, const item *items, size_t n,
                         const bool *keep_it, ask *asks, size_t max)
{
    size_t wanted = (size_t)beam_options_of (s)->width, count = 0, kept = 0;
    for (size_t i = 0; i < n; i++)
        if (keep_it[i] && kept++ < max)
            asks[count++] = beam_step (s, me, items[i].node, i);
    if (kept == 0)
        return 0;
    if (kept > wanted)
        return wanted; /* n smaller than the survivors: the first n */
    for (; count < wanted && count < max; count++)
        asks[count] = asks[count - kept];
    return wanted;
}

/* ---- fixed ---- */

bool beam_fixed_ended (const search *s, node_ref ref)
{
    const node *n = search_node (s, ref);
    return node_ended (n) ||
           (ref != NODE_ROOT && (n->text_len == 0 || n->depth > search_max_steps (s)));
}

/* The candidates after this level, before the cut: finished ones stay where they are. */
size_t beam_fixed_candidates (const search *s, const beam *me, const item *items, size_t n,
                              node_ref *out, double *scores)
{
    size_t next = 0;
    for (uint32_t i = 0; i < me->frontier.count; i++) {
        node_ref ref = me->frontier.at[i];
        if (!beam_fixed_ended (s, ref)) {
            bool there = next < n && !items[next].dropped && !items[next].failed;
            ref = there ? items[next].node : NODE_NONE; /* NONE: failed or not paid for */
            next++;
        }
        out[i] = ref;
        scores[i] = ref == NODE_NONE ? -1.0 / 0.0 : search_node (s, ref)->score;
    }
    return me->frontier.count;
}

/* ---- heap ---- */

static bool heap_ended (const search *s, node_ref ref)
{
    return ref != NODE_ROOT &&
           (node_ended (search_node (s, ref)) || search_node (s, ref)->text_len == 0);
}

/* Merge children with the same text into the first. */
static void merge_twins (search *s, const item *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i && items[i].generated; k++) {
            const node *a = search_node (s, items[i].node), *b = search_node (s, items[k].node);
            if (items[k].generated && a->parent == b->parent && b->mark != MARK_PRUNED &&
                span_equal (node_text (a), node_text (b))) {
                search_mark (s, items[i].node, MARK_PRUNED, "same text as a sibling");
                break;
            }
        }
}

/* The up to k best children of every open frontier node, all together best first. */
static esp_err best_children (search *s, const node_list *frontier, uint32_t k, node_list *out)
{
    node_list pool = {0};
    double *values;
    uint32_t *order;
    esp_err err = ESP_OK;
    for (uint32_t f = 0; f < frontier->count && err == ESP_OK; f++) {
        const node *n = search_node (s, frontier->at[f]);
        for (node_ref c = n->first_child; c != NODE_NONE && err == ESP_OK;
             c = search_node (s, c)->next_sibling)
            if (search_node (s, c)->state == NODE_GENERATED &&
                search_node (s, c)->mark != MARK_PRUNED)
                err = node_list_add (s, &pool, c);
    }
    values = esp_reallocarray (NULL, pool.count + 1, sizeof (*values));
    order = esp_reallocarray (NULL, pool.count + 1, sizeof (*order));
    if (!values || !order)
        err = ESP_ENOMEM;
    if (err == ESP_OK) {
        for (uint32_t i = 0; i < pool.count; i++)
            values[i] = node_last_score (search_node (s, pool.at[i]));
        order_descending (values, pool.count, order);
        for (uint32_t i = 0; i < pool.count && i < k && err == ESP_OK; i++)
            err = node_list_add (s, out, pool.at[order[i]]);
    }
    esp_free (values);
    esp_free (order);
    return err;
}

/* One turn of OpenR's loop after the frontier was expanded: finished nodes leave, the best children follow. */
static esp_err heap_turn (search *s, beam *me)
{
    node_list next = {0}, open = {0};
    esp_err err = ESP_OK;
    for (uint32_t i = 0; i < me->frontier.count && err == ESP_OK; i++)
        if (!heap_ended (s, me->frontier.at[i]))
            err = node_list_add (s, &open, me->frontier.at[i]);
        else if ((err = node_list_add (s, &me->done, me->frontier.at[i])) == ESP_OK)
            me->places--;
    if (err == ESP_OK && me->places > 0)
        err = best_children (s, &open, me->places, &next);
    me->frontier = next;
    return err;
}

static size_t heap_asks (const search *s, const beam *me, ask *asks, size_t max)
{
    const beam_options *o = beam_options_of (s);
    size_t count = 0;
    for (uint32_t f = 0; f < me->frontier.count; f++)
        for (int64_t c = 0; c < o->expand && !heap_ended (s, me->frontier.at[f]); c++, count++)
            if (count < max)
                asks[count] = beam_step (s, me, me->frontier.at[f], f);
    return count;
}

/* ---- the strategy ---- */

/* Pure part: what follows a level of the tiled and of the fixed rule. */
static size_t
beam_select (const search *s, void *me_copy, const item *items, size_t n, ask *asks, size_t max)
{
    beam *me = me_copy;
    bool *keep_it;
    size_t kept, count = 0;
    if (beam_options_of (s)->rule != RULE_TILED ||
        !(keep_it = esp_calloc (n + 1, sizeof (*keep_it))))
        return 0;
    if (cut_tiled (s, items, n, keep_it, &kept) == ESP_OK) {
        me->level++;
        count = tile_asks (s, me, items, n, keep_it, asks, max);
    }
    esp_free (keep_it);
    return count;
}

static esp_err ask_level (search *s, beam *me, const ask *asks, size_t count)
{
    (void)me;
    if (count == 0) {
        search_finish (s, REASON_ANSWERED);
        return ESP_OK;
    }
    return join_affordable (s, 0, asks, count, NULL);
}

static esp_err tiled_joined (search *s, beam *me, const item *items, size_t n)
{
    size_t kept = 0, count = 0, width = (size_t)beam_options_of (s)->width;
    bool *keep_it = esp_calloc (n, sizeof (*keep_it));
    ask *asks = esp_calloc (width, sizeof (*asks));
    esp_err err = keep_it && asks ? ESP_OK : ESP_ENOMEM;
    for (size_t i = 0; i < n && err == ESP_OK; i++)
        if (item_ended (s, &items[i]))
            err = node_list_add (s, &me->done, items[i].node);
    if (err == ESP_OK && !beam_last_level (s, me))
        err = cut_tiled (s, items, n, keep_it, &kept);
    if (err == ESP_OK) {
        for (size_t i = 0; i < n; i++)
            if (item_open (s, &items[i]))
                search_mark (s, items[i].node, keep_it[i] ? MARK_KEPT : MARK_PRUNED,
                             keep_it[i] ? "among the best" : "below the cut or a duplicate");
        me->level++;
        count = kept ? tile_asks (s, me, items, n, keep_it, asks, width) : 0;
        err = ask_level (s, me, asks, count);
    }
    esp_free (keep_it);
    esp_free (asks);
    return err;
}

static esp_err ask_fixed (search *s, beam *me)
{
    ask *asks = esp_calloc (me->frontier.count + 1, sizeof (*asks));
    size_t count = 0;
    esp_err err;
    if (!asks)
        return ESP_ENOMEM;
    for (uint32_t i = 0; i < me->frontier.count; i++)
        if (!beam_fixed_ended (s, me->frontier.at[i]))
            asks[count++] = beam_step (s, me, me->frontier.at[i], i);
    err = ask_level (s, me, asks, count);
    esp_free (asks);
    return err;
}

static esp_err fixed_joined (search *s, beam *me, const item *items, size_t n)
{
    const beam_options *o = beam_options_of (s);
    uint32_t have = me->frontier.count;
    node_ref *refs = esp_reallocarray (NULL, have, sizeof (*refs));
    double *scores = esp_reallocarray (NULL, have, sizeof (*scores));
    uint32_t *order = esp_reallocarray (NULL, have, sizeof (*order));
    node_list next = {0};
    esp_err err = refs && scores && order ? ESP_OK : ESP_ENOMEM;
    if (err == ESP_OK) {
        beam_fixed_candidates (s, me, items, n, refs, scores);
        order_descending (scores, have, order);
        for (int64_t copy = 0; copy < o->expand && err == ESP_OK; copy++)
            for (uint32_t i = 0; i < have && i < o->keep && err == ESP_OK; i++)
                if (refs[order[i]] != NODE_NONE)
                    err = node_list_add (s, &next, refs[order[i]]);
        for (uint32_t i = 0; i < have; i++)
            if (refs[order[i]] != NODE_NONE && !beam_fixed_ended (s, refs[order[i]]))
                search_mark (s, refs[order[i]], i < o->keep ? MARK_KEPT : MARK_PRUNED,
                             i < o->keep ? "among the best" : "below the cut");
        me->frontier = next;
        me->level++;
    }
    esp_free (refs);
    esp_free (scores);
    esp_free (order);
    return err == ESP_OK ? ask_fixed (s, me) : err;
}

static esp_err ask_heap (search *s, beam *me)
{
    size_t count = heap_asks (s, me, NULL, 0);
    ask *asks = esp_calloc (count + 1, sizeof (*asks));
    esp_err err;
    if (!asks)
        return ESP_ENOMEM;
    heap_asks (s, me, asks, count);
    err = ask_level (s, me, asks, count);
    esp_free (asks);
    return err;
}

static esp_err heap_joined (search *s, beam *me, const item *items, size_t n)
{
    esp_err err = ESP_OK;
    merge_twins (s, items, n);
    do { /* a frontier of finished nodes alone asks nothing: its turn follows at once */
        if (me->level++ > search_max_steps (s))
            break;
        err = heap_turn (s, me);
    } while (err == ESP_OK && me->frontier.count > 0 && heap_asks (s, me, NULL, 0) == 0);
    if (err != ESP_OK)
        return err;
    for (uint32_t i = 0; i < me->frontier.count; i++)
        search_mark (s, me->frontier.at[i], MARK_KEPT, "among the best");
    if (me->level > search_max_steps (s) + 1)
        me->frontier.count = 0;
    return ask_heap (s, me);
}

static esp_err beam_open (search *s, void *state)
{
    beam *me = state;
    const beam_options *o = beam_options_of (s);
    esp_err err = ESP_OK;
    me->places = (uint32_t)o->keep;
    if (o->rule == RULE_HEAP) {
        err = node_list_add (s, &me->frontier, NODE_ROOT);
        return err == ESP_OK ? ask_heap (s, me) : err;
    }
    for (int64_t i = 0; i < (o->rule == RULE_FIXED ? o->expand : o->width) && err == ESP_OK; i++)
        err = node_list_add (s, &me->frontier, NODE_ROOT);
    return err == ESP_OK ? ask_fixed (s, me) : err;
}

static esp_err beam_joined (search *s, void *state, join_id id, const item *items, size_t n)
{
    beam *me = state;
    (void)id;
    switch ((enum beam_rule)beam_options_of (s)->rule) {
    case RULE_TILED:
        return tiled_joined (s, me, items, n);
    case RULE_FIXED:
        return fixed_joined (s, me, items, n);
    case RULE_HEAP:
        return heap_joined (s, me, items, n);
    }
    return ESP_EINVAL;
}

static size_t tiled_answers (const search *s, const beam *me, node_ref *out, size_t max)
{
    const beam_options *o = beam_options_of (s);
    size_t all = me->done.count, n = all < (size_t)o->width ? all : (size_t)o->width;
    double *scores;
    uint32_t *order;
    if (max == 0 || !o->sort_completed) {
        node_list_copy (&me->done, out, max < n ? max : n);
        return n;
    }
    scores = esp_reallocarray (NULL, all + 1, sizeof (*scores));
    order = esp_reallocarray (NULL, all + 1, sizeof (*order));
    if (scores && order) {
        for (size_t i = 0; i < all; i++)
            scores[i] = search_node (s, me->done.at[i])->score;
        order_descending (scores, all, order);
        for (size_t i = 0; i < n && i < max; i++)
            out[i] = me->done.at[order[i]];
    } else { /* without memory: the first ones, in the order they ended */
        node_list_copy (&me->done, out, max < n ? max : n);
    }
    esp_free (scores);
    esp_free (order);
    return n;
}

static size_t beam_answers (const search *s, const void *state, node_ref *out, size_t max)
{
    const beam *me = state;
    size_t count = 0;
    if (beam_options_of (s)->rule == RULE_TILED)
        return tiled_answers (s, me, out, max);
    if (beam_options_of (s)->rule == RULE_HEAP)
        return node_list_copy (&me->done, out, max);
    for (uint32_t i = 0; i < me->frontier.count; i++)
        if (me->frontier.at[i] != NODE_ROOT && beam_fixed_ended (s, me->frontier.at[i]) &&
            count++ < max)
            out[count - 1] = me->frontier.at[i];
    return count;
}

/* Tiled: the last level runs to the end.  The other rules end a branch that is longer than max_steps: up to two levels more. */
static void beam_most (const void *options, const search_options *core, strategy_most *out)
{
    const beam_options *o = options;
    uint64_t level = o->rule == RULE_TILED ? (uint64_t)o->width : (uint64_t)(o->keep * o->expand);
    if (o->rule == RULE_TILED)
        *out = (strategy_most){most_times (level, (uint64_t)core->max_steps - 1), level, true};
    else
        out->steps = most_times (level, (uint64_t)core->max_steps + 2);
}

const strategy strategy_beam = {
    .name = "beam",
    .semantics = 2,
    .paper = "beam search; Snell et al. 2024, arXiv:2408.03314; search-and-learn, its_hub, OpenR",
    .options = beam_rows,
    .option_bytes = sizeof (beam_options),
    .state_bytes = sizeof (beam),
    .fit = beam_fit,
    .suits = beam_suits,
    .most = beam_most,
    .open = beam_open,
    .joined = beam_joined,
    .select = beam_select,
    .sure = beam_sure,
    .answers = beam_answers,
};
