/* SPDX-License-Identifier: Apache-2.0 */
/* verifier_sandboxfusion.c - kind `sandboxfusion`: as code, but programs run on SandboxFusion servers
 *
 * The judge stays here, with the expected values; a server only gets the program and its arguments, and gives values back as data.  Verdicts
 * are code's, and besides unknown: sandbox-error (no server could run it).
 *
 * Weaker than code: how programs are contained is the server's affair; calls of a test are asked together and on their own where their arguments are
 * written out, so a program that remembers earlier calls may be judged otherwise.
 */

#include "worker/verifier/verifiers.h"
#include "worker/verifier/code_engine.h"
#include "worker/verifier/code_row.h"

struct own_options {
    code_options code;
    bool visible;
};

static const esp_option options[] = {
    CODE_OPTION_ROWS,
    {"visible", ESP_OPT_BOOL, offsetof (struct own_options, visible), "true", 0, 0, NULL, "",
     "strategies that ask for verdicts while they search see the visible tests only; the grade "
     "uses all",
     ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

static esp_err ask (const void *own, const job *j, esp_buf *out)
{
    (void)own;
    return esp_buf_printf (out, "\"remote\":true,\"visible\":%s,",
                           j->task.reading == VERIFY_VISIBLE ? "true" : "false");
}

static esp_err fusion_open (const engine_setup *setup, void **state, esp_error *error)
{
    return code_engine_open (setup, ask, state, error);
}

static bool fusion_hidden_tests (const void *own)
{
    return ((const struct own_options *)own)->visible;
}

const engine_kind verifier_sandboxfusion = {.name = "sandboxfusion",
                                            .roles = ENGINE_VERIFIER,
                                            .options = options,
                                            .option_bytes = sizeof (struct own_options),
                                            .http = true,
                                            .open = fusion_open,
                                            .start = code_engine_start,
                                            .poll = code_engine_poll,
                                            .cancel = code_engine_cancel,
                                            .fds = code_engine_fds,
                                            .close = code_engine_close,
                                            .slots = code_engine_slots,
                                            .ready = code_engine_ready,
                                            .settled = code_engine_settled,
                                            .hidden_tests = fusion_hidden_tests,
                                            .doubt = code_row_doubt,
                                            .describe = code_engine_describe};
