/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_tot.c - Tree of Thoughts: thoughts are generated for a state, valued, and the promising states go on
 *
 * Source: Yao et al. 2023, arXiv:2305.10601, section 3, algorithms 1 and 2; princeton-nlp/tree-of-thought-llm.
 *
 * bfs        for every kept state in order candidates are made; all are valued; the `keep` best (stable), or `keep` draws with
 *            probability proportional to value, with replacement, are kept; max_steps times (src/tot/methods/bfs.py).
 * dfs        the candidates of one state are valued and visited best first; what is not above `threshold` is pruned; a finished
 *            state is an answer and the search goes back to the best one left (the paper's algorithm 2).
 * treequest  SakanaAI/treequest, ToT-BFS: the root gets one child; from then on the `keep` best leaves of the deepest level get max (1,
 *            expand / actions) children of every action, action by action and in score order inside one.
 *
 * A candidate is one sample, or one line of a proposal (one generation that lists thoughts, a line each).  Its value is the
 * sum of `readings` readings of the PRM; a text that was valued before is not valued again; a candidate that is equal to an
 * earlier one of the same step has value 0 (bfs, dfs).
 *
 * Our deviations: a proposal gives at most `expand` thoughts, blank lines are none.  A branch that ended is not extended:
 * it stays among the candidates of the next step with its value.  When the budget cannot pay a whole step its first asks
 * are made; what was not valued has value 0.
 */

#include <math.h>
#include <stddef.h>
#include "coordinator/search/strategies.h"
#include "coordinator/search/strategy_help.h"
#include "coordinator/search/tot_texts.h"
#include "proto/base/alloc.h"

enum tot_rule { RULE_BFS, RULE_DFS, RULE_TREEQUEST };
enum tot_generate { GENERATE_SAMPLE, GENERATE_PROPOSE };
enum tot_select { SELECT_GREEDY, SELECT_SAMPLE };

typedef struct tot_options {
    int64_t keep, expand, actions, readings, max_visits;
    int rule, generate, select;
    double threshold;
    bool stop_at_answer;
} tot_options;

typedef struct candidate {
    node_ref node;
    bool twin; /* of an earlier one of this step */
    bool kept;
    uint64_t text; /* hash of the path */
    double value;
} candidate;

typedef struct tot {
    node_list frontier;    /* the states that are being extended, in order; dfs: one */
    node_list waiting;     /* dfs: states to visit, the next one last */
    node_list done;        /* dfs, treequest: answers in the order found */
    candidate *candidates; /* of this step, in the arena */
    uint32_t count, cap;
    tot_texts texts;
    uint32_t step, visits;
    bool valuing; /* the open join is the one that values */
} tot;

static const esp_option tot_rows[] = {
    {"rule", ESP_OPT_CHOICE, offsetof (tot_options, rule), "bfs", 0, 0, "bfs|dfs|treequest", "",
     "bfs, dfs: Yao et al.; treequest: its ToT-BFS", ESP_OPT_FIXED, false},
    {"keep", ESP_OPT_INT, offsetof (tot_options, keep), "5", 1, 65536, NULL, "states",
     "states that survive a step (bfs, treequest)", ESP_OPT_FIXED, false},
    {"expand", ESP_OPT_INT, offsetof (tot_options, expand), "5", 1, 65536, NULL, "children",
     "thoughts per state", ESP_OPT_FIXED, false},
    {"generate", ESP_OPT_CHOICE, offsetof (tot_options, generate), "sample", 0, 0, "sample|propose",
     "", "sample: one generation a thought; propose: one generation lists them, a line each",
     ESP_OPT_FIXED, false},
    {"readings", ESP_OPT_INT, offsetof (tot_options, readings), "1", 1, 1000, NULL, "readings",
     "PRM readings of a candidate, summed (n_evaluate)", ESP_OPT_FIXED, false},
    {"select", ESP_OPT_CHOICE, offsetof (tot_options, select), "greedy", 0, 0, "greedy|sample", "",
     "bfs: the best states, or draws in proportion to their values", ESP_OPT_FIXED, false},
    {"threshold", ESP_OPT_DOUBLE, offsetof (tot_options, threshold), "0", -1e9, 1e9, NULL, "",
     "dfs: a state goes on when the sum of its readings is above it", ESP_OPT_FIXED, false},
    {"max_visits", ESP_OPT_INT, offsetof (tot_options, max_visits), "100", 0, 1e9, NULL, "states",
     "dfs: states that are extended; 0 = until the budget ends", ESP_OPT_FIXED, false},
    {"stop_at_answer", ESP_OPT_BOOL, offsetof (tot_options, stop_at_answer), "false", 0, 0, NULL,
     "", "dfs: end with the first answer", ESP_OPT_FIXED, false},
    {"actions", ESP_OPT_INT, offsetof (tot_options, actions), "1", 1, 1024, NULL, "actions",
     "treequest: prompt or model variants", ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

static esp_err tot_fit (void *options, esp_error *error)
{
    const tot_options *o = options;
    if (o->keep * (o->expand > o->actions ? o->expand : o->actions) > 1000000)
        return esp_error_set (error, ESP_EINVAL,
                              "search.keep: keep x expand (or x actions) is more than 1,000,000");
    return ESP_OK;
}

static esp_err tot_suits (const void *options, const strategy_means *has, esp_error *error)
{
    const tot_options *o = options;
    esp_err err = needs_prm (options, has, error);
    return err == ESP_OK && o->rule == RULE_DFS
               ? needs_end ("max_visits", o->max_visits, has, error)
               : err;
}

static const tot_options *options_of (const search *s)
{
    return search_strategy_options (s);
}

/* An answer: it cannot, or need not, be extended. */
static bool is_final (const search *s, node_ref ref)
{
    const node *n = search_node (s, ref);
    return ref != NODE_ROOT &&
           (node_ended (n) || n->text_len == 0 || n->depth >= search_max_steps (s));
}

/* ---- texts and candidates ---- */

static esp_err add_candidate (search *s, tot *me, node_ref ref)
{
    candidate c = {.node = ref};
    tot_text *k;
    esp_err err = path_text_hash (s, ref, &c.text);
    if (err == ESP_OK)
        err = array_room (s, &me->candidates, me->count, &me->cap, sizeof (*me->candidates));
    if (err == ESP_OK)
        err = tot_texts_add (s, &me->texts, c.text, &k);
    if (err != ESP_OK)
        return err;
    c.twin = k->step == me->step + 1;
    c.value = c.twin || !k->valued ? 0.0 : k->value;
    k->step = me->step + 1;
    me->candidates[me->count++] = c;
    return ESP_OK;
}

/* The lines become siblings of the proposal: above a thought stands the text of its state. */
static esp_err split_proposal (search *s, tot *me, const item *i)
{
    span text = node_text (search_node (s, i->node));
    size_t at = 0;
    int64_t taken = 0;
    esp_err err = ESP_OK;
    search_mark (s, i->node, MARK_PRUNED, "a list of proposals, no branch");
    while (at < text.len && taken < options_of (s)->expand && err == ESP_OK) {
        span rest = span_make (text.ptr + at, text.len - at);
        span line = span_make (rest.ptr, span_find (rest, span_of ("\n")));
        node_ref made;
        at += line.len + 1;
        if (span_trim (line).len == 0)
            continue;
        err = adopt_piece (s, i->from, i->node, line, "\n", &made);
        if (err == ESP_OK)
            err = add_candidate (s, me, made);
        taken++;
    }
    return err;
}

/* All candidates of a step in frontier order; a finished state stands for itself. */
static esp_err gather (search *s, tot *me, const item *items, size_t n)
{
    size_t at = 0;
    esp_err err = ESP_OK;
    me->count = 0;
    for (uint32_t f = 0; f < me->frontier.count && err == ESP_OK; f++) {
        if (is_final (s, me->frontier.at[f]) && !branch_pruned (s, me->frontier.at[f]))
            err = add_candidate (s, me, me->frontier.at[f]);
        for (; at < n && items[at].tag == f && err == ESP_OK; at++) {
            const item *i = &items[at];
            if (!i->generated || i->failed || i->dropped || branch_pruned (s, i->node))
                continue;
            err = options_of (s)->generate == GENERATE_PROPOSE ? split_proposal (s, me, i)
                                                               : add_candidate (s, me, i->node);
        }
    }
    return err;
}

/* ---- what is asked ---- */

static esp_err send (search *s, const ask *asks, size_t n)
{
    if (n > 0)
        return join_affordable (s, 0, asks, n, NULL);
    search_finish (s, REASON_ANSWERED);
    return ESP_OK;
}

static esp_err ask_thoughts (search *s, tot *me)
{
    const tot_options *o = options_of (s);
    size_t each = o->generate == GENERATE_PROPOSE ? 1 : (size_t)o->expand, n = 0;
    ask *asks = esp_calloc (me->frontier.count * each + 1, sizeof (*asks));
    esp_err err;
    if (!asks)
        return ESP_ENOMEM;
    for (uint32_t f = 0; f < me->frontier.count; f++)
        for (size_t i = 0; i < each && !is_final (s, me->frontier.at[f]) &&
                           !branch_pruned (s, me->frontier.at[f]);
             i++)
            asks[n++] = (ask){.from = me->frontier.at[f], .mode = ASK_STEP, .tag = f};
    me->valuing = false;
    err = send (s, asks, n);
    esp_free (asks);
    return err;
}

/* *asked: how many candidates must be valued; none: the step goes on at once. */
static esp_err ask_values (search *s, tot *me, size_t *asked)
{
    ask *asks = esp_calloc (me->count + 1, sizeof (*asks));
    size_t n = 0;
    esp_err err = ESP_OK;
    if (!asks)
        return ESP_ENOMEM;
    for (uint32_t i = 0; i < me->count && search_has_prm (s); i++) {
        const candidate *c = &me->candidates[i];
        if (!c->twin && !tot_texts_find (&me->texts, c->text)->valued)
            asks[n++] = (ask){.from = c->node,
                              .mode = ASK_NOTHING,
                              .scores = (uint16_t)options_of (s)->readings,
                              .tag = i};
    }
    *asked = n;
    me->valuing = n > 0;
    if (n > 0)
        err = join_affordable (s, 0, asks, n, NULL);
    esp_free (asks);
    return err;
}

static void take_values (tot *me, const item *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        candidate *c = &me->candidates[items[i].tag];
        tot_text *k = tot_texts_find (&me->texts, c->text);
        if (!items[i].scored || items[i].dropped || isnan (items[i].last))
            continue;
        c->value = k->value = items[i].last;
        k->valued = true;
    }
}

/* What an observer pruned while it was valued. */
static void drop_pruned (const search *s, tot *me)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < me->count; i++)
        if (!branch_pruned (s, me->candidates[i].node))
            me->candidates[kept++] = me->candidates[i];
    me->count = kept;
}

/* ---- bfs ---- */

/* A draw in proportion to value; when nothing has value all are equally good. */
static uint32_t draw_candidate (search *s, const tot *me)
{
    double total = 0.0, reached = 0.0, u = search_draw (s, 0);
    for (uint32_t i = 0; i < me->count; i++)
        total += me->candidates[i].value > 0.0 ? me->candidates[i].value : 0.0;
    if (!(total > 0.0))
        return (uint32_t)(u * me->count);
    for (uint32_t i = 0; i < me->count; i++) {
        reached += me->candidates[i].value > 0.0 ? me->candidates[i].value : 0.0;
        if (reached > u * total)
            return i;
    }
    return me->count - 1;
}

static esp_err order_candidates (const tot *me, uint32_t **out)
{
    double *values = esp_reallocarray (NULL, me->count + 1U, sizeof (*values));
    uint32_t *order = esp_reallocarray (NULL, me->count + 1U, sizeof (*order));
    if (values && order) {
        for (uint32_t i = 0; i < me->count; i++)
            values[i] = me->candidates[i].value;
        order_descending (values, me->count, order);
    } else {
        esp_free (order);
        order = NULL;
    }
    esp_free (values);
    *out = order;
    return order ? ESP_OK : ESP_ENOMEM;
}

static esp_err bfs_turn (search *s, tot *me)
{
    const tot_options *o = options_of (s);
    uint32_t *order;
    node_list next = {0};
    esp_err err = order_candidates (me, &order);
    for (int64_t i = 0; i < o->keep && me->count > 0 && err == ESP_OK; i++) {
        candidate *c;
        if (o->select == SELECT_GREEDY && i >= me->count)
            break;
        c = &me->candidates[o->select == SELECT_GREEDY ? order[i] : draw_candidate (s, me)];
        c->kept = true;
        err = node_list_add (s, &next, c->node);
    }
    esp_free (order);
    if (err != ESP_OK)
        return err;
    for (uint32_t i = 0; i < me->count; i++) {
        const candidate *c = &me->candidates[i];
        search_mark (s, c->node, c->kept ? MARK_KEPT : MARK_PRUNED,
                     c->kept   ? "among the best"
                     : c->twin ? "a duplicate"
                               : "below the cut");
    }
    me->frontier = next;
    me->step++;
    return ask_thoughts (s, me);
}

/* ---- dfs ---- */

static esp_err visit_next (search *s, tot *me)
{
    const tot_options *o = options_of (s);
    esp_err err;
    while (me->waiting.count > 0 && (o->max_visits == 0 || me->visits < (uint64_t)o->max_visits)) {
        node_ref ref = me->waiting.at[--me->waiting.count];
        if (branch_pruned (s, ref))
            continue;
        search_mark (s, ref, MARK_KEPT, "visited");
        if (!is_final (s, ref)) {
            me->visits++;
            me->frontier.count = 0;
            err = node_list_add (s, &me->frontier, ref);
            return err == ESP_OK ? ask_thoughts (s, me) : err;
        }
        if ((err = node_list_add (s, &me->done, ref)) != ESP_OK)
            return err;
        if (o->stop_at_answer)
            break;
    }
    return send (s, NULL, 0);
}

static esp_err dfs_turn (search *s, tot *me)
{
    uint32_t *order;
    esp_err err = order_candidates (me, &order);
    if (err != ESP_OK)
        return err;
    for (uint32_t i = me->count; i-- > 0 && err == ESP_OK;) { /* the best one on top */
        const candidate *c = &me->candidates[order[i]];
        if (!c->twin && c->value > options_of (s)->threshold)
            err = node_list_add (s, &me->waiting, c->node);
        else
            search_mark (s, c->node, MARK_PRUNED,
                         c->twin ? "a duplicate" : "not above the threshold");
    }
    esp_free (order);
    me->step++;
    return err == ESP_OK ? visit_next (s, me) : err;
}

/* ---- treequest ---- */

static esp_err ask_level (search *s, tot *me)
{
    const tot_options *o = options_of (s);
    bool root = me->step == 0;
    int64_t each = o->expand / o->actions > 1 && !root ? o->expand / o->actions : 1,
            actions = root ? 1 : o->actions;
    size_t n = 0;
    ask *asks = esp_calloc (me->frontier.count * (size_t)(each * actions) + 1, sizeof (*asks));
    esp_err err;
    if (!asks)
        return ESP_ENOMEM;
    for (int64_t a = 0; a < actions; a++)
        for (uint32_t f = 0; f < me->frontier.count; f++)
            for (int64_t i = 0; i < each; i++)
                asks[n++] = (ask){.from = me->frontier.at[f],
                                  .mode = ASK_STEP,
                                  .scores = 1,
                                  .action = (uint16_t)a};
    err = send (s, asks, n);
    esp_free (asks);
    return err;
}

static esp_err treequest_joined (search *s, tot *me, const item *items, size_t n)
{
    uint32_t *order = NULL;
    esp_err err = ESP_OK;
    me->count = 0;
    me->frontier.count = 0;
    for (size_t i = 0; i < n && err == ESP_OK; i++) {
        bool there = items[i].generated && !items[i].failed && !items[i].dropped;
        if (there && is_final (s, items[i].node))
            err = node_list_add (s, &me->done, items[i].node);
        else if (there && !branch_pruned (s, items[i].node) &&
                 (err = add_candidate (s, me, items[i].node)) == ESP_OK)
            me->candidates[me->count - 1].value = isnan (items[i].score) ? 0.0 : items[i].score;
    }
    if (err == ESP_OK)
        err = order_candidates (me, &order);
    for (uint32_t i = 0; i < me->count && err == ESP_OK; i++) {
        bool kept = i < options_of (s)->keep;
        search_mark (s, me->candidates[order[i]].node, kept ? MARK_KEPT : MARK_PRUNED,
                     kept ? "among the best" : "below the cut");
        if (kept)
            err = node_list_add (s, &me->frontier, me->candidates[order[i]].node);
    }
    esp_free (order);
    me->step++;
    return err == ESP_OK ? ask_level (s, me) : err;
}

/* ---- the strategy ---- */

static esp_err tot_open (search *s, void *state)
{
    tot *me = state;
    bool dfs = options_of (s)->rule == RULE_DFS;
    esp_err err = node_list_add (s, dfs ? &me->waiting : &me->frontier, NODE_ROOT);
    if (err != ESP_OK)
        return err;
    if (options_of (s)->rule == RULE_TREEQUEST)
        return ask_level (s, me);
    return dfs ? visit_next (s, me) : ask_thoughts (s, me);
}

static esp_err tot_joined (search *s, void *state, join_id id, const item *items, size_t n)
{
    tot *me = state;
    size_t asked = 0;
    esp_err err = ESP_OK;
    (void)id;
    if (options_of (s)->rule == RULE_TREEQUEST)
        return treequest_joined (s, me, items, n);
    if (me->valuing)
        take_values (me, items, n);
    else if ((err = gather (s, me, items, n)) == ESP_OK)
        err = ask_values (s, me, &asked);
    if (err == ESP_EBUDGET) /* no reading can be paid: what was not valued has value 0 */
        asked = 0;
    else if (err != ESP_OK || asked > 0)
        return err;
    drop_pruned (s, me);
    return options_of (s)->rule == RULE_DFS ? dfs_turn (s, me) : bfs_turn (s, me);
}

static size_t tot_answers (const search *s, const void *state, node_ref *out, size_t max)
{
    const tot *me = state;
    size_t count = 0;
    if (options_of (s)->rule != RULE_BFS)
        return node_list_copy (&me->done, out, max);
    for (uint32_t f = 0; f < me->frontier.count; f++)
        if (is_final (s, me->frontier.at[f]) && count++ < max)
            out[count - 1] = me->frontier.at[f];
    return count;
}

static void tot_most (const void *options, const search_options *core, strategy_most *out)
{
    const tot_options *o = options;
    uint64_t each = o->generate == GENERATE_PROPOSE ? 1 : (uint64_t)o->expand,
             states = (uint64_t)o->keep;
    if (o->rule == RULE_TREEQUEST)
        each = (uint64_t)(o->expand > o->actions ? o->expand : o->actions);
    out->steps = o->rule == RULE_DFS
                     ? most_times (most_limit (o->max_visits), each)
                     : most_times (most_times (states, each), (uint64_t)core->max_steps);
}

const strategy strategy_tot = {
    .name = "tot",
    .semantics = 1,
    .paper = "Tree of Thoughts; Yao et al. 2023, arXiv:2305.10601; princeton-nlp, treequest",
    .options = tot_rows,
    .option_bytes = sizeof (tot_options),
    .state_bytes = sizeof (tot),
    .fit = tot_fit,
    .suits = tot_suits,
    .most = tot_most,
    .open = tot_open,
    .joined = tot_joined,
    .answers = tot_answers,
};
