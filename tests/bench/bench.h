/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_BENCH_BENCH_H
#define ESP_TESTS_BENCH_BENCH_H

/* bench.h - the rows of the bench, and what they share
 *
 * A row prints lines "name value unit" and, for every target, one line
 *
 *     ratio NAME VALUE TARGET ok|MISSED|invalid
 *
 * so that a script can read them.  A row that cannot be measured says so with bench_skip.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/clock.h"

typedef struct bench {
    bool quick;       /* shorter, fewer repetitions: a smoke test, not a figure */
    const char *self; /* path of this program, for rows that start it again under mpirun */
    char folder[256]; /* empty folder of this row; removed afterwards */
} bench;

typedef void bench_row (const bench *b);
bench_row bench_whole, bench_scale, bench_mcts, bench_memory, bench_simulator, bench_resume,
    bench_journal, bench_link, bench_wire, bench_shape, bench_labels;

/* The other end: `mpirun -n 2 bench @link idle` and so on; returns an exit status. */
int bench_link_rank (int argc, char **argv);
int bench_farm_rank (int argc, char **argv);

/* Where the CPU of the run in b->folder/run.yaml goes, in us per result. */
void bench_split (const bench *b, double us_per_result);

/* ---- bench_kit.c ---- */

void bench_value (const char *name, double value, const char *unit);
/* at_least: value must be >= target, else <= target.  valid: the comparison stands on solid ground. */
void bench_ratio (const char *name, double value, bool at_least, double target, bool valid);
void bench_skip (const char *name, const char *why);
void bench_fail (const char *what); /* print it and end the process: a broken bench is no result */

uint64_t bench_now_ns (void);
double bench_median (double *values, size_t count); /* sorts them */

/* Run a shell command, silent but for its stdout, which is kept in out (cut to size).  Returns its exit status. */
int bench_command (char *out, size_t size, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));
/* The command that starts two ranks of something: cluster/local/mpirun -n 2 */
const char *bench_mpirun (void);
const char *bench_espalier (void);
/* "name value unit" in the output of a command; NaN when it is not there. */
double bench_find (const char *text, const char *name);

/* Write a file in the row's folder; path must hold 512 bytes. */
void bench_write (const bench *b, const char *name, const char *text, char *path);
/* problems.jsonl with `count` small problems; its path. */
void bench_problems (const bench *b, uint32_t count, char *path);
/* Number at this_start.part.key of OUTPUT/summary.json; part may be NULL.  NaN when it is not there. */
double bench_summary (const char *output, const char *part, const char *key);

#endif
