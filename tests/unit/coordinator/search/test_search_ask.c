/* SPDX-License-Identifier: Apache-2.0 */
/* test_search_ask.c - what becomes of one ask: generation, lookahead, scores, verdict, identity (search_plan.c, search_take.c) */

#include "coordinator/search/search.h"
#include "coordinator/search/aggregate.h"
#include "coordinator/search/strategies.h"
#include "proto/base/fmath.h"
#include "tests/unit/coordinator/search/probe.h"

/* ---- the stages of an ask ---- */

static void lookahead_is_greedy_scored_and_dropped (void)
{
    probe p = {.joins = 1, .asks = 1, .like = {.mode = ASK_STEP, .lookahead = 2, .scores = 1}};
    world w = given_probe (&p);
    world_open (&w);
    CHECK (w.queue[0].k == 0 && w.queue[0].how.temperature == 0.8);
    uint32_t seed = w.queue[0].seed;
    result r = {.id = w.queue[0].id,
                .text = span_of ("one\n\n"),
                .tokens = 3,
                .steps = 1,
                .finish = FINISH_STOP};
    world_send (&w, &r);
    for (int i = 0; i < 2; i++) {
        const task *t = &w.queue[0];
        CHECK (w.queued == 1 && t->kind == TASK_GENERATE && t->mode == TASK_STEP &&
               t->child == NODE_NONE && t->node == 1);
        CHECK (t->k == TASK_K_GREEDY && t->how.temperature == 0.0 && t->seed != seed);
        CHECK (span_is (t->extra, i ? "two\n\n" : ""));
        seed = t->seed;
        r = (result){.id = t->id,
                     .text = span_of ("two\n\n"),
                     .tokens = 2,
                     .steps = 1,
                     .finish = FINISH_STOP};
        world_send (&w, &r);
    }
    CHECK (w.queue[0].kind == TASK_SCORE && span_is (w.queue[0].extra, "two\n\ntwo\n\n"));
    r = (result){.id = w.queue[0].id,
                 .scores = (double[]){0.5, 0.25, 0.75},
                 .score_count = 3,
                 .score_own = 1};
    world_send (&w, &r);
    const node *n = search_node (w.s, 1);
    CHECK (span_is (node_text (n), "one\n\n") && n->score_count == 3 && n->score_own == 1);
    CHECK (p.seen[0].items[0].score == 0.75 && p.seen[0].items[0].last == 0.75);
    budget used = search_used (w.s);
    CHECK (used.generations == 3 && used.steps == 3 && used.generated_tokens == 7 &&
           used.scored_tokens == 7);
    world_close (&w);
}

static void lookahead_ends_with_the_sequence_or_a_failure (void)
{
    for (int fails = 0; fails < 2; fails++) {
        probe p = {.joins = 1, .asks = 1, .like = {.mode = ASK_STEP, .lookahead = 5, .scores = 1}};
        world w = given_probe (&p);
        world_open (&w);
        result r = {.id = w.queue[0].id,
                    .text = span_of ("one\n\n"),
                    .tokens = 3,
                    .steps = 1,
                    .finish = FINISH_STOP};
        world_send (&w, &r);
        r = (result){.id = w.queue[0].id,
                     .text = span_of ("end"),
                     .tokens = 1,
                     .steps = 1,
                     .finish = FINISH_EOS};
        r.error = fails ? ESP_EENGINE : ESP_OK;
        world_send (&w, &r);
        CHECK (w.queue[0].kind == TASK_SCORE && span_is (w.queue[0].extra, fails ? "" : "end"));
        world_play (&w, WORLD_PLAN);
        CHECK (p.seen[0].items[0].scored && !p.seen[0].items[0].failed &&
               search_used (w.s).generations == 2);
        world_close (&w);
    }
}

static void readings_are_summed_in_their_own_order (void)
{
    const double values[] = {0.1, 1e16, 0.3, -1e16};
    for (int reverse = 0; reverse < 2; reverse++) {
        probe p = {.joins = 1, .asks = 1, .like = {.mode = ASK_STEP, .scores = 4}};
        world w = given_probe (&p);
        world_open (&w);
        world_answer (&w, 0);
        CHECK (w.queued == 4);
        while (w.queued) {
            const task *t = &w.queue[reverse ? w.queued - 1 : 0];
            result r = {
                .id = t->id, .scores = &values[t->reading], .score_count = 1, .score_own = 1};
            world_send (&w, &r);
        }
        CHECK (p.seen[0].items[0].last == ((values[0] + values[1]) + values[2]) + values[3]);
        world_close (&w);
    }
}

static void an_empty_text_is_worth_what_its_branch_was (void)
{
    probe p = {.joins = 1, .asks = 1, .adopt = true, .like = {.mode = ASK_STEP, .scores = 1}};
    world w = given_probe (&p);
    world_open (&w);
    result r = {.id = w.queue[0].id, .steps = 1, .finish = FINISH_EOS};
    world_send (&w, &r);
    const item *it = &p.seen[0].items[0];
    CHECK (it->generated && it->scored && !it->failed && it->score == 0.5 && it->last == 0.5);
    CHECK (search_node (w.s, it->node)->score == 0.5 &&
           search_node (w.s, it->node)->score_count == 0);
    world_close (&w);
}

static void a_verdict_is_asked_with_the_score_and_kept (void)
{
    probe p = {.joins = 1, .asks = 1, .like = {.mode = ASK_TO_END, .scores = 1, .verifier = 2}};
    world w = given_probe (&p);
    w.setup.has_verifier = true;
    w.setup.options.grade = 0;
    world_open (&w);
    world_answer (&w, 0);
    CHECK (w.queued == 2 && w.queue[1].kind == TASK_VERIFY && w.queue[1].engine == 1);
    world_play (&w, WORLD_REVERSE);
    const item *it = &p.seen[0].items[0];
    const node *n = search_node (w.s, it->node);
    CHECK (it->verified && it->scored && n->verdict != VERDICT_NONE &&
           span_is (node_answer (n), "42"));
    CHECK (n->extra && n->extra->observation_len == 7 && n->extra->share == 0.5 &&
           n->extra->reason_len == 7);
    world_close (&w);
}

static void a_reason_is_kept_once (void)
{
    probe p = {.joins = 1, .asks = 20, .like = {.mode = ASK_TO_END, .verifier = 1}};
    world w = given_probe (&p);
    w.setup.has_verifier = true;
    world_open (&w);
    for (int i = 0; i < 20; i++)
        world_answer (&w, 0);
    for (int i = 0; i < 20; i++) {
        char reason[16];
        snprintf (reason, sizeof (reason), "r%d", i < 17 ? i : 15); /* one more than are kept */
        const result r = {
            .id = w.queue[0].id, .verdict = VERDICT_FAIL, .share = NAN, .reason = span_of (reason)};
        world_send (&w, &r);
    }
    const node_extra *e[20];
    for (int i = 0; i < 20; i++)
        e[i] = search_node (w.s, p.seen[0].items[i].node)->extra;
    CHECK (e[15]->reason == e[17]->reason && e[17]->reason == e[19]->reason);
    CHECK (e[16]->reason_len == 3 && memcmp (e[16]->reason, "r16", 3) == 0);
    CHECK (e[0]->reason != e[1]->reason);
    world_close (&w);
}

static void a_verifier_that_fails_leaves_unknown (void)
{
    probe p = {.joins = 1, .asks = 1, .like = {.mode = ASK_TO_END, .verifier = 1}};
    world w = given_probe (&p);
    w.setup.has_verifier = true;
    world_open (&w);
    world_answer (&w, 0);
    result r = {.id = w.queue[0].id, .error = ESP_EENGINE, .verdict = VERDICT_PASS};
    world_send (&w, &r);
    const item *it = &p.seen[0].items[0];
    CHECK (!it->verified && !it->failed && search_node (w.s, it->node)->verdict == VERDICT_UNKNOWN);
    world_close (&w);
}

static void without_engines_nothing_is_judged (void)
{
    probe p = {.joins = 1, .asks = 1, .like = {.mode = ASK_TO_END, .scores = 2, .verifier = 1}};
    world w = given_probe (&p);
    w.setup.has_prm = false;
    world_open (&w);
    world_answer (&w, 0);
    CHECK (w.out.finished && p.seen_count == 1 && !p.seen[0].items[0].scored &&
           isnan (p.seen[0].items[0].score));
    CHECK (!search_has_prm (w.s));
    world_close (&w);
}

static void a_draft_replaces_what_stands_above_it (void)
{
    probe p = {.joins = 1, .asks = 1, .adopt = true, .like = {.mode = ASK_DRAFT, .action = 3}};
    world w = given_probe (&p);
    world_open (&w);
    CHECK (w.queue[0].mode == TASK_DRAFT && w.queue[0].action == 3 && w.queue[0].node == p.adopted);
    result r = {.id = w.queue[0].id,
                .text = span_of ("draft"),
                .tokens = 1,
                .steps = 1,
                .finish = FINISH_EOS};
    world_send (&w, &r);
    esp_buf text = {0};
    PASS (tree_path_text (search_tree (w.s), p.seen[0].items[0].node, &text));
    CHECK (span_is (esp_buf_span (&text), "draft") && p.seen[0].items[0].action == 3);
    esp_buf_free (&text);
    world_close (&w);
}

static void asking_nothing_only_judges (void)
{
    probe p = {.joins = 1, .asks = 2, .adopt = true, .like = {.mode = ASK_NOTHING, .scores = 1}};
    world w = given_probe (&p);
    world_open (&w);
    CHECK (w.queued == 2 && w.queue[0].kind == TASK_SCORE && w.queue[0].node == p.adopted);
    CHECK (tree_size (search_tree (w.s)) == 2);
    world_play (&w, WORLD_REVERSE);
    CHECK (p.seen[0].items[0].node == p.adopted && !p.seen[0].items[0].generated &&
           p.seen[0].items[0].scored);
    CHECK (search_used (w.s).generations == 0);
    world_close (&w);
}

/* ---- identity ---- */

static void tasks_carry_their_identity_from_planning (void)
{
    probe p = {.joins = 2, .asks = 3, .like = {.mode = ASK_STEP}};
    world w = given_probe (&p);
    world_open (&w);
    for (uint32_t i = 0; i < 6; i++) {
        CHECK (w.queue[i].id.number == i + 1 && w.queue[i].id.problem == 3 &&
               w.queue[i].ordinal == i && w.queue[i].k == i);
        CHECK (w.queue[i].seed == ((w.queue[0].seed + i) & 0x7fffffff) &&
               w.queue[i].max_tokens == WORLD_STEP_TOKENS);
    }
    world_close (&w);
}

static void repeats_seeds_ids_and_paths_give_other_seeds (void)
{
    uint32_t seeds[5];
    for (uint32_t i = 0; i < 5; i++) {
        probe p = {.joins = 1, .asks = 1, .like = {.mode = ASK_STEP}, .adopt = i == 4};
        world w = given_probe (&p);
        problem row = {.key = problem_key_make (i == 1, 3),
                       .id = span_of (i == 2 ? "other" : "problem-3")};
        w.setup.run_seed = i == 3 ? 43 : 42;
        PASS (search_create (&w.setup, &row, &w.s));
        world_input (&w, INPUT_OPEN);
        seeds[i] = w.queue[0].seed;
        for (uint32_t k = 0; k < i; k++)
            CHECK (seeds[k] != seeds[i]);
        world_close (&w);
    }
}

static void pending_tasks_can_be_asked_for_again (void)
{
    probe p = {.joins = 2, .asks = 3, .like = {.mode = ASK_STEP, .scores = 1, .lookahead = 1}};
    world w = given_probe (&p);
    effects again = {0};
    world_open (&w);
    while (!search_finished (w.s)) {
        PASS (search_pending_tasks (w.s, &again));
        CHECK (again.task_count == w.queued);
        for (size_t i = 0; i < again.task_count && i < w.queued; i++) {
            CHECK (again.tasks[i].id.number == w.queue[i].id.number &&
                   again.tasks[i].seed == w.queue[i].seed);
            CHECK (span_equal (again.tasks[i].extra, w.queue[i].extra) &&
                   again.tasks[i].k == w.queue[i].k);
        }
        world_answer (&w, w.queued / 2);
    }
    PASS (search_pending_tasks (w.s, &again));
    CHECK (again.task_count == 0);
    effects_free (&again);
    world_close (&w);
}

static void the_same_inputs_give_the_same_digest (void)
{
    uint64_t digests[2];
    for (int i = 0; i < 2; i++) {
        probe p = {.joins = 3, .asks = 4, .rounds = 2, .like = {.mode = ASK_STEP, .scores = 1}};
        world w = given_probe (&p);
        world_open (&w);
        world_play (&w, 77);
        digests[i] = search_digest (w.s);
        world_close (&w);
    }
    CHECK (digests[0] == digests[1]);
}

/* search.score: logprob; mean: of the first step's tokens. */
static void is_scored_by (double mean, double score)
{
    probe p = {.joins = 1, .asks = 1, .rounds = 1, .like = {.mode = ASK_STEP, .scores = 1}};
    world w = given_probe (&p);
    w.setup.has_prm = false;
    w.setup.options.score = SCORE_LOGPROB;
    w.setup.options.aggregate = AGGREGATE_PROD;
    world_open (&w);
    world_send (&w, &(result){.id = w.queue[0].id,
                              .text = span_of ("one\n\n"),
                              .tokens = 3,
                              .steps = 1,
                              .mean_logprob = mean});
    CHECK (w.queued == 1 && w.queue[0].kind == TASK_GENERATE); /* nobody is asked for a score */
    CHECK (p.seen[0].items[0].scored == !isnan (score) && !p.seen[0].items[0].failed);
    CHECK (isnan (score) ||
           (p.seen[0].items[0].score == score && p.seen[0].items[0].last == score));
    world_send (&w, &(result){.id = w.queue[0].id,
                              .text = span_of ("two"),
                              .tokens = 3,
                              .steps = 1,
                              .finish = FINISH_EOS,
                              .mean_logprob = -0.25});
    CHECK (isnan (score) || p.seen[1].items[0].score == score * esp_exp (-0.25));
    CHECK (search_used (w.s).scored_tokens == 0);
    world_close (&w);
}

static void log_probabilities_can_be_the_scores (void)
{
    is_scored_by (-0.5, esp_exp (-0.5));
    is_scored_by (-2000, esp_exp (-2000));
    is_scored_by (0.1, 1.0); /* no probability is above 1 */
    is_scored_by (NAN, NAN); /* the generator gave none */
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"lookahead is greedy, scored and dropped", lookahead_is_greedy_scored_and_dropped},
        {"lookahead ends with the sequence or a failure",
         lookahead_ends_with_the_sequence_or_a_failure},
        {"readings are summed in their own order", readings_are_summed_in_their_own_order},
        {"an empty text is worth what its branch was", an_empty_text_is_worth_what_its_branch_was},
        {"log-probabilities can be the scores", log_probabilities_can_be_the_scores},
        {"a verdict is asked with the score, and kept", a_verdict_is_asked_with_the_score_and_kept},
        {"a reason is kept once", a_reason_is_kept_once},
        {"a verifier that fails leaves unknown", a_verifier_that_fails_leaves_unknown},
        {"without engines nothing is judged", without_engines_nothing_is_judged},
        {"a draft replaces what stands above it", a_draft_replaces_what_stands_above_it},
        {"asking nothing only judges", asking_nothing_only_judges},
        {"tasks carry their identity from planning", tasks_carry_their_identity_from_planning},
        {"repeats, seeds, ids and paths give other seeds",
         repeats_seeds_ids_and_paths_give_other_seeds},
        {"pending tasks can be asked for again", pending_tasks_can_be_asked_for_again},
        {"the same inputs give the same digest", the_same_inputs_give_the_same_digest},
        {NULL, NULL},
    };
    return suite_main ("search ask", cases);
}
