/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_STOP_RULE_H
#define ESP_COORDINATOR_SEARCH_STOP_RULE_H

/* stop_rule.h - when independent samples of a problem are enough: what section `samples` wants is there
 *
 * A rule has one part or both; it is met when each part is:
 *   want   so many distinct completions passed
 *   band   the 95 % interval of the pass rate (base/wilson.h) lies inside [low, high], or outside: more samples would hardly
 *          change on which side the problem is
 *
 * Looking at an interval again and again errs more often than 5 %: it may be left once by chance.  Threads: pure.
 */

#include <stdbool.h>
#include <stdint.h>

typedef struct stop_rule { /* zeroed: no rule, it is never met */
    uint32_t want;
    bool band;
    double band_low, band_high;
} stop_rule;

enum band_side { BAND_UNDECIDED, BAND_INSIDE, BAND_OUTSIDE };
/* passed of decided verdicts. */
enum band_side band_side_of (double low, double high, uint64_t passed, uint64_t decided);

static inline bool stop_rule_given (const stop_rule *r)
{
    return r->want > 0 || r->band;
}
/* distinct: completions that passed, equal texts once. */
bool stop_rule_met (const stop_rule *r, uint64_t distinct, uint64_t passed, uint64_t decided);

#endif
