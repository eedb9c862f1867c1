/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_PROMPT_REFUSAL_H
#define ESP_WORKER_PROMPT_REFUSAL_H

/* refusal.h - what an error answer means for the one who asked: pure, any server, any bytes
 *
 * By status first, then by the sentences and codes that vLLM, SGLang, llama.cpp, TGI, Ollama and OpenAI are known to send
 * (engines.md A.7, vllm-real.md 3, local-models.md 4).  Threads: none.
 */

#include "proto/base/text.h"

enum server_refusal {
    REFUSAL_RETRY,    /* busy, starting, broken: another server, or later (429, 5xx, engine dead) */
    REFUSAL_TOO_LONG, /* the prompt does not fit the context: this branch cannot go on */
    REFUSAL_TOO_MUCH, /* the prompt and max_tokens together do not: it may with fewer tokens */
    REFUSAL_KEY,      /* 401, 403: the API key; 402, quota used up: what it may do */
    REFUSAL_MODEL,    /* no such model here */
    REFUSAL_PATH,     /* 404, 405, 501, redirects: no such thing on this server */
    REFUSAL_REQUEST   /* it will never take this request */
};

/* Status 200 to 299: an error inside an answer or a stream; its own code counts, if it has one.
 * says: the server's own sentence in one line, scrubbed and cut, 0-terminated, "" if it has none (says_size: at least 64 bytes).
 * Servers may quote the API key in it: who knows the key masks it. */
enum server_refusal refusal_of (int status, span body, char *says, size_t says_size);

#endif
