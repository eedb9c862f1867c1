/* SPDX-License-Identifier: Apache-2.0 */
/* test_reply.c - what worker/prompt/reply.h promises, beyond the tables of answers */

#include "tests/unit/worker/prompt/shape_rows.h"

static gen_reply *given_reply (const char *name, const gen_ask *ask, const char *text)
{
    gen_reply *r = NULL;
    PASS (reply_create (ask, &r));
    PASS (shape_find (name)->read (r, span_of (text), NULL));
    return r;
}

static void ids_and_alternatives_are_kept_likeliest_first (void)
{
    gen_ask ask = ask_of (TOP2 | IDS);
    gen_reply *r = given_reply ("vllm", &ask,
                                "{\"model\":\"m\\u0007\",\"choices\":[{\"index\":0,\"text\":\"ab\","
                                "\"finish_reason\":\"length\",\"token_ids\":[1,2],"
                                "\"logprobs\":{\"token_logprobs\":[-4.0,-0.5],\"top_logprobs\":[{"
                                "\"token_id:1\":-4.0,\"token_id:7\":-1.0,"
                                "\"token_id:8\":-0.75},{\"token_id:2\":-0.5}]}}],\"usage\":{"
                                "\"prompt_tokens\":9,\"completion_tokens\":2,"
                                "\"prompt_tokens_details\":{\"cached_tokens\":4}}}");
    const gen_sample *s = &r->samples[0];
    CHECK (r->done && r->prompt_tokens == 9 && r->cached_tokens == 4);
    CHECK (strcmp (r->model, "m?") == 0);
    CHECK (s->generated_count == 2 && s->generated[0].id == 1 && s->generated[1].id == 2);
    CHECK (s->top_count == 4 && s->top[0].id == 8 && s->top[1].id == 7); /* not the sampled one */
    CHECK (s->top[2].id == 2 && s->top[3].id == TOKEN_ID_NONE && isnan (s->top[3].logprob));
    PASS (reply_finish (r, &ask, NULL));
    CHECK (s->logprob == -4.5);
    reply_destroy (r);
}

static void names_without_ids_are_alternatives_without_ids (void)
{
    gen_ask ask = ask_of (TOP2);
    gen_reply *r = given_reply (
        "openai", &ask,
        "{\"choices\":[{\"index\":0,\"text\":\"a\",\"finish_reason\":\"length\",\"logprobs\":"
        "{\"tokens\":[\"token_id:99999999999\"],\"token_logprobs\":[-4.0],\"top_logprobs\":"
        "[{\"token_id:x\":-1.0,\"b\":-0.75}]}}]}");
    const gen_sample *s = &r->samples[0];
    CHECK (s->generated[0].id == TOKEN_ID_NONE);
    CHECK (s->top[0].id == TOKEN_ID_NONE && s->top[0].logprob == -0.75F && s->top[1].logprob == -1);
    reply_destroy (r);
}

/* llama.cpp does, unless it streams; a real one did. */
static void a_message_that_is_said_again_is_dropped (void)
{
    static const char answer[] =
        "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"We add.\\n\\n12 + 7\"},"
        "\"finish_reason\":\"length\"}]}";
    gen_ask ask = ask_of (CHAT);
    gen_reply *r;
    ask.messages = span_of ("[{\"role\":\"user\",\"content\":\"?\"},{\"role\":\"assistant\","
                            "\"content\":\"We add.\\n\\n\"}]");
    r = given_reply ("llamacpp", &ask, answer);
    CHECK (strcmp (esp_buf_text (&r->samples[0].text), "We add.\n\n12 + 7") == 0);
    reply_destroy (r);
    ask.continues = true;
    r = given_reply ("llamacpp", &ask, answer);
    CHECK (strcmp (esp_buf_text (&r->samples[0].text), "12 + 7") == 0);
    reply_destroy (r);
    r = given_reply ("vllm", &ask, answer); /* it does not: the model itself said so */
    CHECK (strcmp (esp_buf_text (&r->samples[0].text), "We add.\n\n12 + 7") == 0);
    reply_destroy (r);
    ask.messages = span_of ("[]");
    r = given_reply ("openai", &ask, answer);
    reply_destroy (r);
}

static void the_slot_of_llamacpp_is_told (void)
{
    gen_ask ask = ask_of (PLAIN);
    gen_reply *r = given_reply ("llamacpp", &ask, LLAMA ("0", "a", "eos", "", "3", ""));
    CHECK (r->samples[0].slot == 3 && r->prompt_tokens == 9 && r->cached_tokens == 8);
    reply_destroy (r);
    r = given_reply (
        "llamacpp", &ask,
        "{\"content\":\"a\",\"stop_type\":\"eos\",\"timings/cache_n\":7,\"id_slot\":99999999999}");
    CHECK (r->samples[0].slot == -1 && r->cached_tokens == 7);
    reply_destroy (r);
}

/* Nobody holds what a server says without end. */
static void a_stream_longer_than_asked_for_is_refused_early (void)
{
    gen_ask ask = ask_of (STREAM | SHORT);
    gen_reply *r = NULL;
    esp_error why = {0};
    esp_err err;
    uint32_t events = 0;
    PASS (reply_create (&ask, &r));
    do
        err = shape_find ("llamacpp")->read (r, span_of (PART ("0", "a", "[1]")), &why);
    while (err == ESP_OK && ++events < 1000);
    CHECK (err == ESP_EFORMAT && events < 100 && strstr (why.text, "ignores max_tokens") != NULL);
    reply_destroy (r);
}

static void a_long_text_is_refused_early (void)
{
    gen_ask ask = ask_of (STREAM | SHORT);
    gen_reply *r = NULL;
    esp_error why = {0};
    esp_err err;
    uint32_t events = 0;
    PASS (reply_create (&ask, &r));
    do
        err = shape_find ("vllm")->read (r, span_of (DELTA ("0", "many words and no end", "null")),
                                         &why);
    while (err == ESP_OK && ++events < 10000);
    CHECK (err == ESP_EFORMAT && events < 1000 && strstr (why.text, "ignores max_tokens") != NULL);
    reply_destroy (r);
}

static void an_answer_that_is_too_big_is_not_looked_at (void)
{
    gen_ask ask = ask_of (SHORT);
    size_t most = gen_ask_most_bytes (&ask);
    char *text = esp_calloc (most + 1, 1);
    gen_reply *r = NULL;
    esp_error why = {0};
    CHECK (most > 60000 && most < 200000);
    memset (text, '[', most + 1);
    PASS (reply_create (&ask, &r));
    for (size_t i = 0; shape_at (i); i++) {
        FAILS (shape_at (i)->read (r, span_make (text, most + 1), &why), ESP_EFORMAT);
        CHECK (strstr (why.text, "have at most") != NULL);
        FAILS (shape_at (i)->read (r, span_make (text, most), &why), ESP_EFORMAT); /* deep */
        CHECK (strstr (why.text, "maximum parsing depth") != NULL);
    }
    reply_destroy (r);
    esp_free (text);
    ask.n = UINT32_MAX;
    ask.max_tokens = ask.top_logprobs = UINT32_MAX;
    CHECK (gen_ask_most_bytes (&ask) > most);
}

static void bad_calls_change_nothing (void)
{
    gen_ask ask = ask_of (PLAIN);
    gen_reply *r = NULL;
    FAILS (reply_create (NULL, &r), ESP_EINVAL);
    FAILS (reply_create (&ask, NULL), ESP_EINVAL);
    ask.n = 0;
    FAILS (reply_create (&ask, &r), ESP_EINVAL);
    ask.n = 1025;
    FAILS (reply_create (&ask, &r), ESP_EINVAL);
    CHECK (r == NULL);
    reply_destroy (NULL);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"ids and alternatives are kept, likeliest first",
         ids_and_alternatives_are_kept_likeliest_first},
        {"names without ids are alternatives without ids",
         names_without_ids_are_alternatives_without_ids},
        {"a message that is said again is dropped", a_message_that_is_said_again_is_dropped},
        {"the slot of llamacpp is told", the_slot_of_llamacpp_is_told},
        {"a stream longer than asked for is refused early",
         a_stream_longer_than_asked_for_is_refused_early},
        {"a long text is refused early", a_long_text_is_refused_early},
        {"an answer that is too big is not looked at", an_answer_that_is_too_big_is_not_looked_at},
        {"bad calls change nothing", bad_calls_change_nothing},
        {NULL, NULL},
    };
    return suite_main ("reply", cases);
}
