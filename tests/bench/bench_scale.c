/* SPDX-License-Identifier: Apache-2.0 */
/* bench_scale.c - does the coordinator's cost per result grow with the size of the run?
 *
 * Runs of the simulator: the real loop, frontier, dispatch, search, journal and rows; what the virtual workers cost is
 * taken off.
 */

#include <stdio.h>
#include "tests/bench/bench.h"
#include "tests/sim/sim.h"

enum { N = 100, ROUNDS = 5 }; /* N: samples of a problem */

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

/* One thing grows at a time: first the open nodes, then, with all of them open, the workers.  Growth is taken within a
 * round. */
void bench_scale (const bench *b)
{
    uint32_t total = b->quick ? 1500 : 15000, most = b->quick ? 1000 : 10000;
    int many = b->quick ? 1000 : 10000, rounds = b->quick ? 1 : ROUNDS;
    double few[ROUNDS], nodes[ROUNDS], workers[ROUNDS], with_nodes[ROUNDS], with_workers[ROUNDS];
    char name[96];
    for (int i = 0; i < rounds; i++) {
        few[i] = cost (b, total, 10, 10);
        nodes[i] = cost (b, total, most, 10);
        workers[i] = cost (b, total, most, many);
        with_nodes[i] = nodes[i] / few[i];
        with_workers[i] = workers[i] / nodes[i];
    }
    bench_value ("scale_cpu_1000_open_nodes_10_workers", bench_median (few, (size_t)rounds), "us");
    snprintf (name, sizeof (name), "scale_cpu_%u_open_nodes_10_workers", most * N);
    bench_value (name, bench_median (nodes, (size_t)rounds), "us");
    snprintf (name, sizeof (name), "scale_cpu_%u_open_nodes_%d_workers", most * N, many);
    bench_value (name, bench_median (workers, (size_t)rounds), "us");
    bench_ratio ("scale_growth_with_open_nodes", bench_median (with_nodes, (size_t)rounds), false,
                 1.5, true);
    bench_ratio ("scale_growth_with_workers", bench_median (with_workers, (size_t)rounds), false,
                 1.5, true);
}
