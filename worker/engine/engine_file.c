/* SPDX-License-Identifier: Apache-2.0 */
/* engine_file.c - a generator that generates nothing: problem rows bring their solutions (given.h)
 *
 * A branch stands where its text says: those solutions match that begin with it and have a step boundary there.  The child with ordinal
 * i gets the i-th match: its next step, or all the rest (to the end).  At the root every solution matches, so child i is
 * solution i.  Beyond the last match there is nothing: the task fails for good with ESP_EEMPTY, the search goes on with
 * what it has.
 *
 * Tokens are words; texts are never cut by max_tokens (at most so many are counted), only by max_steps.
 */

#include <math.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "proto/base/log.h"
#include "worker/engine/engines.h"
#include "worker/engine/fields.h"
#include "worker/engine/given.h"

enum { KEPT = 16 }; /* rows kept parsed: jobs of one problem come together */

struct file_options {
    const char *separator;
    bool alternatives;
};

static const esp_option options[] = {
    {.key = "separator",
     .type = ESP_OPT_STRING,
     .offset = offsetof (struct file_options, separator),
     .fallback = "\"\\n\\n\"",
     .help = "Joins steps that come as a list; section step says where a step of a text ends.",
     .unit = ""},
    {.key = "alternatives",
     .type = ESP_OPT_BOOL,
     .offset = offsetof (struct file_options, alternatives),
     .fallback = "false",
     .help =
         "PRM800K: also the completions that the labeler did not go on from, each as a solution "
         "that ends with it.",
     .unit = ""},
    ESP_OPTION_END};

struct kept {
    uint64_t hash; /* of the JSON; 0 = free */
    size_t len;
    uint64_t used;
    given *given; /* owned; NULL = brings nothing */
};

struct file_engine {
    engine_setup setup;
    const struct file_options *o;
    struct kept kept[KEPT];
    uint64_t clock; /* counts looks, for the oldest */
    esp_buf branch; /* scratch */
    bool said;      /* that something was asked beyond a list */
};

static void file_close (void *state)
{
    struct file_engine *e = state;
    if (!e)
        return;
    for (size_t i = 0; i < KEPT; i++)
        given_destroy (e->kept[i].given);
    esp_buf_free (&e->branch);
    esp_free (e);
}

static esp_err file_open (const engine_setup *setup, void **state, esp_error *error)
{
    struct file_engine *e;
    if (!setup || !setup->options || !setup->done || !state)
        return esp_error_set (error, ESP_EINVAL, "file engine: incomplete setup");
    if (!((const struct file_options *)setup->options)->separator ||
        !*((const struct file_options *)setup->options)->separator)
        return esp_error_set (error, ESP_EINVAL, "generator.separator: is empty");
    if (!(e = esp_calloc (1, sizeof (*e))))
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    e->setup = *setup;
    e->o = setup->options;
    *state = e;
    return ESP_OK;
}

static esp_err find_given (struct file_engine *e, span json, const given **out)
{
    uint64_t hash = esp_hash64 (json.ptr, json.len, 0);
    struct kept *oldest = &e->kept[0];
    given *made = NULL;
    esp_err err;
    hash = hash ? hash : 1;
    for (size_t i = 0; i < KEPT; i++) {
        struct kept *k = &e->kept[i];
        if (k->hash == hash && k->len == json.len) {
            k->used = ++e->clock;
            *out = k->given;
            return ESP_OK;
        }
        if (k->used < oldest->used)
            oldest = k;
    }
    err = given_read (json, e->o->separator, e->setup.step, &made, NULL);
    if (err == ESP_OK && e->o->alternatives)
        err = given_add_alternatives (made, json);
    if (err != ESP_OK) {
        given_destroy (made);
        return err;
    }
    given_destroy (oldest->given);
    *oldest = (struct kept){hash, json.len, ++e->clock, made};
    *out = made;
    return ESP_OK;
}

/* The step of this solution that begins at `at`; given_steps: it ends there; SIZE_MAX: no boundary. */
static size_t step_at (const given *g, size_t i, size_t at)
{
    size_t low = 0, high = given_steps (g, i);
    if (at == 0)
        return 0;
    while (low < high) { /* first step that ends at or behind `at` */
        size_t middle = (low + high) / 2;
        if (given_step_end (g, i, middle) < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low < given_steps (g, i) && given_step_end (g, i, low) == at ? low + 1 : SIZE_MAX;
}

/* The ordinal-th solution that goes on from this branch.  False: there are fewer. */
static bool
find_match (const given *g, span branch, uint32_t ordinal, size_t *solution, size_t *step)
{
    for (size_t i = 0; i < given_count (g); i++) {
        size_t next;
        span text = given_text (g, i);
        if (text.len < branch.len || !span_equal (span_make (text.ptr, branch.len), branch))
            continue;
        next = step_at (g, i, branch.len);
        if (next == SIZE_MAX || next >= given_steps (g, i) || ordinal-- > 0)
            continue;
        *solution = i;
        *step = next;
        return true;
    }
    return false;
}

static void say_beyond (struct file_engine *e, const given *g, const task *t)
{
    if (e->said)
        return;
    e->said = true;
    esp_log (LOG_WARN, "FILE-BEYOND",
             "problem %u brings %zu solutions, and sample %u was asked for; what is beyond a list "
             "stays empty (said once)",
             problem_number (t->id.problem), given_count (g), t->ordinal + 1);
}

static esp_err give (struct file_engine *e, const job *j, result *r)
{
    const task *t = &j->task;
    bool whole = t->mode != TASK_STEP;
    const given *g = NULL;
    size_t i, first, last, from;
    esp_err err = find_given (e, j->problem, &g);
    esp_buf_clear (&e->branch);
    if (err == ESP_OK && t->mode != TASK_DRAFT)
        err = fields_join (j, j->step_count, &e->branch);
    if (err == ESP_OK && t->mode != TASK_DRAFT)
        err = esp_buf_add (&e->branch, t->extra);
    if (err != ESP_OK)
        return err;
    if ((t->mode == TASK_DRAFT && t->node != NODE_ROOT) ||
        !find_match (g, esp_buf_span (&e->branch), t->ordinal, &i, &first)) {
        say_beyond (e, g, t);
        return ESP_EEMPTY;
    }
    last = whole ? given_steps (g, i) - 1 : first;
    if (whole && t->mode == TASK_TO_END && t->max_steps > 0 && last - first >= t->max_steps)
        last = first + t->max_steps - 1;
    from = first ? given_step_end (g, i, first - 1) : 0;
    r->text = span_make (given_text (g, i).ptr + from, given_step_end (g, i, last) - from);
    r->steps = (uint32_t)(last - first + 1);
    r->tokens = fields_words (r->text);
    if (t->max_tokens > 0 && r->tokens > t->max_tokens)
        r->tokens = t->max_tokens; /* it was not generated: no budget is at stake */
    r->finish = last + 1 == given_steps (g, i) ? FINISH_EOS : whole ? FINISH_LENGTH : FINISH_STOP;
    return ESP_OK;
}

static void file_start (void *state, const job *const *jobs, size_t n)
{
    struct file_engine *e = state;
    for (size_t i = 0; i < n; i++) {
        result r = {.id = jobs[i]->task.id, .logprob = NAN, .mean_logprob = NAN, .share = NAN};
        r.error = jobs[i]->task.kind == TASK_GENERATE ? give (e, jobs[i], &r) : ESP_EUNSUPPORTED;
        if (r.error != ESP_OK)
            r.finish = FINISH_ERROR;
        e->setup.done (e->setup.ctx, jobs[i], &r);
    }
}

static esp_err file_check_problem (span json, esp_error *error)
{
    given *g = NULL;
    esp_err err = given_read (json, "\n\n", NULL, &g, error);
    given_destroy (g);
    return err;
}

const engine_kind engine_file = {.name = "file",
                                 .roles = ENGINE_GENERATOR,
                                 .options = options,
                                 .option_bytes = sizeof (struct file_options),
                                 .open = file_open,
                                 .start = file_start,
                                 .close = file_close,
                                 .check_problem = file_check_problem};
