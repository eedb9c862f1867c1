/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_SUPPORT_MODEL_SERVER_OAI_H
#define ESP_TESTS_SUPPORT_MODEL_SERVER_OAI_H

/* oai.h - /v1/completions and /v1/chat/completions as four kinds of server give them
 *
 * What differs is a row of dialect.
 */

#include "tests/support/model_server/request.h"

typedef struct oai_order {                        /* one request, read */
    sample_ask ask;                               /* without prompt and seed */
    long long n, logprobs, seed, prompt_logprobs; /* logprobs -1: none */
    bool keep_stop, echo, stream, stream_usage, return_ids, tokens_as_ids;
    json_t *label_ids;    /* logprob_token_ids, borrowed; NULL: none */
    bool chat, entry_ids; /* entry_ids: logprobs of tokens name their ids (llama.cpp) */
    prompts prompts;
} oai_order;

typedef struct oai_dialect {
    size_t most_stops;
    bool (*check) (const asked *, answer *, oai_order *); /* limits; false: refused */
    void (*finish) (const oai_order *, const sample *,
                    json_t *choice); /* finish_reason and what stands beside it */
    json_t *(*logprobs) (const oai_order *, const struct prompt_row *, const sample *, size_t from,
                         size_t to);                                    /* tokens; may be null */
    void (*decorate) (const asked *, const oai_order *, json_t *reply); /* fields at the top */
    json_t *(*usage) (const asked *, const oai_order *, size_t generated, size_t first_generated,
                      size_t cached);
    void (*decorate_usage) (json_t *event); /* the last chunk of a stream; may be NULL */
    bool one_token_at_zero;                 /* llama.cpp: max_tokens 0 makes one */
    bool usage_in_finish; /* llama.cpp: a stream of completions has no chunk of its own for it */
} oai_dialect;

void oai_completions (const asked *q, answer *a, const oai_dialect *d);
void oai_chat (const asked *q, answer *a, const oai_dialect *d);

const char *oai_finish_reason (const sample *s);
json_t *oai_logprobs_lists (const oai_order *o, const struct prompt_row *prompt, const sample *s,
                            size_t from, size_t to);
json_t *oai_logprobs_content (const oai_order *o, const struct prompt_row *prompt, const sample *s,
                              size_t from, size_t to);
json_t *oai_usage (const asked *q, const oai_order *o, size_t generated, size_t first_generated,
                   size_t cached);
json_t *oai_models (const asked *q, const char *owner); /* {"object":"list","data":[..]} */

#endif
