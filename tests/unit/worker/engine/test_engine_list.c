/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_list.c - what worker/engine/engine_list.h promises */
// LINK: esp_engine_table

#include "worker/engine/engine_list.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "tests/support/suite.h"

enum { PARTS = 3, JOBS = 8 };

/* A part that keeps its jobs until the test lets go of them. */
struct toy {
    engine_setup setup;
    const job *jobs[JOBS];
    size_t count;
    unsigned starts, polls, cancels, closed;
    uint32_t slots;
    esp_err open, ready;
};

struct world {
    struct toy toys[PARTS];
    engine_part parts[PARTS];
    engine_list list;
    engine_action actions[4];
    const engine_kind *kind;
    void *state;
    job jobs[JOBS];
    /* what came back */
    size_t answers, order[JOBS]; /* job numbers */
    result last;
    double scores[8];
};

/* ---- the parts ---- */

static esp_err toy_open (const engine_setup *setup, void **state, esp_error *error)
{
    struct toy *t = (struct toy *)(uintptr_t)setup->options;
    if (t->open != ESP_OK)
        return esp_error_set (error, t->open, "no luck");
    t->setup = *setup;
    *state = t;
    return ESP_OK;
}

static void toy_start (void *state, const job *const *jobs, size_t n)
{
    struct toy *t = state;
    t->starts++;
    for (size_t i = 0; i < n; i++)
        t->jobs[t->count++] = jobs[i];
}

static void toy_poll (void *state)
{
    ((struct toy *)state)->polls++;
}

static void toy_cancel (void *state, const job *j)
{
    struct toy *t = state;
    for (size_t i = 0; i < t->count; i++)
        if (t->jobs[i] == j) {
            t->jobs[i] = t->jobs[--t->count];
            t->cancels++;
        }
}

static size_t toy_fds (void *state, int *fds, size_t max)
{
    (void)state;
    if (max > 0)
        fds[0] = 7;
    return max > 0;
}

static void toy_close (void *state)
{
    ((struct toy *)state)->closed++;
}

static uint32_t toy_slots (const void *state)
{
    return ((const struct toy *)state)->slots;
}

static esp_err toy_ready (void *state, esp_error *why)
{
    const struct toy *t = state;
    return t->ready == ESP_OK ? ESP_OK : esp_error_set (why, t->ready, "error %d", (int)t->ready);
}

static uint32_t toy_context (const void *state, uint16_t action)
{
    (void)action;
    return 1000 * ((const struct toy *)state)->slots;
}

static const engine_kind toy_kind = {.name = "toy",
                                     .open = toy_open,
                                     .start = toy_start,
                                     .poll = toy_poll,
                                     .cancel = toy_cancel,
                                     .fds = toy_fds,
                                     .close = toy_close,
                                     .slots = toy_slots,
                                     .context = toy_context,
                                     .ready = toy_ready};

static void
answer (struct world *w, size_t part, uint32_t number, esp_err error, double a, double b)
{
    struct toy *t = &w->toys[part];
    double scores[2] = {a, b};
    for (size_t i = 0; i < t->count; i++) {
        const job *j = t->jobs[i];
        result r = {.id = j->task.id,
                    .error = error,
                    .scores = scores,
                    .score_count = isnan (b) ? 1 : 2,
                    .score_own = 1,
                    .scored_tokens = 10,
                    .logprob = NAN,
                    .mean_logprob = NAN,
                    .share = NAN};
        if (j->task.id.number != number)
            continue;
        t->jobs[i] = t->jobs[--t->count];
        t->setup.done (t->setup.ctx, j, &r);
        return;
    }
    CU_FAIL ("the part has that job");
}

/* ---- the loop ---- */

static void done (void *ctx, const job *j, const result *r)
{
    struct world *w = ctx;
    CHECK (j == &w->jobs[j->task.id.number]);
    w->order[w->answers++] = j->task.id.number;
    w->last = *r;
    for (uint32_t i = 0; i < r->score_count; i++)
        w->scores[i] = r->scores[i];
}

static esp_err
world_open (struct world *w, const engine_kind *kind, size_t actions, esp_error *error)
{
    static const char *const names[PARTS] = {"one", "two", "three"};
    engine_setup setup = {.options = &w->list,
                          .actions = w->actions,
                          .action_count = actions,
                          .done = done,
                          .ctx = w};
    for (size_t i = 0; i < PARTS; i++) {
        w->toys[i].slots = 4 + (uint32_t)i;
        w->parts[i] = (engine_part){
            .kind = &toy_kind, .name = names[i], .options = &w->toys[i], .weight = 1.0 + (double)i};
    }
    w->list = (engine_list){w->parts, PARTS};
    w->kind = kind;
    for (uint32_t i = 0; i < JOBS; i++)
        w->jobs[i].task.id = (task_id){1, i};
    return kind->open (&setup, &w->state, error);
}

static void world_close (struct world *w)
{
    w->kind->close (w->state);
    for (size_t i = 0; i < PARTS; i++)
        CHECK (w->toys[i].closed == 1);
    CHECK (esp_alloc_live () == 0);
}

static void start (struct world *w, uint32_t first, size_t n)
{
    const job *jobs[JOBS];
    for (size_t i = 0; i < n; i++)
        jobs[i] = &w->jobs[first + i];
    w->kind->start (w->state, jobs, n);
}

/* ---- a choice ---- */

static void without_actions_action_i_is_generator_i (void)
{
    struct world w = {.answers = 0};
    esp_error error = {0};
    PASS (world_open (&w, &engine_choice, 0, &error));
    for (uint32_t i = 0; i < 5; i++)
        w.jobs[i].task.action = (uint16_t)(i % 2 ? 2 : 0); /* 0 2 0 2 0 */
    w.jobs[5].task.action = 3;                             /* nobody's */
    start (&w, 0, 6);
    CHECK (w.toys[0].count == 3 && w.toys[1].count == 0 && w.toys[2].count == 2);
    CHECK (w.toys[0].starts == 1 && w.toys[2].starts == 1); /* siblings stand together */
    CHECK (w.toys[0].jobs[1] == &w.jobs[2]);
    CHECK (w.answers == 1 && w.order[0] == 5 && w.last.error == ESP_ERANGE);
    answer (&w, 2, 3, ESP_OK, 0.5, NAN);
    CHECK (w.answers == 2 && w.order[1] == 3);
    w.kind->cancel (w.state, &w.jobs[1]);
    CHECK (w.toys[2].cancels == 1 && w.toys[2].count == 0);
    world_close (&w);
}

static void an_action_names_its_generator (void)
{
    struct world w = {.actions = {{1, NULL}, {0, "Think."}, {1, NULL}}};
    esp_error error = {0};
    PASS (world_open (&w, &engine_choice, 3, &error));
    for (uint32_t i = 0; i < 4; i++)
        w.jobs[i].task.action = (uint16_t)i;
    start (&w, 0, 4);
    CHECK (w.toys[0].count == 1 && w.toys[1].count == 2 && w.toys[2].count == 0);
    CHECK (w.answers == 1 && w.order[0] == 3 && w.last.error == ESP_ERANGE);
    CHECK (w.toys[0].setup.kind == &toy_kind); /* its own row, not that of the list */
    CHECK (w.toys[0].setup.action_count == 3 && strcmp (w.toys[1].setup.model_name, "two") == 0);
    CHECK (engine_choice.context (w.state, 0) == 5000 &&
           engine_choice.context (w.state, 1) == 4000);
    CHECK (engine_choice.context (w.state, 3) == 0); /* no such action */
    world_close (&w);
}

static void slots_are_summed_and_all_must_be_ready (void)
{
    struct world w = {.answers = 0};
    esp_error error = {0};
    int fds[2];
    PASS (world_open (&w, &engine_choice, 0, &error));
    CHECK (w.kind->slots (w.state) == 4 + 5 + 6);
    w.parts[1].slots = 50; /* by the run file */
    CHECK (w.kind->slots (w.state) == 4 + 50 + 6);
    w.toys[1].slots = 0;                  /* its servers are out */
    CHECK (w.kind->slots (w.state) == 0); /* nothing for it must come here */
    PASS (w.kind->ready (w.state, &error));
    w.toys[0].ready = ESP_EEMPTY;
    FAILS (w.kind->ready (w.state, &error), ESP_EEMPTY);
    CHECK (strstr (error.text, "one: error") != NULL);
    w.toys[2].ready = ESP_EPERMISSION; /* never: that is what must be said */
    FAILS (w.kind->ready (w.state, &error), ESP_EPERMISSION);
    CHECK (strstr (error.text, "three: error") != NULL);
    w.kind->poll (w.state);
    CHECK (w.toys[0].polls == 1 && w.toys[2].polls == 1);
    CHECK (w.kind->fds (w.state, fds, 2) == 2);
    world_close (&w);
}

static void a_part_that_cannot_be_opened_closes_the_others (void)
{
    struct world w = {.toys = {[2] = {.open = ESP_ENOENT}}};
    esp_error error = {0};
    FAILS (world_open (&w, &engine_choice, 0, &error), ESP_ENOENT);
    CHECK (strcmp (error.text, "three: no luck") == 0);
    CHECK (w.toys[0].closed == 1 && w.toys[1].closed == 1 && w.toys[2].closed == 0);
    CHECK (esp_alloc_live () == 0);
}

/* ---- an ensemble ---- */

static void scores_are_the_mean_by_weight (void)
{
    struct world w = {.answers = 0}; /* weights 1, 2, 3 */
    esp_error error = {0};
    PASS (world_open (&w, &engine_ensemble, 0, &error));
    start (&w, 0, 2);
    CHECK (w.toys[0].count == 2 && w.toys[1].count == 2 && w.toys[2].count == 2);
    answer (&w, 2, 0, ESP_OK, 0.9, 0.3);
    answer (&w, 0, 0, ESP_OK, 0.3, 0.6);
    CHECK (w.answers == 0);
    answer (&w, 1, 0, ESP_OK, 0.6, 0.0);
    CHECK (w.answers == 1 && w.last.error == ESP_OK && w.last.score_count == 2);
    CHECK (w.last.score_own == 1 && w.last.scored_tokens == 30);
    CHECK (w.scores[0] == (1 * 0.3 + 2 * 0.6 + 3 * 0.9) / 6); /* in the order of the list */
    CHECK (w.scores[1] == (1 * 0.6 + 2 * 0.0 + 3 * 0.3) / 6);
    CHECK (w.kind->slots (w.state) == 4); /* the narrowest */
    world_close (&w);                     /* job 1 is out: it is forgotten */
}

static void one_that_fails_is_the_error_of_the_job (void)
{
    struct world w = {.answers = 0};
    esp_error error = {0};
    PASS (world_open (&w, &engine_ensemble, 0, &error));
    start (&w, 0, 1);
    answer (&w, 2, 0, ESP_EPEER, 0, NAN);
    answer (&w, 1, 0, ESP_ETIMEOUT, 0, NAN);
    CHECK (w.answers == 0);
    answer (&w, 0, 0, ESP_OK, 0.4, NAN);
    CHECK (w.answers == 1 && w.last.error == ESP_ETIMEOUT && w.last.score_count == 0);
    world_close (&w);
}

static void different_numbers_of_scores_are_an_error (void)
{
    struct world w = {.answers = 0};
    esp_error error = {0};
    PASS (world_open (&w, &engine_ensemble, 0, &error));
    start (&w, 0, 1);
    answer (&w, 0, 0, ESP_OK, 0.4, 0.5);
    answer (&w, 1, 0, ESP_OK, 0.4, NAN);
    answer (&w, 2, 0, ESP_OK, 0.4, 0.5);
    CHECK (w.answers == 1 && w.last.error == ESP_EENGINE);
    world_close (&w);
}

static void a_cancelled_job_leaves_every_part (void)
{
    struct world w = {.answers = 0};
    esp_error error = {0};
    PASS (world_open (&w, &engine_ensemble, 0, &error));
    start (&w, 0, 3);
    answer (&w, 1, 1, ESP_OK, 0.4, NAN);
    w.kind->cancel (w.state, &w.jobs[1]);
    CHECK (w.toys[0].cancels == 1 && w.toys[1].cancels == 0 && w.toys[2].cancels == 1);
    w.kind->cancel (w.state, &w.jobs[1]); /* gone already */
    for (size_t p = 0; p < PARTS; p++)
        answer (&w, p, 0, ESP_OK, 0.5, NAN);
    CHECK (w.answers == 1 && w.order[0] == 0);
    world_close (&w);
}

static void memory_that_runs_out_fails_jobs_only (void)
{
    const engine_kind *const kinds[] = {&engine_choice, &engine_ensemble};
    for (size_t k = 0; k < 2; k++)
        for (long n = 0; n < 12; n++) {
            struct world w = {.answers = 0};
            esp_error error = {0};
            esp_err err;
            esp_alloc_fail_after (n);
            if ((err = world_open (&w, kinds[k], 0, &error)) == ESP_OK) {
                start (&w, 0, 2);
                for (size_t p = 0; p < PARTS; p++)
                    while (w.toys[p].count > 0)
                        answer (&w, p, w.toys[p].jobs[0]->task.id.number, ESP_OK, 1, NAN);
                CHECK (w.answers == 2);
                w.kind->close (w.state);
            }
            esp_alloc_fail_after (-1);
            CHECK (err == ESP_OK || err == ESP_ENOMEM);
            CHECK (esp_alloc_live () == 0);
        }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"without actions action i is generator i", without_actions_action_i_is_generator_i},
        {"an action names its generator", an_action_names_its_generator},
        {"slots are summed and all must be ready", slots_are_summed_and_all_must_be_ready},
        {"a part that cannot be opened closes the others",
         a_part_that_cannot_be_opened_closes_the_others},
        {"scores are the mean by weight", scores_are_the_mean_by_weight},
        {"one that fails is the error of the job", one_that_fails_is_the_error_of_the_job},
        {"different numbers of scores are an error", different_numbers_of_scores_are_an_error},
        {"a cancelled job leaves every part", a_cancelled_job_leaves_every_part},
        {"memory that runs out fails jobs only", memory_that_runs_out_fails_jobs_only},
        {NULL, NULL},
    };
    if (esp_log_open (-1, LOG_ERROR, NULL, LOG_ERROR) != ESP_OK)
        return 1;
    return suite_main ("engine_list", cases);
}
