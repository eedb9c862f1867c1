/* SPDX-License-Identifier: Apache-2.0 */
/* import_sal.c - a search-and-learn recipe as a run file
 *
 * Source: huggingface/search-and-learn, src/sal/config.py (keys and defaults) and src/sal/search/ (what they do).  Their beam_width is our
 * expand: children of each kept branch; keep = n / beam_width.
 */

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cluster/cli/import.h"
#include "proto/base/arena.h"
#include "proto/config/yaml_tree.h"

enum { APPROACH_BON, APPROACH_BEAM, APPROACH_DVTS };
enum key_kind { KIND_TEXT, KIND_WHOLE, KIND_NUMBER, KIND_TRUTH };

typedef struct recipe {
    const char *approach, *model_path, *prm_path, *dataset_name, *dataset_config, *dataset_split;
    const char *system_prompt, *custom_chat_template, *agg_strategy, *output_dir;
    long n, beam_width, num_iterations, lookahead, seed, max_tokens;
    long num_samples, dataset_start, dataset_end; /* -1 = not given */
    long search_batch_size;
    double temperature, top_p;
    bool filter_duplicates, sort_completed;
    int which; /* of the approaches */
} recipe;

static const struct key_row {
    const char *name;
    enum key_kind kind;
    size_t offset;
    double min;
    const char *dropped; /* has no counterpart: why */
} rows[] = {
#define TEXT(field)                                                                                \
    {                                                                                              \
#field, KIND_TEXT, offsetof(recipe, field), 0, NULL                                        \
    }
#define WHOLE(field, min)                                                                          \
    {                                                                                              \
#field, KIND_WHOLE, offsetof(recipe, field), min, NULL                                     \
    }
#define DROPPED(name, why)                                                                         \
    {                                                                                              \
        name, KIND_TEXT, 0, 0, why                                                                 \
    }
    TEXT (approach),
    TEXT (model_path),
    TEXT (prm_path),
    TEXT (dataset_name),
    TEXT (dataset_config),
    TEXT (dataset_split),
    TEXT (system_prompt),
    TEXT (custom_chat_template),
    TEXT (agg_strategy),
    TEXT (output_dir),
    WHOLE (n, 1),
    WHOLE (beam_width, 1),
    WHOLE (num_iterations, 1),
    WHOLE (lookahead, 0),
    WHOLE (seed, 0),
    WHOLE (max_tokens, 1),
    WHOLE (num_samples, 0),
    WHOLE (dataset_start, 0),
    WHOLE (dataset_end, 0),
    WHOLE (search_batch_size, 1),
    {"temperature", KIND_NUMBER, offsetof (recipe, temperature), 0, NULL},
    {"top_p", KIND_NUMBER, offsetof (recipe, top_p), 0, NULL},
    {"filter_duplicates", KIND_TRUTH, offsetof (recipe, filter_duplicates), 0, NULL},
    {"sort_completed", KIND_TRUTH, offsetof (recipe, sort_completed), 0, NULL},
    DROPPED ("gpu_memory_utilization", "servers have GPUs of their own"),
    DROPPED ("prm_batch_size", "workers put scores into one request as they come"),
    DROPPED ("load_in_4bit", "say it to the server"),
    DROPPED ("load_in_8bit", "say it to the server"),
    DROPPED ("apply_voting", "espalier report votes at every n, without a rerun"),
    DROPPED ("num_proc", "ranks of mpirun"),
    DROPPED ("push_to_hub", "the output folder is the result"),
    DROPPED ("hub_dataset_id", "the output folder is the result"),
    DROPPED ("hub_dataset_private", "the output folder is the result"),
    DROPPED ("overwrite_hub_revision", "the output folder is the result"),
#undef TEXT
#undef WHOLE
#undef DROPPED
};
enum {
    ROWS = sizeof (rows) / sizeof (rows[0]),
    SAY_BYTES = 512 /* of our own words; texts of the recipe go another way */
};

struct importing {
    const char *name;
    esp_buf *out, *notes;
    esp_error *error;
    esp_buf leftovers; /* comments at the end */
    esp_err err;       /* ESP_ENOMEM, kept */
};

/* ---- reading ---- */

static esp_err wrong (const struct importing *i, const yaml_tree *node, const char *what)
{
    return esp_error_set (i->error, ESP_EFORMAT, "%s:%u: %s: %s", i->name, node->line, node->key,
                          what);
}

static esp_err
read_number (const struct importing *i, const struct key_row *row, const yaml_tree *node, recipe *r)
{
    char *end;
    double value = node->text ? strtod (node->text, &end) : 0;
    if (!node->text || end == node->text || *end || !(value >= row->min) || value > INT_MAX)
        return wrong (i, node, "must be a number, not too small or too large");
    if (row->kind == KIND_NUMBER)
        *(double *)((char *)r + row->offset) = value;
    else if (value != (double)(long)value)
        return wrong (i, node, "must be a whole number");
    else
        *(long *)((char *)r + row->offset) = (long)value;
    return ESP_OK;
}

static esp_err
read_key (struct importing *i, const struct key_row *row, const yaml_tree *node, recipe *r)
{
    bool yes, no;
    if (row->dropped)
        return esp_buf_printf (&i->leftovers, "# %s: %s\n", row->name, row->dropped);
    if (node->null) {
        if (row->kind == KIND_TEXT)
            *(const char **)((char *)r + row->offset) = NULL;
        return ESP_OK;
    }
    if (node->kind != YAML_TREE_TEXT)
        return wrong (i, node, "must be one value");
    switch (row->kind) {
    case KIND_TEXT:
        *(const char **)((char *)r + row->offset) = node->text;
        return ESP_OK;
    case KIND_WHOLE:
    case KIND_NUMBER:
        return read_number (i, row, node, r);
    case KIND_TRUTH:
        break;
    }
    yes = strcmp (node->text, "true") == 0 || strcmp (node->text, "True") == 0;
    no = strcmp (node->text, "false") == 0 || strcmp (node->text, "False") == 0;
    if (!yes && !no)
        return wrong (i, node, "must be true or false");
    *(bool *)((char *)r + row->offset) = yes;
    return ESP_OK;
}

static esp_err unknown_key (struct importing *i, const yaml_tree *node)
{
    const char *names[ROWS + 1], *near;
    char key[YAML_TREE_MAX_KEY_BYTES + 1];
    esp_err err;
    snprintf (key, sizeof (key), "%s", node->key);
    esp_text_scrub (key); /* a key may hold a newline, and a comment may not */
    for (size_t k = 0; k < ROWS; k++)
        names[k] = rows[k].name;
    names[ROWS] = NULL;
    near = esp_nearest (node->key, names);
    err = esp_buf_printf (i->notes, "%s:%u: %s: no key of search-and-learn%s%s%s; left out\n",
                          i->name, node->line, key, near ? "; did you mean " : "", near ? near : "",
                          near ? "?" : "");
    return err == ESP_OK ? esp_buf_printf (&i->leftovers, "# %s: no key of search-and-learn\n", key)
                         : err;
}

static esp_err read_recipe (struct importing *i, const yaml_tree *root, recipe *r)
{
    esp_err err = ESP_OK;
    *r = (recipe){.approach = "best_of_n",
                  .model_path = "meta-llama/Llama-3.2-1B-Instruct",
                  .prm_path = "RLHFlow/Llama3.1-8B-PRM-Deepseek-Data",
                  .dataset_name = "HuggingFaceH4/MATH-500",
                  .dataset_split = "test",
                  .agg_strategy = "last",
                  .custom_chat_template = "", /* its default is a text of Llama 3's */
                  .n = 4,
                  .beam_width = 4,
                  .num_iterations = 40,
                  .lookahead = 1,
                  .seed = 42,
                  .max_tokens = 2048,
                  .num_samples = -1,
                  .dataset_start = -1,
                  .dataset_end = -1,
                  .search_batch_size = 25,
                  .temperature = 0.8,
                  .top_p = 1.0};
    for (const yaml_tree *node = root->first; node && err == ESP_OK; node = node->next) {
        size_t k = 0;
        while (k < ROWS && strcmp (rows[k].name, node->key) != 0)
            k++;
        err = k < ROWS ? read_key (i, &rows[k], node, r) : unknown_key (i, node);
    }
    return err;
}

/* The node of a key, for the line of a mistake; the root when it is not there. */
static const yaml_tree *node_of (const yaml_tree *root, const char *key)
{
    for (const yaml_tree *node = root->first; node; node = node->next)
        if (strcmp (node->key, key) == 0)
            return node;
    return root;
}

static esp_err check (const struct importing *i, const yaml_tree *root, recipe *r)
{
    static const char *const approaches[] = {"best_of_n", "beam_search", "dvts", NULL};
    static const char *const aggregates[] = {"last", "min", "prod", NULL};
    size_t k = 0;
    if (!r->approach || !r->model_path || !r->prm_path || !r->agg_strategy)
        return esp_error_set (i->error, ESP_EFORMAT,
                              "%s: approach, model_path, prm_path and agg_strategy cannot be null",
                              i->name);
    while (approaches[k] && strcmp (approaches[k], r->approach) != 0)
        k++;
    if (!approaches[k])
        return wrong (i, node_of (root, "approach"), "must be best_of_n, beam_search or dvts");
    r->which = (int)k;
    for (k = 0; aggregates[k] && strcmp (aggregates[k], r->agg_strategy) != 0;)
        k++;
    if (!aggregates[k])
        return wrong (i, node_of (root, "agg_strategy"), "must be last, min or prod");
    if (r->which == APPROACH_DVTS && r->n % r->beam_width != 0)
        return esp_error_set (i->error, ESP_EFORMAT,
                              "%s:%u: n: %ld is no multiple of beam_width, %ld (dvts)", i->name,
                              node_of (root, "n")->line, r->n, r->beam_width);
    return ESP_OK;
}

/* ---- writing ---- */

static void say (struct importing *i, const char *format, ...) ESP_PRINTF (2, 3);

static void say (struct importing *i, const char *format, ...)
{
    char text[SAY_BYTES];
    va_list args;
    va_start (args, format);
    (void)vsnprintf (text, sizeof (text), format, args);
    va_end (args);
    if (i->err == ESP_OK)
        i->err = esp_buf_puts (i->out, text);
}

/* A JSON string is a quoted YAML scalar. */
static void say_text (struct importing *i, const char *text)
{
    if (i->err == ESP_OK)
        i->err = esp_buf_json_string (i->out, span_of (text));
}

static const char *last_part (const char *path)
{
    const char *slash = strrchr (path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static void write_run (struct importing *i, const recipe *r)
{
    esp_buf folder = {0};
    say (i, "run:\n  seed: %ld\n  output: ", r->seed);
    if (r->output_dir)
        say_text (i, r->output_dir);
    else {
        i->err =
            i->err ? i->err
                   : esp_buf_printf (&folder, "runs/%s-%s", r->approach, last_part (r->model_path));
        say_text (i, esp_buf_text (&folder));
    }
    esp_buf_free (&folder);
    say (i, "\n");
}

static void write_problems (struct importing *i, const recipe *r)
{
    const char *dataset = r->dataset_name ? r->dataset_name : "HuggingFaceH4/MATH-500";
    const char *split = r->dataset_split ? r->dataset_split : "test";
    esp_buf file = {0};
    bool range = r->dataset_start >= 0 && r->dataset_end >= 0; /* theirs counts with both only */
    long limit = r->num_samples;
    if (range && (limit < 0 || r->dataset_end < limit) && r->dataset_start == 0)
        limit = r->dataset_end;
    say (i, "# a dataset becomes lines by: from datasets import load_dataset; load_dataset "
            "(...).to_json (...)\n");
    say (i, "# dataset ");
    say_text (i, dataset);
    if (r->dataset_config) {
        say (i, ", config ");
        say_text (i, r->dataset_config);
    }
    say (i, ", split ");
    say_text (i, split);
    say (i, "\n");
    if (range && r->dataset_start > 0)
        say (i, "# dataset_start: %ld, dataset_end: %ld: cut the file to these lines\n",
             r->dataset_start, r->dataset_end);
    i->err = i->err ? i->err : esp_buf_printf (&file, "%s.jsonl", last_part (dataset));
    say (i, "problems:\n  file: ");
    say_text (i, esp_buf_text (&file));
    say (i, "\n");
    if (limit > 0)
        say (i, "  limit: %ld\n", limit);
    esp_buf_free (&file);
}

static void write_beam (struct importing *i, const recipe *r)
{
    long keep = r->n / r->beam_width, expand = r->beam_width;
    if (keep == 0) { /* their slice [-0:] keeps all */
        keep = r->n;
        expand = 1;
        say (i, "  # n < beam_width: every branch survives there\n");
    }
    say (i, "  strategy: beam\n  rule: tiled\n  keep: %ld\n  expand: %ld\n", keep, expand);
    if (keep * expand != r->n)
        say (i, "  width: %ld\n", r->n);
    say (i, "  filter_duplicates: %s\n  sort_completed: %s\n",
         r->filter_duplicates ? "true" : "false", r->sort_completed ? "true" : "false");
    say (i, "  # lookahead: changes nothing in their beam search, and costs generations\n");
}

static void write_search (struct importing *i, const recipe *r)
{
    say (i, "search:\n");
    if (r->which == APPROACH_BON)
        say (i, "  strategy: best_of_n\n  n: %ld\n", r->n);
    else if (r->which == APPROACH_BEAM)
        write_beam (i, r);
    else
        say (i, "  strategy: dvts\n  keep: %ld\n  expand: %ld\n  lookahead: %ld\n",
             r->n / r->beam_width, r->beam_width, r->lookahead);
    if (r->which != APPROACH_BON)
        say (i, "  max_steps: %ld\n", r->num_iterations);
    say (i, "  aggregate: %s\n", r->agg_strategy);
    if (r->which != APPROACH_BEAM && (r->filter_duplicates || r->sort_completed))
        say (i, "  # filter_duplicates, sort_completed: of their beam search only\n");
}

static void write_prompt (struct importing *i, const recipe *r)
{
    say (i, "step: {separator: \"\\n\\n\"}\n");
    if (r->system_prompt) {
        say (i, "prompt:\n  system: ");
        say_text (i, r->system_prompt);
        say (i, "\n");
    } else
        say (i, "prompt: {preset: numbered} # stands for their default system_prompt: our wording "
                "of the same form\n");
    if (r->custom_chat_template && !r->custom_chat_template[0])
        say (i, "# custom_chat_template: theirs is Llama 3's without a date; here it is the "
                "server's own (prompt.chat)\n");
    else if (r->custom_chat_template)
        say (i, "# custom_chat_template: not carried over; give it to the server, or see "
                "prompt.chat and prompt.chat_file\n");
}

static void write_generator (struct importing *i, const recipe *r)
{
    say (i, "generator:\n  engine: vllm\n  url: \"http://{host}:8000\"\n  model: ");
    say_text (i, r->model_path);
    say (i, "\n  temperature: %.15g\n  top_p: %.15g\n  max_step_tokens: %ld\n  max_tokens: %ld\n",
         r->temperature, r->top_p, r->max_tokens, r->max_tokens);
}

static const char *layout_of (const char *prm)
{
    static const struct {
        const char *part, *layout;
    } known[] = {{"Qwen2.5-Math-PRM", "qwen-extra0"},     {"PRM-Deepseek-Data", "rlhflow-deepseek"},
                 {"PRM-Mistral-Data", "rlhflow-mistral"}, {"math-shepherd", "math-shepherd"},
                 {"Skywork-o1-Open-PRM", "skywork"},      {"ThinkPRM", "thinkprm"}};
    for (size_t k = 0; k < sizeof (known) / sizeof (known[0]); k++)
        if (strstr (prm, known[k].part))
            return known[k].layout;
    return NULL;
}

static void write_prm (struct importing *i, const yaml_tree *root, const recipe *r)
{
    const char *layout = layout_of (r->prm_path);
    if (!layout && i->err == ESP_OK)
        i->err = esp_buf_printf (i->notes,
                                 "%s:%u: prm_path: what this PRM was trained to read is not known "
                                 "here; say prm.layout before the run (docs/prms.md)\n",
                                 i->name, node_of (root, "prm_path")->line);
    say (i, "prm:\n  engine: vllm-pooling\n  url: \"http://{host}:8001\"\n  model: ");
    say_text (i, r->prm_path);
    if (layout)
        say (i, "\n  layout: %s\n", layout);
    else
        say (i, "\n  # layout: not known for this PRM; see docs/prms.md\n");
    say (i, "verifier: {kind: answer} # they grade afterwards\n");
}

static void write_all (struct importing *i, const yaml_tree *root, const recipe *r)
{
    say (i,
         "# a recipe of search-and-learn, by espalier import sal; servers: the two urls below\n");
    write_run (i, r);
    write_problems (i, r);
    write_search (i, r);
    write_prompt (i, r);
    write_generator (i, r);
    write_prm (i, root, r);
    say (i, "# search_batch_size: as many problems are open as keep the slots busy "
            "(problems.open); none waits "
            "for another\n");
    if (i->err == ESP_OK)
        i->err = esp_buf_add (i->out, esp_buf_span (&i->leftovers));
}

esp_err import_sal (span text, const char *name, esp_buf *out, esp_buf *notes, esp_error *error)
{
    struct importing i = {.name = name, .out = out, .notes = notes, .error = error};
    esp_arena *arena = NULL;
    yaml_fault fault = {0};
    yaml_tree *root = NULL;
    recipe r;
    esp_err err = esp_arena_create (16 * 1024, &arena);
    if (err == ESP_OK && (err = yaml_tree_parse (arena, text, &root, &fault)) != ESP_OK)
        esp_error_set (error, err, "%s:%u:%u: %s", name, fault.line, fault.column, fault.why.text);
    else if (err == ESP_OK && root->kind != YAML_TREE_MAP)
        err =
            esp_error_set (error, ESP_EFORMAT, "%s:1: no recipe: a map of keys is expected", name);
    if (err == ESP_OK && (err = read_recipe (&i, root, &r)) == ESP_OK &&
        (err = check (&i, root, &r)) == ESP_OK) {
        write_all (&i, root, &r);
        err = i.err;
    }
    if (err == ESP_ENOMEM)
        esp_error_set (error, err, "%s: out of memory", name);
    esp_buf_free (&i.leftovers);
    esp_arena_destroy (arena);
    return err;
}
