/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config esp_search
/* test_sample_passrate.c - what format `passrate` promises, and what a plan of items wants (sample_plan_stop) */

#include "coordinator/sink/sample_formats.h"
#include "tests/unit/coordinator/sink/scripted.h"

static const char question[] = "{\"id\":\"p\",\"problem\":\"1+1+1?\",\"answer\":3}";

#define NOTHING                                                                                    \
    0, 0, 0,                                                                                       \
    {                                                                                              \
        0                                                                                          \
    }

static const line lines[] = {
    {0, ASK_TO_END, "\\boxed{3}", FINISH_EOS, VERDICT_PASS, {0}, NOTHING},
    {0, ASK_TO_END, "\\boxed{4}", FINISH_EOS, VERDICT_FAIL, {0}, NOTHING},
    {0, ASK_TO_END, "no answer", FINISH_EOS, VERDICT_UNKNOWN, {0}, NOTHING},
    {0, ASK_TO_END, "cut", FINISH_LENGTH, VERDICT_PASS, {0}, NOTHING},
};

static void passes_of_decided_branches_are_counted (void)
{
    static const char *const rows[] = {
        "\"prompt\":\"1+1+1?\",\"answer\":\"3\",\"branches\":4,\"n\":3,\"c\":1,\"rate\":"
        "0.3333333333333333,\"low\":0.06149194472039624,\"high\":0.7923403991979523,\"in_band\":"
        "null,\"agreement\":null",
        NULL};
    world w;
    given_scripted (&w, &(script){lines, 4}, question);
    CHECK (rows_are (&w, "passrate", "band_low: 0.1", VERIFIED_ONLY, rows));
    CHECK (rows_are (&w, "passrate", "", UNVERIFIED_ONLY, rows + 1));
    world_close (&w);
}

static void without_a_verdict_the_row_is_unverified (void)
{
    static const line open[] = {
        {0, ASK_TO_END, "\\boxed{3}", FINISH_EOS, VERDICT_NONE, {0}, NOTHING},
        {0, ASK_TO_END, "\\boxed{3.0}", FINISH_EOS, VERDICT_NONE, {0}, NOTHING},
        {0, ASK_TO_END, "\\boxed{4}", FINISH_EOS, VERDICT_NONE, {0}, NOTHING},
        {0, ASK_TO_END, "none", FINISH_EOS, VERDICT_NONE, {0}, NOTHING},
    };
    static const char *const rows[] = {
        "\"prompt\":\"1+1+1?\",\"answer\":\"3\",\"branches\":4,\"n\":0,\"c\":0,\"rate\":null,"
        "\"low\":null,\"high\":null,\"in_band\":null,\"agreement\":0.5",
        NULL};
    world w;
    given_scripted (&w, &(script){open, 4}, question);
    CHECK (rows_are (&w, "passrate", "", UNVERIFIED_ONLY, rows));
    world_close (&w);
}

static void the_row_is_about_the_problem (void)
{
    world w;
    esp_buf out = {0};
    given_scripted (&w, &(script){lines, 4}, question);
    PASS (sampled (w.s, "passrate", "", VERIFIED_ONLY, &out));
    CHECK (span_starts (esp_buf_span (&out), "{\"id\":\"p/0\",\"problem_id\":\"p\","));
    esp_buf_free (&out);
    world_close (&w);
}

static stop_rule rule_of (sample_item *items, size_t count)
{
    return sample_plan_stop (&(sample_plan){.items = items, .count = count});
}

static void a_plan_stops_when_every_item_has_enough (void)
{
    double none[2] = {0, 1}, band[2] = {0.2, 0.8}, other[2] = {0.3, 0.8};
    sample_item sft = {.format = &sample_sft, .options.want = 4},
                steps = {.format = &sample_stepwise, .options.want = 8},
                all = {.format = &sample_sft},
                pairs = {.format = &sample_preference, .options.want = 4},
                rate = {.format = &sample_passrate, .own = band},
                plain = {.format = &sample_passrate, .own = none},
                rate_too = {.format = &sample_passrate, .own = other};
    CHECK (rule_of (NULL, 0).want == 0);
    CHECK (rule_of ((sample_item[]){sft, steps}, 2).want == 8);
    CHECK (rule_of ((sample_item[]){sft, all}, 2).want == 0);
    CHECK (rule_of ((sample_item[]){sft, pairs}, 2).want == 0);
    CHECK (rule_of ((sample_item[]){sft, plain}, 2).want == 0);
    CHECK (rule_of ((sample_item[]){sft, rate}, 2).want == 4 &&
           rule_of ((sample_item[]){sft, rate}, 2).band);
    CHECK (rule_of ((sample_item[]){rate, rate}, 2).band_high == 0.8);
    CHECK (!stop_rule_given (&(stop_rule[]){rule_of ((sample_item[]){rate, rate_too}, 2)}[0]));
}

static void survives_allocations (void)
{
    world w;
    given_scripted (&w, &(script){lines, 4}, question);
    survives_every_failed_allocation (&w, "passrate", "");
    world_close (&w);
}

int main (void)
{
    return suite_main (
        "coordinator/sink/sample_passrate",
        (const struct suite_case[]){
            {"passes of decided branches are counted", passes_of_decided_branches_are_counted},
            {"without a verdict the row is unverified", without_a_verdict_the_row_is_unverified},
            {"the row is about the problem", the_row_is_about_the_problem},
            {"a plan stops when every item has enough", a_plan_stops_when_every_item_has_enough},
            {"survives failure of every allocation", survives_allocations},
            {NULL, NULL}});
}
