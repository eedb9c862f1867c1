/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config
/* test_strategy_mcts_exhausted.c - where nothing is left to ask: uct and uct_prior pass it over, puct does not
 *
 * search_check runs after every input (world.h): mcts_check asserts there that the mark of every node is what its children say.
 */

#include "tests/unit/coordinator/search/plays.h"

static const char *const uct_rules[] = {"uct", "uct_prior"};

static void given_search (player *p, const char *selection, const char *more)
{
    char section[300];
    snprintf (section, sizeof (section),
              "strategy: mcts, selection: %s, exploration: 0.01, expand: 2, max_steps: 6%s",
              selection, more);
    PASS (player_read (p, section));
    p->w.setup.has_verifier = false;
    world_open (&p->w);
}

/* The leaf whose expansion a task belongs to. */
static node_ref leaf_of (const player *p, const task *t)
{
    return t->kind == TASK_GENERATE ? t->node : search_node (p->w.s, t->node)->parent;
}

static const task *task_of (const player *p, node_ref leaf)
{
    for (size_t i = 0; i < p->w.queued; i++)
        if (leaf_of (p, &p->w.queue[i]) == leaf)
            return &p->w.queue[i];
    return NULL;
}

/* Answer the expansion of a leaf.  kinds: a letter for each child: s a step, e an ended answer, f no text. */
static void answer_leaf (player *p, node_ref leaf, const char *kinds, double score)
{
    const task *t;
    CHECK (task_of (p, leaf) != NULL);
    while (p->w.err == ESP_OK && (t = task_of (p, leaf))) {
        result r = {.id = t->id, .tokens = 1, .steps = 1, .mean_logprob = -1.0};
        if (t->kind == TASK_SCORE) {
            r.scores = &score;
            r.score_count = r.score_own = 1;
        } else {
            char kind = kinds[t->ordinal];
            r.error = kind == 'f' ? ESP_EENGINE : ESP_OK;
            r.text = span_of (kind == 'e' ? "\\boxed{1}" : t->ordinal ? "odd\n\n" : "even\n\n");
            r.finish = kind == 'e' ? FINISH_EOS : FINISH_STOP;
        }
        world_send (&p->w, &r);
    }
}

static double visits_of (const player *p, node_ref ref)
{
    node_value v = {0};
    CHECK (search_value (p->w.s, ref, &v));
    return v.visits;
}

/* Nodes 1 (worth more) and 2 below the root; 1 is being expanded. */
static void given_two_branches (player *p, const char *selection, const char *more)
{
    double good = 0.9, bad = 0.1;
    given_search (p, selection, more);
    for (int i = 0; i < 2; i++)
        world_send (&p->w, &(result){.id = p->w.queue[0].id,
                                     .text = span_of (i ? "odd\n\n" : "even\n\n"),
                                     .tokens = 1,
                                     .steps = 1});
    for (int i = 0; i < 2; i++)
        world_send (&p->w, &(result){.id = p->w.queue[0].id,
                                     .scores = i ? &bad : &good,
                                     .score_count = 1,
                                     .score_own = 1});
    CHECK (task_of (p, 1) != NULL);
}

static void an_exhausted_branch_is_passed_over (void)
{
    for (int rule = 0; rule < 2; rule++) {
        player p;
        given_two_branches (&p, uct_rules[rule], ", simulations: 0");
        CHECK (!task_of (&p, 2));
        answer_leaf (&p, 1, "ee", 0.9); /* all below 1 ended, and is worth more than 2 */
        CHECK (task_of (&p, 2) && p.w.queued == 2);
        answer_leaf (&p, 2, "es", 0.1); /* 5 ended, 6 goes on */
        CHECK (task_of (&p, 6) && p.w.queued == 2);
        CHECK (visits_of (&p, 1) == 3.0 && visits_of (&p, NODE_ROOT) == 6.0);
        player_close (&p);
    }
}

static void when_all_is_exhausted_the_search_ends (void)
{
    for (int rule = 0; rule < 2; rule++) {
        player p;
        given_two_branches (&p, uct_rules[rule], ", simulations: 0");
        answer_leaf (&p, 1, "ee", 0.9);
        answer_leaf (&p, 2, "es", 0.1);
        CHECK (!search_finished (p.w.s));
        answer_leaf (&p, 6, "ee", 0.1);
        CHECK (search_finished (p.w.s) && search_reason (p.w.s) == REASON_ANSWERED);
        CHECK (search_used (p.w.s).generations == 8 && search_answers (p.w.s, NULL, 0) == 5);
        CHECK (visits_of (&p, NODE_ROOT) == 8.0); /* one for each node: none was walked to twice */
        player_close (&p);
    }
}

static void simulations_in_flight_pass_over_what_others_exhausted (void)
{
    for (int loss = 0; loss < 10; loss += 9) {
        player p;
        char more[100];
        snprintf (more, sizeof (more), ", simulations: 0, in_flight: 2, virtual_loss: %d", loss);
        given_two_branches (&p, "uct", more);
        CHECK (task_of (&p, 2) && search_open_joins (p.w.s, 0) == 2);
        answer_leaf (&p, 1, "ee", 0.9);
        CHECK (search_open_joins (p.w.s, 0) == 1); /* 2 is being expanded, 1 exhausted */
        CHECK (visits_of (&p, 1) == 3.0 && visits_of (&p, NODE_ROOT) == 4.0);
        answer_leaf (&p, 2, "ss", 0.1);
        CHECK (task_of (&p, 5) && task_of (&p, 6) && search_open_joins (p.w.s, 0) == 2);
        answer_leaf (&p, 5, "ee", 0.9);
        CHECK (!search_finished (p.w.s) && search_open_joins (p.w.s, 0) == 1);
        answer_leaf (&p, 6, "ee", 0.1);
        CHECK (search_finished (p.w.s) && visits_of (&p, NODE_ROOT) == 10.0);
        player_close (&p);
    }
}

static void a_failed_expansion_exhausts_what_is_above_it (void)
{
    for (int rule = 0; rule < 2; rule++) {
        player p;
        given_two_branches (&p, uct_rules[rule], ", simulations: 0");
        answer_leaf (&p, 1, "fs", 0.9); /* 3 failed, 4 goes on */
        CHECK (task_of (&p, 4) && p.w.queued == 2);
        answer_leaf (&p, 4, "ff", 0.9); /* a dead end: nothing is left below 4, nor below 1 */
        CHECK (task_of (&p, 2) && p.w.queued == 2);
        CHECK (visits_of (&p, 4) == 1.0 && visits_of (&p, NODE_ROOT) == 3.0);
        answer_leaf (&p, 2, "ff", 0.1);
        CHECK (search_finished (p.w.s) && search_reason (p.w.s) == REASON_ERROR);
        player_close (&p);
    }
}

static void a_root_without_children_ends_the_search (void)
{
    player p;
    given_search (&p, "uct", ", simulations: 0");
    answer_leaf (&p, NODE_ROOT, "ff", 0.0);
    CHECK (search_finished (p.w.s) && search_used (p.w.s).generations == 2);
    player_close (&p);
}

static void branches_of_max_steps_are_exhausted (void)
{
    player p;
    PASS (player_read (&p, "strategy: mcts, selection: uct, expand: 2, max_steps: 2, "
                           "simulations: 0, in_flight: 3"));
    p.w.setup.has_verifier = false;
    world_open (&p.w);
    answer_leaf (&p, NODE_ROOT, "ss", 0.5);
    answer_leaf (&p, 1, "ss", 0.5);
    answer_leaf (&p, 2, "ss", 0.5);
    CHECK (search_finished (p.w.s) && search_reason (p.w.s) == REASON_NO_ANSWER);
    CHECK (search_used (p.w.s).generations == 6);
    player_close (&p);
}

static void every_uct_simulation_is_an_expansion (void)
{
    for (int rule = 0; rule < 2; rule++) {
        player p;
        char section[200];
        snprintf (section, sizeof (section),
                  "strategy: mcts, selection: %s, exploration: 0.01, expand: 3, max_steps: 6, "
                  "simulations: 20",
                  uct_rules[rule]);
        given_played (&p, section, WORLD_PLAN);
        CHECK (search_answers (p.w.s, NULL, 0) > 10); /* there was something to pass over */
        CHECK (search_used (p.w.s).generations == 60 && visits_of (&p, NODE_ROOT) == 60.0);
        player_close (&p);
    }
}

static void a_human_step_opens_an_exhausted_branch (void)
{
    player p;
    node_ref human;
    given_two_branches (&p, "uct", ", simulations: 0");
    answer_leaf (&p, 1, "ss", 0.9);
    answer_leaf (&p, 3, "ee", 0.9);
    answer_leaf (&p, 4, "ee", 0.9); /* 1, 3 and 4 are exhausted */
    CHECK (task_of (&p, 2) && p.w.queued == 2);
    human = tree_size (search_tree (p.w.s));
    world_command (&p.w, COMMAND_ADD_STEP, 3, "think again\n\n");
    answer_leaf (&p, 2, "ee", 0.1);
    CHECK (!search_finished (p.w.s) && task_of (&p, human));
    answer_leaf (&p, human, "ee", 0.1);
    CHECK (search_finished (p.w.s) && search_reason (p.w.s) == REASON_ANSWERED);
    player_close (&p);
}

static void a_pruned_branch_counts_as_exhausted (void)
{
    for (int expanding = 0; expanding < 2; expanding++) {
        player p;
        given_two_branches (&p, "uct", ", simulations: 0");
        answer_leaf (&p, 1, "ss", 0.9);
        CHECK (task_of (&p, 3) != NULL);
        if (expanding) { /* 3 is cut while it is being expanded, and 4 before */
            world_command (&p.w, COMMAND_PRUNE, 4, "");
            world_command (&p.w, COMMAND_PRUNE, 3, "");
        } else
            world_command (&p.w, COMMAND_PRUNE, 1, "");
        CHECK (task_of (&p, 2) && p.w.queued == 2);
        world_command (&p.w, COMMAND_PRUNE, 2, "");
        CHECK (search_finished (p.w.s) && search_reason (p.w.s) == REASON_NO_ANSWER);
        player_close (&p);
    }
}

static void a_prune_exhausts_what_waits_above_it (void)
{
    player p;
    given_two_branches (&p, "uct", ", simulations: 0");
    answer_leaf (&p, 1, "es", -2.0); /* 4 goes on, but 2 is worth more now */
    CHECK (task_of (&p, 2) && p.w.queued == 2);
    world_command (&p.w, COMMAND_PRUNE, 4, ""); /* nobody expands it: no join will tell */
    answer_leaf (&p, 2, "ee", 0.1);
    CHECK (search_finished (p.w.s) && search_reason (p.w.s) == REASON_ANSWERED);
    CHECK (visits_of (&p, NODE_ROOT) == 6.0);
    player_close (&p);
}

static void puct_walks_to_finished_nodes_again (void)
{
    player p;
    given_search (&p, "puct", ", simulations: 30");
    answer_leaf (&p, NODE_ROOT, "ee", 0.5);
    CHECK (search_finished (p.w.s) && search_answers (p.w.s, NULL, 0) == 30);
    CHECK (visits_of (&p, NODE_ROOT) == 30.0);
    player_close (&p);
}

static void small_trees_end_alike_in_any_order (void)
{
    static const char *const sections[] = {
        "strategy: mcts, selection: uct, expand: 2, simulations: 0, max_steps: 4",
        "strategy: mcts, selection: uct, expand: 2, simulations: 0, max_steps: 4, in_flight: 4",
        "strategy: mcts, selection: uct_prior, expand: 1, actions: 2, simulations: 0, max_steps: "
        "4, in_flight: 7, virtual_loss: 0",
        NULL};
    for (int i = 0; sections[i]; i++) {
        player p;
        given_played (&p, sections[i], 5);
        CHECK (search_reason (p.w.s) == REASON_ANSWERED);
        player_close (&p);
    }
    keeps_all_promises (sections);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"an exhausted branch is passed over", an_exhausted_branch_is_passed_over},
        {"when all is exhausted the search ends", when_all_is_exhausted_the_search_ends},
        {"simulations in flight pass over what others exhausted",
         simulations_in_flight_pass_over_what_others_exhausted},
        {"a failed expansion exhausts what is above it",
         a_failed_expansion_exhausts_what_is_above_it},
        {"a root without children ends the search", a_root_without_children_ends_the_search},
        {"branches of max_steps are exhausted", branches_of_max_steps_are_exhausted},
        {"every uct simulation is an expansion", every_uct_simulation_is_an_expansion},
        {"a human step opens an exhausted branch", a_human_step_opens_an_exhausted_branch},
        {"a pruned branch counts as exhausted", a_pruned_branch_counts_as_exhausted},
        {"a prune exhausts what waits above it", a_prune_exhausts_what_waits_above_it},
        {"puct walks to finished nodes again", puct_walks_to_finished_nodes_again},
        {"small trees end alike in any order", small_trees_end_alike_in_any_order},
        {NULL, NULL},
    };
    return suite_main ("strategy_mcts_exhausted", cases);
}
