/* SPDX-License-Identifier: Apache-2.0 */
/* lab.c - see lab.h */

#include "cluster/cli/lab.h"
#include <math.h>
#include <poll.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"

enum {
    FDS = 64,
    NAP_MS = 20,     /* between looks at engines that have no descriptor ready */
    FIRST_SAY_S = 3, /* before it is said what is waited for: most servers have answered by then */
    SAY_S = 10
};

struct lab {
    worker_engines engines;
    esp_clock clock;
    esp_buf run_file;
    uint32_t next; /* task numbers */
    const job *jobs;
    size_t count, left;
    lab_result *results;
    uint64_t started_ns;
    bool no_memory;
};

/* ---- results ---- */

void lab_result_free (lab_result *r)
{
    esp_free (r->memory);
    *r = (lab_result){.memory = NULL};
}

static span keep (char **at, span text)
{
    char *copy = *at;
    if (text.len > 0)
        memcpy (copy, text.ptr, text.len);
    copy[text.len] = 0;
    *at += text.len + 1;
    return span_make (copy, text.len);
}

static bool copy_result (const result *r, lab_result *out)
{
    size_t scores = r->score_count * sizeof (double);
    char *at = esp_malloc (scores + r->text.len + r->answer.len + r->observation.len +
                           r->reason.len + r->server.len + 5);
    if (!at)
        return false;
    out->r = *r;
    out->memory = at;
    if (scores > 0)
        memcpy (at, r->scores, scores);
    out->r.scores = scores > 0 ? (const double *)(const void *)at : NULL;
    at += scores;
    out->r.text = keep (&at, r->text);
    out->r.answer = keep (&at, r->answer);
    out->r.observation = keep (&at, r->observation);
    out->r.reason = keep (&at, r->reason);
    out->r.server = keep (&at, r->server);
    out->r.token_data = span_make ("", 0);
    return true;
}

static void on_done (void *ctx, const job *j, const result *r)
{
    lab *l = ctx;
    size_t i = (size_t)(j - l->jobs);
    if (!copy_result (r, &l->results[i]))
        l->no_memory = true;
    l->results[i].seconds = (double)(esp_clock_ns (&l->clock) - l->started_ns) / 1e9;
    l->left--;
}

/* ---- life ---- */

esp_err lab_open (const run_config *c, const lab_place *at,
                  void (*trace) (void *ctx, const char *what, span text), void *ctx, lab **out,
                  esp_error *error)
{
    lab *l = esp_calloc (1, sizeof (*l));
    engine_setup base;
    esp_err err = l ? config_resolved (c->yaml, &l->run_file) : ESP_ENOMEM;
    if (err != ESP_OK) {
        lab_close (l);
        return esp_error_set (error, err, "%s", esp_err_text (err));
    }
    l->clock = esp_clock_monotonic ();
    base = (engine_setup){
        .clock = &l->clock, .done = on_done, .ctx = l, .trace = trace, .trace_ctx = ctx};
    if (at) {
        base.rank = at->rank;
        base.local_rank = at->local_rank;
    }
    if ((err = run_config_open_engines (at ? l : NULL, esp_buf_span (&l->run_file), &base,
                                        &l->engines, error)) != ESP_OK) {
        esp_buf_free (&l->run_file);
        esp_free (l);
        return err;
    }
    *out = l;
    return ESP_OK;
}

void lab_close (lab *l)
{
    if (!l)
        return;
    if (l->engines.owner)
        run_config_close_engines (NULL, &l->engines);
    esp_buf_free (&l->run_file);
    esp_free (l);
}

bool lab_has (const lab *l, enum task_kind kind)
{
    return l->engines.of[kind].kind != NULL;
}

/* ---- waiting ---- */

static void look (lab *l)
{
    struct pollfd fds[FDS];
    int list[FDS];
    size_t n = 0;
    for (int k = 0; k < TASK_KINDS; k++) {
        const engine_kind *kind = l->engines.of[k].kind;
        if (kind && kind->poll)
            kind->poll (l->engines.of[k].state);
        if (kind && kind->fds)
            n += kind->fds (l->engines.of[k].state, list + n, FDS - n);
    }
    for (size_t i = 0; i < n; i++)
        fds[i] = (struct pollfd){list[i], POLLIN, 0};
    if (poll (fds, (nfds_t)n, NAP_MS) < 0)
        return; /* a signal: the next look comes at once */
}

static esp_err
wait_for (lab *l, void *state, esp_err (*done) (void *state, esp_error *why), esp_error *why)
{
    uint64_t say_ns = esp_clock_ns (&l->clock) + (uint64_t)FIRST_SAY_S * 1000000000;
    esp_err err = ESP_OK;
    while (done && (err = done (state, why)) == ESP_EEMPTY) {
        look (l);
        if (esp_clock_ns (&l->clock) < say_ns)
            continue;
        say_ns += (uint64_t)SAY_S * 1000000000;
        esp_log (LOG_WARN, "WORKER-WAITS", "not ready yet: %s (Ctrl-C ends the waiting)",
                 why->text);
    }
    return err;
}

esp_err lab_ready (lab *l, enum task_kind kind, esp_error *why)
{
    const engine_kind *k = l->engines.of[kind].kind;
    return k ? wait_for (l, l->engines.of[kind].state, k->ready, why) : ESP_OK;
}

void lab_settle (lab *l, enum task_kind kind)
{
    const engine_kind *k = l->engines.of[kind].kind;
    esp_error why = {0};
    if (k && wait_for (l, l->engines.of[kind].state, k->settled, &why) != ESP_OK)
        esp_log (LOG_WARN, "WORKER-WAITS", "%s", why.text);
}

esp_err lab_describe (lab *l, enum task_kind kind, esp_buf *out)
{
    const engine_kind *k = l->engines.of[kind].kind;
    return k && k->describe ? k->describe (l->engines.of[kind].state, out) : ESP_OK;
}

size_t lab_models (const lab *l, enum task_kind kind, engine_model *out, size_t max)
{
    const engine_kind *k = l->engines.of[kind].kind;
    return k && k->models ? k->models (l->engines.of[kind].state, out, max) : 0;
}

uint32_t lab_slots (const lab *l, enum task_kind kind)
{
    const engine_kind *k = l->engines.of[kind].kind;
    if (!k)
        return 0;
    if (l->engines.slots[kind] > 0)
        return l->engines.slots[kind];
    return k->slots ? k->slots (l->engines.of[kind].state) : 64;
}

uint32_t lab_context (const lab *l, uint16_t action)
{
    const engine_kind *k = l->engines.of[TASK_GENERATE].kind;
    return k && k->context ? k->context (l->engines.of[TASK_GENERATE].state, action) : 0;
}

esp_err lab_do (lab *l, enum task_kind kind, job *jobs, size_t n, lab_result *out)
{
    const job **list = esp_calloc (n + 1, sizeof (*list));
    if (!list)
        return ESP_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        out[i] = (lab_result){.memory = NULL};
        jobs[i].task.kind = (uint8_t)kind;
        jobs[i].task.id.number = l->next++;
        list[i] = &jobs[i];
    }
    l->jobs = jobs;
    l->count = l->left = n;
    l->results = out;
    l->started_ns = esp_clock_ns (&l->clock);
    l->engines.of[kind].kind->start (l->engines.of[kind].state, list, n);
    while (l->left > 0)
        look (l);
    esp_free (list);
    return l->no_memory ? ESP_ENOMEM : ESP_OK;
}
