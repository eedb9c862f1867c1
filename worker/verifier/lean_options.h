/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_LEAN_OPTIONS_H
#define ESP_WORKER_VERIFIER_LEAN_OPTIONS_H

/* lean_options.h - what both kinds of Lean verifier, `lean` and `lean-kimina`, have in common
 *
 * Threads: pure.
 */

#include "worker/engine/engine.h"
#include "worker/verifier/lean_reply.h"

#define LEAN_HEADER_DEFAULT "import Mathlib"

/* Axioms that a proof may rest on: those of the run file, or the three of Lean itself. */
static inline lean_rules lean_rules_of (const esp_strings *axioms)
{
    static const char *const own[] = {"propext", "Classical.choice", "Quot.sound"};
    return axioms->count > 0 ? (lean_rules){axioms->items, axioms->count, 0}
                             : (lean_rules){own, sizeof (own) / sizeof (own[0]), 0};
}

/* Finish a job; answer and numbers unset. */
void lean_finish (const engine_setup *setup, const job *j, enum verdict verdict, const char *reason,
                  span observation);
/* The reason of lean_body: a verdict without Lean. */
void lean_finish_unsent (const engine_setup *setup, const job *j, const char *reason,
                         const char *word);

#endif
