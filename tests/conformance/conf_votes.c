/* SPDX-License-Identifier: Apache-2.0 */
/* conf_votes.c - OpenR's votes over given answers and step scores: openr_votes (3.9) */

#include "coordinator/merge/vote.h"
#include "proto/base/alloc.h"
#include "tests/conformance/compare.h"
#include "tests/conformance/conf.h"

static bool
read_candidate (outcome *o, const json_t *answer, const json_t *scores, vote_candidate *out)
{
    size_t n = json_array_size (scores);
    double *values;
    if (!json_is_string (answer) || !json_is_array (scores)) {
        outcome_fail (o, "malformed: an answer is not text, or its step scores are not a list");
        return false;
    }
    if (!(values = esp_calloc (n + 1, sizeof (*values)))) {
        outcome_fail (o, "out of memory");
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!json_is_number (json_array_get (scores, i)))
            outcome_fail (o, "malformed: a step score is not a number");
        values[i] = json_number_value (json_array_get (scores, i));
    }
    *out = (vote_candidate){.answer =
                                span_make (json_string_value (answer), json_string_length (answer)),
                            .score = n ? values[n - 1] : -1.0,
                            .scores = values,
                            .score_count = n};
    return true;
}

static void compare_rules (outcome *o, const json_t *expect, const vote_candidate *all, size_t n)
{
    static const struct {
        const char *key;
        enum vote_rule rule;
    } rules[] = {{"majority_vote", VOTE_MAJORITY},
                 {"prm_min_max", VOTE_MIN_MAX},
                 {"prm_min_vote", VOTE_MIN_VOTE},
                 {"prm_last_max", VOTE_LAST_MAX},
                 {"prm_last_vote", VOTE_LAST_VOTE}};
    vote_winner won;
    for (size_t i = 0; i < sizeof (rules) / sizeof (rules[0]); i++) {
        if (vote (rules[i].rule, all, n, 1.0, &won) != ESP_OK)
            outcome_fail (o, "%s: no vote", rules[i].key);
        else
            compare_text (o, rules[i].key, json_object_get (expect, rules[i].key),
                          all[won.first].answer);
    }
}

void conf_prm_votes (const golden_case *c, outcome *o)
{
    const json_t *answers = golden_need_array (o, c->body, "answers"),
                 *scores = golden_need_array (o, c->body, "step_scores"),
                 *expect = golden_object (o, c->body, "expect");
    size_t n = json_array_size (answers);
    vote_candidate *all = esp_calloc (n + 1, sizeof (*all));
    bool good = all && !o->failed && compare_size (o, "step_scores", n, json_array_size (scores));
    if (!expect)
        outcome_fail (o, "malformed: expect is missing");
    for (size_t i = 0; good && i < n; i++)
        good = read_candidate (o, json_array_get (answers, i), json_array_get (scores, i), &all[i]);
    if (good)
        compare_rules (o, expect, all, n);
    for (size_t i = 0; all && i < n; i++)
        esp_free ((void *)all[i].scores);
    esp_free (all);
}
