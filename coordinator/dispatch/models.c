/* SPDX-License-Identifier: Apache-2.0 */
/* models.c - a short list: as many entries as the run file has generators and PRMs */

#include "coordinator/dispatch/models.h"
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/text.h"

enum {
    SHOWN = 150
}; /* bytes of a name, a model and a URL in the sentence: MODELS_WHY holds five of them and its words */

struct known {
    uint8_t kind; /* enum task_kind */
    int rank;     /* who said it first */
    char *entry, *model, *server;
};

struct models {
    struct known items[WIRE_MODELS_MAX];
    size_t count;
};

static const char *const sections[TASK_KINDS] = {"generator", "prm", "verifier"};

static int shown (span text)
{
    return text.len < SHOWN ? (int)text.len : SHOWN;
}

esp_err models_create (models **out)
{
    models *m = esp_calloc (1, sizeof (*m));
    if (!m)
        return ESP_ENOMEM;
    *out = m;
    return ESP_OK;
}

static void forget (struct known *k)
{
    esp_free (k->entry);
    esp_free (k->model);
    esp_free (k->server);
}

void models_destroy (models *m)
{
    for (size_t i = 0; m && i < m->count; i++)
        forget (&m->items[i]);
    esp_free (m);
}

static esp_err add (models *m, int rank, const wire_model *model)
{
    struct known k = {.kind = model->kind,
                      .rank = rank,
                      .entry = esp_strndup (model->entry.ptr, model->entry.len),
                      .model = esp_strndup (model->model.ptr, model->model.len),
                      .server = esp_strndup (model->server.ptr, model->server.len)};
    if (!k.entry || !k.model || !k.server) {
        forget (&k);
        return ESP_ENOMEM;
    }
    m->items[m->count++] = k;
    return ESP_OK;
}

/* Both, and what to do. */
static esp_err refuse (const struct known *k, int rank, const wire_model *model, char *why)
{
    const char *section = sections[k->kind], *gap = k->entry[0] ? " " : "";
    snprintf (
        why, MODELS_WHY,
        "%s%s%.*s: rank %d has the model '%.*s' at %.*s, but rank %d has '%.*s' at %.*s, and one "
        "run must not mix them: name the one that is meant in %s.model, or say in `workers:` which "
        "ranks serve",
        section, gap, SHOWN, k->entry, k->rank, SHOWN, k->model, SHOWN, k->server, rank,
        shown (model->model), model->model.ptr, shown (model->server), model->server.ptr, section);
    esp_text_scrub (why);
    return ESP_EINVAL;
}

esp_err models_take (models *m, int rank, const wire_model *model, char *why)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct known *k = &m->items[i];
        if (k->kind != model->kind || !span_is (model->entry, k->entry))
            continue;
        return span_is (model->model, k->model) ? ESP_OK : refuse (k, rank, model, why);
    }
    return m->count < WIRE_MODELS_MAX ? add (m, rank, model) : ESP_OK;
}

bool models_at (const models *m, size_t index, wire_model *out)
{
    const struct known *k = &m->items[index];
    if (index >= m->count)
        return false;
    *out = (wire_model){k->kind, span_of (k->entry), span_of (k->model), span_of (k->server)};
    return true;
}
