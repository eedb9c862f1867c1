/* SPDX-License-Identifier: Apache-2.0 */
/* calibrate.c - see calibrate.h */

#include "coordinator/harvest/calibrate.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "coordinator/problem/line_reader.h"
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/base/wilson.h"

enum { LINE_MOST = 64 << 20 };

typedef struct vote_of { /* one candidate */
    esp_buf key;         /* owned; empty = no answer */
    bool decided, passed;
} vote_of;

typedef struct problem_votes { /* candidates of one problem stand together in the file */
    esp_buf id;
    vote_of *items; /* owned */
    size_t count, cap;
} problem_votes;

static int by_key (const void *a, const void *b)
{
    return span_compare (esp_buf_span (&((const vote_of *)a)->key),
                         esp_buf_span (&((const vote_of *)b)->key));
}

static int level_of (double agreement)
{
    int level = (int)ceil (agreement * CALIBRATION_LEVELS - 1e-9) - 1;
    return level < 0 ? 0 : level >= CALIBRATION_LEVELS ? CALIBRATION_LEVELS - 1 : level;
}

static void count_votes (problem_votes *p, calibration *c)
{
    if (p->count > 0)
        qsort (p->items, p->count, sizeof (*p->items), by_key);
    for (size_t first = 0, last; first < p->count; first = last) {
        int level;
        for (last = first; last < p->count && by_key (&p->items[first], &p->items[last]) == 0;)
            last++;
        level = level_of ((double)(last - first) / (double)p->count);
        for (size_t i = first; i < last && p->items[i].key.len > 0; i++) {
            c->decided[level] += p->items[i].decided;
            c->passed[level] += p->items[i].passed;
        }
    }
    for (size_t i = 0; i < p->count; i++)
        esp_buf_free (&p->items[i].key);
    p->count = 0;
}

static esp_err
add_row (problem_votes *p, const json_t *row, enum answer_equality equality, calibration *c)
{
    const char *id = json_string_value (json_object_get (row, "id")),
               *answer = json_string_value (json_object_get (row, "answer"));
    const json_t *correct = json_object_get (row, "correct");
    esp_buf name = {0};
    vote_of v = {.decided = json_is_boolean (correct), .passed = json_is_true (correct)};
    esp_err err = esp_buf_printf (&name, "%s/%" JSON_INTEGER_FORMAT, id ? id : "",
                                  json_integer_value (json_object_get (row, "repeat")));
    if (err == ESP_OK && !span_equal (esp_buf_span (&name), esp_buf_span (&p->id))) {
        count_votes (p, c);
        esp_buf_clear (&p->id);
        err = esp_buf_add (&p->id, esp_buf_span (&name));
    }
    esp_buf_free (&name);
    if (err == ESP_OK && answer)
        err = answer_key (span_of (answer), equality, &v.key);
    if (err == ESP_OK && esp_grow (&p->items, &p->cap, p->count + 1, sizeof (v)) != 0)
        err = ESP_ENOMEM;
    if (err == ESP_OK)
        p->items[p->count++] = v;
    else
        esp_buf_free (&v.key);
    return err;
}

static esp_err
read_rows (line_reader *r, enum answer_equality equality, calibration *c, esp_error *error)
{
    problem_votes p = {.items = NULL};
    line got;
    esp_err err;
    while ((err = line_reader_next (r, &got, error)) == ESP_OK) {
        json_t *row = json_loadb (got.text.ptr, got.text.len, 0, NULL);
        if (row)
            err = add_row (&p, row, equality, c);
        json_decref (row);
        if (err != ESP_OK)
            break;
    }
    count_votes (&p, c);
    esp_free (p.items);
    esp_buf_free (&p.id);
    return err == ESP_EEMPTY ? ESP_OK : err;
}

esp_err calibrate_read (const char *output, enum answer_equality equality, calibration *out,
                        esp_error *error)
{
    char path[4096];
    line_reader *r;
    esp_err err = esp_path_join (path, sizeof (path), output, "candidates.jsonl");
    *out = (calibration){{0}, {0}};
    if (err != ESP_OK)
        return esp_error_set (error, err, "%s: the path is too long", output);
    if ((err = line_reader_open (path, LINE_MOST, &r, error)) != ESP_OK)
        return err;
    err = read_rows (r, equality, out, error);
    line_reader_close (r);
    return err;
}

esp_err calibration_json (const calibration *c, double agreement, esp_buf *out)
{
    int level = isnan (agreement) ? -1 : level_of (agreement);
    double low, high;
    if (level < 0 || c->decided[level] == 0)
        return esp_buf_puts (out, "null");
    esp_wilson (c->passed[level], c->decided[level], &low, &high);
    return esp_buf_printf (
        out, "{\"level\":\"%.1f-%.1f\",\"precision\":%.4f,\"low\":%.4f,\"high\":%.4f,\"n\":%llu}",
        level / 10.0, (level + 1) / 10.0, (double)c->passed[level] / (double)c->decided[level], low,
        high, (unsigned long long)c->decided[level]);
}
