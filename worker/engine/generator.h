/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_GENERATOR_H
#define ESP_WORKER_ENGINE_GENERATOR_H

/* generator.h - the machine of every generator that speaks HTTP (openai, vllm, sglang, llamacpp)
 *
 * What differs between these servers is in their shape (worker/prompt/shape.h), which the engine names or (auto) the first good
 * server has; what is the same is here: the prompt of a problem is rendered once (by the server's own template) and then only
 * continued as text; siblings become one request with n samples; a sample is generated piece by piece until the step rule says
 * that its step is complete.
 *
 * For engine_generators.c; the inside is generator_inner.h.
 */

#include "worker/engine/engine.h"

enum generator_stream { STREAM_AUTO, STREAM_ALWAYS, STREAM_NEVER };
enum generator_logprobs { LOGPROBS_NONE, LOGPROBS_SUM, LOGPROBS_TOP };
enum generator_api { API_AUTO, API_RAW, API_CHAT };

typedef struct generator_options {
    esp_strings stop; /* texts that end a sample for good */
    int stream, logprobs, api;
    int64_t top_logprobs, most_n;
    bool cache_prompt;
} generator_options;
extern const esp_option generator_option_rows[];

/* The rows of engine_kind.  The row's name is that of its shape, and of the family of servers. */
#define GENERATOR_KIND(shape_name)                                                                 \
    {                                                                                              \
        .name = (shape_name), .roles = ENGINE_GENERATOR, .options = generator_option_rows,         \
        .option_bytes = sizeof (generator_options), .open = generator_open,                        \
        .start = generator_start, .poll = generator_poll, .cancel = generator_cancel,              \
        .fds = generator_fds, .close = generator_close, .slots = generator_slots,                  \
        .ready = generator_ready, .settled = generator_settled, .context = generator_context,      \
        .describe = generator_describe, .models = generator_models, .tokens = generator_tokens,    \
        .http = true, .check_options = generator_check_options                                     \
    }
esp_err generator_open (const engine_setup *setup, void **state, esp_error *error);
esp_err generator_check_options (const engine_kind *kind, const void *options,
                                 const struct step_rule *step, esp_error *why);
void generator_start (void *state, const job *const *jobs, size_t n);
void generator_poll (void *state);
void generator_cancel (void *state, const job *j);
size_t generator_fds (void *state, int *fds, size_t max);
void generator_close (void *state);
uint32_t generator_slots (const void *state);
uint32_t generator_context (const void *state, uint16_t action);
esp_err generator_ready (void *state, esp_error *why);
esp_err generator_settled (void *state, esp_error *why);
esp_err generator_describe (void *state, esp_buf *out);
unsigned generator_tokens (const engine_kind *kind, const void *options);
size_t generator_models (const void *state, engine_model *out, size_t max);

#endif
