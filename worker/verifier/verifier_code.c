/* SPDX-License-Identifier: Apache-2.0 */
/* verifier_code.c - kind `code`: runs the program of a branch against its problem's tests, contained
 *
 * pass     tests-passed
 * fail     tests-failed, program-raised, bad-source, bad-answer, exited, crashed, killed, cpu-limit, file-limit, output-limit
 * unknown  timeout, no-tests, bad-problem, tests-do-not-parse, tests-timeout, tests-crashed, too-many-tests, cannot-compare,
 *          verifier-crashed
 *
 * A program that uses up its CPU time fails; one that is not done in time without that is unknown: the machine may be slow.
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
    return esp_buf_printf (out, "\"visible\":%s,",
                           j->task.reading == VERIFY_VISIBLE ? "true" : "false");
}

static esp_err code_open (const engine_setup *setup, void **state, esp_error *error)
{
    return code_engine_open (setup, ask, state, error);
}

static bool code_hidden_tests (const void *own)
{
    return ((const struct own_options *)own)->visible;
}

const engine_kind verifier_code = {.name = "code",
                                   .roles = ENGINE_VERIFIER,
                                   .options = options,
                                   .option_bytes = sizeof (struct own_options),
                                   .open = code_open,
                                   .start = code_engine_start,
                                   .poll = code_engine_poll,
                                   .cancel = code_engine_cancel,
                                   .fds = code_engine_fds,
                                   .close = code_engine_close,
                                   .slots = code_engine_slots,
                                   .hidden_tests = code_hidden_tests,
                                   .doubt = code_row_doubt,
                                   .describe = code_engine_describe};
