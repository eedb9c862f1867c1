/* SPDX-License-Identifier: Apache-2.0 */
/* run_checks.c - see run_checks.h */

#include "cluster/cli/run_checks.h"
#include <string.h>
#include "cluster/cli/run_tables.h"

static esp_err check_view (run_config *c, int k, size_t i)
{
    char key[64];
    if (c->engines[k][i].common.view == VIEW_BOTH || !c->prompt.step ||
        step_rule_has_phases (c->prompt.step))
        return ESP_OK;
    run_engine_key (c, k, i, "view", key, sizeof (key));
    return config_mistake (c->yaml, key,
                           "there is no thinking to choose or to leave out: a key of step.think "
                           "says how it is marked, such as step: {think: {open: \"<think>\"}}");
}

/* A chunk that is longer than a step may be would end every branch in its first step. */
static esp_err check_chunks (run_config *c, int k, size_t i)
{
    const run_engine *e = &c->engines[k][i];
    const step_options *o = &c->prompt.step_how;
    bool thinking = o->think.tokens > o->answer.tokens;
    int64_t chunk = thinking ? o->think.tokens : o->answer.tokens;
    char key[64];
    if (k != TASK_GENERATE || !e->kind || !e->kind->http || chunk <= e->common.max_step_tokens)
        return ESP_OK;
    run_engine_key (c, k, i, "max_step_tokens", key, sizeof (key));
    return config_mistake (
        c->yaml, key,
        "%lld tokens are fewer than step.%stokens, %lld: every step would be cut "
        "there and its branch end; make it %lld",
        (long long)e->common.max_step_tokens, thinking ? "think." : "", (long long)chunk,
        (long long)chunk);
}

/* What no row can say of its options. */
static esp_err check_engine (run_config *c, int k, size_t i)
{
    const run_engine *e = &c->engines[k][i];
    esp_error why = {0}, whole = {0};
    char key[64];
    esp_err err = check_view (c, k, i);
    if (err == ESP_OK)
        err = check_chunks (c, k, i);
    run_engine_key (c, k, i, NULL, key, sizeof (key));
    if (err == ESP_OK && e->kind && e->kind->http &&
        servers_check_options (&e->server, key, &why) != ESP_OK)
        err = config_mistake_of (c->yaml, key, &why);
    if (err != ESP_OK || !e->kind || !e->kind->check_options ||
        e->kind->check_options (e->kind, e->own, c->prompt.step, &why) == ESP_OK)
        return err;
    (void)esp_error_set (&whole, ESP_EINVAL, "%s.%s", key, why.text);
    return config_mistake_of (c->yaml, key, &whole);
}

/* search.score: logprob: every generator must give them, and no PRM may say otherwise. */
static esp_err check_score (run_config *c)
{
    esp_err err = ESP_OK;
    char key[64];
    if (c->search.options.score != SCORE_LOGPROB)
        return ESP_OK;
    if (c->engines[TASK_SCORE]->kind)
        err = config_mistake (c->yaml, "search.score",
                              "logprob, and there is a section prm: leave one of the two out");
    for (size_t i = 0; i < c->engine_count[TASK_GENERATE] && err == ESP_OK; i++) {
        const run_engine *e = &c->engines[TASK_GENERATE][i];
        const char *given;
        run_engine_key (c, TASK_GENERATE, i, "logprobs", key, sizeof (key));
        given =
            e->kind && e->kind->http ? config_peek_at (c->yaml, "generator", i, "logprobs") : "";
        if (!given || strcmp (given, "none") == 0)
            err =
                config_mistake (c->yaml, key, "search.score: logprob needs them: say sum (or top)");
    }
    return err;
}

esp_err run_checks_engines (run_config *c)
{
    esp_err err = check_score (c);
    for (int k = 0; k < TASK_KINDS; k++)
        for (size_t i = 0; i < c->engine_count[k] && err == ESP_OK; i++)
            err = check_engine (c, k, i);
    return err;
}
