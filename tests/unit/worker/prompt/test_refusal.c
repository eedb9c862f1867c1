/* SPDX-License-Identifier: Apache-2.0 */
/* test_refusal.c - error answers of every server that is known, and of what stands between */

#include "worker/prompt/refusal.h"
#include <stdio.h>
#include <string.h>
#include "tests/support/suite.h"

static const struct row {
    int status;
    const char *body;
    enum server_refusal means;
    const char *says;
} rows[] = {
    /* llama.cpp */
    {500,
     "{\"error\":{\"code\":500,\"message\":\"[json.exception.parse_error.101] parse error at line "
     "1\","
     "\"type\":\"server_error\"}}",
     REFUSAL_REQUEST, "[json.exception.parse_error.101] parse error at line 1"},
    {500, "{\"error\":{\"code\":500,\"message\":\"Compute error.\",\"type\":\"server_error\"}}",
     REFUSAL_RETRY, "Compute error."},
    {400,
     "{\"error\":{\"code\":400,\"message\":\"the request exceeds the available context "
     "size\",\"type\":"
     "\"exceed_context_size_error\",\"n_prompt_tokens\":700,\"n_ctx\":512}}",
     REFUSAL_TOO_LONG, "the request exceeds the available context size"},
    {500,
     "{\"error\":{\"code\":500,\"message\":\"input is too large to process. increase the physical "
     "batch "
     "size\",\"type\":\"server_error\"}}",
     REFUSAL_TOO_LONG, "input is too large to process. increase the physical batch size"},
    {400,
     "{\"error\":{\"code\":400,\"message\":\"Field 'n_cmpl': Value must be between 1 <= value <= "
     "8\","
     "\"type\":\"invalid_request_error\"}}",
     REFUSAL_REQUEST, "Field 'n_cmpl': Value must be between 1 <= value <= 8"},
    {404, "{\"error\":{\"code\":404,\"message\":\"File Not Found\",\"type\":\"not_found_error\"}}",
     REFUSAL_PATH, "File Not Found"},
    {401,
     "{\"error\":{\"message\":\"Invalid API Key\",\"type\":\"authentication_error\",\"code\":401}}",
     REFUSAL_KEY, "Invalid API Key"},
    {501, "{\"error\":{\"code\":501,\"message\":\"This server does not support reranking\"}}",
     REFUSAL_PATH, "This server does not support reranking"},
    {503, "{\"error\":{\"code\":503,\"message\":\"Loading model\",\"type\":\"unavailable_error\"}}",
     REFUSAL_RETRY, "Loading model"},
    /* SGLang */
    {400,
     "{\"error\":{\"message\":\"The input (900 tokens) is longer than the model's context length "
     "(512 "
     "tokens).\"}}",
     REFUSAL_TOO_LONG,
     "The input (900 tokens) is longer than the model's context length (512 tokens)."},
    {400,
     "{\"object\":\"error\",\"message\":\"Requested token count exceeds the model's maximum "
     "context "
     "length of 512 tokens.\",\"type\":\"BadRequestError\",\"param\":null,\"code\":400}",
     REFUSAL_TOO_MUCH,
     "Requested token count exceeds the model's maximum context length of 512 tokens."},
    {503, "{\"error\":{\"message\":\"shutting down\"}}", REFUSAL_RETRY, "shutting down"},
    /* vLLM; more in test_shape_recorded.c */
    {400, "{\"object\":\"error\",\"message\":\"bad\",\"type\":\"BadRequestError\",\"code\":400}",
     REFUSAL_REQUEST, "bad"},
    {400,
     "{\"error\":{\"message\":\"'max_tokens' or 'max_completion_tokens' is too large: 8192. This "
     "model's maximum context length is 300 tokens and your request has 16 input tokens\"}}",
     REFUSAL_TOO_MUCH,
     "'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum context "
     "length is 300 tokens and your request has 16 input tokens"},
    {403, "{\"error\":\"Forbidden\"}", REFUSAL_KEY, "Forbidden"},
    {404, "{\"detail\":\"Not Found\"}", REFUSAL_PATH, "Not Found"},
    {422,
     "{\"detail\":[{\"loc\":[\"body\",\"n\"],\"msg\":\"not an "
     "integer\"},{\"msg\":\"too\\nlong\"}]}",
     REFUSAL_REQUEST, "not an integer; too long"},
    /* OpenAI */
    {400,
     "{\"error\":{\"message\":\"too "
     "many\",\"type\":\"invalid_request_error\",\"code\":\"context_length_"
     "exceeded\"}}",
     REFUSAL_TOO_LONG, "too many"},
    {400,
     "{\"error\":{\"message\":\"This model's maximum context length is 300 tokens. However, you "
     "requested 8208 tokens\",\"code\":\"context_length_exceeded\"}}",
     REFUSAL_TOO_MUCH,
     "This model's maximum context length is 300 tokens. However, you requested 8208 tokens"},
    {400,
     "{\"error\":{\"message\":\"This model's maximum context length is 300 tokens. However, your "
     "messages resulted in 400 tokens\",\"code\":\"context_length_exceeded\"}}",
     REFUSAL_TOO_LONG,
     "This model's maximum context length is 300 tokens. However, your messages resulted in 400 "
     "tokens"},
    {400,
     "{\"error\":{\"message\":\"Unsupported parameter: 'max_tokens'\",\"param\":\"max_tokens\"}}",
     REFUSAL_REQUEST, "Unsupported parameter: 'max_tokens'"},
    {404,
     "{\"error\":{\"message\":\"The model gpt-9 does not exist\",\"code\":\"model_not_found\"}}",
     REFUSAL_MODEL, "The model gpt-9 does not exist"},
    {429, "{\"error\":{\"message\":\"slow down\",\"code\":\"rate_limit_exceeded\"}}", REFUSAL_RETRY,
     "slow down"},
    {429, "{\"error\":{\"message\":\"pay\",\"code\":\"insufficient_quota\"}}", REFUSAL_KEY, "pay"},
    /* TGI, Ollama */
    {422,
     "{\"error\":\"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096\","
     "\"error_type\":\"validation\"}",
     REFUSAL_TOO_MUCH,
     "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096"},
    {429, "{\"error\":\"Model is overloaded\",\"error_type\":\"overloaded\"}", REFUSAL_RETRY,
     "Model is overloaded"},
    {424, "{\"error\":\"Request failed during generation\"}", REFUSAL_RETRY,
     "Request failed during generation"},
    {404, "{\"error\":{\"message\":\"model \\\"x\\\" not found, try pulling it first\"}}",
     REFUSAL_MODEL, "model \"x\" not found, try pulling it first"},
    /* what stands between */
    {502, "<html><head><title>502 Bad\n Gateway</title></head><body>nginx</body></html>",
     REFUSAL_RETRY, "502 Bad Gateway"},
    {504, "", REFUSAL_RETRY, ""},
    {413, "<html><body><h1>Too large</h1>\r\n<hr></body>", REFUSAL_TOO_LONG, "Too large"},
    {400, "<TITLE>400 The plain HTTP request was sent to HTTPS port</TITLE>", REFUSAL_REQUEST,
     "400 The plain HTTP request was sent to HTTPS port"},
    {401, "", REFUSAL_KEY, ""},
    {402, "{}", REFUSAL_KEY, ""},
    {407, "Proxy Authentication Required", REFUSAL_KEY, "Proxy Authentication Required"},
    {307, "", REFUSAL_PATH, ""},
    {405, "{\"detail\":\"Method Not Allowed\"}", REFUSAL_PATH, "Method Not Allowed"},
    {408, "\"just text\"", REFUSAL_RETRY, "just text"},
    {418, "[1,2]", REFUSAL_REQUEST, ""},
    {500, "half {\"error\"", REFUSAL_RETRY, "half {\"error\""},
    {500, "\xFF\xFE\x01", REFUSAL_RETRY, "???"},
    {0, "", REFUSAL_RETRY, ""},
    {999, "what", REFUSAL_RETRY, "what"},
    /* inside an answer of status 200 */
    {200, "{\"error\":{\"message\":\"dead\",\"code\":500}}", REFUSAL_RETRY, "dead"},
    {200, "{\"error\":{\"message\":\"no\",\"code\":400}}", REFUSAL_REQUEST, "no"},
    {200, "{\"error\":{\"message\":\"no\",\"code\":\"odd\"}}", REFUSAL_RETRY, "no"},
};

static void every_refusal_means_what_it_should (void)
{
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        char says[200];
        enum server_refusal means =
            refusal_of (rows[i].status, span_of (rows[i].body), says, sizeof (says));
        bool good = means == rows[i].means && strcmp (says, rows[i].says) == 0;
        CHECK (good);
        if (!good)
            printf ("    %d %s: %d \"%s\"\n", rows[i].status, rows[i].body, (int)means, says);
    }
}

static void sentences_are_cut_and_what_they_mean_is_not (void)
{
    char body[1200] = "{\"error\":{\"message\":\"", says[64];
    for (int i = 0; i < 300; i++)
        strcat (body, "\xC3\xA4");
    strcat (body, " maximum context length\"}}");
    CHECK (refusal_of (400, span_of (body), says, sizeof (says)) == REFUSAL_TOO_LONG);
    CHECK (strlen (says) > 56 && strlen (says) < 64 && strlen (says) % 2 == 0);
    CHECK (esp_utf8_valid (span_of (says)));
}

static void control_bytes_do_not_reach_the_terminal (void)
{
    char says[64];
    refusal_of (500, span_of ("{\"error\":\"a\\u001b[31mb\\u0000c\\u009bd\"}"), says,
                sizeof (says));
    CHECK (strcmp (says, "a?[31mb c??d") == 0);
}

static void a_huge_page_is_not_read_to_its_end (void)
{
    static char page[1 << 20];
    char says[64];
    memset (page, '<', sizeof (page));
    CHECK (refusal_of (404, span_make (page, sizeof (page)), says, sizeof (says)) == REFUSAL_PATH);
    CHECK (says[0] == 0);
    CHECK (refusal_of (500, span_make (NULL, 0), says, sizeof (says)) == REFUSAL_RETRY);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"every refusal means what it should", every_refusal_means_what_it_should},
        {"sentences are cut, and what they mean is not",
         sentences_are_cut_and_what_they_mean_is_not},
        {"control bytes do not reach the terminal", control_bytes_do_not_reach_the_terminal},
        {"a huge page is not read to its end", a_huge_page_is_not_read_to_its_end},
        {NULL, NULL},
    };
    return suite_main ("refusal", cases);
}
