/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_VERIFIERS_H
#define ESP_WORKER_VERIFIER_VERIFIERS_H

/* verifiers.h - the rows that verifiers add to engine_table.c, each defined in its own file */

#include "worker/engine/engine.h"

extern const engine_kind verifier_answer, verifier_behaviour, verifier_code, verifier_command,
    verifier_coq, verifier_lean, verifier_lean_kimina, verifier_math_verify, verifier_puzzle,
    verifier_sandboxfusion, verifier_votes;

#endif
