/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_SUPPORT_MODEL_SERVER_REQUEST_H
#define ESP_TESTS_SUPPORT_MODEL_SERVER_REQUEST_H

/* request.h - fields of a request's body: read, checked, refused as vLLM's pydantic models do
 *
 * Readers return false when the answer is a refusal now; a field that is not there leaves *value.
 */

#include "tests/support/model_server/kind.h"
#include "tests/support/model_server/sample.h"

bool field_integer (const asked *q, answer *a, const char *name,
                    long long *value); /* "2" and 2.0 are 2 */
bool field_number (const asked *q, answer *a, const char *name, double *value);
bool field_bool (const asked *q, const char *name, bool otherwise); /* lenient */
const char *field_text (const asked *q, const char *name);          /* NULL: not a string */

/* "stop": a string, a list, null.  At most `most`. */
bool field_stops (const asked *q, answer *a, json_t *stop, size_t most, sample_ask *out);

typedef struct prompts { /* what one request asks to continue; owned: prompts_free */
    struct prompt_row {
        char *text;
        size_t len, token_count;
    } * rows;
    size_t count;
} prompts;

/* A string, a list of strings, a list of ids, a list of lists of ids.  special: with <s> where the server has one. */
bool prompts_read (const asked *q, answer *a, json_t *value, bool special, prompts *out);
void prompts_free (prompts *p);

/* The ChatML text of messages; continue_final: the last message stays open. */
bool chat_prompt (const asked *q, answer *a, json_t *messages, bool generation, bool continue_final,
                  esp_buf *out);

json_t *ids_json (const uint32_t *ids, size_t count);
json_t *prompt_ids (const struct prompt_row *row);
json_t *token_text (uint32_t id); /* a string; half a character is U+FFFD */

/* A prefix cache: of a prompt's tokens, those in whole blocks of 16 that were asked before (process-wide). */
size_t cached_tokens (const struct prompt_row *row);
unsigned long long cache_queries (void), cache_hits (void);

#endif
