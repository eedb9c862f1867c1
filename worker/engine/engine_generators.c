/* SPDX-License-Identifier: Apache-2.0 */
/* engine_generators.c - generators behind HTTP servers: a row per kind of server (docs/engines.md says what each does)
 *
 * All of them are the machine of generator.h; what differs is in the shape of the same name (worker/prompt/shape.h).
 */

#include "worker/engine/engines.h"
#include "worker/engine/generator.h"

const engine_kind engine_auto =
    GENERATOR_KIND ("auto"); /* the kind that its servers are found to be */
/* Anything that speaks OpenAI's API: /v1/completions, or /v1/chat/completions where nobody renders prompts. */
const engine_kind engine_openai = GENERATOR_KIND ("openai");
const engine_kind engine_vllm = GENERATOR_KIND ("vllm");         /* /v1/completions */
const engine_kind engine_sglang = GENERATOR_KIND ("sglang");     /* /generate */
const engine_kind engine_llamacpp = GENERATOR_KIND ("llamacpp"); /* /completion */
