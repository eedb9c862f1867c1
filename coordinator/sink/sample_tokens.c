/* SPDX-License-Identifier: Apache-2.0 */
/* sample_tokens.c - see sample_tokens.h */

#include "coordinator/sink/sample_tokens.h"
#include <math.h>
#include "proto/base/alloc.h"

esp_err token_parts_of (const sample_view *v, node_ref leaf, token_parts *out)
{
    size_t n = tree_path (v->tree, leaf, NULL, 0);
    node_ref *path = esp_reallocarray (NULL, n + 1, sizeof (*path));
    *out = (token_parts){.items = esp_calloc (n + 1, sizeof (*out->items)), .tail = n};
    if (!path || !out->items) {
        esp_free (path);
        return ESP_ENOMEM;
    }
    out->count = n;
    tree_path (v->tree, leaf, path, n);
    for (size_t i = 0; i < n; i++) {
        const node *one = search_node (v->search, path[i]);
        span bytes = node_token_data (one);
        out->items[i].text = node_text (one);
        if (bytes.len == 0 || token_data_decode (bytes, &out->items[i].data) != ESP_OK)
            out->items[i].data.count = 0;
    }
    while (out->tail > 0 && out->items[out->tail - 1].data.count > 0)
        out->tail--;
    esp_free (path);
    return ESP_OK;
}

void token_parts_free (token_parts *p)
{
    esp_free (p->items);
    *p = (token_parts){.items = NULL};
}

/* ---- lists ---- */

static void write_id (json_row *r, const char *key, token_logprob t)
{
    if (t.id != TOKEN_ID_NONE) {
        row_count (r, key, t.id);
        return;
    }
    row_raw (r, key);
    row_raw (r, "null");
}

/* Seven digits of a float say nothing about the model, and cost half of the file. */
static void write_logprob (json_row *r, const char *key, token_logprob t)
{
    row_number (r, key, isfinite (t.logprob) ? round ((double)t.logprob * 1e6) / 1e6 + 0.0 : NAN);
}

typedef void (*write_token) (json_row *r, const char *key, token_logprob t);

static void list (json_row *r, const char *key, const token_parts *p, write_token how)
{
    bool first = true;
    row_raw (r, key);
    row_raw (r, "[");
    for (size_t i = p->tail; i < p->count; i++)
        for (uint32_t t = 0; t < p->items[i].data.count && r->err == ESP_OK; t++, first = false)
            how (r, first ? "" : ",", token_data_at (&p->items[i].data, t));
    row_raw (r, "]");
}

static void top_of (json_row *r, const token_data *d, uint32_t t, write_token how)
{
    bool first = true;
    row_raw (r, "[");
    for (uint32_t k = 0; k < d->top; k++) {
        token_logprob other = token_data_alternative (d, t, k);
        if (other.id == TOKEN_ID_NONE || !isfinite (other.logprob))
            continue;
        how (r, first ? "" : ",", other);
        first = false;
    }
    row_raw (r, "]");
}

static void top_list (json_row *r, const char *key, const token_parts *p, write_token how)
{
    bool first = true;
    row_raw (r, key);
    row_raw (r, "[");
    for (size_t i = p->tail; i < p->count; i++)
        for (uint32_t t = 0; t < p->items[i].data.count && r->err == ESP_OK; t++, first = false) {
            row_raw (r, first ? "" : ",");
            top_of (r, &p->items[i].data, t, how);
        }
    row_raw (r, "]");
}

void token_ids (json_row *r, const char *key, const token_parts *p)
{
    list (r, key, p, write_id);
}

void token_logprobs (json_row *r, const char *key, const token_parts *p)
{
    list (r, key, p, write_logprob);
}

void token_top_ids (json_row *r, const char *key, const token_parts *p)
{
    top_list (r, key, p, write_id);
}

void token_top_logprobs (json_row *r, const char *key, const token_parts *p)
{
    top_list (r, key, p, write_logprob);
}
