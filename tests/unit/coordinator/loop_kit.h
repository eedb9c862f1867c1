/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_COORDINATOR_LOOP_KIT_H
#define ESP_TESTS_UNIT_COORDINATOR_LOOP_KIT_H

/* loop_kit.h - a coordinator with best_of_n, one worker that answers at once (or is mute), and a clock moved by hand */

#include "coordinator/loop.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/base/log.h"
#include "proto/link/link_memory.h"
#include "tests/support/suite.h"

enum { SECOND = 1000000000 };
static const int64_t two[] = {2, 1}; /* best_of_n's n and actions */

struct run {
    char folder[4000], problems[4100];
    link_end *ends[2];
    uint64_t now_ns;
    esp_clock clock;
    run_options options;
    search_setup search;
    vote_options vote;
    dispatch_options dispatch;
    problem_options problem;
    problem_source *source;
    coordinator *c;
    journal *j;
    wire_codec *in, *out;
    bool mute;         /* the worker says nothing about its tasks */
    unsigned done[16]; /* tasks answered, by problem */
    unsigned visited;
};

static inline uint64_t run_now (void *ctx)
{
    return ((const struct run *)ctx)->now_ns;
}

/* ---- the worker ---- */

static inline void say (struct run *r, wire_message *m)
{
    esp_buf bytes = {0};
    m->run_id = 9;
    PASS (wire_encode (r->out, m, &bytes));
    PASS (link_send (r->ends[1], 0, esp_buf_span (&bytes)));
    esp_buf_free (&bytes);
}

static inline result answer_to (task_id id)
{
    return (result){.id = id,
                    .text = span_of ("\\boxed{1}"),
                    .tokens = 3,
                    .steps = 1,
                    .finish = FINISH_EOS,
                    .logprob = NAN,
                    .mean_logprob = NAN,
                    .share = NAN};
}

static inline void work (struct run *r)
{
    link_event got;
    wire_message m,
        ready = {.kind = WIRE_READY, .u.ready = {.slots = {4, 0, 0}, .engines = span_of ("test")}};
    while (r->ends[1] && link_poll (r->ends[1], &got) == ESP_OK) {
        if (got.kind != LINK_MESSAGE || wire_decode (r->in, got.bytes, &m) != ESP_OK)
            continue;
        if (m.kind == WIRE_WELCOME)
            say (r, &ready);
        for (size_t i = 0; m.kind == WIRE_BATCH && !r->mute && i < m.u.batch.task_count; i++) {
            const wire_task *t = &m.u.batch.tasks[i];
            wire_result one = {.result = answer_to (t->task.id), .lease = t->lease};
            wire_message results = {.kind = WIRE_RESULTS, .u.results = {&one, 1}};
            r->done[problem_number (t->task.id.problem) % 16]++;
            say (r, &results);
        }
    }
}

/* ---- a run ---- */

static inline void prepare (struct run *r, int problems)
{
    esp_buf text = {0};
    esp_error error = {0};
    memset (r, 0, sizeof (*r));
    snprintf (r->folder, sizeof (r->folder), "%s", suite_folder ());
    snprintf (r->problems, sizeof (r->problems), "%s/problems.jsonl", r->folder);
    for (int i = 0; i < problems; i++)
        PASS (esp_buf_printf (&text, "{\"id\":\"p%d\",\"question\":\"Q %d\",\"answer\":\"1\"}\n", i,
                              i));
    PASS (esp_file_write (r->problems, esp_buf_span (&text), 0644, &error));
    esp_buf_free (&text);
    r->now_ns = SECOND;
    r->options = (run_options){.name = "test", .output = r->folder, .seed = 42, .repeats = 1};
    r->search = (search_setup){.options = {.max_steps = 10, .deterministic = true, .in_flight = 1},
                               .strategy = strategy_find ("best_of_n"),
                               .strategy_options = two,
                               .run_seed = 42,
                               .how = {.temperature = 0.8, .top_p = 1.0, .max_step_tokens = 8},
                               .max_tokens = 64};
    r->dispatch = (dispatch_options){.lease_s = 1000,
                                     .silence_s = 1000,
                                     .heartbeat_s = 2,
                                     .no_worker_s = 60,
                                     .coordinator_silence_s = 60,
                                     .affinity = 4,
                                     .max_batch = 256,
                                     .retries = 2};
    r->problem = (problem_options){.file = r->problems, .max_line_bytes = 1 << 20};
}

static inline journal_run its_journal (void)
{
    return (journal_run){.identity = 7,
                         .semantics = 1,
                         .strategy = span_of ("best_of_n"),
                         .program = span_of ("test"),
                         .run_file = span_of ("run: {}\n")};
}

static const journal_options journal_how = {.enabled = true, .segment_bytes = 1 << 20, .keep = 1};

static inline coordinator_setup setup_of (struct run *r)
{
    r->clock = (esp_clock){run_now, r};
    return (coordinator_setup){.run = &r->options,
                               .search = &r->search,
                               .vote = &r->vote,
                               .dispatch = &r->dispatch,
                               .problems = &r->problem,
                               .source = r->source,
                               .link = r->ends[0],
                               .clock = &r->clock,
                               .run_id = 9,
                               .version = 5,
                               .epoch = 1,
                               .run_file = span_of ("run: {}\n")};
}

static inline void start (struct run *r, bool resume)
{
    wire_message hello = {.kind = WIRE_HELLO,
                          .u.hello = {.version = 5, .pid = 1, .host = span_of ("desk")}};
    journal_run run = its_journal ();
    coordinator_setup setup;
    const key_range *finished = NULL;
    size_t count = 0;
    esp_error error = {0};
    PASS (link_memory_open (2, r->ends));
    PASS (wire_codec_create (&r->in));
    PASS (wire_codec_create (&r->out));
    PASS (problem_source_open (&r->problem, NULL, NULL, NULL, &r->source, &error));
    setup = setup_of (r);
    PASS (coordinator_create (&setup, &r->c, &error));
    if (resume)
        PASS (journal_resume (r->folder, &journal_how, &run, row_file_names, ROW_FILES,
                              coordinator_visit, r->c, &finished, &count, &r->j, &error));
    else
        PASS (journal_create (r->folder, &journal_how, &run, row_file_names, ROW_FILES, &r->j,
                              &error));
    PASS (coordinator_attach (r->c, r->j, finished, count, &error));
    say (r, &hello);
}

static inline void stop (struct run *r)
{
    journal_close (r->j);
    coordinator_destroy (r->c);
    problem_source_close (r->source);
    wire_codec_destroy (r->in);
    wire_codec_destroy (r->out);
    link_close (r->ends[0], true);
    link_close (r->ends[1], true);
    CHECK (esp_alloc_live () == 0);
}

/* Until the run ends, or nothing moves for so many seconds of its clock. */
static inline enum coordinator_state drive (struct run *r, double seconds)
{
    uint64_t until = r->now_ns + (uint64_t)(seconds * 1e9);
    bool busy;
    for (int i = 0;
         i < 10000 && r->now_ns < until && coordinator_state (r->c) == COORDINATOR_RUNNING; i++) {
        PASS (coordinator_pass (r->c, &busy));
        work (r);
        if (!busy) {
            PASS (journal_sync (r->j));
            r->now_ns += SECOND / 10;
        }
    }
    return coordinator_state (r->c);
}

/* Lines of answers.jsonl that hold this text. */
static inline size_t rows_with (const struct run *r, const char *text)
{
    char path[4100];
    esp_buf rows = {0};
    esp_error error = {0};
    size_t n;
    snprintf (path, sizeof (path), "%s/answers.jsonl", r->folder);
    PASS (esp_file_read (path, 1 << 20, &rows, &error));
    n = span_count (esp_buf_span (&rows), span_of (text));
    esp_buf_free (&rows);
    return n;
}

/* A journal in which problem 0 was opened and got so many results, written as the coordinator would, but no rows. */
static inline void given_journal (struct run *r, uint32_t results)
{
    journal_run run = its_journal ();
    input in = {.kind = INPUT_OPEN};
    journal *j = NULL;
    esp_error error = {0};
    PASS (journal_create (r->folder, &journal_how, &run, row_file_names, ROW_FILES, &j, &error));
    PASS (journal_input (j, &in, NULL));
    for (uint32_t i = 0; i < results; i++) {
        in = (input){.kind = INPUT_RESULT, .u.result = answer_to ((task_id){0, i + 1})};
        PASS (journal_input (j, &in, NULL));
    }
    PASS (journal_sync (j));
    journal_close (j);
}

#endif
