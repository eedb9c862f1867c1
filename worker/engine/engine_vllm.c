/* SPDX-License-Identifier: Apache-2.0 */
/* engine_vllm.c - generator `vllm`: vLLM: /v1/completions (docs/engines.md says what it does) */

#include "worker/engine/engines.h"
#include "worker/engine/generator.h"

static esp_err open_vllm (const engine_setup *setup, void **state, esp_error *error)
{
    return generator_open ("vllm", setup, state, error);
}

const engine_kind engine_vllm = {.name = "vllm",
                                 .roles = ENGINE_GENERATOR,
                                 .http = true,
                                 .options = generator_option_rows,
                                 .option_bytes = sizeof (generator_options),
                                 .open = open_vllm,
                                 .start = generator_start,
                                 .poll = generator_poll,
                                 .cancel = generator_cancel,
                                 .fds = generator_fds,
                                 .close = generator_close,
                                 .slots = generator_slots,
                                 .ready = generator_ready,
                                 .context = generator_context,
                                 .describe = generator_describe};
