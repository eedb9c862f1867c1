/* SPDX-License-Identifier: Apache-2.0 */
/* sample_passrate.c - format `passrate`: one row per problem, how many of its finished branches passed
 *
 * For curricula and for choosing problems.  Verified: at least one branch has a decided verdict.  A branch that a limit cut is no pass, an
 * unknown verdict counts nowhere.  Under a search that prefers some branches this is no fair sample of what the model does; under
 * best_of_n it is, but for stopping: strategies of independent samples stop when the band is decided (search/stop_rule.h).
 */

#include <math.h>
#include <stddef.h>
#include "coordinator/sink/sample_formats.h"
#include "proto/base/wilson.h"

typedef struct passrate_options {
    double band_low, band_high;
} passrate_options;

static const esp_option passrate_rows[] = {
    {"band_low", ESP_OPT_DOUBLE, offsetof (passrate_options, band_low), "0", 0, 1, NULL, "",
     "pass rates of interest: sampling stops when the 95 % interval lies in the band, or outside; "
     "best_of_n",
     ESP_OPT_FREE, false},
    {"band_high", ESP_OPT_DOUBLE, offsetof (passrate_options, band_high), "1", 0, 1, NULL, "",
     "upper end of the band; 0 to 1 is no band: all samples are taken", ESP_OPT_FREE, false},
    ESP_OPTION_END,
};

static bool band_of (const void *options, double *low, double *high)
{
    const passrate_options *o = options;
    *low = o->band_low;
    *high = o->band_high;
    return o->band_low > 0 || o->band_high < 1;
}

static const char *side_of (const passrate_options *o, uint64_t c, uint64_t n)
{
    switch (band_side_of (o->band_low, o->band_high, c, n)) {
    case BAND_INSIDE:
        return "true";
    case BAND_OUTSIDE:
        return "false";
    case BAND_UNDECIDED:
        break;
    }
    return "null";
}

struct counts {
    uint32_t n, c;
    double agreement;
};

static struct counts count (const sample_view *v)
{
    struct counts k = {0, 0, NAN};
    for (size_t i = 0; i < v->branches->count; i++) {
        const branch *b = &v->branches->items[i];
        if (isnan (k.agreement) || b->agreement > k.agreement)
            k.agreement = b->agreement;
        if (b->again)
            continue;
        k.n += sample_decided (v, b->node);
        k.c +=
            sample_passed (v, b->node) && search_node (v->search, b->node)->finish != FINISH_LENGTH;
    }
    return k;
}

static esp_err write_problem (const sample_view *v, const void *options, sample_writer *w)
{
    struct counts k = count (v);
    double low, high;
    json_row *r;
    if (v->branches->distinct == 0)
        return ESP_OK;
    r = sample_begin (w, k.n > 0 ? SAMPLE_VERIFIED : SAMPLE_UNVERIFIED, NODE_ROOT, NULL);
    esp_wilson (k.c, k.n, &low, &high);
    sample_prompt (r, v);
    row_string_or_null (r, ",\"answer\":", v->gold);
    row_count (r, ",\"branches\":", v->branches->distinct);
    row_count (r, ",\"n\":", k.n);
    row_count (r, ",\"c\":", k.c);
    row_number (r, ",\"rate\":", k.n ? (double)k.c / k.n : NAN);
    row_number (r, ",\"low\":", low);
    row_number (r, ",\"high\":", high);
    row_raw (r, ",\"in_band\":");
    row_raw (r, side_of (options, k.c, k.n));
    row_number (r, ",\"agreement\":", k.agreement);
    return sample_end (w);
}

const sample_format sample_passrate = {
    .name = "passrate",
    .what = "how many finished branches of each problem passed, with an interval",
    .needs = SAMPLE_NEEDS_VERIFIER,
    .band = band_of,
    .options = passrate_rows,
    .option_bytes = sizeof (passrate_options),
    .places = true,
    .write = write_problem,
};
