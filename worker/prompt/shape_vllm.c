/* SPDX-License-Identifier: Apache-2.0 */
/* shape_vllm.c - vLLM's OpenAI-style paths with its own fields (engines.md A.1, vllm-real.md 2)
 *
 * Usage counts the tokens of all samples together.  So with n > 1 their ids are asked for, which count them; they bring
 * the prompt's ids along with each sample, but counts by bytes would depend on who travels with whom (D4).
 */

#include "worker/prompt/json_out.h"
#include "worker/prompt/shape_inner.h"

static void write_samplers (const gen_ask *ask, json_out *o)
{
    json_out_double (o, "temperature", shape_temperature (ask));
    json_out_double (o, "top_p", ask->top_p);
    json_out_i64 (o, "top_k", ask->top_k); /* 0 = off */
    json_out_u64 (o, "min_p", 0);
    json_out_u64 (o, "presence_penalty", 0);
    json_out_u64 (o, "frequency_penalty", 0);
    json_out_u64 (o, "repetition_penalty", 1);
    json_out_u64 (o, "seed", ask->seed);
    json_out_texts (o, "stop", ask->stop, ask->stop_count);
    json_out_bool (o, "include_stop_str_in_output", true);
    json_out_bool (o, "skip_special_tokens", true);
}

static void write_extras (const gen_ask *ask, json_out *o)
{
    bool chat = ask->messages.ptr != NULL;
    bool logprobs = ask->logprobs || ask->top_logprobs > 0;
    if (logprobs && chat) {
        json_out_bool (o, "logprobs", true);
        json_out_u64 (o, "top_logprobs", ask->top_logprobs);
    } else if (logprobs)
        json_out_u64 (o, "logprobs", ask->top_logprobs); /* 0: the sampled token's alone */
    if (logprobs) /* names with ids: no token's text can break the answer's JSON */
        json_out_bool (o, "return_tokens_as_token_ids", true);
    if (ask->ids ||
        (!logprobs && (ask->n > 1 || ask->stream))) /* else usage counts them, at the end */
        json_out_bool (o, "return_token_ids", true);
    if (ask->request_id)
        json_out_text (o, "request_id", span_of (ask->request_id));
    json_out_bool (o, "stream", ask->stream);
    if (ask->stream)
        json_out_raw (o, "stream_options", span_of ("{\"include_usage\":true}"));
}

static esp_err vllm_write (const gen_ask *ask, esp_buf *json)
{
    json_out o = json_out_begin (json);
    if (shape_allows (&shape_vllm, ask) != ESP_OK)
        return ESP_EUNSUPPORTED;
    json_out_open (&o, NULL, '{');
    if (ask->model)
        json_out_text (&o, "model", span_of (ask->model));
    if (ask->messages.ptr)
        openai_write_messages (ask, &o);
    else {
        json_out_text (&o, "prompt", ask->prompt);
        json_out_bool (&o, "add_special_tokens", ask->add_bos);
    }
    json_out_u64 (&o, "n", ask->n);
    json_out_u64 (&o, "max_tokens", ask->max_tokens);
    write_samplers (ask, &o);
    write_extras (ask, &o);
    json_out_close (&o, '}');
    return json_out_end (&o);
}

static esp_err vllm_read (gen_reply *r, span json, esp_error *why)
{
    return openai_read (r, json, OPENAI_NAMED, true, why);
}

const gen_shape shape_vllm = {
    .name = "vllm",
    .path = "/v1/completions",
    .chat_path = "/v1/chat/completions",
    .traits =
        {
            .raw = true,
            .chat = true,
            .most_n = REPLY_MOST_N, /* its own limit is 16384 */
            .most_stops = 4,
            .most_temperature = 2,
            .says_stop = true,
            .seeds = true,
            .logprobs = true,
            .ids = true,
            .cached = true,
            .cancels_plain = true,
            .usage = true,
        },
    .done_mark = true,
    .write = vllm_write,
    .read = vllm_read,
};
