/* SPDX-License-Identifier: Apache-2.0 */
/* bench_split.c - where the coordinator's thread spends its time: one more run under perf
 *
 * A sample counts for the innermost function of its stack whose name says which part it belongs to, so that a memcpy
 * inside protobuf-c inside wire_encode is the wire's.  Stacks need frame pointers, which our flags keep.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/bench/bench.h"

enum { PARTS = 9, MOST_TIDS = 16 };

static const struct part {
    const char *name, *prefixes; /* of functions, separated by blanks */
} parts[PARTS] = {
    {"link", "link_ mpi_ ringer_ doorbell_ MPI_ PMPI_ opal_ ompi_ mca_ waiter_"},
    {"wire", "wire_ protobuf_c espalier__"},
    {"search",
     "search_ tree_ strategy_ best_of_n_ plan_ask take_result deliver_joins account_ mix_digest"},
    {"frontier", "frontier_"},
    {"journal", "journal_"},
    {"dispatch", "dispatch_ lease_ roster_ world_"},
    {"rows", "rows_ vote answer_"},
    {"observe", "observe_ give_events"},
    {"loop", "coordinator_ apply work_to_the_end"},
};

struct split {
    long tid[MOST_TIDS];
    uint64_t samples[MOST_TIDS][PARTS + 1]; /* the last: no part */
    int tids;
};

static int part_of (const char *symbol)
{
    for (int p = 0; p < PARTS; p++)
        for (const char *at = parts[p].prefixes; *at;) {
            size_t len = strcspn (at, " ");
            if (strncmp (symbol, at, len) == 0)
                return p;
            at += len + (at[len] == ' ');
        }
    return PARTS;
}

static int slot_of (struct split *s, long tid)
{
    for (int i = 0; i < s->tids; i++)
        if (s->tid[i] == tid)
            return i;
    if (s->tids == MOST_TIDS)
        return MOST_TIDS - 1;
    s->tid[s->tids] = tid;
    return s->tids++;
}

/* perf script -F tid,ip,sym: a line with the tid, then a line "address symbol" per frame, innermost first, then an empty line. */
static void read_samples (FILE *from, struct split *s)
{
    char line[1024];
    int slot = -1, part = PARTS;
    while (fgets (line, sizeof (line), from)) {
        char symbol[256];
        bool blank = line[strspn (line, " \t\n")] == 0;
        if (slot < 0 && !blank) {
            slot = slot_of (s, strtol (line, NULL, 10));
            part = PARTS;
        } else if (blank && slot >= 0) {
            s->samples[slot][part]++;
            slot = -1;
        } else if (part == PARTS && sscanf (line, " %*s %255s", symbol) == 1) {
            part = part_of (symbol);
        }
    }
}

static void print_split (const struct split *s, double us_per_result)
{
    int loop = -1;
    uint64_t most = 0, total;
    for (int i = 0; i < s->tids; i++) {
        total = 0;
        for (int p = 0; p < PARTS;
             p++) /* the loop's thread: most samples in known parts that are not the journal's */
            total += strcmp (parts[p].name, "journal") == 0 ? 0 : s->samples[i][p];
        if (total > most) {
            most = total;
            loop = i;
        }
    }
    if (loop < 0)
        return;
    total = 0;
    for (int p = 0; p <= PARTS; p++)
        total += s->samples[loop][p];
    for (int p = 0; p <= PARTS; p++) {
        char name[64];
        snprintf (name, sizeof (name), "whole_split_%s", p < PARTS ? parts[p].name : "rest");
        bench_value (name, us_per_result * (double)s->samples[loop][p] / (double)total, "us");
    }
}

void bench_split (const bench *b, double us_per_result)
{
    static struct split s;
    char command[2048];
    FILE *from;
    if (bench_command (
            NULL, 0,
            "command -v perf >/dev/null && perf record -o /dev/null true 2>/dev/null >&2") != 0) {
        bench_skip ("whole_split",
                    "perf does not work here (package linux-perf, kernel.perf_event_paranoid)");
        return;
    }
    bench_command (NULL, 0, "rm -rf '%s/out'", b->folder);
    snprintf (command, sizeof (command),
              "cd %s && %s sh -c 'if [ \"$OMPI_COMM_WORLD_RANK$PMI_RANK\" = 0 ]; then exec perf "
              "record -q -e cpu-clock -F 5000 -g -o "
              "perf.data %s run run.yaml; else exec %s run run.yaml; fi' 2>/dev/null >&2; "
              "perf script -i perf.data -F tid,ip,sym 2>/dev/null",
              b->folder, bench_mpirun (), bench_espalier (), bench_espalier ());
    fflush (stdout);
    if (!(from = popen (command, "r")))
        bench_fail ("popen");
    read_samples (from, &s);
    pclose (from);
    print_split (&s, us_per_result);
}
