/* SPDX-License-Identifier: Apache-2.0 */
/* prm_servings.c - one row per serving, and the keys they share */

#include "worker/engine/prm_servings.h"
#include <string.h>

static const prm_serving *const table[] = {
    &prm_vllm_pooling,    &prm_vllm_classify,   &prm_vllm_logprobs, &prm_vllm_prompt,
    &prm_vllm_generative, &prm_sglang_logprobs, &prm_sglang_score,  &prm_llamacpp_logprobs,
    &prm_openai_critique, &prm_http_scores};

const prm_serving *prm_serving_at (size_t index)
{
    return index < sizeof (table) / sizeof (table[0]) ? table[index] : NULL;
}

const prm_serving *prm_serving_find (const char *name)
{
    const prm_serving *row;
    for (size_t i = 0; (row = prm_serving_at (i)) && strcmp (row->name, name) != 0;)
        i++;
    return row;
}

#define AT(field) offsetof (prm_options, field)
const esp_option prm_option_rows[] = {
    {"layout", ESP_OPT_STRING, AT (layout.name), NULL, 0, 0, NULL, "",
     "What the PRM was trained on: " LAYOUT_NAMES "; left out: what the engine is mostly used for.",
     ESP_OPT_FIXED, false},
    {"tag", ESP_OPT_STRING, AT (layout.tag), NULL, 0, 0, NULL, "",
     "Text behind each step; left out: the layout's.", ESP_OPT_FIXED, false},
    {"tag_id", ESP_OPT_INT, AT (layout.tag_id), "-1", -1, 4294967295.0, NULL, "",
     "Its token; -1: the server's vocabulary is asked.", ESP_OPT_FIXED, false},
    {"split", ESP_OPT_STRING, AT (layout.split), NULL, 0, 0, NULL, "",
     "Text that ends a step inside a node, for this PRM; step: only as section step says; left "
     "out: the layout's.",
     ESP_OPT_FIXED, false},
    {"good", ESP_OPT_STRINGS, AT (layout.good), NULL, 0, 0, NULL, "",
     "Spellings of the label for a good step, each one token; left out: the layout's.",
     ESP_OPT_FIXED, false},
    {"bad", ESP_OPT_STRINGS, AT (layout.bad), NULL, 0, 0, NULL, "",
     "Spellings of the label for a bad step.", ESP_OPT_FIXED, false},
    {"good_id", ESP_OPT_INT, AT (layout.good_id), "-1", -1, 4294967295.0, NULL, "",
     "Token of the good label; -1: the server's vocabulary is asked.", ESP_OPT_FIXED, false},
    {"bad_id", ESP_OPT_INT, AT (layout.bad_id), "-1", -1, 4294967295.0, NULL, "",
     "Token of the bad label.", ESP_OPT_FIXED, false},
    {"column", ESP_OPT_INT, AT (layout.column), "-1", -1, 63, NULL, "",
     "Number of a row that stands for good, from 0; -1: the layout's.", ESP_OPT_FIXED, false},
    {"normalise", ESP_OPT_CHOICE, AT (layout.norm), "auto", 0, 0,
     "auto|probability|sigmoid|softmax", "",
     "How numbers of the server become scores: as they are, sigmoid of a value, softmax of a row; "
     "auto: the layout's.",
     ESP_OPT_FIXED, false},
    {"chat", ESP_OPT_CHOICE, AT (layout.chat), "auto", 0, 0, LAYOUT_CHAT_NAMES, "",
     "How turns are written; auto: as the layout's PRM was trained.", ESP_OPT_FIXED, false},
    {"bos", ESP_OPT_STRING, AT (layout.bos), NULL, 0, 0, NULL, "",
     "Text of the first token, sent by us where the server adds none; left out: the chat's.",
     ESP_OPT_FIXED, false},
    {"system", ESP_OPT_STRING, AT (layout.system), NULL, 0, 0, NULL, "",
     "System turn; left out: the layout's.", ESP_OPT_FIXED, false},
    {"template", ESP_OPT_STRING, AT (layout.template), NULL, 0, 0, NULL, "",
     "Question to a judge, with {problem}, {steps}, {before}, {step}, {number} filled in; with "
     "chat raw it is the whole text.",
     ESP_OPT_FIXED, false},
    {"batch_texts", ESP_OPT_INT, AT (batch_texts), "32", 1, 1024, NULL, "texts",
     "Most texts of one request; waiting steps of all problems share requests.", ESP_OPT_FREE,
     false},
    {"batch_bytes", ESP_OPT_INT, AT (batch_bytes), "1000000", 1, 100000000, NULL, "bytes",
     "Most bytes of text of one request; a longer text goes alone.", ESP_OPT_FREE, false},
    {"top_logprobs", ESP_OPT_INT, AT (top_logprobs), "20", 1, 1000, NULL, "tokens",
     "Most likely tokens asked for where a server cannot give just the labels' (vLLM: 20 unless "
     "started with more).",
     ESP_OPT_FIXED, false},
    {"samples", ESP_OPT_INT, AT (samples), "1", 1, 64, NULL, "",
     "Critiques of one path by a PRM that writes (thinkprm); the score is their mean.",
     ESP_OPT_FIXED, false},
    {"max_tokens", ESP_OPT_INT, AT (max_tokens), "4096", 1, 1000000, NULL, "tokens",
     "Longest critique.", ESP_OPT_FIXED, false},
    {"temperature", ESP_OPT_DOUBLE, AT (temperature), "0.6", 0, 2, NULL, "",
     "Of critiques; more than one sample needs more than 0.", ESP_OPT_FIXED, false},
    {"path", ESP_OPT_STRING, AT (path), NULL, 0, 0, NULL, "",
     "http-scores: behind the URL, such as /score.", ESP_OPT_FIXED, false},
    {"route", ESP_OPT_CHOICE, AT (route), "classify", 0, 0, "classify|score", "",
     "vllm-classify: which of its routes.", ESP_OPT_FIXED, false},
    {"cache_prompt", ESP_OPT_BOOL, AT (cache_prompt), "true", 0, 0, NULL, "",
     "llamacpp-logprobs: false = each text is read anew, so that a score does not depend on what "
     "the server's cache held.",
     ESP_OPT_FIXED, false},
    ESP_OPTION_END};

/* ---- what rows cannot say ---- */

esp_err
prm_plan (const prm_serving *serving, const prm_options *o, layout_plan *out, esp_error *why)
{
    esp_err err =
        layout_open (&o->layout, serving->name, serving->layout, serving->readings, out, why);
    if (err == ESP_OK && !o->cache_prompt && !serving->uncached)
        err =
            esp_error_set (why, ESP_EINVAL,
                           "cache_prompt: no request of %s can say that the server's cache is not "
                           "to be used; only llamacpp-logprobs has this",
                           serving->name);
    if (err == ESP_OK && serving->single && o->samples > 1 && o->temperature <= 0)
        err = esp_error_set (why, ESP_EINVAL,
                             "samples: %lld critiques at temperature 0 are all the same",
                             (long long)o->samples);
    return err;
}

esp_err prm_check_options (const engine_kind *kind, const void *options,
                           const struct step_rule *step, esp_error *why)
{
    const prm_serving *serving = prm_serving_find (kind->name);
    layout_plan plan;
    (void)step;
    return serving ? prm_plan (serving, options, &plan, why) : ESP_OK;
}
