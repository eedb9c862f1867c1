/* SPDX-License-Identifier: Apache-2.0 */
/* test_prm_answers.c - how the servings of worker/engine/prm.h read the answers of other servers, and nonsense */

// LINK: esp_engine_table PkgConfig::JANSSON

#include "tests/unit/worker/engine/prm_servings_kit.h"

/* ---- answers by the other servers' code ---- */

static void spellings_are_summed (void)
{
    struct given g;
    given_ask (&g, "llamacpp-logprobs", NULL, 1, 1, 1);
    g.labels = (prm_labels){.good = {1, 2}, .bad = {3, 4}, .good_count = 2, .bad_count = 2};
    PASS (take (&g, "[{\"index\":0,\"tokens_evaluated\":9,\"completion_probabilities\":[{\"id\":1,"
                    "\"top_logprobs\":[{\"id\":1,\"logprob\":-1.3862943611198906},{\"id\":2,"
                    "\"logprob\":-1.3862943611198906},{\"id\":3,\"logprob\":-1.3862943611198906},"
                    "{\"id\":9,\"logprob\":-5}]}]}]"));
    CHECK (near (g.scores[0], 2.0 / 3));
    CU_ASSERT_EQUAL (g.tokens, 9);
    given_ask (&g, "sglang-score", NULL, 1, 1, 1);
    g.labels = (prm_labels){.good = {1, 2}, .bad = {3}, .good_count = 2, .bad_count = 1};
    PASS (take (&g, "{\"scores\":[[0.25,0.35,0.4]]}"));
    CHECK (near (g.scores[0], 0.6));
}

static void a_label_that_is_not_listed_is_bounded (void)
{
    struct given g;
    given_ask (&g, "llamacpp-logprobs", NULL, 1, 1, 1);
    PASS (take (&g, "{\"completion_probabilities\":[{\"top_logprobs\":[{\"id\":10,\"logprob\":-1},"
                    "{\"id\":5,\"logprob\":-3}]}]}"));
    CHECK (near (g.scores[0], 1 / (1 + exp (-2))));
    PASS (take (&g, "{\"completion_probabilities\":[{\"top_logprobs\":[{\"id\":4,\"logprob\":-1},"
                    "{\"id\":5,\"logprob\":-3}]}]}"));
    CHECK (near (g.scores[0], 0.5)); /* neither: nothing is known */
}

static void sglang_triples_are_read_in_order (void)
{
    struct given g;
    given_ask (&g, "sglang-logprobs", NULL, 2, 1, 1);
    PASS (take (
        &g, "[{\"meta_info\":{\"prompt_tokens\":4,\"output_token_ids_logprobs\":[[[-1,10,null],"
            "[-1,12,null]]]}},{\"meta_info\":{\"prompt_tokens\":5,\"output_token_ids_logprobs\":"
            "[[[-1,10,null],[-9999,12,null]]]}}]"));
    CHECK (near (g.scores[0], 0.5) && near (g.scores[4], 1));
    CU_ASSERT_EQUAL (g.tokens, 9);
}

#define ENTRY(good, bad)                                                                           \
    "{\"10\":{\"logprob\":" #good "},\"12\":{\"logprob\":" #bad "},\"99\":{\"logprob\":-9}}"

static void prompt_logprobs_are_read_behind_each_tag (void)
{
    struct given g;
    given_ask (&g, "vllm-prompt-logprobs", "math-shepherd", 1, 2, 2);
    g.labels.has_tag = true;
    g.labels.tag = 77;
    PASS (take (
        &g,
        "{\"choices\":[{\"index\":0,\"prompt_token_ids\":[1,77,5,77,6],\"prompt_logprobs\":["
        "null," ENTRY (-9, -9) "," ENTRY (-1, -1) "," ENTRY (-9, -9) "," ENTRY (0, -40) "]}]}"));
    CHECK (near (g.scores[0], 0.5) && near (g.scores[1], 1));
    refuses (&g,
             "{\"choices\":[{\"index\":0,\"prompt_token_ids\":[1,77,5],\"prompt_logprobs\":["
             "null," ENTRY (-9, -9) "," ENTRY (-1, -1) "]}]}",
             "1 or more places with a score for 2 steps");
    refuses (&g, "{\"choices\":[{\"index\":0,\"prompt_token_ids\":[1],\"prompt_logprobs\":null}]}",
             "did not come");
}

static void the_texts_own_token_bounds_nothing (void)
{
    struct given g;
    given_ask (&g, "vllm-prompt-logprobs", "rlhflow-deepseek", 1, 1, 1);
    g.options.top_logprobs = 2;
    PASS (take (
        &g, "{\"choices\":[{\"index\":0,\"prompt_token_ids\":[1,10,50],\"prompt_logprobs\":[null,"
            "{\"10\":{\"logprob\":-9,\"rank\":800},\"5\":{\"logprob\":-1,\"rank\":1},\"6\":{"
            "\"logprob\":-2,\"rank\":2}},{}]}]}"));
    CHECK (near (g.scores[0], 1 / (1 + exp (7)))); /* the bad label may be as likely as token 6 */
}

static void prompt_logprobs_are_read_at_labels_in_the_text (void)
{
    struct given g;
    given_ask (&g, "vllm-prompt-logprobs", "rlhflow-deepseek", 1, 2, 1);
    /* 10 is "+", 50 ends a turn; the "+" inside a step is followed by something else */
    PASS (take (&g,
                "{\"choices\":[{\"index\":0,\"prompt_token_ids\":[1,10,3,10,50,10,50],"
                "\"prompt_logprobs\":[null,{},{}," ENTRY (-1, -1) ",{}," ENTRY (-2, -1) ",{}]}]}"));
    CHECK (near (g.scores[0], 1 / (1 + exp (1))));
}

static void critiques_are_averaged (void)
{
    struct given g;
    given_ask (&g, "openai-critique", NULL, 1, 2, 2);
    g.options.samples = 2;
    PASS (take (&g,
                "{\"choices\":[{\"index\":0,\"text\":\"\\\\boxed{correct} \\\\boxed{incorrect}\"},"
                "{\"index\":1,\"text\":\"\\\\boxed{correct}\"}],\"usage\":{\"total_tokens\":30}}"));
    CHECK (near (g.scores[0], 1) && near (g.scores[1], 0.25)); /* wrong; not said */
    CU_ASSERT_EQUAL (g.tokens, 30);
}

static void the_decision_has_a_probability (void)
{
    struct given g;
    given_ask (&g, "openai-critique", NULL, 1, 1, 1);
    PASS (take (
        &g, "{\"choices\":[{\"index\":0,\"text\":\"Is the solution correct? Yes\",\"logprobs\":{"
            "\"tokens\":[\"Is\",\" Yes\"],\"top_logprobs\":[{},{\" Yes\":-0.5,\" No\":-1.5,"
            "\"x\":-3}]}}]}"));
    CHECK (near (g.scores[0], 1 / (1 + exp (-1))));
    PASS (take (
        &g,
        "{\"choices\":[{\"index\":0,\"text\":\"Is the solution correct? No\",\"logprobs\":{"
        "\"content\":[{\"token\":\" No\",\"top_logprobs\":[{\"token\":\" No\",\"logprob\":-0.5},"
        "{\"token\":\"yes\",\"logprob\":-2.5}]}]}}]}"));
    CHECK (near (g.scores[0], 1 / (1 + exp (2))));
    PASS (take (&g, "{\"choices\":[{\"text\":\"Is the solution correct? No\"}]}"));
    CHECK (g.scores[0] == 0);
}

static void the_decision_may_come_by_ids (void)
{
    struct given g;
    given_ask (&g, "openai-critique", NULL, 1, 1, 1); /* 10 is Yes, 12 is No */
    PASS (take (
        &g, "{\"choices\":[{\"text\":\"\\u0000Is the solution correct? Yes\",\"logprobs\":{"
            "\"tokens\":[\"token_id:12\",\"token_id:10\"],\"top_logprobs\":[{},{\"token_id:10\":-1,"
            "\"token_id:12\":-2,\"token_id:7\":-0.1}]}}]}"));
    CHECK (near (g.scores[0], 1 / (1 + exp (-1))));
}

static void ones_own_server_answers_lists (void)
{
    struct given g;
    given_ask (&g, "http-scores", NULL, 2, 3, 2);
    PASS (take (&g, "{\"scores\":[[0.1,0.2,0.3],[0.4,0.5,0.6]]}"));
    CHECK (near (g.scores[0], 0.2) && near (g.scores[1], 0.3) && near (g.scores[5], 0.6));
    given_ask (&g, "http-scores", NULL, 2, 3, 1);
    PASS (take (&g, "{\"scores\":[0.1,[0.2]]}"));
    CHECK (near (g.scores[0], 0.1) && near (g.scores[4], 0.2));
    refuses (&g, "{\"scores\":[[0.1,0.2],0.3]}", "2 scores for 3 steps");
    refuses (&g, "{\"scores\":[[0.1]]}", "1 lists in scores, asked for were 2");
    refuses (&g, "{\"values\":[]}", "0 lists in scores");
}

/* ---- nonsense ---- */

struct wrong {
    const char *serving, *json, *part;
};

static void nonsense_is_refused_with_a_sentence (void)
{
    static const struct wrong table[] = {
        {"vllm-pooling", "", "not JSON"},
        {"vllm-pooling", "<html>", "not JSON"},
        {"vllm-pooling", "[]", "no list data"},
        {"vllm-pooling", "{\"data\":[]}", "data has 0 entries, asked for were 2"},
        {"vllm-pooling", "{\"data\":[{\"index\":0,\"data\":[[0,1]]},{\"index\":0}]}",
         "index 0 comes twice"},
        {"vllm-pooling", "{\"data\":[{\"index\":0},{\"index\":2}]}", "index 2, asked for were 2"},
        {"vllm-pooling", "{\"data\":[{\"index\":0},{\"index\":-1}]}", "index -1"},
        {"vllm-pooling", "{\"data\":[{\"index\":0},{\"index\":\"1\"}]}", "no whole number"},
        {"vllm-pooling", "{\"data\":[{\"data\":[[0,1]]},{\"data\":{}}]}", "no list of numbers"},
        {"vllm-pooling", "{\"data\":[{\"data\":[[0,1]]},{\"data\":[[0,2]]}]}",
         "2 is no probability"},
        {"vllm-pooling", "{\"data\":[{\"data\":[[0,1]]},{\"data\":[[-0.1,1.1]]}]}",
         "-0.1 is no prob"},
        {"vllm-pooling", "{\"data\":[{\"data\":[[0,1]]},{\"data\":[[0.5,0.6]]}]}", "sum to 1.1"},
        {"vllm-pooling", "{\"data\":[{\"data\":[[0,1]]},{\"data\":[[null,1]]}]}",
         "no finite number"},
        {"vllm-pooling", "{\"data\":[{\"data\":[[0,1]]},{\"data\":[[NaN,1]]}]}", "not JSON"},
        {"vllm-pooling", "{\"data\":[{\"data\":[[0,1]]},{\"data\":[[0,1e999]]}]}", "not JSON"},
        {"vllm-pooling", "{\"data\":[{\"data\":[[0,1]]},{\"data\":[[]]}]}", "0 numbers where"},
        {"vllm-classify", "{\"data\":[{\"probs\":[0.5]},{}]}", "text 1 has no probs"},
        {"vllm-classify", "{\"data\":[{\"probs\":[0.5]},{\"probs\":[1.5]}]}", "1.5 is no prob"},
        {"vllm-logprobs", "{\"choices\":[{},{}]}", "gives no logprobs"},
        {"vllm-logprobs",
         "{\"choices\":[{\"logprobs\":{\"top_logprobs\":[{\"token_id:10\":null}]}},{}]}",
         "no number"},
        {"vllm-logprobs",
         "{\"choices\":[{\"logprobs\":{\"top_logprobs\":[{\"token_id:10\":0.5}]}},{}]}",
         "0.5 is no log prob"},
        {"vllm-logprobs", "{\"choices\":[{\"logprobs\":{\"top_logprobs\":[{\"Yes\":-1}]}},{}]}",
         "no log probabilities"},
        {"vllm-generative-scoring", "{\"data\":[{\"score\":0.5},{}]}", "no finite number"},
        {"vllm-generative-scoring", "{\"data\":[{\"score\":0.5},{\"score\":-1}]}", "-1 is no prob"},
        {"sglang-score", "{\"scores\":[[0.5,0.5]]}", "1 scores for 2 texts"},
        {"sglang-score", "{\"scores\":[[0.5,0.5],[1]]}", "1 numbers for 2 labels"},
        {"sglang-score", "{\"scores\":[[0.5,0.5],[0,0]]}", "no probability at all"},
        {"sglang-logprobs", "{}", "0 answers for 2 texts"},
        {"sglang-logprobs", "[{},{}]", "no output_token_ids_logprobs"},
        {"sglang-logprobs", "[{\"meta_info\":{\"output_token_ids_logprobs\":[[[-1,-10]]]}},{}]",
         "no [logprob, id, text]"},
        {"llamacpp-logprobs", "{}", "no list the answer"},
        {"llamacpp-logprobs", "[{},{}]", "no top_logprobs"},
        {"llamacpp-logprobs",
         "[{\"completion_probabilities\":[{\"top_logprobs\":[{\"id\":1}]}]},{}]", "no id, logprob"},
        {"http-scores", "{\"scores\":[[0.5],[\"0.5\"]]}", "no finite number"},
    };
    for (size_t i = 0; i < sizeof (table) / sizeof (table[0]); i++) {
        struct given g;
        given_ask (&g, table[i].serving, NULL, 2, 1, 1);
        refuses (&g, table[i].json, table[i].part);
    }
}

static void a_critique_needs_every_sample (void)
{
    struct given g;
    given_ask (&g, "openai-critique", NULL, 1, 1, 1);
    g.options.samples = 2;
    refuses (&g, "{\"choices\":[{\"index\":0,\"text\":\"\"}]}", "1 entries, asked for were 2");
    refuses (&g, "{\"choices\":[{\"index\":0,\"text\":\"\"},{\"index\":1}]}",
             "a choice has no text");
}

static void survives_failure_of_every_allocation (void)
{
    static const char *const answers[] = {"prm_batch3", "gen_logprob_token_ids_for_labels"};
    static const char *const names[] = {"vllm-pooling", "vllm-logprobs"};
    json_set_alloc_funcs (esp_malloc, esp_free); /* so that its allocations fail too */
    for (size_t k = 0; k < 2; k++) {
        struct given g;
        char *json = recorded (answers[k]);
        esp_err err = ESP_ENOMEM;
        given_ask (&g, names[k], NULL, k == 0 ? 3 : 1, k == 0 ? 2 : 1, 1);
        g.texts[1].rows = 3;
        g.texts[2].rows = 1;
        for (long n = 0; err != ESP_OK && n < 1000; n++) {
            long before = esp_alloc_live ();
            esp_alloc_fail_after (n);
            err = take (&g, json);
            esp_alloc_fail_after (-1);
            CU_ASSERT_EQUAL (esp_alloc_live (), before);
        }
        CU_ASSERT_EQUAL (err, ESP_OK);
        esp_free (json);
    }
    json_set_alloc_funcs (malloc, free);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"spellings are summed", spellings_are_summed},
        {"a label that is not listed is bounded", a_label_that_is_not_listed_is_bounded},
        {"SGLang's triples are read in order", sglang_triples_are_read_in_order},
        {"prompt logprobs are read behind each tag", prompt_logprobs_are_read_behind_each_tag},
        {"prompt logprobs are read at labels in the text",
         prompt_logprobs_are_read_at_labels_in_the_text},
        {"the text's own token bounds nothing", the_texts_own_token_bounds_nothing},
        {"critiques are averaged", critiques_are_averaged},
        {"the decision has a probability", the_decision_has_a_probability},
        {"the decision may come by ids", the_decision_may_come_by_ids},
        {"one's own server answers lists", ones_own_server_answers_lists},
        {"nonsense is refused with a sentence", nonsense_is_refused_with_a_sentence},
        {"a critique needs every sample", a_critique_needs_every_sample},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("prm_answers", cases);
}
