/* SPDX-License-Identifier: Apache-2.0 */
/* wire_check.c - limits and ranges of every struct that travels */

#include "proto/wire/wire_check.h"
#include <math.h>
#include <string.h>

#define ESP_ERR_COUNT(name, number, text) +1
enum { ERR_KINDS = 0 ESP_ERRORS (ESP_ERR_COUNT) }; /* codes are numbered from 0 without a hole */
#undef ESP_ERR_COUNT

static bool long_text (span text)
{
    return text.len > WIRE_TEXT_MAX;
}

/* NaN means "not given"; an infinite number would poison sums and sort orders. */
static bool is_number (double value)
{
    return !isinf (value);
}

static bool is_share (double value)
{
    return isnan (value) || (value >= 0 && value <= 1);
}

static esp_err check_result (const result *r)
{
    if (long_text (r->text) || long_text (r->answer) || long_text (r->observation) ||
        long_text (r->token_data) || r->reason.len > WIRE_NAME_MAX ||
        r->score_count > WIRE_ITEMS_MAX)
        return ESP_ETOOBIG;
    if ((unsigned)r->error >= ERR_KINDS || r->finish > FINISH_ERROR ||
        r->verdict > VERDICT_UNKNOWN || r->score_own > r->score_count || !is_number (r->logprob) ||
        !is_number (r->mean_logprob) || !is_share (r->share) || !esp_utf8_valid (r->reason))
        return ESP_EINVAL;
    for (uint32_t i = 0; i < r->score_count; i++)
        if (!isfinite (r->scores[i]))
            return ESP_EINVAL;
    return ESP_OK;
}

static esp_err check_command (const command *c)
{
    if (long_text (c->text))
        return ESP_ETOOBIG;
    return c->kind < COMMAND_KINDS && isfinite (c->value) ? ESP_OK : ESP_EINVAL;
}

/* ---- messages ---- */

static esp_err check_problem (const problem *p)
{
    if (p->id.len > WIRE_ID_MAX || long_text (p->json))
        return ESP_ETOOBIG;
    return isfinite (p->priority) && esp_utf8_valid (p->id) ? ESP_OK : ESP_EINVAL;
}

static esp_err check_prefix (const wire_prefix *p)
{
    if (p->step_count > WIRE_ITEMS_MAX)
        return ESP_ETOOBIG;
    for (size_t i = 0; i < p->step_count; i++) {
        if (p->steps[i].has_text && long_text (p->steps[i].text))
            return ESP_ETOOBIG;
        if (p->steps[i].node == NODE_ROOT || p->steps[i].node == NODE_NONE)
            return ESP_EINVAL;
    }
    return ESP_OK;
}

static esp_err check_task (const wire_task *t, const wire_prefix *prefixes, size_t prefix_count)
{
    const task *k = &t->task;
    const wire_prefix *p;
    node_ref last;
    if (long_text (k->extra))
        return ESP_ETOOBIG;
    if (k->kind >= TASK_KINDS || k->mode > TASK_DRAFT || k->seed > INT32_MAX ||
        !isfinite (k->priority) || !isfinite (k->how.temperature) || k->how.temperature < 0 ||
        !(k->how.top_p >= 0 && k->how.top_p <= 1) || k->how.top_k < 0 || t->prefix >= prefix_count)
        return ESP_EINVAL;
    p = &prefixes[t->prefix];
    last = p->step_count ? p->steps[p->step_count - 1].node : NODE_ROOT;
    return p->problem == k->id.problem && last == k->node ? ESP_OK : ESP_EINVAL;
}

static esp_err check_batch (const wire_message *m)
{
    size_t steps = 0;
    esp_err err = ESP_OK;
    if (m->u.batch.problem_count > WIRE_ITEMS_MAX || m->u.batch.prefix_count > WIRE_ITEMS_MAX ||
        m->u.batch.task_count > WIRE_ITEMS_MAX)
        return ESP_ETOOBIG;
    for (size_t i = 0; !err && i < m->u.batch.problem_count; i++)
        err = check_problem (&m->u.batch.problems[i]);
    for (size_t i = 0; !err && i < m->u.batch.prefix_count; i++) {
        err = check_prefix (&m->u.batch.prefixes[i]);
        if ((steps += m->u.batch.prefixes[i].step_count) > WIRE_STEPS_MAX)
            return ESP_ETOOBIG;
    }
    for (size_t i = 0; !err && i < m->u.batch.task_count; i++)
        err = check_task (&m->u.batch.tasks[i], m->u.batch.prefixes, m->u.batch.prefix_count);
    return err;
}

static esp_err check_results (const wire_message *m)
{
    esp_err err = ESP_OK;
    if (m->u.results.count > WIRE_ITEMS_MAX)
        return ESP_ETOOBIG;
    for (size_t i = 0; !err && i < m->u.results.count; i++)
        err = check_result (&m->u.results.results[i].result);
    return err;
}

static esp_err check_name (span name)
{
    if (name.len > WIRE_NAME_MAX)
        return ESP_ETOOBIG;
    return esp_utf8_valid (name) ? ESP_OK : ESP_EINVAL;
}

static esp_err check_ready (const wire_message *m)
{
    if (long_text (m->u.ready.engines) || m->u.ready.model_count > WIRE_MODELS_MAX)
        return ESP_ETOOBIG;
    for (size_t i = 0; i < m->u.ready.model_count; i++) {
        const wire_model *model = &m->u.ready.models[i];
        if (model->entry.len > WIRE_NAME_MAX || model->model.len > WIRE_NAME_MAX ||
            model->server.len > WIRE_NAME_MAX)
            return ESP_ETOOBIG;
        if (model->kind >= TASK_KINDS || model->model.len == 0)
            return ESP_EINVAL;
    }
    return ESP_OK;
}

esp_err wire_check_message (const wire_message *m)
{
    switch ((enum wire_kind)m->kind) {
    case WIRE_WELCOME:
        return long_text (m->u.welcome.run_file) ? ESP_ETOOBIG : ESP_OK;
    case WIRE_BATCH:
        return check_batch (m);
    case WIRE_CANCEL:
    case WIRE_MISSING:
        return m->u.ids.count > WIRE_ITEMS_MAX ? ESP_ETOOBIG : ESP_OK;
    case WIRE_PING:
    case WIRE_PONG:
    case WIRE_DRAIN:
    case WIRE_STOP:
        return ESP_OK;
    case WIRE_HELLO:
        return check_name (m->u.hello.host);
    case WIRE_READY:
        return check_ready (m);
    case WIRE_REFUSED:
        return long_text (m->u.refused) ? ESP_ETOOBIG : ESP_OK;
    case WIRE_RESULTS:
        return check_results (m);
    case WIRE_PROGRESS:
        return long_text (m->u.progress.text) ? ESP_ETOOBIG : ESP_OK;
    case WIRE_KINDS:
        break;
    }
    return ESP_EINVAL;
}

/* ---- journal ---- */

/* Resume cuts these files to their committed length: none may lie outside the output folder. */
static bool is_inside (span name)
{
    static const span up = {"/../", 4}, nul = {"", 1};
    if (name.len == 0 || name.ptr[0] == '/' || span_find (name, nul) < name.len)
        return false;
    return !span_is (name, "..") && !span_starts (name, "../") && !span_ends (name, "/..") &&
           span_find (name, up) == name.len;
}

static esp_err check_files (const file_offset *files, size_t count)
{
    esp_err err = ESP_OK;
    if (count > WIRE_ITEMS_MAX)
        return ESP_ETOOBIG;
    for (size_t i = 0; !err && i < count; i++)
        if ((err = check_name (files[i].name)) == ESP_OK && !is_inside (files[i].name))
            err = ESP_EINVAL;
    return err;
}

static esp_err check_ranges (const key_range *ranges, size_t count)
{
    if (count > WIRE_KEYS_MAX)
        return ESP_ETOOBIG;
    for (size_t i = 0; i < count; i++)
        if (ranges[i].count == 0 || ranges[i].count - 1 > UINT64_MAX - ranges[i].first)
            return ESP_EINVAL;
    return ESP_OK;
}

static esp_err check_header (const record_header *h)
{
    esp_err err;
    if (long_text (h->run_file))
        return ESP_ETOOBIG;
    if ((err = check_name (h->strategy)) || (err = check_name (h->program)) ||
        (err = check_ranges (h->finished, h->finished_count)) ||
        (err = check_ranges (h->closed, h->closed_count)))
        return err;
    return check_files (h->files, h->file_count);
}

static esp_err check_input (const input *in)
{
    if (in->kind >= INPUT_KINDS)
        return ESP_EINVAL;
    if (in->kind == INPUT_COMMAND)
        return check_command (&in->u.command);
    if (in->kind != INPUT_RESULT)
        return ESP_OK;
    return in->u.result.id.problem == in->problem ? check_result (&in->u.result) : ESP_EINVAL;
}

static esp_err check_death (bool alone, const task_id *tasks, size_t count)
{
    if (count > WIRE_ITEMS_MAX)
        return ESP_ETOOBIG;
    if (count == 0 || (alone && count != 1))
        return ESP_EINVAL;
    for (size_t i = 0; i < count; i++)
        if (tasks[i].problem == UINT64_MAX) /* "all problems", never one */
            return ESP_EINVAL;
    return ESP_OK;
}

esp_err wire_check_record (const record *r)
{
    switch ((enum record_kind)r->kind) {
    case RECORD_HEADER:
        return check_header (&r->u.header);
    case RECORD_INPUT:
        return check_input (&r->u.input);
    case RECORD_COMMIT:
        if (r->u.commit.problem_count > WIRE_KEYS_MAX)
            return ESP_ETOOBIG;
        return check_files (r->u.commit.files, r->u.commit.file_count);
    case RECORD_FOOTER:
        return r->u.footer.problem_count > WIRE_KEYS_MAX ? ESP_ETOOBIG : ESP_OK;
    case RECORD_DEATH:
        return check_death (r->u.death.alone, r->u.death.tasks, r->u.death.task_count);
    case RECORD_SYNCED:
    case RECORD_HASH:
        return ESP_OK;
    case RECORD_KINDS:
        break;
    }
    return ESP_EINVAL;
}

/* ---- observers ---- */

/* The mark is an index into the names that go with the kind. */
static bool is_mark (uint8_t kind, uint8_t mark)
{
    switch ((enum event_kind)kind) {
    case EVENT_TEXT:
        return mark <= FINISH_ERROR;
    case EVENT_VERIFIED:
        return mark <= VERDICT_UNKNOWN;
    case EVENT_MARK:
        return mark < NODE_MARKS;
    case EVENT_FINISHED:
        return mark < FINISH_REASONS;
    case EVENT_OPENED:
    case EVENT_PLANNED:
    case EVENT_SCORED:
    case EVENT_COMMAND:
        return true;
    case EVENT_KINDS:
        break;
    }
    return false;
}

esp_err wire_check_events (const run_status *status, const event *events, size_t count)
{
    if (count > WIRE_EVENTS_MAX)
        return ESP_ETOOBIG;
    if (!is_number (status->seconds) || !is_number (status->generations_per_s) ||
        !is_number (status->eta_s))
        return ESP_EINVAL;
    for (size_t i = 0; i < count; i++) {
        if (long_text (events[i].text))
            return ESP_ETOOBIG;
        if (!is_mark (events[i].kind, events[i].mark) || !is_number (events[i].value))
            return ESP_EINVAL;
    }
    return ESP_OK;
}

esp_err wire_check_control (const control_message *m)
{
    static const run_status none;
    esp_err err = ESP_OK;
    if (m->kind >= CONTROL_KINDS)
        return ESP_EINVAL;
    if (m->token.len > WIRE_ID_MAX || long_text (m->text))
        return ESP_ETOOBIG;
    if (m->kind == CONTROL_COMMAND)
        err = check_command (&m->command);
    return err ? err
               : wire_check_events (m->kind == CONTROL_OK ? &m->status : &none, m->events,
                                    m->event_count);
}
