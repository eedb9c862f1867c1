/* SPDX-License-Identifier: Apache-2.0 */
/* loop.c - the coordinator's pass; see loop.h
 *
 * The phases stand in data-flow order in coordinator_pass: results in (4, 5), problems in (1, 2), tasks out (3), then the journal.
 * Rows (6, 7) leave through the journal, which keeps them until the input that made them is on disk.
 *
 * Invariants:
 *   I1  an input is journaled before it is applied
 *   I2  every planned and unanswered task of an open search is in the frontier, in flight, or a suspect
 *   I3  a problem is in exactly one of: not admitted (next, skip), open, finished
 */

#include "coordinator/loop_private.h"
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "proto/base/prefetch.h"

enum {
    HASH_EVERY = 4096, /* inputs between two digest records */
    MESSAGES_A_PASS =
        256, /* messages taken before tasks are sent again: keeps workers fed under a flood */
    OPEN_MOST = 65536,  /* problems open at once when problems.open is 0 */
    BACKLOG = 256 << 20 /* bytes waiting for the disk over which nothing new is sent */
};

const esp_option run_option_rows[] = {
    {"name", ESP_OPT_STRING, offsetof (run_options, name), "run", 0, 0, NULL, "", "for people",
     ESP_OPT_FREE, false},
    {"output", ESP_OPT_STRING, offsetof (run_options, output), NULL, 0, 0, NULL, "",
     "folder of this run; made if it is not there", ESP_OPT_FREE, true},
    {"seed", ESP_OPT_INT, offsetof (run_options, seed), "42", 0, 9e15, NULL, "",
     "same seed, same draws and same seeds of samples", ESP_OPT_FIXED, false},
    {"repeats", ESP_OPT_INT, offsetof (run_options, repeats), "1", 1, 1000000, NULL, "searches",
     "independent searches per problem", ESP_OPT_GROWS, false},
    {"limits.seconds", ESP_OPT_DOUBLE, offsetof (run_options, limit_seconds), NULL, 0.001, 1e9,
     NULL, "s", "wall time of this start of the run; reached: it stops, resumable; left out: none",
     ESP_OPT_FREE, false},
    {"limits.generations", ESP_OPT_INT, offsetof (run_options, limit_generations), NULL, 1, 9e15,
     NULL, "samples", "hard cap of the whole run; reached: it stops, resumable; left out: none",
     ESP_OPT_FREE, false},
    {"limits.generated_tokens", ESP_OPT_INT, offsetof (run_options, limit_generated_tokens), NULL,
     1, 9e15, NULL, "tokens",
     "hard cap of the whole run; reached: it stops, resumable; left out: none", ESP_OPT_FREE,
     false},
    ESP_OPTION_END,
};

esp_err fail_loop (coordinator *c, esp_err err)
{
    if (c->error.code == ESP_OK)
        esp_error_set (&c->error, err, "%s", esp_err_text (err));
    return err;
}

/* ---- 5: apply one input ---- */

static void publish (coordinator *c, uint64_t number)
{
    effects *e = &c->effects;
    if (!c->setup.observer.events || e->event_count == 0)
        return;
    for (size_t i = 0; i < e->event_count; i++)
        e->events[i].number = number;
    c->setup.observer.events (c->setup.observer.ctx, e->events, e->event_count);
}

static int by_node (const void *a, const void *b)
{
    const task *x = a, *y = b;
    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    return (x->id.number > y->id.number) - (x->id.number < y->id.number);
}

/* Siblings next to each other, so that they arrive as one request: a level of a beam names each parent many times, in turn. */
static void gather_siblings (effects *e)
{
    for (size_t i = 1; i < e->task_count; i++)
        if (e->tasks[i].node < e->tasks[i - 1].node) {
            qsort (e->tasks, e->task_count, sizeof (*e->tasks), by_node);
            return;
        }
}

esp_err queue_tasks (coordinator *c, const open_problem *p, effects *e)
{
    esp_err err = ESP_OK;
    gather_siblings (e);
    for (size_t i = 0; i < e->task_count && err == ESP_OK; i++)
        err = frontier_push (c->frontier, &e->tasks[i], p->priority);
    return err;
}

void count_finished (coordinator *c, const row_totals *t)
{
    c->done++;
    c->solved += t->correct;
    c->graded += t->graded;
    c->failed += t->failed;
    c->finished_used = budget_sum (&c->finished_used, &t->used);
    c->finished_scored_steps += t->scored_steps;
}

/* 6, 7: the rows of a problem that ended with input `number`. */
esp_err finish_problem (coordinator *c, open_problem *p, uint64_t number)
{
    row_totals totals;
    esp_err err;
    for (size_t i = 0; i < c->row_files; i++)
        esp_buf_clear (&c->rows[i]);
    if ((err = rows_of_search (p->search, c->setup.vote, c->setup.samples, c->rows, &totals)) !=
        ESP_OK)
        return err;
    for (size_t i = 0; i < c->row_files; i++)
        c->row_spans[i] = esp_buf_span (&c->rows[i]);
    if ((err = journal_rows (c->journal, p->key, number, c->row_spans, c->row_files)) != ESP_OK)
        return err;
    count_finished (c, &totals);
    close_search (c, p);
    return ESP_OK;
}

esp_err apply_input (coordinator *c, open_problem *p, const input *in)
{
    uint64_t number;
    esp_err err;
    if ((err = journal_input (c->journal, in, &number)) != ESP_OK)
        return journal_failure (c->journal, &c->error) ? c->error.code : err;
    c->inputs = number;
    if ((err = search_apply (p->search, in, &c->effects)) != ESP_OK ||
        (err = queue_tasks (c, p, &c->effects)) != ESP_OK)
        return err;
    for (size_t i = 0; i < c->effects.cancel_count; i++)
        dispatch_cancel (c->dispatch, (task_id){p->key, c->effects.cancels[i]});
    publish (c, number);
    if (number % HASH_EVERY == 0 &&
        (err = journal_hash (c->journal, p->key, search_digest (p->search))) != ESP_OK)
        return err;
    return c->effects.finished ? finish_problem (c, p, number) : ESP_OK;
}

static void keep_error (coordinator *c, esp_err err)
{
    if (err != ESP_OK && c->pass_error == ESP_OK)
        c->pass_error = fail_loop (c, err);
}

/* ---- what dispatch wants to know (dispatch_world) ---- */

static bool world_wants (void *ctx, task_id id)
{
    const struct open_slot *slot = find_slot_of (ctx, id.problem);
    return slot && search_wants (slot->search, id.number);
}

static void world_expect (void *ctx, task_id id)
{
    const struct open_slot *slot = find_slot_of (ctx, id.problem);
    if (!slot)
        return;
    search_expect (slot->search);
    esp_prefetch (slot->p, sizeof (*slot->p));
}

static const problem *world_find (void *ctx, problem_key key)
{
    const struct open_slot *slot = find_slot_of (ctx, key);
    return slot ? search_problem (slot->search) : NULL;
}

static size_t world_path (void *ctx, problem_key key, node_ref n, node_ref *out, size_t max)
{
    const struct open_slot *slot = find_slot_of (ctx, key);
    return slot ? tree_path (search_tree (slot->search), n, out, max) : 0;
}

static span world_text (void *ctx, problem_key key, node_ref n, uint32_t *tokens)
{
    const struct open_slot *slot = find_slot_of (ctx, key);
    const node *at = slot ? search_node (slot->search, n) : NULL;
    *tokens = at ? at->tokens : 0;
    return at ? node_text (at) : span_make ("", 0);
}

static void world_result (void *ctx, const result *r, int rank)
{
    coordinator *c = ctx;
    open_problem *p = find_open (c, r->id.problem);
    input in = {.kind = INPUT_RESULT, .problem = r->id.problem, .u.result = *r};
    (void)rank;
    c->generations += r->error == ESP_OK && r->steps > 0;
    c->results++;
    if (p)
        limits_settle (c, search_task (p->search, r->id.number), r->tokens);
    if (p && c->pass_error == ESP_OK)
        keep_error (c, apply_input (c, p, &in));
}

static void world_again (void *ctx, const task *t)
{
    coordinator *c = ctx;
    const open_problem *p = find_open (c, t->id.problem);
    if (p)
        keep_error (c, frontier_push (c->frontier, t, p->priority));
}

/* While the run stops, workers are ended by whoever ends it: that says nothing of their tasks. */
static void world_death (void *ctx, int rank, bool alone, const task_id *ids, size_t count)
{
    coordinator *c = ctx;
    if (!c->stopping && c->pass_error == ESP_OK)
        keep_error (c, journal_death (c->journal, rank, alone, ids, count));
}

static bool world_waiting (void *ctx)
{
    return frontier_size (((const coordinator *)ctx)->frontier) > 0;
}

static void world_progress (void *ctx, task_id id, span text)
{
    const coordinator *c = ctx;
    const open_problem *p = find_open (c, id.problem);
    const task *t = p ? search_task (p->search, id.number) : NULL;
    if (c->setup.observer.progress && t && t->kind == TASK_GENERATE && t->child != NODE_NONE)
        c->setup.observer.progress (c->setup.observer.ctx, id.problem, t->child, text);
}

/* ---- life ---- */

esp_err coordinator_create (const coordinator_setup *setup, coordinator **out, esp_error *error)
{
    coordinator *c = esp_calloc (1, sizeof (*c));
    dispatch_world world = {
        c,           world_wants,    world_find,   world_path,  world_text,   world_result,
        world_again, world_progress, world_expect, world_death, world_waiting};
    esp_err err = ESP_ENOMEM;
    if (!c)
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    c->setup = *setup;
    c->total = (uint64_t)problem_source_count (setup->source) * (uint64_t)setup->run->repeats;
    c->started_ns = esp_clock_ns (setup->clock);
    c->row_files = setup->samples ? setup->samples->row_file_count : ROW_FILES;
    c->rows = esp_calloc (c->row_files, sizeof (*c->rows));
    c->row_spans = esp_calloc (c->row_files, sizeof (*c->row_spans));
    if (!c->rows || !c->row_spans || (err = frontier_create (&c->frontier)) != ESP_OK ||
        (err = dispatch_create (setup->dispatch, setup->link, setup->clock, setup->run_id,
                                setup->epoch, setup->version, setup->run_file, &world,
                                &c->dispatch)) != ESP_OK) {
        coordinator_destroy (c);
        return esp_error_set (error, err, "%s", esp_err_text (err));
    }
    *out = c;
    return ESP_OK;
}

void coordinator_destroy (coordinator *c)
{
    if (!c)
        return;
    close_searches (c);
    esp_free (c->late_rows);
    esp_free (c->admitted);
    esp_free (c->passed_over);
    esp_free (c->deaths);
    frontier_destroy (c->frontier);
    dispatch_destroy (c->dispatch);
    effects_free (&c->effects);
    for (size_t i = 0; c->rows && i < c->row_files; i++)
        esp_buf_free (&c->rows[i]);
    esp_free (c->rows);
    esp_free (c->row_spans);
    esp_free (c);
}

/* ---- 1, 2: problems in ---- */

static bool was_admitted (const coordinator *c, problem_key key)
{
    size_t low = 0, high = c->admitted_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c->admitted[middle].first + c->admitted[middle].count <= key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->admitted_count && c->admitted[low].first <= key;
}

static bool next_key (coordinator *c, problem_key *key)
{
    uint32_t count = problem_source_count (c->setup.source);
    for (; c->next_repeat < (uint32_t)c->setup.run->repeats; c->next_repeat++, c->next_number = 0)
        while (c->next_number < count) {
            *key = problem_key_make (c->next_repeat, c->next_number++);
            if (!was_admitted (c, *key))
                return true;
        }
    return false;
}

/* Until twice the slots are queued, or as many as problems.open says. */
static bool wants_problem (const coordinator *c)
{
    size_t most = c->setup.problems->open > 0 ? (size_t)c->setup.problems->open : OPEN_MOST;
    if (c->stopping || c->all_admitted || c->open_count >= most)
        return false;
    return c->setup.problems->open > 0 ||
           frontier_size (c->frontier) + dispatch_in_flight (c->dispatch) <
               2 * dispatch_slots (c->dispatch) + 1;
}

static esp_err admit_problems (coordinator *c, bool *busy)
{
    input in = {.kind = INPUT_OPEN};
    open_problem *p;
    esp_err err = ESP_OK;
    while (err == ESP_OK && wants_problem (c)) {
        if (!next_key (c, &in.problem)) {
            c->all_admitted = true;
            break;
        }
        *busy = true;
        if ((err = open_search (c, in.problem, &p)) == ESP_OK)
            err = apply_input (c, p, &in);
    }
    return err;
}

/* ---- 3: tasks out ---- */

static esp_err send_kind (coordinator *c, enum task_kind kind, bool *busy)
{
    task t;
    esp_err err = ESP_OK;
    while (err == ESP_OK && dispatch_room (c->dispatch, kind) &&
           frontier_pop (c->frontier, kind, &t) == ESP_OK) {
        open_problem *p = find_open (c, t.id.problem);
        if (!p || !search_wants (p->search, t.id.number))
            continue; /* cancelled while it waited */
        if (!limits_take (c, &t))
            return frontier_push (c->frontier, &t, p->priority);
        if (p->first_sent_ns == 0)
            p->first_sent_ns = esp_clock_ns (c->setup.clock);
        *busy = true;
        err = dispatch_give (c->dispatch, &t);
    }
    return err;
}

static esp_err send_tasks (coordinator *c, bool *busy)
{
    esp_err err = ESP_OK;
    c->limits.held_back = NULL;
    if (c->stopping || journal_backlog (c->journal) > BACKLOG)
        return ESP_OK;
    for (int k = 0; k < TASK_KINDS && err == ESP_OK; k++)
        err = send_kind (c, (enum task_kind)k, busy);
    return err == ESP_OK ? dispatch_flush (c->dispatch) : err;
}

/* ---- the end ---- */

static void check_end (coordinator *c, uint64_t now)
{
    if (c->state != COORDINATOR_RUNNING)
        return;
    if (c->open_count == 0 && (c->all_admitted || c->done == c->total) && journal_idle (c->journal))
        c->state = COORDINATOR_DONE;
    else if (c->stopping && (now >= c->stop_ns || dispatch_in_flight (c->dispatch) == 0))
        c->state = COORDINATOR_STOPPED;
}

esp_err coordinator_pass (coordinator *c, bool *busy)
{
    uint64_t now = esp_clock_ns (c->setup.clock);
    size_t taken = 0;
    esp_err err;
    *busy = false;
    if (c->pass_error != ESP_OK) /* of a command between two passes */
        return fail_loop (c, c->pass_error);
    if ((err = dispatch_receive (c->dispatch, MESSAGES_A_PASS, &taken)) != ESP_OK ||
        (err = c->pass_error) != ESP_OK || (err = admit_problems (c, busy)) != ESP_OK ||
        (err = send_tasks (c, busy)) != ESP_OK || (err = dispatch_tick (c->dispatch)) != ESP_OK ||
        (err = c->pass_error) != ESP_OK)
        return fail_loop (c, err);
    if (now >= c->next_check_ns) {
        c->next_check_ns = now + 50000000; /* deadlines and limits need no finer clock */
        limits_check (c, now);
        if ((err = limits_deadlines (c, now)) != ESP_OK)
            return fail_loop (c, err);
    }
    journal_flush (c->journal);
    if (journal_failure (c->journal, &c->error) != ESP_OK)
        return c->error.code;
    check_end (c, now);
    *busy = *busy || taken > 0;
    return ESP_OK;
}

void coordinator_wait (coordinator *c, uint64_t timeout_ns)
{
    int fd = journal_fd (c->journal);
    link_wait (c->setup.link, timeout_ns, &fd, fd >= 0 ? 1 : 0);
}

void coordinator_stop (coordinator *c, double drain_s, const char *why)
{
    uint64_t until = esp_clock_ns (c->setup.clock) + (uint64_t)(drain_s * 1e9);
    if (!c->stopping || until < c->stop_ns)
        c->stop_ns = until;
    if (!c->stopping)
        c->why = why;
    c->stopping = true;
}

struct below { /* tasks of one search under one node */
    const tree *tree;
    node_ref top;
};

static bool is_below (void *ctx, const task *t)
{
    const struct below *b = ctx;
    node_ref at = t->node;
    while (at != b->top && at != NODE_ROOT)
        at = tree_node (b->tree, at)->parent;
    return at == b->top;
}

esp_err coordinator_command (coordinator *c, problem_key key, const command *cmd, uint64_t *number)
{
    open_problem *p = find_open (c, key);
    input in = {.kind = INPUT_COMMAND, .problem = key, .u.command = *cmd};
    esp_err err;
    if (!p)
        return ESP_ENOENT;
    if (cmd->kind == COMMAND_BOOST &&
        (cmd->node == NODE_NONE || cmd->node < tree_size (search_tree (p->search)))) {
        struct below b = {search_tree (p->search), cmd->node == NODE_NONE ? NODE_ROOT : cmd->node};
        frontier_boost (c->frontier, key, cmd->value, is_below,
                        &b); /* send order only: no search sees it */
    }
    if ((err = apply_input (c, p, &in)) == ESP_OK)
        *number = c->inputs;
    if (err == ESP_ENOMEM)
        keep_error (c,
                    err); /* the search is unusable: the run stops and resumes from its journal */
    return err;
}
