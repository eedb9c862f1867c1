/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_FRONTIER_FRONTIER_H
#define ESP_COORDINATOR_FRONTIER_FRONTIER_H

/* frontier.h - every task that could be sent now, over all problems, ordered (design.md, D5)
 *
 * Order: problem priority, then the priority of the strategy's ask, then the longest expected remaining chain, then arrival.
 * One queue per task kind, since workers give credits per kind.  A task that is no longer wanted stays until it is
 * popped: the caller asks the search (search_wants) and drops it.
 *
 * Ownership: holds copies; task.extra stays borrowed from the search.  Threads: none.
 */

#include "proto/model/task.h"

typedef struct frontier frontier;

ESP_MUST_CHECK esp_err frontier_create (frontier **out);
void frontier_destroy (frontier *f); /* accepts NULL */

/* Errors: ESP_ENOMEM (nothing changes). */
ESP_MUST_CHECK esp_err frontier_push (frontier *f, const task *t, double problem_priority);

/* The best task of a kind.  Errors: ESP_EEMPTY. */
ESP_MUST_CHECK esp_err frontier_pop (frontier *f, enum task_kind kind, task *out);
/* Look at it without taking it; NULL when empty; valid until the next push or pop. */
const task *frontier_peek (const frontier *f, enum task_kind kind);

/* Add `amount` to the ask priority of this problem's queued tasks for which match says so (COMMAND_BOOST). */
void frontier_boost (frontier *f, problem_key key, double amount,
                     bool (*match) (void *ctx, const task *t), void *ctx);

size_t frontier_size (const frontier *f);
size_t frontier_count (const frontier *f, enum task_kind kind);
void frontier_check (const frontier *f); /* asserts the heap order */

#endif
