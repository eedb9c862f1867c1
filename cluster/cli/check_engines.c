/* SPDX-License-Identifier: Apache-2.0 */
/* check_engines.c - see check_engines.h
 *
 * Seeds: the same sample is asked for several times, alone and among others.  Most servers repeat it alone and not under
 * load, since batches change the order of additions; the share is told, not judged.
 */

#include "cluster/cli/check_engines.h"
#include "cluster/cli/check_problems.h"
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

static job short_job (const run_config *c, size_t action, const problem *p, uint32_t seed)
{
    job j = {.problem = p->json};
    sampling how = action < c->action_count ? c->action_means[action].how : c->search.how;
    j.task.id.problem = p->key;
    j.task.child = NODE_NONE;
    j.task.mode = TASK_STEP;
    j.task.action = (uint16_t)action;
    j.task.how = how;
    j.task.max_tokens = how.max_step_tokens < SHORT_TOKENS ? how.max_step_tokens : SHORT_TOKENS;
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

static esp_err try_together (lab *l, const run_config *c, size_t action, const problem *p,
                             span text, unsigned *equal)
{
    job jobs[TOGETHER];
    lab_result got[TOGETHER];
    esp_err err;
    for (uint32_t i = 0; i < TOGETHER; i++)
        jobs[i] = short_job (
            c, action, p,
            i % 3 == 0 ? 7 : 1000 + 10 * i); /* no two in a row: siblings would share a request */
    err = lab_do (l, TASK_GENERATE, jobs, TOGETHER, got);
    *equal = count_equal (got, TOGETHER, 3, text);
    for (size_t i = 0; i < TOGETHER; i++)
        lab_result_free (&got[i]);
    return err;
}

static esp_err
try_seeds (lab *l, const run_config *c, size_t action, const problem *p, check_report *r)
{
    lab_result alone[ALONE];
    unsigned equal, together = 0;
    size_t done = 0;
    esp_err err = ESP_OK;
    for (; done < ALONE && err == ESP_OK; done++) {
        job j = short_job (c, action, p, 7);
        err = lab_do (l, TASK_GENERATE, &j, 1, &alone[done]);
    }
    equal = err == ESP_OK ? count_equal (alone, ALONE, 1, alone[0].r.text) : 0;
    if (err == ESP_OK && alone[0].r.error == ESP_OK &&
        (err = try_together (l, c, action, p, alone[0].r.text, &together)) == ESP_OK)
        check_print (
            r,
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

/* "large: " of one generator of several, for warnings that stand at the end too. */
static const char *which (const run_config *c, size_t action, char *out, size_t size)
{
    size_t generator = action < c->action_count ? c->actions[action].generator : 0;
    const char *name = c->engines[TASK_GENERATE][generator].common.name;
    out[0] = 0;
    if (c->engine_count[TASK_GENERATE] > 1 && name)
        snprintf (out, size, "%.60s: ", name);
    return out;
}

/* Is there no room for all that may be asked for?  A warning: fewer tokens are asked for then. */
static bool check_room (const run_config *c, size_t action, const problem *p, uint32_t prompt,
                        uint32_t context, check_report *r)
{
    bool own = action < c->action_count;
    uint32_t step =
        own ? c->action_means[action].how.max_step_tokens : c->search.how.max_step_tokens;
    uint32_t whole = own ? c->action_means[action].max_tokens : c->search.max_tokens;
    bool no_step = prompt + (uint64_t)step > context, no_whole = prompt + (uint64_t)whole > context;
    char keys[120] = "", who[64];
    if (no_step)
        snprintf (keys, sizeof (keys), "generator.max_step_tokens (%u)", step);
    if (no_whole)
        snprintf (keys + strlen (keys), sizeof (keys) - strlen (keys),
                  "%sgenerator.max_tokens (%u)", no_step ? " and " : "", whole);
    if (!keys[0])
        return false;
    check_warn (r,
                "%sthe prompt of '%.*s' has %u tokens; behind it the context of %u is too short "
                "for %s: such branches are cut",
                which (c, action, who, sizeof (who)), (int)p->id.len, p->id.ptr, prompt, context,
                keys);
    return true;
}

/* For the cost: the worst of all generators; a context that is not known caps nothing. */
static void note_prompt (check_prompt *told, uint32_t prompt, uint32_t context)
{
    context = context > 0 ? context : UINT32_MAX;
    told->longest = prompt > told->longest ? prompt : told->longest;
    told->context = context > told->context ? context : told->context;
}

/* Does the longest prompt fit, with a step behind it? */
static esp_err
try_longest (lab *l, engine_check *e, size_t action, const problem *p, check_report *r)
{
    const run_config *c = e->config;
    job j = short_job (c, action, p, 7);
    uint32_t context = lab_context (l, (uint16_t)action), prompt;
    char who[64];
    lab_result got;
    esp_err err;
    j.task.max_tokens = 1;
    if ((err = lab_do (l, TASK_GENERATE, &j, 1, &got)) != ESP_OK)
        return err;
    prompt = got.r.prompt_tokens;
    note_prompt (&e->told, prompt, context);
    if (got.r.error == ESP_ECONTEXT)
        check_warn (r,
                    "%sthe longest problem, '%.*s', does not fit into the context%s%.*s: it would "
                    "end in an error",
                    which (c, action, who, sizeof (who)), (int)p->id.len, p->id.ptr,
                    got.r.reason.len ? ": " : "", (int)got.r.reason.len, got.r.reason.ptr);
    else if (context > 0 && prompt > 0 && check_room (c, action, p, prompt, context, r))
        ;
    else if (prompt > 0)
        check_print (r, "    longest prompt: %u tokens ('%.*s')\n", prompt, (int)p->id.len,
                     p->id.ptr);
    lab_result_free (&got);
    return ESP_OK;
}

/* ---- an example of known order ---- */

static const char example_problem[] =
    "{\"id\":\"example\",\"problem\":\"What is 12 + 30?\",\"question\":\"What is 12 + 30?\"}";
static const char *const example_steps[] = {"12 + 30 = 42, so the answer is 42.",
                                            "12 + 30 = 57, so the answer is 57."};

/* PRMs behind HTTP show theirs themselves; those inside this program know only their own problems. */
static bool needs_example (const run_config *c)
{
    const engine_kind *kind = c->engines[TASK_SCORE]->kind;
    return c->engine_count[TASK_SCORE] == 1 && kind && kind->describe && !kind->http;
}

/* A right and a wrong step.  A program that cannot read the problem is no mistake: it may be made for others. */
static esp_err try_example (lab *l, check_report *r)
{
    span steps[2] = {span_of (example_steps[0]), span_of (example_steps[1])};
    job jobs[2];
    lab_result got[2];
    esp_err err;
    for (size_t i = 0; i < 2; i++)
        jobs[i] = (job){.task = {.kind = TASK_SCORE, .child = NODE_NONE},
                        .problem = span_of (example_problem),
                        .steps = &steps[i],
                        .step_count = 1};
    if ((err = lab_do (l, TASK_SCORE, jobs, 2, got)) != ESP_OK)
        return err;
    if (got[0].r.error != ESP_OK || got[1].r.error != ESP_OK)
        check_print (r, "    example: it could not be scored (%s)\n",
                     esp_err_text (got[0].r.error != ESP_OK ? got[0].r.error : got[1].r.error));
    else if (got[0].r.score_count == 1 && got[1].r.score_count == 1)
        check_print (r, "    example: right step %.4f, wrong step %.4f\n", got[0].r.scores[0],
                     got[1].r.scores[0]);
    if (got[0].r.error == ESP_OK && got[1].r.error == ESP_OK && got[0].r.score_count == 1 &&
        got[1].r.score_count == 1 && got[1].r.scores[0] > got[0].r.scores[0])
        check_warn (r, "prm: a wrong step (%s) scores %.4f, the right one %.4f", example_steps[1],
                    got[1].r.scores[0], got[0].r.scores[0]);
    lab_result_free (&got[0]);
    lab_result_free (&got[1]);
    return ESP_OK;
}

/* ---- engines ---- */

/* The action that samples from this generator of the list; SIZE_MAX: none does. */
static size_t action_of (const run_config *c, size_t generator)
{
    if (c->action_count == 0)
        return generator == 0 ? 0 : SIZE_MAX;
    for (size_t i = 0; i < c->action_count; i++)
        if (c->actions[i].generator == generator)
            return i;
    return SIZE_MAX;
}

/* Each generator of the list that a server is behind. */
static esp_err
try_each (lab *l, engine_check *e, const problem *first, const problem *longest, check_report *r)
{
    const run_config *c = e->config;
    esp_err err = ESP_OK;
    for (size_t i = 0; i < c->engine_count[TASK_GENERATE] && err == ESP_OK; i++) {
        const run_engine *g = &c->engines[TASK_GENERATE][i];
        size_t action = action_of (c, i);
        if (!g->kind || !g->kind->describe || action == SIZE_MAX)
            continue;
        if (c->engine_count[TASK_GENERATE] > 1)
            check_print (r, "  %s\n", g->common.name);
        if ((err = try_seeds (l, c, action, first, r)) == ESP_OK)
            err = try_longest (l, e, action, longest, r);
    }
    return err;
}

static esp_err try_generators (lab *l, engine_check *e, check_report *r, esp_error *error)
{
    esp_buf first_memory = {0}, longest_memory = {0};
    problem first, longest;
    esp_err err =
        look_at_problems (e->config, &first_memory, &first, &longest_memory, &longest, error);
    if (err == ESP_OK)
        err = try_each (l, e, &first, &longest, r);
    esp_buf_free (&first_memory);
    esp_buf_free (&longest_memory);
    return err;
}

static void say_kind (const run_config *c, enum task_kind kind, check_report *r)
{
    check_print (r, "%s:", run_sections[kind]);
    for (size_t i = 0; i < c->engine_count[kind]; i++)
        check_print (r, "%s %s", i ? "," : "",
                     c->engines[kind][i].kind ? c->engines[kind][i].kind->name : "none");
    check_print (r, "\n");
}

static esp_err
check_kind (lab *l, engine_check *e, enum task_kind kind, check_report *r, esp_error *error)
{
    esp_buf text = {0};
    esp_err err, ready;
    say_kind (e->config, kind, r);
    ready = lab_ready (l, kind, error);
    if (ready == ESP_OK)
        lab_settle (l, kind);
    if ((err = lab_describe (l, kind, &text)) == ESP_OK && ready == ESP_OK)
        check_say (r, esp_buf_text (&text));
    else if (err == ESP_OK)
        check_show (r, esp_buf_text (&text)); /* what its rows warn of is the mistake */
    esp_buf_free (&text);
    if (ready != ESP_OK || err != ESP_OK)
        return ready != ESP_OK ? ready : err;
    if (kind == TASK_SCORE && needs_example (e->config))
        return try_example (l, r);
    if (kind == TASK_VERIFY && e->problems)
        return check_verdicts (l, e->config, r, error);
    return kind == TASK_GENERATE && e->problems && e->generates ? try_generators (l, e, r, error)
                                                                : ESP_OK;
}

/* Kept as text: names are borrowed from servers that may say others later. */
static esp_err note_models (lab *l, engine_check *e)
{
    engine_model found[ENGINE_LIST_MOST];
    esp_err err = esp_buf_puts (&e->models, "[");
    for (int k = 0; k < TASK_KINDS; k++) {
        size_t n = lab_models (l, (enum task_kind)k, found, ENGINE_LIST_MOST);
        for (size_t i = 0; i < n && err == ESP_OK; i++) {
            const char *parts[] = {found[i].name ? found[i].name : "", found[i].model,
                                   found[i].server};
            err = esp_buf_printf (&e->models, "%s[%d", e->models.len > 1 ? "," : "", k);
            for (size_t p = 0; p < 3 && err == ESP_OK; p++)
                if ((err = esp_buf_puts (&e->models, ",")) == ESP_OK)
                    err = esp_buf_json_string (&e->models, span_of (parts[p]));
            if (err == ESP_OK)
                err = esp_buf_puts (&e->models, "]");
        }
    }
    return err == ESP_OK ? esp_buf_puts (&e->models, "]") : err;
}

void check_engines (engine_check *e, check_report *r)
{
    esp_error error = {0};
    lab *l;
    bool fine = true;
    if (lab_open (e->config, e->at, NULL, NULL, &l, &error) != ESP_OK) {
        check_mistake (r, error.text);
        return;
    }
    for (int k = 0; k < TASK_KINDS; k++) {
        esp_err err = ESP_OK;
        error.text[0] = 0;
        if ((e->serves[k] = lab_has (l, (enum task_kind)k)))
            err = check_kind (l, e, (enum task_kind)k, r, &error);
        if (err != ESP_OK)
            check_mistake (r, error.text[0] ? error.text : esp_err_text (err));
        else
            e->slots[k] = lab_slots (l, (enum task_kind)k);
        fine = fine && err == ESP_OK;
    }
    if (e->at && note_models (l, e) != ESP_OK)
        check_mistake (r, esp_err_text (ESP_ENOMEM));
    if (fine && !e->at)
        check_print (r, "each worker: %u generations, %u scores, %u verdicts at once\n",
                     e->slots[TASK_GENERATE], e->slots[TASK_SCORE], e->slots[TASK_VERIFY]);
    lab_close (l);
}

/* ---- keys that do not fit each other ---- */

static void check_vote (const run_config *c, check_report *r)
{
    bool scores = c->search.has_prm || c->search.options.score == SCORE_LOGPROB;
    bool by_score = c->vote.rule != VOTE_MAJORITY && c->vote.rule != VOTE_FIRST;
    const char *n = config_peek (c->yaml, "search.n");
    bool one = strcmp (c->search.strategy->name, "greedy") == 0 || (n && strcmp (n, "1") == 0);
    if (!scores && by_score && c->samples.count == 0 && !one)
        check_warn (r,
                    "vote.rule chooses answers by scores, and nothing scores here: add a section "
                    "prm, search.score: logprob, or say vote.rule: majority");
}

/* mcts by puct: P comes of the log-probabilities. */
static void check_priors (const run_config *c, check_report *r)
{
    const char *selection = config_peek (c->yaml, "search.selection");
    bool silent = false;
    for (size_t i = 0; i < c->engine_count[TASK_GENERATE]; i++) {
        const engine_kind *kind = c->engines[TASK_GENERATE][i].kind;
        const char *given = config_peek_at (c->yaml, "generator", i, "logprobs");
        silent = silent || (kind && kind->http && (!given || strcmp (given, "none") == 0));
    }
    if (silent && strcmp (c->search.strategy->name, "mcts") == 0 &&
        (!selection || strcmp (selection, "puct") == 0))
        check_warn (
            r, "search.selection: puct has priors of log-probabilities, and generator.logprobs "
               "is none: all siblings have the same one; say sum, or selection: uct_prior");
}

void check_budgets (const run_config *c, check_report *r)
{
    int64_t thinking = c->prompt.step_how.think_max_tokens;
    check_vote (c, r);
    check_priors (c, r);
    for (size_t i = 0; i < c->engine_count[TASK_GENERATE]; i++) {
        const engine_options *g = &c->engines[TASK_GENERATE][i].common;
        if (thinking > 0 && thinking >= g->max_tokens)
            check_warn (r,
                        "generator.max_tokens%s%s: %lld tokens leave none for an answer behind "
                        "step.think.max_tokens, %lld: what is generated to its end (best_of_n, "
                        "rollouts, drafts) may be cut while it thinks",
                        g->name ? " of " : "", g->name ? g->name : "", (long long)g->max_tokens,
                        (long long)thinking);
    }
}

/* ---- disk ---- */

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
