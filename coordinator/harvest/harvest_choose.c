/* SPDX-License-Identifier: Apache-2.0 */
/* harvest_choose.c - which raw rows become samples: decided in problem-number order, verified rows first */

#include <stdlib.h>
#include "coordinator/harvest/harvest_private.h"
#include "proto/base/alloc.h"

const char *const harvest_left_names[LEFT_KINDS] = {"kept",          "evaluation set", "pass rate",
                                                    "equal content", "near-duplicate", "over want",
                                                    "balance"};

enum { QUARTERS = 4 };

/* Repeats of a problem stand together. */
static int by_problem (const void *a, const void *b)
{
    const raw_group *x = a, *y = b;
    uint64_t p = (uint64_t)problem_number (x->key) << 32 | problem_repeat (x->key),
             q = (uint64_t)problem_number (y->key) << 32 | problem_repeat (y->key);
    return (p > q) - (p < q);
}

static bool rate_fits (const raw_group *g, const sample_options *o)
{
    double rate = g->of ? (double)g->pass / g->of : 0;
    return g->of == 0 || (rate >= o->pass_low && rate <= o->pass_high);
}

static int quarter (const raw_group *g)
{
    uint64_t at = g->of ? (uint64_t)QUARTERS * g->pass / g->of : 0;
    return at < QUARTERS ? (int)at : QUARTERS - 1;
}

static enum harvest_left
look (const raw_table *t, const raw_group *g, uint32_t row, const sample_options *o, uint64_t kept)
{
    if ((t->marks[row] & ROW_EVAL) && !o->allow_eval)
        return LEFT_EVAL;
    if (!rate_fits (g, o))
        return LEFT_PASS_RATE;
    if (o->want > 0 && !(t->marks[row] & ROW_UNVERIFIED) && kept >= (uint64_t)o->want)
        return LEFT_WANT;
    if (!o->dedupe)
        return LEFT_KEPT;
    switch (dedupe_look (t->seen, row, NULL)) {
    case DEDUPE_EQUAL:
        return LEFT_EQUAL;
    case DEDUPE_NEAR:
        return LEFT_NEAR;
    default:
        dedupe_keep (t->seen, row);
        return LEFT_KEPT;
    }
}

static void choose_set (raw_table *t, const sample_options *o, unsigned set)
{
    uint64_t kept = 0;
    for (size_t i = 0; i < t->group_count; i++) {
        const raw_group *g = &t->groups[i];
        if (i == 0 || problem_number (g->key) != problem_number (t->groups[i - 1].key))
            kept = 0;
        for (uint32_t row = g->first; row < g->first + g->count; row++) {
            enum harvest_left why;
            if (!(t->marks[row] & ROW_UNVERIFIED) != (set == SAMPLE_VERIFIED))
                continue;
            why = look (t, g, row, o, kept);
            t->marks[row] = (uint8_t)((t->marks[row] & (ROW_UNVERIFIED | ROW_EVAL)) | why);
            kept += why == LEFT_KEPT;
        }
    }
}

static bool is_kept (const raw_table *t, uint32_t row)
{
    return (t->marks[row] & (ROW_LEFT | ROW_UNVERIFIED)) == LEFT_KEPT;
}

/* Of the verified ones. */
static void balance (raw_table *t, double times)
{
    uint64_t rows[QUARTERS] = {0}, least = 0, most;
    for (size_t i = 0; i < t->group_count; i++)
        for (uint32_t r = 0; r < t->groups[i].count; r++)
            rows[quarter (&t->groups[i])] += is_kept (t, t->groups[i].first + r);
    for (int q = 0; q < QUARTERS; q++)
        if (rows[q] > 0 && (least == 0 || rows[q] < least))
            least = rows[q];
    most = (uint64_t)(times * (double)least);
    for (int q = 0; q < QUARTERS; q++)
        rows[q] = 0;
    for (size_t i = 0; i < t->group_count; i++)
        for (uint32_t r = 0; r < t->groups[i].count; r++) {
            uint32_t row = t->groups[i].first + r;
            if (is_kept (t, row) && ++rows[quarter (&t->groups[i])] > most)
                t->marks[row] |= LEFT_BALANCE;
        }
}

void harvest_choose (raw_table *t, const sample_options *o, harvest_counts *counts)
{
    if (t->group_count > 0)
        qsort (t->groups, t->group_count, sizeof (*t->groups), by_problem);
    choose_set (t, o, SAMPLE_VERIFIED);
    choose_set (t, o, SAMPLE_UNVERIFIED);
    if (o->balance > 0)
        balance (t, o->balance);
    counts->raw = dedupe_count (t->seen);
    counts->problems = t->group_count;
    for (size_t row = 0; row < counts->raw; row++) {
        uint8_t mark = t->marks[row];
        bool unverified = mark & ROW_UNVERIFIED;
        counts->left[unverified ? SAMPLE_UNVERIFIED : SAMPLE_VERIFIED][mark & ROW_LEFT]++;
        counts->eval_kept += (mark & ROW_EVAL) && (mark & ROW_LEFT) == LEFT_KEPT;
    }
}

void raw_table_free (raw_table *t)
{
    dedupe_destroy (t->seen);
    esp_free (t->groups);
    esp_free (t->marks);
    *t = (raw_table){.seen = NULL};
}
