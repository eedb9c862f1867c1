/* SPDX-License-Identifier: Apache-2.0 */
/* loop_limits.c - caps of the whole run (run.limits) and wall time of problems (search.budget.seconds)
 *
 * A generation is charged with its max_tokens when it is sent, and settled when it comes: no cap is ever
 * exceeded, whatever is out.  The run stops when a cap holds everything back and nothing is out any more.
 */

#include "coordinator/loop_private.h"

static const char *const generations_reached = "run.limits.generations reached",
                         *const tokens_reached = "run.limits.generated_tokens reached";

void coordinator_count_before (coordinator *c, const coordinator_before *before)
{
    c->limits.asked = before->spent.generations;
    c->limits.tokens = before->spent.generated_tokens;
    c->solved = before->solved;
    c->failed = before->failed;
}

void limits_begin (coordinator *c, uint64_t waiting)
{
    budget spent = c->finished_used;
    for (size_t i = 0; i < c->open_cap; i++)
        if (c->open[i].p) {
            budget asked = search_asked (c->open[i].search);
            spent = budget_sum (&spent, &asked);
        }
    c->limits.asked +=
        spent.generations - (waiting < spent.generations ? waiting : spent.generations);
    c->limits.tokens += spent.generated_tokens;
}

bool limits_take (coordinator *c, const task *t)
{
    const run_options *run = c->setup.run;
    if (t->kind != TASK_GENERATE || dispatch_was_sent (c->dispatch, t->id))
        return true; /* what goes out again is charged already: the late answer may come first */
    if (run->limit_generations > 0 && c->limits.asked >= (uint64_t)run->limit_generations)
        c->limits.held_back = generations_reached;
    else if (run->limit_generated_tokens > 0 &&
             c->limits.tokens + t->max_tokens > (uint64_t)run->limit_generated_tokens)
        c->limits.held_back = tokens_reached;
    if (c->limits.held_back)
        return false;
    c->limits.asked++;
    c->limits.tokens += t->max_tokens;
    return true;
}

void limits_settle (coordinator *c, const task *t, uint64_t tokens)
{
    if (t && t->kind == TASK_GENERATE)
        c->limits.tokens +=
            tokens - t->max_tokens; /* the sum stays above 0: max_tokens was added */
}

/* Tasks wait of a kind that nobody could do for too long. */
static bool is_stranded (const coordinator *c)
{
    for (int k = 0; k < TASK_KINDS; k++)
        if (frontier_count (c->frontier, (enum task_kind)k) +
                    dispatch_suspects_of (c->dispatch, (enum task_kind)k) >
                0 &&
            dispatch_stranded_s (c->dispatch, (enum task_kind)k) > c->setup.dispatch->no_worker_s)
            return true;
    return false;
}

static void stop_unstarted (coordinator *c)
{
    c->unstarted = true;
    coordinator_stop (c, 0.0, dispatch_trouble (c->dispatch));
}

void limits_check (coordinator *c, uint64_t now)
{
    const run_options *run = c->setup.run;
    if (c->stopping)
        return;
    if (run->limit_seconds > 0 && (double)(now - c->started_ns) / 1e9 >= run->limit_seconds)
        coordinator_stop (c, 2.0, "run.limits.seconds reached");
    else if (c->limits.held_back && dispatch_in_flight (c->dispatch) == 0 &&
             frontier_count (c->frontier, TASK_SCORE) + frontier_count (c->frontier, TASK_VERIFY) ==
                 0)
        coordinator_stop (c, 0.0, c->limits.held_back);
    else if (dispatch_all_refused (c->dispatch) && dispatch_statistics (c->dispatch)->sent == 0)
        stop_unstarted (c);
    else if (is_stranded (c))
        coordinator_stop (c, 0.0,
                          dispatch_trouble (c->dispatch)[0]
                              ? dispatch_trouble (c->dispatch)
                              : "no able worker is left (dispatch.no_worker_s)");
}

esp_err limits_deadlines (coordinator *c, uint64_t now)
{
    uint64_t limit = (uint64_t)(c->setup.search->options.budget_seconds * 1e9);
    esp_err err = ESP_OK;
    for (size_t i = 0; limit > 0 && i < c->open_cap && err == ESP_OK; i++) {
        open_problem *p = c->open[i].p;
        input in = {.kind = INPUT_DEADLINE};
        if (!p || p->first_sent_ns == 0 || p->expired || now - p->first_sent_ns < limit)
            continue;
        p->expired = true;
        in.problem = p->key;
        err = apply_input (c, p, &in);
        i = (size_t)-1; /* the table may have moved */
    }
    return err;
}
