/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_CONFORMANCE_FAKE_ANSWERS_H
#define ESP_TESTS_CONFORMANCE_FAKE_ANSWERS_H

/* fake_answers.h - worker/engine/fake_rules.h applied to one task
 *
 * The rules say what one step, one piece or one state is worth; here they are put together as README 1.2 and 1.3 do
 * it: a whole generation, all scores of a text.
 */

#include "proto/base/arena.h"
#include "worker/engine/fake_rules.h"

typedef struct fake_world {
    const char *question;
    fake_lm lm;
    /* fakegen-1 instead of fakelm-1 and fakeprm-1: names of task.action 0, 1, ...; NULL = off */
    const char *const *actions;
    size_t action_count;
    /* fakethought-1 instead: "P|" (one generation proposes `candidates` lines) or "S|" (one line each); NULL = off.
     * levels: value_levels, may be empty. */
    const char *thought;
    uint32_t candidates;
    const double *levels;
    size_t level_count;
} fake_world;

/* text: what stands behind question|A|.  own_at, extra_at: where the judged node's own text and the lookahead begin
 * in it (TASK_SCORE).  What *r borrows is in the arena. */
ESP_MUST_CHECK esp_err fake_answer (const fake_world *w, const task *t, span text, size_t own_at,
                                    size_t extra_at, esp_arena *arena, result *r);

/* To the end of the sequence: k for the first step, 0 for the later ones.  Appends; *steps counts. */
ESP_MUST_CHECK esp_err fake_to_end (const fake_lm *lm, span question, span text, uint32_t k,
                                    uint32_t max_steps, esp_buf *out, uint32_t *steps, bool *eos);
/* Scores of all pieces of text, the separator being "\n\n"; in the arena.  ends (may be NULL): where each piece ends. */
ESP_MUST_CHECK esp_err fake_scores (span question, span text, esp_arena *arena, double **scores,
                                    size_t **ends, size_t *count);

span fake_stated (span text);     /* the answer that a text states; empty = none */
uint32_t fake_tokens (span text); /* maximal runs of characters that are not space or newline */

enum { FAKE_K = 16 };
const char *fake_k (uint32_t k, char out[FAKE_K]); /* as the files write it: decimal or "g" */

#endif
