/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_COORDINATOR_DISPATCH_DISPATCH_KIT_H
#define ESP_TESTS_UNIT_COORDINATOR_DISPATCH_DISPATCH_KIT_H

/* dispatch_kit.h - dispatch over an in-memory link, with worker ends moved by hand and a clock that stands still
 *
 * Every problem's tree is one chain: the path of node n is 1, 2, ... n, and its text is "step n".
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coordinator/dispatch/dispatch.h"
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "proto/link/link_memory.h"
#include "proto/wire/wire.h"
#include "tests/support/suite.h"

enum { KIT_RANKS = 6, KIT_MOST = 64, KIT_RUN = 77, KIT_VERSION = 5 };
#define KIT_SECOND UINT64_C (1000000000)

struct heard { /* what one worker heard since it was last asked */
    unsigned kinds[WIRE_KINDS];
    bool watched; /* as the last ping said */
    struct {
        uint32_t number;
        uint64_t lease;
        size_t steps, texts; /* of its prefix */
    } tasks[KIT_MOST];
    size_t task_count, prefixes, problems, batch_most;
    uint32_t cancels[KIT_MOST];
    size_t cancel_count;
    span run_file; /* of WELCOME: equal to what was given, or empty */
    uint32_t epoch, silence_ms;
};

struct kit {
    link_end *ends[KIT_RANKS];
    int ranks;
    uint64_t now_ns;
    dispatch_options options;
    dispatch *d;
    wire_codec *in, *out;
    problem problem;
    bool unwanted[KIT_MOST], gone; /* gone: the problem ended */
    node_ref huge;                 /* the text of this node fits no message */
    task again[KIT_MOST];
    size_t again_count;
    struct {
        uint32_t number;
        esp_err error;
        int rank;
    } results[KIT_MOST];
    size_t result_count, progress_count;
    struct { /* the last death that was told */
        int rank;
        bool alone;
        uint32_t numbers[KIT_MOST];
        size_t count, told;
    } death;
    bool waiting; /* what the loop says: there is other work */
    struct heard heard;
};

static inline uint64_t kit_now (void *ctx)
{
    return ((const struct kit *)ctx)->now_ns;
}

static inline bool kit_wants (void *ctx, task_id id)
{
    return id.number < KIT_MOST && !((const struct kit *)ctx)->unwanted[id.number];
}

static inline const problem *kit_find (void *ctx, problem_key key)
{
    struct kit *k = ctx;
    k->problem = (problem){key, span_of ("p"), span_of ("{}"), 0};
    return k->gone ? NULL : &k->problem;
}

static inline size_t kit_path (void *ctx, problem_key key, node_ref n, node_ref *out, size_t max)
{
    (void)ctx, (void)key;
    for (node_ref i = 0; i < n && i < max; i++)
        out[i] = i + 1;
    return n;
}

static inline span kit_text (void *ctx, problem_key key, node_ref n, uint32_t *tokens)
{
    static const char texts[] = "step 0step 1step 2step 3step 4step 5step 6step 7step 8step 9";
    (void)key;
    *tokens = n;
    if (n == ((const struct kit *)ctx)->huge && n > 0)
        return span_make (texts, WIRE_TEXT_MAX + (size_t)1); /* only its length is looked at */
    return span_make (texts + 6 * (n % 10), 6);
}

static inline void kit_result (void *ctx, const result *r, int rank)
{
    struct kit *k = ctx;
    k->results[k->result_count].number = r->id.number;
    k->results[k->result_count].error = r->error;
    k->results[k->result_count++].rank = rank;
    k->unwanted[r->id.number] = true;
}

static inline void kit_again (void *ctx, const task *t)
{
    struct kit *k = ctx;
    k->again[k->again_count++] = *t;
}

static inline void kit_progress (void *ctx, task_id id, span text)
{
    (void)id, (void)text;
    ((struct kit *)ctx)->progress_count++;
}

static inline void kit_death (void *ctx, int rank, bool alone, const task_id *ids, size_t count)
{
    struct kit *k = ctx;
    k->death.rank = rank;
    k->death.alone = alone;
    k->death.count = count;
    for (size_t i = 0; i < count; i++)
        k->death.numbers[i] = ids[i].number;
    k->death.told++;
}

static inline bool kit_waiting (void *ctx)
{
    return ((const struct kit *)ctx)->waiting;
}

static inline esp_err kit_open (struct kit *k, int workers)
{
    dispatch_world world = {k,         kit_wants,    kit_find, kit_path,  kit_text,   kit_result,
                            kit_again, kit_progress, NULL,     kit_death, kit_waiting};
    esp_clock clock = {kit_now, k};
    esp_err err;
    memset (k, 0, sizeof (*k));
    k->now_ns = KIT_SECOND;
    k->options = (dispatch_options){.lease_s = 100,
                                    .silence_s = 30,
                                    .heartbeat_s = 2,
                                    .no_worker_s = 60,
                                    .coordinator_silence_s = 60,
                                    .affinity = 4,
                                    .max_batch = 256,
                                    .retries = 2};
    if ((err = link_memory_open (workers + 1, k->ends)) != ESP_OK)
        return err;
    k->ranks = workers + 1;
    if ((err = wire_codec_create (&k->in)) != ESP_OK ||
        (err = wire_codec_create (&k->out)) != ESP_OK)
        return err;
    return dispatch_create (&k->options, k->ends[0], &clock, KIT_RUN, 3, KIT_VERSION,
                            span_of ("run: {}"), &world, &k->d);
}

static inline void kit_close (struct kit *k)
{
    dispatch_destroy (k->d);
    wire_codec_destroy (k->in);
    wire_codec_destroy (k->out);
    for (int i = 0; i < k->ranks; i++)
        link_close (k->ends[i], true);
    free (k);
    CHECK (esp_alloc_live () == 0);
}

static inline esp_err kit_say (struct kit *k, int rank, wire_message *m)
{
    esp_buf bytes = {0};
    esp_err err;
    m->run_id = m->run_id ? m->run_id : KIT_RUN;
    if ((err = wire_encode (k->out, m, &bytes)) == ESP_OK)
        err = link_send (k->ends[rank], 0, esp_buf_span (&bytes));
    esp_buf_free (&bytes);
    return err;
}

/* ---- what a worker says ---- */

static inline esp_err kit_hello (struct kit *k, int rank, uint64_t version)
{
    wire_message m = {.kind = WIRE_HELLO,
                      .u.hello = {.version = version, .pid = 1, .host = span_of ("desk")}};
    return kit_say (k, rank, &m);
}

static inline esp_err kit_ready (struct kit *k, int rank, uint32_t generate, uint32_t score)
{
    wire_message m = {.kind = WIRE_READY,
                      .u.ready = {.slots = {generate, score, 0}, .engines = span_of ("by hand")}};
    return kit_say (k, rank, &m);
}

/* READY of a worker whose servers chose this model, behind the only generator or one of a list. */
static inline esp_err
kit_ready_with (struct kit *k, int rank, const char *entry, const char *model, const char *server)
{
    wire_model has = {TASK_GENERATE, span_of (entry), span_of (model), span_of (server)};
    wire_message m = {.kind = WIRE_READY, .u.ready = {{4, 0, 0}, span_of ("by hand"), &has, 1}};
    return kit_say (k, rank, &m);
}

static inline void
kit_answer (struct kit *k, int rank, uint32_t number, uint64_t lease, esp_err error)
{
    wire_result r = {.lease = lease,
                     .result = {.id = {1, number},
                                .error = error,
                                .text = span_of ("text"),
                                .tokens = 3,
                                .steps = 1,
                                .logprob = NAN,
                                .mean_logprob = NAN,
                                .share = NAN}};
    wire_message m = {.kind = WIRE_RESULTS, .u.results = {&r, 1}};
    PASS (kit_say (k, rank, &m));
}

static inline void kit_missing (struct kit *k, int rank, uint32_t number)
{
    task_id id = {1, number};
    wire_message m = {.kind = WIRE_MISSING, .u.ids = {&id, 1}};
    PASS (kit_say (k, rank, &m));
}

static inline void kit_pong (struct kit *k, int rank)
{
    wire_message m = {.kind = WIRE_PONG};
    PASS (kit_say (k, rank, &m));
}

/* ---- what it hears ---- */

static inline void kit_note_batch (struct heard *h, const wire_message *m)
{
    h->problems += m->u.batch.problem_count;
    h->prefixes += m->u.batch.prefix_count;
    h->batch_most = m->u.batch.task_count > h->batch_most ? m->u.batch.task_count : h->batch_most;
    for (size_t i = 0; i < m->u.batch.task_count && h->task_count < KIT_MOST; i++) {
        const wire_task *t = &m->u.batch.tasks[i];
        const wire_prefix *p = &m->u.batch.prefixes[t->prefix];
        h->tasks[h->task_count].number = t->task.id.number;
        h->tasks[h->task_count].lease = t->lease;
        h->tasks[h->task_count].steps = p->step_count;
        h->tasks[h->task_count].texts = 0;
        for (size_t s = 0; s < p->step_count; s++)
            h->tasks[h->task_count].texts += p->steps[s].has_text;
        h->task_count++;
    }
}

/* Everything for this rank that waits on the link; valid until the next call. */
static inline const struct heard *kit_hear (struct kit *k, int rank)
{
    struct heard *h = &k->heard;
    link_event got;
    wire_message m;
    memset (h, 0, sizeof (*h));
    while (link_poll (k->ends[rank], &got) == ESP_OK) {
        if (got.kind != LINK_MESSAGE || wire_decode (k->in, got.bytes, &m) != ESP_OK)
            continue;
        CHECK (m.run_id == KIT_RUN);
        h->kinds[m.kind]++;
        if (m.kind == WIRE_PING)
            h->watched = m.u.ping.watched;
        if (m.kind == WIRE_BATCH)
            kit_note_batch (h, &m);
        if (m.kind == WIRE_CANCEL)
            for (size_t i = 0; i < m.u.ids.count; i++)
                h->cancels[h->cancel_count++] = m.u.ids.ids[i].number;
        if (m.kind == WIRE_WELCOME) {
            h->epoch = m.u.welcome.epoch;
            h->silence_ms = m.u.welcome.silence_ms;
            h->run_file =
                span_is (m.u.welcome.run_file, "run: {}") ? span_of ("run: {}") : span_of ("");
        }
    }
    return h;
}

/* ---- the coordinator's side ---- */

static inline task kit_task (uint32_t number, node_ref node)
{
    return (task){.id = {1, number},
                  .kind = TASK_GENERATE,
                  .mode = TASK_STEP,
                  .node = node,
                  .child = node + 1,
                  .seed = 7,
                  .max_tokens = 9,
                  .max_steps = 1};
}

static inline void kit_give (struct kit *k, uint32_t number, node_ref node)
{
    task t = kit_task (number, node);
    PASS (dispatch_give (k->d, &t));
}

/* One pass of the loop, without giving. */
static inline void kit_pass (struct kit *k)
{
    size_t taken;
    PASS (dispatch_receive (k->d, 100000, &taken));
    PASS (dispatch_tick (k->d));
    PASS (dispatch_flush (k->d));
    roster_check (dispatch_roster (k->d));
}

static inline const dispatch_stats *kit_stats (const struct kit *k)
{
    return dispatch_statistics (k->d);
}

static inline uint32_t kit_out (struct kit *k, int rank)
{
    return roster_worker (dispatch_roster (k->d), rank)->in_flight[TASK_GENERATE];
}

static inline int kit_state (struct kit *k, int rank)
{
    return roster_worker (dispatch_roster (k->d), rank)->state;
}

/* Workers that are ready, each with so many slots for generations. */
static inline struct kit *given_workers (int workers, uint32_t slots)
{
    struct kit *k = calloc (1, sizeof (*k));
    CU_ASSERT_FATAL (k != NULL);
    PASS (kit_open (k, workers));
    for (int rank = 1; rank <= workers; rank++) {
        PASS (kit_hello (k, rank, KIT_VERSION));
        PASS (kit_ready (k, rank, slots, 0));
    }
    kit_pass (k);
    for (int rank = 1; rank <= workers; rank++)
        (void)kit_hear (k, rank);
    return k;
}

/* ---- deaths ---- */

static inline void kit_die (struct kit *k, int rank)
{
    CU_ASSERT_FATAL (rank > 0);
    link_close (k->ends[rank], false);
    k->ends[rank] = NULL;
    kit_pass (k);
}

/* The rank that got `number` in this pass, and its lease; 0: nobody did. */
static inline int kit_who_got (struct kit *k, uint32_t number, uint64_t *lease)
{
    for (int rank = 1; rank < k->ranks; rank++) {
        const struct heard *h = k->ends[rank] ? kit_hear (k, rank) : NULL;
        for (size_t i = 0; h && i < h->task_count; i++)
            if (h->tasks[i].number == number) {
                *lease = h->tasks[i].lease;
                return rank;
            }
    }
    return 0;
}

/* The loop gives again what came back. */
static inline void kit_give_again (struct kit *k)
{
    for (size_t i = 0; i < k->again_count; i++)
        PASS (dispatch_give (k->d, &k->again[i]));
    k->again_count = 0;
    kit_pass (k);
}

/* Tasks 0, 1, ... went to one worker of many, and it died; then to the next, and that died too. */
static inline struct kit *given_two_deaths_in_company (int workers, uint32_t tasks)
{
    struct kit *k = given_workers (workers, 4);
    uint64_t lease = 0;
    for (uint32_t i = 0; i < tasks; i++)
        kit_give (k, i, 5); /* the same home */
    kit_pass (k);
    kit_die (k, kit_who_got (k, 0, &lease));
    CHECK (k->again_count == tasks && dispatch_suspects (k->d) == 0);
    kit_give_again (k);
    kit_die (k, kit_who_got (k, 0, &lease));
    CHECK (k->again_count == 0);
    return k;
}

#endif
