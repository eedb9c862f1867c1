/* SPDX-License-Identifier: Apache-2.0 */
/* check_engines.c - see check_engines.h
 *
 * Seeds: the same sample is asked for several times, alone and among others.  Most servers repeat it alone and not under
 * load, since batches change the order of additions; the share is told, not judged.
 */

#include "cluster/cli/check_engines.h"
#include "cluster/cli/check_problems.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "cluster/cli/lab.h"
#include "cluster/cli/run_tables.h"

enum {
    ALONE = 3,    /* times one after another */
    TOGETHER = 9, /* samples at once, every third of them the one that was asked alone */
    SHORT_TOKENS = 16
};

static job short_job (const run_config *c, const problem *p, uint32_t seed)
{
    job j = {.problem = p->json};
    j.task.id.problem = p->key;
    j.task.child = NODE_NONE;
    j.task.mode = TASK_STEP;
    j.task.how = c->search.how;
    j.task.max_tokens =
        c->search.how.max_step_tokens < SHORT_TOKENS ? c->search.how.max_step_tokens : SHORT_TOKENS;
    j.task.max_steps = 1;
    j.task.seed = seed;
    return j;
}

static unsigned count_equal (const lab_result *got, size_t n, size_t step, span text)
{
    unsigned equal = 0;
    for (size_t i = 0; i < n; i += step)
        equal += got[i].r.error == ESP_OK && span_equal (got[i].r.text, text);
    return equal;
}

static esp_err
try_together (lab *l, const run_config *c, const problem *p, span text, unsigned *equal)
{
    job jobs[TOGETHER];
    lab_result got[TOGETHER];
    esp_err err;
    for (uint32_t i = 0; i < TOGETHER; i++)
        jobs[i] = short_job (
            c, p,
            i % 3 == 0 ? 7 : 1000 + 10 * i); /* no two in a row: siblings would share a request */
    err = lab_do (l, TASK_GENERATE, jobs, TOGETHER, got);
    *equal = count_equal (got, TOGETHER, 3, text);
    for (size_t i = 0; i < TOGETHER; i++)
        lab_result_free (&got[i]);
    return err;
}

static esp_err try_seeds (lab *l, const run_config *c, const problem *p, check_report *r)
{
    lab_result alone[ALONE];
    unsigned equal, together = 0;
    size_t done = 0;
    esp_err err = ESP_OK;
    for (; done < ALONE && err == ESP_OK; done++) {
        job j = short_job (c, p, 7);
        err = lab_do (l, TASK_GENERATE, &j, 1, &alone[done]);
    }
    equal = err == ESP_OK ? count_equal (alone, ALONE, 1, alone[0].r.text) : 0;
    if (err == ESP_OK && alone[0].r.error == ESP_OK &&
        (err = try_together (l, c, p, alone[0].r.text, &together)) == ESP_OK)
        fprintf (stderr,
                 "    one seed, one text: %u of %d times alone, %u of %d among %d at once%s\n    a "
                 "short step: %u tokens in "
                 "%.2f s alone\n",
                 equal, ALONE, together, (TOGETHER + 2) / 3, TOGETHER,
                 equal < ALONE ? " (replay and resume hold all the same)" : "", alone[0].r.tokens,
                 alone[ALONE - 1].seconds);
    else if (err == ESP_OK)
        check_warn (r, "a short step failed: %s (the log lines above say more)",
                    esp_err_text (alone[0].r.error));
    for (size_t i = 0; i < done; i++)
        lab_result_free (&alone[i]);
    return err;
}

/* ---- problems ---- */

/* The first problem, and the one with the longest row. */
static esp_err look_at_problems (const run_config *c, esp_buf *first_memory, problem *first,
                                 esp_buf *longest_memory, problem *longest, esp_error *error)
{
    problem_source *source;
    esp_buf memory = {0};
    problem p;
    uint32_t best = 0;
    size_t len = 0;
    esp_err err = problem_source_open (&c->problems, NULL, NULL, NULL, &source, error);
    if (err != ESP_OK)
        return err;
    for (uint32_t i = 0; i < problem_source_count (source) && err == ESP_OK; i++)
        if ((err = problem_source_get (source, 0, i, &memory, &p, error)) == ESP_OK &&
            p.json.len > len) {
            len = p.json.len;
            best = i;
        }
    if (err == ESP_OK &&
        (err = problem_source_get (source, 0, 0, first_memory, first, error)) == ESP_OK)
        err = problem_source_get (source, 0, best, longest_memory, longest, error);
    problem_source_close (source);
    esp_buf_free (&memory);
    return err;
}

/* Does the longest prompt fit, with a step behind it? */
static esp_err try_longest (lab *l, const run_config *c, const problem *p, check_report *r)
{
    job j = short_job (c, p, 7);
    uint32_t context = lab_context (l, TASK_GENERATE), prompt;
    lab_result got;
    esp_err err;
    j.task.max_tokens = 1;
    if ((err = lab_do (l, TASK_GENERATE, &j, 1, &got)) != ESP_OK)
        return err;
    prompt = got.r.prompt_tokens;
    if (got.r.error == ESP_ECONTEXT)
        check_warn (r,
                    "the longest problem, '%.*s', does not fit into the context%s%.*s: it would "
                    "end in an error",
                    (int)p->id.len, p->id.ptr, got.r.reason.len ? ": " : "", (int)got.r.reason.len,
                    got.r.reason.ptr);
    else if (context > 0 && prompt > 0 && prompt + (uint64_t)c->search.max_tokens > context)
        check_warn (r,
                    "the prompt of '%.*s' has %u tokens; with %u more (generator.max_tokens) the "
                    "context of %u is too short: such branches are cut",
                    (int)p->id.len, p->id.ptr, prompt, c->search.max_tokens, context);
    else if (prompt > 0)
        fprintf (stderr, "    longest prompt: %u tokens ('%.*s')\n", prompt, (int)p->id.len,
                 p->id.ptr);
    lab_result_free (&got);
    return ESP_OK;
}

/* ---- engines ---- */

static bool worth_trying (const run_config *c)
{
    for (size_t i = 0; i < c->engine_count[TASK_GENERATE]; i++)
        if (c->engines[TASK_GENERATE][i].kind && c->engines[TASK_GENERATE][i].kind->describe)
            return true;
    return false;
}

static esp_err try_generator (lab *l, const run_config *c, check_report *r, esp_error *error)
{
    esp_buf first_memory = {0}, longest_memory = {0};
    problem first, longest;
    esp_err err = look_at_problems (c, &first_memory, &first, &longest_memory, &longest, error);
    if (err == ESP_OK)
        err = try_seeds (l, c, &first, r);
    if (err == ESP_OK)
        err = try_longest (l, c, &longest, r);
    esp_buf_free (&first_memory);
    esp_buf_free (&longest_memory);
    return err;
}

static void say_kind (const run_config *c, enum task_kind kind)
{
    fprintf (stderr, "%s:", run_sections[kind]);
    for (size_t i = 0; i < c->engine_count[kind]; i++)
        fprintf (stderr, "%s %s", i ? "," : "",
                 c->engines[kind][i].kind ? c->engines[kind][i].kind->name : "none");
    fprintf (stderr, "\n");
}

static esp_err check_kind (lab *l, const run_config *c, enum task_kind kind, bool problems,
                           check_report *r, esp_error *error)
{
    esp_buf text = {0};
    esp_err err, ready;
    say_kind (c, kind);
    ready = lab_ready (l, kind, error);
    if (ready == ESP_OK)
        lab_settle (l, kind);
    if ((err = lab_describe (l, kind, &text)) == ESP_OK && ready == ESP_OK)
        check_say (r, esp_buf_text (&text));
    else if (err == ESP_OK)
        fputs (esp_buf_text (&text), stderr); /* what its rows warn of is the mistake */
    esp_buf_free (&text);
    if (ready != ESP_OK || err != ESP_OK)
        return ready != ESP_OK ? ready : err;
    if (kind == TASK_VERIFY && problems)
        return check_verdicts (l, c, r, error);
    return kind == TASK_GENERATE && problems && worth_trying (c) ? try_generator (l, c, r, error)
                                                                 : ESP_OK;
}

void check_engines (const run_config *c, bool problems, check_report *r)
{
    esp_error error = {0};
    lab *l;
    bool fine = true;
    if (lab_open (c, NULL, NULL, &l, &error) != ESP_OK) {
        check_mistake (r, error.text);
        return;
    }
    for (int k = 0; k < TASK_KINDS; k++) {
        esp_err err = ESP_OK;
        error.text[0] = 0;
        if (lab_has (l, (enum task_kind)k))
            err = check_kind (l, c, (enum task_kind)k, problems, r, &error);
        if (err != ESP_OK)
            check_mistake (r, error.text[0] ? error.text : esp_err_text (err));
        fine = fine && err == ESP_OK;
    }
    if (fine)
        fprintf (stderr, "each worker: %u generations, %u scores, %u verdicts at once\n",
                 lab_slots (l, TASK_GENERATE), lab_slots (l, TASK_SCORE),
                 lab_slots (l, TASK_VERIFY));
    lab_close (l);
}

/* ---- disk and cost ---- */

/* The folder itself, or the nearest one above it that is there. */
static void nearest_folder (const char *output, char *out, size_t size)
{
    snprintf (out, size, "%s", output);
    while (access (out, F_OK) != 0) {
        char *slash = strrchr (out, '/');
        if (!slash || slash == out) {
            snprintf (out, size, slash ? "/" : ".");
            return;
        }
        *slash = 0;
    }
}

void check_disk (const run_config *c, check_report *r)
{
    char folder[4096], line[4400];
    struct statvfs fs;
    nearest_folder (c->run.output, folder, sizeof (folder));
    if (statvfs (folder, &fs) == 0)
        snprintf (line, sizeof (line), "disk: %s: %.1f GB free%s\n", folder,
                  (double)fs.f_bavail * (double)fs.f_frsize / 1e9,
                  access (folder, W_OK) == 0 ? "" : "; WARNING: you may not write there");
    else
        snprintf (line, sizeof (line), "disk: %s: cannot be looked at\n", folder);
    check_say (r, line);
}

static uint64_t times (uint64_t a, uint64_t b)
{
    return b > 0 && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

void check_cost (const run_config *c, uint64_t problems)
{
    const search_options *o = &c->search.options;
    uint64_t searches = times (problems, (uint64_t)c->run.repeats);
    uint64_t generations =
        o->budget_generations > 0 ? times (searches, (uint64_t)o->budget_generations) : 0;
    uint64_t tokens =
        o->budget_generated_tokens > 0 ? times (searches, (uint64_t)o->budget_generated_tokens) : 0;
    uint64_t longest = c->search.max_tokens > c->search.how.max_step_tokens
                           ? c->search.max_tokens
                           : c->search.how.max_step_tokens;
    if (generations > 0 && (tokens == 0 || times (generations, longest) < tokens))
        tokens = times (generations, longest);
    if (c->run.limit_generations > 0 &&
        (generations == 0 || (uint64_t)c->run.limit_generations < generations))
        generations = (uint64_t)c->run.limit_generations;
    if (c->run.limit_generated_tokens > 0 &&
        (tokens == 0 || (uint64_t)c->run.limit_generated_tokens < tokens))
        tokens = (uint64_t)c->run.limit_generated_tokens;
    fprintf (stderr, "cost at most: %" PRIu64 " searches", searches);
    if (generations > 0)
        fprintf (stderr, ", %" PRIu64 " generations", generations);
    if (tokens > 0)
        fprintf (stderr, ", %" PRIu64 " generated tokens", tokens);
    fprintf (stderr, "%s\n",
             generations == 0 && tokens == 0
                 ? "; nothing caps them but the strategy (search.budget, run.limits)"
                 : "");
}
