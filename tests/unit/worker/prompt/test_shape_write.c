/* SPDX-License-Identifier: Apache-2.0 */
/* test_shape_write.c - what each kind of server is sent, to the letter */

// LINK: PkgConfig::JANSSON

#include <jansson.h>
#include "tests/unit/worker/prompt/shape_kit.h"

static void becomes (const char *name, const gen_ask *ask, const char *json)
{
    esp_buf out = {0};
    json_t *root;
    PASS (esp_buf_puts (&out, "x"));
    PASS (shape_find (name)->write (ask, &out));
    CHECK (strcmp (esp_buf_text (&out) + 1, json) == 0);
    if (strcmp (esp_buf_text (&out) + 1, json) != 0)
        printf ("    %s: %s\n", name, esp_buf_text (&out) + 1);
    root = json_loadb (out.data + 1, out.len - 1, 0, NULL);
    CHECK (json_is_object (root));
    json_decref (root);
    esp_buf_free (&out);
}

/* Everything that can be asked for. */
static gen_ask full_ask (void)
{
    static const char *const stop[] = {"\n\n", "Q:"};
    gen_ask ask = kit_ask ();
    ask.n = 2;
    ask.top_k = 20;
    ask.stop = stop;
    ask.stop_count = 2;
    ask.logprobs = ask.ids = ask.stream = true;
    ask.top_logprobs = 3;
    ask.slot = 5;
    ask.request_id = "t17.n3";
    return ask;
}

static gen_ask chat_ask (void)
{
    gen_ask ask = kit_ask ();
    ask.continues = true;
    ask.messages = span_of ("[{\"role\":\"user\",\"content\":\"1 + 2?\"}]");
    ask.logprobs = true;
    return ask;
}

static void openai_is_sent_nothing_it_does_not_know (void)
{
    gen_ask plain = kit_ask (), full = full_ask (), chat = chat_ask ();
    becomes ("openai", &plain,
             "{\"model\":\"m\",\"prompt\":\"Q: 1 + "
             "2?\\n\\n\",\"n\":1,\"max_tokens\":64,\"temperature\":0.8,"
             "\"top_p\":1.0,\"presence_penalty\":0,\"frequency_penalty\":0,\"seed\":42,"
             "\"stop\":[\"\\n\\n\"],\"stream\":false}");
    becomes (
        "openai", &full,
        "{\"model\":\"m\",\"prompt\":\"Q: 1 + "
        "2?\\n\\n\",\"n\":2,\"max_tokens\":64,\"temperature\":0.8,"
        "\"top_p\":1.0,\"top_k\":20,\"presence_penalty\":0,\"frequency_penalty\":0,\"seed\":42,"
        "\"stop\":[\"\\n\\n\",\"Q:\"],\"logprobs\":3,\"stream\":true,"
        "\"stream_options\":{\"include_usage\":true}}");
    becomes ("openai", &chat,
             "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"1 + 2?\"}],"
             "\"add_generation_prompt\":false,\"continue_final_message\":true,\"n\":1,"
             "\"max_tokens\":64,\"temperature\":0.8,\"top_p\":1.0,\"presence_penalty\":0,"
             "\"frequency_penalty\":0,\"seed\":42,\"stop\":[\"\\n\\n\"],\"logprobs\":true,"
             "\"stream\":false}");
}

static void vllm_is_sent_every_sampler (void)
{
    gen_ask plain = kit_ask (), full = full_ask (), chat = chat_ask ();
    becomes (
        "vllm", &plain,
        "{\"model\":\"m\",\"prompt\":\"Q: 1 + 2?\\n\\n\",\"add_special_tokens\":false,\"n\":1,"
        "\"max_tokens\":64,\"temperature\":0.8,\"top_p\":1.0,\"top_k\":0,\"min_p\":0,"
        "\"presence_penalty\":0,\"frequency_penalty\":0,\"repetition_penalty\":1,\"seed\":42,"
        "\"stop\":[\"\\n\\n\"],\"include_stop_str_in_output\":true,\"skip_special_tokens\":true,"
        "\"stream\":false}");
    becomes ("vllm", &full,
             "{\"model\":\"m\",\"prompt\":\"Q: 1 + 2?\\n\\n\",\"add_special_tokens\":false,\"n\":2,"
             "\"max_tokens\":64,\"temperature\":0.8,\"top_p\":1.0,\"top_k\":20,\"min_p\":0,"
             "\"presence_penalty\":0,\"frequency_penalty\":0,\"repetition_penalty\":1,\"seed\":42,"
             "\"stop\":[\"\\n\\n\",\"Q:\"],\"include_stop_str_in_output\":true,"
             "\"skip_special_tokens\":true,\"logprobs\":3,\"return_tokens_as_token_ids\":true,"
             "\"return_token_ids\":true,\"request_id\":\"t17.n3\",\"stream\":true,"
             "\"stream_options\":{\"include_usage\":true}}");
    becomes (
        "vllm", &chat,
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"1 + 2?\"}],"
        "\"add_generation_prompt\":false,\"continue_final_message\":true,\"n\":1,"
        "\"max_tokens\":64,\"temperature\":0.8,\"top_p\":1.0,\"top_k\":0,\"min_p\":0,"
        "\"presence_penalty\":0,\"frequency_penalty\":0,\"repetition_penalty\":1,\"seed\":42,"
        "\"stop\":[\"\\n\\n\"],\"include_stop_str_in_output\":true,\"skip_special_tokens\":true,"
        "\"logprobs\":true,\"top_logprobs\":0,\"return_tokens_as_token_ids\":true,"
        "\"stream\":false}");
}

/* Usage counts all samples together. */
static void vllm_is_asked_for_ids_to_count_the_tokens_of_several_samples (void)
{
    gen_ask ask = kit_ask ();
    ask.n = 3;
    ask.stop_count = 0;
    ask.add_bos = true;
    becomes ("vllm", &ask,
             "{\"model\":\"m\",\"prompt\":\"Q: 1 + 2?\\n\\n\",\"add_special_tokens\":true,\"n\":3,"
             "\"max_tokens\":64,\"temperature\":0.8,\"top_p\":1.0,\"top_k\":0,\"min_p\":0,"
             "\"presence_penalty\":0,\"frequency_penalty\":0,\"repetition_penalty\":1,\"seed\":42,"
             "\"include_stop_str_in_output\":true,\"skip_special_tokens\":true,"
             "\"return_token_ids\":true,\"stream\":false}");
}

/* Usage comes with the end of a stream, and a stream may be cut before; an event may hold several tokens. */
static void vllm_is_asked_for_ids_to_count_the_tokens_of_a_stream (void)
{
    gen_ask ask = kit_ask ();
    ask.stream = true;
    becomes (
        "vllm", &ask,
        "{\"model\":\"m\",\"prompt\":\"Q: 1 + 2?\\n\\n\",\"add_special_tokens\":false,\"n\":1,"
        "\"max_tokens\":64,\"temperature\":0.8,\"top_p\":1.0,\"top_k\":0,\"min_p\":0,"
        "\"presence_penalty\":0,\"frequency_penalty\":0,\"repetition_penalty\":1,\"seed\":42,"
        "\"stop\":[\"\\n\\n\"],\"include_stop_str_in_output\":true,\"skip_special_tokens\":true,"
        "\"return_token_ids\":true,\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
}

static void sglang_is_sent_a_seed_for_each_sample (void)
{
    gen_ask plain = kit_ask (), full = full_ask ();
    becomes ("sglang", &plain,
             "{\"text\":\"Q: 1 + 2?\\n\\n\",\"sampling_params\":{\"max_new_tokens\":64,"
             "\"temperature\":0.8,\"top_p\":1.0,\"top_k\":-1,\"min_p\":0,\"presence_penalty\":0,"
             "\"frequency_penalty\":0,\"repetition_penalty\":1,\"sampling_seed\":42,"
             "\"stop\":[\"\\n\\n\"],\"no_stop_trim\":true,\"skip_special_tokens\":true},"
             "\"stream\":false}");
    becomes ("sglang", &full,
             "{\"text\":[\"Q: 1 + 2?\\n\\n\",\"Q: 1 + 2?\\n\\n\"],"
             "\"sampling_params\":[{\"max_new_tokens\":64,\"temperature\":0.8,\"top_p\":1.0,"
             "\"top_k\":20,\"min_p\":0,\"presence_penalty\":0,\"frequency_penalty\":0,"
             "\"repetition_penalty\":1,\"sampling_seed\":42,\"stop\":[\"\\n\\n\",\"Q:\"],"
             "\"no_stop_trim\":true,\"skip_special_tokens\":true},{\"max_new_tokens\":64,"
             "\"temperature\":0.8,\"top_p\":1.0,\"top_k\":20,\"min_p\":0,\"presence_penalty\":0,"
             "\"frequency_penalty\":0,\"repetition_penalty\":1,\"sampling_seed\":43,"
             "\"stop\":[\"\\n\\n\",\"Q:\"],\"no_stop_trim\":true,\"skip_special_tokens\":true}],"
             "\"return_logprob\":true,\"logprob_start_len\":-1,\"top_logprobs_num\":3,"
             "\"rid\":\"t17.n3\",\"stream\":true}");
    full.fork = true;
    becomes ("sglang", &full,
             "{\"text\":\"Q: 1 + 2?\\n\\n\",\"sampling_params\":{\"n\":2,\"max_new_tokens\":64,"
             "\"temperature\":0.8,\"top_p\":1.0,\"top_k\":20,\"min_p\":0,\"presence_penalty\":0,"
             "\"frequency_penalty\":0,\"repetition_penalty\":1,\"sampling_seed\":42,"
             "\"stop\":[\"\\n\\n\",\"Q:\"],\"no_stop_trim\":true,\"skip_special_tokens\":true},"
             "\"return_logprob\":true,\"logprob_start_len\":-1,\"top_logprobs_num\":3,"
             "\"rid\":\"t17.n3\",\"stream\":true}");
}

static void llamacpp_is_sent_every_sampler (void)
{
    gen_ask plain = kit_ask (), full = full_ask (), chat = chat_ask ();
    becomes (
        "llamacpp", &plain,
        "{\"model\":\"m\",\"prompt\":\"Q: 1 + 2?\\n\\n\",\"n_predict\":64,\"return_tokens\":false,"
        "\"response_fields\":[\"index\",\"content\",\"tokens\",\"id_slot\",\"stop\",\"model\","
        "\"tokens_predicted\",\"stop_type\",\"stopping_word\",\"completion_probabilities\","
        "\"tokens_evaluated\",\"timings/cache_n\"],\"stream\":false,\"temperature\":0.8,"
        "\"top_p\":1.0,\"top_k\":0,\"min_p\":0,\"typical_p\":1,\"repeat_penalty\":1,"
        "\"presence_penalty\":0,\"frequency_penalty\":0,\"dry_multiplier\":0,"
        "\"xtc_probability\":0,\"mirostat\":0,\"dynatemp_range\":0,\"seed\":42,\"stop\":["
        "\"\\n\\n\"],"
        "\"cache_prompt\":true,\"id_slot\":-1}");
    becomes (
        "llamacpp", &full,
        "{\"model\":\"m\",\"prompt\":\"Q: 1 + "
        "2?\\n\\n\",\"n_predict\":64,\"n_cmpl\":2,\"n_probs\":3,"
        "\"return_tokens\":true,\"response_fields\":[\"index\",\"content\",\"tokens\",\"id_slot\","
        "\"stop\",\"model\",\"tokens_predicted\",\"stop_type\",\"stopping_word\","
        "\"completion_probabilities\",\"tokens_evaluated\",\"timings/cache_n\"],"
        "\"stream\":true,\"temperature\":0.8,\"top_p\":1.0,\"top_k\":20,\"min_p\":0,"
        "\"typical_p\":1,\"repeat_penalty\":1,\"presence_penalty\":0,\"frequency_penalty\":0,"
        "\"dry_multiplier\":0,\"xtc_probability\":0,\"mirostat\":0,\"dynatemp_range\":0,"
        "\"seed\":42,\"stop\":[\"\\n\\n\",\"Q:\"],\"cache_prompt\":true,\"id_slot\":5}");
    becomes (
        "llamacpp", &chat,
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"1 + "
        "2?\"}],\"max_tokens\":64,"
        "\"logprobs\":true,\"top_logprobs\":1,\"stream\":false,\"temperature\":0.8,\"top_p\":1.0,"
        "\"top_k\":0,\"min_p\":0,\"typical_p\":1,\"repeat_penalty\":1,\"presence_penalty\":0,"
        "\"frequency_penalty\":0,\"dry_multiplier\":0,\"xtc_probability\":0,\"mirostat\":0,"
        "\"dynatemp_range\":0,\"seed\":42,\"stop\":[\"\\n\\n\"],\"cache_prompt\":true,\"id_slot\":-"
        "1}");
}

static void only_llamacpp_is_told_to_leave_its_cache_alone (void)
{
    esp_buf with = {0}, without = {0};
    for (size_t i = 0; shape_at (i); i++) {
        const gen_shape *shape = shape_at (i);
        gen_ask ask = kit_ask ();
        esp_buf_clear (&with);
        esp_buf_clear (&without);
        PASS (shape->write (&ask, &with));
        ask.uncached = true;
        PASS (shape->write (&ask, &without));
        CHECK (shape->traits.uncached == (strcmp (with.data, without.data) != 0));
        CHECK (shape->traits.uncached == (strcmp (shape->name, "llamacpp") == 0));
        CHECK (!shape->traits.uncached || strstr (without.data, "\"cache_prompt\":false"));
    }
    esp_buf_free (&with);
    esp_buf_free (&without);
}

/* ---- what is not sent ---- */

static void is_refused (const char *name, const gen_ask *ask)
{
    esp_buf out = {0};
    PASS (esp_buf_puts (&out, "x"));
    FAILS (shape_find (name)->write (ask, &out), ESP_EUNSUPPORTED);
    CHECK (strcmp (esp_buf_text (&out), "x") == 0);
    esp_buf_free (&out);
}

static void what_no_server_takes_is_refused (void)
{
    static const char *const empty[] = {""};
    for (size_t i = 0; shape_at (i); i++) {
        const char *name = shape_at (i)->name;
        gen_ask ask = kit_ask ();
        ask.n = shape_at (i)->traits.most_n + 1;
        is_refused (name, &ask);
        ask = kit_ask ();
        ask.n = 0;
        is_refused (name, &ask);
        ask = kit_ask ();
        ask.max_tokens = 0;
        is_refused (name, &ask);
        ask = kit_ask ();
        ask.stop = empty;
        is_refused (name, &ask);
        ask = kit_ask ();
        ask.temperature = (double)NAN;
        is_refused (name, &ask);
        ask.temperature = -1;
        is_refused (name, &ask);
    }
}

static void vllm_takes_four_stop_texts_and_temperatures_up_to_two (void)
{
    static const char *const five[] = {"a", "b", "c", "d", "e"};
    gen_ask ask = kit_ask ();
    ask.stop = five;
    ask.stop_count = 5;
    is_refused ("vllm", &ask);
    is_refused ("openai", &ask);
    ask = kit_ask ();
    ask.temperature = 2.5;
    is_refused ("vllm", &ask);
    is_refused ("openai", &ask);
}

/* vLLM: 400 "n must be 1 when using greedy sampling" */
static void several_greedy_samples_are_refused_where_the_trait_says_so (void)
{
    for (size_t i = 0; shape_at (i); i++) {
        gen_ask ask = kit_ask ();
        esp_buf out = {0};
        ask.temperature = 0;
        PASS (shape_at (i)->write (&ask, &out));
        CHECK (strstr (esp_buf_text (&out), "\"temperature\":0.0") != NULL);
        esp_buf_clear (&out);
        ask.n = 2;
        CHECK ((shape_at (i)->write (&ask, &out) == ESP_OK) == shape_at (i)->traits.greedy_n);
        esp_buf_free (&out);
    }
    CHECK (!shape_find ("vllm")->traits.greedy_n);
}

static void tiny_temperatures_are_sent_as_vllm_makes_them (void)
{
    for (size_t i = 0; shape_at (i); i++) {
        gen_ask ask = kit_ask ();
        esp_buf out = {0};
        ask.temperature = 1e-6;
        PASS (shape_at (i)->write (&ask, &out));
        CHECK (strstr (esp_buf_text (&out), "\"temperature\":0.01") != NULL);
        esp_buf_free (&out);
    }
}

static void sglang_is_not_chatted_with (void)
{
    gen_ask ask = chat_ask ();
    CHECK (shape_find ("sglang")->chat_path == NULL);
    is_refused ("sglang", &ask);
}

static void any_bytes_of_a_prompt_make_valid_json (void)
{
    char bytes[256];
    for (size_t i = 0; i < sizeof (bytes); i++)
        bytes[i] = (char)(255 - i);
    for (size_t i = 0; shape_at (i); i++) {
        gen_ask ask = kit_ask ();
        esp_buf out = {0};
        json_t *root;
        ask.prompt = span_make (bytes, sizeof (bytes));
        PASS (shape_at (i)->write (&ask, &out));
        root = json_loadb (out.data, out.len, JSON_ALLOW_NUL, NULL);
        CHECK (json_is_object (root));
        json_decref (root);
        esp_buf_free (&out);
    }
}

static void names_find_their_rows (void)
{
    CHECK (shape_find ("vllm") == shape_at (1));
    CHECK (shape_find ("vllm ") == NULL && shape_find (NULL) == NULL);
    CHECK (shape_at (4) == NULL);
}

static void survives_failure_of_every_allocation (void)
{
    for (size_t i = 0; shape_at (i); i++) {
        esp_err err = ESP_ENOMEM;
        gen_ask ask = full_ask ();
        for (long n = 0; err != ESP_OK && n < 100; n++) {
            esp_buf out = {0};
            esp_alloc_fail_after (n);
            err = shape_at (i)->write (&ask, &out);
            esp_alloc_fail_after (-1);
            CHECK (err == ESP_OK || (err == ESP_ENOMEM && out.len == 0));
            esp_buf_free (&out);
            CHECK (esp_alloc_live () == 0);
        }
        CHECK (err == ESP_OK);
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"names find their rows", names_find_their_rows},
        {"openai is sent nothing it does not know", openai_is_sent_nothing_it_does_not_know},
        {"vllm is sent every sampler", vllm_is_sent_every_sampler},
        {"vllm is asked for ids, to count the tokens of several samples",
         vllm_is_asked_for_ids_to_count_the_tokens_of_several_samples},
        {"vllm is asked for ids to count the tokens of a stream",
         vllm_is_asked_for_ids_to_count_the_tokens_of_a_stream},
        {"sglang is sent a seed for each sample", sglang_is_sent_a_seed_for_each_sample},
        {"llamacpp is sent every sampler", llamacpp_is_sent_every_sampler},
        {"only llamacpp is told to leave its cache alone",
         only_llamacpp_is_told_to_leave_its_cache_alone},
        {"what no server takes is refused", what_no_server_takes_is_refused},
        {"vllm takes four stop texts, and temperatures up to two",
         vllm_takes_four_stop_texts_and_temperatures_up_to_two},
        {"several greedy samples are refused where the trait says so",
         several_greedy_samples_are_refused_where_the_trait_says_so},
        {"tiny temperatures are sent as vllm makes them",
         tiny_temperatures_are_sent_as_vllm_makes_them},
        {"sglang is not chatted with", sglang_is_not_chatted_with},
        {"any bytes of a prompt make valid JSON", any_bytes_of_a_prompt_make_valid_json},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("shape_write", cases);
}
