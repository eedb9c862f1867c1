/* SPDX-License-Identifier: Apache-2.0 */
/* stop_rule.c - see stop_rule.h */

#include "coordinator/search/stop_rule.h"
#include "proto/base/wilson.h"

enum band_side band_side_of (double low, double high, uint64_t passed, uint64_t decided)
{
    double from, to;
    if (decided == 0)
        return BAND_UNDECIDED;
    esp_wilson (passed, decided, &from, &to);
    if (from >= low && to <= high)
        return BAND_INSIDE;
    return to < low || from > high ? BAND_OUTSIDE : BAND_UNDECIDED;
}

bool stop_rule_met (const stop_rule *r, uint64_t distinct, uint64_t passed, uint64_t decided)
{
    if (!stop_rule_given (r) || distinct < r->want)
        return false;
    return !r->band || band_side_of (r->band_low, r->band_high, passed, decided) != BAND_UNDECIDED;
}
