/* SPDX-License-Identifier: Apache-2.0 */
/* engine_fake.c - the fake models as an engine: generator, PRM and verifier of the tests
 *
 * With delay_us = 0 every job ends inside start().  With a delay it ends in the first poll() after
 * its own time, which is drawn from the job's seed: order and lateness vary, results do not.
 *
 * A draft (TASK_DRAFT) of fakelm-1 starts from an empty text; what stands above it only enters the
 * hashes, behind "|D|".  fakegen-1 and fakethought-1 end the sequence in every mode but a step.
 */

#include "worker/engine/engines.h"
#include <math.h>
#include <stdlib.h>
#include "proto/base/alloc.h"
#include "proto/base/fmath.h"
#include "proto/base/hash.h"
#include "proto/base/rng.h"
#include "worker/engine/fake_rules.h"
#include "worker/engine/fields.h"

enum fake_rule { RULE_LM, RULE_GEN, RULE_THOUGHT, RULES };
enum fake_method { METHOD_PROPOSE, METHOD_SAMPLE };

struct fake_options {
    int rule;
    fake_lm lm;
    int64_t candidates;
    int method;
    esp_strings value_levels, actions;
    int64_t delay_us;
    bool costs;
    int64_t overrun;
};

#define ROW(name, option_type, field, ...)                                                         \
    {                                                                                              \
        .key = name, .type = option_type, .offset = offsetof (struct fake_options, field),         \
        __VA_ARGS__                                                                                \
    }
static const esp_option options[] = {
    ROW ("rule", ESP_OPT_CHOICE, rule, .fallback = "fakelm-1",
         .choices = "fakelm-1|fakegen-1|fakethought-1", .help = "Which fake model answers."),
    ROW ("min_depth", ESP_OPT_INT, lm.min_depth, .fallback = "2", .max = 10000, .unit = "steps",
         .help = "fakelm-1: no answer before this many steps."),
    ROW ("max_depth", ESP_OPT_INT, lm.max_depth, .fallback = "6", .max = 10000, .unit = "steps",
         .help = "fakelm-1: an answer after this many steps."),
    ROW ("p_eos", ESP_OPT_DOUBLE, lm.p_eos, .fallback = "0.25", .max = 1,
         .help = "fakelm-1: probability of an answer in between."),
    ROW ("vocab", ESP_OPT_INT, lm.vocab, .fallback = "10000", .min = 1, .max = 1e9,
         .help = "fakelm-1, fakethought-1: number of different steps."),
    ROW ("answers", ESP_OPT_INT, lm.answers, .fallback = "5", .min = 1, .max = 1e9,
         .help = "fakelm-1: number of different answers."),
    ROW ("candidates", ESP_OPT_INT, candidates, .fallback = "4", .min = 1, .max = 10000,
         .unit = "lines", .help = "fakethought-1: lines of one proposal."),
    ROW ("method", ESP_OPT_CHOICE, method, .fallback = "propose", .choices = "propose|sample",
         .help = "fakethought-1: all candidates in one generation, or one each."),
    ROW ("value_levels", ESP_OPT_STRINGS, value_levels,
         .help = "fakethought-1: the values that a reading can have; unset: any in [0, 1)."),
    ROW ("actions", ESP_OPT_STRINGS, actions, .fallback = "A",
         .help = "fakegen-1: names of the actions."),
    ROW ("delay_us", ESP_OPT_INT, delay_us, .max = 1e9, .fallback = "0", .unit = "us",
         .help = "Median time that a job takes (log-normal); 0 = none.", .change = ESP_OPT_FREE),
    ROW ("costs", ESP_OPT_BOOL, costs, .fallback = "false",
         .help = "Samples say what was read: the words of the prompt; those of the question came "
                 "from a cache.",
         .change = ESP_OPT_FREE),
    ROW ("overrun", ESP_OPT_INT, overrun, .max = 1e9, .fallback = "0", .unit = "samples",
         .help = "Every so many samples one says that it has more tokens than were asked for; 0 = "
                 "none.",
         .change = ESP_OPT_FREE),
    ESP_OPTION_END};

struct pending {
    const job *job;
    uint64_t due_ns;
};

struct fake {
    engine_setup setup;
    const struct fake_options *o;
    double *levels;          /* owned; value_levels as numbers */
    struct pending *pending; /* owned; in order of arrival */
    size_t pending_count, pending_cap;
    double *scores; /* owned */
    size_t scores_cap;
    int64_t samples;                /* so far */
    esp_buf question, prompt, text; /* scratch of one job */
};

static void fake_close (void *state)
{
    struct fake *f = state;
    if (!f)
        return;
    esp_free (f->levels);
    esp_free (f->pending);
    esp_free (f->scores);
    esp_buf_free (&f->question);
    esp_buf_free (&f->prompt);
    esp_buf_free (&f->text);
    esp_free (f);
}

static esp_err read_levels (struct fake *f, esp_error *error)
{
    const esp_strings *s = &f->o->value_levels;
    if (!(f->levels = esp_calloc (s->count + 1, sizeof (*f->levels))))
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    for (size_t i = 0; i < s->count; i++) {
        char *end;
        f->levels[i] = strtod (s->items[i], &end);
        if (end == s->items[i] || *end || !isfinite (f->levels[i]))
            return esp_error_set (error, ESP_EINVAL, "value_levels: \"%s\" is not a number",
                                  s->items[i]);
    }
    return ESP_OK;
}

static esp_err fake_open (const engine_setup *setup, void **state, esp_error *error)
{
    struct fake *f;
    esp_err err;
    if (!setup || !setup->options || !setup->done || !state)
        return esp_error_set (error, ESP_EINVAL, "fake engine: incomplete setup");
    if (!(f = esp_calloc (1, sizeof (*f))))
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    f->setup = *setup;
    f->o = setup->options;
    if (f->o->delay_us > 0 && !setup->clock)
        err = esp_error_set (error, ESP_EINVAL, "delay_us: the fake engine has no clock");
    else
        err = read_levels (f, error);
    if (err != ESP_OK) {
        fake_close (f);
        return err;
    }
    *state = f;
    return ESP_OK;
}

/* ---- generate ---- */

/* Stop at max_tokens: text->len is cut, r tells. */
static bool cut_tokens (const task *t, esp_buf *text, result *r)
{
    r->tokens = fields_words (esp_buf_span (text));
    if (t->max_tokens == 0 || r->tokens <= t->max_tokens)
        return false;
    text->len = fields_cut_words (esp_buf_span (text), t->max_tokens).len;
    r->tokens = t->max_tokens;
    r->finish = FINISH_LENGTH;
    return true;
}

/* f->prompt holds question + "|A|" + text so far, which starts at `from`. */
static esp_err lm_generate (struct fake *f, const job *j, size_t from, result *r)
{
    const task *t = &j->task;
    esp_err err = t->mode == TASK_DRAFT ? esp_buf_puts (&f->prompt, "|D|") : ESP_OK;
    size_t text_at = t->mode == TASK_DRAFT ? f->prompt.len : from;
    bool eos = false;
    r->finish = FINISH_STOP;
    while (err == ESP_OK) {
        size_t before = f->text.len;
        err = fake_lm_step (&f->o->lm, esp_buf_span (&f->prompt), text_at, r->steps == 0 ? t->k : 0,
                            &f->text, &eos, t->mode == TASK_STEP ? &r->mean_logprob : NULL);
        if (err == ESP_OK)
            err =
                esp_buf_append (&f->prompt, esp_buf_text (&f->text) + before, f->text.len - before);
        r->steps++;
        if (err != ESP_OK || cut_tokens (t, &f->text, r))
            break;
        if (eos)
            r->finish = FINISH_EOS;
        else if (t->mode != TASK_STEP && r->steps == t->max_steps)
            r->finish = FINISH_LENGTH;
        if (eos || t->mode == TASK_STEP || r->finish == FINISH_LENGTH)
            break;
    }
    r->logprob = r->mean_logprob * r->tokens;
    return err;
}

static esp_err gen_generate (struct fake *f, const job *j, size_t from, result *r)
{
    const esp_strings *actions = &f->o->actions;
    esp_err err = ESP_OK;
    if (j->task.action >= actions->count)
        return ESP_ERANGE;
    if (j->task.mode ==
        TASK_DRAFT) /* a draft replaces its parent, so it repeats the parent's state */
        err = esp_buf_append (&f->text, esp_buf_text (&f->prompt) + from, f->prompt.len - from);
    if (err == ESP_OK)
        err = fake_gen_child (actions->items[j->task.action], j->task.k, &f->text);
    r->steps = 1;
    r->finish = j->task.mode == TASK_STEP ? FINISH_STOP : FINISH_EOS;
    (void)cut_tokens (&j->task, &f->text, r);
    return err;
}

static esp_err thought_generate (struct fake *f, const job *j, size_t from, result *r)
{
    bool propose = f->o->method == METHOD_PROPOSE;
    span question = esp_buf_span (&f->question);
    span state = span_make (esp_buf_text (&f->prompt) + from, f->prompt.len - from);
    uint32_t lines = propose ? (uint32_t)f->o->candidates : 1;
    esp_err err = ESP_OK;
    for (uint32_t i = 0; err == ESP_OK && i < lines; i++)
        err = fake_thought_line (propose ? "P|" : "S|", question, state, propose ? i : j->task.k,
                                 f->o->lm.vocab, &f->text);
    r->steps = 1;
    r->finish = j->task.mode == TASK_STEP ? FINISH_STOP : FINISH_EOS;
    (void)cut_tokens (&j->task, &f->text, r);
    return err;
}

/* ---- score ---- */

static esp_err add_score (struct fake *f, result *r, double score)
{
    if (esp_grow (&f->scores, &f->scores_cap, r->score_count + 1, sizeof (*f->scores)) != 0)
        return ESP_ENOMEM;
    f->scores[r->score_count++] = score;
    return ESP_OK;
}

/* Pieces that end before `own_at` belong to earlier nodes, those up to extra_at to the judged one. */
static esp_err lm_score (struct fake *f, const job *j, size_t from, result *r)
{
    size_t extra_at = f->prompt.len - j->task.extra.len;
    size_t own_at = extra_at - (j->step_count ? j->steps[j->step_count - 1].len : 0);
    span rest = span_make (esp_buf_text (&f->prompt) + from, f->prompt.len - from), piece;
    esp_err err = ESP_OK;
    while (err == ESP_OK && fields_piece (&rest, "\n\n", &piece)) {
        size_t end = (size_t)(piece.ptr - esp_buf_text (&f->prompt)) + piece.len;
        double score = 0;
        if (piece.len == 0)
            continue;
        err = fake_prm_score (esp_buf_span (&f->question), piece, &f->text, &score);
        if (err != ESP_OK || end <= own_at)
            continue;
        r->score_own += end <= extra_at;
        err = add_score (f, r, score);
    }
    return err;
}

static esp_err gen_score (struct fake *f, const job *j, size_t from, result *r)
{
    span state = span_make (esp_buf_text (&f->prompt) + from, f->prompt.len - from);
    (void)j;
    r->score_own = 1;
    return add_score (f, r, fake_gen_score (esp_buf_span (&f->question), state));
}

static esp_err thought_score (struct fake *f, const job *j, size_t from, result *r)
{
    span state = span_make (esp_buf_text (&f->prompt) + from, f->prompt.len - from);
    size_t levels = f->o->value_levels.count;
    double value;
    esp_err err = fake_thought_value (esp_buf_span (&f->question), state, j->task.reading, &value);
    if (err != ESP_OK)
        return err;
    r->score_own = 1;
    return add_score (f, r, levels ? f->levels[(size_t)(value * (double)levels)] : value);
}

/* ---- verify: the last box against the problem's answer ---- */

static esp_err verify (struct fake *f, const job *j, size_t from, result *r)
{
    span text = span_make (esp_buf_text (&f->prompt) + from, f->prompt.len - from), box;
    esp_err err = fields_answer (j->problem, &f->text);
    r->verdict = VERDICT_UNKNOWN;
    r->reason = span_of ("no-reference");
    if (fields_boxed (text, &box)) {
        bool right = span_equal (span_trim (box), span_trim (esp_buf_span (&f->text)));
        r->answer = span_trim (box);
        if (err == ESP_OK) {
            r->verdict = right ? VERDICT_PASS : VERDICT_FAIL;
            r->reason = span_of (right ? "right-answer" : "wrong-answer");
        }
    } else if (err == ESP_OK) {
        r->reason = span_of ("no-answer");
    }
    return err == ESP_ENOENT ? ESP_OK : err;
}

/* ---- jobs ---- */

static void count_prompt (const struct fake *f, size_t from, result *r)
{
    span branch = span_make (esp_buf_text (&f->prompt) + from, f->prompt.len - from);
    if (!f->o->costs)
        return;
    r->cached_tokens = fields_words (esp_buf_span (&f->question));
    r->prompt_tokens = r->cached_tokens + fields_words (branch);
    r->server = span_of ("fake");
}

static esp_err do_job (struct fake *f, const job *j, result *r)
{
    static esp_err (*const generate[RULES]) (struct fake *, const job *, size_t, result *) = {
        lm_generate, gen_generate, thought_generate};
    static esp_err (*const score[RULES]) (struct fake *, const job *, size_t,
                                          result *) = {lm_score, gen_score, thought_score};
    size_t from;
    esp_err err = fields_question (j->problem, &f->question);
    if (err == ESP_OK)
        err = esp_buf_add (&f->prompt, esp_buf_span (&f->question));
    if (err == ESP_OK)
        err = esp_buf_puts (&f->prompt, "|A|");
    from = f->prompt.len;
    if (err == ESP_OK)
        err = fields_join (j, j->step_count, &f->prompt);
    if (err == ESP_OK)
        err = esp_buf_add (&f->prompt, job_lookahead (j));
    if (err != ESP_OK)
        return err;
    if (j->task.kind == TASK_GENERATE) {
        count_prompt (f, from, r);
        err = generate[f->o->rule](f, j, from, r);
        r->text = esp_buf_span (&f->text);
        if (f->o->overrun > 0 && ++f->samples % f->o->overrun == 0)
            r->tokens = j->task.max_tokens + 1;
    } else if (j->task.kind == TASK_SCORE) {
        r->scored_tokens = fields_words (span_make (f->prompt.data + from, f->prompt.len - from));
        err = score[f->o->rule](f, j, from, r);
        r->scores = f->scores;
    } else {
        err = verify (f, j, from, r);
    }
    return err;
}

static void finish (struct fake *f, const job *j)
{
    result r = {.id = j->task.id, .logprob = NAN, .mean_logprob = NAN, .share = NAN};
    esp_err err;
    esp_buf_clear (&f->question);
    esp_buf_clear (&f->prompt);
    esp_buf_clear (&f->text);
    if ((err = do_job (f, j, &r)) != ESP_OK)
        r = (result){.id = j->task.id,
                     .error = err,
                     .finish = FINISH_ERROR,
                     .logprob = NAN,
                     .mean_logprob = NAN,
                     .share = NAN};
    f->setup.done (f->setup.ctx, j, &r);
}

/* delay_us * exp (z / 2), z standard normal by Box-Muller from the job's own seed. */
static uint64_t delay_ns (const struct fake *f, const task *t)
{
    uint64_t key = esp_hash_mix (t->seed, t->id.number);
    double z = sqrt (-2 * esp_ln (1 - esp_draw_unit (key, 0))) *
               esp_cos (2 * M_PI * esp_draw_unit (key, 1));
    return (uint64_t)((double)f->o->delay_us * 1000 * esp_exp (z / 2));
}

static void fake_start (void *state, const job *const *jobs, size_t n)
{
    struct fake *f = state;
    for (size_t i = 0; i < n; i++) {
        if (f->o->delay_us == 0 || esp_grow (&f->pending, &f->pending_cap, f->pending_count + 1,
                                             sizeof (*f->pending)) != 0) {
            finish (f, jobs[i]); /* without memory for waiting: at once */
            continue;
        }
        f->pending[f->pending_count++] =
            (struct pending){jobs[i], esp_clock_ns (f->setup.clock) + delay_ns (f, &jobs[i]->task)};
    }
}

static void drop_pending (struct fake *f, size_t i)
{
    for (f->pending_count--; i < f->pending_count; i++)
        f->pending[i] = f->pending[i + 1];
}

/* The earliest first, one at a time: done may start further jobs. */
static void fake_poll (void *state)
{
    struct fake *f = state;
    while (f->pending_count > 0) {
        size_t first = 0;
        const job *j;
        for (size_t i = 1; i < f->pending_count; i++)
            if (f->pending[i].due_ns < f->pending[first].due_ns)
                first = i;
        if (f->pending[first].due_ns > esp_clock_ns (f->setup.clock))
            return;
        j = f->pending[first].job;
        drop_pending (f, first);
        finish (f, j);
    }
}

static void fake_cancel (void *state, const job *j)
{
    struct fake *f = state;
    for (size_t i = 0; i < f->pending_count; i++)
        if (f->pending[i].job == j) {
            drop_pending (f, i);
            return;
        }
}

const engine_kind engine_fake = {.name = "fake",
                                 .roles = ENGINE_GENERATOR | ENGINE_PRM | ENGINE_VERIFIER,
                                 .options = options,
                                 .option_bytes = sizeof (struct fake_options),
                                 .open = fake_open,
                                 .start = fake_start,
                                 .poll = fake_poll,
                                 .cancel = fake_cancel,
                                 .close = fake_close};
