/* SPDX-License-Identifier: Apache-2.0 */
/* loop_resume.c - searches from their inputs, and what others may look at */

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "coordinator/loop_private.h"
#include "proto/base/alloc.h"
#include "proto/base/log.h"

/* ---- replay ---- */

static esp_err replay_input (coordinator *c, const record *r)
{
    const input *in = &r->u.input;
    open_problem *p = find_open (c, in->problem);
    esp_err err;
    c->inputs = r->number;
    if (!p) {
        if (in->kind != INPUT_OPEN)
            return esp_error_set (&c->error, ESP_EDAMAGE,
                                  "journal: input %" PRIu64
                                  " is for problem %u, which was never opened",
                                  r->number, problem_number (in->problem));
        if ((err = open_search (c, in->problem, &p)) != ESP_OK)
            return err;
    }
    if ((err = search_apply (p->search, in, &c->effects)) != ESP_OK)
        return esp_error_set (&c->error, err, "%s", esp_err_text (err));
    if (!c->effects.finished)
        return ESP_OK;
    p->finished_by = r->number;
    if (esp_grow (&c->late_rows, &c->late_cap, c->late_count + 1, sizeof (*c->late_rows)) != 0)
        return esp_error_set (&c->error, ESP_ENOMEM, "out of memory");
    c->late_rows[c->late_count++] = p;
    return ESP_OK;
}

/* A new segment: was it written under a run file that plans as this one does? */
static void look_at_run_file (coordinator *c, span run_file)
{
    c->passing_over = c->setup.replays && !span_equal (run_file, c->setup.run_file) &&
                      !c->setup.replays (c->setup.replays_ctx, run_file);
}

static esp_err pass_over (coordinator *c, const record *r)
{
    c->inputs = r->number;
    if (r->u.input.kind != INPUT_OPEN)
        return ESP_OK;
    if (esp_grow (&c->passed_over, &c->passed_cap, c->passed_count + 1, sizeof (*c->passed_over)) !=
        0)
        return esp_error_set (&c->error, ESP_ENOMEM, "out of memory");
    c->passed_over[c->passed_count++] = r->u.input.problem;
    return ESP_OK;
}

/* They are not in `admitted`, so the loop opens them again: a second OPEN in the journal, which ends what was before. */
static void say_passed_over (const coordinator *c)
{
    size_t again = 0;
    for (size_t i = 0; i < c->passed_count; i++)
        again += find_open (c, c->passed_over[i]) == NULL;
    if (again > 0)
        esp_log (LOG_WARN, "RESUME-RESTARTS",
                 "the budget of a search grew: %zu problems that were not finished start "
                 "again from the beginning; finished ones stay as they are",
                 again);
}

/* Of tasks that nobody had answered then. */
static esp_err note_deaths (coordinator *c, const record *r)
{
    for (size_t i = 0; i < r->u.death.task_count; i++) {
        task_id id = r->u.death.tasks[i];
        const open_problem *p = find_open (c, id.problem);
        if (!p || !search_wants (p->search, id.number))
            continue;
        if (esp_grow (&c->deaths, &c->death_cap, c->death_count + 1, sizeof (*c->deaths)) != 0)
            return esp_error_set (&c->error, ESP_ENOMEM, "out of memory");
        c->deaths[c->death_count++] = (struct death){id, r->u.death.alone};
    }
    return ESP_OK;
}

esp_err coordinator_visit (void *ctx, const record *r)
{
    coordinator *c = ctx;
    const open_problem *p;
    if (r->kind == RECORD_HEADER)
        look_at_run_file (c, r->u.header.run_file);
    if (r->kind == RECORD_INPUT)
        return c->passing_over ? pass_over (c, r) : replay_input (c, r);
    if (r->kind == RECORD_DEATH)
        return c->passing_over ? ESP_OK : note_deaths (c, r);
    if (r->kind != RECORD_HASH || !(p = find_open (c, r->u.hash.problem)))
        return ESP_OK;
    if (search_digest (p->search) != r->u.hash.digest)
        return esp_error_set (
            &c->error, ESP_EDIVERGED,
            "replay of problem %u differs from what was recorded at input %" PRIu64
            "; was the program changed? resume with the one that wrote the journal",
            problem_number (r->u.hash.problem), r->number);
    return ESP_OK;
}

/* ---- start ---- */

static int by_first (const void *a, const void *b)
{
    problem_key x = ((const key_range *)a)->first, y = ((const key_range *)b)->first;
    return (x > y) - (x < y);
}

/* What must not be admitted again: committed problems, and every one the journal brought back. */
static esp_err keep_admitted (coordinator *c, const key_range *finished, size_t count)
{
    size_t all = count + c->open_count, at = count;
    if (all == 0)
        return ESP_OK;
    if (!(c->admitted = esp_reallocarray (NULL, all, sizeof (*finished))))
        return ESP_ENOMEM;
    if (count > 0)
        memcpy (c->admitted, finished, count * sizeof (*finished));
    for (size_t i = 0; i < c->open_cap; i++) /* those that ended are still in this table */
        if (c->open[i].p)
            c->admitted[at++] = (key_range){c->open[i].p->key, 1};
    qsort (c->admitted, all, sizeof (*finished), by_first);
    c->admitted_count = all;
    for (size_t i = 0; i < count; i++)
        c->done += finished[i].count;
    c->done_before = c->done;
    return ESP_OK;
}

static int by_task (const void *a, const void *b)
{
    task_id x = ((const struct death *)a)->id, y = ((const struct death *)b)->id;
    if (x.problem != y.problem)
        return x.problem < y.problem ? -1 : 1;
    return (x.number > y.number) - (x.number < y.number);
}

/* What earlier starts saw of tasks that are pending: dispatch goes on counting there. */
static esp_err recall_deaths (coordinator *c)
{
    esp_err err = ESP_OK;
    size_t tasks = 0;
    if (c->death_count > 0)
        qsort (c->deaths, c->death_count, sizeof (*c->deaths), by_task);
    for (size_t i = 0, end; i < c->death_count && err == ESP_OK; i = end) {
        const open_problem *p = find_open (c, c->deaths[i].id.problem);
        const task *t = p ? search_task (p->search, c->deaths[i].id.number) : NULL;
        uint32_t alone = 0;
        for (end = i; end < c->death_count && by_task (&c->deaths[i], &c->deaths[end]) == 0; end++)
            alone += c->deaths[end].alone;
        tasks += t != NULL;
        if (t) /* not answered since */
            err = dispatch_recall (c->dispatch, t, (uint32_t)(end - i), alone);
    }
    if (tasks > 0)
        esp_log (LOG_INFO, "RESUME-DEATHS",
                 "%zu tasks were with workers that died in earlier starts; those that were at two "
                 "deaths run alone",
                 tasks);
    return err;
}

/* Tasks that were planned and not answered go out again. */
static esp_err queue_pending (coordinator *c)
{
    esp_err err = ESP_OK;
    uint64_t waiting = 0;
    for (size_t i = 0; i < c->open_cap && err == ESP_OK; i++) {
        if (!c->open[i].p ||
            (err = search_pending_tasks (c->open[i].p->search, &c->effects)) != ESP_OK)
            continue;
        for (size_t t = 0; t < c->effects.task_count; t++) /* a lookahead is not asked for yet */
            waiting +=
                c->effects.tasks[t].kind == TASK_GENERATE && c->effects.tasks[t].child != NODE_NONE;
        err = queue_tasks (c, c->open[i].p, &c->effects);
    }
    limits_begin (c, waiting);
    return err;
}

esp_err coordinator_attach (coordinator *c, journal *j, const key_range *finished,
                            size_t finished_count, esp_error *error)
{
    esp_err err = keep_admitted (c, finished, finished_count);
    c->journal = j;
    say_passed_over (c);
    for (size_t i = 0; i < c->late_count && err == ESP_OK; i++)
        err = finish_problem (c, c->late_rows[i], c->late_rows[i]->finished_by);
    c->late_count = 0;
    if (err == ESP_OK && (err = queue_pending (c)) == ESP_OK)
        err = recall_deaths (c);
    return err == ESP_OK
               ? ESP_OK
               : esp_error_set (error, err, "cannot go on with the run: %s", esp_err_text (err));
}

/* ---- figures ---- */

enum coordinator_state coordinator_state (const coordinator *c)
{
    return c->state;
}

void coordinator_watched (coordinator *c, bool watched)
{
    dispatch_watched (c->dispatch, watched);
}

bool coordinator_unstarted (const coordinator *c)
{
    return c->unstarted;
}

const char *coordinator_why (const coordinator *c)
{
    return c->why ? c->why : "";
}

const esp_error *coordinator_error (const coordinator *c)
{
    return &c->error;
}

const dispatch *coordinator_dispatch (const coordinator *c)
{
    return c->dispatch;
}

uint64_t coordinator_inputs (const coordinator *c)
{
    return c->inputs;
}

static uint32_t busy_percent (const coordinator *c, uint64_t in_flight)
{
    uint64_t slots = dispatch_kind_slots (c->dispatch, TASK_GENERATE);
    return slots ? (uint32_t)(in_flight >= slots ? 100 : 100 * in_flight / slots) : 0;
}

static double time_left (const coordinator *c, double seconds)
{
    uint64_t here = c->done - c->done_before;
    return here && c->total > c->done ? seconds / (double)here * (double)(c->total - c->done) : NAN;
}

void coordinator_status (const coordinator *c, run_status *out)
{
    budget used = c->finished_used;
    uint64_t scored = c->finished_scored_steps;
    for (size_t i = 0; i < c->open_cap; i++)
        if (c->open[i].p) {
            budget here = search_used (c->open[i].p->search);
            used = budget_sum (&used, &here);
            scored += search_scored_steps (c->open[i].p->search);
        }
    *out = (run_status){.problems_total = c->total,
                        .problems_open = c->open_count,
                        .problems_done = c->done,
                        .problems_solved = c->solved,
                        .problems_failed = c->failed,
                        .generations = used.generations,
                        .steps = used.steps,
                        .generated_tokens = used.generated_tokens,
                        .scored_tokens = used.scored_tokens,
                        .scored_steps = scored,
                        .in_flight = dispatch_in_flight (c->dispatch),
                        .frontier = frontier_size (c->frontier),
                        .inputs = c->inputs};
    out->workers = roster_count (dispatch_roster (c->dispatch), WORKER_READY);
    out->workers_busy_percent = busy_percent (c, out->in_flight);
    out->seconds = (double)(esp_clock_ns (c->setup.clock) - c->started_ns) / 1e9;
    out->generations_per_s = out->seconds > 0 ? (double)c->generations / out->seconds : NAN;
    out->eta_s = time_left (c, out->seconds);
}

void coordinator_each (const coordinator *c, void (*visit) (void *ctx, const search *s), void *ctx)
{
    for (size_t i = 0; i < c->open_cap; i++)
        if (c->open[i].p)
            visit (ctx, c->open[i].p->search);
}

const search *coordinator_search (const coordinator *c, problem_key key)
{
    const open_problem *p = find_open (c, key);
    return p ? p->search : NULL;
}
