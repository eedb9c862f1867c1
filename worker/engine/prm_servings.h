/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_PRM_SERVINGS_H
#define ESP_WORKER_ENGINE_PRM_SERVINGS_H

/* prm_servings.h - the servings, each defined in its own file engine_prm_*.c */

#include "worker/engine/prm.h"

extern const prm_serving prm_vllm_pooling, prm_vllm_classify, prm_vllm_logprobs, prm_vllm_prompt,
    prm_vllm_generative, prm_sglang_logprobs, prm_sglang_score, prm_llamacpp_logprobs,
    prm_openai_critique, prm_http_scores;

#endif
