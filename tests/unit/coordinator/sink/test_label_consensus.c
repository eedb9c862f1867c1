/* SPDX-License-Identifier: Apache-2.0 */
/* test_label_consensus.c - what coordinator/sink/label_consensus.h promises */

#include "coordinator/sink/label_consensus.h"
#include <string.h>
#include "tests/support/suite.h"

enum { MOST = 8 };

/* '+' good, '-' bad, '?' undecided. */
static enum label_hard hard_of (char c)
{
    return c == '+' ? LABEL_GOOD : c == '-' ? LABEL_BAD : LABEL_UNDECIDED;
}

/* Scores of a judge with threshold 0.5: '+' at the threshold, '-' just below, '?' none. */
static size_t
given_steps (const char *rollouts, const char *judge, const char *human, label_step out[MOST])
{
    size_t n = strlen (rollouts);
    for (size_t i = 0; i < n; i++)
        out[i] = (label_step){.label = {.hard = hard_of (rollouts[i])},
                              .score = judge[i] == '+'   ? 0.5
                                       : judge[i] == '-' ? 0.4999
                                                         : (double)NAN,
                              .human = hard_of (human[i])};
    return n;
}

static bool chosen (enum label_source source, const char *rollouts, const char *judge,
                    const char *human, const char *expected)
{
    label_step steps[MOST];
    step_label out[MOST];
    size_t n = given_steps (rollouts, judge, human, steps);
    bool kept = labels_choose (source, steps, n, 0.5, out);
    for (size_t i = 0; i < n; i++)
        CHECK (out[i].hard == hard_of (expected[i]));
    return kept;
}

static void each_source_has_its_own_labels (void)
{
    CHECK (chosen (LABEL_FROM_MONTE_CARLO, "+-?", "-+-", "--+", "+-?"));
    CHECK (chosen (LABEL_FROM_JUDGE, "+-?", "-+-", "--+", "-+-"));
    CHECK (chosen (LABEL_FROM_HUMAN, "+-?", "-+-", "--?", "--?"));
    CHECK (!chosen (LABEL_FROM_MONTE_CARLO, "???", "-+-", "---", "???"));
    CHECK (!chosen (LABEL_FROM_JUDGE, "+++", "???", "---", "???"));
    CHECK (!chosen (LABEL_FROM_HUMAN, "+++", "+++", "???", "???"));
}

static void consensus_keeps_what_both_say (void)
{
    CHECK (chosen (LABEL_FROM_CONSENSUS, "++-?", "++--", "????",
                   "++-?")); /* the first error is the same */
    CHECK (chosen (LABEL_FROM_CONSENSUS, "+++", "+++", "???", "+++"));
    CHECK (!chosen (LABEL_FROM_CONSENSUS, "++-", "+--", "???", "+?-"));
    CHECK (!chosen (LABEL_FROM_CONSENSUS, "+++", "++-", "???", "++?"));
    CHECK (!chosen (LABEL_FROM_CONSENSUS, "++-", "+++", "???", "++?"));
}

static void what_is_not_known_is_no_consensus (void)
{
    CHECK (!chosen (LABEL_FROM_CONSENSUS, "+?-", "++-", "???", "+?-"));
    CHECK (!chosen (LABEL_FROM_CONSENSUS, "++-", "+?-", "???", "+?-"));
    CHECK (!chosen (LABEL_FROM_CONSENSUS, "?", "?", "?", "?"));
    CHECK (!chosen (LABEL_FROM_CONSENSUS, "", "", "", ""));
}

static void a_person_has_the_first_word (void)
{
    label_step steps[MOST];
    step_label out[MOST];
    size_t n = given_steps ("+-+?", "????", "-??+", steps);
    CHECK (labels_choose (LABEL_FROM_MIXED, steps, n, 0.5, out));
    CHECK (out[0].hard == LABEL_BAD && out[0].source == LABEL_FROM_HUMAN);
    CHECK (out[1].hard == LABEL_BAD && out[1].source == LABEL_FROM_MONTE_CARLO);
    CHECK (out[2].hard == LABEL_GOOD && out[2].source == LABEL_FROM_MONTE_CARLO);
    CHECK (out[3].hard == LABEL_GOOD && out[3].source == LABEL_FROM_HUMAN);
}

static int64_t error_in (const char *labels)
{
    enum label_hard hard[MOST];
    for (size_t i = 0; labels[i]; i++)
        hard[i] = hard_of (labels[i]);
    return labels_first_error (hard, strlen (labels));
}

static void the_first_error_is_behind_good_steps_only (void)
{
    CHECK (error_in ("-") == 0 && error_in ("++-+") == 2 && error_in ("--") == 0);
    CHECK (error_in ("+++") == FIRST_ERROR_NONE && error_in ("") == FIRST_ERROR_NONE);
    CHECK (error_in ("+?-") == FIRST_ERROR_UNKNOWN && error_in ("?") == FIRST_ERROR_UNKNOWN);
    CHECK (error_in ("+-?") == 1);
}

static void names_and_choices_are_the_same (void)
{
    char joined[80] = "";
    for (int i = 0; i < LABEL_SOURCES; i++) {
        strcat (joined, i ? "|" : "");
        strcat (joined, label_source_names[i]);
    }
    CHECK (strcmp (joined, LABEL_SOURCE_CHOICES) == 0);
}

int main (void)
{
    return suite_main ("coordinator/sink/label_consensus",
                       (const struct suite_case[]){
                           {"each source has its own labels", each_source_has_its_own_labels},
                           {"consensus keeps what both say", consensus_keeps_what_both_say},
                           {"what is not known is no consensus", what_is_not_known_is_no_consensus},
                           {"a person has the first word", a_person_has_the_first_word},
                           {"the first error is behind good steps only",
                            the_first_error_is_behind_good_steps_only},
                           {"names and choices are the same", names_and_choices_are_the_same},
                           {NULL, NULL}});
}
