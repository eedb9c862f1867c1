/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_DISPATCH_DISPATCH_H
#define ESP_COORDINATOR_DISPATCH_DISPATCH_H

/* dispatch.h - tasks out, results in, whatever happens to workers (design.md, D6)
 *
 * The loop gives tasks while there is room; dispatch chooses the worker, leases the task, sends one batch per
 * worker and pass, and hands every first result back.  What a worker does wrong - dies, falls silent, is late, answers a retryable error - never
 * reaches the search: the task comes back to the loop by `again` and goes elsewhere.
 *
 * It knows no search: texts, problems and wishes come through dispatch_world.
 * Threads: the loop's.  Time: from the clock given.
 */

#include "coordinator/dispatch/costs.h"
#include "coordinator/dispatch/models.h"
#include "coordinator/dispatch/roster.h"
#include "proto/base/clock.h"
#include "proto/base/option.h"
#include "proto/link/link.h"
#include "proto/model/problem.h"

typedef struct dispatch_options { /* section `dispatch` */
    double lease_s;               /* a task that is out longer is sent again elsewhere */
    double silence_s;             /* a worker that says nothing so long is dead */
    double heartbeat_s;
    double no_worker_s;           /* no able worker for so long: the run stops, resumable */
    double coordinator_silence_s; /* a worker leaves when the coordinator says nothing so long */
    int64_t
        affinity; /* how many tasks busier the home of a prefix may be than the least loaded worker */
    int64_t max_batch; /* tasks per message */
    int64_t retries;   /* retryable errors of one task before it fails for good */
} dispatch_options;
extern const esp_option dispatch_option_rows[];

typedef struct dispatch_world { /* the loop's side */
    void *ctx;
    bool (*wants) (void *ctx, task_id id);
    const problem *(*find) (void *ctx, problem_key key); /* NULL: gone */
    /* As tree_path; and the text of one node. */
    size_t (*path) (void *ctx, problem_key key, node_ref n, node_ref *out, size_t max);
    span (*text) (void *ctx, problem_key key, node_ref n,
                  uint32_t *tokens); /* *tokens: generated */
    void (*result) (void *ctx, const result *r,
                    int rank);                /* first result of a wanted task; borrowed */
    void (*again) (void *ctx, const task *t); /* must go to the frontier again */
    void (*progress) (void *ctx, task_id id, span text); /* partial text, for observers */
    /* A result of this task is about to be handed in: what it will touch may be fetched; changes nothing.  May be NULL. */
    void (*expect) (void *ctx, task_id id);
    /* A worker died with these tasks, none of which it ended (dispatch_recall tells a later start); borrowed.  May be NULL. */
    void (*death) (void *ctx, int rank, bool alone, const task_id *ids, size_t count);
    bool (*waiting) (void *ctx); /* is there work that could be given?  NULL: never */
} dispatch_world;

typedef struct dispatch_stats { /* times, ranks and faults: summary.json only */
    uint64_t sent, resent, results, late, duplicates, deaths, expired, poisoned, missing, errors;
    uint64_t returned; /* handed back by workers whose servers went out of service: no error */
    uint64_t wasted_tokens, batches;
} dispatch_stats;

typedef struct dispatch dispatch;

/* The link is borrowed.  run_file: what the workers open their engines from; borrowed until destroy. */
ESP_MUST_CHECK esp_err dispatch_create (const dispatch_options *options, link_end *link,
                                        const esp_clock *clock, uint64_t run_id, uint32_t epoch,
                                        uint64_t version, span run_file,
                                        const dispatch_world *world, dispatch **out);
void dispatch_destroy (dispatch *d); /* accepts NULL */

/* May a task of this kind be given now? */
bool dispatch_room (const dispatch *d, enum task_kind kind);
/* Give one (dispatch_room said yes).  Errors: ESP_EFULL (nobody after all: keep it), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err dispatch_give (dispatch *d, const task *t);
/* Before it is given: earlier starts saw so many deaths at which the task was in flight, `alone` of them with nothing else.
 * Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err dispatch_recall (dispatch *d, const task *t, uint32_t deaths,
                                        uint32_t alone);
/* Send what was given, one batch per worker. */
ESP_MUST_CHECK esp_err dispatch_flush (dispatch *d);

/* Take what came from the link, at most `max` messages; calls world.result, again, progress.  *taken: messages. */
ESP_MUST_CHECK esp_err dispatch_receive (dispatch *d, size_t max, size_t *taken);
/* Heartbeats, silence, leases that ran out, suspects.  Cheap; call every pass. */
ESP_MUST_CHECK esp_err dispatch_tick (dispatch *d);

/* The task is not wanted any more: its leases end, its workers are told. */
void dispatch_cancel (dispatch *d, task_id id);

/* Does somebody read partial texts?  Workers hear it with the next ping; when it begins, at once. */
void dispatch_watched (dispatch *d, bool watched);

/* Tell every worker to leave; drain: after finishing what it has. */
void dispatch_stop (dispatch *d, bool drain);

uint64_t dispatch_in_flight (const dispatch *d); /* tasks out */
/* Was it sent before, by this start, and is neither answered nor cancelled?  True also while it waits to be given again. */
bool dispatch_was_sent (const dispatch *d, task_id id);
uint64_t dispatch_suspects (const dispatch *d); /* at two deaths; waiting to run alone */
uint64_t dispatch_slots (const dispatch *d);    /* over all ready workers and kinds */
uint64_t dispatch_kind_slots (const dispatch *d, enum task_kind kind);
roster *dispatch_roster (dispatch *d);
const dispatch_stats *dispatch_statistics (const dispatch *d);
const costs *dispatch_costs (const dispatch *d);
/* Empty, or the first reason why workers cannot go on ("rank 3: no model ..."): of an outage that lasts, else of a refusal. */
const char *dispatch_trouble (const dispatch *d);
/* Every worker refused or died, and at least one refused, or, before anything was sent, two had different models behind one
 * generator or PRM: nobody will ever start. */
bool dispatch_all_refused (const dispatch *d);
/* Seconds since there was last a worker that could do this kind, or one whose engines were being opened (it says
 * by itself when it gives up); 0 when there is one. */
double dispatch_stranded_s (const dispatch *d, enum task_kind kind);
/* Tasks of this kind that wait to run alone. */
uint64_t dispatch_suspects_of (const dispatch *d, enum task_kind kind);
bool dispatch_saw_death (const dispatch *d); /* MPI must then be left without Finalize */
uint64_t dispatch_next_tick_ns (const dispatch *d);

/* Which models stand behind the engines of the run, as far as workers said it; borrowed. */
const models *dispatch_models (const dispatch *d);

#endif
