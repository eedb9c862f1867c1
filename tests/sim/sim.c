/* SPDX-License-Identifier: Apache-2.0 */
/* sim.c - see sim.h
 *
 * The virtual network is a link_end whose send() hands the bytes to a virtual worker at once and whose poll() gives what
 * is due.  All virtual workers share one store of texts: what a worker is assumed to know it is then able to know; amnesia
 * faults test the other case.
 */

#include "tests/sim/sim.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/base/rng.h"
#include "proto/wire/wire.h"
#include "worker/store.h"

struct due { /* something that will reach the coordinator */
    uint64_t at_ns, order;
    int rank;
    bool down;
    char *bytes; /* owned */
    size_t len;
};

struct virtual_worker {
    bool dead;
    uint64_t batches;
    uint64_t busy_until[4096]; /* per slot: a task starts when a slot is free */
};

struct sim {
    link_end end; /* first: the coordinator's end is this struct */
    sim_faults faults;
    uint64_t now_ns, order, draws, run_id;
    struct due *heap; /* owned */
    size_t count, cap;
    esp_buf
        current; /* the message given out by poll: here, as a network leaves it, not cold somewhere in the heap */
    wire_codec *in, *out;
    store *texts;
    worker_engines engines;
    const run_config *config;
    const wire_task *doing;
    result *made; /* result of the engine call that is running */
    wire_message *reply;
    esp_buf bytes;
    struct virtual_worker *workers; /* owned */
    uint32_t slots;
    double task_seconds;
    uint64_t generations;
    uint64_t outside_ns; /* wall time of the virtual world inside the coordinator's passes */
};

static uint64_t wall_ns (void)
{
    esp_clock clock = esp_clock_monotonic ();
    return esp_clock_ns (&clock);
}

static uint64_t sim_now (void *ctx)
{
    return ((struct sim *)ctx)->now_ns;
}

static double draw (struct sim *s)
{
    return esp_draw_unit (s->faults.seed + 77, s->draws++);
}

static double task_time (struct sim *s, const task *t)
{
    uint64_t key = s->faults.seed * 1000003 + t->seed + ((uint64_t)t->kind << 40);
    double u = esp_draw_unit (key, t->id.number), v = esp_draw_unit (key + 1, t->id.number);
    double normal = sqrt (-2.0 * log (u > 0 ? u : 0.5)) * cos (6.283185307179586 * v);
    double scale = t->kind == TASK_GENERATE ? 1.0 : 0.05; /* a PRM call is short beside a step */
    return s->faults.median_s * scale * exp (s->faults.sigma * normal);
}

/* ---- the event heap ---- */

static bool due_before (const struct sim *s, const struct due *a, const struct due *b)
{
    if (a->at_ns != b->at_ns)
        return a->at_ns < b->at_ns;
    return s->faults.reverse ? a->order > b->order : a->order < b->order;
}

static void push_due (struct sim *s, struct due d)
{
    size_t i = s->count;
    if (esp_grow (&s->heap, &s->cap, s->count + 1, sizeof (*s->heap)) != 0)
        abort ();
    d.order = s->order++;
    s->heap[s->count++] = d;
    for (; i > 0 && due_before (s, &s->heap[i], &s->heap[(i - 1) / 2]); i = (i - 1) / 2) {
        struct due swap = s->heap[i];
        s->heap[i] = s->heap[(i - 1) / 2];
        s->heap[(i - 1) / 2] = swap;
    }
}

static struct due pop_due (struct sim *s)
{
    struct due top = s->heap[0];
    s->heap[0] = s->heap[--s->count];
    for (size_t i = 0;;) {
        size_t best = i, left = 2 * i + 1;
        for (size_t c = left; c < left + 2 && c < s->count; c++)
            if (due_before (s, &s->heap[c], &s->heap[best]))
                best = c;
        if (best == i)
            break;
        struct due swap = s->heap[i];
        s->heap[i] = s->heap[best];
        s->heap[best] = swap;
        i = best;
    }
    return top;
}

/* ---- virtual workers ---- */

static void say_at (struct sim *s, int rank, wire_message *m, uint64_t at_ns)
{
    struct due d = {.at_ns = at_ns, .rank = rank};
    m->run_id = s->run_id;
    esp_buf_clear (&s->bytes);
    if (wire_encode (s->out, m, &s->bytes) != ESP_OK || !(d.bytes = esp_malloc (s->bytes.len + 1)))
        abort ();
    memcpy (d.bytes, s->bytes.data, s->bytes.len);
    d.len = s->bytes.len;
    push_due (s, d);
}

/* engine_setup.done: the fake engine answers inside start(); the reply is encoded right here, while its spans live. */
static void engine_done (void *ctx, const job *j, const result *r)
{
    struct sim *s = ctx;
    wire_result w = {.result = *r, .lease = s->doing->lease};
    wire_message m = {.kind = WIRE_RESULTS, .u.results = {&w, 1}};
    struct virtual_worker *v = &s->workers[s->end.rank];
    double seconds = task_time (s, &j->task);
    uint32_t slot = 0;
    uint64_t start, at;
    for (uint32_t i = 1; i < s->slots; i++)
        if (v->busy_until[i] < v->busy_until[slot])
            slot = i;
    start = v->busy_until[slot] > s->now_ns ? v->busy_until[slot] : s->now_ns;
    at = start + (uint64_t)(seconds * 1e9);
    v->busy_until[slot] = at;
    if (s->faults.did)
        s->faults.did (s->faults.did_ctx, &j->task, start, at);
    s->task_seconds += j->task.kind == TASK_GENERATE ? seconds : 0.0;
    s->generations += j->task.kind == TASK_GENERATE;
    if (draw (s) < s->faults.retry) {
        w.result = (result){
            .id = r->id, .error = ESP_ETIMEOUT, .logprob = NAN, .mean_logprob = NAN, .share = NAN};
    }
    say_at (s, s->end.rank, &m, at);
    if (draw (s) < s->faults.duplicate)
        say_at (s, s->end.rank, &m, at + 1000);
}

static void do_task (struct sim *s, int rank, const wire_task *t, const wire_prefix *prefix)
{
    span *steps = esp_calloc (prefix->step_count + 1, sizeof (*steps));
    job j = {.task = t->task, .steps = steps, .step_count = prefix->step_count};
    const job *const jobs[1] = {&j};
    bool whole =
        draw (s) >= s->faults.amnesia && store_find_problem (s->texts, prefix->problem, &j.problem);
    for (size_t i = 0; whole && i < prefix->step_count; i++)
        whole = store_find_text (s->texts, prefix->problem, prefix->steps[i].node, &steps[i], NULL);
    if (whole) {
        s->doing = t;
        s->end.rank = rank;
        s->engines.of[t->task.kind].kind->start (s->engines.of[t->task.kind].state, jobs, 1);
        s->end.rank = 0;
    } else {
        wire_message m = {.kind = WIRE_MISSING, .u.ids = {&t->task.id, 1}};
        say_at (s, rank, &m, s->now_ns + 1000000);
    }
    esp_free (steps);
}

static void take_batch (struct sim *s, int rank, const wire_message *m)
{
    struct virtual_worker *v = &s->workers[rank];
    for (size_t i = 0; i < m->u.batch.problem_count; i++)
        if (store_problem (s->texts, m->u.batch.problems[i].key, m->u.batch.problems[i].json) !=
            ESP_OK)
            abort ();
    for (size_t i = 0; i < m->u.batch.prefix_count; i++)
        for (size_t k = 0; k < m->u.batch.prefixes[i].step_count; k++) {
            const wire_step *step = &m->u.batch.prefixes[i].steps[k];
            if (step->has_text && store_text (s->texts, m->u.batch.prefixes[i].problem, step->node,
                                              step->text, step->tokens) != ESP_OK)
                abort ();
        }
    /* Rank 1 lives, so that the run can end; a task that is sent alone may be a suspect, and must not look poisonous. */
    if (v->batches++ > 0 && draw (s) < s->faults.death && rank != 1 && m->u.batch.task_count > 1) {
        v->dead = true;
        if (s->faults.deaths_reported)
            push_due (s, (struct due){.at_ns = s->now_ns + 5000000, .rank = rank, .down = true});
        return;
    }
    for (size_t i = 0; i < m->u.batch.task_count; i++)
        do_task (s, rank, &m->u.batch.tasks[i], &m->u.batch.prefixes[m->u.batch.tasks[i].prefix]);
}

static void take_message (struct sim *s, int rank, const wire_message *m)
{
    wire_message answer = {.kind = WIRE_READY};
    switch ((enum wire_kind)m->kind) {
    case WIRE_WELCOME:
        s->run_id = m->run_id;
        for (int k = 0; k < TASK_KINDS; k++)
            answer.u.ready.slots[k] = s->engines.of[k].kind ? s->slots : 0;
        answer.u.ready.engines = span_of ("virtual");
        say_at (s, rank, &answer, s->now_ns + 1000000);
        break;
    case WIRE_BATCH:
        take_batch (s, rank, m);
        break;
    case WIRE_PING:
        answer.kind = WIRE_PONG;
        answer.u.ping.sequence = m->u.ping.sequence;
        say_at (s, rank, &answer, s->now_ns + 1000000);
        break;
    default:
        break;
    }
}

/* ---- the link ---- */

static esp_err sim_send (link_end *end, int rank, span bytes)
{
    struct sim *s = (struct sim *)end;
    uint64_t start = wall_ns ();
    wire_message m;
    if (s->workers[rank].dead)
        return ESP_OK;
    if (wire_decode (s->in, bytes, &m) != ESP_OK)
        abort ();
    take_message (s, rank, &m);
    s->outside_ns += wall_ns () - start;
    return ESP_OK;
}

static bool next_event (struct sim *s, link_event *out)
{
    while (s->count > 0 && s->heap[0].at_ns <= s->now_ns) {
        struct due d = pop_due (s);
        bool lost = s->workers[d.rank].dead && !d.down; /* what a dead worker had not sent */
        esp_buf_clear (&s->current);
        if (esp_buf_append (&s->current, d.bytes, d.len) != ESP_OK)
            abort ();
        esp_free (d.bytes);
        *out = (link_event){d.down ? LINK_DOWN : LINK_MESSAGE, d.rank, esp_buf_span (&s->current)};
        if (!lost)
            return true;
    }
    return false;
}

static esp_err sim_poll (link_end *end, link_event *out)
{
    struct sim *s = (struct sim *)end;
    uint64_t start = wall_ns ();
    bool any = next_event (s, out);
    s->outside_ns += wall_ns () - start;
    return any ? ESP_OK : ESP_EEMPTY;
}

static void sim_wait (link_end *end, uint64_t timeout_ns, const int *fds, size_t fd_count)
{
    (void)end;
    (void)timeout_ns;
    (void)fds;
    (void)fd_count;
}

static void sim_wake (link_end *end)
{
    (void)end;
}

static bool sim_flushed (link_end *end)
{
    (void)end;
    return true;
}

static void sim_close (link_end *end, bool clean)
{
    (void)end;
    (void)clean;
}

static const link_table sim_table = {sim_send, sim_poll,    sim_wait,
                                     sim_wake, sim_flushed, sim_close};

/* ---- a run ---- */

static void say_hello (struct sim *s, int rank)
{
    wire_message m = {.kind = WIRE_HELLO,
                      .u.hello = {.version = 7, .pid = 1, .host = span_of ("sim")}};
    say_at (s, rank, &m, s->now_ns + (uint64_t)rank);
}

static int give_up (const char *what, const char *why)
{
    printf ("sim: %s: %s\n", what, why);
    return 1;
}

/* The thread's CPU, split as its wall time was: reading its CPU clock at every message would cost more than the message. */
static void note_cpu (const struct sim *s, uint64_t cpu_ns, uint64_t wall, sim_outcome *out)
{
    double inside = wall > s->outside_ns ? (double)(wall - s->outside_ns) / (double)wall : 0.0;
    out->coordinator_cpu_ns = (uint64_t)((double)cpu_ns * inside);
}

static int pump (struct sim *s, coordinator *c, journal *j, const sim_faults *f, sim_outcome *out)
{
    uint64_t cpu = esp_thread_cpu_ns (), start = wall_ns (), waiting;
    while (coordinator_state (c) == COORDINATOR_RUNNING) {
        bool busy;
        if (coordinator_pass (c, &busy) != ESP_OK)
            return give_up ("pass", coordinator_error (c)->text);
        if (f->crash_after && coordinator_inputs (c) >= f->crash_after)
            _exit (9);
        if (busy)
            continue;
        if (s->count > 0) {
            s->now_ns = s->heap[0].at_ns > s->now_ns ? s->heap[0].at_ns : s->now_ns;
            continue;
        }
        waiting = wall_ns ();
        if (journal_sync (j) != ESP_OK)
            return give_up ("journal", "failed");
        start += wall_ns () - waiting;
        s->now_ns += 100000000;
    }
    note_cpu (s, esp_thread_cpu_ns () - cpu, wall_ns () - start, out);
    return 0;
}

static esp_err start_journal (run_config *c, coordinator *co, const char *output, bool resume,
                              span text, journal **j, esp_error *error)
{
    journal_run run = {.semantics = c->search.strategy->semantics,
                       .strategy = span_of (c->search.strategy->name),
                       .program = span_of ("sim"),
                       .run_file = text};
    const key_range *finished = NULL;
    size_t count = 0;
    esp_err err = config_identity (c->yaml, &run.identity);
    if (err == ESP_OK && resume)
        err = journal_resume (output, &c->journal, &run, row_file_names, ROW_FILES,
                              coordinator_visit, co, &finished, &count, j, error);
    else if (err == ESP_OK)
        err = journal_create (output, &c->journal, &run, row_file_names, ROW_FILES, j, error);
    return err == ESP_OK ? coordinator_attach (co, *j, finished, count, error) : err;
}

static esp_err
open_problems (const run_config *c, const char *output, problem_source **out, esp_error *error)
{
    char path[600];
    esp_err err;
    snprintf (path, sizeof (path), "%s/journal", output);
    if ((err = esp_folder_make (path, error)) != ESP_OK)
        return err;
    snprintf (path, sizeof (path), "%s/journal/problems.idx", output);
    return problem_source_open (&c->problems, path, NULL, NULL, out, error);
}

static void
note_outcome (const struct sim *s, const coordinator *co, const sim_faults *f, sim_outcome *out)
{
    out->state = (int)coordinator_state (co);
    out->seconds = (double)s->now_ns / 1e9;
    out->busy = s->task_seconds / (out->seconds * (double)s->slots * f->workers);
    out->generations_done = s->generations;
    out->inputs = coordinator_inputs (co);
    out->dispatch = *dispatch_statistics (coordinator_dispatch (co));
    coordinator_status (co, &out->status);
}

static int run_with (struct sim *s, run_config *c, const char *output, span text,
                     const sim_faults *f, sim_outcome *out)
{
    esp_clock clock = {sim_now, s};
    esp_buf memory = {0};
    record_header old = {0};
    esp_error error = {0};
    problem_source *source = NULL;
    coordinator *co = NULL;
    journal *j = NULL;
    bool resume = journal_peek (output, &old, &memory, &error) == ESP_OK;
    coordinator_setup setup = {.run = &c->run,
                               .search = &c->search,
                               .vote = &c->vote,
                               .dispatch = &c->dispatch,
                               .problems = &c->problems,
                               .link = &s->end,
                               .clock = &clock,
                               .version = 7,
                               .run_id = resume ? old.run_id : 99,
                               .epoch = resume ? old.epoch + 1 : 1,
                               .run_file = text};
    int failed = 1;
    if (open_problems (c, output, &source, &error) != ESP_OK)
        goto end;
    setup.source = source;
    if (coordinator_create (&setup, &co, &error) != ESP_OK ||
        start_journal (c, co, output, resume, text, &j, &error) != ESP_OK)
        goto end;
    for (int rank = 1; rank <= f->workers; rank++)
        say_hello (s, rank);
    failed = pump (s, co, j, f, out);
    note_outcome (s, co, f, out);
end:
    if (failed)
        give_up (output, error.text);
    journal_close (j);
    coordinator_destroy (co);
    problem_source_close (source);
    esp_buf_free (&memory);
    return failed;
}

static esp_err open_sim (struct sim *s, const sim_faults *f, span text, esp_error *error)
{
    static const esp_clock zero = {sim_now, NULL};
    engine_setup base = {.done = engine_done, .ctx = s, .clock = &zero};
    s->faults = *f;
    s->end = (link_end){.table = &sim_table, .size = f->workers + 1, .description = "virtual"};
    s->slots = f->credits ? (uint32_t)f->credits : 16;
    if (!(s->workers = esp_calloc ((size_t)f->workers + 1, sizeof (*s->workers))))
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    if (wire_codec_create (&s->in) != ESP_OK || wire_codec_create (&s->out) != ESP_OK ||
        store_create ((size_t)4 << 30, &s->texts) != ESP_OK)
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    return run_config_open_engines (NULL, text, &base, &s->engines, error);
}

static void close_sim (struct sim *s)
{
    if (s->engines.owner)
        run_config_close_engines (NULL, &s->engines);
    while (s->count > 0)
        esp_free (pop_due (s).bytes);
    esp_buf_free (&s->current);
    esp_free (s->heap);
    esp_free (s->workers);
    esp_buf_free (&s->bytes);
    store_destroy (s->texts);
    wire_codec_destroy (s->in);
    wire_codec_destroy (s->out);
    esp_free (s);
}

int sim_run (const char *yaml, const char *output, const sim_faults *f, sim_outcome *out)
{
    struct sim *s = esp_calloc (1, sizeof (*s));
    run_config *c = NULL;
    esp_buf mistakes = {0}, text = {0};
    esp_error error = {0};
    int failed = 1;
    *out = (sim_outcome){0};
    if (run_config_parse (span_of (yaml), NULL, 0, &c, &mistakes, &error) == ESP_OK &&
        config_resolved (c->yaml, &text) == ESP_OK &&
        open_sim (s, f, esp_buf_span (&text), &error) == ESP_OK)
        failed = run_with (s, c, output, esp_buf_span (&text), f, out);
    else
        give_up ("run file", mistakes.len ? esp_buf_text (&mistakes) : error.text);
    close_sim (s);
    run_config_destroy (c);
    esp_buf_free (&mistakes);
    esp_buf_free (&text);
    return failed;
}
