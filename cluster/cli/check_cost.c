/* SPDX-License-Identifier: Apache-2.0 */
/* check_cost.c - see check_cost.h */

#include "cluster/cli/check_cost.h"
#include <inttypes.h>
#include <math.h>
#include "cluster/cli/run_lists.h"
#include "cluster/console/report_prices.h"

#define NO_END BUDGET_UNLIMITED

static uint64_t smaller (uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t larger (uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* NO_END is what nothing makes smaller, but nothing. */
static uint64_t times (uint64_t a, uint64_t b)
{
    return a == 0 || b == 0 ? 0 : a > NO_END / b ? NO_END : a * b;
}

static uint64_t plus (uint64_t a, uint64_t b)
{
    return a > NO_END - b ? NO_END : a + b;
}

/* A key of the run file; 0: not said. */
static uint64_t cap (int64_t value)
{
    return value > 0 ? (uint64_t)value : NO_END;
}

/* ---- one problem ---- */

struct lengths { /* tokens of one generation, the most over all actions */
    uint64_t step, text;
};

static struct lengths lengths_of (const run_config *c)
{
    const search_setup *s = &c->search;
    struct lengths most = {s->how.max_step_tokens, s->max_tokens};
    for (size_t i = 0; i < s->action_count; i++) {
        most.step = larger (most.step, s->actions[i].how.max_step_tokens);
        most.text = larger (most.text, s->actions[i].max_tokens);
    }
    return most;
}

/* Does a server generate, or does every solution stand in the problems file? */
static bool is_generated (const run_config *c)
{
    for (size_t i = 0; i < c->engine_count[TASK_GENERATE]; i++)
        if (!run_lists_is_given (c, i))
            return true;
    return false;
}

static strategy_most asked_of (const run_config *c)
{
    const strategy *how = c->search.strategy;
    strategy_most most = {0, 0, false};
    if (!how->most)
        return (strategy_most){NO_END, NO_END, true};
    how->most (c->search.strategy_options, &c->search.options, &most);
    return most;
}

/* Tokens of the longest generation that is asked for. */
static uint64_t longest_of (const run_config *c, const strategy_most *most)
{
    struct lengths l = lengths_of (c);
    return larger (most->steps > 0 ? l.step : 0, most->texts > 0 ? l.text : 0);
}

/* Generations and tokens of one problem. */
static void one_problem (const run_config *c, const strategy_most *most, cost_most *out)
{
    const search_options *o = &c->search.options;
    struct lengths l = lengths_of (c);
    uint64_t tokens = plus (times (most->steps, l.step), times (most->texts, l.text));
    out->generations = smaller (plus (most->steps, most->texts), cap (o->budget_generations));
    out->generations =
        smaller (out->generations, cap (o->budget_steps)); /* each is a step or more */
    tokens = smaller (tokens, times (out->generations, longest_of (c, most)));
    out->generated_tokens = smaller (tokens, cap (o->budget_generated_tokens));
}

/* Tokens of one prompt; NO_END: not known. */
static uint64_t one_prompt (const run_config *c, const strategy_most *most, const check_prompt *p)
{
    struct lengths l = lengths_of (c);
    uint64_t context = p->context > 0 && p->context < UINT32_MAX ? p->context : NO_END, above = 0;
    if (most->steps > 0)
        above = times ((uint64_t)c->search.options.max_steps - 1, l.step);
    else if (most->deep)
        above = l.text;
    return smaller (context, p->longest > 0 ? plus (p->longest, above) : NO_END);
}

/* ---- the run ---- */

/* The dearest of the generators; NaN: not one says it. */
static void price (const price_list *prices, cost_most *out)
{
    const model_tokens t = {.prompt = out->prompt_tokens, .generated = out->generated_tokens};
    out->money = out->flops = NAN;
    if (t.generated == NO_END || t.prompt == NO_END)
        return;
    for (size_t i = 0; i < prices->generator_count; i++) {
        const model_price *g = &prices->generators[i];
        model_price full = *g;
        full.prompt = fmax (g->prompt, g->cached); /* a cached token is hardly dearer, but may be */
        out->money = fmax (out->money, price_money (&full, &t));
        out->flops = fmax (out->flops, price_flops (&full, &t));
    }
}

static esp_err find_prices (const run_config *c, price_list *out)
{
    esp_buf text = {0};
    config *resolved = NULL;
    esp_err err = config_resolved (c->yaml, &text);
    if (err == ESP_OK)
        err = config_parse (esp_buf_span (&text), "run.yaml", &resolved, NULL);
    if (err == ESP_OK)
        err = price_list_of (resolved, out);
    config_destroy (resolved);
    esp_buf_free (&text);
    return err;
}

esp_err cost_most_of (const run_config *c, uint64_t problems, const check_prompt *p, cost_most *out)
{
    strategy_most most = asked_of (c);
    cost_most sum = {.searches = times (problems, (uint64_t)c->run.repeats)};
    price_list prices;
    esp_err err = find_prices (c, &prices);
    if (err != ESP_OK)
        return err;
    one_problem (c, &most, &sum);
    sum.generations =
        smaller (times (sum.searches, sum.generations), cap (c->run.limit_generations));
    sum.generated_tokens =
        smaller (times (sum.searches, sum.generated_tokens), cap (c->run.limit_generated_tokens));
    sum.generated_tokens =
        smaller (sum.generated_tokens, times (sum.generations, longest_of (c, &most)));
    sum.prompt_tokens = times (sum.generations, one_prompt (c, &most, p));
    if (!is_generated (c))
        sum.generated_tokens = sum.prompt_tokens = 0;
    price (&prices, &sum);
    price_list_free (&prices);
    *out = sum;
    return ESP_OK;
}

/* ---- for people ---- */

/* "; 1.2e+06 prompt tokens", or nothing where it is not known. */
static void say_count (check_report *r, const char *before, uint64_t count, const char *what)
{
    if (count != NO_END)
        check_print (r, "%s%" PRIu64 " %s", before, count, what);
}

/* A piece is a request of its own, with the whole prompt; how many a step takes is seen only when it is generated. */
static bool comes_in_pieces (const run_config *c)
{
    const step_options *o = &c->prompt.step_how;
    return o->answer.every > 1 || o->think.every > 1 || o->answer.min_chars > 0 ||
           o->think.min_chars > 0 || o->think_max_tokens > 0;
}

static void say_prompts (const run_config *c, const cost_most *most, check_report *r)
{
    if (most->prompt_tokens == NO_END) {
        check_print (r, "  how long prompts are is not known: no server told it\n");
        return;
    }
    check_print (r, "  prompts without any cache: %" PRIu64 " tokens\n", most->prompt_tokens);
    if (comes_in_pieces (c))
        check_print (r, "  more where a step takes several requests (step.every, min_chars, "
                        "think.max_tokens): each reads the prompt again\n");
}

void check_cost (const run_config *c, uint64_t problems, const check_prompt *p, check_report *r)
{
    cost_most most;
    esp_err err = cost_most_of (c, problems, p, &most);
    if (err != ESP_OK) {
        check_mistake (r, esp_err_text (err));
        return;
    }
    say_count (r, "cost at most: ", most.searches, "searches");
    say_count (r, ", ", most.generations, "generations");
    if (!is_generated (c))
        check_print (r, "; nothing is generated, the solutions are given");
    else
        say_count (r, ", ", most.generated_tokens, "generated tokens");
    if (most.generations == NO_END)
        check_print (r,
                     "; nothing caps the generations but the strategy (search.budget, run.limits)");
    check_print (r, "\n");
    if (!is_generated (c) || most.generations == NO_END)
        return;
    say_prompts (c, &most, r);
    if (!isnan (most.money))
        check_print (r, "  money, generators alone: %.6g\n", most.money);
    if (!isnan (most.flops))
        check_print (r, "  FLOPs, generators alone: %.2e\n", most.flops);
}
