/* SPDX-License-Identifier: Apache-2.0 */
/* bench_tree.c - one search, driven directly: CPU of a simulation in a growing tree, bytes of a node
 *
 * Tasks are answered one after another with a short text and a score drawn from the task's seed.
 */

#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "cluster/cli/run_config.h"
#include "proto/base/alloc.h"
#include "proto/base/rng.h"
#include "tests/bench/bench.h"

enum { TEXT = 100 }; /* bytes of a step */

struct driver {
    run_config *config;
    search *search;
    effects effects;
    task *queue; /* owned; ring of pending tasks */
    size_t head, count, cap;
    uint64_t expansions, depth_sum, text_bytes;
    double eos; /* chance that a step ends the sequence */
};

static void must (esp_err err, const char *what)
{
    if (err != ESP_OK)
        bench_fail (what);
}

static void push (struct driver *d, const task *t)
{
    if (d->count == d->cap) {
        size_t old = d->cap;
        if (esp_grow (&d->queue, &d->cap, d->cap + 1, sizeof (*d->queue)) != 0)
            bench_fail ("out of memory");
        for (size_t i = 0; i < d->head && old > 0; i++) /* unroll the ring: the new half is free */
            d->queue[old + i] = d->queue[i];
    }
    d->queue[(d->head + d->count++) % d->cap] = *t;
}

static void apply (struct driver *d, const input *in)
{
    must (search_apply (d->search, in, &d->effects), "search_apply");
    for (size_t i = 0; i < d->effects.task_count; i++)
        push (d, &d->effects.tasks[i]);
}

static void start (struct driver *d, const char *search_yaml)
{
    const problem p = {.id = span_of ("p"), .json = span_of ("{\"problem\":\"p\"}")};
    const input open = {.kind = INPUT_OPEN};
    char yaml[512];
    esp_buf mistakes = {0};
    esp_error error = {0};
    snprintf (yaml, sizeof (yaml),
              "run: {output: x, seed: 1}\nproblems: {file: x}\nsearch: {%s}\n"
              "generator: {engine: \"null\"}\nprm: {engine: \"null\"}\nobserve: {enabled: false}\n",
              search_yaml);
    *d = (struct driver){.config = NULL};
    if (run_config_parse (span_of (yaml), NULL, 0, &d->config, &mistakes, &error) != ESP_OK)
        bench_fail (mistakes.len ? esp_buf_text (&mistakes) : error.text);
    must (search_create (&d->config->search, &p, &d->search), "search_create");
    apply (d, &open);
}

static void stop (struct driver *d)
{
    search_destroy (d->search);
    effects_free (&d->effects);
    esp_free (d->queue);
    run_config_destroy (d->config);
}

static void answer (struct driver *d)
{
    static char text[TEXT];
    input in = {.kind = INPUT_RESULT};
    result *r = &in.u.result;
    task t = d->queue[d->head];
    double score = esp_draw_unit (t.seed + 1, t.id.number);
    d->head = (d->head + 1) % d->cap;
    d->count--;
    *r = (result){.id = t.id, .logprob = NAN, .mean_logprob = -score, .share = NAN};
    if (t.kind == TASK_GENERATE) {
        memcpy (text, &t.id.number, sizeof (t.id.number)); /* no two texts are equal */
        r->text = span_make (text, TEXT);
        r->tokens = 25;
        r->steps = 1;
        r->finish = score < d->eos ? FINISH_EOS : FINISH_STOP;
        d->text_bytes += TEXT;
        d->expansions += t.ordinal == 0;
        d->depth_sum +=
            t.ordinal == 0 ? tree_node (search_tree (d->search), t.node)->depth + 1U : 0;
    } else {
        r->scores = &score;
        r->score_count = r->score_own = 1;
    }
    apply (d, &in);
}

static uint32_t size_of (const struct driver *d)
{
    return tree_size (search_tree (d->search));
}

static void grow_to (struct driver *d, uint32_t nodes)
{
    while (size_of (d) < nodes && d->count > 0)
        answer (d);
}

/* ---- mcts ---- */

struct cost {
    double us, depth; /* of a simulation */
};

/* From `nodes` on, over `more` nodes. */
static struct cost window (struct driver *d, uint32_t nodes, uint32_t more)
{
    uint64_t cpu, expansions, depth;
    grow_to (d, nodes);
    cpu = esp_thread_cpu_ns ();
    expansions = d->expansions;
    depth = d->depth_sum;
    grow_to (d, nodes + more);
    cpu = esp_thread_cpu_ns () - cpu;
    expansions = d->expansions - expansions;
    return (struct cost){(double)cpu / 1e3 / (double)expansions,
                         (double)(d->depth_sum - depth) / (double)expansions};
}

/* The first size is small: many trees make it measurable. */
static struct cost small_trees (const char *yaml, uint32_t nodes, int trees)
{
    struct cost sum = {0, 0};
    for (int i = 0; i < trees; i++) {
        struct driver d;
        struct cost c;
        start (&d, yaml);
        c = window (&d, nodes, nodes / 4);
        sum.us += c.us / trees;
        sum.depth += c.depth / trees;
        stop (&d);
    }
    return sum;
}

static void mcts_of (const char *selection, const uint32_t *sizes, int count)
{
    char yaml[256], name[128];
    struct driver d;
    struct cost first = {NAN, NAN};
    double worst = 0;
    snprintf (yaml, sizeof (yaml),
              "strategy: mcts, selection: %s, expand: 4, simulations: 0, max_steps: 60000",
              selection);
    start (&d, yaml);
    for (int i = 0; i < count; i++) {
        struct cost c =
            i == 0 ? small_trees (yaml, sizes[i], 20) : window (&d, sizes[i], sizes[i] / 20);
        if (i == 0)
            first = c;
        worst = fmax (worst, c.us / c.depth / (first.us / first.depth));
        snprintf (name, sizeof (name), "mcts_%s_simulation_at_%u", selection, sizes[i]);
        bench_value (name, c.us, "us");
        snprintf (name, sizeof (name), "mcts_%s_depth_at_%u", selection, sizes[i]);
        bench_value (name, c.depth, "levels");
    }
    snprintf (name, sizeof (name), "mcts_%s_growth_per_level", selection);
    bench_ratio (name, worst, false, 1.5, true);
    stop (&d);
}

void bench_mcts (const bench *b)
{
    static const uint32_t sizes[] = {1000, 100000, 1000000};
    mcts_of ("uct", sizes, b->quick ? 2 : 3);
    mcts_of ("uct_prior", sizes, b->quick ? 2 : 3);
    printf ("# beside it: treequest (StandardMCTS, Python) takes 220 us a simulation at 10^3 "
            "nodes, 205000 us at 10^5\n");
}

/* ---- memory ---- */

static double in_use (void)
{
    struct mallinfo2 m = mallinfo2 ();
    return (double)m.uordblks + (double)m.hblkhd;
}

/* All bytes of the search, less its texts and what there is for a search of one node, per node. */
static void memory_of (const char *name, const char *yaml, uint32_t nodes, double eos)
{
    char line[96];
    struct driver d, empty;
    double before, bytes, base;
    start (&empty, "strategy: best_of_n, n: 1");
    before = in_use ();
    start (&d, yaml);
    d.eos = eos;
    grow_to (&d, nodes);
    while (d.count > 0 && strncmp (name, "mcts", 4) != 0) /* mcts goes on for ever */
        answer (&d);
    bytes = in_use () - before - (double)d.text_bytes - (double)(d.cap * sizeof (*d.queue)) -
            (double)(d.effects.task_cap * sizeof (task));
    base = (double)tree_bytes (search_tree (empty.search));
    snprintf (line, sizeof (line), "memory_%s_nodes", name);
    bench_value (line, size_of (&d), "nodes");
    snprintf (line, sizeof (line), "memory_%s_per_node", name);
    bench_ratio (line, (bytes - base) / size_of (&d), false, 128,
                 before > 0); /* a sanitizer's heap tells nothing */
    stop (&d);
    stop (&empty);
}

void bench_memory (const bench *b)
{
    uint32_t n = b->quick ? 100000 : 500000;
    char yaml[128];
    bench_value ("memory_node_struct", sizeof (node), "bytes");
    memory_of ("mcts_uct",
               "strategy: mcts, selection: uct, expand: 4, simulations: 0, max_steps: 60000", n,
               0.0);
    memory_of ("mcts_puct",
               "strategy: mcts, selection: puct, expand: 4, simulations: 0, max_steps: 40", n,
               0.02);
    snprintf (yaml, sizeof (yaml), "strategy: best_of_n, n: %u", n);
    memory_of ("best_of_n", yaml, n, 1.0);
    snprintf (yaml, sizeof (yaml), "strategy: beam, keep: %u, expand: 4, max_steps: 40", n / 160);
    memory_of ("beam", yaml, n, 0.0);
}
