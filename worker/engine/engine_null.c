/* SPDX-License-Identifier: Apache-2.0 */
/* engine_null.c - answers every job at once with the same text: what is measured is everything else
 *
 * A sample is `text_bytes` bytes of lines, `tokens` tokens, one step, the end of the sequence; a score is 0.5, a
 * verdict pass.
 */

#include "worker/engine/engines.h"
#include <math.h>
#include "proto/base/alloc.h"

enum {
    LINE = 80
}; /* bytes of a line of the text: a newline is what JSON has to escape in real texts */

struct null_options {
    int64_t text_bytes, tokens;
};

static const esp_option options[] = {{.key = "text_bytes",
                                      .type = ESP_OPT_INT,
                                      .offset = offsetof (struct null_options, text_bytes),
                                      .fallback = "1000",
                                      .max = 1e7,
                                      .unit = "bytes",
                                      .help = "Length of every sample."},
                                     {.key = "tokens",
                                      .type = ESP_OPT_INT,
                                      .offset = offsetof (struct null_options, tokens),
                                      .fallback = "250",
                                      .max = 1e6,
                                      .unit = "tokens",
                                      .help = "Tokens that every sample counts as."},
                                     ESP_OPTION_END};

struct null_engine {
    engine_setup setup;
    result sample, score, verdict;
    char *text; /* owned */
};

static const double half = 0.5;

static void null_close (void *state)
{
    struct null_engine *e = state;
    if (!e)
        return;
    esp_free (e->text);
    esp_free (e);
}

static esp_err null_open (const engine_setup *setup, void **state, esp_error *error)
{
    const result blank = {.logprob = NAN, .mean_logprob = NAN, .share = NAN};
    const struct null_options *o;
    struct null_engine *e;
    if (!setup || !setup->done || !state)
        return esp_error_set (error, ESP_EINVAL, "null engine: incomplete setup");
    o = setup->options;
    if (!(e = esp_calloc (1, sizeof (*e))) || !(e->text = esp_malloc ((size_t)o->text_bytes))) {
        null_close (e);
        return esp_error_set (error, ESP_ENOMEM, "null engine: out of memory");
    }
    for (int64_t i = 0; i < o->text_bytes; i++)
        e->text[i] = (char)(i % LINE == LINE - 1 ? '\n' : 'a' + i % 26);
    e->setup = *setup;
    e->sample = e->score = e->verdict = blank;
    e->sample.text = span_make (e->text, (size_t)o->text_bytes);
    e->sample.tokens = (uint32_t)o->tokens;
    e->sample.steps = 1;
    e->sample.finish = FINISH_EOS;
    e->score.scores = &half;
    e->score.score_count = e->score.score_own = 1;
    e->verdict.verdict = VERDICT_PASS;
    e->verdict.reason = span_of ("null");
    *state = e;
    return ESP_OK;
}

static void null_start (void *state, const job *const *jobs, size_t n)
{
    struct null_engine *e = state;
    for (size_t i = 0; i < n; i++) {
        result *r = jobs[i]->task.kind == TASK_GENERATE ? &e->sample
                    : jobs[i]->task.kind == TASK_SCORE  ? &e->score
                                                        : &e->verdict;
        r->id = jobs[i]->task.id;
        e->setup.done (e->setup.ctx, jobs[i], r);
    }
}

const engine_kind engine_null = {.name = "null",
                                 .roles = ENGINE_GENERATOR | ENGINE_PRM | ENGINE_VERIFIER,
                                 .options = options,
                                 .option_bytes = sizeof (struct null_options),
                                 .open = null_open,
                                 .start = null_start,
                                 .close = null_close};
