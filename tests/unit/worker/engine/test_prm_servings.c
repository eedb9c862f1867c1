/* SPDX-License-Identifier: Apache-2.0 */
/* test_prm_servings.c - what the servings of worker/engine/prm.h write, and how they read a real vLLM */

// LINK: esp_engine_table PkgConfig::JANSSON

#include "tests/unit/worker/engine/prm_servings_kit.h"

/* ---- requests ---- */

static void writes (struct given *g, const char *path, const char *json)
{
    esp_buf route = {0}, body = {0};
    PASS (g->serving->write (&g->ask, &route, &body));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&route), path);
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&body), json);
    if (strcmp (esp_buf_text (&body), json) != 0)
        printf ("    wrote: %s\n", esp_buf_text (&body));
    esp_buf_free (&route);
    esp_buf_free (&body);
}

static void requests_hold_many_texts (void)
{
    struct given g;
    given_ask (&g, "vllm-pooling", NULL, 2, 1, 1);
    writes (&g, "/pooling",
            "{\"model\":\"m\",\"input\":[\"text 1\",\"text 2\"],\"encoding_format\":\"float\","
            "\"add_special_tokens\":false}");
    given_ask (&g, "vllm-classify", NULL, 2, 1, 1);
    writes (&g, "/classify",
            "{\"model\":\"m\",\"input\":[\"text 1\",\"text 2\"],\"add_special_tokens\":false}");
    given_ask (&g, "sglang-logprobs", NULL, 2, 1, 1);
    writes (&g, "/generate",
            "{\"model\":\"m\",\"text\":[\"text 1\",\"text 2\"],\"token_ids_logprob\":[10,12],"
            "\"return_logprob\":true,\"logprob_start_len\":-1,\"sampling_params\":{"
            "\"max_new_tokens\":1,\"temperature\":0},\"stream\":false}");
    given_ask (&g, "llamacpp-logprobs", NULL, 2, 1, 1);
    writes (
        &g, "/completion",
        "{\"model\":\"m\",\"prompt\":[\"text 1\",\"text 2\"],\"n_predict\":1,\"temperature\":-1,"
        "\"n_probs\":20,\"cache_prompt\":true,\"stream\":false}");
    g.options.cache_prompt = false;
    writes (
        &g, "/completion",
        "{\"model\":\"m\",\"prompt\":[\"text 1\",\"text 2\"],\"n_predict\":1,\"temperature\":-1,"
        "\"n_probs\":20,\"cache_prompt\":false,\"stream\":false}");
}

static void only_llamacpp_can_be_told_to_read_texts_anew (void)
{
    const prm_serving *serving;
    layout_plan plan;
    for (size_t i = 0; (serving = prm_serving_at (i)); i++) {
        struct given g;
        given_ask (&g, serving->name, NULL, 1, 1, 1);
        g.options.cache_prompt = false;
        if (serving == &prm_llamacpp_logprobs) {
            PASS (prm_plan (serving, &g.options, &plan, &g.why));
        } else {
            FAILS (prm_plan (serving, &g.options, &plan, &g.why), ESP_EINVAL);
            CHECK (strncmp (g.why.text, "cache_prompt: ", 14) == 0);
        }
    }
}

static void requests_name_the_labels (void)
{
    struct given g;
    given_ask (&g, "vllm-logprobs", NULL, 1, 1, 1);
    g.labels = (prm_labels){.good = {1, 2}, .bad = {3}, .good_count = 2, .bad_count = 1};
    g.ask.add_special = true;
    writes (
        &g, "/v1/completions",
        "{\"model\":\"m\",\"prompt\":[\"text 1\"],\"logprob_token_ids\":[1,2,3],\"logprobs\":20,"
        "\"return_tokens_as_token_ids\":true,\"max_tokens\":1,\"n\":1,\"temperature\":0,"
        "\"stream\":false,\"add_special_tokens\":true}");
    given_ask (&g, "vllm-generative-scoring", NULL, 1, 1, 1);
    g.labels = (prm_labels){.good = {1, 2}, .bad = {3, 4}, .good_count = 2, .bad_count = 2};
    writes (&g, "/generative_scoring",
            "{\"model\":\"m\",\"query\":\"\",\"items\":[\"text 1\"],\"label_token_ids\":[1,3],"
            "\"apply_softmax\":true,\"item_first\":false,\"add_special_tokens\":false}");
    given_ask (&g, "sglang-score", NULL, 1, 1, 1);
    g.labels = (prm_labels){.good = {1, 2}, .bad = {3, 4}, .good_count = 2, .bad_count = 2};
    writes (&g, "/v1/score",
            "{\"model\":\"m\",\"query\":\"\",\"items\":[\"text 1\"],\"label_token_ids\":[1,2,3,4],"
            "\"apply_softmax\":true,\"item_first\":false}");
}

static void requests_of_other_shapes (void)
{
    struct given g;
    given_ask (&g, "vllm-prompt-logprobs", NULL, 1, 1, 1);
    g.ask.model = NULL;
    writes (&g, "/v1/completions",
            "{\"prompt\":[\"text 1\"],\"prompt_logprobs\":20,\"return_token_ids\":true,"
            "\"max_tokens\":1,\"n\":1,\"temperature\":0,\"stream\":false,"
            "\"add_special_tokens\":false}");
    given_ask (&g, "openai-critique", NULL, 1, 1, 1);
    g.options.samples = 3;
    writes (&g, "/v1/completions",
            "{\"model\":\"m\",\"prompt\":\"text 1\",\"n\":3,\"max_tokens\":100,\"seed\":7,"
            "\"logprobs\":5,\"return_tokens_as_token_ids\":true,\"temperature\":0.5,\"stream\":"
            "false,\"add_special_tokens\":false}");
    given_ask (&g, "http-scores", NULL, 1, 1, 1);
    g.options.path = "v2/prm";
    writes (&g, "/v2/prm", "{\"model\":\"m\",\"inputs\":[\"text 1\"]}");
    g.options.path = NULL;
    writes (&g, "", "{\"model\":\"m\",\"inputs\":[\"text 1\"]}");
    given_ask (&g, "vllm-classify", NULL, 1, 1, 1);
    g.options.route = ROUTE_SCORE;
    g.texts[0].text = span_of ("<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\nA");
    writes (&g, "/score",
            "{\"model\":\"m\",\"queries\":[\"<|im_start|>user\\nQ<|im_end|>\\n\"],\"documents\":["
            "\"<|im_start|>assistant\\nA\"],\"add_special_tokens\":false}");
}

/* ---- answers of a real vLLM 0.32.0 ---- */

static void rows_of_tags_are_read (void)
{
    struct given g;
    given_ask (&g, "vllm-pooling", NULL, 1, 2, 2);
    takes_recorded (&g, "prm_one");
    CHECK (near (g.scores[0], 0.3705224394798279) && near (g.scores[1], 0.9999996423721313));
    CU_ASSERT_EQUAL (g.tokens, 63);
    given_ask (&g, "vllm-pooling", NULL, 1, 2, 1); /* only the last step is new */
    takes_recorded (&g, "prm_one");
    CHECK (near (g.scores[0], 0.9999996423721313));
}

static void a_batch_goes_to_its_texts (void)
{
    struct given g;
    given_ask (&g, "vllm-pooling", NULL, 3, 2, 1);
    g.texts[1].rows = 3;
    g.texts[1].want = 2;
    g.texts[2].rows = 1;
    takes_recorded (&g, "prm_batch3");
    CHECK (near (g.scores[0], 0.9999996423721313));
    CHECK (near (g.scores[4], 0.9999996423721313) && near (g.scores[5], 0.3737638294696808));
    CHECK (near (g.scores[8], 0.12439141422510147));
    CU_ASSERT_EQUAL (g.tokens, 186);
}

static void the_order_of_items_does_not_matter (void)
{
    struct given g;
    given_ask (&g, "vllm-pooling", NULL, 2, 1, 1);
    PASS (take (
        &g, "{\"data\":[{\"index\":1,\"data\":[[0.9,0.1]]},{\"index\":0,\"data\":[[0.3,0.7]]}]}"));
    CHECK (near (g.scores[0], 0.7) && near (g.scores[4], 0.1) && g.tokens == 0);
}

static void causal_prms_are_read_through_pooling (void)
{
    struct given g;
    given_ask (&g, "vllm-pooling", "math-shepherd", 1, 2, 2); /* STEP pooling: a row per tag */
    takes_recorded (&g, "causal_step_pool");
    CHECK (near (g.scores[0], 0.8060439825057983) && near (g.scores[1], 0.31109124422073364));
    given_ask (&g, "vllm-pooling", "rlhflow-deepseek", 1, 5, 1); /* a row per token: the last one */
    CU_ASSERT_EQUAL (g.plan.reading, READ_LAST);
    takes_recorded (&g, "causal_token_classify");
    CHECK (near (g.scores[0], 0.787498414516449));
}

static void outcome_models_are_read_three_ways (void)
{
    struct given g;
    given_ask (&g, "vllm-classify", NULL, 2, 1, 1);
    takes_recorded (&g, "orm_classify");
    CHECK (near (g.scores[0], 0.7874983549118042) && near (g.scores[4], 0.9998769760131836));
    g.options.route = ROUTE_SCORE;
    takes_recorded (&g, "orm_score");
    CHECK (near (g.scores[0], 0.7874983549118042) && near (g.scores[4], 0.9998769760131836));
    given_ask (&g, "vllm-pooling", "outcome", 2, 1, 1);
    takes_recorded (&g, "orm_pooling");
    CHECK (near (g.scores[0], 0.7874983549118042) && near (g.scores[4], 0.9998769760131836));
}

static void labels_are_compared_by_their_logprobs (void)
{
    struct given g;
    given_ask (&g, "vllm-logprobs", NULL, 1, 1, 1);
    takes_recorded (&g, "gen_logprob_token_ids_for_labels");
    CHECK (fabs (g.scores[0] - 0.7874984) < 1e-6); /* as /pooling and /generative_scoring say */
    CU_ASSERT_EQUAL (g.tokens, 5);
    given_ask (&g, "vllm-generative-scoring", NULL, 2, 1, 1);
    takes_recorded (&g, "gen_scoring_softmax");
    CHECK (near (g.scores[0], 0.787498384386988) && near (g.scores[4], 0.9998769489935886));
}

static void a_pooling_server_that_is_no_prm_is_told_apart (void)
{
    struct given g;
    given_ask (&g, "vllm-pooling", NULL, 1, 2, 1);
    g.labels.has_tag = true;
    g.labels.tag = 2003;
    refuses_recorded (&g, "prm_default_tag_id_other_vocab", "\"step_tag_id\":2003");
    refuses (&g, "{\"data\":[{\"index\":0,\"data\":[0.1,0.2,0.3]}]}",
             "3 numbers for the whole text");
    refuses_recorded (&g, "causal_token_classify", "5 rows for 2 tags");
    refuses_recorded (&g, "prm_no_activation", "prm.normalise");
    g.texts[0].rows = 1;
    refuses_recorded (&g, "prm_one", "2 rows for 1 tags");
    given_ask (&g, "vllm-pooling", NULL, 2, 2, 1);
    refuses_recorded (&g, "prm_no_tag_in_batch", "no row for 2 tags \"<extra_0>\"");
    given_ask (&g, "vllm-pooling", "math-shepherd", 1, 1, 1);
    refuses (&g, "{\"data\":[{\"index\":0,\"data\":[]}]}", "step_tag_id");
}

static void raw_values_can_be_normalised (void)
{
    struct given g;
    given_ask (&g, "vllm-pooling", NULL, 1, 2, 2);
    g.plan.norm = NORM_SOFTMAX;
    takes_recorded (&g, "prm_no_activation");
    CHECK (fabs (g.scores[0] - 0.3705224) < 1e-6 && fabs (g.scores[1] - 0.99999964) < 1e-6);
    given_ask (&g, "vllm-pooling", "skywork", 1, 3, 1); /* the last token's value */
    PASS (take (&g, "{\"data\":[{\"index\":0,\"data\":[[5],[-2],[0]]}]}"));
    CHECK (near (g.scores[0], 0.5));
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"requests hold many texts", requests_hold_many_texts},
        {"only llama.cpp can be told to read texts anew",
         only_llamacpp_can_be_told_to_read_texts_anew},
        {"requests name the labels", requests_name_the_labels},
        {"requests of other shapes", requests_of_other_shapes},
        {"rows of tags are read", rows_of_tags_are_read},
        {"a batch goes to its texts", a_batch_goes_to_its_texts},
        {"the order of items does not matter", the_order_of_items_does_not_matter},
        {"causal PRMs are read through pooling", causal_prms_are_read_through_pooling},
        {"outcome models are read three ways", outcome_models_are_read_three_ways},
        {"labels are compared by their logprobs", labels_are_compared_by_their_logprobs},
        {"a pooling server that is no PRM is told apart",
         a_pooling_server_that_is_no_prm_is_told_apart},
        {"raw values can be normalised", raw_values_can_be_normalised},
        {NULL, NULL},
    };
    return suite_main ("prm_servings", cases);
}
