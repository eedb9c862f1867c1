/* SPDX-License-Identifier: Apache-2.0 */
/* import_samples.c - rows of samples, several with one id, as problem rows with their solutions
 *
 * EvalPlus and HumanEval write a row a sample, NeMo-Skills a file a sample; only the id, or the problem's text, says what belongs
 * together.  Everything is kept until the end: a sample may stand anywhere.
 */

#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include "cluster/cli/import.h"
#include "coordinator/problem/line_reader.h"
#include "coordinator/problem/problem_row.h"
#include "worker/engine/given.h"

enum { LINE_BYTES = 64 << 20 }; /* a row of 64 samples of a megabyte each */

struct gathering {
    json_t *groups; /* list of {"row", "completions"}, in the order in which ids came */
    json_t *by_id;  /* the same objects */
    json_t *known;  /* rows of the problems file by id; NULL: there is none */
    esp_buf json;   /* scratch: the row at hand, with its id */
    import_counts counts;
    const char *path;
    uint64_t line;
    esp_error *error;
};

static esp_err bad_line (const struct gathering *g, const char *why)
{
    return esp_error_set (g->error, ESP_EFORMAT, "%s:%" PRIu64 ": %s", g->path, g->line, why);
}

static esp_err no_memory (const struct gathering *g)
{
    return esp_error_set (g->error, ESP_ENOMEM, "%s:%" PRIu64 ": out of memory", g->path, g->line);
}

/* ---- a row ---- */

/* What a row says about its own sample is nothing that the problem says. */
static void drop_sample (json_t *row)
{
    static const char *const keys[] = {"completions", "samples",  "steps",  "generation",
                                       "completion",  "response", "output", "labels",
                                       "label",       "scores",   NULL};
    bool other = false;
    for (size_t k = 0; keys[k]; k++)
        other = json_object_del (row, keys[k]) == 0 || other;
    if (!other)
        json_object_del (row, "solution");
}

static esp_err new_group (struct gathering *g, const char *id, json_t *row, json_t **out)
{
    json_t *known = g->known ? json_object_get (g->known, id) : NULL;
    json_t *made = json_pack ("{sO s[]}", "row", known ? known : row, "completions");
    g->counts.unknown += g->known && !known;
    if (!known)
        drop_sample (row);
    if (!made || json_array_append (g->groups, made) != 0 ||
        json_object_set (g->by_id, id, made) != 0) {
        json_decref (made);
        return no_memory (g);
    }
    *out = made;
    json_decref (made); /* the two keep it */
    return ESP_OK;
}

static json_t *solution_of (const given *all, size_t i)
{
    span text = given_text (all, i);
    size_t from = 0;
    json_t *list;
    if (!given_is_list (all, i))
        return json_stringn (text.ptr ? text.ptr : "", text.len);
    list = json_array ();
    for (size_t k = 0; list && text.len > 0 && k < given_steps (all, i); k++) {
        size_t end = given_step_end (all, i, k);
        if (json_array_append_new (list, json_stringn (text.ptr + from, end - from)) != 0) {
            json_decref (list);
            return NULL;
        }
        from = end;
    }
    return list;
}

static esp_err add_solutions (struct gathering *g, json_t *group)
{
    json_t *list = json_object_get (group, "completions");
    given *all = NULL;
    esp_error why = {0};
    esp_err err = given_read (esp_buf_span (&g->json), "\n\n", NULL, &all, &why);
    if (err != ESP_OK)
        return err == ESP_ENOMEM ? no_memory (g) : bad_line (g, why.text);
    for (size_t i = 0; i < given_count (all) && err == ESP_OK; i++)
        if (json_array_append_new (list, solution_of (all, i)) != 0)
            err = no_memory (g);
    given_destroy (all);
    return err;
}

/* The line as a row with its id: what every reader of problems would make of it. */
static esp_err read_row (struct gathering *g, const line *l, problem_row *found, json_t **row)
{
    static const problem_names aliases = {NULL, NULL, NULL};
    esp_error why = {0};
    esp_err err;
    if (l->too_long)
        return bad_line (g, "longer than 64 MiB");
    esp_buf_clear (&g->json);
    err = problem_row_read (l->text, &aliases, found, &g->json, &why);
    if (err != ESP_OK)
        return err == ESP_ENOMEM ? no_memory (g) : bad_line (g, why.text);
    *row = json_loadb (g->json.data, g->json.len, 0, NULL);
    return *row ? ESP_OK : no_memory (g);
}

static esp_err take_sample (struct gathering *g, const line *l)
{
    problem_row found;
    json_t *row = NULL, *group;
    esp_err err = read_row (g, l, &found, &row);
    if (err != ESP_OK)
        return err;
    group = json_object_get (g->by_id, found.id);
    if (!group)
        err = new_group (g, found.id, row, &group);
    if (err == ESP_OK)
        err = add_solutions (g, group);
    g->counts.rows++;
    json_decref (row);
    return err;
}

static esp_err take_problem (struct gathering *g, const line *l)
{
    problem_row found;
    json_t *row = NULL;
    esp_err err = read_row (g, l, &found, &row);
    if (err == ESP_OK && json_object_set (g->known, found.id, row) != 0)
        err = no_memory (g);
    json_decref (row);
    return err;
}

/* ---- files ---- */

static esp_err each_line (struct gathering *g, const char *path,
                          esp_err (*take) (struct gathering *g, const line *l))
{
    line_reader *lines = NULL;
    line l;
    esp_error why = {0};
    esp_err err = line_reader_open (path, LINE_BYTES, &lines, &why);
    if (err != ESP_OK)
        return esp_error_set (g->error, err, "import samples: %s%s",
                              take == take_problem ? "--problems " : "", why.text);
    g->path = path;
    while (err == ESP_OK)
        if ((err = line_reader_next (lines, &l, g->error)) == ESP_OK) {
            g->line = l.number;
            if (l.too_long || span_trim (l.text).len > 0)
                err = take (g, &l);
        }
    line_reader_close (lines);
    return err == ESP_EEMPTY ? ESP_OK : err;
}

static int append_dump (const char *bytes, size_t len, void *buf)
{
    return esp_buf_append (buf, bytes, len) == ESP_OK ? 0 : -1;
}

static esp_err write_groups (struct gathering *g, esp_buf *out)
{
    size_t flags = JSON_COMPACT | JSON_REAL_PRECISION (17);
    for (size_t i = 0; i < json_array_size (g->groups); i++) {
        json_t *group = json_array_get (g->groups, i), *row = json_object_get (group, "row");
        if (json_object_set (row, "completions", json_object_get (group, "completions")) != 0 ||
            json_dump_callback (row, append_dump, out, flags) != 0 ||
            esp_buf_puts (out, "\n") != ESP_OK)
            return no_memory (g);
        g->counts.problems++;
    }
    return ESP_OK;
}

esp_err import_samples (const char *const *files, size_t count, const char *problems, esp_buf *out,
                        import_counts *counts, esp_error *error)
{
    struct gathering g = {.groups = json_array (), .by_id = json_object (), .error = error};
    esp_err err = ESP_OK;
    g.path = count ? files[0] : "";
    g.known = problems ? json_object () : NULL;
    if (!g.groups || !g.by_id || (problems && !g.known))
        err = no_memory (&g);
    if (err == ESP_OK && problems)
        err = each_line (&g, problems, take_problem);
    for (size_t i = 0; i < count && err == ESP_OK; i++)
        err = each_line (&g, files[i], take_sample);
    if (err == ESP_OK && json_array_size (g.groups) == 0)
        err = esp_error_set (error, ESP_EFORMAT, "%s:1: no row", g.path);
    if (err == ESP_OK)
        err = write_groups (&g, out);
    *counts = g.counts;
    esp_buf_free (&g.json);
    json_decref (g.groups);
    json_decref (g.by_id);
    json_decref (g.known);
    return err;
}
