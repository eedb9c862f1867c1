/* SPDX-License-Identifier: Apache-2.0 */
/* embedded_figures.c - the figures of docs/embedded.md, from the real engine and the real verifier
 *
 *     embedded_figures game24.jsonl [rows = 300] [trained | hand | perfect] [weights.json]
 *
 * perfect: instead of the PRM, whether a state can reach the target - what no PRM can beat.
 * A puzzle counts as solved when the verifier passes the branch with the best last PRM score.  Beam is that of
 * search-and-learn (golden README 3.1).  Labels for the AUC come from trying everything: here, never in the engine.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/file.h"
#include "proto/base/hash.h"
#include "proto/base/rng.h"
#include "worker/engine/embedded_model.h"
#include "worker/engine/engine.h"

enum { BUDGET = 64, KEEP = 8, STATES = 20000, FILE_BYTES = 64 << 20 };

typedef struct branch {
    char text[512];
    double score;
    bool ended;
} branch;

struct lab {
    void *generator, *prm, *verifier;
    bool perfect;
    branch *b; /* where done() puts what came back */
    bool passed;
    uint32_t seed;
    double temperature;
};

static void done (void *ctx, const job *j, const result *r)
{
    struct lab *lab = ctx;
    size_t len = strlen (lab->b->text);
    if (r->error != ESP_OK || len + r->text.len >= sizeof (lab->b->text))
        abort ();
    if (j->task.kind == TASK_GENERATE) {
        memcpy (lab->b->text + len, r->text.ptr, r->text.len);
        lab->b->text[len + r->text.len] = 0;
        lab->b->ended = r->finish == FINISH_EOS;
    } else if (j->task.kind == TASK_SCORE) {
        lab->b->score = r->scores[r->score_count - 1];
    } else {
        lab->passed = r->verdict == VERDICT_PASS;
    }
}

static void do_task (struct lab *lab, const char *engine, unsigned role, void *state, task t,
                     span json, branch *b)
{
    span text = span_of (b->text);
    job j = {.task = t, .problem = json, .steps = &text, .step_count = text.len > 0};
    const job *jobs[] = {&j};
    lab->b = b;
    engine_find (engine, role)->start (state, jobs, 1);
}

static double truth (span json, span text);

static void extend (struct lab *lab, uint8_t mode, span json, branch *b)
{
    task t = {.kind = TASK_GENERATE, .mode = mode, .how.temperature = lab->temperature};
    t.seed = (uint32_t)(esp_draw_bits (17, lab->seed++) >> 33);
    do_task (lab, "embedded", ENGINE_GENERATOR, lab->generator, t, json, b);
    if (lab->perfect)
        b->score = truth (json, span_of (b->text));
    else
        do_task (lab, "embedded", ENGINE_PRM, lab->prm, (task){.kind = TASK_SCORE}, json, b);
}

static bool verified (struct lab *lab, span json, branch *b)
{
    do_task (lab, "puzzle", ENGINE_VERIFIER, lab->verifier, (task){.kind = TASK_VERIFY}, json, b);
    return lab->passed;
}

static bool best_verified (struct lab *lab, span json, branch *b, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (b[i].score > b[best].score)
            best = i;
    return n > 0 && verified (lab, json, &b[best]);
}

static bool best_of (struct lab *lab, span json, size_t n)
{
    branch b[BUDGET] = {0};
    for (size_t i = 0; i < n; i++)
        extend (lab, TASK_TO_END, json, &b[i]);
    return best_verified (lab, json, b, n);
}

static size_t without_duplicates (branch *b, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        size_t j = 0;
        while (j < kept && strcmp (b[j].text, b[i].text) != 0)
            j++;
        if (j == kept)
            b[kept++] = b[i];
    }
    return kept;
}

/* The `keep` best, in the order they stand. */
static size_t survivors (branch *b, size_t n, size_t keep)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        size_t better = 0;
        for (size_t j = 0; j < n; j++)
            better += b[j].score > b[i].score || (b[j].score == b[i].score && j < i);
        b[i].ended = better >= keep; /* out */
    }
    for (size_t i = 0; i < n; i++)
        if (!b[i].ended)
            b[kept++] = b[i];
    return kept;
}

static bool beam (struct lab *lab, span json, size_t n, size_t keep, bool filter)
{
    branch a[BUDGET] = {0}, finished[BUDGET];
    size_t count = n, ended = 0;
    while (count > 0) {
        size_t open = 0;
        for (size_t i = count; i < n; i++)
            a[i] = a[i - count];
        for (size_t i = 0; i < n; i++)
            extend (lab, TASK_STEP, json, &a[i]);
        for (size_t i = 0; i < n; i++)
            if (a[i].ended)
                finished[ended++] = a[i];
            else
                a[open++] = a[i];
        count = survivors (a, filter ? without_duplicates (a, open) : open, keep);
    }
    return best_verified (lab, json, finished, ended);
}

/* ---- labels ---- */

static bool solvable (const double *x, size_t n, double target)
{
    if (n == 1)
        return fabs (x[0] - target) < 1e-7 * fmax (1, fabs (target));
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++) {
            double rest[PUZZLE_MOST_NUMBERS], a = x[i], b = x[j];
            const double r[] = {
                a + b, a - b, b - a, a * b, b != 0 ? a / b : NAN, a != 0 ? b / a : NAN};
            size_t count = 0;
            for (size_t k = 0; k < n; k++)
                if (k != i && k != j)
                    rest[count++] = x[k];
            for (size_t k = 0; k < sizeof (r) / sizeof (r[0]); k++) {
                rest[count] = r[k];
                if (!isnan (r[k]) && solvable (rest, count + 1, target))
                    return true;
            }
        }
    return false;
}

static bool state_solvable (const puzzle *p)
{
    double x[PUZZLE_MOST_NUMBERS];
    for (size_t i = 0; i < puzzle_left (p); i++)
        x[i] = puzzle_at (p, i).value;
    return solvable (x, puzzle_left (p), puzzle_target (p));
}

/* 1: the target can be reached from what is left after these steps. */
static double truth (span json, span text)
{
    puzzle *p = NULL;
    bool good;
    if (puzzle_create (json, &p, NULL) != ESP_OK)
        abort ();
    while (text.len > 0) {
        size_t end = span_find (text, span_of ("\n"));
        if (puzzle_read (p, span_make (text.ptr, end)) != PUZZLE_FINE)
            abort ();
        text = span_make (text.ptr + end + 1, text.len - end - 1);
    }
    good = state_solvable (p);
    puzzle_destroy (p);
    return good;
}

struct labelled {
    double value;
    bool good;
};

static int by_value (const void *a, const void *b)
{
    double x = ((const struct labelled *)a)->value, y = ((const struct labelled *)b)->value;
    return (x > y) - (x < y);
}

/* Probability that a solvable state stands above another one; ties count half. */
static double area (struct labelled *s, size_t n)
{
    double ranks = 0, good = 0;
    qsort (s, n, sizeof (*s), by_value);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && s[end].value == s[i].value; end++)
            ;
        for (size_t k = i; k < end; k++) {
            ranks += s[k].good ? ((double)(i + 1) + (double)end) / 2 : 0;
            good += s[k].good;
        }
    }
    return (ranks - good * (good + 1) / 2) / (good * ((double)n - good));
}

static void
print_area (struct lab *lab, const char *name, const span *json, size_t rows, size_t left)
{
    static struct labelled states[STATES];
    size_t good = 0, n = 0;
    for (size_t i = 0; n < STATES; i++) {
        puzzle *p = NULL;
        branch b = {0};
        if (puzzle_create (json[i % rows], &p, NULL) != ESP_OK)
            abort ();
        if (puzzle_left (p) <= left)
            abort ();
        while (puzzle_left (p) > left) {
            char *line = b.text + strlen (b.text);
            extend (lab, TASK_STEP, json[i % rows], &b);
            if (puzzle_read (p, span_make (line, strlen (line) - 1)) != PUZZLE_FINE)
                abort ();
        }
        states[n++] = (struct labelled){b.score, state_solvable (p)};
        good += states[n - 1].good;
        puzzle_destroy (p);
    }
    printf ("%s.auc.left%zu %.3f (%d states, %.1f %% can reach the target)\n", name, left,
            area (states, STATES), STATES, 100.0 * (double)good / STATES);
}

/* ---- sets of puzzles ---- */

static void print_rates (struct lab *lab, const char *name, const span *json, size_t rows)
{
    double one = 0, best = 0, plain = 0, filtered = 0, small = 0, narrow = 0, two = 0;
    for (size_t i = 0; i < rows; i++) {
        branch b[BUDGET] = {0};
        for (size_t k = 0; k < BUDGET; k++) {
            extend (lab, TASK_TO_END, json[i], &b[k]);
            one += (double)verified (lab, json[i], &b[k]) / BUDGET;
        }
        best += best_of (lab, json[i], BUDGET);
        plain += beam (lab, json[i], BUDGET, KEEP, false);
        filtered += beam (lab, json[i], BUDGET, KEEP, true);
        small += beam (lab, json[i], BUDGET / 4, KEEP / 2, true);
        narrow += beam (lab, json[i], BUDGET / 4, 1, true);
        two += beam (lab, json[i], BUDGET / 2, 2, true);
    }
    printf ("%s.temperature%.1f puzzles %zu: one sample %.1f %%, best of 64 %.1f %%, beam 64/8 "
            "%.1f %%, "
            "beam 64/8 without duplicates %.1f %%, 16/4 %.1f %%, 16/1 %.1f %%, 32/2 %.1f %%\n",
            name, lab->temperature, rows, 100 * one / (double)rows, 100 * best / (double)rows,
            100 * plain / (double)rows, 100 * filtered / (double)rows, 100 * small / (double)rows,
            100 * narrow / (double)rows, 100 * two / (double)rows);
    fflush (stdout);
}

/* Random puzzles with `count` numbers and a target that the models never saw; solvable ones only. */
static span random_puzzle (uint32_t count, uint64_t *draw, esp_buf *memory)
{
    for (;;) {
        double x[PUZZLE_MOST_NUMBERS];
        uint32_t target = 10 + 7 * esp_draw_below (99, (*draw)++, 13);
        size_t start = memory->len;
        if (target == 24)
            continue;
        if (esp_buf_puts (memory, "{\"numbers\": [") != ESP_OK)
            abort ();
        for (uint32_t i = 0; i < count; i++) {
            uint32_t v = 1 + esp_draw_below (99, (*draw)++, 13);
            x[i] = v;
            if (esp_buf_printf (memory, "%s%u", i ? ", " : "", v) != ESP_OK)
                abort ();
        }
        if (esp_buf_printf (memory, "], \"target\": %u}", target) != ESP_OK)
            abort ();
        if (solvable (x, count, target))
            return span_make (memory->data + start, memory->len - start);
        memory->len = start;
    }
}

static void other_targets (struct lab *lab, uint32_t count, size_t rows)
{
    esp_buf memory = {0};
    char name[32];
    uint64_t draw = count * 1000000;
    span *json = calloc (rows, sizeof (*json));
    if (!json || esp_buf_reserve (&memory, rows * 256) != ESP_OK) /* spans must not move */
        abort ();
    for (size_t i = 0; i < rows; i++)
        json[i] = random_puzzle (count, &draw, &memory);
    snprintf (name, sizeof (name), "other%u", count);
    print_rates (lab, name, json, rows);
    for (size_t left = count - 1; left >= 2; left--)
        if (left <= 3)
            print_area (lab, name, json, rows, left);
    free (json);
    esp_buf_free (&memory);
}

/* `rows` random rows of the file, without repetition. */
static size_t choose_rows (span file, size_t rows, span *out)
{
    size_t count = span_count (file, span_of ("\n")), n = 0, seen = 0;
    for (size_t i = 0; i < count; i++) {
        size_t end = span_find (file, span_of ("\n"));
        double need = (double)(rows - n) / (double)(count - seen++);
        if (n < rows && esp_draw_unit (5, i) < need)
            out[n++] = span_make (file.ptr, end);
        file = span_make (file.ptr + end + 1, file.len - end - 1);
    }
    return n;
}

/* Time of a score: four numbers, one step, three left. */
static void print_time (struct lab *lab, const esp_clock *clock)
{
    enum { SCORES = 20000 };
    static const char json[] = "{\"numbers\": [4, 9, 10, 13], \"target\": 24}";
    branch b = {.text = "13 - 9 = 4 (left: 4 4 10)\n"};
    uint64_t start = clock->now_ns (clock->ctx);
    for (int i = 0; i < SCORES && !lab->perfect; i++)
        do_task (lab, "embedded", ENGINE_PRM, lab->prm, (task){.kind = TASK_SCORE}, span_of (json),
                 &b);
    printf ("score %.0f ns\n", (double)(clock->now_ns (clock->ctx) - start) / SCORES);
}

/* The options of the PRM, by their keys. */
static void choose_model (const char *model, const char *weights, void *memory)
{
    for (const esp_option *o = engine_find ("embedded", ENGINE_PRM)->options; o->key; o++)
        if (o->type == ESP_OPT_CHOICE)
            *(int *)(void *)((char *)memory + o->offset) = strcmp (model, "hand") == 0;
        else
            memcpy ((char *)memory + o->offset, &weights, sizeof (weights));
}

int main (int argc, char **argv)
{
    static const double temperatures[] = {1, 2, 100};
    size_t rows = argc > 2 ? strtoul (argv[2], NULL, 10) : 300;
    const char *model = argc > 3 ? argv[3] : "trained";
    struct lab lab = {.seed = 1, .perfect = strcmp (model, "perfect") == 0};
    esp_clock clock = esp_clock_monotonic ();
    uint64_t memory[8] = {0};
    engine_setup setup = {.clock = &clock, .done = done, .ctx = &lab, .options = memory};
    esp_error error = {0};
    esp_buf file = {0};
    span *json = calloc (rows + 1, sizeof (*json));
    choose_model (model, argc > 4 ? argv[4] : NULL, memory);
    if (!json || argc < 2 || esp_file_read (argv[1], FILE_BYTES, &file, &error) != ESP_OK ||
        engine_find ("embedded", ENGINE_GENERATOR)->open (&setup, &lab.generator, &error) !=
            ESP_OK ||
        engine_find ("embedded", ENGINE_PRM)->open (&setup, &lab.prm, &error) != ESP_OK ||
        engine_find ("puzzle", ENGINE_VERIFIER)->open (&setup, &lab.verifier, &error) != ESP_OK) {
        fprintf (
            stderr,
            "usage: embedded_figures game24.jsonl [rows] [trained|hand|perfect] [weights] (%s)\n",
            error.text);
        return 2;
    }
    rows = choose_rows (esp_buf_span (&file), rows, json);
    for (size_t i = 0; i < sizeof (temperatures) / sizeof (temperatures[0]); i++) {
        lab.temperature = temperatures[i];
        print_rates (&lab, "game24", json, rows);
    }
    print_time (&lab, &clock);
    lab.temperature = 1;
    print_area (&lab, "game24", json, rows, 3);
    print_area (&lab, "game24", json, rows, 2);
    for (uint32_t count = PUZZLE_LEAST_NUMBERS; count <= PUZZLE_MOST_NUMBERS; count++)
        other_targets (&lab, count, count < 6 ? rows / 3 : rows / 10);
    free (json);
    esp_buf_free (&file);
    engine_find ("embedded", ENGINE_GENERATOR)->close (lab.generator);
    engine_find ("embedded", ENGINE_PRM)->close (lab.prm);
    engine_find ("puzzle", ENGINE_VERIFIER)->close (lab.verifier);
    return 0;
}
