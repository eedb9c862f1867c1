/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_try.c - espalier try: one problem through everything, with everything shown
 *
 * One branch is grown as the search would grow its first one: the strategy itself says whether it asks for steps or for whole
 * solutions, and of which generator.  The PRM scores each step, the verifier judges the end.  What engines really sent comes
 * through engine_setup.trace.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cluster/cli/commands.h"
#include "cluster/cli/lab.h"
#include "proto/base/alloc.h"
#include "proto/base/hash.h"

enum {
    STEPS_MOST = 200,
    SHOWN_BYTES =
        4096 /* of each end of a text that is longer than two of it; smaller: prompts with examples are cut */
};

static const char *const try_help =
    "usage: espalier try RUN.yaml [key=value ...] [--problem ID] [--whole]\n\n"
    "One problem (the first, or the one named) through the engines of a run file, without ranks: "
    "the first branch of its search\nalone.  Prints the prompt that was sent, each step, what the "
    "PRM was shown and its scores, the verdict, and what it cost;\nwrites no files.  Texts of more "
    "than 8 KB are shown without their middle; --whole: with it.  Exit status 0, or 2 when an\n"
    "engine cannot be used.\n";

struct attempt {
    run_config *config;
    lab *lab;
    problem problem;
    esp_buf problem_memory;
    task first; /* what the strategy asks first */
    span steps[STEPS_MOST];
    lab_result grown[STEPS_MOST];
    uint32_t tokens_of[STEPS_MOST];
    size_t count;
    bool ended;
    bool whole; /* texts are shown with their middle */
    bool
        traced; /* the first prompt was shown whole: later ones only add the steps that are printed anyway */
    uint64_t generated, prompt, cached, scored, generations;
    double seconds;
};

static void rule (const char *title)
{
    printf ("---- %s ", title);
    for (size_t i = strlen (title); i < 70; i++)
        putchar ('-');
    putchar ('\n');
}

static size_t characters (span text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    return n;
}

/* Both ends of a long text: a prompt may have megabytes, and what went wrong mostly stands at an end. */
static void show_ends (span text)
{
    span head = esp_utf8_cut (text, SHOWN_BYTES), left;
    size_t tail = text.len - SHOWN_BYTES;
    while (tail < text.len && ((unsigned char)text.ptr[tail] & 0xC0) == 0x80)
        tail++;
    left = span_make (text.ptr + head.len, tail - head.len);
    fwrite (head.ptr, 1, head.len, stdout);
    printf ("\n[... %zu characters left out here; espalier try --whole shows them ...]\n",
            characters (left));
    fwrite (text.ptr + tail, 1, text.len - tail, stdout);
}

static void show_text (const struct attempt *a, span text)
{
    if (a->whole || text.len <= 2 * SHOWN_BYTES)
        fwrite (text.ptr ? text.ptr : "", 1, text.len, stdout);
    else
        show_ends (text);
    if (text.len == 0 || text.ptr[text.len - 1] != '\n')
        fputs ("\xe2\x8f\x8e\n", stdout); /* the text does not end its line */
}

static void on_trace (void *ctx, const char *what, span text)
{
    struct attempt *a = ctx;
    if (a->traced && (strcmp (what, "prompt sent") == 0 || strcmp (what, "messages sent") == 0))
        return;
    a->traced = true;
    rule (what);
    show_text (a, text);
}

/* ---- stages ---- */

/* About the branch so far; what it is asked is the caller's. */
static job job_of (const struct attempt *a)
{
    job j = {.problem = a->problem.json,
             .steps = a->steps,
             .step_count = a->count,
             .step_tokens = a->tokens_of};
    j.task.id.problem = a->problem.key;
    j.task.node = (node_ref)a->count;
    return j;
}

/* The strategy's first request; for later steps the same at another place. */
static job next_piece (const struct attempt *a)
{
    job j = job_of (a);
    task wanted = a->first;
    wanted.id = j.task.id;
    wanted.node = j.task.node;
    wanted.child = j.task.node + 1;
    if (a->count > 0)
        wanted.seed = (uint32_t)(esp_hash_mix (a->first.seed, a->count) & 0x7fffffff);
    j.task = wanted;
    return j;
}

static int failed (const char *what, const result *r)
{
    fprintf (stderr, "espalier: the %s failed: %s%s%.*s (the log lines above say more)\n", what,
             esp_err_text (r->error), r->reason.len ? ": " : "", (int)r->reason.len, r->reason.ptr);
    return EXIT_USAGE;
}

/* A solution that came in one piece, cut as section `step` says. */
static void show_split (const struct attempt *a, span text)
{
    const step_split *split = &a->config->search.split;
    bool thinking = split->rule && split->thinks (split->rule, span_make ("", 0), 0);
    span step;
    if (!split->next) {
        show_text (a, text);
        return;
    }
    for (size_t i = 1; split->next (split->rule, &thinking, &text, &step); i++) {
        printf ("[step %zu]\n", i);
        show_text (a, step);
    }
}

static int grow (struct attempt *a)
{
    job j = next_piece (a);
    lab_result *got = &a->grown[a->count];
    const result *r = &got->r;
    bool whole = j.task.mode != TASK_STEP;
    char title[120];
    if (lab_do (a->lab, TASK_GENERATE, &j, 1, got) != ESP_OK)
        return EXIT_BROKEN;
    a->seconds += got->seconds;
    if (r->error != ESP_OK)
        return failed ("generator", r);
    a->generations++;
    a->generated += r->tokens;
    a->prompt += r->prompt_tokens;
    a->cached += r->cached_tokens;
    a->steps[a->count] = r->text;
    a->tokens_of[a->count++] = r->tokens;
    a->ended = whole || r->finish != FINISH_STOP;
    if (whole)
        snprintf (title, sizeof (title), "solution");
    else
        snprintf (title, sizeof (title), "step %zu", a->count);
    snprintf (title + strlen (title), sizeof (title) - strlen (title),
              ": %u tokens, finish %s, %.2f s", r->tokens, node_finish_names[r->finish],
              got->seconds);
    rule (title);
    if (whole)
        show_split (a, r->text);
    else
        show_text (a, r->text);
    return EXIT_DONE;
}

static int score (struct attempt *a)
{
    job j = job_of (a);
    lab_result got;
    int status = EXIT_DONE;
    if (!lab_has (a->lab, TASK_SCORE))
        return EXIT_DONE;
    if (lab_do (a->lab, TASK_SCORE, &j, 1, &got) != ESP_OK)
        return EXIT_BROKEN;
    a->seconds += got.seconds;
    a->scored += got.r.scored_tokens;
    if (got.r.error != ESP_OK) {
        status = failed ("PRM", &got.r);
    } else {
        if (a->first.mode == TASK_STEP)
            printf ("score of step %zu:", a->count);
        else
            printf ("scores of the steps:");
        for (uint32_t i = 0; i < got.r.score_count; i++)
            printf (" %.6g", got.r.scores[i]);
        printf ("   (%.2f s)\n", got.seconds);
    }
    lab_result_free (&got);
    return status;
}

static int verify (struct attempt *a)
{
    job j = job_of (a);
    lab_result got;
    int status = EXIT_DONE;
    if (!lab_has (a->lab, TASK_VERIFY))
        return EXIT_DONE;
    if (lab_do (a->lab, TASK_VERIFY, &j, 1, &got) != ESP_OK)
        return EXIT_BROKEN;
    a->seconds += got.seconds;
    rule ("verdict");
    if (got.r.error != ESP_OK)
        status = failed ("verifier", &got.r);
    else
        printf ("%s (%.*s), answer \"%.*s\"   (%.2f s)\n", verdict_names[got.r.verdict],
                (int)got.r.reason.len, got.r.reason.ptr, (int)got.r.answer.len, got.r.answer.ptr,
                got.seconds);
    if (status == EXIT_DONE && got.r.observation.len > 0)
        show_text (a, got.r.observation);
    lab_result_free (&got);
    return status;
}

static void say_cost (const struct attempt *a)
{
    rule ("cost");
    printf ("%llu generations, %llu generated tokens", (unsigned long long)a->generations,
            (unsigned long long)a->generated);
    if (a->prompt > 0)
        printf (", %llu prompt tokens (%llu cached)", (unsigned long long)a->prompt,
                (unsigned long long)a->cached);
    printf (", %llu scored tokens, %.2f s\n", (unsigned long long)a->scored, a->seconds);
}

static int walk (struct attempt *a)
{
    size_t most = (size_t)a->config->search.options.max_steps;
    int status = EXIT_DONE;
    if (most > STEPS_MOST)
        most = STEPS_MOST;
    rule ("problem");
    printf ("%.*s: ", (int)a->problem.id.len, a->problem.id.ptr);
    show_text (a, a->problem.json);
    while (status == EXIT_DONE && !a->ended && a->count < most)
        if ((status = grow (a)) == EXIT_DONE)
            status = score (a);
    if (status == EXIT_DONE && !a->ended)
        printf ("(search.max_steps reached)\n");
    if (status == EXIT_DONE)
        status = verify (a);
    say_cost (a);
    return status;
}

/* ---- the problem ---- */

static esp_err find_problem (struct attempt *a, const char *id, esp_error *error)
{
    problem_source *source;
    esp_err err = problem_source_open (&a->config->problems, NULL, run_config_check_problem,
                                       a->config, &source, error);
    bool found = false;
    if (err != ESP_OK)
        return err;
    for (uint32_t i = 0; !found && i < problem_source_count (source); i++) {
        if ((err = problem_source_get (source, 0, i, &a->problem_memory, &a->problem, error)) !=
            ESP_OK)
            break;
        found = !id || span_is (a->problem.id, id);
    }
    problem_source_close (source);
    if (err == ESP_OK && !found)
        return esp_error_set (error, ESP_ENOENT, "%s has no problem '%.100s'",
                              a->config->problems.file, id);
    return err;
}

/* The search opens the problem, and that is all it does. */
static esp_err plan_first (struct attempt *a, esp_error *error)
{
    input in = {.kind = INPUT_OPEN, .problem = a->problem.key};
    effects asked = {.tasks = NULL};
    search *s = NULL;
    esp_err err = search_create (&a->config->search, &a->problem, &s);
    const task *found = NULL;
    if (err == ESP_OK)
        err = search_apply (s, &in, &asked);
    for (size_t i = 0; err == ESP_OK && !found && i < asked.task_count; i++)
        if (asked.tasks[i].kind == TASK_GENERATE)
            found = &asked.tasks[i];
    if (found)
        a->first = *found;
    a->first.extra = span_make ("", 0);
    if (err != ESP_OK)
        esp_error_set (error, err, "%s", esp_err_text (err));
    else if (!found)
        err = esp_error_set (error, ESP_EBUDGET,
                             "search.budget is too small for one generation: nothing is asked");
    effects_free (&asked);
    search_destroy (s);
    return err;
}

static int go (struct attempt *a, const char *id)
{
    esp_error error = {0};
    int status;
    esp_err err = find_problem (a, id, &error);
    if (err == ESP_OK)
        err = plan_first (a, &error);
    if (err == ESP_OK)
        err = lab_open (a->config, NULL, on_trace, a, &a->lab, &error);
    for (int k = 0; k < TASK_KINDS && err == ESP_OK; k++)
        err = lab_ready (a->lab, (enum task_kind)k, &error);
    if (err != ESP_OK) {
        fprintf (stderr, "espalier: %s\n", error.text);
        return EXIT_USAGE;
    }
    status = walk (a);
    for (size_t i = 0; i < STEPS_MOST; i++)
        lab_result_free (&a->grown[i]);
    return status;
}

struct try_words {
    const char *path, *id;
    size_t overrides; /* they stand at the beginning of argv then */
    bool whole, help;
};

/* Returns EXIT_DONE, or the status to leave with. */
static int parse (int argc, char **argv, struct try_words *w)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp (argv[i], "--help") == 0 || strcmp (argv[i], "-h") == 0) {
            w->help = true;
        } else if (strcmp (argv[i], "--whole") == 0) {
            w->whole = true;
        } else if (strcmp (argv[i], "--problem") == 0) {
            if (++i == argc) {
                fputs ("espalier: --problem: which one? its id is missing\n", stderr);
                return EXIT_USAGE;
            }
            w->id = argv[i];
        } else if (!w->path) {
            w->path = argv[i];
        } else {
            argv[w->overrides++] = argv[i];
        }
    }
    if (w->help || !w->path)
        fputs (try_help, w->help ? stdout : stderr);
    return w->path || w->help ? EXIT_DONE : EXIT_USAGE;
}

int try_main (int argc, char **argv)
{
    struct attempt a = {.config = NULL};
    struct try_words w = {.path = NULL};
    esp_buf mistakes = {0};
    esp_error error = {0};
    int status;
    if ((status = parse (argc, argv, &w)) != EXIT_DONE || w.help)
        return status;
    a.whole = w.whole;
    if (run_config_load (w.path, argv, w.overrides, &a.config, &mistakes, &error) != ESP_OK) {
        fprintf (stderr, mistakes.len ? "%s" : "espalier: %s\n",
                 mistakes.len ? esp_buf_text (&mistakes) : error.text);
        status = EXIT_USAGE;
    } else {
        status = go (&a, w.id);
    }
    lab_close (a.lab);
    run_config_destroy (a.config);
    esp_buf_free (&a.problem_memory);
    esp_buf_free (&mistakes);
    return status;
}
