/* SPDX-License-Identifier: Apache-2.0 */
/* wire_batch.c - problems, prefixes and tasks of one batch
 *
 * A prefix is three packed lists, not an object per step: most steps are just a number, since the worker
 * has their text.
 */

#include "proto/wire/wire_parts.h"

_Static_assert(ESPALIER__TASK_KIND__TASK_KIND_GENERATE == TASK_GENERATE + 1 &&
                   (int)ESPALIER__TASK_KIND__TASK_KIND_VERIFY == TASK_KINDS &&
                   ESPALIER__TASK_MODE__TASK_MODE_STEP == TASK_STEP + 1 &&
                   ESPALIER__TASK_MODE__TASK_MODE_DRAFT == TASK_DRAFT + 1,
               "the schema counts from 1");

static esp_err put_problems (wire_codec *codec, const wire_message *m, Espalier__Batch *out)
{
    size_t count = m->u.batch.problem_count;
    Espalier__Problem *objects = wire_out (codec, count, sizeof (*objects));
    out->problems = wire_out (codec, count, sizeof (*out->problems));
    if (!objects || !out->problems)
        return ESP_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const problem *p = &m->u.batch.problems[i];
        objects[i] = (Espalier__Problem)ESPALIER__PROBLEM__INIT;
        objects[i].key = p->key;
        objects[i].priority = p->priority;
        objects[i].id = wire_bytes (p->id);
        objects[i].json = wire_bytes (p->json);
        out->problems[i] = &objects[i];
    }
    out->n_problems = count;
    return ESP_OK;
}

static esp_err put_prefix (wire_codec *codec, const wire_prefix *p, Espalier__Prefix *out)
{
    size_t texts = 0;
    for (size_t i = 0; i < p->step_count; i++)
        texts += p->steps[i].has_text;
    *out = (Espalier__Prefix)ESPALIER__PREFIX__INIT;
    out->problem = p->problem;
    out->nodes = wire_out (codec, p->step_count, sizeof (*out->nodes));
    out->text_at = wire_out (codec, texts, sizeof (*out->text_at));
    out->texts = wire_out (codec, texts, sizeof (*out->texts));
    out->tokens = wire_out (codec, texts, sizeof (*out->tokens));
    if (!out->nodes || !out->text_at || !out->texts || !out->tokens)
        return ESP_ENOMEM;
    for (size_t i = 0; i < p->step_count; i++) {
        out->nodes[i] = p->steps[i].node;
        if (!p->steps[i].has_text)
            continue;
        out->text_at[out->n_text_at++] = (uint32_t)i;
        out->texts[out->n_texts++] = wire_bytes (p->steps[i].text);
        out->tokens[out->n_tokens++] = p->steps[i].tokens;
    }
    out->n_nodes = p->step_count;
    return ESP_OK;
}

static esp_err put_prefixes (wire_codec *codec, const wire_message *m, Espalier__Batch *out)
{
    size_t count = m->u.batch.prefix_count;
    Espalier__Prefix *objects = wire_out (codec, count, sizeof (*objects));
    out->prefixes = wire_out (codec, count, sizeof (*out->prefixes));
    if (!objects || !out->prefixes)
        return ESP_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (put_prefix (codec, &m->u.batch.prefixes[i], &objects[i]) != ESP_OK)
            return ESP_ENOMEM;
        out->prefixes[i] = &objects[i];
    }
    out->n_prefixes = count;
    return ESP_OK;
}

static void put_task (const wire_task *t, Espalier__Task *out)
{
    const task *k = &t->task;
    *out = (Espalier__Task)ESPALIER__TASK__INIT;
    out->problem = k->id.problem;
    out->number = k->id.number;
    out->lease = t->lease;
    out->kind = (Espalier__TaskKind)(k->kind + 1);
    out->mode = (Espalier__TaskMode)(k->mode + 1);
    out->engine = k->engine;
    out->action = k->action;
    out->reading = k->reading;
    out->prefix = t->prefix;
    out->node = k->node;
    out->child = k->child;
    out->ordinal = k->ordinal;
    out->seed = k->seed;
    out->k = k->k;
    out->max_tokens = k->max_tokens;
    out->max_steps = k->max_steps;
    out->temperature = k->how.temperature;
    out->top_p = k->how.top_p;
    out->top_k = k->how.top_k;
    out->max_step_tokens = k->how.max_step_tokens;
    out->priority = k->priority;
    out->chain = k->chain;
    out->extra = wire_bytes (k->extra);
}

esp_err wire_put_batch (wire_codec *codec, const wire_message *m, Espalier__Batch *out)
{
    size_t count = m->u.batch.task_count;
    Espalier__Task *objects = wire_out (codec, count, sizeof (*objects));
    *out = (Espalier__Batch)ESPALIER__BATCH__INIT;
    out->tasks = wire_out (codec, count, sizeof (*out->tasks));
    if (!objects || !out->tasks)
        return ESP_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        put_task (&m->u.batch.tasks[i], &objects[i]);
        out->tasks[i] = &objects[i];
    }
    out->n_tasks = count;
    if (put_problems (codec, m, out) != ESP_OK)
        return ESP_ENOMEM;
    return put_prefixes (codec, m, out);
}

static esp_err get_problems (wire_codec *codec, const Espalier__Batch *b, wire_message *out)
{
    problem *problems = wire_in (codec, b->n_problems, sizeof (*problems));
    if (!problems)
        return codec->failure;
    for (size_t i = 0; i < b->n_problems; i++) {
        const Espalier__Problem *p = b->problems[i];
        if (!wire_known (&p->base))
            return ESP_EFORMAT;
        problems[i] = (problem){p->key, wire_span (p->id), wire_span (p->json), p->priority};
    }
    out->u.batch.problems = problems;
    out->u.batch.problem_count = b->n_problems;
    return ESP_OK;
}

static esp_err get_prefix (wire_codec *codec, const Espalier__Prefix *p, wire_prefix *out)
{
    wire_step *steps = wire_in (codec, p->n_nodes, sizeof (*steps));
    size_t next = 0; /* position that text_at must not go below */
    if (!steps)
        return codec->failure;
    if (!wire_known (&p->base) || p->n_texts != p->n_text_at || p->n_tokens != p->n_texts)
        return ESP_EFORMAT;
    for (size_t i = 0; i < p->n_nodes; i++)
        steps[i] = (wire_step){p->nodes[i], false, {"", 0}, 0};
    for (size_t i = 0; i < p->n_texts; i++) {
        size_t at = p->text_at[i];
        if (at < next || at >= p->n_nodes)
            return ESP_EFORMAT;
        steps[at].has_text = true;
        steps[at].text = wire_span (p->texts[i]);
        steps[at].tokens = p->tokens[i];
        next = at + 1;
    }
    *out = (wire_prefix){p->problem, steps, p->n_nodes};
    return ESP_OK;
}

static esp_err get_prefixes (wire_codec *codec, const Espalier__Batch *b, wire_message *out)
{
    wire_prefix *prefixes = wire_in (codec, b->n_prefixes, sizeof (*prefixes));
    esp_err err;
    if (!prefixes)
        return codec->failure;
    for (size_t i = 0; i < b->n_prefixes; i++)
        if ((err = get_prefix (codec, b->prefixes[i], &prefixes[i])) != ESP_OK)
            return err;
    out->u.batch.prefixes = prefixes;
    out->u.batch.prefix_count = b->n_prefixes;
    return ESP_OK;
}

static bool get_task (const Espalier__Task *t, wire_task *out)
{
    task *k = &out->task;
    *out = (wire_task){
        .task =
            {
                .id = {t->problem, t->number},
                .node = t->node,
                .child = t->child,
                .ordinal = t->ordinal,
                .seed = t->seed,
                .k = t->k,
                .max_tokens = t->max_tokens,
                .max_steps = t->max_steps,
                .how = {t->temperature, t->top_p, t->top_k, t->max_step_tokens},
                .extra = wire_span (t->extra),
                .priority = t->priority,
                .chain = t->chain,
            },
        .prefix = t->prefix,
        .lease = t->lease,
    };
    return wire_known (&t->base) && wire_get_enum ((int)t->kind, TASK_KINDS, &k->kind) &&
           wire_get_enum ((int)t->mode, TASK_DRAFT + 1, &k->mode) &&
           wire_get_u16 (t->engine, &k->engine) && wire_get_u16 (t->action, &k->action) &&
           wire_get_u16 (t->reading, &k->reading);
}

esp_err wire_get_batch (wire_codec *codec, const Espalier__Batch *b, wire_message *out)
{
    wire_task *tasks = wire_in (codec, b->n_tasks, sizeof (*tasks));
    esp_err err;
    if (!tasks)
        return codec->failure;
    if (!wire_known (&b->base))
        return ESP_EFORMAT;
    for (size_t i = 0; i < b->n_tasks; i++)
        if (!get_task (b->tasks[i], &tasks[i]))
            return ESP_EFORMAT;
    out->u.batch.tasks = tasks;
    out->u.batch.task_count = b->n_tasks;
    if ((err = get_problems (codec, b, out)) != ESP_OK)
        return err;
    return get_prefixes (codec, b, out);
}
