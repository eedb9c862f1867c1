/* SPDX-License-Identifier: Apache-2.0 */
/* bench_scale.c - does the coordinator's cost per result grow with the size of the run?
 *
 * Runs of the simulator: the real loop, frontier, dispatch, search, journal and rows; what the virtual workers cost is
 * taken off.
 */

#include <stdio.h>
#include "tests/bench/bench.h"
#include "tests/sim/sim.h"

enum { N = 100 }; /* samples of a problem */

/* us of coordinator CPU per result */
static double cost (const bench *b, uint32_t problems, uint32_t open, int workers)
{
    char path[512], yaml[1024], output[300];
    sim_faults f = {.seed = 1, .workers = workers, .median_s = 1, .sigma = 0.7, .credits = 16};
    sim_outcome out;
    bench_problems (b, problems, path);
    snprintf (output, sizeof (output), "%s/out", b->folder);
    bench_command (NULL, 0, "rm -rf '%s'; mkdir '%s'", output, output);
    snprintf (yaml, sizeof (yaml),
              "run: {output: unused, seed: 1}\nproblems: {file: %s, open: %u}\nsearch: {strategy: "
              "best_of_n, n: %d}\n"
              "generator: {engine: \"null\", text_bytes: 100}\njournal: {sync: false}\nobserve: "
              "{enabled: false}\n",
              path, open, N);
    if (sim_run (yaml, output, &f, &out) != 0)
        bench_fail ("the simulator failed");
    return (double)out.coordinator_cpu_ns / 1e3 / (double)out.dispatch.results;
}

static double median_cost (const bench *b, uint32_t problems, uint32_t open, int workers)
{
    double values[3];
    int n = b->quick ? 1 : 3;
    for (int i = 0; i < n; i++)
        values[i] = cost (b, problems, open, workers);
    return bench_median (values, (size_t)n);
}

void bench_scale (const bench *b)
{
    uint32_t total = b->quick ? 1000 : 15000, most = b->quick ? 1000 : 10000;
    int many = b->quick ? 1000 : 10000;
    double few_nodes = median_cost (b, total, 10, 10),
           many_nodes = median_cost (b, total, most, 10);
    double few_workers = median_cost (b, total, 0, 10),
           many_workers = median_cost (b, total, 0, many);
    char name[64];
    bench_value ("scale_cpu_per_result_at_1000_open_nodes", few_nodes, "us");
    snprintf (name, sizeof (name), "scale_cpu_per_result_at_%u_open_nodes", most * N);
    bench_value (name, many_nodes, "us");
    bench_ratio ("scale_growth_with_open_nodes", many_nodes / few_nodes, false, 1.5, true);
    bench_value ("scale_cpu_per_result_with_10_workers", few_workers, "us");
    snprintf (name, sizeof (name), "scale_cpu_per_result_with_%d_workers", many);
    bench_value (name, many_workers, "us");
    bench_ratio ("scale_growth_with_workers", many_workers / few_workers, false, 1.5, true);
}
