/* SPDX-License-Identifier: Apache-2.0 */
/* engine_arithmetic.c - a PRM without a model: recomputes every equation that is written in a step
 *
 * Everything ends inside start().  A text is cut at the separator into steps; pieces of white space are none.  A text
 * that is only that gets one score, unchecked.
 */

#include <math.h>
#include "proto/base/alloc.h"
#include "worker/engine/engines.h"
#include "worker/engine/equations.h"
#include "worker/engine/fields.h"
#include "worker/engine/phases.h"

enum { STEPS_MOST = 4096 }; /* of one text; what follows is judged with the last one */

struct arithmetic_options {
    double right, wrong, unchecked;
    const char *separator;
};

static const esp_option options[] = {
    {.key = "score_right",
     .type = ESP_OPT_DOUBLE,
     .offset = offsetof (struct arithmetic_options, right),
     .fallback = "1",
     .max = 1,
     .help = "Score of a step with equations that hold, and none that does not."},
    {.key = "score_wrong",
     .type = ESP_OPT_DOUBLE,
     .offset = offsetof (struct arithmetic_options, wrong),
     .fallback = "0",
     .max = 1,
     .help = "Score of a step with an equation that does not hold."},
    {.key = "score_unchecked",
     .type = ESP_OPT_DOUBLE,
     .offset = offsetof (struct arithmetic_options, unchecked),
     .fallback = "0.5",
     .max = 1,
     .help = "Score of a step without an equation that is understood."},
    {.key = "separator",
     .type = ESP_OPT_STRING,
     .offset = offsetof (struct arithmetic_options, separator),
     .fallback = "\n\n",
     .help = "What stands between the steps of a text that has several, such as a rollout."},
    ESP_OPTION_END};

struct arithmetic {
    engine_setup setup;
    const struct arithmetic_options *o;
    equations *equations; /* owned */
    double *scores;       /* owned */
    size_t scores_cap;
    esp_buf shown; /* scratch: what prm.view leaves of a text */
};

static void arithmetic_close (void *state)
{
    struct arithmetic *a = state;
    if (!a)
        return;
    equations_destroy (a->equations);
    esp_free (a->scores);
    esp_buf_free (&a->shown);
    esp_free (a);
}

static esp_err arithmetic_open (const engine_setup *setup, void **state, esp_error *error)
{
    struct arithmetic *a;
    const struct arithmetic_options *o;
    if (!setup || !setup->options || !setup->done || !state)
        return esp_error_set (error, ESP_EINVAL, "arithmetic engine: incomplete setup");
    o = setup->options;
    if (!o->separator || !o->separator[0])
        return esp_error_set (error, ESP_EINVAL, "prm.separator: must not be empty");
    if (!(a = esp_calloc (1, sizeof (*a))) || equations_create (&a->equations) != ESP_OK) {
        arithmetic_close (a);
        return esp_error_set (error, ESP_ENOMEM, "arithmetic engine: out of memory");
    }
    a->setup = *setup;
    a->o = o;
    *state = a;
    return ESP_OK;
}

static double score_step (struct arithmetic *a, span step)
{
    const equation_counts counts = equations_check (a->equations, step, NULL, NULL);
    switch (equations_mark (&counts)) {
    case EQUATION_RIGHT:
        return a->o->right;
    case EQUATION_WRONG:
        return a->o->wrong;
    case EQUATION_UNCHECKED:
        break;
    }
    return a->o->unchecked;
}

static esp_err add_score (struct arithmetic *a, double score, result *r)
{
    if (esp_grow (&a->scores, &a->scores_cap, r->score_count + 1, sizeof (*a->scores)) != 0)
        return ESP_ENOMEM;
    a->scores[r->score_count++] = score;
    return ESP_OK;
}

static esp_err score_pieces (struct arithmetic *a, span text, result *r)
{
    uint32_t first = r->score_count;
    span piece;
    while (text.len > 0) {
        if (r->score_count - first + 1 == STEPS_MOST) {
            piece = text;
            text.len = 0;
        } else if (!fields_piece (&text, a->o->separator, &piece)) {
            break;
        }
        if (span_trim (piece).len == 0 && (text.len > 0 || r->score_count > first))
            continue;
        if (add_score (a, score_step (a, piece), r) != ESP_OK)
            return ESP_ENOMEM;
    }
    return ESP_OK;
}

static bool sees_all (const struct arithmetic *a)
{
    return a->setup.view == VIEW_BOTH || !a->setup.step || !step_rule_has_phases (a->setup.step);
}

/* The scores of a text, as far as it is to be seen (prm.view): thinking that is hidden is one step, unchecked. */
static esp_err score_text (struct arithmetic *a, bool *thinking, span text, result *r)
{
    esp_err err;
    if (sees_all (a))
        return score_pieces (a, text, r);
    esp_buf_clear (&a->shown);
    err = step_rule_show (a->setup.step, (enum step_view)a->setup.view, thinking, text, &a->shown);
    if (err != ESP_OK)
        return err;
    if (text.len > 0 && span_trim (esp_buf_span (&a->shown)).len == 0)
        return add_score (a, a->o->unchecked, r);
    return score_pieces (a, esp_buf_span (&a->shown), r);
}

/* *thinking: does the last step begin inside it? */
static esp_err look_back (const struct arithmetic *a, const job *j, bool *thinking)
{
    esp_err err = ESP_OK;
    *thinking = false;
    if (!sees_all (a))
        err = phases_begin (&a->setup, j->problem, thinking);
    for (size_t i = 0; i + 1 < j->step_count && !sees_all (a); i++)
        *thinking = step_rule_thinks (a->setup.step, *thinking, j->steps[i]);
    return err;
}

static esp_err score_job (struct arithmetic *a, const job *j, span own, result *r)
{
    bool thinking;
    esp_err err = j->task.kind == TASK_SCORE ? look_back (a, j, &thinking) : ESP_EUNSUPPORTED;
    if (err == ESP_OK)
        err = score_text (a, &thinking, own, r);
    r->score_own = r->score_count;
    return err == ESP_OK ? score_text (a, &thinking, j->task.extra, r) : err;
}

static void finish (struct arithmetic *a, const job *j)
{
    const result blank = {.id = j->task.id, .logprob = NAN, .mean_logprob = NAN, .share = NAN};
    span own = j->step_count > 0 ? j->steps[j->step_count - 1] : span_of ("");
    result r = blank;
    esp_err err = score_job (a, j, own, &r);
    r.scores = a->scores;
    r.scored_tokens = fields_words (own) + fields_words (j->task.extra);
    if (err != ESP_OK) {
        r = blank;
        r.error = err;
        r.finish = FINISH_ERROR;
    }
    a->setup.done (a->setup.ctx, j, &r);
}

static void arithmetic_start (void *state, const job *const *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        finish (state, jobs[i]);
}

const engine_kind engine_arithmetic = {.name = "arithmetic",
                                       .roles = ENGINE_PRM,
                                       .options = options,
                                       .option_bytes = sizeof (struct arithmetic_options),
                                       .open = arithmetic_open,
                                       .start = arithmetic_start,
                                       .close = arithmetic_close};
