/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_PRM_REPLY_H
#define ESP_WORKER_ENGINE_PRM_REPLY_H

/* prm_reply.h - what the servings share to write requests and to read answers
 *
 * Threads: pure.  Errors: ESP_EFORMAT with a sentence that says what is wrong with the answer.
 */

#include <jansson.h>
#include "worker/engine/prm.h"
#include "worker/prompt/json_out.h"

/* ---- requests ---- */

/* Path, and the request's opening bracket with the model's name. */
json_out prm_write_begin (const prm_ask *ask, const char *route, esp_buf *path, esp_buf *json);
/* Its closing bracket.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err prm_write_end (json_out *o);
void prm_write_texts (json_out *o, const prm_ask *ask, const char *key);
/* Ids of the labels, good ones first; most: of each kind. */
void prm_write_labels (json_out *o, const prm_ask *ask, const char *key, size_t most);

/* ---- answers ---- */

json_t *prm_load (span json, esp_error *why); /* NULL: not JSON, or no memory */
/* The item of each text, by its "index" (or in order, where no item has one) into items[ask->count * per]. */
ESP_MUST_CHECK esp_err prm_items (const json_t *list, const char *what, size_t count,
                                  const json_t **items, esp_error *why);
/* Fills the scores of one text from its item. */
typedef esp_err
prm_take (const prm_ask *ask, const prm_text *t, const json_t *item, esp_error *why);
/* prm_serving.read of an answer that has a list `key` with an item for each text, and usage.prompt_tokens. */
ESP_MUST_CHECK esp_err prm_read_list (const prm_ask *ask, span json, const char *key,
                                      prm_take *take, uint64_t *tokens, esp_error *why);
bool prm_number (const json_t *value, double *out); /* finite */
bool prm_token_id (const char *key, uint64_t *id);  /* "token_id:648" */
uint64_t prm_count_at (const json_t *root, const char *object, const char *key); /* 0: not there */

/* A row of numbers, or one, by the plan's column and norm into [0, 1]. */
ESP_MUST_CHECK esp_err prm_row (const layout_plan *plan, const json_t *row, double *score,
                                esp_error *why);

/* Log probabilities of the labels, spelling by spelling: P(good) / (P(good) + P(bad)). */
typedef struct prm_mass {
    double good[LAYOUT_LABELS], bad[LAYOUT_LABELS];
    uint8_t good_count, bad_count;
    double least; /* of all that were seen: no label that is missing is more likely */
} prm_mass;
void prm_mass_begin (prm_mass *m);
/* listed: one of the most likely tokens, not one that was added because it stands in the text. */
ESP_MUST_CHECK esp_err prm_mass_add (prm_mass *m, const prm_labels *labels, uint64_t id,
                                     double logprob, bool listed, esp_error *why);
/* A label that is missing is taken as likely as the least likely token listed; both: 0.5. */
ESP_MUST_CHECK esp_err prm_mass_score (const prm_mass *m, double *score, esp_error *why);

#endif
