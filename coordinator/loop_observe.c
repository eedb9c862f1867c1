/* SPDX-License-Identifier: Apache-2.0 */
/* loop_observe.c - see loop_observe.h */

#include "coordinator/loop_observe.h"
#include <math.h>
#include "coordinator/loop_private.h"

enum {
    PAGE_PROBLEMS = 64
}; /* most problems in one page: each page walks the table of open problems once */

static void world_status (void *ctx, run_status *out)
{
    coordinator_status (ctx, out);
}

static esp_err world_command (void *ctx, problem_key key, const command *cmd, uint64_t *number)
{
    return coordinator_command (ctx, key, cmd, number);
}

static uint64_t world_durable (void *ctx)
{
    const coordinator *c = ctx;
    return journal_durable (c->journal);
}

static void world_stop (void *ctx)
{
    coordinator_stop (ctx, 2.0, "stopped by an observer");
}

/* ---- snapshots ---- */

struct telling {
    bool (*emit) (void *to, const event *e);
    void *to;
    uint64_t number;
    problem_key problem;
};

static bool tell (const struct telling *t, event e)
{
    e.number = t->number;
    e.problem = t->problem;
    return t->emit (t->to, &e);
}

static bool tell_text (const struct telling *t, const node *n, event e)
{
    e.kind = EVENT_TEXT;
    e.mark = n->finish;
    e.tokens = n->tokens;
    e.text = node_text (n);
    return tell (t, e);
}

static bool tell_verdict (const struct telling *t, const node *n, event e)
{
    e.kind = EVENT_VERIFIED;
    e.mark = n->verdict;
    e.value = n->extra ? n->extra->share : NAN;
    e.text = node_answer (n);
    return tell (t, e);
}

/* Everything about one node in the order in which it happens to a node. */
static bool tell_node (const struct telling *t, const search *s, node_ref ref)
{
    const node *n = search_node (s, ref);
    event e = {.node = ref, .parent = n->parent, .ordinal = n->ordinal, .value = NAN};
    if (ref == NODE_ROOT) {
        e.kind = EVENT_OPENED;
        e.text = search_problem (s)->id;
        return tell (t, e);
    }
    e.kind = EVENT_PLANNED;
    if (!tell (t, e))
        return false;
    if (n->state == NODE_GENERATED && !tell_text (t, n, e))
        return false;
    if (n->score_count > 0) {
        e.kind = EVENT_SCORED;
        e.value = n->score;
        if (!tell (t, e))
            return false;
    }
    if (n->verdict != VERDICT_NONE && !tell_verdict (t, n, e))
        return false;
    if (n->mark == MARK_OPEN)
        return true;
    e.kind = EVENT_MARK;
    e.mark = n->mark;
    e.value = n->score;
    e.text = span_of (search_mark_why (s, ref));
    return tell (t, e);
}

/* False: the page is full; *from is the node that was not told whole. */
static bool tell_search (const struct telling *t, const search *s, node_ref *from)
{
    for (uint32_t size = tree_size (search_tree (s)); *from < size; ++*from)
        if (!tell_node (t, s, *from))
            return false;
    return true;
}

/* The smallest keys of open problems from `from` on, in order; at most max. */
static size_t next_keys (const coordinator *c, problem_key from, problem_key *keys, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < c->open_cap; i++) {
        problem_key key = c->open[i].p ? c->open[i].p->key : 0;
        size_t at;
        if (!c->open[i].p || key < from || (n == max && key > keys[n - 1]))
            continue;
        for (at = n < max ? n++ : n - 1; at > 0 && keys[at - 1] > key; at--)
            keys[at] = keys[at - 1];
        keys[at] = key;
    }
    return n;
}

static bool world_snapshot (void *ctx, problem_key key, observe_cursor *at,
                            bool (*emit) (void *to, const event *e), void *to, uint64_t *number)
{
    const coordinator *c = ctx;
    struct telling t = {emit, to, c->inputs, 0};
    problem_key keys[PAGE_PROBLEMS + 1] = {key};
    size_t count = key == UINT64_MAX ? next_keys (c, at->problem, keys, PAGE_PROBLEMS + 1) : 1;
    *number = c->inputs;
    for (size_t i = 0; i < count; i++) {
        const search *s = coordinator_search (c, keys[i]);
        if (keys[i] != at->problem)
            *at = (observe_cursor){keys[i], NODE_ROOT};
        t.problem = keys[i];
        if (i == PAGE_PROBLEMS || (s && !tell_search (&t, s, &at->node)))
            return true;
    }
    return false;
}

void loop_observe_world (coordinator *c, journal *j, observe_world *out)
{
    (void)j; /* the coordinator was attached to it */
    *out =
        (observe_world){c, world_status, world_snapshot, world_command, world_durable, world_stop};
}
