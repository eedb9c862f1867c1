/* SPDX-License-Identifier: Apache-2.0 */
/* engine_table.c - one row per engine and verifier */

#include <string.h>
#include "worker/engine/engines.h"
#include "worker/verifier/verifiers.h"

/* clang-format off */
static const engine_kind *const table[] = {
    &engine_fake,
    &engine_null,
    &engine_embedded,
    &engine_embedded_prm,
    &engine_arithmetic,
    &engine_auto,
    &engine_openai,
    &engine_vllm,
    &engine_sglang,
    &engine_llamacpp,
    &engine_external,
    &engine_file,
    &engine_mutate,
    &engine_vllm_pooling,
    &engine_vllm_classify,
    &engine_vllm_logprobs,
    &engine_vllm_prompt,
    &engine_vllm_generative,
    &engine_sglang_logprobs,
    &engine_sglang_score,
    &engine_llamacpp_logprobs,
    &engine_openai_critique,
    &engine_http_scores,
    &verifier_puzzle,
    &verifier_answer,
    &verifier_math_verify,
    &verifier_code,
    &verifier_command,
    &verifier_votes,
    &verifier_coq,
    &verifier_behaviour,
    &verifier_sandboxfusion,
    &verifier_lean,
    &verifier_lean_kimina,
};
/* clang-format on */

const engine_kind *engine_at (size_t index)
{
    return index < sizeof (table) / sizeof (table[0]) ? table[index] : NULL;
}

const engine_kind *engine_find (const char *name, unsigned role)
{
    const engine_kind *kind;
    for (size_t i = 0; name && (kind = engine_at (i)); i++)
        if ((kind->roles & role) && strcmp (kind->name, name) == 0)
            return kind;
    return NULL;
}
