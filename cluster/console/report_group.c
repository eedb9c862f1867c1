/* SPDX-License-Identifier: Apache-2.0 */
/* report_group.c - walks the problems file once and marks the items of each problem */

#include "cluster/console/report_group.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coordinator/problem/problem_source.h"
#include "proto/base/alloc.h"
#include "proto/base/hash.h"

enum { MOST_GROUPS = 200 }; /* more is not a table that anybody reads: a wrong field */

static const char no_field[] = "(none)";

/* Text as it is, other values as JSON.  Returns an owned string, NULL when memory is out. */
static char *name_of (const json_t *value)
{
    char *dump, *copy;
    if (!value || json_is_null (value))
        return esp_strdup (no_field);
    if (json_is_string (value))
        return esp_strdup (json_string_value (value));
    if (!(dump = json_dumps (value, JSON_COMPACT | JSON_ENCODE_ANY)))
        return NULL;
    copy = esp_strdup (dump);
    free (dump);
    return copy;
}

/* Takes name. */
static esp_err group_index (report_run *run, char *name, uint32_t *out)
{
    uint32_t i = 0;
    while (i < run->group_count && strcmp (run->group_names[i], name) != 0)
        i++;
    *out = i;
    if (i < run->group_count || run->group_count == MOST_GROUPS) {
        esp_free (name);
        return i < run->group_count ? ESP_OK : ESP_ETOOBIG;
    }
    run->group_names[run->group_count++] = name;
    return ESP_OK;
}

/* First item of this id, or item_count. */
static size_t first_item (const report_run *run, uint64_t id)
{
    size_t low = 0, high = run->item_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (run->items[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static esp_err mark_items (report_run *run, const problem *p, const char *field)
{
    uint64_t id = esp_hash64 (p->id.ptr, p->id.len, 0);
    size_t i = first_item (run, id);
    json_t *row;
    char *name;
    uint32_t group;
    esp_err err;
    if (i == run->item_count || run->items[i].id != id)
        return ESP_OK; /* not ended yet, or beyond the limit of the run */
    row = json_loadb (p->json.ptr, p->json.len, 0, NULL);
    name = row ? name_of (json_object_get (row, field)) : NULL;
    json_decref (row);
    if (!name)
        return ESP_ENOMEM;
    err = group_index (run, name, &group);
    for (; err == ESP_OK && i < run->item_count && run->items[i].id == id; i++)
        run->items[i].group = group;
    return err;
}

static esp_err mark_all (report_run *run, problem_source *s, const char *field, esp_error *error)
{
    esp_buf memory = {0};
    esp_err err = ESP_OK;
    for (uint32_t n = 0; err == ESP_OK && n < problem_source_count (s); n++) {
        problem p;
        if ((err = problem_source_get (s, 0, n, &memory, &p, error)) != ESP_OK)
            break;
        err = mark_items (run, &p, field);
        if (err == ESP_ETOOBIG)
            esp_error_set (error, err,
                           "--by %s: more than %d different values; choose a field with fewer",
                           field, MOST_GROUPS);
        else if (err != ESP_OK)
            esp_error_set (error, err, "--by %s: out of memory", field);
    }
    esp_buf_free (&memory);
    return err;
}

static int compare_names (const void *a, const void *b)
{
    return strcmp (*(char *const *)a, *(char *const *)b);
}

/* Order groups by name, so that the order of rows does not show. */
static esp_err sort_groups (report_run *run)
{
    uint32_t *place;
    char **old = run->group_names, **sorted = esp_calloc (MOST_GROUPS, sizeof (*sorted));
    if (!sorted || !(place = esp_calloc (MOST_GROUPS, sizeof (*place)))) {
        esp_free (sorted);
        return ESP_ENOMEM;
    }
    memcpy (sorted, old, run->group_count * sizeof (*sorted));
    qsort (sorted, run->group_count, sizeof (*sorted), compare_names);
    for (uint32_t i = 0; i < run->group_count; i++)
        for (uint32_t j = 0; j < run->group_count; j++)
            if (old[i] == sorted[j])
                place[i] = j;
    for (size_t i = 0; i < run->item_count; i++)
        run->items[i].group = place[run->items[i].group];
    run->group_names = sorted;
    esp_free (old);
    esp_free (place);
    return ESP_OK;
}

esp_err report_problems_open (const config *c, const char *run_file, const char *why,
                              problem_source **out, esp_error *error)
{
    problem_options o = {.file = config_peek (c, "problems.file"),
                         .on_error = 1, /* skip: the run has said what it thinks of bad lines */
                         .max_line_bytes = 1 << 30,
                         .field_id = config_peek (c, "problems.fields.id"),
                         .field_problem = config_peek (c, "problems.fields.problem"),
                         .field_answer = config_peek (c, "problems.fields.answer")};
    esp_error reason = {0};
    esp_err err;
    if (!o.file)
        return esp_error_set (error, ESP_EFORMAT, "%s: %s has no problems.file", why, run_file);
    err = problem_source_open (&o, NULL, NULL, NULL, out, &reason);
    return err == ESP_OK ? err : esp_error_set (error, err, "%s: %s", why, reason.text);
}

esp_err report_group_items (report_run *run, const config *c, const char *run_file,
                            const char *field, esp_error *error)
{
    problem_source *s = NULL;
    uint32_t none;
    char *name = esp_strdup (no_field);
    esp_err err;
    if (!name || !(run->group_names = esp_calloc (MOST_GROUPS, sizeof (char *)))) {
        esp_free (name);
        return esp_error_set (error, ESP_ENOMEM, "--by %s: out of memory", field);
    }
    err = group_index (run, name, &none); /* 0: what every item starts with */
    if (err == ESP_OK) {
        char why[160];
        snprintf (why, sizeof (why), "--by %s", field);
        err = report_problems_open (c, run_file, why, &s, error);
    }
    if (err == ESP_OK)
        err = mark_all (run, s, field, error);
    problem_source_close (s);
    if (err == ESP_OK && run->group_count == 1)
        return esp_error_set (error, ESP_EUNKNOWN,
                              "--by %s: no problem of the run has this field in %s", field,
                              config_peek (c, "problems.file"));
    if (err == ESP_OK && (err = sort_groups (run)) != ESP_OK)
        return esp_error_set (error, err, "--by %s: out of memory", field);
    return err;
}
