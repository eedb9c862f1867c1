/* SPDX-License-Identifier: Apache-2.0 */
/* test_view.c - what cluster/console/view.h promises */

#include "cluster/console/view.h"
#include <math.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

static view *given_view (void)
{
    view *v = NULL;
    PASS (view_create (&v));
    return v;
}

static event
node_event (uint8_t kind, problem_key key, node_ref node, node_ref parent, uint32_t ordinal)
{
    return (event){.number = 1,
                   .kind = kind,
                   .problem = key,
                   .node = node,
                   .parent = parent,
                   .ordinal = ordinal,
                   .value = NAN};
}

static void tell (view *v, event e)
{
    PASS (view_apply (v, &e));
}

/*  .  ->  0 -> 0.0, 0.1        (nodes 1 -> 3, 5)
 *         1 -> 1.0             (nodes 2 -> 4)    */
static view *given_tree (void)
{
    view *v = given_view ();
    event opened = node_event (EVENT_OPENED, 7, 0, NODE_NONE, 0);
    opened.text = span_of ("seven");
    tell (v, opened);
    tell (v, node_event (EVENT_PLANNED, 7, 1, 0, 0));
    tell (v, node_event (EVENT_PLANNED, 7, 2, 0, 1));
    tell (v, node_event (EVENT_PLANNED, 7, 3, 1, 0));
    tell (v, node_event (EVENT_PLANNED, 7, 4, 2, 0));
    tell (v, node_event (EVENT_PLANNED, 7, 5, 1, 1));
    return v;
}

static void a_tree_is_walked_in_depth_first_order (void)
{
    static const node_ref order[] = {0, 1, 3, 5, 2, 4};
    static const char *const paths[] = {".", "0", "0.0", "0.1", "1", "1.0"};
    view *v = given_tree ();
    const view_problem *p = view_find (v, 7);
    node_ref at = NODE_ROOT;
    for (size_t i = 0; i < 6; i++, at = view_next (p, at)) {
        esp_buf path = {0};
        CU_ASSERT_EQUAL (at, order[i]);
        PASS (view_path (p, at, &path));
        CU_ASSERT_STRING_EQUAL (esp_buf_text (&path), paths[i]);
        CU_ASSERT_EQUAL (view_resolve (p, paths[i]), order[i]);
        esp_buf_free (&path);
    }
    CU_ASSERT_EQUAL (at, NODE_NONE);
    CU_ASSERT_EQUAL (view_resolve (p, ""), NODE_ROOT);
    view_destroy (v);
}

static void paths_that_lead_nowhere_are_refused (void)
{
    static const char *const bad[] = {"2",    "0.2", "0.0.0", "x",  "0.",
                                      "0..1", "-1",  "0.0x",  " 0", "99999999999999999999"};
    view *v = given_tree ();
    for (size_t i = 0; i < sizeof (bad) / sizeof (bad[0]); i++)
        CU_ASSERT_EQUAL (view_resolve (view_find (v, 7), bad[i]), NODE_NONE);
    view_destroy (v);
}

static void events_set_state_and_may_come_twice (void)
{
    view *v = given_tree ();
    const view_problem *p = view_find (v, 7);
    event text = node_event (EVENT_TEXT, 7, 3, 1, 0), score = node_event (EVENT_SCORED, 7, 3, 1, 0);
    event mark = node_event (EVENT_MARK, 7, 3, 1, 0),
          verdict = node_event (EVENT_VERIFIED, 7, 3, 1, 0);
    CHECK (p->count == 6 && p->in_flight == 5 && isnan (p->best));
    text.text = span_of ("a step");
    text.tokens = 12;
    text.mark = FINISH_EOS;
    score.value = 0.75;
    mark.mark = MARK_KEPT;
    mark.text = span_of ("among the best");
    verdict.mark = VERDICT_PASS;
    for (int twice = 0; twice < 2; twice++) {
        const view_node *n;
        tell (v, text);
        tell (v, score);
        tell (v, mark);
        tell (v, verdict);
        n = view_node_of (p, 3);
        CHECK (p->count == 6 && p->in_flight == 4 && p->best == 0.75);
        CHECK (n->tokens == 12 && n->finish == FINISH_EOS && n->score == 0.75 &&
               n->verdict == VERDICT_PASS);
        CHECK (strcmp (n->text, "a step") == 0 && n->mark == MARK_KEPT &&
               strcmp (n->why, "among the best") == 0);
    }
    view_destroy (v);
}

static void a_text_that_is_being_made_is_shown_until_it_is_there (void)
{
    view *v = given_tree ();
    const view_problem *p = view_find (v, 7);
    event part = node_event (EVENT_TEXT, 7, 3, NODE_NONE, 0),
          whole = node_event (EVENT_TEXT, 7, 3, 1, 0);
    char text[100];
    part.number = 0;
    memset (text, 'x', sizeof (text));
    memcpy (text + sizeof (text) - VIEW_PART_MAX - 1, "\xc3\xa4",
            2); /* the cut would fall into it */
    part.text = span_make (text, sizeof (text));
    tell (v, part);
    CHECK (p->in_flight == 5 && !view_node_of (p, 3)->has_text && p->count == 6);
    CHECK (strncmp (view_node_of (p, 3)->text, "...xx", 5) == 0);
    CHECK (strlen (view_node_of (p, 3)->text) == 3 + VIEW_PART_MAX - 1);
    whole.text = span_of ("all of it");
    tell (v, whole);
    tell (v, part); /* late */
    CHECK (strcmp (view_node_of (p, 3)->text, "all of it") == 0 && p->in_flight == 4);
    part.node = 77;
    tell (v, part); /* of nobody */
    part.problem = 99;
    tell (v, part);
    CHECK (p->count == 6 && view_count (v) == 1);
    view_destroy (v);
}

static void a_step_that_was_never_planned_appears (void)
{
    view *v = given_tree ();
    event human = node_event (EVENT_TEXT, 7, 6, 4, 0);
    human.text = span_of ("by hand");
    tell (v, human);
    CU_ASSERT_EQUAL (view_resolve (view_find (v, 7), "1.0.0"), 6);
    CU_ASSERT_EQUAL (view_find (v, 7)->in_flight, 5);
    view_destroy (v);
}

static void a_failed_node_is_no_longer_in_flight (void)
{
    view *v = given_tree ();
    event mark = node_event (EVENT_MARK, 7, 5, 1, 1);
    mark.mark = MARK_FAILED;
    tell (v, mark);
    CU_ASSERT_EQUAL (view_find (v, 7)->in_flight, 4);
    view_destroy (v);
}

static void contradictions_hang_below_the_root_and_walks_end (void)
{
    view *v = given_view ();
    const view_problem *p;
    size_t steps = 0;
    tell (v, node_event (EVENT_PLANNED, 3, 5, 9, 0));             /* a parent that is younger */
    tell (v, node_event (EVENT_PLANNED, 3, 9, 9, 0));             /* its own parent */
    tell (v, node_event (EVENT_PLANNED, 3, 4, 2, 0));             /* a parent that never came */
    tell (v, node_event (EVENT_PLANNED, 3, 0, 7, 3));             /* a root with a parent */
    tell (v, node_event (EVENT_PLANNED, 3, NODE_NONE, 0, 0));     /* no node */
    tell (v, node_event (EVENT_PLANNED, 3, NODE_NONE - 1, 0, 0)); /* beyond any limit */
    p = view_find (v, 3);
    for (node_ref at = NODE_ROOT; at != NODE_NONE && steps < 100; at = view_next (p, at))
        steps++;
    CU_ASSERT_EQUAL (steps, 4);
    CU_ASSERT_EQUAL (p->count, 4);
    view_destroy (v);
}

static void problems_are_ordered_found_and_dropped_when_finished (void)
{
    static const problem_key keys[] = {5, 1, 9, 3, (1ULL << 32) | 3};
    static const char *const ids[] = {"five", "one", "nine", "three", "three"};
    view *v = given_view ();
    for (size_t i = 0; i < 5; i++) {
        event e = node_event (EVENT_OPENED, keys[i], 0, NODE_NONE, 0);
        e.text = span_of (ids[i]);
        tell (v, e);
    }
    CU_ASSERT_EQUAL (view_count (v), 5);
    for (size_t i = 1; i < 5; i++)
        CHECK (view_at (v, i - 1)->key < view_at (v, i)->key);
    CHECK (view_at (v, 5) == NULL && view_find (v, 4) == NULL && view_index (v, 4) == 2);
    CHECK (view_find_id (v, span_of ("three"), 1) == view_at (v, 4));
    CHECK (view_find_id (v, span_of ("three"), 2) == NULL &&
           view_find_id (v, span_of ("thre"), 0) == NULL);
    for (size_t i = 0; i < 3; i++)
        tell (v, (event){.number = 2,
                         .kind = EVENT_FINISHED,
                         .problem = keys[i],
                         .mark = REASON_ANSWERED});
    tell (v, (event){.number = 2,
                     .kind = EVENT_FINISHED,
                     .problem = 77,
                     .mark = REASON_ANSWERED}); /* not known: nothing */
    CU_ASSERT_EQUAL (view_count (v), 5);
    view_drop_finished (v, 9);
    CHECK (view_count (v) == 3 && view_find (v, 9) && view_find (v, 9)->finished &&
           !view_find (v, 5));
    view_clear (v);
    CU_ASSERT_EQUAL (view_count (v), 0);
    view_destroy (v);
}

static void progress_and_commands_are_no_nodes (void)
{
    view *v = given_view ();
    event progress = node_event (EVENT_TEXT, 1, NODE_NONE, NODE_NONE, 4),
          done = node_event (EVENT_COMMAND, 1, 2, 0, 0);
    progress.number = 0;
    tell (v, progress);
    tell (v, done);
    CU_ASSERT_EQUAL (view_count (v), 0);
    view_destroy (v);
}

static void long_texts_are_cut_at_a_character (void)
{
    static char text[3000];
    view *v = given_tree ();
    event e = node_event (EVENT_TEXT, 7, 3, 1, 0);
    for (size_t i = 0; i + 3 <= sizeof (text); i += 3)
        memcpy (text + i, "\xe2\x82\xac", 3);
    e.text = span_make (text, sizeof (text));
    tell (v, e);
    CHECK (strlen (view_node_of (view_find (v, 7), 3)->text) == VIEW_TEXT_MAX / 3 * 3);
    view_destroy (v);
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 100; n++) {
        view *v = NULL;
        event opened = node_event (EVENT_OPENED, 7, 0, NODE_NONE, 0),
              text = node_event (EVENT_TEXT, 7, 40, 0, 0);
        opened.text = text.text = span_of ("text");
        esp_alloc_fail_after (n);
        if ((err = view_create (&v)) == ESP_OK && (err = view_apply (v, &opened)) == ESP_OK)
            err = view_apply (v, &text);
        view_destroy (v);
        esp_alloc_fail_after (-1);
        CU_ASSERT_EQUAL (esp_alloc_live (), 0);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
    view_destroy (NULL);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a tree is walked in depth-first order", a_tree_is_walked_in_depth_first_order},
        {"paths that lead nowhere are refused", paths_that_lead_nowhere_are_refused},
        {"events set state and may come twice", events_set_state_and_may_come_twice},
        {"a text that is being made is shown until it is there",
         a_text_that_is_being_made_is_shown_until_it_is_there},
        {"a step that was never planned appears", a_step_that_was_never_planned_appears},
        {"a failed node is no longer in flight", a_failed_node_is_no_longer_in_flight},
        {"contradictions hang below the root and walks end",
         contradictions_hang_below_the_root_and_walks_end},
        {"problems are ordered, found, and dropped when finished",
         problems_are_ordered_found_and_dropped_when_finished},
        {"progress and commands are no nodes", progress_and_commands_are_no_nodes},
        {"long texts are cut at a character", long_texts_are_cut_at_a_character},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("view", cases);
}
