/* SPDX-License-Identifier: Apache-2.0 */
/* embedded_features.c - one list of features, written front to back
 *
 * Numbers are doubles: integers of the puzzle and what one operation makes of them are exact, quotients are
 * not, hence the tolerance.  esp_ln would take longer than all the rest, so logarithms are a series: about
 * 1e-10 off, and the same everywhere.
 */

#include "worker/engine/embedded_features.h"
#include <assert.h>
#include <math.h>
#include <stdbool.h>

enum { OF_NUMBER = 9, OF_TARGET = 8, OF_RESULT = 6, OF_PAIR = 4 * OF_RESULT + 1 };

static const double tolerance = 1e-9;

static double clip (double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* ln x for a normal x > 0: x = m 2^e, m in [1/2, 1); ln m = 2 atanh ((m - c) / (m + c)) + ln c, c = sqrt (1/2). */
static double quick_ln (double x)
{
    static const double root = 0.70710678118654752, ln_2 = 0.69314718055994531;
    int e;
    double m = frexp (x, &e), z = (m - root) / (m + root), s = z * z, sum = 1.0 / 11;
    for (int k = 9; k > 0; k -= 2)
        sum = sum * s + 1.0 / k;
    return 2 * z * sum + (e - 0.5) * ln_2;
}

static bool integer (double v)
{
    return fabs (v - floor (v + 0.5)) < tolerance * fmax (1, fabs (v));
}

static bool zero (double v)
{
    return fabs (v) < tolerance;
}

static bool divides (double a, double b)
{
    return !zero (a) && integer (b / a);
}

static double log_size (double v, double scale)
{
    return clip (quick_ln (fmax (fabs (v), 1e-9) / scale), -4, 3);
}

static double *of_number (double v, double target, double scale, double *f)
{
    *f++ = clip (v / scale, -4, 4);
    *f++ = log_size (v, scale);
    *f++ = quick_ln (1 + fmin (fabs (v), 255));
    *f++ = integer (v);
    *f++ = integer (v / 2);
    *f++ = divides (v, target);
    *f++ = divides (target, v);
    *f++ = zero (v - 1);
    *f++ = zero (v);
    return f;
}

static double *of_target (double target, double scale, double *f)
{
    static const double factors[OF_TARGET - 1] = {2, 3, 4, 5, 7, 8, 9};
    *f++ = quick_ln (1 + fmin (scale, 255));
    for (size_t i = 0; i < OF_TARGET - 1; i++)
        *f++ = integer (target / factors[i]);
    return f;
}

static double *of_result (double r, double target, double scale, double *f)
{
    *f++ = clip (r / scale, -4, 4);
    *f++ = log_size (r, scale);
    *f++ = integer (r);
    *f++ = divides (r, target);
    *f++ = divides (target, r);
    *f++ = fabs (r - target) < tolerance * scale;
    return f;
}

/* a <= b */
static double *of_pair (double a, double b, double target, double scale, double *f)
{
    f = of_result (a + b, target, scale, f);
    f = of_result (b - a, target, scale, f);
    f = of_result (a * b, target, scale, f);
    f = of_result (zero (a) ? 0 : b / a, target, scale, f);
    *f++ = zero (a - b);
    return f;
}

size_t embedded_features_count (enum embedded_view view, size_t left)
{
    size_t numbers = left * OF_NUMBER + OF_TARGET;
    if (left < EMBEDDED_VIEW_LEAST || left > EMBEDDED_VIEW_LARGEST)
        return 0;
    switch (view) {
    case EMBEDDED_VIEW_NUMBERS:
        return numbers;
    case EMBEDDED_VIEW_PAIRS:
        return left > 2 ? numbers + left * (left - 1) / 2 * OF_PAIR : 0;
    }
    return 0;
}

size_t embedded_features (enum embedded_view view, const double *numbers, size_t left,
                          double target, double out[EMBEDDED_FEATURES_MOST])
{
    double scale = zero (target) ? 1 : fabs (target), *f = out;
    size_t count = embedded_features_count (view, left);
    assert (count > 0 && count <= EMBEDDED_FEATURES_MOST);
    for (size_t i = 0; i < left; i++)
        f = of_number (numbers[i], target, scale, f);
    f = of_target (target, scale, f);
    for (size_t i = 0; view == EMBEDDED_VIEW_PAIRS && i < left; i++)
        for (size_t j = i + 1; j < left; j++)
            f = of_pair (numbers[i], numbers[j], target, scale, f);
    assert ((size_t)(f - out) == count);
    return count;
}
