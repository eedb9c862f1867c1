/* SPDX-License-Identifier: Apache-2.0 */
/* bench_labels.c - Math-Shepherd labels for 100 puzzles: what sharing and early stop save, and what it does to the labels
 *
 * Plain k per step (share: false, early_stop: false) and the strategy as it is work on the same solutions with the same rollouts: the
 * n-th completion of a text is the same whoever asks, for its seed is made of the text and n.  The embedded engine
 * generates, the puzzle verifier judges.
 *
 * A step has a label of plain when one of its k completions passes, or when all fail and nothing else that plain generated goes through the
 * step and passes (else its own k contradict what is known: "contradicted").
 */

#include <stdio.h>
#include <string.h>
#include "cluster/cli/run_config.h"
#include "coordinator/sink/label.h"
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/base/hash.h"
#include "tests/bench/bench.h"
#include "worker/engine/engine.h"

enum { PUZZLES = 100, SOLUTIONS = 8, NODES_MOST = 1 << 16, PATH_MOST = 64 };

#define PUZZLE_FILE BENCH_SOURCE "/cluster/recipes/demo/puzzles.jsonl"

struct pass {   /* a text that passed */
    char *text; /* owned */
    struct pass *next;
};

struct herd { /* one search and who answers it */
    run_config *config;
    search *search;
    effects effects;
    task *queue; /* owned */
    size_t first, count, cap;
    void *generator, *verifier; /* engines */
    uint32_t *asked;            /* owned: completions so far, by node */
    span json;
};

struct sums {
    uint64_t generations, steps, decided, good, bad, equal, differ, plain_decided, contradicted;
};

static void must (esp_err err, const char *what)
{
    if (err != ESP_OK)
        bench_fail (what);
}

/* ---- one search ---- */

static void apply (struct herd *h, const input *in)
{
    must (search_apply (h->search, in, &h->effects), "search_apply");
    if (esp_grow (&h->queue, &h->cap, h->count + h->effects.task_count + 1, sizeof (*h->queue)) !=
        0)
        bench_fail ("out of memory");
    for (size_t i = 0; i < h->effects.task_count; i++)
        h->queue[h->count++] = h->effects.tasks[i];
}

static void take (void *ctx, const job *j, const result *r)
{
    struct herd *h = ctx;
    input in = {.kind = INPUT_RESULT};
    (void)j;
    in.u.result = *r;
    apply (h, &in);
}

static void *open_engine (struct herd *h, const char *name, unsigned role)
{
    const esp_clock clock = esp_clock_monotonic ();
    engine_setup setup = {.role = role, .done = take, .ctx = h, .clock = &clock};
    esp_error error = {0};
    void *state = NULL;
    setup.kind = engine_find (name, role);
    if (!setup.kind || setup.kind->open (&setup, &state, &error) != ESP_OK)
        bench_fail (error.text);
    return state;
}

static void start_job (struct herd *h, const task *t)
{
    node_ref path[PATH_MOST];
    span steps[PATH_MOST];
    esp_buf text = {0};
    job j = {.task = *t, .problem = h->json, .steps = steps};
    const job *jobs[1] = {&j};
    size_t n = tree_path (search_tree (h->search), t->node, path, PATH_MOST);
    for (size_t i = 0; i < n && i < PATH_MOST; i++)
        steps[j.step_count++] = node_text (search_node (h->search, path[i]));
    if (t->kind == TASK_GENERATE) {
        must (tree_path_text (search_tree (h->search), t->node, &text), "out of memory");
        j.task.seed = (uint32_t)esp_hash64 (text.data, text.len, h->asked[t->node]++) & 0x7fffffff;
        esp_buf_free (&text);
        engine_find ("embedded", ENGINE_GENERATOR)->start (h->generator, jobs, 1);
    } else
        engine_find ("puzzle", ENGINE_VERIFIER)->start (h->verifier, jobs, 1);
}

static void play (struct herd *h, const char *how, uint32_t number, span json)
{
    const problem p = {.key = problem_key_make (0, number), .id = span_of ("p"), .json = json};
    const input open = {.kind = INPUT_OPEN};
    esp_buf mistakes = {0};
    esp_error error = {0};
    char yaml[512];
    snprintf (
        yaml, sizeof (yaml),
        "run: {output: x, seed: 42}\nproblems: {file: x}\nsearch: {strategy: math_shepherd, "
        "solutions: %d, completions: 8, %s}\ngenerator: {engine: embedded, temperature: 1.0}\n"
        "verifier: {kind: puzzle}\nstep: {separator: \"\\n\"}\nobserve: {enabled: false}\n",
        SOLUTIONS, how);
    *h = (struct herd){.json = json, .asked = esp_calloc (NODES_MOST, sizeof (uint32_t))};
    if (run_config_parse (span_of (yaml), NULL, 0, &h->config, &mistakes, &error) != ESP_OK)
        bench_fail (mistakes.len ? esp_buf_text (&mistakes) : error.text);
    h->generator = open_engine (h, "embedded", ENGINE_GENERATOR);
    h->verifier = open_engine (h, "puzzle", ENGINE_VERIFIER);
    must (search_create (&h->config->search, &p, &h->search), "search_create");
    apply (h, &open);
    while (h->first < h->count) {
        task t = h->queue[h->first++];
        if (search_wants (h->search, t.id.number))
            start_job (h, &t);
    }
    if (!search_finished (h->search) || tree_size (search_tree (h->search)) > NODES_MOST)
        bench_fail ("a search did not end");
}

static void leave (struct herd *h)
{
    engine_find ("embedded", ENGINE_GENERATOR)->close (h->generator);
    engine_find ("puzzle", ENGINE_VERIFIER)->close (h->verifier);
    search_destroy (h->search);
    effects_free (&h->effects);
    run_config_destroy (h->config);
    esp_free (h->queue);
    esp_free (h->asked);
}

/* ---- labels ---- */

static struct pass *passes_of (const struct herd *h)
{
    struct pass *all = NULL;
    for (node_ref r = 1; r < tree_size (search_tree (h->search)); r++) {
        esp_buf text = {0};
        struct pass *one;
        if (search_node (h->search, r)->verdict != VERDICT_PASS)
            continue;
        must (tree_path_text (search_tree (h->search), r, &text), "out of memory");
        if (!(one = esp_calloc (1, sizeof (*one))) ||
            !(one->text = esp_strdup (esp_buf_text (&text))))
            bench_fail ("out of memory");
        one->next = all;
        all = one;
        esp_buf_free (&text);
    }
    return all;
}

static void free_passes (struct pass *all)
{
    for (struct pass *next; all; all = next) {
        next = all->next;
        esp_free (all->text);
        esp_free (all);
    }
}

static bool is_known_good (const struct herd *h, node_ref step, const struct pass *passes)
{
    esp_buf text = {0};
    bool good = false;
    must (tree_path_text (search_tree (h->search), step, &text), "out of memory");
    for (; passes && !good; passes = passes->next)
        good = strncmp (passes->text, esp_buf_text (&text), text.len) == 0;
    esp_buf_free (&text);
    return good;
}

/* Of plain: from the step's own completions. */
static enum label_hard own_label (const struct herd *h, node_ref step)
{
    node_value v = {.q = NAN};
    if (!search_value (h->search, step, &v))
        return LABEL_UNDECIDED;
    return v.passed > 0 ? LABEL_GOOD : v.tried ? LABEL_BAD : LABEL_UNDECIDED;
}

static void compare_step (const struct herd *plain, node_ref a, const struct pass *passes,
                          enum label_hard mine, struct sums *sum)
{
    enum label_hard own = own_label (plain, a);
    bool contradicted = own == LABEL_BAD && is_known_good (plain, a, passes);
    sum->steps++;
    sum->decided += mine != LABEL_UNDECIDED;
    sum->good += mine == LABEL_GOOD;
    sum->bad += mine == LABEL_BAD;
    sum->contradicted += contradicted;
    if (contradicted || own == LABEL_UNDECIDED)
        return;
    sum->plain_decided++;
    sum->equal += mine == own;
    sum->differ += mine != own && mine != LABEL_UNDECIDED;
}

/* The steps of solution i, the last one left out: its label is its verdict. */
static void compare (const struct herd *plain, const struct herd *ours, struct sums *sum)
{
    node_ref a[SOLUTIONS], b[SOLUTIONS], path_a[PATH_MOST], path_b[PATH_MOST];
    size_t n = search_answers (plain->search, a, SOLUTIONS);
    struct pass *passes = passes_of (plain);
    label *labels = NULL;
    if (search_answers (ours->search, b, SOLUTIONS) != n)
        bench_fail ("the solutions are not the same");
    must (labels_of_search (ours->search, &labels), "out of memory");
    for (size_t i = 0; i < n; i++) {
        size_t steps = tree_path (search_tree (plain->search), a[i], path_a, PATH_MOST);
        if (tree_path (search_tree (ours->search), b[i], path_b, PATH_MOST) != steps)
            bench_fail ("the solutions are not the same");
        for (size_t k = 0; k + 1 < steps && k < PATH_MOST; k++)
            compare_step (plain, path_a[k], passes, labels[path_b[k]].hard, sum);
    }
    sum->generations += search_used (ours->search).generations;
    free_passes (passes);
    esp_free (labels);
}

/* ---- the row ---- */

static const struct variant {
    const char *name, *search;
} variants[] = {{"first_error", "until: first_error"}, {"end", "until: end"}};
enum { VARIANTS = sizeof (variants) / sizeof (variants[0]) };

static void value_of (const char *variant, const char *what, uint64_t value, const char *unit)
{
    char name[80];
    snprintf (name, sizeof (name), "labels_%s_%s", variant, what);
    bench_value (name, (double)value, unit);
}

static void print (const struct sums *sum, const char *variant, uint64_t plain, bool target)
{
    value_of (variant, "generations", sum->generations, "generations");
    value_of (variant, "steps", sum->steps, "steps");
    value_of (variant, "good", sum->good, "steps");
    value_of (variant, "bad", sum->bad, "steps");
    value_of (variant, "undecided", sum->steps - sum->decided, "steps");
    value_of (variant, "plain_decided", sum->plain_decided, "steps");
    value_of (variant, "plain_contradicted", sum->contradicted, "steps");
    value_of (variant, "equal", sum->equal, "steps");
    value_of (variant, "differ", sum->differ, "steps");
    if (target)
        bench_ratio ("labels_generations_per_plain", (double)sum->generations / (double)plain,
                     false, 0.6, sum->differ == 0);
    else
        bench_value ("labels_end_generations_per_plain", (double)sum->generations / (double)plain,
                     "");
}

void bench_labels (const bench *b)
{
    struct sums sums[VARIANTS] = {{0}};
    uint64_t plain_generations = 0;
    esp_buf file = {0};
    esp_error error = {0};
    span rest;
    if (esp_file_read (PUZZLE_FILE, 1 << 20, &file, &error) != ESP_OK)
        bench_fail (error.text);
    rest = esp_buf_span (&file);
    for (uint32_t i = 0; i < (b->quick ? 10 : PUZZLES) && rest.len > 0; i++) {
        size_t len = span_find (rest, span_of ("\n"));
        struct herd plain, ours;
        span line = span_make (rest.ptr, len);
        play (&plain, "early_stop: false, share: false", i, line);
        plain_generations += search_used (plain.search).generations;
        for (int v = 0; v < VARIANTS; v++) {
            play (&ours, variants[v].search, i, line);
            compare (&plain, &ours, &sums[v]);
            leave (&ours);
        }
        leave (&plain);
        rest = span_make (rest.ptr + len + (len < rest.len), rest.len - len - (len < rest.len));
    }
    value_of ("plain", "generations", plain_generations, "generations");
    for (int v = 0; v < VARIANTS; v++)
        print (&sums[v], variants[v].name, plain_generations, v == 0);
    esp_buf_free (&file);
}
