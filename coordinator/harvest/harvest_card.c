/* SPDX-License-Identifier: Apache-2.0 */
/* harvest_card.c - manifest.json and the dataset card */

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "coordinator/harvest/harvest_private.h"
#include "proto/base/file.h"

static const char *const set_names[SAMPLE_SETS] = {"verified", "unverified"};

static const char *item_name (const sample_item *one)
{
    return one->options.name ? one->options.name : one->format->name;
}

static bool for_evaluation (const harvest_work *w)
{
    for (size_t i = 0; i < w->setup->plan->count; i++)
        if (w->results[i].counts.eval_kept > 0)
            return true;
    return false;
}

/* ---- manifest ---- */

static void list_files (json_t *files, const shards *s, const char *name, const char *set)
{
    size_t n;
    const shard *list = shards_list (s, &n);
    for (size_t i = 0; i < n; i++)
        json_array_append_new (
            files,
            json_pack ("{ss ss ss sI sI sI ss}", "file", list[i].name, "samples", name, "set", set,
                       "rows", (json_int_t)list[i].rows, "bytes", (json_int_t)list[i].bytes,
                       "text_bytes", (json_int_t)list[i].text_bytes, "sha256", list[i].sha256));
}

static json_t *counts_of (const harvest_result *h, int set)
{
    json_t *all = json_object ();
    for (int why = 0; why < LEFT_KINDS; why++)
        json_object_set_new (all, harvest_left_names[why],
                             json_integer ((json_int_t)h->counts.left[set][why]));
    return all;
}

static json_t *verdicts_of (const harvest_result *h)
{
    json_t *all = json_object ();
    for (size_t i = 0; i < h->verdict_kinds; i++)
        json_object_set_new (all, h->verdicts[i].what,
                             json_integer ((json_int_t)h->verdicts[i].rows));
    return all;
}

static json_t *manifest (const harvest_work *w)
{
    const sample_plan *plan = w->setup->plan;
    json_t *files = json_array (), *items = json_array ();
    for (size_t i = 0; i < plan->count; i++) {
        const harvest_result *h = &w->results[i];
        for (int set = 0; set < SAMPLE_SETS; set++)
            list_files (files, h->files[set], item_name (&plan->items[i]), set_names[set]);
        json_array_append_new (
            items, json_pack ("{ss ss sI sI so so so sI}", "samples", item_name (&plan->items[i]),
                              "format", plan->items[i].format->name, "raw_rows",
                              (json_int_t)h->counts.raw, "problems", (json_int_t)h->counts.problems,
                              "verified", counts_of (h, SAMPLE_VERIFIED), "unverified",
                              counts_of (h, SAMPLE_UNVERIFIED), "verdicts", verdicts_of (h),
                              "of_evaluation_sets", (json_int_t)h->counts.eval_kept));
    }
    list_files (files, w->refused, "", "refused");
    return json_pack ("{si ss sb sO? so so}", "version", 1, "run", w->setup->name, "for_training",
                      !for_evaluation (w), "models", w->models, "samples", items, "files", files);
}

/* ---- card ---- */

/* Not [0-9]*: that of item sft would be files of an item sft-2, too. */
#define FIVE_DIGITS "[0-9][0-9][0-9][0-9][0-9]"

static esp_err write_configs (const harvest_work *w, esp_buf *out)
{
    esp_err err = esp_buf_puts (out, "configs:\n");
    for (size_t i = 0; i < w->setup->plan->count; i++)
        for (int set = 0; set < SAMPLE_SETS && err == ESP_OK; set++) {
            const sample_item *one = &w->setup->plan->items[i];
            const char *tail = set == SAMPLE_VERIFIED ? "" : "-unverified";
            size_t n;
            (void)shards_list (w->results[i].files[set], &n);
            if (n > 0)
                err = esp_buf_printf (
                    out, "- config_name: %s%s\n  data_files: \"%s%s-" FIVE_DIGITS ".jsonl%s\"\n",
                    item_name (one), tail, item_name (one), tail,
                    one->options.compress ? ".zst" : "");
        }
    return err;
}

static esp_err write_item (const sample_item *one, const harvest_result *h, esp_buf *out)
{
    esp_err err = esp_buf_printf (out,
                                  "\n## %s\n\nFormat `%s`: %s.  %" PRIu64 " raw rows of %" PRIu64
                                  " problems.\n\n| rows | verified | unverified |\n|---|---|---|\n",
                                  item_name (one), one->format->name, one->format->what,
                                  h->counts.raw, h->counts.problems);
    for (int why = 0; why < LEFT_KINDS && err == ESP_OK; why++)
        err = esp_buf_printf (out, "| %s%s | %" PRIu64 " | %" PRIu64 " |\n",
                              why == LEFT_KEPT ? "" : "left out: ", harvest_left_names[why],
                              h->counts.left[SAMPLE_VERIFIED][why],
                              h->counts.left[SAMPLE_UNVERIFIED][why]);
    if (err == ESP_OK && h->verdict_kinds > 0)
        err = esp_buf_puts (out, "\n| verdict | rows |\n|---|---|\n");
    for (size_t i = 0; i < h->verdict_kinds && err == ESP_OK; i++)
        err = esp_buf_printf (out, "| %s | %" PRIu64 " |\n", h->verdicts[i].what,
                              h->verdicts[i].rows);
    return err;
}

static esp_err write_models (const harvest_work *w, esp_buf *out)
{
    esp_err err = json_array_size (w->models) > 0
                      ? esp_buf_puts (out, "\nModels, as their servers call them:\n\n")
                      : ESP_OK;
    for (size_t i = 0; i < json_array_size (w->models) && err == ESP_OK; i++) {
        const json_t *one = json_array_get (w->models, i);
        const char *place = json_string_value (json_object_get (one, "engine")),
                   *name = json_string_value (json_object_get (one, "name")),
                   *model = json_string_value (json_object_get (one, "model"));
        if (place && model)
            err = esp_buf_printf (out, "* %s%s%s: `%s`\n", place, name ? " " : "", name ? name : "",
                                  model);
    }
    return err;
}

static esp_err write_calibration (const harvest_work *w, esp_buf *out)
{
    const calibration *c = &w->calibration;
    bool any = false;
    esp_err err = ESP_OK;
    for (int i = 0; i < CALIBRATION_LEVELS && err == ESP_OK; i++) {
        if (c->decided[i] > 0 && !any)
            err = esp_buf_puts (out,
                                "\n## What agreement was worth\n\nOf the branches that a verifier "
                                "decided, by the part of the branches with the same answer:\n\n"
                                "| agreement | decided | right |\n|---|---|---|\n");
        if (c->decided[i] > 0 && err == ESP_OK)
            err = esp_buf_printf (out, "| %.1f-%.1f | %" PRIu64 " | %.3f |\n", i / 10.0,
                                  (i + 1) / 10.0, c->decided[i],
                                  (double)c->passed[i] / (double)c->decided[i]);
        any = any || c->decided[i] > 0;
    }
    return err;
}

static esp_err card (const harvest_work *w, esp_buf *out)
{
    bool eval = for_evaluation (w);
    esp_err err =
        esp_buf_puts (out, "---\n# license: yours to say\ntags:\n- synthetic\n- espalier\n");
    if (err == ESP_OK && eval)
        err = esp_buf_puts (out, "- not-for-training\n");
    if (err == ESP_OK)
        err = write_configs (w, out);
    if (err == ESP_OK)
        err = esp_buf_printf (
            out,
            "---\n\n# %s\n\n%sMade by espalier.  `meta` of each row says how: "
            "every row of one run shares\n\n```json\n{%s}\n```\n\n`manifest.json` has "
            "the SHA-256 of each file.\n",
            w->setup->name,
            eval ? "**Not for training**: it holds problems of evaluation sets "
                   "(allow_eval).\n\n"
                 : "",
            esp_buf_text (&w->setup->plan->origin));
    if (err == ESP_OK)
        err = write_models (w, out);
    for (size_t i = 0; i < w->setup->plan->count && err == ESP_OK; i++)
        err = write_item (&w->setup->plan->items[i], &w->results[i], out);
    return err == ESP_OK && w->setup->calibrate ? write_calibration (w, out) : err;
}

static esp_err write_file (const harvest_work *w, const char *name, span text, esp_error *error)
{
    char path[4096];
    esp_err err = esp_path_join (path, sizeof (path), w->folder, name);
    return err == ESP_OK ? esp_file_write (path, text, 0644, error)
                         : esp_error_set (error, err, "%s: the path is too long", w->folder);
}

esp_err harvest_say (const harvest_work *w, esp_error *error)
{
    esp_buf text = {0};
    json_t *all = manifest (w);
    char *json = all ? json_dumps (all, JSON_INDENT (1)) : NULL;
    esp_err err = json ? card (w, &text) : ESP_ENOMEM;
    json_decref (all);
    if (err != ESP_OK)
        esp_error_set (error, err, "out of memory");
    if (err == ESP_OK && (err = write_file (w, "README.md", esp_buf_span (&text), error)) == ESP_OK)
        err = write_file (w, "manifest.json", span_of (json), error);
    free (json);
    esp_buf_free (&text);
    return err;
}
