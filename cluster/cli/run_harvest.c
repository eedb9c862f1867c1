/* SPDX-License-Identifier: Apache-2.0 */
/* run_harvest.c - see run_harvest.h */

#include "cluster/cli/run_harvest.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>
#include "cluster/cli/run_tables.h"
#include "coordinator/harvest/eval_sets.h"
#include "coordinator/harvest/harvest.h"
#include "coordinator/harvest/problem_text.h"
#include "coordinator/sink/json_row.h"
#include "proto/base/alloc.h"
#include "proto/base/file.h"

static const char *item_name (const sample_item *one)
{
    return one->options.name ? one->options.name : one->format->name;
}

/* ---- the end of a run ---- */

static void show_progress (void *ctx, const char *name, uint64_t rows)
{
    (void)ctx;
    fprintf (stderr, "\rsamples: %s, %" PRIu64 " rows ", name, rows);
}

static void say (const sample_item *one, const harvest_counts *n)
{
    const char *comma = "";
    fprintf (stderr,
             "espalier: samples: %s: %" PRIu64 " verified, %" PRIu64 " unverified of %" PRIu64
             " rows",
             item_name (one), n->left[SAMPLE_VERIFIED][LEFT_KEPT],
             n->left[SAMPLE_UNVERIFIED][LEFT_KEPT], n->raw);
    for (int why = LEFT_KEPT + 1; why < LEFT_KINDS; why++) {
        uint64_t rows = n->left[SAMPLE_VERIFIED][why] + n->left[SAMPLE_UNVERIFIED][why];
        if (rows > 0) {
            fprintf (stderr, "%s%" PRIu64 " %s", *comma ? comma : "; left out: ", rows,
                     harvest_left_names[why]);
            comma = ", ";
        }
    }
    fprintf (stderr, "\n");
}

/* URLs stay out: they name hosts. */
static esp_err write_models (const models *known, esp_buf *out)
{
    json_row r = {out, ESP_OK};
    wire_model m;
    size_t i;
    for (i = 0; known && models_at (known, i, &m); i++) {
        row_raw (&r, i ? ",{\"engine\":\"" : "[{\"engine\":\"");
        row_raw (&r, run_sections[m.kind < TASK_KINDS ? m.kind : TASK_VERIFY]);
        row_string_or_null (&r, "\",\"name\":", m.entry);
        row_string (&r, ",\"model\":", m.model);
        row_raw (&r, "}");
    }
    row_raw (&r, i > 0 ? "]" : "");
    return r.err;
}

/* Two that make the samples of one run would write into the same files: the second waits.  The lock is that of the descriptor, which
 * the caller closes; *fd < 0, or no lock: the folder is not there, or its file system has no locks. */
static esp_err lock_samples (const char *output, int *fd, esp_error *error)
{
    char path[4096];
    if (esp_path_join (path, sizeof (path), output, "samples") != ESP_OK ||
        (*fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
        flock (*fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return ESP_OK;
    fprintf (stderr, "espalier: %s: another espalier makes these samples; waiting for it\n", path);
    if (flock (*fd, LOCK_EX) == 0 || errno != EINTR)
        return ESP_OK;
    return esp_error_set (error, ESP_EIO,
                          "%s: stopped while another espalier made these samples; 'espalier "
                          "samples %s' makes them again",
                          path, output);
}

esp_err run_harvest (const run_config *c, const models *known, esp_error *error)
{
    const sample_plan *plan = &c->samples;
    harvest_setup setup = {.output = c->run.output,
                           .plan = plan,
                           .name = c->run.name,
                           .equality = c->vote.equal,
                           .calibrate = c->engines[TASK_VERIFY]->common.calibrate,
                           .progress = isatty (STDERR_FILENO) ? show_progress : NULL};
    harvest_counts *counts;
    esp_buf text = {0};
    int lock = -1;
    esp_err err;
    if (plan->count == 0)
        return ESP_OK;
    if (!(counts = esp_calloc (plan->count, sizeof (*counts))) ||
        write_models (known, &text) != ESP_OK) {
        esp_free (counts);
        esp_buf_free (&text);
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    }
    setup.models = esp_buf_span (&text);
    if ((err = lock_samples (c->run.output, &lock, error)) == ESP_OK)
        err = harvest_run (&setup, counts, error);
    if (lock >= 0)
        close (lock);
    esp_buf_free (&text);
    if (setup.progress)
        fprintf (stderr, "\r%40s\r", "");
    for (size_t i = 0; i < plan->count && err == ESP_OK; i++)
        say (&plan->items[i], &counts[i]);
    esp_free (counts);
    return err;
}

/* ---- before it ---- */

struct found {
    uint64_t problems;
    eval_hit first;
};

static esp_err look (eval_sets *e, const problem *p, struct found *f)
{
    json_t *row = json_loadb (p->json.ptr, p->json.len, 0, NULL);
    words w = {NULL, 0, 0};
    eval_hit hit;
    esp_err err = row ? words_of_problem (&w, row) : ESP_ENOMEM;
    if (err == ESP_OK && (err = eval_sets_find (e, &w, &w, &hit)) == ESP_OK && f->problems++ == 0)
        f->first = hit;
    words_free (&w);
    json_decref (row);
    return err == ESP_EEMPTY ? ESP_OK : err;
}

static esp_err look_at_all (eval_sets *e, problem_source *source, struct found *f, esp_error *error)
{
    esp_buf memory = {0};
    esp_err err = ESP_OK;
    problem p;
    for (uint32_t i = 0; i < problem_source_count (source) && err == ESP_OK; i++)
        if ((err = problem_source_get (source, 0, i, &memory, &p, error)) == ESP_OK)
            err = look (e, &p, f);
    esp_buf_free (&memory);
    return err;
}

static esp_err judge (const run_config *c, const struct found *f, uint32_t count, esp_error *error)
{
    bool some = false, all = true;
    for (size_t i = 0; i < c->samples.count; i++) {
        some = some || c->samples.items[i].options.allow_eval;
        all = all && c->samples.items[i].options.allow_eval;
    }
    if (f->problems == 0)
        return ESP_OK;
    if (f->problems == count && !some)
        return esp_error_set (
            error, ESP_EINVAL,
            "samples: all %u problems stand in evaluation sets (the first: %s in %s), so "
            "no sample would be kept; to make some that are not for training, set "
            "samples.allow_eval: true",
            count, f->first.id, f->first.set);
    fprintf (stderr,
             "espalier: samples: %" PRIu64 " of %u problems stand in evaluation sets (the first: "
             "%s in %s): %s\n",
             f->problems, count, f->first.id, f->first.set,
             all    ? "kept, as allow_eval says; the card will say: not for training"
             : some ? "kept where allow_eval says so"
                    : "their samples will be refused (samples/refused-00000.jsonl)");
    return ESP_OK;
}

esp_err run_harvest_check (const run_config *c, problem_source *source, esp_error *error)
{
    eval_sets *e;
    struct found f = {0, {"", ""}};
    esp_err err;
    if (c->samples.count == 0)
        return ESP_OK;
    if ((err = eval_sets_create (&e)) != ESP_OK)
        return esp_error_set (error, err, "out of memory");
    for (size_t i = 0; i < c->samples.count; i++)
        for (size_t n = 0; n < c->samples.items[i].options.eval_files.count && err == ESP_OK; n++)
            err = eval_sets_add (e, c->samples.items[i].options.eval_files.items[n], error);
    if (err == ESP_OK)
        err = look_at_all (e, source, &f, error);
    if (err == ESP_OK)
        err = judge (c, &f, problem_source_count (source), error);
    eval_sets_destroy (e);
    return err;
}
