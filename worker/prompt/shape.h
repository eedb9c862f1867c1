/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_PROMPT_SHAPE_H
#define ESP_WORKER_PROMPT_SHAPE_H

/* shape.h - how one kind of server is asked to generate, and what its answers look like: pure, no I/O
 *
 * A shape is one file and one row of the table in shape_table.c.  write() makes the JSON of a request; read() takes
 * the JSON of an answer, or of one event of a streamed answer (not "[DONE]"), into a reply that collects the samples,
 * whatever their order.  reply_finish() then says whether all of it is there.
 *
 * Every sampler is sent, also those that are off: servers and models have defaults of their own.
 * Thinking that a server took out of the text (a reasoning parser) breaks the search over steps: ESP_EFORMAT that says
 * to turn it off; `openai` passes it over, because some such servers cannot.
 *
 * Threads: none.  Errors: answers are hostile: ESP_EFORMAT with a sentence that says what is wrong in the answer (no URL: the
 * caller knows it).
 */

#include "worker/prompt/refusal.h"
#include "worker/prompt/reply.h"

typedef struct gen_traits { /* what servers of this kind can do; a probe may take away */
    bool raw;               /* continues a text as it stands (else: chat only) */
    bool chat;
    uint32_t most_n; /* samples of one request; 1 = none: send them side by side */
    bool n_is_slots; /* and no more than the server has slots: it refuses */
    bool slots;      /* its prefix cache is in slots, and a request may name one: gen_ask.slot */
    bool greedy_n;   /* n > 1 also at temperature 0; else write() refuses: ask for one */
    uint32_t most_stops;
    double most_temperature; /* 0: any */
    bool says_stop; /* tells a stop text from the end of the sequence (llama.cpp: not in chat) */
    bool seeds;     /* same seed, same text, when alone */
    bool logprobs, ids, cached;
    bool cancels_plain; /* a request that is not streamed ends when its connection is closed */
    bool usage;    /* counts the tokens of each sample; else of all together: gen_sample.guessed */
    bool uncached; /* can be told to leave its cache alone: gen_ask.uncached */
} gen_traits;

typedef struct gen_shape {
    const char *name;      /* generator.engine: "vllm" */
    const char *path;      /* of raw continuation: "/v1/completions" */
    const char *chat_path; /* or NULL */
    gen_traits traits;
    bool done_mark; /* a streamed answer ends with [DONE]; chat always does */
    /* Append the request's JSON.  Errors: ESP_ENOMEM, ESP_EUNSUPPORTED (it cannot be said to this server: too many stop
     * texts or samples, an empty stop text, max_tokens 0, a temperature out of its range). */
    esp_err (*write) (const gen_ask *ask, esp_buf *json);
    /* Take one answer or one event; why (may be NULL): what is wrong with it; the reply is of no use then.
     * ESP_EENGINE: an error that the server reports in an answer of status 200; refusal_of (200, json) classes it.
     * Errors: ESP_EFORMAT, ESP_EENGINE, ESP_ENOMEM. */
    esp_err (*read) (gen_reply *r, span json, esp_error *why);
} gen_shape;

/* The rows; NULL behind the last.  shape_find: NULL if there is none of this name. */
const gen_shape *shape_at (size_t index);
const gen_shape *shape_find (const char *name);

#endif
