/* SPDX-License-Identifier: Apache-2.0 */
/* verifier_behaviour.c - kind `behaviour`: what a program does, where nothing can say whether it is right
 *
 * fail     crashed-everywhere, and as with code: program-raised, bad-source, bad-answer, exited, crashed, killed, cpu-limit, ...
 * unknown  behaviour: result.answer is a word for what it does on the problem's inputs, so that votes count programs that do the same;
 *          timeout, no-inputs, bad-problem, verifier-crashed, ...
 *
 * It never passes.  Programs of a problem are run on the same inputs: the word depends on the problem and on the program alone.
 */

#include "worker/verifier/verifiers.h"
#include "worker/verifier/code_engine.h"

struct own_options {
    code_options code;
    int64_t inputs;
};

static const esp_option options[] = {
    CODE_OPTION_ROWS,
    {"inputs", ESP_OPT_INT, offsetof (struct own_options, inputs), "16", 1, 1000, NULL, "inputs",
     "each program is run on: those of the row, then ones made of them", ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

static esp_err ask (const void *own, const job *j, esp_buf *out)
{
    (void)j;
    return esp_buf_printf (out, "\"inputs\":%lld,",
                           (long long)((const struct own_options *)own)->inputs);
}

static esp_err behaviour_open (const engine_setup *setup, void **state, esp_error *error)
{
    return code_engine_open (setup, ask, state, error);
}

const engine_kind verifier_behaviour = {.name = "behaviour",
                                        .roles = ENGINE_VERIFIER,
                                        .options = options,
                                        .option_bytes = sizeof (struct own_options),
                                        .open = behaviour_open,
                                        .start = code_engine_start,
                                        .poll = code_engine_poll,
                                        .cancel = code_engine_cancel,
                                        .fds = code_engine_fds,
                                        .close = code_engine_close,
                                        .slots = code_engine_slots,
                                        .describe = code_engine_describe};
