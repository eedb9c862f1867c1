/* SPDX-License-Identifier: Apache-2.0 */
/* test_tree.c - what coordinator/search/tree.h promises */

#include "coordinator/search/tree.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "tests/support/suite.h"

enum { CHUNK_EDGE = 2032, MANY = 100000 }; /* nodes in the doubling chunks; see tree.c */

static tree *given_tree (void)
{
    tree *t = NULL;
    PASS (tree_create (42, &t));
    return t;
}

static node_ref given_child (tree *t, node_ref parent, const char *text)
{
    node_ref ref = NODE_NONE;
    PASS (tree_add (t, parent, &ref));
    node *n = tree_edit (t, ref);
    n->text = text;
    n->text_len = (uint32_t)strlen (text);
    n->state = NODE_GENERATED;
    n->tokens = 2;
    n->steps = 1;
    return ref;
}

static void give_scores (tree *t, node_ref ref, const double *scores, uint16_t count, uint16_t own)
{
    node *n = tree_edit (t, ref);
    if (count == 1)
        n->scores.one = scores[0];
    else
        n->scores.many = scores;
    n->score_count = count;
    n->score_own = own;
}

static bool name_is (const tree *t, node_ref ref, const char *name)
{
    esp_buf out = {0};
    PASS (tree_path_name (t, ref, &out));
    bool same = strcmp (esp_buf_text (&out), name) == 0;
    esp_buf_free (&out);
    return same;
}

static bool text_is (const tree *t, node_ref ref, const char *text)
{
    esp_buf out = {0};
    PASS (esp_buf_puts (&out, "> ")); /* it appends */
    PASS (tree_path_text (t, ref, &out));
    bool same = strcmp (esp_buf_text (&out) + 2, text) == 0;
    esp_buf_free (&out);
    return same;
}

static void bad_calls_change_nothing (void)
{
    FAILS (tree_create (1, NULL), ESP_EINVAL);
    tree_destroy (NULL);
}

static void a_new_tree_is_the_root_alone (void)
{
    tree *t = given_tree ();
    const node *root = tree_node (t, NODE_ROOT);
    CHECK (tree_size (t) == 1);
    CHECK (root->parent == NODE_NONE && root->first_child == NODE_NONE && root->depth == 0);
    CHECK (root->state == NODE_GENERATED && root->text_len == 0 && isnan (root->score));
    CHECK (name_is (t, NODE_ROOT, "") && text_is (t, NODE_ROOT, ""));
    CHECK (tree_path (t, NODE_ROOT, NULL, 0) == 0);
    CHECK (tree_path_scores (t, NODE_ROOT, NULL, 0) == 0);
    CHECK (tree_path_tokens (t, NODE_ROOT) == 0 && tree_path_steps (t, NODE_ROOT) == 0);
    CHECK (tree_bytes (t) > 0);
    tree_check (t);
    tree_destroy (t);
}

static void children_stand_in_planned_order_and_carry_their_ordinals (void)
{
    tree *t = given_tree ();
    node_ref a = given_child (t, NODE_ROOT, "a"), b = given_child (t, NODE_ROOT, "b");
    node_ref b0 = given_child (t, b, "c"), b1 = given_child (t, b, "d"),
             c = given_child (t, NODE_ROOT, "e");
    CHECK (tree_node (t, NODE_ROOT)->children == 3 && tree_node (t, b)->children == 2);
    CHECK (tree_node (t, NODE_ROOT)->first_child == a && tree_node (t, a)->next_sibling == b);
    CHECK (tree_node (t, b)->next_sibling == c && tree_node (t, c)->next_sibling == NODE_NONE);
    CHECK (name_is (t, b0, "1.0") && name_is (t, b1, "1.1") && name_is (t, c, "2"));
    CHECK (tree_node (t, b1)->depth == 2);
    tree_check (t);
    tree_destroy (t);
}

static void path_hashes_depend_on_the_root_and_the_ordinals_alone (void)
{
    tree *t = given_tree (), *u = given_tree (), *other = NULL;
    PASS (tree_create (43, &other));
    node_ref a = given_child (t, NODE_ROOT, "a"), aa = given_child (t, a, "b");
    (void)given_child (u, NODE_ROOT, "x");
    (void)given_child (u, NODE_ROOT, "y"); /* another number for the same path */
    node_ref ua = given_child (u, 1, "other text");
    node_ref o = given_child (other, NODE_ROOT, "a");
    CHECK (tree_node (t, aa)->path_hash == tree_node (u, ua)->path_hash);
    CHECK (tree_node (t, a)->path_hash != tree_node (other, o)->path_hash);
    CHECK (tree_node (t, a)->path_hash != tree_node (u, 2)->path_hash);
    tree_destroy (t);
    tree_destroy (u);
    tree_destroy (other);
}

static void a_path_is_its_texts_tokens_and_steps (void)
{
    tree *t = given_tree ();
    node_ref a = given_child (t, NODE_ROOT, "one\n\n"), b = given_child (t, a, ""),
             c = given_child (t, b, "two"), path[3];
    CHECK (text_is (t, c, "one\n\ntwo"));
    CHECK (tree_path (t, c, path, 3) == 3 && path[0] == a && path[1] == b && path[2] == c);
    path[1] = NODE_NONE;
    CHECK (tree_path (t, c, path, 1) == 3 && path[0] == a &&
           path[1] == NODE_NONE); /* the first ones fit */
    CHECK (tree_path_tokens (t, c) == 6 && tree_path_steps (t, c) == 3);
    tree_destroy (t);
}

static void a_draft_replaces_what_stands_above_it (void)
{
    tree *t = given_tree ();
    static const double one = 0.25, two = 0.5;
    node_ref a = given_child (t, NODE_ROOT, "old"), d = given_child (t, a, "new "),
             c = given_child (t, d, "more"), path[3];
    tree_edit (t, d)->draft = 1;
    give_scores (t, a, &one, 1, 1);
    give_scores (t, d, &two, 1, 1);
    CHECK (text_is (t, a, "old") && text_is (t, d, "new ") && text_is (t, c, "new more"));
    CHECK (tree_path (t, c, path, 3) == 2 && path[0] == d && path[1] == c);
    double scores[3];
    CHECK (tree_path_scores (t, c, scores, 3) == 1 && scores[0] == 0.5);
    CHECK (tree_path_tokens (t, c) == 4 && tree_path_steps (t, c) == 2);
    CHECK (tree_path_tokens (t, a) == 2 && tree_path_steps (t, d) == 1);
    CHECK (name_is (t, c, "0.0.0")); /* names are of the tree, not of the text */
    tree_destroy (t);
}

static void path_scores_take_lookahead_of_the_last_node_only (void)
{
    static const double first[3] = {0.1, 0.2, 0.9}, second[3] = {0.3, 0.8, 0.7};
    tree *t = given_tree ();
    node_ref a = given_child (t, NODE_ROOT, "a"), b = given_child (t, a, "b");
    double got[8] = {0};
    give_scores (t, a, first, 3, 2);
    give_scores (t, b, second, 3, 1);
    CHECK (tree_path_scores (t, a, got, 8) == 3 && got[2] == 0.9);
    CHECK (tree_path_scores (t, b, got, 8) == 5);
    CHECK (got[0] == 0.1 && got[1] == 0.2 && got[2] == 0.3 && got[3] == 0.8 && got[4] == 0.7);
    CHECK (node_last_score (tree_node (t, b)) == 0.7);
    CHECK (isnan (node_last_score (tree_node (t, NODE_ROOT))));
    got[1] = -1;
    CHECK (tree_path_scores (t, b, got, 1) == 5 && got[1] == -1);
    tree_destroy (t);
}

static void nodes_stay_where_they_are_over_every_chunk (void)
{
    tree *t = given_tree ();
    const node **seen = esp_calloc (MANY, sizeof (*seen));
    node_ref ref = NODE_ROOT;
    CHECK (seen != NULL);
    for (uint32_t i = 1; seen && i < MANY; i++) {
        PASS (tree_add (t, (i - 1) / 3, &ref)); /* a ternary tree */
        CU_ASSERT_EQUAL_FATAL (ref, i);
        seen[i] = tree_node (t, ref);
        if (i == CHUNK_EDGE - 1 || i == CHUNK_EDGE || i == CHUNK_EDGE + 1024)
            tree_check (t);
    }
    CHECK (tree_size (t) == MANY);
    for (uint32_t i = 1; seen && i < MANY; i++)
        CHECK (seen[i] == tree_node (t, i) && seen[i]->parent == (i - 1) / 3 &&
               seen[i]->ordinal == (i - 1) % 3);
    tree_check (t);
    esp_free (seen);
    tree_destroy (t);
}

static void a_branch_may_be_65535_deep_and_no_deeper (void)
{
    tree *t = given_tree ();
    node_ref ref = NODE_ROOT, untouched = 77;
    esp_buf name = {0};
    for (uint32_t i = 0; i < UINT16_MAX; i++)
        PASS (tree_add (t, ref, &ref));
    FAILS (tree_add (t, ref, &untouched), ESP_ETOOBIG);
    CHECK (untouched == 77 && tree_size (t) == UINT16_MAX + 1U &&
           tree_node (t, ref)->children == 0);
    PASS (tree_path_name (t, ref, &name));
    CHECK (name.len == 2 * UINT16_MAX - 1);
    esp_buf_free (&name);
    tree_destroy (t);
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 100; n++) {
        tree *t = NULL;
        node_ref ref = NODE_ROOT;
        esp_buf out = {0};
        esp_alloc_fail_after (n);
        err = tree_create (1, &t);
        for (int i = 0; err == ESP_OK && i < 5000; i++) {
            uint32_t before = tree_size (t);
            err = tree_add (t, ref, &ref);
            CU_ASSERT_EQUAL (tree_size (t), err == ESP_OK ? before + 1 : before);
        }
        if (err == ESP_OK)
            err = tree_path_name (t, ref, &out);
        esp_alloc_fail_after (-1);
        esp_buf_free (&out);
        if (t)
            tree_check (t);
        tree_destroy (t);
        CU_ASSERT_EQUAL (esp_alloc_live (), 0);
    }
    CHECK (err == ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls change nothing", bad_calls_change_nothing},
        {"a new tree is the root alone", a_new_tree_is_the_root_alone},
        {"children stand in planned order and carry their ordinals",
         children_stand_in_planned_order_and_carry_their_ordinals},
        {"path hashes depend on the root and the ordinals alone",
         path_hashes_depend_on_the_root_and_the_ordinals_alone},
        {"a path is its texts, tokens and steps", a_path_is_its_texts_tokens_and_steps},
        {"a draft replaces what stands above it", a_draft_replaces_what_stands_above_it},
        {"path scores take the lookahead of the last node only",
         path_scores_take_lookahead_of_the_last_node_only},
        {"nodes stay where they are over every chunk, 100,000 of them",
         nodes_stay_where_they_are_over_every_chunk},
        {"a branch may be 65,535 deep and no deeper", a_branch_may_be_65535_deep_and_no_deeper},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("tree", cases);
}
