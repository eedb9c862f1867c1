/* SPDX-License-Identifier: Apache-2.0 */
/* label_consensus.c - see label_consensus.h */

#include "coordinator/sink/label_consensus.h"

const char *const label_source_names[LABEL_SOURCES] = {"monte_carlo", "judge", "consensus", "human",
                                                       "mixed"};

static enum label_hard judged (double score, double threshold)
{
    return isnan (score) ? LABEL_UNDECIDED : score >= threshold ? LABEL_GOOD : LABEL_BAD;
}

static enum label_hard agreed (enum label_hard a, enum label_hard b)
{
    return a == b ? a : LABEL_UNDECIDED;
}

static step_label choose (enum label_source source, const label_step *s, double threshold)
{
    enum label_hard judge = judged (s->score, threshold);
    switch (source) {
    case LABEL_FROM_JUDGE:
        return (step_label){judge, source};
    case LABEL_FROM_CONSENSUS:
        return (step_label){agreed (s->label.hard, judge), source};
    case LABEL_FROM_HUMAN:
        return (step_label){s->human, source};
    case LABEL_FROM_MIXED:
        if (s->human != LABEL_UNDECIDED)
            return (step_label){s->human, LABEL_FROM_HUMAN};
        /* fall through */
    case LABEL_FROM_MONTE_CARLO:
    case LABEL_SOURCES:
        break;
    }
    return (step_label){s->label.hard, LABEL_FROM_MONTE_CARLO};
}

/* A walk that ends at the first error, or where nothing is known. */
typedef struct finder {
    int64_t at;
    bool done;
} finder;

static void look_at (finder *f, enum label_hard hard, int64_t index)
{
    if (f->done || hard == LABEL_GOOD)
        return;
    f->at = hard == LABEL_BAD ? index : FIRST_ERROR_UNKNOWN;
    f->done = true;
}

int64_t labels_first_error (const enum label_hard *hard, size_t count)
{
    finder f = {FIRST_ERROR_NONE, false};
    for (size_t i = 0; i < count; i++)
        look_at (&f, hard[i], (int64_t)i);
    return f.at;
}

bool labels_choose (enum label_source source, const label_step *steps, size_t count,
                    double threshold, step_label *out)
{
    finder mine = {FIRST_ERROR_NONE, false}, judge = {FIRST_ERROR_NONE, false};
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        out[i] = choose (source, &steps[i], threshold);
        any = any || out[i].hard != LABEL_UNDECIDED;
        look_at (&mine, steps[i].label.hard, (int64_t)i);
        look_at (&judge, judged (steps[i].score, threshold), (int64_t)i);
    }
    if (source == LABEL_FROM_CONSENSUS)
        return count > 0 && mine.at == judge.at && mine.at != FIRST_ERROR_UNKNOWN;
    return any;
}
