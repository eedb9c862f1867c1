/* SPDX-License-Identifier: Apache-2.0 */
/* test_loop_observe.c - snapshots of a coordinator's open searches (coordinator/loop_observe.h) */

#include "coordinator/loop_observe.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "coordinator/loop_private.h"
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

enum { SEARCHES = 200, TABLE = 1024, BIG = 150, BIG_NODES = 500 };

typedef struct given {
    coordinator c;
    search_setup setup;
    struct open_slot table[TABLE];
    open_problem open[SEARCHES];
} given;

static problem_key key_of (size_t i) /* 3 repeats, numbers with holes */
{
    return problem_key_make ((uint32_t)(i % 3), (uint32_t)(7 * i));
}

static void grow (tree *t, node_ref parent, uint32_t i)
{
    node_ref ref = NODE_NONE;
    node *n;
    PASS (tree_add (t, parent, &ref));
    n = tree_edit (t, ref);
    if (i % 4 == 0)
        return; /* planned only */
    n->state = NODE_GENERATED;
    n->text = "a step";
    n->text_len = 6;
    n->tokens = i;
    n->finish = i % 3 ? FINISH_STOP : FINISH_EOS;
    if (i % 4 == 1)
        return;
    n->score_count = n->score_own = 1;
    n->scores.one = n->score = i / 1000.0;
    n->verdict = i % 5 == 0 ? VERDICT_PASS : VERDICT_NONE;
    n->mark = i % 4 == 2 ? MARK_KEPT : MARK_PRUNED;
}

static void given_searches (given *g)
{
    memset (g, 0, sizeof (*g));
    g->setup.strategy = strategy_at (0);
    g->setup.strategy_options = esp_calloc (1, g->setup.strategy->option_bytes + 1);
    g->c.open = g->table;
    g->c.open_cap = TABLE;
    g->c.inputs = 4321;
    for (size_t i = 0; i < SEARCHES; i++) {
        open_problem *p = &g->open[i];
        char id[32];
        problem row = {.key = key_of (i),
                       .id = span_make (id, (size_t)snprintf (id, sizeof (id), "p%zu", i)),
                       .json = span_of ("{}")};
        p->key = row.key;
        PASS (search_create (&g->setup, &row, &p->search));
        place_open (g->table, TABLE, p);
        for (uint32_t n = 1; n < (i == BIG ? BIG_NODES : 3); n++)
            grow ((tree *)(uintptr_t)search_tree (p->search), n / 2, n);
    }
    g->c.open_count = SEARCHES;
}

static void end (given *g)
{
    for (size_t i = 0; i < SEARCHES; i++)
        search_destroy (g->open[i].search);
    esp_free ((void *)(uintptr_t)g->setup.strategy_options);
}

typedef struct pages {
    size_t limit, in_page, pages, events, opened, planned, text, scored, verified, marked;
    problem_key last;
    node_ref last_node;
    bool ordered;
} pages;

static bool take (void *to, const event *e)
{
    pages *p = to;
    if (p->in_page == p->limit)
        return false;
    p->in_page++;
    p->events++;
    if (e->problem < p->last ||
        (e->problem == p->last && e->node != NODE_ROOT && e->node < p->last_node))
        p->ordered = false;
    p->last = e->problem;
    p->last_node = e->node;
    p->opened += e->kind == EVENT_OPENED;
    p->planned += e->kind == EVENT_PLANNED;
    p->text += e->kind == EVENT_TEXT;
    p->scored += e->kind == EVENT_SCORED && !isnan (e->value);
    p->verified += e->kind == EVENT_VERIFIED && e->mark == VERDICT_PASS;
    p->marked += e->kind == EVENT_MARK;
    return true;
}

static pages all_pages (given *g, problem_key key, size_t limit)
{
    pages p = {.limit = limit, .ordered = true};
    observe_world world;
    observe_cursor at = {0, 0};
    uint64_t number = 0;
    bool more = true;
    loop_observe_world (&g->c, NULL, &world);
    for (; more && p.pages < 5000; p.pages++) {
        p.in_page = 0;
        more = world.snapshot (world.ctx, key, &at, take, &p, &number);
        CU_ASSERT_EQUAL (number, 4321);
    }
    return p;
}

static void one_problem_is_told_whole (void)
{
    static given g;
    pages p;
    given_searches (&g);
    p = all_pages (&g, key_of (BIG), SIZE_MAX);
    CHECK (p.pages == 1 && p.ordered && p.opened == 1 && p.planned == BIG_NODES - 1);
    CHECK (p.text == BIG_NODES - 1 - 124 && p.scored == 250 && p.marked == 250);
    CU_ASSERT_EQUAL (p.verified, 50);
    end (&g);
}

static void pages_tell_everything_in_order_whatever_their_size (void)
{
    static given g;
    given_searches (&g);
    for (size_t limit = 6; limit < 4000; limit = limit * 2 + 1) { /* 5 events a node at most */
        pages p = all_pages (&g, UINT64_MAX, limit);
        CHECK (p.ordered && p.pages > SEARCHES / 65);
        CHECK (p.opened >= SEARCHES && p.planned >= BIG_NODES - 1 + 2 * (SEARCHES - 1));
        if (limit > 3000) { /* pages end with problems: nothing is told twice */
            CHECK (p.opened == SEARCHES && p.planned == BIG_NODES - 1 + 2 * (SEARCHES - 1));
        }
    }
    end (&g);
}

static void a_problem_that_is_not_open_gives_nothing (void)
{
    static given g;
    pages p;
    given_searches (&g);
    p = all_pages (&g, 12345678, 100);
    CHECK (p.pages == 1 && p.events == 0);
    end (&g);
}

static void a_cursor_behind_everything_ends_the_snapshot (void)
{
    static given g;
    pages p = {.limit = 100};
    observe_world world;
    observe_cursor at = {UINT64_MAX - 1, 77}, wild = {key_of (0), NODE_NONE - 1};
    uint64_t number = 0;
    given_searches (&g);
    loop_observe_world (&g.c, NULL, &world);
    CHECK (!world.snapshot (world.ctx, UINT64_MAX, &at, take, &p, &number) && p.events == 0);
    CHECK (!world.snapshot (world.ctx, key_of (0), &wild, take, &p, &number) && p.events == 0);
    end (&g);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"one problem is told whole", one_problem_is_told_whole},
        {"pages tell everything in order, whatever their size",
         pages_tell_everything_in_order_whatever_their_size},
        {"a problem that is not open gives nothing", a_problem_that_is_not_open_gives_nothing},
        {"a cursor behind everything ends the snapshot",
         a_cursor_behind_everything_ends_the_snapshot},
        {NULL, NULL},
    };
    return suite_main ("loop_observe", cases);
}
