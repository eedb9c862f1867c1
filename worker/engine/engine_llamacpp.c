/* SPDX-License-Identifier: Apache-2.0 */
/* engine_llamacpp.c - generator `llamacpp`: the llama.cpp server: its own /completion */

#include "worker/engine/engines.h"
#include "worker/engine/generator.h"

static esp_err open_llamacpp (const engine_setup *setup, void **state, esp_error *error)
{
    return generator_open ("llamacpp", setup, state, error);
}

const engine_kind engine_llamacpp = {.name = "llamacpp",
                                     .roles = ENGINE_GENERATOR,
                                     .http = true,
                                     .options = generator_option_rows,
                                     .option_bytes = sizeof (generator_options),
                                     .open = open_llamacpp,
                                     .start = generator_start,
                                     .poll = generator_poll,
                                     .cancel = generator_cancel,
                                     .fds = generator_fds,
                                     .close = generator_close,
                                     .slots = generator_slots,
                                     .ready = generator_ready,
                                     .context = generator_context,
                                     .describe = generator_describe};
