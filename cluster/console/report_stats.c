/* SPDX-License-Identifier: Apache-2.0 */
/* report_stats.c - pass@k, McNemar, bootstrap; the votes are those of the run itself */

#include "cluster/console/report_stats.h"
#include <math.h>
#include <stdlib.h>
#include "coordinator/merge/vote.h"
#include "proto/base/alloc.h"
#include "proto/base/rng.h"

double report_pass_at_k (uint64_t n, uint64_t c, uint64_t k)
{
    double all_wrong = 1;
    if (k == 0 || k > n || c > n)
        return NAN;
    if (n - c < k)
        return 1;
    for (uint64_t i = n - c + 1; i <= n; i++)
        all_wrong *= 1 - (double)k / (double)i;
    return 1 - all_wrong;
}

double report_mcnemar (uint64_t wins, uint64_t losses)
{
    uint64_t n = wins + losses, fewer = wins < losses ? wins : losses;
    double tail = 0,
           log_term = -(double)n * log (2); /* ln (C(n, 0) / 2^n): the plain value underflows */
    for (uint64_t i = 0; i <= fewer; i++) {
        tail += exp (log_term);
        log_term += log ((double)(n - i) / (double)(i + 1));
    }
    return tail < 0.5 ? 2 * tail : 1;
}

static int compare_doubles (const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

esp_err report_bootstrap (const double *values, size_t n, uint32_t rounds, uint64_t seed,
                          double *low, double *high)
{
    double *means;
    size_t tail = rounds / 40; /* 2.5 % on either side */
    *low = *high = NAN;
    if (n == 0 || rounds == 0)
        return ESP_OK;
    if (n > UINT32_MAX || !(means = esp_calloc (rounds, sizeof (*means))))
        return ESP_ENOMEM;
    for (uint32_t r = 0; r < rounds; r++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += values[esp_draw_below (seed, (uint64_t)r * n + i, (uint32_t)n)];
        means[r] = sum / (double)n;
    }
    qsort (means, rounds, sizeof (*means), compare_doubles);
    *low = means[tail];
    *high = means[rounds - 1 - tail];
    esp_free (means);
    return ESP_OK;
}

double report_aggregate (enum report_aggregate how, const double *scores, size_t n)
{
    double value = n ? scores[0] : NAN;
    for (size_t i = 1; i < n; i++)
        switch (how) {
        case AGGREGATE_LAST:
            value = scores[i];
            break;
        case AGGREGATE_MIN:
            value = scores[i] < value ? scores[i] : value;
            break;
        case AGGREGATE_PROD:
            value *= scores[i];
            break;
        case AGGREGATE_MEAN:
            value += scores[i];
            break;
        case AGGREGATE_MAX:
            value = scores[i] > value ? scores[i] : value;
            break;
        }
    return how == AGGREGATE_MEAN ? value / (double)n : value;
}

esp_err report_votes (const report_candidate *candidates, size_t n, double power,
                      enum report_correct verdicts[REPORT_RULES])
{
    static const enum vote_rule rules[] = {VOTE_MAJORITY, VOTE_WEIGHTED, VOTE_BEST};
    vote_candidate *voters = esp_calloc (n + 1, sizeof (*voters));
    esp_err err = voters ? ESP_OK : ESP_ENOMEM;
    vote_winner won;
    for (size_t i = 0; voters && i < n; i++) {
        const report_candidate *c = &candidates[i];
        voters[i].score = c->score;
        if (c->answer) /* 8 bytes that stand for the text */
            voters[i].answer = span_make ((const char *)&c->answer, sizeof (c->answer));
    }
    for (int rule = 0; err == ESP_OK && rule < REPORT_RULES; rule++) {
        verdicts[rule] = REPORT_WRONG;
        if (n > 0 && (err = vote (rules[rule], voters, n, power, &won)) == ESP_OK)
            verdicts[rule] = candidates[won.candidate].correct;
    }
    esp_free (voters);
    return err;
}
