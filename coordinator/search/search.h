/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_SEARCH_H
#define ESP_COORDINATOR_SEARCH_SEARCH_H

/* search.h - one problem as a pure state machine (design.md, D2)
 *
 * A search changes only inside search_apply(): the same inputs in the same order give the same
 * tasks, events and rows, here, in the simulator and in a replay.  It does no I/O, reads no clock, draws no unseeded number and knows no worker.
 *
 * Ownership: the setup, the strategy's options and everything they point to outlive the search.
 * Threads: none.  Two searches share nothing.
 */

#include "coordinator/search/aggregate.h"
#include "coordinator/search/spent.h"
#include "coordinator/search/stop_rule.h"
#include "coordinator/search/strategy.h"

typedef struct search_options { /* section `search`, core rows */
    const char *strategy;
    int64_t max_steps;     /* steps of one branch */
    int64_t rollout_steps; /* of one TO_END generation, hard; 0 = as many as the budget allows */
    int aggregate;         /* enum aggregate */
    bool deterministic;
    int64_t in_flight; /* open joins per lane (MCTS, OmegaPRM: descents at once) */
    int64_t budget_generations, budget_steps, budget_generated_tokens,
        budget_scored_tokens; /* 0 = no cap */
    double budget_seconds;    /* 0 = none; the loop sends INPUT_DEADLINE */
    int grade;                /* none | candidates: verify every candidate at the end */
    int score;                /* enum score_source */
    const char *draws; /* NULL, or "rule|key": draw i = unit (rule, key, i) of the golden traces */
} search_options;
extern const esp_option search_option_rows[];

/* What a node is worth: by the PRM, or exp of the mean log-probability of its tokens, as the generator gives it: in (0, 1]. */
enum score_source { SCORE_PRM, SCORE_LOGPROB };

typedef struct action_means { /* how one action samples */
    sampling how;
    uint32_t max_tokens;
    uint16_t generator; /* index in the run file's list; becomes task.engine */
    bool given;         /* as search_setup.given */
} action_means;

/* The run's step rule, for strategies that cut rollouts into steps; pure functions. */
typedef struct step_split {
    const void *rule;
    bool (*thinks) (const void *rule, span path,
                    size_t at); /* is byte `at` of a path's text inside the thinking? */
    bool (*next) (const void *rule, bool *thinking, span *rest, span *step); /* as step_rule_next */
    const char *end; /* put behind the last step of a rollout that is gone on from; may be "" */
} step_split;

typedef struct search_setup { /* one per run */
    search_options options;
    const strategy *strategy;
    const void *strategy_options;
    uint64_t run_seed;
    sampling how;        /* the generator's defaults */
    uint32_t max_tokens; /* of one TO_END or DRAFT generation */
    const action_means
        *actions; /* borrowed: instead of `how` and `max_tokens`, by action; NULL = one for all */
    size_t action_count;
    size_t generator_count; /* of the run file's list, for the costs of each; 0 counts as 1 */
    step_split split;       /* next NULL: at empty lines */
    stop_rule stop;         /* for strategies of independent samples */
    bool has_prm, has_verifier;
    bool
        given; /* the generator brings texts that are there already: its nodes have the source GIVEN */
    bool hidden_tests;  /* the verifier judges a branch by fewer tests while the search goes on */
    bool count_prompts; /* task.k is wanted (fake engine) */
    bool want_events;
    bool
        keep_tokens; /* ids and logprobs stay with their nodes, for samples; they can be most of the memory */
} search_setup;

typedef struct
    effects { /* what one apply asks of the world; arrays are owned by the struct and reused */
    task *tasks;
    size_t task_count, task_cap;
    uint32_t *cancels; /* task numbers that are no longer wanted */
    size_t cancel_count, cancel_cap;
    event *events;
    size_t event_count, event_cap;
    bool finished; /* the problem ended with this input */
} effects;
void effects_free (effects *e); /* accepts a zeroed struct */

/* A search that waits for INPUT_OPEN.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err search_create (const search_setup *setup, const problem *p, search **out);
void search_destroy (search *s); /* accepts NULL */

/* search_wants or search_apply come next: fetch what they will look at.  Changes nothing. */
void search_expect (const search *s);

/* Would a result for this task change anything?  False for unknown, cancelled and already answered numbers: the caller drops
 * such results before they are journaled. */
bool search_wants (const search *s, uint32_t task_number);

/* Apply one input.  *out is cleared first; its texts are borrowed until the next apply.  Results for
 * tasks that are not wanted change nothing.
 * Errors: ESP_ENOMEM: the search is then unusable; the run stops and resumes from its journal. */
ESP_MUST_CHECK esp_err search_apply (search *s, const input *in, effects *out);

const problem *search_problem (const search *s);
bool search_finished (const search *s);
enum finish_reason search_reason (const search *s);
esp_err search_error (const search *s);    /* first permanent failure of a task, or ESP_OK */
uint32_t search_pending (const search *s); /* tasks planned and not answered */
uint64_t search_digest (const search *s);  /* over everything it ever planned */
budget search_used (const search *s);      /* charged, over all lanes */
budget search_asked (const search *s);     /* and by what is still open: asked so far */
const search_costs *search_spent (const search *s); /* what servers did for it so far */
/* The generator's part of it, index < setup.generator_count. */
const generator_costs *search_spent_on (const search *s, size_t generator);
/* A task that was planned and not answered, borrowed until the next search_apply; NULL: none with this number. */
const task *search_task (const search *s, uint32_t number);
uint64_t search_scored_steps (const search *s);
/* Candidates in the strategy's order; as strategy.answers. */
size_t search_answers (const search *s, node_ref *out, size_t max);
bool search_value (const search *s, node_ref n, node_value *out);
/* The asks that would follow (strategy.select), for speculation; see docs/strategies.md. */
const search_setup *search_setup_of (const search *s);
/* Tasks pending, for checks and snapshots: the planned tasks again, in number order, as effects (tasks only). */
ESP_MUST_CHECK esp_err search_pending_tasks (const search *s, effects *out);
/* Why a node has its mark, or "". */
const char *search_mark_why (const search *s, node_ref n);
/* Run every invariant check (tree, joins, accounts, strategy); asserts. */
void search_check (const search *s);

#endif
