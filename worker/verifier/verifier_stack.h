/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_VERIFIER_STACK_H
#define ESP_WORKER_VERIFIER_VERIFIER_STACK_H

/* verifier_stack.h - verifiers one behind the other, and verdicts that are known already
 *
 *   first   the first one that decides (pass or fail); none: unknown, with the reason of the first
 *   all     fail as soon as one says fail; pass when every one says pass; else unknown
 *   any     pass as soon as one says pass; fail when every one says fail; else unknown
 *
 * They are asked in the order of the list, so the cheap ones stand first.  An error of one is the error of the job.
 * Branches with equal content are judged once: from the cache, or, while the first is being judged, together with it.
 *
 * An engine kind, but no row of the table: engine_setup.options is a stack_options, valid until close.
 */

#include "worker/engine/engine_list.h"

enum stack_rule { STACK_FIRST, STACK_ALL, STACK_ANY };
#define STACK_CHOICES "first|all|any"

typedef struct stack_options {
    engine_list list;
    int rule;           /* enum stack_rule */
    size_t cache_bytes; /* 0 = nothing is kept */
} stack_options;

extern const engine_kind engine_stack;

#endif
