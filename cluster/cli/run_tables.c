/* SPDX-License-Identifier: Apache-2.0 */
/* run_tables.c - see run_tables.h */

#include "cluster/cli/run_tables.h"
#include <stddef.h>
#include <stdio.h>
#include "cluster/cli/run_lists.h"
#include "cluster/cli/run_workers.h"

const char *const run_sections[TASK_KINDS] = {"generator", "prm", "verifier"};
const unsigned run_roles[TASK_KINDS] = {ENGINE_GENERATOR, ENGINE_PRM, ENGINE_VERIFIER};
const char *const run_name_keys[TASK_KINDS] = {"engine", "engine", "kind"};

static const esp_option generator_rows[] = {
    {"engine", ESP_OPT_STRING, offsetof (engine_options, engine), "embedded", 0, 0, NULL, "",
     "what proposes steps", ESP_OPT_FIXED, false},
    {"name", ESP_OPT_STRING, offsetof (engine_options, name), NULL, 0, 0, NULL, "",
     "in a list of generators: what `actions` calls it", ESP_OPT_FIXED, false},
    {"slots", ESP_OPT_INT, offsetof (engine_options, slots), "0", 0, 65536, NULL, "tasks",
     "samples in flight per worker; 0 = the engine's own number", ESP_OPT_FREE, false},
    {"temperature", ESP_OPT_DOUBLE, offsetof (engine_options, temperature), "0.8", 0, 100, NULL, "",
     "0 = greedy", ESP_OPT_FIXED, false},
    {"top_p", ESP_OPT_DOUBLE, offsetof (engine_options, top_p), "1", 0.000001, 1, NULL, "",
     "nucleus", ESP_OPT_FIXED, false},
    {"top_k", ESP_OPT_INT, offsetof (engine_options, top_k), "0", 0, 1000000, NULL, "tokens",
     "0 = off", ESP_OPT_FIXED, false},
    {"max_step_tokens", ESP_OPT_INT, offsetof (engine_options, max_step_tokens), "512", 1, 1000000,
     NULL, "tokens", "longest step", ESP_OPT_FIXED, false},
    {"max_tokens", ESP_OPT_INT, offsetof (engine_options, max_tokens), "2048", 1, 10000000, NULL,
     "tokens", "longest generation to the end", ESP_OPT_FIXED, false},
    {"price.prompt", ESP_OPT_DOUBLE, offsetof (engine_options, price_prompt), NULL, 0, 1e9, NULL,
     "a million tokens", "what tokens read cost, in any currency; for the costs only", ESP_OPT_FREE,
     false},
    {"price.cached", ESP_OPT_DOUBLE, offsetof (engine_options, price_cached), NULL, 0, 1e9, NULL,
     "a million tokens", "those of them that a cache held; left out: as price.prompt", ESP_OPT_FREE,
     false},
    {"price.generated", ESP_OPT_DOUBLE, offsetof (engine_options, price_generated), NULL, 0, 1e9,
     NULL, "a million tokens", "what tokens generated cost", ESP_OPT_FREE, false},
    {"parameters", ESP_OPT_DOUBLE, offsetof (engine_options, parameters), NULL, 1, 1e15, NULL, "",
     "of the model (7G, 500M, 1.5e9): FLOPs are counted as 2 x parameters x tokens", ESP_OPT_FREE,
     false},
    ESP_OPTION_END,
};
static const esp_option prm_rows[] = {
    {"engine", ESP_OPT_STRING, offsetof (engine_options, engine), NULL, 0, 0, NULL, "",
     "what scores steps; without the section there is no PRM", ESP_OPT_FIXED, false},
    {"name", ESP_OPT_STRING, offsetof (engine_options, name), NULL, 0, 0, NULL, "",
     "in a list of PRMs: what messages call it", ESP_OPT_FIXED, false},
    {"weight", ESP_OPT_DOUBLE, offsetof (engine_options, weight), "1", 1e-6, 1e6, NULL, "",
     "in a list of PRMs: weight of its scores in their mean", ESP_OPT_FIXED, false},
    {"slots", ESP_OPT_INT, offsetof (engine_options, slots), "0", 0, 65536, NULL, "tasks",
     "scores in flight per worker; 0 = the engine's own number", ESP_OPT_FREE, false},
    {"view", ESP_OPT_CHOICE, offsetof (engine_options, view), "both", 0, 0, STEP_VIEW_CHOICES, "",
     "what it sees of models that think (step.think); for engines with a layout, and arithmetic",
     ESP_OPT_FIXED, false},
    {"price.prompt", ESP_OPT_DOUBLE, offsetof (engine_options, price_prompt), NULL, 0, 1e9, NULL,
     "a million tokens", "what tokens read cost, in any currency; for the costs only", ESP_OPT_FREE,
     false},
    {"parameters", ESP_OPT_DOUBLE, offsetof (engine_options, parameters), NULL, 1, 1e15, NULL, "",
     "of the model (7G, 500M, 1.5e9): FLOPs are counted as 2 x parameters x tokens", ESP_OPT_FREE,
     false},
    ESP_OPTION_END,
};
static const esp_option verifier_rows[] = {
    {"kind", ESP_OPT_STRING, offsetof (engine_options, engine), NULL, 0, 0, NULL, "",
     "what says which results are true; without the section nothing is verified", ESP_OPT_FIXED,
     false},
    {"name", ESP_OPT_STRING, offsetof (engine_options, name), NULL, 0, 0, NULL, "",
     "in a list of verifiers: what messages call it; left out: its kind", ESP_OPT_FIXED, false},
    {"stack", ESP_OPT_CHOICE, offsetof (engine_options, stack), "first", 0, 0, STACK_CHOICES, "",
     "in the first of a list of verifiers, which are asked one behind the other: the first that "
     "decides "
     "counts; all must pass; any may pass",
     ESP_OPT_FIXED, false},
    {"cache_mb", ESP_OPT_INT, offsetof (engine_options, cache_mb), "64", 0, 1e6, NULL, "MB",
     "in the first of a list: verdicts kept per worker, so that equal branches are judged once; 0 "
     "= none; kinds that answer at once keep none",
     ESP_OPT_FREE, false},
    {"slots", ESP_OPT_INT, offsetof (engine_options, slots), "0", 0, 65536, NULL, "tasks",
     "verdicts in flight per worker; 0 = the engine's own number", ESP_OPT_FREE, false},
    {"calibrate", ESP_OPT_BOOL, offsetof (engine_options, calibrate), "true", 0, 0, NULL, "",
     "into every unverified sample: how often such an agreement was right where a verdict was "
     "decided",
     ESP_OPT_FREE, false},
    ESP_OPTION_END,
};
const esp_option *const run_common_rows[TASK_KINDS] = {generator_rows, prm_rows, verifier_rows};

void run_engine_key (const run_config *c, int k, size_t i, const char *key, char *out, size_t size)
{
    if (c->engine_count[k] > 1)
        snprintf (out, size, "%s[%zu]%s%s", run_sections[k], i, key ? "." : "", key ? key : "");
    else
        snprintf (out, size, "%s%s%s", run_sections[k], key ? "." : "", key ? key : "");
}

const esp_option run_observe_rows[] = {
    {"enabled", ESP_OPT_BOOL, offsetof (observe_options, enabled), "true", 0, 0, NULL, "",
     "let watch and steer connect", ESP_OPT_FREE, false},
    {"listen", ESP_OPT_STRING, offsetof (observe_options, listen), NULL, 0, 0, NULL, "",
     "tcp://HOST:PORT (0 = any port); unset: a socket file of this user on this host", ESP_OPT_FREE,
     false},
    ESP_OPTION_END,
};
const esp_option run_log_rows[] = {
    {"level", ESP_OPT_CHOICE, offsetof (log_options, level), "warn", 0, 0, "error|warn|info|debug",
     "", "least important lines on stderr", ESP_OPT_FREE, false},
    {"file_level", ESP_OPT_CHOICE, offsetof (log_options, file_level), "info", 0, 0,
     "error|warn|info|debug", "", "least important lines in OUTPUT/log.txt", ESP_OPT_FREE, false},
    ESP_OPTION_END,
};

/* Engines of one kind of work that take the rows of engine `first`: their names; false: an earlier one has them. */
static bool name_engines (int k, size_t first, char *title, size_t size)
{
    const engine_kind *kind, *own = engine_at (first);
    size_t len = (size_t)snprintf (title, size, "%s ", run_name_keys[k]);
    bool behind = false;
    for (size_t i = 0; (kind = engine_at (i)); i++) {
        if (!(kind->roles & run_roles[k]) || kind->options != own->options)
            continue;
        if (i < first)
            return false;
        if (len < size)
            len +=
                (size_t)snprintf (title + len, size - len, "%s%s", behind ? ", " : "", kind->name);
        behind = true;
    }
    return behind;
}

void run_config_tables (void (*visit) (void *ctx, const char *section, const char *title,
                                       const esp_option *rows),
                        void *ctx)
{
    char title[320];
    visit (ctx, "run", "the run", run_option_rows);
    visit (ctx, "problems", "the problems", problem_option_rows);
    visit (ctx, "search", "the search, whatever the strategy", search_option_rows);
    for (size_t i = 0; strategy_at (i); i++)
        if (strategy_at (i)->options) {
            snprintf (title, sizeof (title), "strategy %s", strategy_at (i)->name);
            visit (ctx, "search", title, strategy_at (i)->options);
        }
    for (int k = 0; k < TASK_KINDS; k++) {
        visit (ctx, run_sections[k], "whatever the engine", run_common_rows[k]);
        for (size_t i = 0; engine_at (i); i++) {
            const engine_kind *kind = engine_at (i);
            if ((kind->roles & run_roles[k]) && kind->options &&
                name_engines (k, i, title, sizeof (title)))
                visit (ctx, run_sections[k], title, kind->options);
        }
        if (k != TASK_VERIFY)
            visit (ctx, run_sections[k], "engines that speak HTTP", server_option_rows);
    }
    visit (ctx, "actions", "a list of maps: variants of prompt or model", action_option_rows);
    visit (ctx, "step", "where a step ends", step_option_rows);
    visit (ctx, "prompt", "from a problem to a prompt", prompt_option_rows);
    visit (ctx, "prompt", "written by the program", run_prompt_hash_rows);
    visit (ctx, "vote", "the choice among finished branches", vote_option_rows);
    visit (ctx, "samples", "a map or a list of maps: training samples", sample_option_rows);
    for (size_t i = 0; sample_format_at (i); i++)
        if (sample_format_at (i)->options && !sample_format_at (i)->text) {
            snprintf (title, sizeof (title), "format %s", sample_format_at (i)->name);
            visit (ctx, "samples", title, sample_format_at (i)->options);
        }
    visit (ctx, "workers", "which ranks do what", workers_option_rows);
    visit (ctx, "dispatch", "workers and leases", dispatch_option_rows);
    visit (ctx, "journal", "the journal", journal_option_rows);
    visit (ctx, "observe", "watching and steering", run_observe_rows);
    visit (ctx, "log", "log lines", run_log_rows);
}
