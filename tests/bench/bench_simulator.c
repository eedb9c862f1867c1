/* SPDX-License-Identifier: Apache-2.0 */
/* bench_simulator.c - how near a run comes to the best possible wall time
 *
 * Beam search in the simulator, step times drawn from a log-normal.  No schedule ends before
 *
 *     bound = max (work / slots, longest chain of joins)
 *
 * a chain being, level by level of one problem, its slowest child with its score.  Lock-step runs the same tasks with a
 * barrier over all problems after every level's steps and after its scores, as systems do that call the server
 * once per level.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/bench/bench.h"
#include "tests/sim/sim.h"

enum {
    SLOTS = 64,
    WORKERS = 4,
    MAX_STEPS = 40,
    SEEDS = 30,
    MOST_LEVELS = MAX_STEPS + 1,
    MOST_PROBLEMS = 128
};

struct done {               /* one task */
    uint32_t problem, node; /* the child that was made, or the node that was scored */
    int level;
    bool generated;
    double start, end;
};

struct log {
    struct done *tasks; /* owned */
    size_t count, cap;
};

static void note (void *ctx, const task *t, uint64_t start_ns, uint64_t end_ns)
{
    struct log *l = ctx;
    bool made = t->kind == TASK_GENERATE;
    if (l->count == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 4096;
        if (!(l->tasks = realloc (l->tasks, l->cap * sizeof (*l->tasks))))
            bench_fail ("out of memory");
    }
    l->tasks[l->count++] = (struct done){.problem = problem_number (t->id.problem),
                                         .node = made ? t->child : t->node,
                                         .level = MAX_STEPS - (int)t->chain - !made,
                                         .generated = made,
                                         .start = (double)start_ns / 1e9,
                                         .end = (double)end_ns / 1e9};
}

static int by_level (const void *a, const void *b)
{
    const struct done *x = a, *y = b;
    if (x->level != y->level)
        return x->level - y->level;
    if (x->generated != y->generated)
        return y->generated - x->generated; /* steps, then scores */
    if (x->problem != y->problem)
        return x->problem < y->problem ? -1 : 1;
    return (x->node > y->node) - (x->node < y->node);
}

/* ---- figures ---- */

/* A virtual worker's slots serve steps and scores alike. */
static double work_of (const struct log *l)
{
    double sum = 0;
    for (size_t i = 0; i < l->count; i++)
        sum += l->tasks[i].end - l->tasks[i].start;
    return sum;
}

/* Sorted: the steps of a level stand together, its scores behind them, both by problem and node. */
static double longest_chain (const struct log *l)
{
    double chain[MOST_PROBLEMS] = {0}, longest = 0;
    for (uint32_t p = 0; p < MOST_PROBLEMS; p++) {
        double slowest[MOST_LEVELS] = {0};
        for (size_t i = 0; i < l->count; i++) {
            const struct done *made = &l->tasks[i];
            double took = made->end - made->start;
            if (made->problem != p || !made->generated)
                continue;
            for (size_t k = i + 1; k < l->count && l->tasks[k].level == made->level; k++)
                if (!l->tasks[k].generated && l->tasks[k].problem == p &&
                    l->tasks[k].node == made->node) {
                    took += l->tasks[k].end - l->tasks[k].start;
                    break;
                }
            slowest[made->level] = fmax (slowest[made->level], took);
        }
        for (int level = 0; level < MOST_LEVELS; level++)
            chain[p] += slowest[level];
        longest = fmax (longest, chain[p]);
    }
    return longest;
}

/* Greedy over the slots, a barrier after each level's steps and after its scores. */
static double lock_step (const struct log *l)
{
    double free_at[SLOTS] = {0}, now = 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct done *d = &l->tasks[i];
        int slot = 0;
        if (i > 0 && (d->level != d[-1].level || d->generated != d[-1].generated)) {
            for (int s = 0; s < SLOTS; s++)
                now = fmax (now, free_at[s]);
            for (int s = 0; s < SLOTS; s++)
                free_at[s] = now;
        }
        for (int s = 1; s < SLOTS; s++)
            if (free_at[s] < free_at[slot])
                slot = s;
        free_at[slot] += d->end - d->start;
    }
    for (int s = 0; s < SLOTS; s++)
        now = fmax (now, free_at[s]);
    return now;
}

/* Share of the slots that work between the first start and 0.95 of the wall time. */
static double busy_until_the_tail (const struct log *l, double wall)
{
    double until = 0.95 * wall, from = wall, sum = 0;
    for (size_t i = 0; i < l->count; i++)
        from = fmin (from, l->tasks[i].start);
    for (size_t i = 0; i < l->count; i++)
        if (l->tasks[i].start < until)
            sum += fmin (l->tasks[i].end, until) - l->tasks[i].start;
    return sum / (SLOTS * (until - from));
}

/* ---- runs ---- */

static double run (const bench *b, uint32_t problems, uint64_t seed, struct log *l)
{
    char path[512], yaml[1024], output[300];
    sim_faults f = {.seed = seed,
                    .workers = WORKERS,
                    .median_s = 1,
                    .sigma = 0.7,
                    .credits = SLOTS / WORKERS,
                    .did = note,
                    .did_ctx = l};
    sim_outcome out;
    bench_problems (b, problems, path);
    snprintf (output, sizeof (output), "%s/out", b->folder);
    bench_command (NULL, 0, "rm -rf '%s'; mkdir '%s'", output, output);
    snprintf (
        yaml, sizeof (yaml),
        "run: {output: unused, seed: %llu}\nproblems: {file: %s}\n"
        "search: {strategy: beam, keep: 16, expand: 4, max_steps: %d}\n"
        "generator: {engine: fake, min_depth: 4, max_depth: 12, p_eos: 0.1}\nprm: {engine: fake}\n"
        "journal: {sync: false}\nobserve: {enabled: false}\n",
        (unsigned long long)seed, path, MAX_STEPS);
    l->count = 0;
    if (sim_run (yaml, output, &f, &out) != 0)
        bench_fail ("the simulator failed");
    qsort (l->tasks, l->count, sizeof (*l->tasks), by_level);
    return out.seconds;
}

void bench_simulator (const bench *b)
{
    struct log l = {NULL, 0, 0};
    int seeds = b->quick ? 3 : SEEDS;
    double reached = 0, lock = 0, worst = 1, wall, busy = 0;
    for (int i = 0; i < seeds; i++) {
        double bound;
        wall = run (b, 16, (uint64_t)i + 1, &l);
        bound = fmax (work_of (&l) / SLOTS, longest_chain (&l));
        reached += bound / wall / seeds;
        lock += bound / lock_step (&l) / seeds;
        worst = fmin (worst, bound / wall);
    }
    bench_value ("simulator_worst_seed_bound_by_wall", worst, "1");
    bench_value ("simulator_lock_step_bound_by_wall", lock, "1");
    bench_ratio ("simulator_bound_by_wall", reached, true, 0.85, true);
    for (int i = 0; i < (seeds + 9) / 10; i++) {
        wall = run (b, 100, (uint64_t)i + 101, &l);
        busy += busy_until_the_tail (&l, wall) / ((seeds + 9) / 10);
    }
    bench_ratio ("simulator_busy_with_100_problems", busy, true, 0.98, true);
    free (l.tasks);
}
