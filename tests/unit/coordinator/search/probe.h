/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_COORDINATOR_SEARCH_PROBE_H
#define ESP_TESTS_UNIT_COORDINATOR_SEARCH_PROBE_H

/* probe.h - a strategy that does what a test says and writes down what it is told
 *
 * The strategy's options are a struct probe; the test owns it and looks into it afterwards.
 */

#include "tests/unit/coordinator/search/world.h"

enum { PROBE_JOINS = 64, PROBE_ITEMS = 32 };

typedef struct probe_seen {
    join_id id;
    uint32_t lane;
    size_t n;
    item items[PROBE_ITEMS];
    budget left; /* of the lane, after the join was settled */
} probe_seen;

typedef struct probe {
    uint32_t lanes; /* 0 = 1 */
    size_t joins;   /* opened per lane by open() */
    size_t asks;    /* in each */
    ask like;
    size_t rounds;     /* joins per lane that follow a delivered one (from its first item) */
    size_t more;       /* joins that more() opens per lane */
    uint64_t enough;   /* enough() when this many items were generated; 0 = never */
    bool drop_second;  /* joined() of the first join drops the second */
    bool finish_first; /* joined() of the first join ends the problem */
    bool adopt;        /* open() adopts a node and asks below it */
    bool draw;         /* joined() draws */
    const char *wrong; /* open() hands back ESP_ETOOBIG when set */
    /* what happened */
    join_id opened[PROBE_JOINS];
    size_t opened_count;
    probe_seen seen[PROBE_JOINS];
    size_t seen_count;
    double drawn[PROBE_JOINS];
    esp_err refused;
    command last_command;
    node_ref adopted;
} probe;

static inline probe *probe_of (const search *s)
{
    return (probe *)search_strategy_options (s);
}

static inline esp_err probe_join (search *s, uint32_t lane, node_ref from)
{
    probe *p = probe_of (s);
    ask asks[PROBE_ITEMS];
    join_id id;
    esp_err err;
    for (size_t i = 0; i < p->asks; i++) {
        asks[i] = p->like;
        asks[i].from = from;
        asks[i].tag = 100 + i;
    }
    if ((err = search_join (s, lane, asks, p->asks, &id)) == ESP_OK)
        p->opened[p->opened_count++ % PROBE_JOINS] = id;
    else
        p->refused = err;
    return err;
}

static inline esp_err probe_open (search *s, void *me)
{
    probe *p = probe_of (s);
    node_ref from = NODE_ROOT;
    esp_err err = ESP_OK;
    (void)me;
    if (p->wrong)
        return ESP_ETOOBIG;
    if (p->lanes > 1)
        err = search_lanes (s, p->lanes);
    if (err == ESP_OK && p->adopt) {
        err = search_adopt (s, NODE_ROOT, span_of ("given\n\n"), FINISH_STOP, SOURCE_GIVEN, &from);
        if (err == ESP_OK)
            err = search_adopt_scores (s, from, (double[]){0.5}, 1);
        p->adopted = from;
    }
    for (size_t j = 0; j < p->joins && err == ESP_OK; j++)
        for (uint32_t l = 0; l < search_lane_count (s) && err == ESP_OK; l++)
            err = probe_join (s, l, from);
    return err;
}

static inline esp_err probe_more (search *s, void *me, uint32_t lane)
{
    probe *p = probe_of (s);
    size_t *asked = me; /* one lane only */
    esp_err err;
    if (*asked == p->more)
        return ESP_EEMPTY;
    if ((err = probe_join (s, lane, NODE_ROOT)) == ESP_OK)
        ++*asked;
    return err;
}

static inline bool probe_enough (const search *s, const void *me, const item *items, size_t n)
{
    const probe *p = probe_of (s);
    uint64_t good = 0;
    (void)me;
    for (size_t i = 0; i < n; i++)
        good += items[i].generated;
    return p->enough && good >= p->enough;
}

static inline esp_err probe_joined (search *s, void *me, join_id id, const item *items, size_t n)
{
    probe *p = probe_of (s);
    probe_seen *seen = &p->seen[p->seen_count++ % PROBE_JOINS];
    size_t before = 0;
    (void)me;
    *seen = (probe_seen){.id = id, .lane = search_join_lane (s, id), .n = n};
    seen->left = search_left (s, seen->lane);
    memcpy (seen->items, items, n * sizeof (*items));
    for (size_t i = 0; i < p->seen_count && i < PROBE_JOINS; i++)
        before += p->seen[i].lane == seen->lane;
    if (p->draw)
        p->drawn[(p->seen_count - 1) % PROBE_JOINS] = search_draw (s, seen->lane);
    if (p->drop_second && p->seen_count == 1)
        search_drop (s, p->opened[1]);
    if (p->finish_first && p->seen_count == 1)
        search_finish (s, REASON_ANSWERED);
    if (before <= p->rounds && items[0].generated && !items[0].dropped)
        return probe_join (s, seen->lane, items[0].node);
    return ESP_OK;
}

static inline esp_err probe_command (search *s, void *me, const command *c)
{
    (void)me;
    probe_of (s)->last_command = *c;
    return ESP_OK;
}

static inline size_t
probe_ended_below (const search *s, node_ref top, size_t count, node_ref *out, size_t max)
{
    for (node_ref c = search_node (s, top)->first_child; c != NODE_NONE;
         c = search_node (s, c)->next_sibling) {
        if (search_node (s, c)->state == NODE_GENERATED &&
            search_node (s, c)->finish == FINISH_EOS && count++ < max)
            out[count - 1] = c;
        count = probe_ended_below (s, c, count, out, max);
    }
    return count;
}

/* Every node that ended, in the order of the tree: node numbers of several lanes depend on time. */
static inline size_t probe_answers (const search *s, const void *me, node_ref *out, size_t max)
{
    (void)me;
    return probe_ended_below (s, NODE_ROOT, 0, out, max);
}

static const strategy probe_strategy = {
    .name = "probe",
    .semantics = 1,
    .paper = "a test",
    .state_bytes = sizeof (size_t),
    .open = probe_open,
    .more = probe_more,
    .enough = probe_enough,
    .joined = probe_joined,
    .command = probe_command,
    .answers = probe_answers,
};

static inline world given_probe (const probe *p)
{
    search_setup setup = given_setup (&probe_strategy, p);
    return given_world (&setup);
}

#endif
