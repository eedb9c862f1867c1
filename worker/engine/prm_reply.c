/* SPDX-License-Identifier: Apache-2.0 */
/* prm_reply.c - see prm_reply.h */

#include "worker/engine/prm_reply.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/fmath.h"

enum {
    ROW_MOST = 64 /* numbers of a row; the widest heads known have 2, an embedding has hundreds */
};
static const double row_slack = 0.02; /* half precision servers round */

/* ---- requests ---- */

json_out prm_write_begin (const prm_ask *ask, const char *route, esp_buf *path, esp_buf *json)
{
    json_out o = json_out_begin (json);
    if (o.err == ESP_OK)
        o.err = esp_buf_puts (path, route);
    json_out_open (&o, NULL, '{');
    if (ask->model)
        json_out_text (&o, "model", span_of (ask->model));
    return o;
}

esp_err prm_write_end (json_out *o)
{
    json_out_close (o, '}');
    return json_out_end (o);
}

void prm_write_texts (json_out *o, const prm_ask *ask, const char *key)
{
    json_out_open (o, key, '[');
    for (size_t i = 0; i < ask->count; i++)
        json_out_text (o, NULL, ask->texts[i].text);
    json_out_close (o, ']');
}

void prm_write_labels (json_out *o, const prm_ask *ask, const char *key, size_t most)
{
    const prm_labels *l = ask->labels;
    json_out_open (o, key, '[');
    for (size_t i = 0; i < most && i < l->good_count; i++)
        json_out_u64 (o, NULL, l->good[i]);
    for (size_t i = 0; i < most && i < l->bad_count; i++)
        json_out_u64 (o, NULL, l->bad[i]);
    json_out_close (o, ']');
}

/* ---- answers ---- */

/* NUL: the text of a token may be any byte. */
json_t *prm_load (span json, esp_error *why)
{
    json_error_t error;
    json_t *root =
        json_loadb (json.ptr ? json.ptr : "", json.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!root)
        (void)esp_error_set (why, ESP_EFORMAT, "the answer is not JSON (byte %d: %s)",
                             error.position, error.text);
    return root;
}

bool prm_number (const json_t *value, double *out)
{
    if (!json_is_number (value))
        return false;
    *out = json_number_value (value);
    return isfinite (*out);
}

uint64_t prm_count_at (const json_t *root, const char *object, const char *key)
{
    const json_t *value = json_object_get (object ? json_object_get (root, object) : root, key);
    json_int_t n = json_is_integer (value) ? json_integer_value (value) : 0;
    return n > 0 && n < INT32_MAX ? (uint64_t)n : 0;
}

bool prm_token_id (const char *key, uint64_t *id)
{
    static const char prefix[] = "token_id:";
    char *end;
    if (strncmp (key, prefix, strlen (prefix)) != 0)
        return false;
    *id = strtoull (key + strlen (prefix), &end, 10);
    return end != key + strlen (prefix) && *end == 0;
}

esp_err
prm_items (const json_t *list, const char *what, size_t count, const json_t **items, esp_error *why)
{
    size_t n = json_array_size (list);
    if (!json_is_array (list))
        return esp_error_set (why, ESP_EFORMAT, "the answer has no list %s", what);
    if (n != count)
        return esp_error_set (why, ESP_EFORMAT, "%s has %zu entries, asked for were %zu", what, n,
                              count);
    memset (items, 0, count * sizeof (const json_t *));
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get (list, i), *index = json_object_get (item, "index");
        json_int_t at = json_is_integer (index) ? json_integer_value (index) : (json_int_t)i;
        if (index && !json_is_integer (index))
            return esp_error_set (why, ESP_EFORMAT, "%s: an index is no whole number", what);
        if (at < 0 || (size_t)at >= count)
            return esp_error_set (why, ESP_EFORMAT, "%s: index %lld, asked for were %zu", what,
                                  (long long)at, count);
        if (items[at])
            return esp_error_set (why, ESP_EFORMAT, "%s: index %lld comes twice", what,
                                  (long long)at);
        items[at] = item;
    }
    return ESP_OK;
}

static esp_err
take_list (const prm_ask *ask, const json_t *root, const char *key, prm_take *take, esp_error *why)
{
    const json_t **items = esp_calloc (ask->count, sizeof (*items));
    esp_err err =
        items ? prm_items (json_object_get (root, key), key, ask->count, items, why) : ESP_ENOMEM;
    for (size_t i = 0; err == ESP_OK && i < ask->count; i++)
        err = take (ask, &ask->texts[i], items[i], why);
    esp_free (items);
    return err;
}

esp_err prm_read_list (const prm_ask *ask, span json, const char *key, prm_take *take,
                       uint64_t *tokens, esp_error *why)
{
    json_t *root = prm_load (json, why);
    esp_err err = root ? take_list (ask, root, key, take, why) : ESP_EFORMAT;
    *tokens = err == ESP_OK ? prm_count_at (root, "usage", "prompt_tokens") : 0;
    json_decref (root);
    return err;
}

/* ---- rows of numbers ---- */

static esp_err probability (const double *v, size_t n, size_t column, double *score, esp_error *why)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (v[i] < 0 || v[i] > 1)
            return esp_error_set (why, ESP_EFORMAT,
                                  "%g is no probability (a server that gives raw values needs "
                                  "prm.normalise: sigmoid or softmax)",
                                  v[i]);
        sum += v[i];
    }
    if (n > 1 && fabs (sum - 1) > row_slack)
        return esp_error_set (why, ESP_EFORMAT, "the %zu classes of a row sum to %g, not to 1", n,
                              sum);
    *score = v[column];
    return ESP_OK;
}

static double softmax (const double *v, size_t n, size_t column)
{
    double largest = v[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        largest = fmax (largest, v[i]);
    for (size_t i = 0; i < n; i++)
        sum += esp_exp (v[i] - largest);
    return esp_exp (v[column] - largest) / sum;
}

esp_err prm_row (const layout_plan *plan, const json_t *row, double *score, esp_error *why)
{
    double v[ROW_MOST];
    size_t n = json_is_array (row) ? json_array_size (row) : 1, column = n > 1 ? plan->column : 0;
    if (n == 0 || n > ROW_MOST)
        return esp_error_set (why, ESP_EFORMAT,
                              "%zu numbers where the classes of one step belong: this looks like "
                              "an embedding model, not a PRM",
                              n);
    if (column >= n)
        return esp_error_set (why, ESP_EFORMAT, "a row of %zu numbers has no column %u", n,
                              (unsigned)plan->column);
    for (size_t i = 0; i < n; i++)
        if (!prm_number (json_is_array (row) ? json_array_get (row, i) : row, &v[i]))
            return esp_error_set (why, ESP_EFORMAT, "a score is no finite number");
    if (plan->norm == NORM_SIGMOID)
        *score = 1 / (1 + esp_exp (-v[column]));
    else if (plan->norm == NORM_SOFTMAX && n > 1)
        *score = softmax (v, n, column);
    else
        return probability (v, n, column, score, why);
    return ESP_OK;
}

/* ---- labels ---- */

void prm_mass_begin (prm_mass *m)
{
    *m = (prm_mass){.least = INFINITY};
}

esp_err prm_mass_add (prm_mass *m, const prm_labels *labels, uint64_t id, double logprob,
                      bool listed, esp_error *why)
{
    if (isnan (logprob) || logprob > 0.001)
        return esp_error_set (why, ESP_EFORMAT, "%g is no log probability", logprob);
    logprob = fmin (logprob, 0);
    if (listed)
        m->least = fmin (m->least, logprob);
    for (size_t i = 0; i < labels->good_count; i++)
        if (labels->good[i] == id && m->good_count < LAYOUT_LABELS)
            m->good[m->good_count++] = logprob;
    for (size_t i = 0; i < labels->bad_count; i++)
        if (labels->bad[i] == id && m->bad_count < LAYOUT_LABELS)
            m->bad[m->bad_count++] = logprob;
    return ESP_OK;
}

/* Sum of exp (v - base). */
static double mass_of (const double *v, size_t n, double base)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += esp_exp (v[i] - base);
    return sum;
}

static double largest_of (const double *v, size_t n)
{
    double largest = -INFINITY;
    for (size_t i = 0; i < n; i++)
        largest = fmax (largest, v[i]);
    return largest;
}

esp_err prm_mass_score (const prm_mass *m, double *score, esp_error *why)
{
    const double *good = m->good_count > 0 ? m->good : &m->least;
    const double *bad = m->bad_count > 0 ? m->bad : &m->least;
    size_t goods = m->good_count > 0 ? m->good_count : 1,
           bads = m->bad_count > 0 ? m->bad_count : 1;
    double base = fmax (largest_of (good, goods), largest_of (bad, bads)), p, q;
    if (!isfinite (base))
        return esp_error_set (why, ESP_EFORMAT, "no log probabilities came where a label belongs");
    p = mass_of (good, goods, base);
    q = mass_of (bad, bads, base);
    *score = p / (p + q);
    return ESP_OK;
}
