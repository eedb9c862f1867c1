/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_PROMPT_REPLY_H
#define ESP_WORKER_PROMPT_REPLY_H

/* reply.h - what is asked of a generator, and the samples of its answer, whatever server it is: pure, no I/O
 *
 * Steps (engines.md A.6): the text of a GEN_STOP sample ends with the stop text, also where the server cuts it off.
 * A GEN_STOPPED one is as the server gave it: nobody knows whether a stop text belongs behind it.
 *
 * Ownership: a reply owns what it was given.  Threads: none.
 */

#include <stdbool.h>
#include "proto/model/token_data.h"

typedef struct gen_ask { /* one request: n samples of one prompt */
    span prompt;         /* rendered text so far */
    span messages;       /* valid JSON array of chat messages instead; ptr NULL: prompt */
    bool
        continues; /* the last message is the assistant's, to be gone on with; where templates trim it (vLLM,
                          * SGLang with Llama 3) an empty line at its end is lost: raw is better */
    const char *model;   /* NULL: not sent */
    uint32_t n;          /* samples; sample i has seed + i */
    uint32_t seed;       /* 31 bits */
    uint32_t max_tokens; /* of each sample, at least 1 */
    double temperature;  /* 0 = greedy; what lies between is at least 0.01, as vLLM does it */
    double top_p;
    int64_t top_k; /* 0 = off */
    const char *const *stop;
    size_t stop_count;
    bool logprobs;         /* of the sampled tokens */
    uint32_t top_logprobs; /* alternatives of each token; 0 = none */
    bool ids;              /* token ids */
    bool stream;
    /* vLLM: the prompt has no BOS, the server puts it there (llama.cpp always does where the model wants it). */
    bool add_bos;
    /* SGLang: prefill once for all n; only where seeds are ignored, else all samples are the same. */
    bool fork;
    int slot;      /* llama.cpp: the slot that holds the prefix; -1 = any */
    bool uncached; /* llama.cpp: read the whole prompt anew, whatever its cache holds of it */
    const char *request_id; /* a new one for each try; NULL or no such field: not sent */
} gen_ask;

/* No honest answer to it, and no event of a stream, is longer. */
size_t gen_ask_most_bytes (const gen_ask *ask);

enum gen_finish {
    GEN_OPEN,    /* not ended yet */
    GEN_STOP,    /* a stop text, which is the end of the sample's text */
    GEN_EOS,     /* the model ended the sequence */
    GEN_STOPPED, /* one of these two: the server does not say */
    GEN_LENGTH,  /* max_tokens; with fewer tokens than that: the context is full */
    GEN_ABORTED  /* the server gave up: ask again */
};

typedef struct gen_sample {
    esp_buf text;
    uint8_t finish; /* enum gen_finish */
    /* Generated, those of a stop text too; 0 = not known; reply_finish() sets it.  guessed: no count of this
     * sample, but its share of all by bytes, or the events. */
    uint32_t tokens;
    bool guessed;
    uint32_t events; /* of a stream, with text */
    double logprob;  /* sum over its tokens; NaN = not given; reply_finish() sets it */
    /* One per token where ids or logprobs came, those of a stop text too.  A logprob is in [-9999, 0]; -9999 is -inf. */
    token_logprob *generated;
    size_t generated_count, generated_cap;
    /* The top_logprobs likeliest per token, best first, padded with {TOKEN_ID_NONE, NaN}. */
    token_logprob *top;
    size_t top_count, top_cap;
    int slot; /* -1 = not said */
} gen_sample;

typedef struct gen_reply {
    gen_sample *samples;                  /* owned */
    uint32_t n, max_tokens, top_logprobs; /* as asked */
    size_t most_bytes;                    /* of one read() */
    esp_buf prefill;         /* of a last message that is gone on with: some servers say it again */
    const char *const *stop; /* as asked; borrowed */
    size_t stop_count;
    bool chat, stream, ids;
    bool done;              /* every sample ended; of a stream, usage and [DONE] may still come */
    bool tail_unsaid;       /* llama.cpp, not streamed: no logprobs of a stop text's tokens */
    uint32_t ended;         /* samples */
    uint32_t prompt_tokens; /* counted once, whatever n; 0 = not given */
    uint32_t cached_tokens; /* of one sample */
    uint32_t completion_tokens; /* of all samples together; 0 = not given */
    char model[256];            /* who answered; "" = not said */
} gen_reply;

/* For the answers to one request; `ask` must outlive it (its stop texts).  Errors: ESP_ENOMEM, ESP_EINVAL (n is 0 or over 1024). */
ESP_MUST_CHECK esp_err reply_create (const gen_ask *ask, gen_reply **out);
void reply_destroy (gen_reply *r); /* accepts NULL */

/* The whole answer came: is everything there?  Every sample ended, none longer than max_tokens, texts are UTF-8 (a character
 * cut at max_tokens is dropped from the end), logprobs there if they were asked.  Call it once.
 * Errors: ESP_EFORMAT with a sentence (why may be NULL). */
ESP_MUST_CHECK esp_err reply_finish (gen_reply *r, const gen_ask *ask, esp_error *why);
/* The same for sample i alone, of a stream that goes on.  ESP_EEMPTY: it did not end yet, or its tokens are told with those of
 * all only. */
ESP_MUST_CHECK esp_err reply_finish_one (gen_reply *r, uint32_t i, const gen_ask *ask,
                                         esp_error *why);

#endif
