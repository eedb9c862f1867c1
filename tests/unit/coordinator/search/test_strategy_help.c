/* SPDX-License-Identifier: Apache-2.0 */
/* test_strategy_help.c - what coordinator/search/strategy_help.h promises */

#include "coordinator/search/strategy_help.h"
#include "tests/unit/coordinator/search/probe.h"

static bool order_is (const uint32_t *order, const uint32_t *want, size_t n)
{
    return memcmp (order, want, n * sizeof (*want)) == 0;
}

static void sorts_are_stable_and_know_nan (void)
{
    const double v[] = {0.5, NAN, 0.25, 0.5, 1.0, 0.25, NAN};
    uint32_t order[7];
    order_descending (v, 7, order);
    CHECK (order_is (order, (uint32_t[]){4, 0, 3, 2, 5, 1, 6}, 7));
    order_ascending (v, 7, order);
    CHECK (order_is (order, (uint32_t[]){1, 6, 2, 5, 0, 3, 4}, 7));
    order[0] = 77;
    order_descending (v, 0, order);
    CHECK (order[0] == 77);
}

static void sorts_of_many_are_sorted (void)
{
    double v[500];
    uint32_t order[500];
    for (uint64_t run = 0; run < 50; run++) {
        for (uint64_t i = 0; i < 500; i++)
            v[i] = esp_draw_below (run, i, 40);
        order_descending (v, 500, order);
        for (size_t i = 1; i < 500; i++)
            CHECK (v[order[i - 1]] > v[order[i]] ||
                   (v[order[i - 1]] == v[order[i]] && order[i - 1] < order[i]));
    }
}

/* An opened search with two children of the root, texts given. */
static void given_two (world *w, const char *first, const char *second, enum node_finish finish)
{
    world_open (w);
    result r = {.id = w->queue[0].id,
                .text = span_of (first),
                .tokens = 1,
                .steps = 1,
                .finish = (uint8_t)finish};
    world_send (w, &r);
    r.id = w->queue[0].id;
    r.text = span_of (second);
    world_send (w, &r);
}

static void equal_texts_have_equal_hashes_wherever_they_stand (void)
{
    probe p = {.joins = 1, .asks = 2, .like = {.mode = ASK_STEP}};
    world w = given_probe (&p);
    uint64_t a, b;
    given_two (&w, "same\n\n", "same\n\n", FINISH_STOP);
    PASS (path_text_hash (w.s, p.seen[0].items[0].node, &a));
    PASS (path_text_hash (w.s, p.seen[0].items[1].node, &b));
    CHECK (a == b);
    PASS (path_text_hash (w.s, NODE_ROOT, &b));
    CHECK (a != b);
    esp_alloc_fail_after (0);
    FAILS (path_text_hash (w.s, p.seen[0].items[0].node, &a), ESP_ENOMEM);
    esp_alloc_fail_after (-1);
    world_close (&w);
}

static void items_are_open_ended_or_neither (void)
{
    probe p = {.joins = 1, .asks = 2, .like = {.mode = ASK_STEP}};
    world w = given_probe (&p);
    given_two (&w, "step\n\n", "", FINISH_STOP);
    item open = p.seen[0].items[0], empty = p.seen[0].items[1];
    CHECK (item_open (w.s, &open) && !item_ended (w.s, &open));
    CHECK (!item_open (w.s, &empty) && item_ended (w.s, &empty)); /* nothing new: it cannot go on */
    open.failed = empty.failed = true;
    CHECK (!item_open (w.s, &open) && !item_ended (w.s, &empty));
    open.failed = empty.failed = false;
    open.dropped = empty.dropped = true;
    CHECK (!item_open (w.s, &open) && !item_ended (w.s, &empty));
    world_close (&w);
    p = (probe){.joins = 1, .asks = 2, .like = {.mode = ASK_STEP}};
    w = given_probe (&p);
    given_two (&w, "answer", "answer", FINISH_EOS);
    CHECK (!item_open (w.s, &p.seen[0].items[0]) && item_ended (w.s, &p.seen[0].items[0]));
    world_close (&w);
}

static void a_list_grows_and_copies_what_fits (void)
{
    probe p = {.joins = 1, .asks = 1, .like = {.mode = ASK_STEP}};
    world w = given_probe (&p);
    node_list list = {0};
    node_ref out[3] = {9, 9, 9};
    world_open (&w);
    CHECK (node_list_copy (&list, out, 3) == 0 && out[0] == 9);
    for (node_ref i = 0; i < 100; i++)
        PASS (node_list_add (w.s, &list, i));
    CHECK (list.count == 100 && list.at[99] == 99 && list.at[17] == 17);
    CHECK (node_list_copy (&list, out, 2) == 100 && out[1] == 1 && out[2] == 9);
    CHECK (node_list_copy (&list, NULL, 0) == 100);
    world_close (&w);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"sorts are stable and know NaN", sorts_are_stable_and_know_nan},
        {"sorts of many are sorted", sorts_of_many_are_sorted},
        {"equal texts have equal hashes wherever they stand",
         equal_texts_have_equal_hashes_wherever_they_stand},
        {"items are open, ended or neither", items_are_open_ended_or_neither},
        {"a list grows and copies what fits", a_list_grows_and_copies_what_fits},
        {NULL, NULL},
    };
    return suite_main ("strategy help", cases);
}
