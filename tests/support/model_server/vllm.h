/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_SUPPORT_MODEL_SERVER_VLLM_H
#define ESP_TESTS_SUPPORT_MODEL_SERVER_VLLM_H

/* vllm.h - what the two files of the kind vllm share */

#include "tests/support/model_server/request.h"

bool vllm_check_model (const asked *q, answer *a);
bool vllm_check_length (const asked *q, answer *a, size_t count);

void vllm_pooling (const asked *q, answer *a);
void vllm_classify (const asked *q, answer *a);
void vllm_score (const asked *q, answer *a);
void vllm_rerank (const asked *q, answer *a);
void vllm_generative_scoring (const asked *q, answer *a);

/* P(labels[0]) as the next token of a prompt; softmax: among the labels. */
double vllm_label_probability (span prompt, json_t *labels, bool softmax);

#endif
