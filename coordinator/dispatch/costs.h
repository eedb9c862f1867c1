/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_DISPATCH_COSTS_H
#define ESP_COORDINATOR_DISPATCH_COSTS_H

/* costs.h - what servers did in this start: results, tokens and time, by server, kind and generator
 *
 * Every result that arrives is counted, also one that nobody waits for any more: it was paid for.  Of those the sum is kept
 * apart (costs_wasted).  Names come from workers, so their number is bounded: what is beyond COSTS_SERVERS is counted as "other".
 *
 * Threads: none.
 */

#include "proto/wire/wire.h"

enum { COSTS_SERVERS = 512 }; /* told apart by name; a farm of more is read by its sums */
#define COSTS_OTHER "other"

typedef struct cost_sum {
    uint64_t results, errors;
    uint64_t prompt_tokens, cached_tokens, generated_tokens; /* generate; cached: part of prompt */
    uint64_t read_tokens;                                    /* score */
    uint64_t
        busy_us; /* on workers, from receipt to result; tasks side by side: more than the clock */
} cost_sum;

typedef struct cost_row {
    const char *server; /* as the worker named it; "" = it did not say; borrowed from the book */
    uint8_t kind;       /* enum task_kind */
    uint16_t generator; /* index in the run file's list; 0 for other kinds */
    cost_sum sum;
} cost_row;

typedef struct costs costs;
ESP_MUST_CHECK esp_err costs_create (costs **out); /* ESP_ENOMEM */
void costs_destroy (costs *book);                  /* accepts NULL */

/* The task that it answers; NULL: nobody knows it any more.  Then the result itself tells its kind, and the server's name
 * the generator.  Without memory for a new name it is counted as "other". */
void costs_add (costs *book, const task *of, const wire_result *r);
/* It was of no use: nobody waited for it, or it was refused.  costs_add counted it already. */
void costs_waste (costs *book, const wire_result *r);

cost_sum costs_all (const costs *book);
cost_sum costs_wasted (const costs *book);
size_t costs_count (const costs *book);
const cost_row *costs_at (const costs *book, size_t i); /* in the order first seen */

#endif
