/* SPDX-License-Identifier: Apache-2.0 */
/* run_lists.c - see run_lists.h */

#include "cluster/cli/run_lists.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "cluster/cli/run_tables.h"
#include "proto/base/alloc.h"

enum { ACTIONS_MOST = 1024 }; /* as search.actions allows */

struct action_keys {
    const char *generator, *system;
    double temperature;
};

const esp_option action_option_rows[] = {
    {"generator", ESP_OPT_STRING, offsetof (struct action_keys, generator), NULL, 0, 0, NULL, "",
     "name of one of the generators; unset: the first", ESP_OPT_FIXED, false},
    {"temperature", ESP_OPT_DOUBLE, offsetof (struct action_keys, temperature), NULL, 0, 100, NULL,
     "", "unset: the generator's", ESP_OPT_FIXED, false},
    {"system", ESP_OPT_STRING, offsetof (struct action_keys, system), NULL, 0, 0, NULL, "",
     "system prompt; unset: that of the run", ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

/* ---- search.actions ---- */

/* What the file lists, 0 = no list; *what says which list. */
static size_t listed (const run_config *c, const char **what)
{
    size_t actions = config_section_count (c->yaml, "actions");
    size_t generators = config_section_count (c->yaml, "generator");
    *what = actions > 0 ? "actions" : "generators";
    return actions > 0 ? actions : generators > 1 ? generators : 0;
}

static const esp_option *actions_row (const strategy *how)
{
    for (const esp_option *row = how ? how->options : NULL; row && row->key; row++)
        if (strcmp (row->key, "actions") == 0 && row->type == ESP_OPT_INT)
            return row;
    return NULL;
}

esp_err run_lists_count_actions (run_config *c, const strategy *how)
{
    const char *what;
    size_t n = listed (c, &what);
    char assignment[64];
    esp_error error = {0};
    if (n < 2 || n > ACTIONS_MOST || !actions_row (how) || config_peek (c->yaml, "search.actions"))
        return ESP_OK;
    snprintf (assignment, sizeof (assignment), "search.actions=%zu", n);
    return config_override (c->yaml, assignment, &error) == ESP_ENOMEM ? ESP_ENOMEM : ESP_OK;
}

esp_err run_lists_check_actions (run_config *c)
{
    const strategy *how = c->search.strategy;
    const esp_option *row = actions_row (how);
    const char *what;
    size_t n = listed (c, &what);
    int64_t wanted = 0;
    if (n == 0)
        return ESP_OK;
    if (n > ACTIONS_MOST)
        return config_mistake (c->yaml, "actions", "a list of %zu; at most %d are possible", n,
                               ACTIONS_MOST);
    if (!row)
        return n == 1 ? ESP_OK
                      : config_mistake (c->yaml, "search.strategy",
                                        "%s has no search.actions and would only use the first of "
                                        "%zu %s; take one, or a strategy with actions (ab_mcts, "
                                        "mcts, best_first, tot)",
                                        how->name, n, what);
    memcpy (&wanted, (const char *)c->strategy_own + row->offset, sizeof (wanted));
    return wanted <= (int64_t)n
               ? ESP_OK
               : config_mistake (c->yaml, "search.actions", "%lld, but there are %zu %s",
                                 (long long)wanted, n, what);
}

/* ---- names ---- */

static esp_err check_name (run_config *c, int k, size_t i)
{
    const char *name = c->engines[k][i].common.name;
    char key[64];
    snprintf (key, sizeof (key), "%s[%zu]", run_sections[k], i);
    if (!name || !*name)
        return config_mistake (c->yaml, key, "has no name; in a list each one needs its own");
    for (size_t before = 0; before < i; before++) {
        const char *other = c->engines[k][before].common.name;
        if (other && strcmp (other, name) == 0) {
            snprintf (key, sizeof (key), "%s[%zu].name", run_sections[k], i);
            return config_mistake (c->yaml, key, "%s[%zu] has the name '%.60s' already",
                                   run_sections[k], before, name);
        }
    }
    return ESP_OK;
}

esp_err run_lists_make (run_config *c, int k)
{
    size_t n = c->engine_count[k];
    esp_err err = ESP_OK;
    if (n == 1 && (k != TASK_VERIFY || !c->engines[k]->kind))
        return ESP_OK;
    if (!(c->parts[k] = esp_calloc (n, sizeof (engine_part))))
        return ESP_ENOMEM;
    for (size_t i = 0; i < n && err == ESP_OK; i++) {
        const run_engine *e = &c->engines[k][i];
        c->parts[k][i] = (engine_part){.kind = e->kind,
                                       .name = e->common.name,
                                       .options = e->own,
                                       .server = &e->server,
                                       .slots = (uint32_t)e->common.slots,
                                       .weight = e->common.weight,
                                       .view = e->common.view};
        if (k == TASK_VERIFY && e->kind && !e->common.name)
            c->parts[k][i].name = e->kind->name;
        else if (e->kind && n > 1) /* else it was not bound: one mistake is enough */
            err = check_name (c, k, i);
    }
    c->lists[k] = (engine_list){c->parts[k], n};
    if (k == TASK_VERIFY)
        c->stack = (stack_options){c->lists[k], c->engines[k]->common.stack,
                                   (size_t)c->engines[k]->common.cache_mb << 20};
    return err;
}

/* ---- actions ---- */

bool run_lists_is_given (const run_config *c, size_t generator)
{
    const engine_kind *kind = c->engines[TASK_GENERATE][generator].kind;
    return kind && strcmp (kind->name, "file") == 0;
}

static action_means means_of (const run_config *c, uint16_t generator)
{
    const engine_options *g = &c->engines[TASK_GENERATE][generator].common;
    return (action_means){.how = {g->temperature, g->top_p, g->top_k, (uint32_t)g->max_step_tokens},
                          .max_tokens = (uint32_t)g->max_tokens,
                          .generator = generator,
                          .given = run_lists_is_given (c, generator)};
}

static esp_err find_generator (run_config *c, size_t action, const char *name, uint16_t *out)
{
    const char *names[ENGINE_LIST_MOST + 1] = {NULL}, *near;
    char key[64];
    size_t n = 0;
    *out = 0;
    if (!name)
        return ESP_OK;
    for (size_t i = 0; i < c->engine_count[TASK_GENERATE]; i++) {
        const char *known = c->engines[TASK_GENERATE][i].common.name;
        if (known && strcmp (known, name) == 0) {
            *out = (uint16_t)i;
            return ESP_OK;
        }
        if (known)
            names[n++] = known;
    }
    near = esp_nearest (name, names);
    snprintf (key, sizeof (key), "actions[%zu].generator", action);
    return config_mistake (c->yaml, key, "there is no generator with the name '%.60s'%s%.60s%s",
                           name, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static esp_err bind_action (run_config *c, size_t i)
{
    const esp_option *rows = action_option_rows;
    struct action_keys keys = {0};
    void *into = &keys;
    uint16_t generator;
    esp_err err;
    if ((err = config_bind_at (c->yaml, "actions", i, &rows, &into, 1)) != ESP_OK ||
        (err = find_generator (c, i, keys.generator, &generator)) != ESP_OK)
        return err;
    /* The temperature goes with the tasks (action_means): a greedy ask stays greedy. */
    c->actions[i] = (engine_action){generator, keys.system};
    c->action_means[i] = means_of (c, generator);
    if (config_peek_at (c->yaml, "actions", i, "temperature"))
        c->action_means[i].how.temperature = keys.temperature;
    return ESP_OK;
}

/* That any task for this generator may have. */
static double highest_temperature (const run_config *c, size_t generator)
{
    double highest = 0;
    for (size_t i = 0; i < c->action_count; i++)
        if (c->actions[i].generator == generator && c->action_means[i].how.temperature > highest)
            highest = c->action_means[i].how.temperature;
    return c->action_count > 0 ? highest : c->engines[TASK_GENERATE][generator].common.temperature;
}

esp_err run_lists_bind_actions (run_config *c)
{
    const char *what;
    size_t n = listed (c, &what);
    bool own = config_section_count (c->yaml, "actions") > 0;
    esp_err err = own ? ESP_OK : config_accept_section (c->yaml, "actions");
    if (n == 0 || n > ACTIONS_MOST || err != ESP_OK)
        return err;
    if (!own)
        n = c->engine_count[TASK_GENERATE];
    if (!(c->actions = esp_calloc (n, sizeof (*c->actions))) ||
        !(c->action_means = esp_calloc (n, sizeof (*c->action_means))))
        return ESP_ENOMEM;
    for (size_t i = 0; i < n && err == ESP_OK; i++) {
        if (own)
            err = bind_action (c, i);
        else {
            c->actions[i] = (engine_action){(uint16_t)i, NULL};
            c->action_means[i] = means_of (c, (uint16_t)i);
        }
    }
    c->action_count = n;
    for (size_t i = 0; c->parts[TASK_GENERATE] && i < c->engine_count[TASK_GENERATE]; i++)
        c->parts[TASK_GENERATE][i].temperature = highest_temperature (c, i);
    c->search.actions = c->action_means;
    c->search.action_count = n;
    return err;
}

/* ---- for workers and people ---- */

const engine_kind *run_lists_engine (run_config *c, int k, engine_setup *setup)
{
    const run_engine *e = c->engines[k];
    setup->actions = c->actions;
    setup->action_count = c->action_count;
    setup->options = e->own;
    setup->server = &e->server;
    setup->model_name = e->common.name;
    setup->view = e->common.view;
    setup->temperature = k == TASK_GENERATE ? highest_temperature (c, 0) : 0;
    if (c->engine_count[k] == 1 && (k != TASK_VERIFY || !e->kind || !e->kind->poll))
        return e->kind; /* what answers at once needs no memory */
    if (k == TASK_VERIFY) {
        setup->options = &c->stack;
        setup->model_name = NULL;
        return &engine_stack;
    }
    setup->options = &c->lists[k];
    setup->model_name = NULL;
    return k == TASK_GENERATE ? &engine_choice : &engine_ensemble;
}

esp_err run_lists_meaning (const run_config *c, esp_buf *out)
{
    esp_err err = ESP_OK;
    size_t most = c->action_count < 8 ? c->action_count : 8;
    for (size_t i = 0; i < most && c->action_count > 1 && err == ESP_OK; i++) {
        const char *name = c->engines[TASK_GENERATE][c->actions[i].generator].common.name;
        err = esp_buf_printf (out, "%s%s", i ? ", " : " over actions ", name ? name : "plain");
    }
    if (err == ESP_OK && c->action_count > 8)
        err = esp_buf_printf (out, " ... (%zu)", c->action_count);
    return err;
}
