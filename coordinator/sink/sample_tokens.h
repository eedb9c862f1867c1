/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SINK_SAMPLE_TOKENS_H
#define ESP_COORDINATOR_SINK_SAMPLE_TOKENS_H

/* sample_tokens.h - the tokens of a branch, node by node, for formats that write them
 *
 * A node has tokens when its engine gave them (model/token_data.h) and the run keeps them (search_setup.keep_tokens); what a file, a person
 * or a tool said has none.  Bytes come from servers by way of the journal: what cannot be read is no tokens.
 * Threads: none.  Errors: ESP_ENOMEM.
 */

#include "coordinator/sink/sample.h"
#include "proto/model/token_data.h"

typedef struct token_part { /* of one node */
    span text;
    token_data data; /* count 0: it has none */
} token_part;

typedef struct token_parts {
    token_part *items; /* owned; in the order of the path */
    size_t count;
    size_t tail; /* the first of those at the end that have tokens without a gap; count = none */
} token_parts;

/* Free *out also after an error. */
ESP_MUST_CHECK esp_err token_parts_of (const sample_view *v, node_ref leaf, token_parts *out);
void token_parts_free (token_parts *p); /* accepts a zeroed struct */

/* Do all its nodes have tokens? */
static inline bool token_parts_whole (const token_parts *p)
{
    return p->count > 0 && p->tail == 0;
}

/* Lists over the tail: `key`[5,9,...] */
void token_ids (json_row *r, const char *key, const token_parts *p);
void token_logprobs (json_row *r, const char *key, const token_parts *p); /* in steps of 1e-6 */
/* A list of each token's alternatives, most likely first; those without an id are left out. */
void token_top_ids (json_row *r, const char *key, const token_parts *p);
void token_top_logprobs (json_row *r, const char *key, const token_parts *p);

#endif
