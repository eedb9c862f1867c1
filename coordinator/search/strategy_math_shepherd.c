/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_math_shepherd.c - Math-Shepherd: how often do completions of the first steps of a solution come out right?
 *
 * Source: Wang et al. 2024, "Math-Shepherd: Verify and Reinforce LLMs Step-by-step without Human Annotations", arXiv:2312.08935,
 * section 3.3.  Each step of a solution is labelled by N completions from behind it: hard estimation, 1 if one of them reaches the
 * answer; soft estimation, how many of them do.
 *
 * Solutions are asked from the root to the end, verified, and cut by the run's step rule into a chain of adopted nodes; those are the
 * steps that have labels, and the last of each chain is a candidate with the verdict of the whole.  Completions hang below the
 * step that they were asked from and stay whole.
 *
 * share       equal beginnings of several solutions are one chain.  A solution, and a completion, is also a rollout of every known step that
 *             it goes through.  Hard labels: what goes through a step and passes makes it good, so a good step is
 *             good back to the first one.
 * early_stop  completions are asked in waves of 1, 1, 2, 4 ... up to `completions`, as long as the label is open: hard, until the
 *             first pass; soft, until the Wilson interval of the rate is on one side of `threshold`.  Hard: the steps of a
 *             solution are asked one after the other, from the first on, up to the first bad one; behind it no label (until: first_error), or
 *             from the last one back (until: end).
 *
 * Bad needs all `completions` asked from the step itself: neither of the two can make a step bad that plain k per step would
 * call good, nor good without a pass.  Verdicts count as rollout.h says.
 *
 * Our deviations: the paper asks about every step.  A solution whose verdict is unknown may be unfinished (a given one): its last step
 * is asked about like the others.  A rollout is asked only if its whole length can be paid: a shorter one would look like a failure.
 *
 * Invariant: a step has at most one wave out; decided <= asked <= completions.
 */

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>
#include "coordinator/search/rollout.h"
#include "coordinator/search/strategies.h"
#include "coordinator/search/strategy_help.h"
#include "proto/base/alloc.h"
#include "proto/base/wilson.h"

enum shepherd_label { LABEL_HARD, LABEL_SOFT };
enum shepherd_until { UNTIL_FIRST_ERROR, UNTIL_END };
enum shepherd_tag { TAG_SOLUTION, TAG_WAVE, TAG_SCORES }; /* high half of ask.tag */

typedef struct shepherd_options {
    int64_t solutions, completions, actions;
    double threshold;
    int label, until;
    bool early_stop, share, scores;
} shepherd_options;

typedef struct step {                 /* of a node */
    uint32_t asked, decided, passed;  /* completions asked from it */
    uint32_t through, through_passed; /* other rollouts that go through it */
    bool adopted;                     /* it is a step of a solution */
    bool whole;                       /* the end of a solution: nothing is asked from it */
    bool busy, settled;               /* a wave is out; nothing more to ask */
    bool good;                        /* something at or below it passed */
} step;

typedef struct solution {
    node_ref *steps;      /* in the arena */
    uint32_t count, todo; /* steps; those that completions are asked from: the first ones */
    uint32_t at;          /* of todo: settled */
    bool done;
} solution;

typedef struct shepherd {
    node_table steps;
    solution *solutions; /* in the arena */
    uint32_t asked;      /* solutions asked so far */
    bool starving;       /* something could not be paid; what is out may give some back */
} shepherd;

static const esp_option shepherd_rows[] = {
    {"solutions", ESP_OPT_INT, offsetof (shepherd_options, solutions), "8", 1, 65536, NULL,
     "solutions", "solutions of a problem whose steps are labelled", ESP_OPT_FIXED, false},
    {"completions", ESP_OPT_INT, offsetof (shepherd_options, completions), "8", 1, 65536, NULL,
     "completions", "completions asked from a step at most; a step is bad when so many failed",
     ESP_OPT_FIXED, false},
    {"label", ESP_OPT_CHOICE, offsetof (shepherd_options, label), "hard", 0, 0, "hard|soft", "",
     "hard: good with the first pass; soft: the part that passes", ESP_OPT_FIXED, false},
    {"until", ESP_OPT_CHOICE, offsetof (shepherd_options, until), "first_error", 0, 0,
     "first_error|end", "",
     "label: hard, early_stop: steps behind the first bad one have no label, or every step has one",
     ESP_OPT_FIXED, false},
    {"early_stop", ESP_OPT_BOOL, offsetof (shepherd_options, early_stop), "true", 0, 0, NULL, "",
     "ask no more about a step when its label is decided; false: all completions of every step",
     ESP_OPT_FIXED, false},
    {"share", ESP_OPT_BOOL, offsetof (shepherd_options, share), "true", 0, 0, NULL, "",
     "equal beginnings are one; a rollout counts for every step that it goes through",
     ESP_OPT_FIXED, false},
    {"threshold", ESP_OPT_DOUBLE, offsetof (shepherd_options, threshold), "0.5", 0, 1, NULL, "",
     "label: soft: decided when the 95 % interval of the rate is on one side of it", ESP_OPT_FIXED,
     false},
    {"scores", ESP_OPT_BOOL, offsetof (shepherd_options, scores), "true", 0, 0, NULL, "",
     "let the PRM, where there is one, score the steps of the solutions", ESP_OPT_FIXED, false},
    {"actions", ESP_OPT_INT, offsetof (shepherd_options, actions), "1", 1, 2, NULL, "actions",
     "2: the first generator (or action) gives the solutions, the second the completions",
     ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

static esp_err shepherd_suits (const void *options, const strategy_means *has, esp_error *error)
{
    return needs_rollouts ("math_shepherd", ((const shepherd_options *)options)->actions, has,
                           error);
}

static const shepherd_options *options_of (const search *s)
{
    return search_strategy_options (s);
}

static step *step_at (const shepherd *me, node_ref ref)
{
    return node_table_at (&me->steps, ref);
}

/* ---- what rollouts say ---- */

/* Is there nothing more to ask about this step?  Call when a count of it changed. */
static void settle (const search *s, step *st)
{
    const shepherd_options *o = options_of (s);
    double low, high;
    st->settled = st->asked >= o->completions;
    if (st->settled || !o->early_stop)
        return;
    if (o->label == LABEL_HARD) {
        st->settled = st->good;
        return;
    }
    esp_wilson (st->passed + st->through_passed, st->decided + st->through, &low, &high);
    st->settled = low > o->threshold || high < o->threshold; /* NaN: open */
}

/* Something at or below this step passed. */
static void mark_good (const search *s, const shepherd *me, node_ref ref)
{
    for (; ref != NODE_ROOT && !step_at (me, ref)->good; ref = search_node (s, ref)->parent) {
        step_at (me, ref)->good = true;
        settle (s, step_at (me, ref));
        if (!options_of (s)->share)
            break;
    }
}

/* The step below `at` with this text; whole: of those that end a solution.  NODE_NONE = none. */
static node_ref
find_step (const search *s, const shepherd *me, node_ref at, span text, const char *end, bool whole)
{
    size_t more = span_ends (text, end) ? 0 : strlen (end);
    for (node_ref c = search_node (s, at)->first_child; c != NODE_NONE;
         c = search_node (s, c)->next_sibling) {
        const step *st = step_at (me, c);
        span known = node_text (search_node (s, c));
        if (st && st->adopted && st->whole == whole && known.len == text.len + more &&
            span_equal (span_make (known.ptr, text.len), text) && span_ends (known, end))
            return c;
    }
    return NODE_NONE;
}

static void count_through (const search *s, const shepherd *me, node_ref at, node_ref rollout)
{
    const node *n = search_node (s, rollout);
    step_at (me, at)->through += rollout_decided (n);
    step_at (me, at)->through_passed += rollout_passed (n);
    settle (s, step_at (me, at));
    if (rollout_passed (n))
        mark_good (s, me, at);
}

/* A completion from `at` is a rollout of the known steps that it goes through too. */
static esp_err share_completion (search *s, const shepherd *me, node_ref at, node_ref rollout)
{
    rollout_walk w;
    span text;
    esp_err err = rollout_open (s, rollout, &w);
    while (err == ESP_OK && rollout_next (&w, &text) && w.rest.len > 0 &&
           (at = find_step (s, me, at, text, rollout_end (s), false)) != NODE_NONE)
        count_through (s, me, at, rollout);
    return err;
}

/* ---- solutions ---- */

/* One step of a chain; it may be there already. */
static esp_err adopt_step (search *s, shepherd *me, node_ref at, node_ref rollout, span text,
                           bool whole, node_ref *out)
{
    const char *end = whole ? "" : rollout_end (s);
    esp_err err = ESP_OK;
    *out = options_of (s)->share ? find_step (s, me, at, text, end, whole) : NODE_NONE;
    if (*out != NODE_NONE)
        return ESP_OK;
    if ((err = adopt_piece (s, at, rollout, text, end, out)) != ESP_OK ||
        (err = node_table_reach (s, &me->steps, *out)) != ESP_OK)
        return err;
    step_at (me, *out)->adopted = true;
    step_at (me, *out)->whole = whole;
    return whole ? search_adopt_end (s, *out, rollout) : ESP_OK;
}

/* Its last step is asked about too: the text may go on. */
static bool is_unfinished (const node *rollout)
{
    return rollout->verdict == VERDICT_UNKNOWN && rollout->finish == FINISH_EOS;
}

/* Cut a solution; steps behind search.max_steps stay in the last one. */
static esp_err adopt_solution (search *s, shepherd *me, solution *sol, node_ref rollout)
{
    bool unfinished = is_unfinished (search_node (s, rollout));
    node_ref at = NODE_ROOT;
    rollout_walk w;
    span text;
    esp_err err = rollout_open (s, rollout, &w);
    uint32_t count = err == ESP_OK ? rollout_count (w) : 0;
    sol->count = count < search_max_steps (s) ? count : search_max_steps (s);
    sol->todo = sol->count > 0 && !unfinished ? sol->count - 1 : sol->count;
    sol->done = sol->todo == 0;
    if (err == ESP_OK && count > 0 &&
        !(sol->steps = search_alloc (s, sol->count * sizeof (*sol->steps))))
        return ESP_ENOMEM;
    for (uint32_t i = 0; err == ESP_OK && i < sol->count && rollout_next (&w, &text); i++) {
        bool last = i + 1 == sol->count;
        if (last)
            text.len += w.rest.len; /* the rest follows it */
        err = adopt_step (s, me, at, rollout, text, last && !unfinished, &at);
        sol->steps[i] = at;
    }
    return err;
}

/* The PRM read the solution: one score a step when it cut as we did, else every step is shown to it. */
static esp_err score_steps (search *s, const solution *sol, node_ref rollout)
{
    const node *n = search_node (s, rollout);
    ask *asks = esp_calloc (sol->count + 1, sizeof (*asks));
    size_t fresh = 0;
    esp_err err = asks ? ESP_OK : ESP_ENOMEM;
    for (uint32_t i = 0; err == ESP_OK && i < sol->count; i++) {
        if (search_node (s, sol->steps[i])->score_count > 0)
            continue;
        if (n->score_own == sol->count)
            err = search_adopt_scores (s, sol->steps[i], &node_scores (n)[i], 1);
        else
            asks[fresh++] = (ask){.from = sol->steps[i],
                                  .mode = ASK_NOTHING,
                                  .scores = 1,
                                  .tag = (uint64_t)TAG_SCORES << 32};
    }
    if (err == ESP_OK && fresh > 0 && search_affordable (s, 0, asks, fresh) == fresh)
        err = search_join (s, 0, asks, fresh, NULL);
    esp_free (asks);
    return err;
}

static esp_err take_solution (search *s, shepherd *me, const item *i)
{
    solution *sol = &me->solutions[(uint32_t)i->tag];
    esp_err err;
    sol->done = true;
    if (!item_came (i))
        return ESP_OK;
    if ((err = adopt_solution (s, me, sol, i->node)) != ESP_OK)
        return err;
    count_through (s, me, NODE_ROOT, i->node);
    for (uint32_t n = 0; options_of (s)->share && n < sol->count; n++)
        count_through (s, me, sol->steps[n], i->node);
    return i->scored && sol->count > 0 ? score_steps (s, sol, i->node) : ESP_OK;
}

/* ---- asking ---- */

/* How many rollouts of full length can be paid. */
static size_t payable (const search *s, const ask *asks, size_t n)
{
    const search_setup *setup = search_setup_of (s);
    budget left = search_left (s, 0);
    uint64_t tokens = asks[0].action < setup->action_count
                          ? setup->actions[asks[0].action].max_tokens
                          : setup->max_tokens;
    uint64_t steps = setup->options.rollout_steps > 0 ? (uint64_t)setup->options.rollout_steps
                                                      : search_max_steps (s);
    uint64_t most = search_affordable (s, 0, asks, n);
    if (tokens > 0 && left.generated_tokens / tokens < most)
        most = left.generated_tokens / tokens;
    return left.steps / steps < most ? (size_t)(left.steps / steps) : (size_t)most;
}

/* As many as can be paid.  None: what is out may give something back; when nothing is, the problem ends. */
static esp_err ask_payable (search *s, shepherd *me, const ask *asks, size_t n, size_t *asked)
{
    *asked = payable (s, asks, n);
    me->starving = me->starving || *asked < n;
    if (*asked > 0)
        return search_join (s, 0, asks, *asked, NULL);
    if (search_open_joins (s, 0) == 0)
        search_finish (s, REASON_BUDGET);
    return ESP_OK;
}

static esp_err ask_solutions (search *s, shepherd *me)
{
    const shepherd_options *o = options_of (s);
    size_t asked = 1;
    esp_err err = ESP_OK;
    while (err == ESP_OK && asked > 0 && me->asked < o->solutions) {
        ask one = {.from = NODE_ROOT,
                   .mode = ASK_TO_END,
                   .verifier = 1,
                   .scores = o->scores ? 1 : 0,
                   .tag = (uint64_t)TAG_SOLUTION << 32 | me->asked};
        err = ask_payable (s, me, &one, 1, &asked);
        me->asked += (uint32_t)asked;
    }
    return err;
}

static esp_err ask_wave (search *s, shepherd *me, node_ref ref)
{
    const shepherd_options *o = options_of (s);
    step *st = step_at (me, ref);
    size_t n = (size_t)o->completions - st->asked, asked = 0;
    ask *asks;
    esp_err err;
    if (o->early_stop && n > (st->asked ? st->asked : 1))
        n = st->asked ? st->asked : 1;
    if (!(asks = esp_calloc (n, sizeof (*asks))))
        return ESP_ENOMEM;
    for (size_t i = 0; i < n; i++)
        asks[i] = (ask){.from = ref,
                        .mode = ASK_TO_END,
                        .verifier = 1,
                        .action = o->actions > 1 ? 1 : 0,
                        .tag = (uint64_t)TAG_WAVE << 32 | ref};
    err = ask_payable (s, me, asks, n, &asked);
    st->asked += (uint32_t)asked;
    st->busy = asked > 0;
    esp_free (asks);
    return err;
}

/* Hard labels with early stop: one step after the other. */
static esp_err next_step (search *s, shepherd *me, solution *sol)
{
    const shepherd_options *o = options_of (s);
    for (; sol->at < sol->todo; sol->at++) {
        bool back = o->until == UNTIL_END;
        node_ref ref = sol->steps[back ? sol->todo - 1 - sol->at : sol->at];
        const step *st = step_at (me, ref);
        if (st->busy)
            return ESP_OK;
        if (!st->settled && !branch_pruned (s, ref))
            return ask_wave (s, me, ref);
        if (!back && !st->good)
            break;
    }
    sol->done = true;
    return ESP_OK;
}

/* Else no step waits for another. */
static esp_err all_steps (search *s, shepherd *me, solution *sol)
{
    esp_err err = ESP_OK;
    sol->done = true;
    for (uint32_t i = 0; i < sol->todo && err == ESP_OK; i++) {
        const step *st = step_at (me, sol->steps[i]);
        if (st->settled || branch_pruned (s, sol->steps[i]))
            continue;
        sol->done = false;
        if (!st->busy)
            err = ask_wave (s, me, sol->steps[i]);
    }
    return err;
}

static esp_err ask_steps (search *s, shepherd *me, solution *sol)
{
    const shepherd_options *o = options_of (s);
    if (sol->done)
        return ESP_OK;
    return o->label == LABEL_HARD && o->early_stop ? next_step (s, me, sol)
                                                   : all_steps (s, me, sol);
}

/* ---- the strategy ---- */

static esp_err shepherd_open (search *s, void *state)
{
    shepherd *me = state;
    size_t n = (size_t)options_of (s)->solutions;
    esp_err err;
    me->steps.bytes = sizeof (step);
    if (!(me->solutions = search_alloc (s, n * sizeof (*me->solutions))))
        return ESP_ENOMEM;
    for (size_t i = 0; i < n; i++)
        me->solutions[i].done = true; /* nothing to ask before it came */
    err = node_table_reach (s, &me->steps, NODE_ROOT);
    return err == ESP_OK ? ask_solutions (s, me) : err;
}

static esp_err take_wave (search *s, shepherd *me, const item *items, size_t n)
{
    node_ref from = items[0].from;
    step *st = step_at (me, from);
    esp_err err = ESP_OK;
    st->busy = false;
    for (size_t i = 0; i < n && err == ESP_OK; i++) {
        const node *rollout = search_node (s, items[i].node);
        if (!item_came (&items[i]))
            continue;
        st->decided += rollout_decided (rollout);
        st->passed += rollout_passed (rollout);
        if (rollout_passed (rollout))
            mark_good (s, me, from);
        if (options_of (s)->share)
            err = share_completion (s, me, from, items[i].node);
    }
    assert (st->passed <= st->decided && st->decided <= st->asked);
    settle (s, st);
    return err;
}

static esp_err shepherd_joined (search *s, void *state, join_id id, const item *items, size_t n)
{
    shepherd *me = state;
    uint32_t kind = (uint32_t)(items[0].tag >> 32);
    esp_err err = ESP_OK;
    (void)id;
    if (kind == TAG_SOLUTION)
        err = take_solution (s, me, &items[0]);
    else if (kind == TAG_WAVE)
        err = take_wave (s, me, items, n);
    me->starving = false;
    if (err == ESP_OK)
        err = ask_solutions (s, me);
    for (uint32_t i = 0; i < me->asked && err == ESP_OK; i++)
        err = ask_steps (s, me, &me->solutions[i]);
    return err;
}

/* Of each solution that came, its last step. */
static size_t shepherd_answers (const search *s, const void *state, node_ref *out, size_t max)
{
    const shepherd *me = state;
    size_t count = 0;
    for (uint32_t i = 0; i < me->asked; i++) {
        const solution *sol = &me->solutions[i];
        if (sol->count > 0 && !branch_pruned (s, sol->steps[sol->count - 1]) && count++ < max)
            out[count - 1] = sol->steps[sol->count - 1];
    }
    return count;
}

static bool shepherd_value (const search *s, const void *state, node_ref ref, node_value *out)
{
    const step *st = step_at (state, ref);
    const node *n = search_node (s, ref);
    uint32_t rollouts, passed;
    if (!st || (!st->adopted && ref != NODE_ROOT))
        return false;
    rollouts = st->decided + st->through;
    passed = st->passed + st->through_passed;
    *out = (node_value){.q = rollouts ? (double)passed / rollouts : NAN,
                        .visits = rollouts,
                        .prior = NAN,
                        .rollouts = rollouts,
                        .passed = passed,
                        .counted = true,
                        .tried = st->whole ? n->verdict == VERDICT_FAIL && n->finish == FINISH_EOS
                                 : options_of (s)->label == LABEL_SOFT
                                     ? rollouts > 0 && st->settled
                                     : st->decided >= options_of (s)->completions};
    return true;
}

static void math_shepherd_most (const void *options, const search_options *core, strategy_most *out)
{
    const shepherd_options *o = options;
    uint64_t completions = most_times ((uint64_t)core->max_steps, (uint64_t)o->completions);
    *out = (strategy_most){0, most_times ((uint64_t)o->solutions, 1 + completions), true};
}

const strategy strategy_math_shepherd = {
    .name = "math_shepherd",
    .semantics = 1,
    .paper = "Math-Shepherd, step labels by completions; Wang et al. 2024, arXiv:2312.08935",
    .options = shepherd_rows,
    .option_bytes = sizeof (shepherd_options),
    .state_bytes = sizeof (shepherd),
    .suits = shepherd_suits,
    .most = math_shepherd_most,
    .open = shepherd_open,
    .joined = shepherd_joined,
    .answers = shepherd_answers,
    .value = shepherd_value,
};
