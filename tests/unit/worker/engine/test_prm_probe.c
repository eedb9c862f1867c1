/* SPDX-License-Identifier: Apache-2.0 */
/* test_prm_probe.c - what is found out about a PRM server, and about the run file, before the first job */

// LINK: esp_engine_table esp_test_servers PkgConfig::JANSSON

#include "tests/unit/worker/engine/prm_kit.h"

static void it_says_what_it_found (void)
{
    struct kit *k = given_ready (HONEST);
    esp_buf out = {0};
    PASS (k->kind->describe (k->state, &out));
    CHECK (strstr (esp_buf_text (&out),
                   "vLLM 0.32.0, model prm, context 1024 tokens; layout qwen-extra0, "
                   "tag <extra_0> = 2003; example: right step 0.9000, wrong step "
                   "0.1000\n"));
    CU_ASSERT_EQUAL (k->kind->slots (k->state), 64 + 32);
    esp_buf_free (&out);
    end_engine (k);
}

static void a_wrong_order_is_a_warning_only (void)
{
    struct kit *k = given_ready (REVERSED);
    esp_buf out = {0};
    PASS (k->kind->describe (k->state, &out));
    CHECK (strstr (esp_buf_text (&out), "(WRONG ORDER)"));
    esp_buf_free (&out);
    end_engine (k);
}

static void never_ready (enum trick trick, const char *part)
{
    static struct kit k;
    esp_error why = {0};
    memset (&k, 0, sizeof (k));
    PASS (given_engine (&k, "vllm-pooling", trick, &why));
    FAILS (wait_ready (&k, &why), ESP_EENGINE);
    CHECK (strstr (why.text, part) && strstr (why.text, k.url));
    if (!strstr (why.text, part))
        printf ("    says: %s\n", why.text);
    end_engine (&k);
}

static void servers_that_are_no_such_prm_are_found_at_start (void)
{
    never_ready (GENERATOR, "does not serve engine vllm-pooling (status 404: ");
    never_ready (GENERATOR, "it needs: --runner pooling");
    never_ready (EMBEDDING, "4 numbers for the whole text instead of a row per tag");
    never_ready (NO_ROWS, "start it with --pooler-config "
                          "'{\"tok_pooling_type\":\"STEP\",\"step_tag_id\":2003}'");
    never_ready (TAG_OF_TWO, "the tag \"<extra_0>\" is 2 tokens of its vocabulary");
}

static void pairs_that_make_no_sense_are_mistakes_of_the_run_file (void)
{
    static struct kit k;
    esp_error why = {0};
    memset (&k, 0, sizeof (k));
    k.options =
        (prm_options){.layout = {.name = "thinkprm"}, .batch_texts = 1, .cache_prompt = true};
    FAILS (given_engine (&k, "vllm-pooling", HONEST, &why), ESP_EUNSUPPORTED);
    CHECK (strstr (why.text,
                   "prm.layout: thinkprm cannot be read through engine vllm-pooling, which "
                   "takes qwen-extra0"));
    http_server_stop (k.play.server);
    esp_buf_free (&k.play.reply);
    memset (&k, 0, sizeof (k));
    k.options = (prm_options){
        .samples = 4, .batch_texts = 1, .cache_prompt = true, .layout = {.column = -1}};
    FAILS (given_engine (&k, "openai-critique", HONEST, &why), ESP_EINVAL);
    CHECK (strstr (why.text, "prm.samples: 4 critiques at temperature 0"));
    http_server_stop (k.play.server);
    esp_buf_free (&k.play.reply);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"it says what it found", it_says_what_it_found},
        {"a wrong order is a warning only", a_wrong_order_is_a_warning_only},
        {"servers that are no such PRM are found at start",
         servers_that_are_no_such_prm_are_found_at_start},
        {"pairs that make no sense are mistakes of the run file",
         pairs_that_make_no_sense_are_mistakes_of_the_run_file},
        {NULL, NULL},
    };
    return run_cases ("prm_probe", cases);
}
