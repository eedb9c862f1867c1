/* SPDX-License-Identifier: Apache-2.0 */
/* engine_embedded.c - generator and PRM for puzzles inside the worker: no server, no GPU
 *
 * Everything ends inside start().  A sample is a function of the job: draw i of its seed chooses step i.
 * logprob is that of the policy itself (temperature 1), as servers report it.  A step that is wrong, and
 * all that follow it, get the least score; a generator that stands behind one fails with ESP_EFORMAT.
 */

#include "worker/engine/engines.h"
#include <math.h>
#include "proto/base/alloc.h"
#include "proto/base/fmath.h"
#include "proto/base/rng.h"
#include "proto/base/file.h"
#include "worker/engine/embedded_model.h"
#include "worker/engine/embedded_trained.h"
#include "worker/engine/fields.h"

static const double wrong_step_score = 0.001;

enum { MODEL_TRAINED, MODEL_HAND };

struct embedded_options {
    int model;
    const char *weights;
};

static const esp_option prm_options[] = {
    {.key = "model",
     .type = ESP_OPT_CHOICE,
     .offset = offsetof (struct embedded_options, model),
     .fallback = "trained",
     .choices = "trained|hand",
     .help = "What values a state: networks trained on earned labels, or the older one that sees "
             "one number at a time."},
    {.key = "weights",
     .type = ESP_OPT_STRING,
     .offset = offsetof (struct embedded_options, weights),
     .help = "trained: a file that cluster/local/train-prm wrote; left out: the weights that are "
             "built in."},
    ESP_OPTION_END};

struct embedded {
    engine_setup setup;
    embedded_trained *trained; /* owned; NULL: hand, or a generator */
    esp_buf text;              /* scratch of one job */
    double *scores;            /* owned */
    size_t scores_cap;
};

static void embedded_close (void *state)
{
    struct embedded *e = state;
    if (!e)
        return;
    embedded_trained_destroy (e->trained);
    esp_buf_free (&e->text);
    esp_free (e->scores);
    esp_free (e);
}

static esp_err embedded_open (const engine_setup *setup, void **state, esp_error *error)
{
    struct embedded *e;
    if (!setup || !setup->done || !state)
        return esp_error_set (error, ESP_EINVAL, "embedded engine: incomplete setup");
    if (!(e = esp_calloc (1, sizeof (*e))))
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    e->setup = *setup;
    *state = e;
    return ESP_OK;
}

static esp_err read_weights (const char *path, embedded_trained **out, esp_error *error)
{
    esp_error why = {0};
    esp_buf file = {0};
    esp_err err = esp_file_read (path, EMBEDDED_TRAINED_BYTES, &file, &why);
    if (err == ESP_OK)
        err = embedded_trained_read (esp_buf_span (&file), path, out, &why);
    esp_buf_free (&file);
    return err == ESP_OK ? err : esp_error_set (error, err, "prm.weights: %s", why.text);
}

static esp_err prm_open (const engine_setup *setup, void **state, esp_error *error)
{
    const struct embedded_options *o = setup ? setup->options : NULL;
    void *opened = NULL;
    struct embedded *e;
    esp_err err;
    if (!o)
        return esp_error_set (error, ESP_EINVAL, "embedded engine: incomplete setup");
    if ((err = embedded_open (setup, &opened, error)) != ESP_OK)
        return err;
    e = opened;
    if (o->model == MODEL_TRAINED)
        err = o->weights ? read_weights (o->weights, &e->trained, error)
                         : embedded_trained_built_in (&e->trained, error);
    if (err != ESP_OK) {
        embedded_close (e);
        return err;
    }
    *state = e;
    return ESP_OK;
}

static esp_err prm_check_options (const engine_kind *kind, const void *options,
                                  const struct step_rule *step, esp_error *why)
{
    const struct embedded_options *o = options;
    (void)kind;
    (void)step;
    if (o->weights && o->model != MODEL_TRAINED)
        return esp_error_set (
            why, ESP_EINVAL, "weights: only `model: trained` reads them; leave one of the two out");
    return ESP_OK;
}

/* ---- generate ---- */

/* exp ((logit - largest) / temperature) for each move; returns the sum. */
static double weigh (const double *logits, size_t count, double temperature, double *weights)
{
    double largest = logits[0], sum = 0;
    for (size_t i = 1; i < count; i++)
        largest = fmax (largest, logits[i]);
    for (size_t i = 0; i < count; i++)
        sum += weights[i] = esp_exp ((logits[i] - largest) / temperature);
    return sum;
}

/* Weights outside the top_k largest, or behind the first ones that hold top_p of the sum, become 0; of
 * equal ones the first stays.  Returns the new sum. */
static double truncate_weights (double *weights, size_t count, double sum, const sampling *how)
{
    double kept[PUZZLE_MOST_MOVES] = {0}, kept_sum = 0;
    double enough = how->top_p > 0 && how->top_p < 1 ? how->top_p * sum : sum;
    size_t most = how->top_k > 0 && how->top_k < (int64_t)count ? (size_t)how->top_k : count;
    for (size_t n = 0; n < most && kept_sum < enough; n++) {
        size_t best = 0;
        for (size_t i = 1; i < count; i++)
            if (weights[i] > weights[best])
                best = i;
        kept[best] = weights[best];
        kept_sum += weights[best];
        weights[best] = -1;
    }
    for (size_t i = 0; i < count; i++)
        weights[i] = kept[i];
    return kept_sum;
}

static size_t largest_of (const double *values, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (values[i] > values[best])
            best = i;
    return best;
}

/* Inverse of the cumulative sum at u in [0, 1). */
static size_t choose (const double *weights, size_t count, double sum, double u)
{
    double reached = 0;
    size_t last = 0;
    for (size_t i = 0; i < count; i++) {
        if (weights[i] <= 0)
            continue;
        reached += weights[i];
        last = i;
        if (reached > u * sum)
            break;
    }
    return last;
}

static esp_err
sample_step (puzzle *p, const task *t, uint32_t number, esp_buf *out, double *logprob)
{
    puzzle_move moves[PUZZLE_MOST_MOVES];
    double logits[PUZZLE_MOST_MOVES], weights[PUZZLE_MOST_MOVES], sum;
    size_t count = embedded_policy_logits (p, moves, logits), chosen;
    if (t->how.temperature > 0) {
        sum = weigh (logits, count, t->how.temperature, weights);
        if (t->how.top_k > 0 || (t->how.top_p > 0 && t->how.top_p < 1))
            sum = truncate_weights (weights, count, sum, &t->how);
        chosen = choose (weights, count, sum, esp_draw_unit (t->seed, number));
    } else {
        chosen = largest_of (logits, count);
    }
    sum = weigh (logits, count, 1, weights);
    *logprob = esp_ln (weights[chosen] / sum);
    return puzzle_play (p, &moves[chosen], out);
}

static esp_err generate (struct embedded *e, puzzle *p, const task *t, result *r)
{
    esp_err err = ESP_OK;
    r->logprob = 0;
    r->finish = puzzle_left (p) == 1 ? FINISH_EOS : FINISH_STOP;
    while (err == ESP_OK && puzzle_left (p) > 1) {
        double logprob = 0;
        err = sample_step (p, t, r->steps, &e->text, &logprob);
        r->steps++;
        r->logprob += logprob;
        r->tokens = fields_words (esp_buf_span (&e->text));
        if (err == ESP_OK && t->max_tokens > 0 && r->tokens > t->max_tokens) {
            e->text.len = fields_cut_words (esp_buf_span (&e->text), t->max_tokens).len;
            r->tokens = t->max_tokens;
            r->finish = FINISH_LENGTH;
            break;
        }
        r->finish = puzzle_left (p) == 1 ? FINISH_EOS : FINISH_STOP;
        if (t->mode == TASK_STEP)
            break;
        if (r->finish == FINISH_STOP && r->steps == t->max_steps) {
            r->finish = FINISH_LENGTH;
            break;
        }
    }
    r->mean_logprob = r->tokens > 0 ? r->logprob / r->tokens : NAN;
    r->text = esp_buf_span (&e->text);
    return err;
}

/* ---- score ---- */

static double value_of (const struct embedded *e, const puzzle *p)
{
    return e->trained ? embedded_trained_value (e->trained, p) : embedded_value_of (p);
}

/* Do the steps of a text; score: they are judged too. */
static esp_err follow (struct embedded *e, puzzle *p, span text, bool *right, bool score, result *r)
{
    span line;
    while (fields_piece (&text, "\n", &line)) {
        if (line.len == 0)
            continue;
        if (*right && puzzle_read (p, line) != PUZZLE_FINE)
            *right = false;
        if (!score)
            continue;
        if (esp_grow (&e->scores, &e->scores_cap, r->score_count + 1, sizeof (*e->scores)) != 0)
            return ESP_ENOMEM;
        e->scores[r->score_count++] = *right ? value_of (e, p) : wrong_step_score;
    }
    return ESP_OK;
}

static esp_err do_job (struct embedded *e, const job *j, puzzle *p, result *r)
{
    bool score = j->task.kind == TASK_SCORE, right = true;
    size_t steps = j->task.kind == TASK_GENERATE && j->task.mode == TASK_DRAFT ? 0 : j->step_count;
    esp_err err = ESP_OK;
    for (size_t i = 0; err == ESP_OK && i < steps; i++) {
        err = follow (e, p, j->steps[i], &right, score && i + 1 == steps, r);
        r->scored_tokens += score ? fields_words (j->steps[i]) : 0;
    }
    r->score_own = r->score_count;
    if (err == ESP_OK)
        err = follow (e, p, job_lookahead (j), &right, score, r);
    r->scores = e->scores;
    r->scored_tokens += score ? fields_words (j->task.extra) : 0;
    if (err != ESP_OK || score)
        return err;
    return right ? generate (e, p, &j->task, r) : ESP_EFORMAT;
}

static void finish (struct embedded *e, const job *j)
{
    result r = {.id = j->task.id, .logprob = NAN, .mean_logprob = NAN, .share = NAN};
    puzzle *p = NULL;
    esp_err err =
        j->task.kind == TASK_VERIFY ? ESP_EUNSUPPORTED : puzzle_create (j->problem, &p, NULL);
    esp_buf_clear (&e->text);
    if (err == ESP_OK)
        err = do_job (e, j, p, &r);
    puzzle_destroy (p);
    if (err != ESP_OK)
        r = (result){.id = j->task.id,
                     .error = err,
                     .finish = FINISH_ERROR,
                     .logprob = NAN,
                     .mean_logprob = NAN,
                     .share = NAN};
    e->setup.done (e->setup.ctx, j, &r);
}

static void embedded_start (void *state, const job *const *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        finish (state, jobs[i]);
}

const engine_kind engine_embedded = {.name = "embedded",
                                     .roles = ENGINE_GENERATOR,
                                     .open = embedded_open,
                                     .start = embedded_start,
                                     .close = embedded_close,
                                     .check_problem = puzzle_check};

const engine_kind engine_embedded_prm = {.name = "embedded",
                                         .roles = ENGINE_PRM,
                                         .options = prm_options,
                                         .option_bytes = sizeof (struct embedded_options),
                                         .open = prm_open,
                                         .start = embedded_start,
                                         .close = embedded_close,
                                         .check_problem = puzzle_check,
                                         .check_options = prm_check_options};
