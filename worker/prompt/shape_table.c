/* SPDX-License-Identifier: Apache-2.0 */
/* shape_table.c - the kinds of servers that can generate: one row each; and what none of them takes */

#include "worker/prompt/shape_inner.h"

static const gen_shape *const rows[] = {&shape_openai, &shape_vllm, &shape_sglang, &shape_llamacpp};
enum { ROWS = sizeof (rows) / sizeof (rows[0]) };

const gen_shape *shape_at (size_t index)
{
    return index < ROWS ? rows[index] : NULL;
}

const gen_shape *shape_find (const char *name)
{
    for (size_t i = 0; i < ROWS; i++)
        if (span_is (span_of (name), rows[i]->name))
            return rows[i];
    return NULL;
}

/* vLLM raises what lies between 0 and 0.01 to 0.01; so that all servers do the same, it is sent so. */
double shape_temperature (const gen_ask *ask)
{
    static const double least = 0.01;
    return ask->temperature > 0 && ask->temperature < least ? least : ask->temperature;
}

esp_err shape_allows (const gen_shape *shape, const gen_ask *ask)
{
    const gen_traits *t = &shape->traits;
    bool chat = ask->messages.ptr != NULL;
    bool good = ask->n >= 1 && ask->n <= t->most_n && ask->max_tokens >= 1 &&
                ask->stop_count <= t->most_stops && (chat ? t->chat : t->raw) &&
                ask->temperature >= 0 &&
                (t->most_temperature <= 0 || ask->temperature <= t->most_temperature) &&
                ask->top_p > 0 && ask->top_p <= 1 && ask->top_k >= 0;
    if (ask->n > 1 && ask->temperature == 0 && !t->greedy_n)
        good = false;
    for (size_t i = 0; good && i < ask->stop_count; i++)
        good = ask->stop[i] && ask->stop[i][0];
    return good ? ESP_OK : ESP_EUNSUPPORTED;
}
