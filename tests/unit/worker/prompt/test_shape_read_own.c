/* SPDX-License-Identifier: Apache-2.0 */
/* test_shape_read_own.c - answers of SGLang's /generate and llama.cpp's /completion: what they become */

#include "tests/unit/worker/prompt/shape_rows.h"

/* ---- SGLang ---- */

#define ITEM(index, text, ids, finish, count)                                                      \
    "{" index "\"text\":\"" text "\",\"output_ids\":" ids                                          \
    ",\"meta_info\":{\"id\":\"t\",\"finish_reason\":" finish                                       \
    ",\"prompt_tokens\":9,\"completion_tokens\":" count ",\"cached_tokens\":4}}"
#define MATCHED(what) "{\"type\":\"stop\",\"matched\":" what "}"
#define LENGTH2       "{\"type\":\"length\",\"length\":2}"
#define SGL_LOGGED(triples)                                                                        \
    "{\"text\":\"ab\",\"output_ids\":[1,2],\"meta_info\":{\"finish_reason\":" LENGTH2              \
    ",\"completion_tokens\":2,\"output_token_logprobs\":" triples                                  \
    ",\"output_top_logprobs\":[[[-0.1,7,null],[-0.2,1,null]],[[-0.5,2,null]]]}}"

static const row sglang_rows[] = {
    {"an object",
     0,
     {ITEM ("", "a\\n\\n", "[1,2]", MATCHED ("\"\\n\\n\""), "2")},
     ESP_OK,
     "STOP 2 'a\n\n'"},
    {"a list of one",
     0,
     {"[" ITEM ("", "a", "[1,2]", MATCHED ("\"\\n\\n\""), "2") "]"},
     ESP_OK,
     "STOP 2 'a\n\n'"},
    {"a list of two",
     TWO,
     {"[" ITEM ("", "a", "[1,2]", MATCHED ("151645"), "2") "," ITEM ("", "b", "[1]", LENGTH2,
                                                                     "1") "]"},
     ESP_OK,
     "EOS 2 'a' | LENGTH 1 'b'"},
    {"a list of one too few",
     TWO,
     {"[" ITEM ("", "a", "[1,2]", MATCHED ("151645"), "2") "]"},
     ESP_EFORMAT,
     "1 of 2 samples ended"},
    {"a list of one too many",
     0,
     {"[" ITEM ("", "a", "[1]", LENGTH2, "1") "," ITEM ("", "b", "[1]", LENGTH2, "1") "]"},
     ESP_EFORMAT,
     "there is a sample 1, and 1 were asked for"},
    {"given up",
     0,
     {ITEM ("", "a", "[1]", "{\"type\":\"abort\",\"message\":\"x\",\"status_code\":503}", "1")},
     ESP_OK,
     "ABORTED 1 'a'"},
    {"no finish", 0, {ITEM ("", "a", "[1]", "null", "1")}, ESP_EFORMAT, "unknown reason \"\""},
    {"an unknown finish",
     0,
     {ITEM ("", "a", "[1]", "{\"type\":\"tired\"}", "1")},
     ESP_EFORMAT,
     "unknown reason \"tired\""},
    {"a server's own stop text",
     0,
     {ITEM ("", "a<|im_end|>", "[1]", MATCHED ("\"<|im_end|>\""), "1")},
     ESP_OK,
     "EOS 1 'a'"},
    {"no text", 0, {"{\"meta_info\":{}}"}, ESP_EFORMAT, "no text and meta_info"},
    {"no facts", 0, {"{\"text\":\"a\"}"}, ESP_EFORMAT, "no text and meta_info"},
    {"an error", 0, {"{\"error\":{\"message\":\"bad\"}}"}, ESP_EENGINE, "bad"},
    {"logprobs",
     TOP2,
     {SGL_LOGGED ("[[-0.25,1,null],[-0.5,2,\"b\"]]")},
     ESP_OK,
     "LENGTH 2 'ab' -0.750"},
    {"a logprob too few",
     TOP2,
     {SGL_LOGGED ("[[null,1,null],[-0.5,2,\"b\"]]")},
     ESP_EFORMAT,
     "1 tokens without"},
    {"a logprob that is none",
     TOP2,
     {SGL_LOGGED ("[7,[-0.5,2,\"b\"]]")},
     ESP_EFORMAT,
     "1 tokens without"},
    {"a stream of all so far",
     STREAM,
     {ITEM ("", "a", "[1]", "null", "1"), ITEM ("", "a\\ufffd", "[1,2]", "null", "2"),
      ITEM ("", "a\\u00e4\\n\\n", "[1,2,3]", MATCHED ("\"\\n\\n\""), "3")},
     ESP_OK,
     "STOP 3 'a\xC3\xA4\n\n'"},
    {"a stream of what is new",
     STREAM,
     {ITEM ("", "a", "[1]", "null", "1"), ITEM ("", "aa", "[2]", "null", "2"),
      ITEM ("", "b", "[3]", LENGTH2, "3")},
     ESP_OK,
     "LENGTH 3 'aaab'"},
    {"a stream of two samples",
     STREAM | TWO,
     {ITEM ("\"index\":1,", "x", "[1]", LENGTH2, "1"),
      ITEM ("\"index\":0,", "a", "[1]", LENGTH2, "1")},
     ESP_OK,
     "LENGTH 1 'a' | LENGTH 1 'x'"},
};

static void answers_of_sglang_become_samples (void)
{
    READ_ROWS ("sglang", sglang_rows);
}

/* ---- llama.cpp ---- */

#define PROBS                                                                                      \
    "\"tokens\":[5,6],\"completion_probabilities\":[{\"id\":5,\"logprob\":-0.5,\"top_logprobs\":[" \
    "{\"id\":5,\"logprob\":-0.5},{\"id\":9,\"logprob\":-1.5}]}],"

static const row llamacpp_rows[] = {
    {"a stop text is put back",
     0,
     {LLAMA ("0", "a", "word", "\\n\\n", "3", "")},
     ESP_OK,
     "STOP 3 'a\n\n'"},
    {"an empty step", 0, {LLAMA ("0", "", "word", "\\n\\n", "1", "")}, ESP_OK, "STOP 1 '\n\n'"},
    {"the end of the sequence", 0, {LLAMA ("0", "a", "eos", "", "3", "")}, ESP_OK, "EOS 3 'a'"},
    {"max_tokens", 0, {LLAMA ("0", "a", "limit", "", "3", "")}, ESP_OK, "LENGTH 3 'a'"},
    {"an empty prompt", 0, {LLAMA ("0", "", "none", "", "0", "")}, ESP_OK, "ABORTED 0 ''"},
    {"an unknown end",
     0,
     {LLAMA ("0", "", "bored", "", "0", "")},
     ESP_EFORMAT,
     "unknown reason \"bored\""},
    {"two samples in any order",
     TWO,
     {"[" LLAMA ("1", "b", "eos", "", "2", "") "," LLAMA ("0", "a", "eos", "", "3", "") "]"},
     ESP_OK,
     "EOS 3 'a' | EOS 2 'b'"},
    {"one twice",
     TWO,
     {"[" LLAMA ("1", "b", "eos", "", "2", "") "," LLAMA ("1", "a", "eos", "", "3", "") "]"},
     ESP_EFORMAT,
     "sample 1 came twice"},
    {"only one of two",
     TWO,
     {LLAMA ("0", "b", "eos", "", "2", "")},
     ESP_EFORMAT,
     "1 of 2 samples ended"},
    {"no content", 0, {"{\"index\":0,\"stop\":true}"}, ESP_EFORMAT, "has no content"},
    {"logprobs without those of the stop text",
     TOP2,
     {LLAMA ("0", "a", "word", "\\n\\n", "2", PROBS)},
     ESP_OK,
     "STOP 2 'a\n\n' -0.500"},
    {"missing where no stop text was met",
     TOP2,
     {LLAMA ("0", "a", "limit", "", "2", PROBS)},
     ESP_EFORMAT,
     "1 tokens without"},
    {"a stream",
     STREAM,
     {PART ("0", "a", "[1]"), PART ("0", "b", "[2]"), PART ("0", "", "[3]"),
      LLAMA ("0", "", "word", "\\n\\n", "3", "\"tokens\":[],")},
     ESP_OK,
     "STOP 3 'ab\n\n'"},
    {"a stream that does not end",
     STREAM,
     {PART ("0", "a", "[1]")},
     ESP_EFORMAT,
     "0 of 1 samples ended"},
    {"a stream of two",
     STREAM | TWO,
     {PART ("1", "x", "[1]"), PART ("0", "a", "[1]"), LLAMA ("0", "", "limit", "", "1", ""),
      LLAMA ("1", "", "eos", "", "2", "")},
     ESP_OK,
     "LENGTH 1 'a' | EOS 2 'x'"},
    {"an error in a stream",
     STREAM,
     {PART ("0", "a", "[1]"),
      "{\"error\":{\"code\":500,\"message\":\"no KV slot\",\"type\":\"server_error\"}}"},
     ESP_EENGINE,
     "no KV slot"},
    {"chat does not say",
     CHAT,
     {"{\"choices\":[{\"index\":0,\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}"},
     ESP_OK,
     "STOPPED 0 'a'"},
};

static void answers_of_llamacpp_become_samples (void)
{
    READ_ROWS ("llamacpp", llamacpp_rows);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"answers of sglang become samples", answers_of_sglang_become_samples},
        {"answers of llamacpp become samples", answers_of_llamacpp_become_samples},
        {NULL, NULL},
    };
    return suite_main ("shape_read_own", cases);
}
