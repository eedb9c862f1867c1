/* SPDX-License-Identifier: Apache-2.0 */
/* run_config.c - see run_config.h */

#include "cluster/cli/run_config.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cluster/cli/run_checks.h"
#include "cluster/cli/run_lists.h"
#include "cluster/cli/run_samples.h"
#include "cluster/cli/run_tables.h"
#include "cluster/cli/run_workers.h"
#include "proto/base/alloc.h"
#include "proto/base/hash.h"

/* ---- binding ---- */

static esp_err bind_one (run_config *c, const char *section, const esp_option *rows, void *into)
{
    return config_bind (c->yaml, section, &rows, &into, 1);
}

static esp_err unknown_strategy (run_config *c, const char *name)
{
    const char *names[64];
    char all[512] = "";
    size_t n = 0, len = 0;
    const char *near;
    for (; strategy_at (n) && n < 63; n++) {
        names[n] = strategy_at (n)->name;
        len += (size_t)snprintf (all + len, sizeof (all) - len, n ? ", %s" : "%s", names[n]);
        if (len >= sizeof (all))
            break;
    }
    names[n] = NULL;
    near = esp_nearest (name, names);
    if (config_accept_section (c->yaml, "search") !=
        ESP_OK) /* its other keys may be right for what was meant */
        return ESP_ENOMEM;
    return config_mistake (c->yaml, "search.strategy",
                           "there is no strategy '%.60s'%s%s%s; there are: %s", name,
                           near ? "; did you mean " : "", near ? near : "", near ? "?" : "", all);
}

static esp_err bind_search (run_config *c)
{
    const char *name = config_peek (c->yaml, "search.strategy");
    const strategy *how = strategy_find (name ? name : "beam");
    const esp_option *tables[2] = {search_option_rows, how ? how->options : NULL};
    void *structs[2] = {&c->search.options, NULL};
    esp_error error = {0};
    esp_err err;
    if (how && !(c->strategy_own = structs[1] = esp_calloc (1, how->option_bytes + 1)))
        return ESP_ENOMEM;
    if ((err = run_lists_count_actions (c, how)) != ESP_OK)
        return err;
    if ((err = config_bind (c->yaml, "search", tables, structs, how && how->options ? 2 : 1)) !=
        ESP_OK)
        return err;
    if (!how)
        return unknown_strategy (c, name);
    c->search.strategy = how;
    c->search.strategy_options = c->strategy_own;
    if ((err = run_lists_check_actions (c)) != ESP_OK)
        return err;
    if (how->fit && config_mistakes (c->yaml, NULL) == 0 &&
        how->fit (c->strategy_own, &error) != ESP_OK)
        return config_mistake_of (c->yaml, "search.strategy", &error);
    return ESP_OK;
}

static esp_err unknown_engine (run_config *c, int k, size_t at, const char *name)
{
    const char *names[64] = {NULL}, *near;
    char key[64], all[512] = "";
    size_t len = 0, n = 0;
    for (size_t i = 0; engine_at (i) && n < 63 && len < sizeof (all); i++)
        if (engine_at (i)->roles & run_roles[k]) {
            names[n] = engine_at (i)->name;
            len += (size_t)snprintf (all + len, sizeof (all) - len, n ? ", %s" : "%s", names[n]);
            n++;
        }
    near = esp_nearest (name, names);
    run_engine_key (c, k, at, run_name_keys[k], key, sizeof (key));
    if (config_accept_section (c->yaml, run_sections[k]) != ESP_OK)
        return ESP_ENOMEM;
    return config_mistake (c->yaml, key, "there is no %s '%.60s'%s%s%s; there are: %s",
                           run_sections[k], name, near ? "; did you mean " : "", near ? near : "",
                           near ? "?" : "", all);
}

/* No engine is named: fine without a section, whose defaults must not make one in the resolved file. */
static esp_err no_engine (run_config *c, int k, size_t i)
{
    char key[64];
    if (config_accept_section (c->yaml, run_sections[k]) != ESP_OK)
        return ESP_ENOMEM;
    if (config_section_count (c->yaml, run_sections[k]) == 0)
        return ESP_OK;
    run_engine_key (c, k, i, NULL, key, sizeof (key));
    return config_mistake (c->yaml, key, "says no %s.%s", run_sections[k], run_name_keys[k]);
}

static esp_err bind_engine (run_config *c, int k, size_t i)
{
    const char *name = config_peek_at (c->yaml, run_sections[k], i, run_name_keys[k]);
    const esp_option *tables[3] = {run_common_rows[k]};
    run_engine *e = &c->engines[k][i];
    void *structs[3] = {&e->common};
    bool list = c->engine_count[k] > 1;
    size_t n = 1;
    if (!name && k == TASK_GENERATE)
        name = "embedded";
    if (!name)
        return no_engine (c, k, i);
    if ((list || strcmp (name, "none") != 0) && !(e->kind = engine_find (name, run_roles[k])))
        return unknown_engine (c, k, i, name);
    if (e->kind && e->kind->options) {
        tables[n] = e->kind->options;
        if (!(e->own = structs[n++] = esp_calloc (1, e->kind->option_bytes + 1)))
            return ESP_ENOMEM;
    }
    if (e->kind && e->kind->http) {
        tables[n] = server_option_rows;
        structs[n++] = &e->server;
    }
    if (!e->kind && config_accept_section (c->yaml, run_sections[k]) != ESP_OK)
        return ESP_ENOMEM; /* none: what a base says of another engine does no harm */
    return list ? config_bind_at (c->yaml, run_sections[k], i, tables, structs, n)
                : config_bind (c->yaml, run_sections[k], tables, structs, n);
}

static esp_err bind_engines (run_config *c, int k)
{
    size_t count = config_section_count (c->yaml, run_sections[k]);
    esp_err err = ESP_OK;
    if (count > ENGINE_LIST_MOST)
        err = config_mistake (c->yaml, run_sections[k], "a list of %zu; at most %d are possible",
                              count, ENGINE_LIST_MOST);
    if (count < 1 || count > ENGINE_LIST_MOST)
        count = 1;
    if (!(c->engines[k] = esp_calloc (count, sizeof (**c->engines))))
        return ESP_ENOMEM;
    c->engine_count[k] = count;
    for (size_t i = 0; i < count && err == ESP_OK; i++)
        err = bind_engine (c, k, i);
    return err == ESP_OK ? run_lists_make (c, k) : err;
}

/* What the strategy needs of the other sections. */
static esp_err check_means (run_config *c)
{
    const search_options *o = &c->search.options;
    const strategy *how = c->search.strategy;
    strategy_means has = {.prm = c->engines[TASK_SCORE]->kind || o->score == SCORE_LOGPROB,
                          .verifier = c->engines[TASK_VERIFY]->kind != NULL};
    esp_error error = {0};
    for (size_t i = 0; i < 2; i++)
        has.given[i] = run_lists_is_given (c, i < c->action_count ? c->actions[i].generator : 0);
    has.step_cap = BUDGET_UNLIMITED;
    if (o->budget_steps > 0)
        has.step_cap = (uint64_t)o->budget_steps;
    if (o->budget_generations > 0 && (uint64_t)o->budget_generations < has.step_cap)
        has.step_cap = (uint64_t)o->budget_generations;
    has.capped = o->budget_generations > 0 || o->budget_steps > 0 ||
                 o->budget_generated_tokens > 0 || o->budget_seconds > 0 ||
                 (o->budget_scored_tokens > 0 && has.prm);
    if (how && how->suits && config_mistakes (c->yaml, NULL) == 0 &&
        how->suits (c->strategy_own, &has, &error) != ESP_OK)
        return config_mistake_of (c->yaml, "search.strategy", &error);
    return ESP_OK;
}

static void fill_search (run_config *c)
{
    const engine_options *g = &c->engines[TASK_GENERATE]->common;
    search_setup *s = &c->search;
    s->run_seed = (uint64_t)c->run.seed;
    s->how = (sampling){g->temperature, g->top_p, g->top_k, (uint32_t)g->max_step_tokens};
    s->max_tokens = (uint32_t)g->max_tokens;
    s->split = run_prompt_split (&c->prompt);
    s->generator_count = c->engine_count[TASK_GENERATE];
    s->has_prm = c->engines[TASK_SCORE]->kind != NULL;
    s->has_verifier = c->engines[TASK_VERIFY]->kind != NULL;
    for (size_t i = 0; i < c->engine_count[TASK_VERIFY]; i++) {
        const run_engine *e = &c->engines[TASK_VERIFY][i];
        s->hidden_tests =
            s->hidden_tests || (e->kind && e->kind->hidden_tests && e->kind->hidden_tests (e->own));
    }
    for (size_t i = 0; i < c->engine_count[TASK_GENERATE]; i++) {
        const engine_kind *kind = c->engines[TASK_GENERATE][i].kind;
        s->count_prompts = s->count_prompts || (kind && strcmp (kind->name, "fake") == 0);
    }
    s->given = run_lists_is_given (c, 0);
    s->want_events = c->observe.enabled;
}

static esp_err bind_all (run_config *c, bool files)
{
    esp_err err;
    if ((err = bind_one (c, "run", run_option_rows, &c->run)) != ESP_OK ||
        (err = bind_one (c, "problems", problem_option_rows, &c->problems)) != ESP_OK ||
        (err = bind_search (c)) != ESP_OK)
        return err;
    for (int k = 0; k < TASK_KINDS; k++)
        if ((err = bind_engines (c, k)) != ESP_OK)
            return err;
    if ((err = run_lists_bind_actions (c)) != ESP_OK ||
        (err = run_prompt_bind (&c->prompt, c->yaml, files)) != ESP_OK ||
        (err = run_checks_engines (c)) != ESP_OK || (err = check_means (c)) != ESP_OK ||
        (err = bind_one (c, "vote", vote_option_rows, &c->vote)) != ESP_OK ||
        (err = run_workers_bind (c)) != ESP_OK ||
        (err = bind_one (c, "dispatch", dispatch_option_rows, &c->dispatch)) != ESP_OK ||
        (err = bind_one (c, "journal", journal_option_rows, &c->journal)) != ESP_OK ||
        (err = bind_one (c, "observe", run_observe_rows, &c->observe)) != ESP_OK ||
        (err = bind_one (c, "log", run_log_rows, &c->log)) != ESP_OK ||
        (err = run_samples_bind (c)) != ESP_OK)
        return err;
    fill_search (c);
    return config_check_unknown (c->yaml);
}

static esp_err load (config *yaml, bool files, char *const *overrides, size_t count,
                     run_config **out, esp_buf *mistakes, esp_error *error)
{
    run_config *c = esp_calloc (1, sizeof (*c));
    const char *text = "";
    esp_err err = ESP_OK;
    if (!c) {
        config_destroy (yaml);
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    }
    c->yaml = yaml;
    for (size_t i = 0; i < count && err == ESP_OK; i++)
        err = config_override (yaml, overrides[i], error);
    if (err == ESP_OK && (err = bind_all (c, files)) != ESP_OK)
        esp_error_set (error, err, "%s", esp_err_text (err));
    if (err == ESP_OK && config_mistakes (yaml, &text) > 0) {
        err = ESP_EFORMAT;
        if (esp_buf_puts (mistakes, text) != ESP_OK)
            err = ESP_ENOMEM;
    }
    if (err != ESP_OK) {
        run_config_destroy (c);
        return err;
    }
    *out = c;
    return ESP_OK;
}

esp_err run_config_output_override (const char *folder, esp_buf *out)
{
    esp_err err = esp_utf8_valid (span_of (folder)) ? ESP_OK : ESP_EFORMAT;
    if (err == ESP_OK)
        err = esp_buf_puts (out, "run.output=");
    return err == ESP_OK ? esp_buf_json_string (out, span_of (folder)) : err;
}

static esp_err read_file (const char *path, bool files, char *const *overrides, size_t count,
                          run_config **out, esp_buf *mistakes, esp_error *error)
{
    config *yaml;
    esp_err err = config_read (path, &yaml, error);
    return err == ESP_OK ? load (yaml, files, overrides, count, out, mistakes, error) : err;
}

esp_err run_config_load (const char *path, char *const *overrides, size_t count, run_config **out,
                         esp_buf *mistakes, esp_error *error)
{
    return read_file (path, true, overrides, count, out, mistakes, error);
}

esp_err run_config_recall (const char *path, char *const *overrides, size_t count, run_config **out,
                           esp_buf *mistakes, esp_error *error)
{
    return read_file (path, false, overrides, count, out, mistakes, error);
}

static esp_err read_text (span text, bool files, char *const *overrides, size_t count,
                          run_config **out, esp_buf *mistakes, esp_error *error)
{
    config *yaml;
    esp_err err = config_parse (text, "run.yaml", &yaml, error);
    return err == ESP_OK ? load (yaml, files, overrides, count, out, mistakes, error) : err;
}

esp_err run_config_parse (span text, char *const *overrides, size_t count, run_config **out,
                          esp_buf *mistakes, esp_error *error)
{
    return read_text (text, false, overrides, count, out, mistakes, error);
}

void run_config_destroy (run_config *c)
{
    if (!c)
        return;
    for (int k = 0; k < TASK_KINDS; k++) {
        for (size_t i = 0; i < c->engine_count[k]; i++)
            esp_free (c->engines[k][i].own);
        esp_free (c->engines[k]);
        esp_free (c->parts[k]);
    }
    esp_free (c->actions);
    esp_free (c->action_means);
    esp_free (c->strategy_own);
    sample_plan_free (&c->samples);
    run_prompt_free (&c->prompt);
    config_destroy (c->yaml);
    esp_free (c);
}

/* ---- engines ---- */

static void close_engines (worker_engines *e, int count)
{
    for (int k = 0; k < count; k++)
        if (e->of[k].kind)
            e->of[k].kind->close (e->of[k].state);
    run_config_destroy (e->owner);
    *e = (worker_engines){.owner = NULL};
}

esp_err run_config_open_engines (void *ctx, span run_file, const engine_setup *base,
                                 worker_engines *out, esp_error *error)
{
    esp_buf mistakes = {0};
    run_config *c;
    esp_err err = read_text (run_file, true, NULL, 0, &c, &mistakes, error);
    if (err == ESP_EFORMAT && mistakes.len > 0)
        esp_error_set (error, err, "the run file that came from rank 0: %s",
                       esp_buf_text (&mistakes));
    esp_buf_free (&mistakes);
    if (err != ESP_OK)
        return err;
    *out = (worker_engines){.owner = c};
    for (int k = 0; k < TASK_KINDS; k++) {
        engine_setup setup = *base;
        const engine_kind *kind = run_lists_engine (c, k, &setup);
        size_t len = strlen (out->line);
        if (!kind || (ctx && !run_workers_serves (c, k, base->rank)))
            continue;
        setup.kind = kind;
        setup.role = run_roles[k];
        setup.run_seed = (uint64_t)c->run.seed;
        setup.step = c->prompt.step;
        setup.chat = c->prompt.chat;
        if ((err = kind->open (&setup, &out->of[k].state, error)) != ESP_OK) {
            close_engines (out, k);
            return err;
        }
        out->of[k].kind = kind;
        if (c->engine_count[k] == 1)
            out->slots[k] = (uint32_t)c->engines[k]->common.slots;
        snprintf (out->line + len, sizeof (out->line) - len, "%s%s", len ? ", " : "", kind->name);
    }
    return ESP_OK;
}

void run_config_close_engines (void *ctx, worker_engines *engines)
{
    (void)ctx;
    close_engines (engines, TASK_KINDS);
}

/* A sentence without an error: the problem is taken, and told of. */
static esp_err doubt_problem (const run_config *c, span json, esp_error *error)
{
    const char *what = NULL;
    for (size_t i = 0; i < c->engine_count[TASK_VERIFY] && !what; i++)
        if (c->engines[TASK_VERIFY][i].kind && c->engines[TASK_VERIFY][i].kind->doubt)
            what = c->engines[TASK_VERIFY][i].kind->doubt (json);
    return what ? esp_error_set (error, ESP_OK, "%s", what) : ESP_OK;
}

static bool asks_a_model (const run_config *c)
{
    for (size_t i = 0; i < c->engine_count[TASK_GENERATE]; i++)
        if (c->engines[TASK_GENERATE][i].kind && c->engines[TASK_GENERATE][i].kind->http)
            return true;
    return false;
}

esp_err run_config_check_problem (void *ctx, span json, esp_error *error)
{
    const run_config *c = ctx;
    esp_err err = ESP_OK;
    if (asks_a_model (c))
        err = run_prompt_check_problem (&c->prompt, json, error);
    for (int k = 0; k < TASK_KINDS; k++)
        for (size_t i = 0; i < c->engine_count[k] && err == ESP_OK; i++)
            if (c->engines[k][i].kind && c->engines[k][i].kind->check_problem)
                err = c->engines[k][i].kind->check_problem (json, error);
    return err == ESP_OK ? doubt_problem (c, json, error) : err;
}

/* ---- resume ---- */

/* Over the keys of a table that may grow and steer what is planned; wall time comes as an input and steers nothing. */
static uint64_t hash_growing (uint64_t hash, const esp_option *rows, const void *values)
{
    for (; rows && rows->key; rows++)
        if (rows->change == ESP_OPT_GROWS && rows->type == ESP_OPT_INT)
            hash = esp_hash_mix (hash, (uint64_t) *
                                           (const int64_t *)((const char *)values + rows->offset));
    return hash;
}

/* samples.want and bands of pass rates may change; they steer strategies that stop by them. */
static uint64_t hash_rule (uint64_t hash, const stop_rule *rule)
{
    double band[2] = {rule->band_low, rule->band_high};
    hash = esp_hash_mix (hash, (uint64_t)rule->want << 1 | rule->band);
    return esp_hash_mix_span (hash, span_make ((const char *)band, sizeof (band)));
}

static uint64_t growth_of (const run_config *c)
{
    uint64_t hash = hash_growing (0, search_option_rows, &c->search.options);
    hash = hash_growing (hash, c->search.strategy->options, c->strategy_own);
    return c->search.strategy->enough_by_rule ? hash_rule (hash, &c->search.stop) : hash;
}

bool run_config_replays (void *ctx, span run_file)
{
    esp_buf mistakes = {0};
    esp_error error = {0};
    run_config *before;
    bool same;
    esp_err err = run_config_parse (run_file, NULL, 0, &before, &mistakes, &error);
    esp_buf_free (&mistakes);
    if (err != ESP_OK)
        return false;
    same = growth_of (before) == growth_of (ctx);
    run_config_destroy (before);
    return same;
}

/* ---- for people ---- */

static esp_err say_cap (esp_buf *out, const char *what, int64_t cap)
{
    return cap > 0 ? esp_buf_printf (out, "; at most %lld %s a problem", (long long)cap, what)
                   : ESP_OK;
}

esp_err run_config_meaning (const run_config *c, esp_buf *out)
{
    const search_options *o = &c->search.options;
    const char *keep = config_peek (c->yaml, "search.keep"),
               *expand = config_peek (c->yaml, "search.expand"),
               *width = config_peek (c->yaml, "search.width");
    esp_err err = esp_buf_puts (out, c->search.strategy->name);
    if (err == ESP_OK)
        err = run_lists_meaning (c, out);
    if (err == ESP_OK)
        err = run_samples_meaning (c, out);
    if (err == ESP_OK && keep && expand && width && atoll (width) > 0)
        err = esp_buf_printf (out, ": keep %s, expand %s, n %lld", keep, expand, atoll (width));
    else if (err == ESP_OK && keep && expand)
        err = esp_buf_printf (out, ": keep %s x expand %s = n %lld", keep, expand,
                              atoll (keep) * atoll (expand));
    if (err == ESP_OK)
        err = say_cap (out, "generations", o->budget_generations);
    if (err == ESP_OK)
        err = say_cap (out, "steps", o->budget_steps);
    return err == ESP_OK ? say_cap (out, "generated tokens", o->budget_generated_tokens) : err;
}
