/* SPDX-License-Identifier: Apache-2.0 */
/* engine_list.c - the parts of an engine that is a list: opened, polled and asked one after the other */

#include "worker/engine/engine_list.h"
#include <math.h>

enum { OWN_SLOTS = 64 }; /* of an engine that states no number, as engine.h says */

/* "code: why"; of one alone just why. */
static esp_err
of_part (const opened_parts *p, size_t i, esp_err err, const char *why, esp_error *error)
{
    return p->list->count == 1 ? esp_error_set (error, err, "%s", why)
                               : esp_error_set (error, err, "%s: %s", p->list->parts[i].name, why);
}

esp_err parts_open (opened_parts *p, const engine_setup *base,
                    void *(*ctx_of) (void *ctx, size_t part), esp_error *error)
{
    const engine_list *list = base->options;
    esp_err err = ESP_OK;
    p->list = list;
    for (p->count = 0; p->count < list->count && err == ESP_OK;) {
        const engine_part *part = &list->parts[p->count];
        engine_setup setup = *base;
        setup.kind = part->kind;
        setup.options = part->options;
        setup.server = part->server;
        setup.model_name = part->name;
        setup.view = part->view;
        setup.temperature = part->temperature;
        if (ctx_of)
            setup.ctx = ctx_of (base->ctx, p->count);
        if ((err = part->kind->open (&setup, &p->states[p->count], error)) == ESP_OK)
            p->count++;
    }
    if (err != ESP_OK) {
        esp_error why = error ? *error : (esp_error){.code = err};
        (void)of_part (p, p->count, err, why.text, error);
        parts_close (p);
    }
    return err;
}

void parts_close (opened_parts *p)
{
    while (p->count > 0) {
        p->count--;
        p->list->parts[p->count].kind->close (p->states[p->count]);
    }
}

void parts_poll (opened_parts *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->list->parts[i].kind->poll)
            p->list->parts[i].kind->poll (p->states[i]);
}

void parts_cancel (opened_parts *p, size_t part, const job *j)
{
    if (p->list->parts[part].kind->cancel)
        p->list->parts[part].kind->cancel (p->states[part], j);
}

size_t parts_fds (opened_parts *p, int *fds, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->list->parts[i].kind->fds)
            n += p->list->parts[i].kind->fds (p->states[i], fds + n, max - n);
    return n;
}

uint32_t parts_slots (const opened_parts *p, size_t part)
{
    const engine_part *at = &p->list->parts[part];
    uint32_t own = at->kind->slots ? at->kind->slots (p->states[part]) : OWN_SLOTS;
    return own == 0 || at->slots == 0 ? own : at->slots;
}

/* One that never will be is worse than one that is not yet. */
esp_err parts_ready (opened_parts *p, esp_error *why)
{
    esp_err all = ESP_OK;
    for (size_t i = 0; i < p->count; i++) {
        const engine_part *part = &p->list->parts[i];
        esp_error own = {0};
        esp_err err = part->kind->ready ? part->kind->ready (p->states[i], &own) : ESP_OK;
        if (err == ESP_OK || (err == ESP_EEMPTY && all != ESP_OK))
            continue;
        all = of_part (p, i, err, own.text[0] ? own.text : "is not ready", why);
        if (err != ESP_EEMPTY)
            break;
    }
    return all;
}

size_t parts_models (const opened_parts *p, engine_model *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->list->parts[i].kind->models)
            n += p->list->parts[i].kind->models (p->states[i], out + n, max - n);
    return n;
}

esp_err parts_settled (opened_parts *p, esp_error *why)
{
    for (size_t i = 0; i < p->count; i++) {
        const engine_kind *kind = p->list->parts[i].kind;
        esp_error own = {0};
        if (kind->settled && kind->settled (p->states[i], &own) == ESP_EEMPTY)
            return of_part (p, i, ESP_EEMPTY, own.text, why);
    }
    return ESP_OK;
}

esp_err parts_describe (opened_parts *p, esp_buf *out)
{
    esp_err err = ESP_OK;
    for (size_t i = 0; i < p->count && err == ESP_OK; i++) {
        const engine_part *part = &p->list->parts[i];
        if (p->count > 1)
            err = esp_buf_printf (out, "%s (%s)\n", part->name, part->kind->name);
        if (err == ESP_OK && part->kind->describe)
            err = part->kind->describe (p->states[i], out);
    }
    return err;
}

result parts_failed (const job *j, esp_err error)
{
    return (result){.id = j->task.id,
                    .error = error,
                    .finish = FINISH_ERROR,
                    .logprob = NAN,
                    .mean_logprob = NAN,
                    .share = NAN};
}
