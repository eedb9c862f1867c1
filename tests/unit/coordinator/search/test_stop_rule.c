/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config
/* test_stop_rule.c - what coordinator/search/stop_rule.h promises, and best_of_n under such a rule */

#include "coordinator/search/stop_rule.h"
#include "tests/unit/coordinator/search/plays.h"

static void nothing_wanted_is_never_enough (void)
{
    CHECK (!stop_rule_met (&(stop_rule){.want = 0}, 1000, 1000, 1000));
    CHECK (!stop_rule_given (&(stop_rule){.band_low = 0.2}));
}

static void enough_is_what_is_wanted (void)
{
    const stop_rule rule = {.want = 4};
    CHECK (!stop_rule_met (&rule, 3, 100, 100) && stop_rule_met (&rule, 4, 4, 4));
}

/* 8 of 8: [0.676, 1]; 0 of 8: [0, 0.324]; 4 of 8: [0.215, 0.785] */
static void a_band_is_decided_when_the_interval_is_on_one_side (void)
{
    CHECK (band_side_of (0.2, 0.8, 8, 8) == BAND_UNDECIDED);
    CHECK (band_side_of (0.2, 0.6, 8, 8) == BAND_OUTSIDE);
    CHECK (band_side_of (0.4, 0.6, 0, 8) == BAND_OUTSIDE);
    CHECK (band_side_of (0.2, 0.8, 4, 8) == BAND_INSIDE);
    CHECK (band_side_of (0.3, 0.8, 4, 8) == BAND_UNDECIDED);
    CHECK (band_side_of (0.2, 0.8, 0, 0) == BAND_UNDECIDED);
    CHECK (band_side_of (0.0, 1.0, 1, 3) == BAND_INSIDE);
}

static void both_parts_of_a_rule_must_be_met (void)
{
    const stop_rule rule = {.want = 2, .band = true, .band_low = 0.2, .band_high = 0.8};
    CHECK (!stop_rule_met (&rule, 1, 4, 8) && !stop_rule_met (&rule, 2, 2, 2));
    CHECK (stop_rule_met (&rule, 2, 4, 8));
}

/* ---- best_of_n ---- */

struct played {
    uint64_t rows;
    size_t completions, passed, distinct;
};

static struct played count_texts (const player *p)
{
    struct played r = {.rows = world_rows (&p->w)};
    const search *s = p->w.s;
    node_ref first = search_node (s, NODE_ROOT)->first_child;
    for (node_ref c = first; c != NODE_NONE; c = search_node (s, c)->next_sibling) {
        const node *n = search_node (s, c);
        bool again = false;
        if (n->state != NODE_GENERATED)
            continue;
        r.completions++;
        if (n->verdict != VERDICT_PASS || n->finish == FINISH_LENGTH)
            continue;
        r.passed++;
        for (node_ref d = first; d != c; d = search_node (s, d)->next_sibling)
            again = again || (search_node (s, d)->state == NODE_GENERATED &&
                              search_node (s, d)->verdict == VERDICT_PASS &&
                              search_node (s, d)->finish != FINISH_LENGTH &&
                              span_equal (node_text (search_node (s, d)), node_text (n)));
        r.distinct += !again;
    }
    return r;
}

static struct played play (const char *section, const stop_rule *rule, uint64_t order)
{
    player p;
    struct played r;
    PASS (player_read (&p, section));
    p.w.setup.stop = *rule;
    world_open (&p.w);
    world_play (&p.w, order);
    CHECK (p.w.err == ESP_OK && search_finished (p.w.s));
    r = count_texts (&p);
    player_close (&p);
    return r;
}

static const stop_rule four = {.want = 4};
static const stop_rule middle = {.band = true, .band_low = 0.3, .band_high = 0.9};

static void sampling_ends_when_enough_distinct_ones_passed (void)
{
    struct played r = play ("strategy: best_of_n, n: 64", &four, WORLD_PLAN);
    CHECK (r.distinct == 4 && r.completions < 64 && r.completions >= 4);
}

static void sampling_ends_when_the_band_is_decided (void)
{
    struct played r = play ("strategy: best_of_n, n: 64", &middle, WORLD_PLAN);
    CHECK (r.completions < 64 &&
           band_side_of (0.3, 0.9, r.passed, r.completions) != BAND_UNDECIDED);
    CHECK (band_side_of (0.3, 0.9, r.passed - 1, r.completions - 1) == BAND_UNDECIDED ||
           band_side_of (0.3, 0.9, r.passed, r.completions - 1) == BAND_UNDECIDED);
}

static void where_it_ends_does_not_depend_on_the_order_of_answers (void)
{
    static const char *const sections[] = {"strategy: best_of_n, n: 64",
                                           "strategy: best_of_n, n: 64, budget.steps: 60",
                                           "strategy: best_of_n, n: 600", NULL};
    const stop_rule *rules[] = {&four, &middle, &(stop_rule){.want = 60}};
    for (size_t i = 0; sections[i]; i++)
        for (size_t k = 0; k < 3; k++) {
            struct played first = play (sections[i], rules[k], WORLD_PLAN);
            for (uint64_t order = 1; order < PLAY_ORDERS; order++)
                CHECK (play (sections[i], rules[k], order).rows == first.rows);
        }
}

/* The budget pays for few completions at once; what passed in an earlier join is not counted twice. */
static void later_joins_go_on_counting (void)
{
    struct played r =
        play ("strategy: best_of_n, n: 64, budget.generated_tokens: 320", &four, WORLD_PLAN);
    struct played all = play ("strategy: best_of_n, n: 64, budget.generated_tokens: 320",
                              &(stop_rule){.want = 60}, WORLD_PLAN);
    CHECK (r.distinct >= 4 && r.completions < all.completions);
}

static void without_a_verifier_or_a_rule_all_are_sampled (void)
{
    player p;
    CHECK (play ("strategy: best_of_n, n: 64", &(stop_rule){.want = 0}, 5).completions == 64);
    PASS (player_read (&p, "strategy: best_of_n, n: 32"));
    p.w.setup.stop = four;
    p.w.setup.has_verifier = false;
    world_open (&p.w);
    world_play (&p.w, WORLD_PLAN);
    CHECK (search_finished (p.w.s) && count_texts (&p).completions == 32);
    player_close (&p);
}

static void each_completion_is_verified_once (void)
{
    player p;
    size_t verdicts = 0;
    PASS (player_read (&p, "strategy: best_of_n, n: 16"));
    p.w.setup.stop = (stop_rule){.want = 1000};
    world_open (&p.w);
    while (p.w.queued > 0 && p.w.err == ESP_OK) {
        verdicts += p.w.queue[0].kind == TASK_VERIFY;
        world_answer (&p.w, 0);
    }
    CHECK (search_finished (p.w.s) && verdicts == 16);
    player_close (&p);
}

static void survives_every_failed_allocation_under_a_rule (void)
{
    player p;
    PASS (player_read (&p, "strategy: best_of_n, n: 12"));
    p.w.setup.stop = four;
    survive_allocations (&p);
}

int main (void)
{
    return suite_main (
        "coordinator/search/stop_rule",
        (const struct suite_case[]){
            {"nothing wanted is never enough", nothing_wanted_is_never_enough},
            {"enough is what is wanted", enough_is_what_is_wanted},
            {"a band is decided when the interval is on one side",
             a_band_is_decided_when_the_interval_is_on_one_side},
            {"both parts of a rule must be met", both_parts_of_a_rule_must_be_met},
            {"sampling ends when enough distinct ones passed",
             sampling_ends_when_enough_distinct_ones_passed},
            {"sampling ends when the band is decided", sampling_ends_when_the_band_is_decided},
            {"where it ends does not depend on the order of answers",
             where_it_ends_does_not_depend_on_the_order_of_answers},
            {"later joins go on counting", later_joins_go_on_counting},
            {"without a verifier or a rule all are sampled",
             without_a_verifier_or_a_rule_all_are_sampled},
            {"each completion is verified once", each_completion_is_verified_once},
            {"survives every failed allocation under a rule",
             survives_every_failed_allocation_under_a_rule},
            {NULL, NULL}});
}
