/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_PROMPT_SHAPE_H
#define ESP_WORKER_PROMPT_SHAPE_H

/* shape.h - how one kind of server is asked to generate, and what its answers look like: pure, no I/O
 *
 * A shape is one file and one row of the table in shape_table.c.  write() makes the JSON of a request; read() takes
 * the JSON of an answer, or of one event of a streamed answer, into a reply that collects the samples, whatever
 * their order.  reply_finish() then says whether all of it is there.
 *
 * Steps (../shared reference engines.md A.6): a sample's text ends with the stop text it met, also where the server
 * cuts it off; its finish tells the end of the sequence from a stop text where the server does.
 *
 * Ownership: a reply owns what it was given.  Threads: none.
 * Errors: answers are hostile: ESP_EFORMAT with a sentence that says what is wrong in the answer (no URL: the caller knows it).
 */

#include <stdbool.h>
#include "proto/model/token_data.h"

typedef struct gen_ask { /* one request: n samples of one prompt */
    span prompt;         /* rendered text so far */
    span messages;       /* JSON array of chat messages instead; ptr NULL: prompt */
    const char *model;   /* NULL: not sent */
    uint32_t n;          /* samples; sample i has seed + i */
    uint32_t seed;       /* 31 bits */
    uint32_t max_tokens; /* of each sample */
    double temperature;  /* 0 = greedy */
    double top_p;
    int64_t top_k; /* 0 = off */
    const char *const *stop;
    size_t stop_count;
    bool logprobs;         /* of the sampled tokens */
    uint32_t top_logprobs; /* alternatives of each token; 0 = none */
    bool ids;              /* token ids */
    bool stream;
    int slot;               /* llama.cpp: the slot that holds the prefix; -1 = any */
    const char *request_id; /* NULL: not sent */
} gen_ask;

enum gen_finish {
    GEN_OPEN,    /* not ended yet */
    GEN_STOP,    /* a stop text, which is the end of the sample's text */
    GEN_EOS,     /* the model ended the sequence */
    GEN_STOPPED, /* one of these two: the server does not say */
    GEN_LENGTH,  /* max_tokens */
    GEN_ABORTED  /* the server gave up: ask again */
};

typedef struct gen_sample {
    esp_buf text;
    uint8_t finish; /* enum gen_finish */
    uint32_t
        tokens; /* generated; counted by the server, or from its events and ids; 0 = not known */
    double logprob; /* sum over its tokens; NaN = not given */
    token_logprob
        *generated; /* one per token where ids or logprobs came; also those of a stop text */
    size_t generated_count, generated_cap;
    token_logprob *top; /* top_logprobs alternatives per token, padded with {UINT32_MAX, NaN} */
    size_t top_count, top_cap;
    int slot; /* -1 = not said */
} gen_sample;

typedef struct gen_reply {
    gen_sample *samples; /* owned */
    uint32_t n;
    uint32_t top_logprobs;  /* as asked */
    uint32_t prompt_tokens; /* 0 = not given */
    uint32_t cached_tokens;
    const char *const *stop; /* as asked; borrowed */
    size_t stop_count;
    bool stream;
    bool done;       /* the answer, or the stream, came to its end */
    char model[256]; /* who answered; "" = not said */
} gen_reply;

/* For the answers to one request; `ask` must outlive it (its stop texts).  Errors: ESP_ENOMEM, ESP_EINVAL (n is 0 or over 1024). */
ESP_MUST_CHECK esp_err reply_create (const gen_ask *ask, gen_reply **out);
void reply_destroy (gen_reply *r); /* accepts NULL */

typedef struct gen_traits { /* what servers of this kind can do; a probe may take away */
    bool raw;               /* continues a text as it stands (else: chat only) */
    bool chat;
    uint32_t most_n; /* samples of one request; 1 = none: send them side by side */
    uint32_t most_stops;
    bool says_stop; /* tells a stop text from the end of the sequence */
    bool seeds;     /* same seed, same text, when alone */
    bool logprobs, ids, cached;
    bool cancels_plain; /* a request that is not streamed ends when its connection is closed */
    bool usage; /* counts the tokens of the answer; else they are counted from events, or guessed */
} gen_traits;

typedef struct gen_shape {
    const char *name;      /* generator.engine: "vllm" */
    const char *path;      /* of raw continuation: "/v1/completions" */
    const char *chat_path; /* or NULL */
    gen_traits traits;
    bool done_mark; /* a streamed answer ends with [DONE] */
    /* Append the request's JSON.  Errors: ESP_ENOMEM, ESP_EUNSUPPORTED (it cannot be said to this server). */
    esp_err (*write) (const gen_ask *ask, esp_buf *json);
    /* Take one answer or one event; *why: what is wrong with it.  An error that the server reports inside a stream is ESP_EENGINE.
     * Errors: ESP_EFORMAT, ESP_EENGINE, ESP_ENOMEM. */
    esp_err (*read) (gen_reply *r, span json, esp_error *why);
} gen_shape;

/* The whole answer came: is everything there?  Every sample ended, texts are UTF-8 (a character cut at max_tokens is
 * dropped from the end), logprobs there if they were asked, not above 0.  Errors: ESP_EFORMAT with a sentence. */
ESP_MUST_CHECK esp_err reply_finish (gen_reply *r, const gen_ask *ask, esp_error *why);

/* The rows; NULL behind the last.  shape_find: NULL if there is none of this name. */
const gen_shape *shape_at (size_t index);
const gen_shape *shape_find (const char *name);

/* What an error answer means for the one who asked. */
enum server_refusal {
    REFUSAL_RETRY,    /* busy, starting, broken: another server, or later (429, 5xx, engine dead) */
    REFUSAL_TOO_LONG, /* the prompt does not fit the context: this branch cannot go on */
    REFUSAL_KEY,      /* 401, 403: the API key */
    REFUSAL_MODEL,    /* no such model here */
    REFUSAL_PATH,     /* 404, 405: no such thing on this server */
    REFUSAL_REQUEST   /* it will never take this request */
};
/* Of any server; body may be anything.  says: its own sentence, scrubbed and cut, 0-terminated (at least 64 bytes). */
enum server_refusal refusal_of (int status, span body, char *says, size_t says_size);

#endif
