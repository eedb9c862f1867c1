/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_COORDINATOR_SEARCH_WORLD_H
#define ESP_TESTS_UNIT_COORDINATOR_SEARCH_WORLD_H

/* world.h - a search in a small world, for the tests of coordinator/search
 *
 * Tasks wait in plan order; a test answers them one by one, in any order.  An answer is a pure function of what
 * the task says (path, seed, k), so that only the order can make a difference.  Every input is followed by search_check.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "coordinator/search/search.h"
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "proto/base/rng.h"
#include "tests/support/suite.h"

enum { WORLD_STEP_TOKENS = 8, WORLD_MAX_TOKENS = 64, WORLD_DEPTH = 5, WORLD_INPUTS_MOST = 200000 };

typedef struct world {
    search_setup setup;
    search *s; /* owned */
    effects out;
    task *queue; /* owned; planned, not answered, not cancelled */
    size_t queued, cap;
    uint64_t draws;
    size_t planned, cancelled, inputs;
    bool greedy_worker; /* gives more tokens, steps and scores than it was asked for */
    esp_err failing;    /* of tasks whose number is a multiple of fail_every */
    uint32_t fail_every;
    esp_err err; /* of the last input */
} world;

static inline search_setup given_setup (const strategy *how, const void *options)
{
    return (search_setup){
        .options = {.max_steps = 10, .deterministic = true, .in_flight = 1},
        .strategy = how,
        .strategy_options = options,
        .run_seed = 42,
        .how = {.temperature = 0.8, .top_p = 1.0, .max_step_tokens = WORLD_STEP_TOKENS},
        .max_tokens = WORLD_MAX_TOKENS,
        .has_prm = true,
        .count_prompts = true,
        .want_events = true};
}

/* ---- answers ---- */

static inline uint64_t world_path_hash (const world *w, node_ref n)
{
    return search_node (w->s, n)->path_hash;
}

/* Steps with few words, so that texts repeat; an end after WORLD_DEPTH steps at the latest. */
static inline void world_text (const world *w, const task *t, char text[200], result *r)
{
    uint64_t bits =
        esp_draw_bits (world_path_hash (w, t->node), (uint64_t)t->seed << 32 | t->ordinal);
    uint32_t depth = search_node (w->s, t->node)->depth,
             most = t->mode == TASK_STEP ? 1 : t->max_steps;
    size_t len = 0;
    r->finish = FINISH_LENGTH;
    for (r->steps = 0; r->steps < most && r->finish == FINISH_LENGTH;
         r->steps++, bits = esp_hash_mix (bits, 1)) {
        bool end = depth + r->steps >= WORLD_DEPTH || (depth + r->steps >= 1 && bits % 4 == 0);
        len += (size_t)snprintf (text + len, 200 - len, end ? "\\boxed{%u}" : "s%u\n\n",
                                 (unsigned)(bits >> 8) % 5);
        if (end)
            r->finish = FINISH_EOS;
    }
    if (t->mode == TASK_STEP && r->finish == FINISH_LENGTH)
        r->finish = FINISH_STOP;
    r->text = span_make (text, len);
    r->tokens = 1 + (uint32_t)(bits % (w->greedy_worker ? 1000 : t->max_tokens));
    r->tokens = w->greedy_worker || r->tokens <= t->max_tokens ? r->tokens : t->max_tokens;
    r->steps += w->greedy_worker ? 1000 : 0;
    r->mean_logprob = -esp_draw_unit (bits, 3);
}

static inline void world_scores (const world *w, const task *t, double scores[64], result *r)
{
    const node *n = search_node (w->s, t->node);
    uint32_t own = n->steps > 0 && n->steps < 40 ? n->steps : 1;
    r->score_count = own + (uint32_t)span_count (t->extra, span_of ("\n\n"));
    r->score_own = own;
    for (uint32_t i = 0; i < r->score_count; i++)
        scores[i] =
            (double)(esp_draw_below (n->path_hash, 100 * t->reading + i, 16) + 1) / 16; /* ties */
    r->scores = scores;
}

static inline result world_result (const world *w, const task *t, char text[200], double scores[64])
{
    result r = {.id = t->id, .logprob = NAN, .mean_logprob = NAN, .share = NAN};
    if (w->fail_every && t->id.number % w->fail_every == 0) {
        r.error = w->failing;
        r.finish = FINISH_ERROR;
    } else if (t->kind == TASK_GENERATE)
        world_text (w, t, text, &r);
    else if (t->kind == TASK_SCORE)
        world_scores (w, t, scores, &r);
    else {
        r.verdict = world_path_hash (w, t->node) % 3 ? VERDICT_PASS : VERDICT_FAIL;
        r.share = 0.5;
        r.answer = span_of ("42");
        r.observation = span_of ("line 1\n");
        r.reason = span_of ("because");
    }
    return r;
}

/* ---- inputs ---- */

static inline void world_take (world *w)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->out.cancel_count; i++)
        CHECK (!search_wants (w->s, w->out.cancels[i]));
    w->planned += w->out.task_count;
    w->cancelled += w->out.cancel_count;
    if (esp_grow (&w->queue, &w->cap, w->queued + w->out.task_count + 1, sizeof (*w->queue)) != 0) {
        w->err = ESP_ENOMEM;
        return;
    }
    for (size_t i = 0; i < w->out.task_count; i++)
        w->queue[w->queued++] = w->out.tasks[i];
    for (size_t i = 0; i < w->queued; i++)
        if (search_wants (w->s, w->queue[i].id.number))
            w->queue[kept++] = w->queue[i];
    w->queued = kept;
    CHECK (w->queued == search_pending (w->s));
}

static inline void world_apply (world *w, const input *in)
{
    w->inputs++;
    w->err = search_apply (w->s, in, &w->out);
    if (w->err != ESP_OK)
        return;
    search_check (w->s);
    world_take (w);
}

static inline void world_input (world *w, enum input_kind kind)
{
    world_apply (w, &(input){.kind = (uint8_t)kind});
}

static inline void world_command (world *w, enum command_kind kind, node_ref n, const char *text)
{
    world_apply (
        w, &(input){.kind = INPUT_COMMAND,
                    .u.command = {
                        .kind = (uint8_t)kind, .node = n, .value = 1.0, .text = span_of (text)}});
}

static inline world given_world (const search_setup *setup)
{
    world w = {.setup = *setup};
    return w;
}

/* w must not move after this: the search borrows w->setup. */
static inline void world_open (world *w)
{
    problem p = {.key = problem_key_make (0, 3),
                 .id = span_of ("problem-3"),
                 .json = span_of ("{\"id\":\"problem-3\"}")};
    w->err = search_create (&w->setup, &p, &w->s);
    if (w->err == ESP_OK)
        world_input (w, INPUT_OPEN);
}

static inline void world_send (world *w, const result *r)
{
    input in = {.kind = INPUT_RESULT};
    in.u.result = *r;
    world_apply (w, &in);
}

/* Answer entry `at` of the queue. */
static inline void world_answer (world *w, size_t at)
{
    char text[200];
    double scores[64];
    task t = w->queue[at];
    result r = world_result (w, &t, text, scores);
    world_send (w, &r);
}

enum world_order { WORLD_PLAN, WORLD_REVERSE, WORLD_SHUFFLED }; /* and any seed above */

/* Answer until the search ends. */
static inline void world_play (world *w, uint64_t order)
{
    while (w->err == ESP_OK && !search_finished (w->s) && w->queued > 0 &&
           w->inputs < WORLD_INPUTS_MOST)
        world_answer (w, order == WORLD_PLAN ? 0
                         : order == WORLD_REVERSE
                             ? w->queued - 1
                             : esp_draw_below (order, w->draws++, (uint32_t)w->queued));
}

static inline void world_close (world *w)
{
    search_destroy (w->s);
    effects_free (&w->out);
    esp_free (w->queue);
    *w = (world){.err = ESP_OK};
}

/* ---- what came out, without anything that may depend on the order of answers (node numbers, join ids) ---- */

static inline uint64_t mix_double (uint64_t h, double value)
{
    uint64_t bits;
    memcpy (&bits, &value, sizeof (bits));
    return esp_hash_mix (h, isnan (value) ? 1 : bits);
}

static inline uint64_t rows_of_node (const world *w, node_ref ref, uint64_t h)
{
    const node *n = search_node (w->s, ref);
    h = esp_hash_mix_span (esp_hash_mix (h, n->path_hash), node_text (n));
    h = mix_double (mix_double (h, n->score), n->mean_logprob);
    h = esp_hash_mix (h, (uint64_t)n->state << 40 | (uint64_t)n->mark << 32 |
                             (uint64_t)n->verdict << 24 | n->finish);
    h = esp_hash_mix (h, (uint64_t)n->tokens << 32 | n->steps);
    for (uint16_t i = 0; i < n->score_count; i++)
        h = mix_double (h, node_scores (n)[i]);
    for (node_ref c = n->first_child; c != NODE_NONE; c = search_node (w->s, c)->next_sibling)
        h = rows_of_node (w, c, h);
    return h;
}

static inline uint64_t world_rows (const world *w)
{
    budget used = search_used (w->s);
    size_t n = search_answers (w->s, NULL, 0);
    node_ref *refs = esp_calloc (n + 1, sizeof (*refs));
    uint64_t h = rows_of_node (w, NODE_ROOT, 7);
    search_answers (w->s, refs, n);
    for (size_t i = 0; i < n; i++)
        h = esp_hash_mix (h, search_node (w->s, refs[i])->path_hash);
    esp_free (refs);
    h = esp_hash_mix (esp_hash_mix (h, used.generations), used.steps);
    h = esp_hash_mix (esp_hash_mix (h, used.generated_tokens), used.scored_tokens);
    return esp_hash_mix (esp_hash_mix (h, search_scored_steps (w->s)), search_reason (w->s));
}

static inline bool name_of_node_is (const world *w, node_ref ref, const char *name)
{
    esp_buf out = {0};
    bool same = tree_path_name (search_tree (w->s), ref, &out) == ESP_OK &&
                strcmp (esp_buf_text (&out), name) == 0;
    esp_buf_free (&out);
    return same;
}

#endif
