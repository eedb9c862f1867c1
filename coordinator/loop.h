/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_LOOP_H
#define ESP_COORDINATOR_LOOP_H

/* loop.h - the coordinator: the picture of design.md, section 3, as one pass after another
 *
 * Everything it uses is handed in, so that the same loop runs under MPI, in one process and in the simulator.
 *
 *     coordinator_create (&setup, &c, &error);
 *     journal_create (...) or journal_resume (..., coordinator_visit, c, ...);
 *     coordinator_attach (c, journal, finished, finished_count, &error);
 *     while (coordinator_pass (c, &busy) == ESP_OK && coordinator_state (c) == COORDINATOR_RUNNING) ...
 *
 * Threads: one.
 */

#include "coordinator/dispatch/dispatch.h"
#include "coordinator/journal/journal.h"
#include "coordinator/problem/problem_source.h"
#include "coordinator/search/search.h"
#include "coordinator/sink/rows.h"
#include "proto/wire/wire.h"

typedef struct run_options { /* section `run` */
    const char *name, *output;
    int64_t seed, repeats;
    double limit_seconds; /* run.limits.*: 0 = none; reached: the run stops, resumable */
    int64_t limit_generations, limit_generated_tokens;
} run_options;
extern const esp_option run_option_rows[];

typedef struct coordinator_observer { /* who is told; all may be NULL */
    void *ctx;
    void (*events) (void *ctx, const event *events, size_t count); /* numbered; borrowed */
    void (*progress) (void *ctx, problem_key key, node_ref n,
                      span text); /* of a node without a text yet */
} coordinator_observer;

typedef struct coordinator_setup { /* borrowed for the life of the coordinator */
    const run_options *run;
    const search_setup *search;
    const vote_options *vote;
    const sample_plan *samples; /* NULL: none */
    const dispatch_options *dispatch;
    const problem_options *problems;
    problem_source *source;
    link_end *link;
    const esp_clock *clock;
    uint64_t run_id, version;
    uint32_t epoch;
    span run_file;
    bool (*replays) (
        void *ctx,
        span run_file); /* do inputs recorded under this run file fit `search`?  NULL: always */
    void *replays_ctx;
    coordinator_observer observer;
} coordinator_setup;

enum coordinator_state {
    COORDINATOR_RUNNING,
    COORDINATOR_DONE,    /* every problem is finished and its rows are on disk */
    COORDINATOR_STOPPED, /* stopped before the end; resumable; coordinator_why says why */
};

typedef struct coordinator coordinator;

ESP_MUST_CHECK esp_err coordinator_create (const coordinator_setup *setup, coordinator **out,
                                           esp_error *error);
void coordinator_destroy (coordinator *c); /* accepts NULL */

/* A journal_visit: rebuild the searches from their inputs.  Inputs recorded under a run file that does not fit any more (a
 * budget grew) are passed over; their problems are admitted again, from the start.  Errors: ESP_EDIVERGED, ESP_EDAMAGE, ESP_ECONFLICT (the problems file changed), ESP_ENOMEM;
 * coordinator_error has the sentence. */
esp_err coordinator_visit (void *c, const record *r);

typedef struct
    coordinator_before {     /* problems that earlier starts finished: only their rows tell */
    budget spent;            /* run.limits count it */
    uint64_t solved, failed; /* the run's figures count them */
} coordinator_before;
void coordinator_count_before (coordinator *c,
                               const coordinator_before *before); /* before coordinator_attach */

/* Start work: rows of problems that finished but were not committed are given to the journal, pending tasks to
 * the frontier.  The journal is borrowed. */
ESP_MUST_CHECK esp_err coordinator_attach (coordinator *c, journal *j, const key_range *finished,
                                           size_t finished_count, esp_error *error);

/* One pass; *busy: something moved, do not sleep.  Errors end the run: ESP_ENOMEM, ESP_EIO and ESP_ENOSPC (journal),
 * ESP_ECONFLICT (problems file); sentence in coordinator_error. */
ESP_MUST_CHECK esp_err coordinator_pass (coordinator *c, bool *busy);
/* Sleep until something may have happened, at most timeout_ns. */
void coordinator_wait (coordinator *c, uint64_t timeout_ns);

/* Give out nothing more; wait at most drain_s for what is out, then COORDINATOR_STOPPED.  why: static text. */
void coordinator_stop (coordinator *c, double drain_s, const char *why);

/* Steer an open problem: journaled, then applied.  *number: the reply may leave once journal_durable reaches it.
 * Errors: ESP_ENOENT (not open), ESP_EIO. */
ESP_MUST_CHECK esp_err coordinator_command (coordinator *c, problem_key key, const command *cmd,
                                            uint64_t *number);

enum coordinator_state coordinator_state (const coordinator *c);
const char *coordinator_why (const coordinator *c);
/* It stopped because every worker refused before one task went out: the reason is in the run file, or near it. */
bool coordinator_unstarted (const coordinator *c);
const esp_error *coordinator_error (const coordinator *c);
void coordinator_status (const coordinator *c, run_status *out);
const dispatch *coordinator_dispatch (const coordinator *c);
uint64_t coordinator_inputs (const coordinator *c); /* journal number of the last input */

/* Does somebody look?  Else workers need not send partial texts. */
void coordinator_watched (coordinator *c, bool watched);

/* Visit every open search (for snapshots and checks), in no particular order. */
void coordinator_each (const coordinator *c, void (*visit) (void *ctx, const search *s), void *ctx);
const search *coordinator_search (const coordinator *c, problem_key key); /* NULL: not open */

#endif
