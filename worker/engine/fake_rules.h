/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_FAKE_RULES_H
#define ESP_WORKER_ENGINE_FAKE_RULES_H

/* fake_rules.h - the fake models of the golden traces: pure functions of SHA-256
 *
 * The rules are those of the golden README, sections 1 and 3.11; the names are kept: P is the
 * prompt, k the sample number (TASK_K_GREEDY stands for "g"), u = unit (...) in [0, 1).
 *
 * All functions append to *out and leave it as it was when they fail (ESP_ENOMEM).
 * Threads: pure.
 */

#include "proto/model/task.h"

typedef struct fake_lm {
    int64_t min_depth, max_depth; /* steps before an answer may, must come */
    double p_eos;
    int64_t vocab, answers; /* number of different steps, of different answers */
} fake_lm;

/* fakelm-1: one step for prompt P, whose text starts at byte text_at.  mean_logprob may be NULL. */
ESP_MUST_CHECK esp_err fake_lm_step (const fake_lm *lm, span prompt, size_t text_at, uint32_t k,
                                     esp_buf *out, bool *eos, double *mean_logprob);

/* fakeprm-1: the next score of a text.  *so_far holds the pieces scored before, each with its
 * separator; the piece is appended to it. */
ESP_MUST_CHECK esp_err fake_prm_score (span question, span piece, esp_buf *so_far, double *score);

/* fakegen-1: child text "/" + action + c, and the score of a state. */
ESP_MUST_CHECK esp_err fake_gen_child (const char *action, uint32_t c, esp_buf *out);
double fake_gen_score (span question, span state);

/* fakethought-1: candidate line i of state y (source = "P|" proposed, "S|" sampled), and reading j of a state. */
ESP_MUST_CHECK esp_err fake_thought_line (const char *source, span question, span state, uint32_t i,
                                          int64_t vocab, esp_buf *out);
ESP_MUST_CHECK esp_err fake_thought_value (span question, span state, uint32_t j, double *value);

#endif
