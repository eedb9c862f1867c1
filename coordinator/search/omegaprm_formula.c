/* SPDX-License-Identifier: Apache-2.0 */
/* omegaprm_formula.c - see omegaprm_formula.h */

#include "coordinator/search/omegaprm_formula.h"
#include <math.h>
#include "proto/base/fmath.h"

double omegaprm_q (double mc, double words, double alpha, double beta, double length)
{
    return esp_pow (alpha, 1.0 - mc) * esp_pow (beta, words / length);
}

double omegaprm_u (double visits, double all_visits, double c_puct)
{
    return c_puct * sqrt (all_visits > 1.0 ? all_visits : 1.0) / (1.0 + visits);
}
