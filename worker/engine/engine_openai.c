/* SPDX-License-Identifier: Apache-2.0 */
/* engine_openai.c - generator `openai`: anything that speaks OpenAI's API: /v1/completions, or /v1/chat/completions where nobody renders prompts */

#include "worker/engine/engines.h"
#include "worker/engine/generator.h"

static esp_err open_openai (const engine_setup *setup, void **state, esp_error *error)
{
    return generator_open ("openai", setup, state, error);
}

const engine_kind engine_openai = {.name = "openai",
                                   .roles = ENGINE_GENERATOR,
                                   .http = true,
                                   .options = generator_option_rows,
                                   .option_bytes = sizeof (generator_options),
                                   .open = open_openai,
                                   .start = generator_start,
                                   .poll = generator_poll,
                                   .cancel = generator_cancel,
                                   .fds = generator_fds,
                                   .close = generator_close,
                                   .slots = generator_slots,
                                   .ready = generator_ready,
                                   .context = generator_context,
                                   .describe = generator_describe};
