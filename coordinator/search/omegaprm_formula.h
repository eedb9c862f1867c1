/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_OMEGAPRM_FORMULA_H
#define ESP_COORDINATOR_SEARCH_OMEGAPRM_FORMULA_H

/* omegaprm_formula.h - which wrong rollout is searched next: the one with the largest Q (s, r) + U (s); pure
 *
 * Source: Luo et al. 2024, arXiv:2406.06592, section 3.3, equations 2 and 3; openreasoner/openr, data/omegaPRM_v2, for
 * words instead of tokens and for max (1, sum).
 */

/* Q = alpha^(1 - MC) beta^(words / L): a likely state whose rollout is wrong and short is the most telling.
 * mc: in [0, 1]; words: of the rollout; alpha, beta: in (0, 1]; length: L, words, > 0. */
double omegaprm_q (double mc, double words, double alpha, double beta, double length);

/* U = c_puct sqrt (max (1, visits of all states)) / (1 + visits of this one). */
double omegaprm_u (double visits, double all_visits, double c_puct);

#endif
