/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_STRATEGY_HELP_H
#define ESP_COORDINATOR_SEARCH_STRATEGY_HELP_H

/* strategy_help.h - what several strategies do in the same way */

#include "coordinator/search/search.h"

/* For suits(): a strategy that decides by scores.  options are not looked at. */
ESP_MUST_CHECK esp_err needs_prm (const void *options, const strategy_means *has, esp_error *error);
/* For suits() of a strategy that goes level by level: a PRM, and a budget that pays for one level of `steps`. */
ESP_MUST_CHECK esp_err needs_level (int64_t steps, const strategy_means *has, esp_error *error);
/* For suits(): a limit of 0 ("until the budget ends") needs a budget.  key: of the option, without "search.". */
ESP_MUST_CHECK esp_err needs_end (const char *key, int64_t limit, const strategy_means *has,
                                  esp_error *error);

/* For suits() of a strategy that labels steps: a verifier, and rollouts that a generator makes (of action 1 when there are two). */
ESP_MUST_CHECK esp_err needs_rollouts (const char *name, int64_t actions, const strategy_means *has,
                                       esp_error *error);

/* For most(): BUDGET_UNLIMITED where a product is larger, and for a limit of 0. */
uint64_t most_times (uint64_t a, uint64_t b);
uint64_t most_limit (int64_t limit);

/* Open a join with as many of the asks, from the first on, as can be paid for.  Errors: ESP_EBUDGET (not one), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err join_affordable (search *s, uint32_t lane, const ask *asks, size_t n,
                                        size_t *asked);

/* order[0..n) = 0..n-1, sorted by values, largest first; equals and NaN (last) keep their order. */
void order_descending (const double *values, size_t n, uint32_t *order);
/* Smallest first; equals keep their order; NaN first. */
void order_ascending (const double *values, size_t n, uint32_t *order);

/* 64-bit hash of the whole text of a path, and its length: equal texts in different places of the tree are equal.
 * Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err path_text_hash (const search *s, node_ref ref, uint64_t *out);

/* Bytes of that text. */
size_t path_text_bytes (const search *s, node_ref ref);

/* Room for one more record in a growing array in the problem's arena: *array (a pointer) holds count records.  It
 * doubles from 16; old blocks stay in the arena until the problem ends.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err array_room (search *s, void *array, uint32_t count, uint32_t *cap,
                                   size_t bytes);

/* A growing list of node refs in the problem's arena (old blocks stay there until the problem ends). */
typedef struct node_list {
    node_ref *at;
    uint32_t count, cap;
} node_list;
ESP_MUST_CHECK esp_err node_list_add (search *s, node_list *list, node_ref ref);

/* Copy a list to out as strategy.answers wants it. */
size_t node_list_copy (const node_list *list, node_ref *out, size_t max);

/* Fixed-size records by node, zeroed when first touched; in the problem's arena, never moved, so that a million nodes
 * cost their records and little more. */
typedef struct node_table {
    char **chunks; /* of NODE_TABLE_CHUNK records */
    uint32_t count, cap;
    uint32_t bytes; /* of one record; set before use */
} node_table;
enum { NODE_TABLE_CHUNK = 256 };
/* Make sure that records up to `ref` are there.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err node_table_reach (search *s, node_table *t, node_ref ref);
/* The record of a node; NULL when it was never reached. */
void *node_table_at (const node_table *t, node_ref ref);

/* Adopt a piece of the text of node `whole` below parent: a step of a rollout, a line of a proposal.  `end` is put behind
 * it when it does not end so; its tokens are those of `whole` by length, at least 1.  Errors: ESP_ENOMEM, ESP_ETOOBIG. */
ESP_MUST_CHECK esp_err adopt_piece (search *s, node_ref parent, node_ref whole, span piece,
                                    const char *end, node_ref *out);

/* Is there a new text? */
bool item_came (const item *i);
/* Is this item a branch that can go on: a new text with a step boundary, not failed, not dropped? */
bool item_open (const search *s, const item *i);
/* Is it a finished answer (end of sequence or cut by length, with a text of its own or above it)? */
bool item_ended (const search *s, const item *i);

/* The steps of a rollout, as the run's step rule cuts them; steps together are the text.  Borrows it. */
typedef struct rollout_walk {
    const step_split *split;
    span rest;
    bool thinking;
} rollout_walk;
ESP_MUST_CHECK esp_err rollout_open (const search *s, node_ref rollout,
                                     rollout_walk *out); /* ESP_ENOMEM */
bool rollout_next (rollout_walk *w, span *step);
uint32_t rollout_count (rollout_walk w); /* from here on */
/* What adopt_piece puts behind a step. */
const char *rollout_end (const search *s);

/* Is the node, or anything above it, pruned: by an observer, or by the strategy's own marks? */
bool branch_pruned (const search *s, node_ref ref);

#endif
