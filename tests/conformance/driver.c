/* SPDX-License-Identifier: Apache-2.0 */
/* driver.c - see driver.h
 *
 * The run-file path is the program's own: YAML text, config_parse, the core's rows and the strategy's rows, the
 * strategy's fit().  A strategy that never ends is given up after TASKS_MOST answers.
 */

#include "tests/conformance/driver.h"
#include <math.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/arena.h"
#include "proto/base/rng.h"
#include "proto/config/config.h"

enum {
    TASKS_MOST = 3000000, /* answers per problem: far over every golden case, seconds of work */
    STEP_TOKENS = 512,    /* never reached by the fake rules */
    TO_END_TOKENS = 1 << 20
};

typedef struct requests {
    request *at;
    size_t count, cap;
} requests;

struct driver {
    driver_setup setup;
    config *config;
    search_setup search_setup;
    void *options;
    search *search;
    effects effects;
    task *queue;                    /* planned and not answered, in plan order */
    size_t head, queued, queue_cap; /* tasks stand from head to queued */
    uint64_t answered, draws;
    uint32_t waves;
    requests made, looks;
    esp_arena *arena;
};

/* ---- keeping ---- */

span driver_keep (driver *d, span text)
{
    span kept = span_make ("", 0);
    return esp_arena_copy (d->arena, text, &kept) == ESP_OK ? kept : span_make ("", 0);
}

static esp_err path_text (const driver *d, node_ref n, span extra, esp_buf *out)
{
    esp_err err = tree_path_text (search_tree (d->search), n, out);
    return err == ESP_OK ? esp_buf_add (out, extra) : err;
}

span driver_text (driver *d, node_ref n)
{
    esp_buf text = {0};
    span kept = span_make ("", 0);
    if (path_text (d, n, kept, &text) == ESP_OK)
        kept = driver_keep (d, esp_buf_span (&text));
    esp_buf_free (&text);
    return kept;
}

const double *driver_scores (driver *d, node_ref n, size_t *count)
{
    const tree *t = search_tree (d->search);
    size_t total = tree_path_scores (t, n, NULL, 0);
    double *scores = esp_arena_alloc (d->arena, (total + 1) * sizeof (*scores));
    *count = scores ? tree_path_scores (t, n, scores, total) : 0;
    return scores;
}

const node_ref *driver_answers (driver *d, size_t *count)
{
    size_t total = search_answers (d->search, NULL, 0);
    node_ref *refs = esp_arena_alloc (d->arena, (total + 1) * sizeof (*refs));
    *count = refs ? search_answers (d->search, refs, total) : 0;
    return refs;
}

/* ---- requests ---- */

static esp_err note_request (driver *d, const task *t, bool *in_wave)
{
    requests *list = t->child == NODE_NONE ? &d->looks : &d->made;
    esp_buf prompt = {0};
    esp_err err;
    if (esp_grow (&list->at, &list->cap, list->count + 1, sizeof (*list->at)) != 0)
        return ESP_ENOMEM;
    if ((err = esp_buf_printf (&prompt, "%s|A|", d->setup.world.question)) == ESP_OK)
        err = path_text (d, t->node, t->extra, &prompt);
    if (err == ESP_OK && t->child != NODE_NONE && !*in_wave) {
        d->waves++;
        *in_wave = true;
    }
    if (err == ESP_OK)
        list->at[list->count++] = (request){.planned = *t,
                                            .node = t->child,
                                            .wave = d->waves - 1,
                                            .text = span_make ("", 0),
                                            .prompt = driver_keep (d, esp_buf_span (&prompt))};
    esp_buf_free (&prompt);
    return err;
}

static request *find_request (requests *list, uint32_t task_number)
{
    size_t low = 0, high = list->count; /* task numbers rise */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (list->at[middle].planned.id.number < task_number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < list->count && list->at[low].planned.id.number == task_number ? &list->at[low]
                                                                               : NULL;
}

static void note_answer (driver *d, const task *t, const result *r)
{
    request *q = find_request (t->child == NODE_NONE ? &d->looks : &d->made, t->id.number);
    if (!q || r->error != ESP_OK)
        return;
    q->text = driver_keep (d, r->text);
    q->eos = r->finish == FINISH_EOS;
    q->answered = true;
}

/* ---- the loop ---- */

static esp_err answer_task (driver *d, const task *t)
{
    esp_buf text = {0};
    input in = {.kind = INPUT_RESULT, .problem = t->id.problem};
    result *r = &in.u.result;
    esp_err err = path_text (d, t->node, t->extra, &text);
    *r = (result){.id = t->id, .logprob = NAN, .mean_logprob = NAN, .share = NAN};
    if (err == ESP_OK &&
        !(d->setup.hook.answer && d->setup.hook.answer (d->setup.hook.ctx, d, t, r))) {
        size_t extra_at = text.len - t->extra.len, own = search_node (d->search, t->node)->text_len;
        err = fake_answer (&d->setup.world, t, esp_buf_span (&text), extra_at - own, extra_at,
                           d->arena, r);
    }
    if (err == ESP_OK && t->kind == TASK_GENERATE)
        note_answer (d, t, r);
    if (err == ESP_OK)
        err = search_apply (d->search, &in, &d->effects);
    esp_buf_free (&text);
    return err;
}

/* Also moves the rest to the front. */
static void drop_cancelled (driver *d)
{
    size_t kept = 0;
    for (size_t i = d->head; i < d->queued; i++)
        if (search_wants (d->search, d->queue[i].id.number))
            d->queue[kept++] = d->queue[i];
    d->head = 0;
    d->queued = kept;
}

static esp_err take_effects (driver *d)
{
    bool in_wave = false;
    esp_err err = ESP_OK;
    if (d->effects.cancel_count > 0 || 2 * d->head > d->queued)
        drop_cancelled (d);
    if (esp_grow (&d->queue, &d->queue_cap, d->queued + d->effects.task_count,
                  sizeof (*d->queue)) != 0)
        return ESP_ENOMEM;
    for (size_t i = 0; i < d->effects.task_count && err == ESP_OK; i++) {
        const task *t = &d->effects.tasks[i];
        if (!search_wants (d->search, t->id.number))
            continue; /* planned and cancelled by the same input */
        d->queue[d->queued++] = *t;
        if (t->kind == TASK_GENERATE)
            err = note_request (d, t, &in_wave);
    }
    return err;
}

/* Constant time for each order: in plan order the queue's head moves, shuffled a hole is filled by the last task. */
static task next_task (driver *d)
{
    size_t at = d->head;
    task t;
    if (d->setup.order == ORDER_REVERSE)
        at = d->queued - 1;
    if (d->setup.order == ORDER_SHUFFLED)
        at += esp_draw_below (d->setup.seed, d->draws++, (uint32_t)(d->queued - d->head));
    t = d->queue[at];
    if (d->setup.order == ORDER_PLAN)
        d->head++;
    else
        d->queue[at] = d->queue[--d->queued];
    return t;
}

static esp_err play (driver *d, esp_error *error)
{
    input open = {.kind = INPUT_OPEN};
    esp_err err = search_apply (d->search, &open, &d->effects);
    while (err == ESP_OK && (err = take_effects (d)) == ESP_OK && !search_finished (d->search)) {
        if (d->queued == d->head)
            return esp_error_set (error, ESP_EENGINE,
                                  "the search neither ended nor asks for anything");
        if (d->answered++ == TASKS_MOST)
            return esp_error_set (error, ESP_ETOOBIG, "no end after %d tasks", TASKS_MOST);
        task t = next_task (d);
        err = answer_task (d, &t);
    }
    return err == ESP_OK ? ESP_OK
                         : esp_error_set (error, err, "the search failed: %s", esp_err_text (err));
}

/* ---- life ---- */

static esp_err bind_options (driver *d, const strategy *how, esp_error *error)
{
    const esp_option *tables[2] = {search_option_rows, how->options};
    void *structs[2] = {&d->search_setup.options, NULL};
    const char *mistakes;
    esp_err err;
    if (!(d->options = esp_calloc (1, how->option_bytes + 1)))
        return ESP_ENOMEM;
    structs[1] = d->options;
    if ((err = config_bind (d->config, "search", tables, structs, how->options ? 2 : 1)) !=
            ESP_OK ||
        (err = config_check_unknown (d->config)) != ESP_OK)
        return err;
    if (config_mistakes (d->config, &mistakes) > 0)
        return esp_error_set (error, ESP_EINVAL, "%s", mistakes);
    return how->fit ? how->fit (d->options, error) : ESP_OK;
}

static esp_err read_section (driver *d, esp_error *error)
{
    esp_buf yaml = {0};
    const char *name;
    esp_err err = esp_buf_printf (&yaml, "search: {%s}\n", d->setup.section);
    if (err == ESP_OK)
        err = config_parse (esp_buf_span (&yaml), "golden", &d->config, error);
    esp_buf_free (&yaml);
    if (err != ESP_OK)
        return err;
    name = config_peek (d->config, "search.strategy");
    d->search_setup.strategy = strategy_find (name);
    if (!d->search_setup.strategy)
        return esp_error_set (error, ESP_EUNKNOWN, "no strategy '%s' yet", name ? name : "");
    return bind_options (d, d->search_setup.strategy, error);
}

static esp_err make_search (driver *d)
{
    esp_buf json = {0};
    problem p = {.id = span_of (d->setup.world.question)};
    esp_err err = esp_buf_puts (&json, "{\"question\":");
    if (err == ESP_OK && (err = esp_buf_json_string (&json, p.id)) == ESP_OK)
        err = esp_buf_puts (&json, "}");
    p.json = esp_buf_span (&json);
    d->search_setup.strategy_options = d->options;
    d->search_setup.run_seed = 42;
    d->search_setup.how =
        (sampling){.temperature = 0.8, .top_p = 1.0, .max_step_tokens = STEP_TOKENS};
    d->search_setup.max_tokens = TO_END_TOKENS;
    d->search_setup.has_prm = !d->setup.hook.no_prm;
    d->search_setup.has_verifier = d->setup.hook.verifier;
    d->search_setup.count_prompts = true;
    if (err == ESP_OK)
        err = search_create (&d->search_setup, &p, &d->search);
    esp_buf_free (&json);
    return err;
}

esp_err driver_run (const driver_setup *setup, driver **out, esp_error *error)
{
    driver *d = esp_calloc (1, sizeof (*d));
    esp_err err = ESP_ENOMEM;
    if (!d)
        return esp_error_set (error, ESP_ENOMEM, "%s", esp_err_text (ESP_ENOMEM));
    d->setup = *setup;
    if ((err = esp_arena_create (4096, &d->arena)) == ESP_OK &&
        (err = read_section (d, error)) == ESP_OK && (err = make_search (d)) == ESP_OK)
        err = play (d, error);
    if (err == ESP_OK) {
        *out = d;
        return ESP_OK;
    }
    driver_close (d);
    return error && error->text[0] ? err : esp_error_set (error, err, "%s", esp_err_text (err));
}

void driver_close (driver *d)
{
    if (!d)
        return;
    search_destroy (d->search);
    effects_free (&d->effects);
    config_destroy (d->config);
    esp_free (d->options);
    esp_free (d->queue);
    esp_free (d->made.at);
    esp_free (d->looks.at);
    esp_arena_destroy (d->arena);
    esp_free (d);
}

/* ---- looking ---- */

const search *driver_search (const driver *d)
{
    return d->search;
}

const void *driver_options (const driver *d)
{
    return d->options;
}

const request *driver_requests (const driver *d, size_t *count)
{
    *count = d->made.count;
    return d->made.at;
}

const request *driver_lookaheads (const driver *d, size_t *count)
{
    *count = d->looks.count;
    return d->looks.at;
}

uint32_t driver_waves (const driver *d)
{
    return d->waves;
}

const request *driver_wave (const driver *d, uint32_t wave, size_t *count)
{
    size_t first = 0, end;
    while (first < d->made.count && d->made.at[first].wave < wave)
        first++;
    for (end = first; end < d->made.count && d->made.at[end].wave == wave; end++)
        ;
    *count = end - first;
    return *count ? d->made.at + first : NULL;
}

const request *driver_request_of (const driver *d, node_ref ref)
{
    for (size_t i = 0; i < d->made.count; i++)
        if (d->made.at[i].node == ref)
            return &d->made.at[i];
    return NULL;
}
