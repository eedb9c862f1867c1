/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_ENGINES_H
#define ESP_WORKER_ENGINE_ENGINES_H

/* engines.h - the rows of engine_table.c, one per engine */

#include "worker/engine/engine.h"

extern const engine_kind engine_fake;
extern const engine_kind engine_null;
extern const engine_kind engine_embedded;
extern const engine_kind engine_embedded_prm;
extern const engine_kind engine_arithmetic;
extern const engine_kind engine_auto;
extern const engine_kind engine_openai;
extern const engine_kind engine_vllm;
extern const engine_kind engine_sglang;
extern const engine_kind engine_llamacpp;
extern const engine_kind engine_external;
extern const engine_kind engine_file;
extern const engine_kind engine_mutate;
/* PRMs behind HTTP servers: a serving each (prm.h) */
extern const engine_kind engine_vllm_pooling;
extern const engine_kind engine_vllm_classify;
extern const engine_kind engine_vllm_logprobs;
extern const engine_kind engine_vllm_prompt;
extern const engine_kind engine_vllm_generative;
extern const engine_kind engine_sglang_logprobs;
extern const engine_kind engine_sglang_score;
extern const engine_kind engine_llamacpp_logprobs;
extern const engine_kind engine_openai_critique;
extern const engine_kind engine_http_scores;

#endif
