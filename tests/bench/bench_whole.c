/* SPDX-License-Identifier: Apache-2.0 */
/* bench_whole.c - the whole coordinator over MPI, and beside it what the same messages cost without it
 *
 * One round = the run with the journal, the run without it, the farms of bench_farm.c; the rounds follow each other
 * so that a neighbour on the machine hurts all alike.  Ratios are taken within a round; medians are printed.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "tests/bench/bench.h"

enum { ROUNDS = 5, N = 100, SLOTS = 64 };
#define RAW_NEEDED                                                                                 \
    1e6 /* results/s; a raw farm below it says that the machine is too busy to compare */

struct round {
    double rate, cpu, writer_cpu, rate_off, cpu_off;
    double raw[2], full[2], full_cpu[2]; /* 1 task a message, 16 */
};
static const int per_message[2] = {1, 16};

static void one_run (const bench *b, const char *problems, bool with_journal, double *rate,
                     double *cpu, double *writer)
{
    char yaml[1024], path[512], output[300];
    snprintf (output, sizeof (output), "%s/out", b->folder);
    snprintf (
        yaml, sizeof (yaml),
        "run: {name: whole, output: %s, seed: 1}\nproblems: {file: %s}\n"
        "search: {strategy: best_of_n, n: %d}\n"
        "generator: {engine: \"null\", text_bytes: 1000, slots: %d}\njournal: {enabled: %s}\n",
        output, problems, N, SLOTS, with_journal ? "true" : "false");
    bench_write (b, "run.yaml", yaml, path);
    bench_command (NULL, 0, "rm -rf '%s'", output);
    if (bench_command (NULL, 0, "%s %s run %s 2>%s/err.txt", bench_mpirun (), bench_espalier (),
                       path, b->folder) != 0)
        bench_command (NULL, 0, "tail -5 %s/err.txt >&2", b->folder);
    *rate = bench_summary (output, "coordinator", "results_per_s");
    *cpu = bench_summary (output, "coordinator", "cpu_us_per_result");
    if (writer)
        *writer = bench_summary (output, "coordinator", "journal_thread_cpu_us_per_result");
}

static void one_farm (const bench *b, const char *kind, int k, double *rate, double *cpu)
{
    char out[1024], folder[300];
    snprintf (folder, sizeof (folder), "%s/farm", b->folder);
    bench_command (NULL, 0, "rm -rf '%s'; mkdir '%s'", folder, folder);
    bench_command (out, sizeof (out), "%s %s @farm %s %d %s 2>/dev/null", bench_mpirun (), b->self,
                   kind, k, folder);
    *rate = bench_find (out, "rate");
    if (cpu)
        *cpu = bench_find (out, "cpu");
}

static void one_round (const bench *b, const char *problems, struct round *r)
{
    one_run (b, problems, true, &r->rate, &r->cpu, &r->writer_cpu);
    one_run (b, problems, false, &r->rate_off, &r->cpu_off, NULL);
    for (int i = 0; i < 2; i++) {
        one_farm (b, "raw", per_message[i], &r->raw[i], NULL);
        one_farm (b, "full", per_message[i], &r->full[i], &r->full_cpu[i]);
    }
    printf (
        "# round: %.0f results/s, %.2f us; journal off %.0f; farms raw %.0f %.0f, full %.0f %.0f\n",
        r->rate, r->cpu, r->rate_off, r->raw[0], r->raw[1], r->full[0], r->full[1]);
}

static double median_of (const struct round *rounds, int n, size_t offset)
{
    double values[ROUNDS];
    for (int i = 0; i < n; i++)
        memcpy (&values[i], (const char *)&rounds[i] + offset, sizeof (double));
    return bench_median (values, (size_t)n);
}
#define MEDIAN(field) median_of (rounds, n, offsetof (struct round, field))

static void report (const struct round *rounds, int n)
{
    double against[ROUNDS], journal[ROUNDS], raw;
    for (int i = 0; i < n; i++) {
        against[i] = rounds[i].rate / fmax (rounds[i].full[0], rounds[i].full[1]);
        journal[i] = rounds[i].rate / rounds[i].rate_off;
    }
    bench_value ("whole_rate", MEDIAN (rate), "results/s");
    bench_value ("whole_cpu_per_result", MEDIAN (cpu), "us");
    bench_value ("whole_journal_thread_cpu_per_result", MEDIAN (writer_cpu), "us");
    bench_value ("whole_rate_journal_off", MEDIAN (rate_off), "results/s");
    bench_value ("whole_cpu_per_result_journal_off", MEDIAN (cpu_off), "us");
    bench_value ("farm_raw_1", MEDIAN (raw[0]), "results/s");
    bench_value ("farm_raw_16", MEDIAN (raw[1]), "results/s");
    bench_value ("farm_full_1", MEDIAN (full[0]), "results/s");
    bench_value ("farm_full_16", MEDIAN (full[1]), "results/s");
    bench_value ("farm_full_16_cpu", MEDIAN (full_cpu[1]), "us");
    raw = fmax (MEDIAN (raw[0]), MEDIAN (raw[1]));
    bench_ratio ("whole_results_per_s", MEDIAN (rate), true, 100000, true);
    bench_ratio ("whole_cpu_us_per_result", MEDIAN (cpu), false, 8, true);
    bench_ratio ("farm_raw_results_per_s", raw, true, RAW_NEEDED, true);
    bench_ratio ("whole_against_full_farm", bench_median (against, (size_t)n), true, 0.2,
                 raw >= RAW_NEEDED);
    bench_ratio ("journal_on_against_off", bench_median (journal, (size_t)n), true, 0.9, true);
}

void bench_whole (const bench *b)
{
    struct round rounds[ROUNDS];
    int n = b->quick ? 1 : ROUNDS;
    char problems[512];
    double rate, cpu;
    bench_problems (b, b->quick ? 1000 : 10000, problems);
    for (int i = 0; i < n; i++)
        one_round (b, problems, &rounds[i]);
    report (rounds, n);
    one_run (b, problems, true, &rate, &cpu, NULL); /* leaves run.yaml with the journal on */
    bench_split (b, cpu);
}
