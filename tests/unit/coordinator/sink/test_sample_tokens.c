/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config esp_search
/* test_sample_tokens.c - what formats `rollouts` and `distill` promise, and the tokens they write (sample_tokens.h) */

#include "coordinator/sink/sample_tokens.h"
#include "coordinator/sink/sample_formats.h"
#include "tests/unit/coordinator/sink/scripted.h"

static const char question[] = "{\"id\":\"p\",\"problem\":\"1+1+1?\",\"answer\":\"3\"}";
static const char talk[] =
    "{\"id\":\"p\",\"messages\":[{\"role\":\"user\",\"content\":\"1+1+1?\"}]}";

#define NOTHING                                                                                    \
    0, 0, 0,                                                                                       \
    {                                                                                              \
        0                                                                                          \
    }

/* Ids from, from + 1 ...; top alternatives: the token itself at its own logprob, then 90, 91 ... */
static void given_tokens (esp_buf *out, uint32_t from, size_t count, uint32_t top)
{
    token_logprob tokens[4], others[16];
    for (size_t i = 0; i < count; i++) {
        tokens[i] = (token_logprob){from + (uint32_t)i, -0.25f};
        for (uint32_t k = 0; k < top; k++)
            others[i * top + k] =
                k ? (token_logprob){90 + k, -1.5f} : (token_logprob){from + (uint32_t)i, -0.25f};
    }
    PASS (token_data_encode (tokens, count, others, top, out));
}

struct told {
    line lines[3];
    esp_buf data[2];
    script script;
    world w;
};

/* a (two tokens), then b (one token; or none: a person said it), which passed; beside them c, which failed. */
static void given_told (struct told *t, bool first, bool second, const char *json)
{
    memset (t, 0, sizeof (*t));
    given_tokens (&t->data[0], 5, 2, 2);
    given_tokens (&t->data[1], 7, 1, 2);
    t->lines[0] = (line){.mode = ASK_STEP, .text = "a\n\n", .finish = FINISH_STOP, .scores = {0.5}};
    t->lines[1] = (line){.below = 1,
                         .mode = ASK_STEP,
                         .text = "\\boxed{3}",
                         .finish = FINISH_EOS,
                         .verdict = VERDICT_PASS,
                         .scores = {0.75}};
    t->lines[2] =
        (line){.mode = ASK_TO_END, .text = "c", .finish = FINISH_LENGTH, .verdict = VERDICT_PASS};
    if (first)
        t->lines[0].token_data = esp_buf_span (&t->data[0]);
    if (second)
        t->lines[1].token_data = esp_buf_span (&t->data[1]);
    t->script = (script){t->lines, 3};
    given_scripted (&t->w, &t->script, json);
}

static void close_told (struct told *t)
{
    world_close (&t->w);
    esp_buf_free (&t->data[0]);
    esp_buf_free (&t->data[1]);
}

static void steps_are_joined_token_by_token (void)
{
    static const char *const rows[] = {
        "\"messages\":[{\"role\":\"user\",\"content\":\"1+1+1?\"},{\"role\":\"assistant\","
        "\"content\":\"a\\n\\n\\\\boxed{3}\"}],\"answer\":null,\"token_ids\":[5,6,7],"
        "\"token_logprobs\":[-0.25,-0.25,-0.25],\"target_token_ids\":[[5,91],[6,91],[7,91]],"
        "\"logprobs\":[[-0.25,-1.5],[-0.25,-1.5],[-0.25,-1.5]],\"parts\":[{\"text\":\"a\\n\\n\","
        "\"tokens\":2,\"weight\":1},{\"text\":\"\\\\boxed{3}\",\"tokens\":1,\"weight\":1}]",
        NULL};
    struct told t;
    given_told (&t, true, true, question);
    CHECK (rows_are (&t.w, "distill", "", VERIFIED_ONLY, rows));
    close_told (&t);
    given_told (&t, true, true, talk);
    CHECK (rows_are (&t.w, "distill", "", VERIFIED_ONLY, rows));
    close_told (&t);
}

static void what_no_engine_said_before_is_masked (void)
{
    struct told t;
    esp_buf out = {0};
    given_told (&t, false, true, question);
    PASS (sampled (t.w.s, "distill", "", VERIFIED_ONLY, &out));
    CHECK (strstr (esp_buf_text (&out), "\"token_ids\":[7],"));
    CHECK (strstr (esp_buf_text (&out),
                   "\"parts\":[{\"text\":\"a\\n\\n\",\"tokens\":0,\"weight\":"
                   "0},{\"text\":\"\\\\boxed{3}\",\"tokens\":1,\"weight\":1}]"));
    esp_buf_free (&out);
    close_told (&t);
}

/* Lists are aligned to the end: nothing before a gap can stand in them. */
static void a_branch_whose_end_has_no_tokens_is_not_distilled (void)
{
    static const char *const none[] = {NULL};
    struct told t;
    given_told (&t, true, false, question);
    CHECK (rows_are (&t.w, "distill", "", VERIFIED_ONLY | UNVERIFIED_ONLY, none));
    close_told (&t);
}

static void bytes_that_cannot_be_read_are_no_tokens (void)
{
    static const char *const none[] = {NULL};
    struct told t;
    given_told (&t, true, true, question);
    world_close (&t.w);
    t.lines[1].token_data = span_of ("these are no tokens");
    given_scripted (&t.w, &t.script, question);
    CHECK (rows_are (&t.w, "distill", "", VERIFIED_ONLY | UNVERIFIED_ONLY, none));
    close_told (&t);
}

static void tokens_are_kept_only_where_the_run_wants_them (void)
{
    struct told t;
    given_told (&t, true, true, question);
    CHECK (node_token_data (search_node (t.w.s, 1)).len == t.data[0].len);
    CHECK (node_token_data (search_node (t.w.s, 2)).len == t.data[1].len); /* with its verdict */
    CHECK (search_node (t.w.s, 2)->verdict == VERDICT_PASS);
    CHECK (node_token_data (search_node (t.w.s, 3)).len == 0);
    close_told (&t);
}

static void a_rollout_is_a_row_of_its_group (void)
{
    static const char *const rows[] = {
        "\"group_id\":\"p/0\",\"n\":2,\"prompt\":\"1+1+1?\",\"ground_truth\":\"3\",\"completion\":"
        "\"a\\n\\n\\\\boxed{3}\",\"reward\":1.0,\"answer\":null,\"token_ids\":[5,6,7],"
        "\"logprobs\":[-0.25,-0.25,-0.25],\"step_scores\":[0.5,0.75],\"step_values\":[1.0,1.0],"
        "\"finish\":\"eos\"",
        "\"group_id\":\"p/0\",\"n\":2,\"prompt\":\"1+1+1?\",\"ground_truth\":\"3\",\"completion\":"
        "\"c\",\"reward\":0.0,\"answer\":null,\"token_ids\":null,\"logprobs\":null,"
        "\"step_scores\":[],\"step_values\":[0.0],\"finish\":\"length\"",
        NULL};
    struct told t;
    given_told (&t, true, true, question);
    CHECK (rows_are (&t.w, "rollouts", "", VERIFIED_ONLY, rows));
    CHECK (rows_are (&t.w, "rollouts", "", UNVERIFIED_ONLY, rows + 2));
    close_told (&t);
}

static void a_problem_can_be_one_row_of_lists (void)
{
    static const char *const rows[] = {
        "\"group_id\":\"p/0\",\"n\":2,\"prompt\":\"1+1+1?\",\"ground_truth\":\"3\","
        "\"completions\":[\"a\\n\\n\\\\boxed{3}\",\"c\"],\"rewards\":[1.0,0.0],\"answers\":[null,"
        "null],\"token_ids\":[[5,6,7],null],\"logprobs\":[[-0.25,-0.25,-0.25],null],"
        "\"step_scores\":[[0.5,0.75],[]],\"step_values\":[[1.0,1.0],[0.0]],\"finish\":[\"eos\","
        "\"length\"]",
        NULL};
    struct told t;
    given_told (&t, true, true, question);
    CHECK (rows_are (&t.w, "rollouts", "rows: problem", VERIFIED_ONLY, rows));
    close_told (&t);
}

static void an_undecided_reward_is_null_and_unverified (void)
{
    static const line open[] = {
        {0, ASK_TO_END, "x", FINISH_EOS, VERDICT_UNKNOWN, {0}, NOTHING},
        {0, ASK_TO_END, "y", FINISH_EOS, VERDICT_FAIL, {0}, NOTHING},
    };
    world w;
    esp_buf out = {0};
    given_scripted (&w, &(script){open, 2}, question);
    PASS (sampled (w.s, "rollouts", "", UNVERIFIED_ONLY, &out));
    CHECK (strstr (esp_buf_text (&out), "\"completion\":\"x\",\"reward\":null,") &&
           span_count (esp_buf_span (&out), span_of ("\n")) == 1);
    esp_buf_clear (&out);
    PASS (sampled (w.s, "rollouts", "rows: problem", UNVERIFIED_ONLY, &out));
    CHECK (strstr (esp_buf_text (&out), "\"rewards\":[null,0.0],"));
    esp_buf_free (&out);
    world_close (&w);
}

static void survives_allocations (void)
{
    struct told t;
    given_told (&t, true, true, talk);
    survives_every_failed_allocation (&t.w, "distill", "");
    survives_every_failed_allocation (&t.w, "rollouts", "");
    survives_every_failed_allocation (&t.w, "rollouts", "rows: problem");
    close_told (&t);
}

int main (void)
{
    return suite_main (
        "coordinator/sink/sample_tokens",
        (const struct suite_case[]){
            {"steps are joined token by token", steps_are_joined_token_by_token},
            {"what no engine said before is masked", what_no_engine_said_before_is_masked},
            {"a branch whose end has no tokens is not distilled",
             a_branch_whose_end_has_no_tokens_is_not_distilled},
            {"bytes that cannot be read are no tokens", bytes_that_cannot_be_read_are_no_tokens},
            {"tokens are kept where the run wants them, through the verdict",
             tokens_are_kept_only_where_the_run_wants_them},
            {"a rollout is a row of its group", a_rollout_is_a_row_of_its_group},
            {"a problem can be one row of lists", a_problem_can_be_one_row_of_lists},
            {"an undecided reward is null, and unverified",
             an_undecided_reward_is_null_and_unverified},
            {"survives failure of every allocation", survives_allocations},
            {NULL, NULL}});
}
