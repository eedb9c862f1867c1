/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_MODEL_TOKEN_DATA_H
#define ESP_PROTO_MODEL_TOKEN_DATA_H

/* token_data.h - ids and logprobs of a sample's tokens, as they travel and lie in the journal (result.token_data)
 *
 * Little-endian: u32 count, u32 top, then count x (u32 id, f32 logprob), then count x top x (u32 id, f32 logprob):
 * the alternatives of each token, most likely first.  id 4294967295: not given; a logprob may be NaN: not given.
 * Why not a message of the schema: ten thousand numbers a sample are copied as one block.
 *
 * Threads: pure.  Decoding trusts nothing.
 */

#include "proto/base/text.h"

#define TOKEN_ID_NONE UINT32_MAX

typedef struct token_logprob {
    uint32_t id;
    float logprob; /* natural log, <= 0 */
} token_logprob;

enum {
    TOKEN_DATA_COUNT_MAX = 1 << 20, /* tokens */
    TOKEN_DATA_TOP_MAX = 256        /* alternatives per token */
};

/* Append; alternatives: count x top of them, NULL if top is 0.  Errors: ESP_EINVAL (over the limits), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err token_data_encode (const token_logprob *tokens, size_t count,
                                          const token_logprob *alternatives, uint32_t top,
                                          esp_buf *out);

typedef struct token_data { /* what the bytes hold; borrowed from them */
    span bytes;
    uint32_t count, top;
} token_data;

/* Errors: ESP_EFORMAT. */
ESP_MUST_CHECK esp_err token_data_decode (span bytes, token_data *out);
token_logprob token_data_at (const token_data *d, uint32_t index); /* index < count */
token_logprob
token_data_alternative (const token_data *d, uint32_t index, uint32_t rank); /* rank < top */

#endif
