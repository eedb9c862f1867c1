/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_BASE_FMATH_H
#define ESP_PROTO_BASE_FMATH_H

/* fmath.h - transcendental functions that give the same double everywhere
 *
 * libm may differ in the last digit between machines; MPFR is correctly rounded
 * (53 bits, to nearest, subnormals too), so the search plans the same on all of
 * them.  NaN and infinities behave as in C.  About 1-5 us a call: fine for what
 * a strategy does per result, not for inner loops over a million nodes.
 * Threads: pure, but MPFR caches about 2 KB a thread: see esp_fmath_thread_done.
 */

double esp_exp (double x);
double esp_ln (double x); /* natural logarithm; esp_ln is the log line of log.h */
double esp_pow (double x, double y);
double esp_tanh (double x);
double esp_cos (double x);
double esp_logit (double p); /* ln(p / (1 - p)) as written: one division, one log */

/* Free what MPFR caches for this thread; before a thread that used these functions ends. */
void esp_fmath_thread_done (void);

#endif
