/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_PROTO_WIRE_GIVEN_MESSAGE_H
#define ESP_TESTS_UNIT_PROTO_WIRE_GIVEN_MESSAGE_H

/* given_message.h - random messages between coordinator and workers, and how to compare them */

#include "tests/unit/proto/wire/given.h"

/* ---- random messages ---- */

static inline wire_step some_step (struct given *g, node_ref node)
{
    bool has_text = below (g, 2);
    return (wire_step){node, has_text, has_text ? some_text (g) : span_make ("", 0),
                       has_text ? some_u32 (g) : 0};
}

static inline wire_task some_task (struct given *g, const wire_prefix *prefixes, uint32_t prefix)
{
    const wire_prefix *p = &prefixes[prefix];
    return (wire_task){
        .task =
            {
                .id = {p->problem, some_u32 (g)},
                .kind = (uint8_t)below (g, TASK_KINDS),
                .mode = (uint8_t)below (g, TASK_DRAFT + 1),
                .engine = (uint16_t)some_u32 (g),
                .action = (uint16_t)some_u32 (g),
                .reading = (uint16_t)some_u32 (g),
                .node = p->step_count ? p->steps[p->step_count - 1].node : NODE_ROOT,
                .child = below (g, 2) ? NODE_NONE : some_u32 (g),
                .ordinal = some_u32 (g),
                .seed = some_u32 (g) & INT32_MAX,
                .k = below (g, 2) ? TASK_K_GREEDY : some_u32 (g),
                .max_tokens = some_u32 (g),
                .max_steps = some_u32 (g),
                .how = {below (g, 3), below (g, 5) / 4.0, (int64_t)(some_u64 (g) >> 1),
                        some_u32 (g)},
                .extra = some_text (g),
                .priority = some_finite (g) + 0.5,
                .chain = some_u32 (g),
            },
        .prefix = prefix,
        .lease = some_u64 (g),
    };
}

static inline void fill_batch (struct given *g, wire_message *m)
{
    problem *problems = some_array (g, sizeof (*problems), &m->u.batch.problem_count);
    wire_prefix *prefixes = some_array (g, sizeof (*prefixes), &m->u.batch.prefix_count);
    wire_task *tasks = some_array (g, sizeof (*tasks), &m->u.batch.task_count);
    for (size_t i = 0; i < m->u.batch.problem_count; i++)
        problems[i] = (problem){some_u64 (g), some_name (g), some_text (g), some_finite (g) + 0.5};
    for (size_t i = 0; i < m->u.batch.prefix_count; i++) {
        wire_step *steps = some_array (g, sizeof (*steps), &prefixes[i].step_count);
        for (size_t s = 0; s < prefixes[i].step_count; s++)
            steps[s] = some_step (g, 1 + some_u32 (g) % (NODE_NONE - 1));
        prefixes[i].problem = some_u64 (g);
        prefixes[i].steps = steps;
    }
    if (m->u.batch.prefix_count == 0)
        m->u.batch.task_count = 0;
    for (size_t i = 0; i < m->u.batch.task_count; i++)
        tasks[i] = some_task (g, prefixes, below (g, (uint32_t)m->u.batch.prefix_count));
    m->u.batch.problems = problems;
    m->u.batch.prefixes = prefixes;
    m->u.batch.tasks = tasks;
}

static inline void fill_ids (struct given *g, wire_message *m)
{
    task_id *ids = some_array (g, sizeof (*ids), &m->u.ids.count);
    for (size_t i = 0; i < m->u.ids.count; i++)
        ids[i] = (task_id){some_u64 (g), some_u32 (g)};
    m->u.ids.ids = ids;
}

static inline void fill_results (struct given *g, wire_message *m)
{
    wire_result *results = some_array (g, sizeof (*results), &m->u.results.count);
    for (size_t i = 0; i < m->u.results.count; i++) {
        results[i] = (wire_result){some_result (g), some_u64 (g), some_u32 (g)};
        results[i].result.server = below (g, 2) ? some_name (g) : span_make ("", 0);
    }
    m->u.results.results = results;
}

static inline void fill_models (struct given *g, wire_message *m)
{
    wire_model *models = some_array (g, sizeof (*models), &m->u.ready.model_count);
    for (size_t i = 0; i < m->u.ready.model_count; i++)
        models[i] = (wire_model){(uint8_t)below (g, TASK_KINDS), some_name (g),
                                 span_of (i % 2 ? "\xff" : "m"), some_name (g)};
    m->u.ready.models = models;
}

static inline void fill_small (struct given *g, wire_message *m)
{
    switch (m->kind) {
    case WIRE_WELCOME:
        m->u.welcome.epoch = some_u32 (g);
        m->u.welcome.run_file = some_text (g);
        m->u.welcome.silence_ms = some_u32 (g);
        return;
    case WIRE_PONG:
        for (int i = 0; i < TASK_KINDS; i++)
            m->u.ping.in_flight[i] = some_u32 (g);
        m->u.ping.sequence = some_u64 (g);
        return;
    case WIRE_PING:
        m->u.ping.sequence = some_u64 (g);
        m->u.ping.watched = some_u32 (g) % 2;
        return;
    case WIRE_HELLO:
        m->u.hello.version = some_u64 (g);
        m->u.hello.pid = some_u32 (g);
        m->u.hello.host = some_name (g);
        return;
    case WIRE_READY:
        for (int i = 0; i < TASK_KINDS; i++)
            m->u.ready.slots[i] = some_u32 (g);
        m->u.ready.engines = some_text (g);
        fill_models (g, m);
        return;
    case WIRE_REFUSED:
        m->u.refused = some_text (g);
        return;
    case WIRE_PROGRESS:
        m->u.progress.id = (task_id){some_u64 (g), some_u32 (g)};
        m->u.progress.text = some_text (g);
        return;
    default:
        return;
    }
}

static inline wire_message some_message (struct given *g, enum wire_kind kind)
{
    wire_message m = {.kind = (uint8_t)kind, .run_id = some_u64 (g)};
    if (kind == WIRE_BATCH)
        fill_batch (g, &m);
    else if (kind == WIRE_CANCEL || kind == WIRE_MISSING)
        fill_ids (g, &m);
    else if (kind == WIRE_RESULTS)
        fill_results (g, &m);
    else
        fill_small (g, &m);
    return m;
}

/* ---- comparisons ---- */

static inline bool same_task (const wire_task *a, const wire_task *b)
{
    const task *x = &a->task, *y = &b->task;
    return a->prefix == b->prefix && a->lease == b->lease && same_id (x->id, y->id) &&
           x->kind == y->kind && x->mode == y->mode && x->engine == y->engine &&
           x->action == y->action && x->reading == y->reading && x->node == y->node &&
           x->child == y->child && x->ordinal == y->ordinal && x->seed == y->seed && x->k == y->k &&
           x->max_tokens == y->max_tokens && x->max_steps == y->max_steps &&
           same_number (x->how.temperature, y->how.temperature) &&
           same_number (x->how.top_p, y->how.top_p) && x->how.top_k == y->how.top_k &&
           x->how.max_step_tokens == y->how.max_step_tokens && span_equal (x->extra, y->extra) &&
           same_number (x->priority, y->priority) && x->chain == y->chain;
}

static inline bool same_prefix (const wire_prefix *a, const wire_prefix *b)
{
    bool same = a->problem == b->problem && a->step_count == b->step_count;
    for (size_t i = 0; same && i < a->step_count; i++)
        same = a->steps[i].node == b->steps[i].node &&
               a->steps[i].has_text == b->steps[i].has_text &&
               a->steps[i].tokens == b->steps[i].tokens &&
               span_equal (a->steps[i].text, b->steps[i].text);
    return same;
}

static inline bool same_batch (const wire_message *a, const wire_message *b)
{
    bool same = a->u.batch.problem_count == b->u.batch.problem_count &&
                a->u.batch.prefix_count == b->u.batch.prefix_count &&
                a->u.batch.task_count == b->u.batch.task_count;
    for (size_t i = 0; same && i < a->u.batch.problem_count; i++) {
        const problem *x = &a->u.batch.problems[i], *y = &b->u.batch.problems[i];
        same = x->key == y->key && span_equal (x->id, y->id) && span_equal (x->json, y->json) &&
               same_number (x->priority, y->priority);
    }
    for (size_t i = 0; same && i < a->u.batch.prefix_count; i++)
        same = same_prefix (&a->u.batch.prefixes[i], &b->u.batch.prefixes[i]);
    for (size_t i = 0; same && i < a->u.batch.task_count; i++)
        same = same_task (&a->u.batch.tasks[i], &b->u.batch.tasks[i]);
    return same;
}

static inline bool same_lists (const wire_message *a, const wire_message *b)
{
    bool same;
    if (a->kind == WIRE_RESULTS) {
        same = a->u.results.count == b->u.results.count;
        for (size_t i = 0; same && i < a->u.results.count; i++)
            same = same_result (&a->u.results.results[i].result, &b->u.results.results[i].result) &&
                   a->u.results.results[i].lease == b->u.results.results[i].lease &&
                   a->u.results.results[i].busy_us == b->u.results.results[i].busy_us &&
                   span_equal (a->u.results.results[i].result.server,
                               b->u.results.results[i].result.server);
        return same;
    }
    same = a->u.ids.count == b->u.ids.count;
    for (size_t i = 0; same && i < a->u.ids.count; i++)
        same = same_id (a->u.ids.ids[i], b->u.ids.ids[i]);
    return same;
}

static inline bool same_models (const wire_message *a, const wire_message *b)
{
    bool same = a->u.ready.model_count == b->u.ready.model_count;
    for (size_t i = 0; same && i < a->u.ready.model_count; i++) {
        const wire_model *x = &a->u.ready.models[i], *y = &b->u.ready.models[i];
        same = x->kind == y->kind && span_equal (x->entry, y->entry) &&
               span_equal (x->model, y->model) && span_equal (x->server, y->server);
    }
    return same;
}

static inline bool same_message (const wire_message *a, const wire_message *b)
{
    if (a->kind != b->kind || a->run_id != b->run_id)
        return false;
    switch ((enum wire_kind)a->kind) {
    case WIRE_WELCOME:
        return a->u.welcome.epoch == b->u.welcome.epoch &&
               a->u.welcome.silence_ms == b->u.welcome.silence_ms &&
               span_equal (a->u.welcome.run_file, b->u.welcome.run_file);
    case WIRE_BATCH:
        return same_batch (a, b);
    case WIRE_CANCEL:
    case WIRE_MISSING:
    case WIRE_RESULTS:
        return same_lists (a, b);
    case WIRE_PING:
    case WIRE_PONG:
        return a->u.ping.sequence == b->u.ping.sequence && a->u.ping.watched == b->u.ping.watched &&
               memcmp (a->u.ping.in_flight, b->u.ping.in_flight, sizeof (a->u.ping.in_flight)) == 0;
    case WIRE_HELLO:
        return a->u.hello.version == b->u.hello.version && a->u.hello.pid == b->u.hello.pid &&
               span_equal (a->u.hello.host, b->u.hello.host);
    case WIRE_READY:
        return memcmp (a->u.ready.slots, b->u.ready.slots, sizeof (a->u.ready.slots)) == 0 &&
               span_equal (a->u.ready.engines, b->u.ready.engines) && same_models (a, b);
    case WIRE_REFUSED:
        return span_equal (a->u.refused, b->u.refused);
    case WIRE_PROGRESS:
        return same_id (a->u.progress.id, b->u.progress.id) &&
               span_equal (a->u.progress.text, b->u.progress.text);
    case WIRE_DRAIN:
    case WIRE_STOP:
        return true;
    case WIRE_KINDS:
        break;
    }
    return false;
}

#endif
