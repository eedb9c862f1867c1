/* SPDX-License-Identifier: Apache-2.0 */
/* report_prices.c - see report_prices.h
 *
 * OUTPUT/run.yaml is the resolved run file: numbers stand there as numbers, whatever the user wrote ("7G").
 */

#include "cluster/console/report_prices.h"
#include <math.h>
#include <stdlib.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/config/config.h"

enum { PATH_MOST = 4096 };
#define PER_TOKENS 1e6 /* of a price */

static double number_at (const config *c, const char *section, size_t i, const char *key)
{
    const char *text = c ? config_peek_at (c, section, i, key) : NULL;
    char *end;
    double value = text ? strtod (text, &end) : NAN;
    return text && end != text && *end == 0 && isfinite (value) && value >= 0 ? value : NAN;
}

static model_price price_at (const config *c, const char *section, size_t i)
{
    model_price p = {
        number_at (c, section, i, "price.prompt"), number_at (c, section, i, "price.cached"),
        number_at (c, section, i, "price.generated"), number_at (c, section, i, "parameters")};
    if (!(p.parameters > 0))
        p.parameters = NAN;
    return p;
}

/* A member that does not say it leaves the mean unknown. */
static model_price mean_price (const config *c, const char *section, size_t count)
{
    model_price sum = {0, 0, 0, 0};
    for (size_t i = 0; i < count; i++) {
        model_price p = price_at (c, section, i);
        sum.prompt += p.prompt / (double)count;
        sum.cached += p.cached / (double)count;
        sum.generated += p.generated / (double)count;
        sum.parameters += p.parameters / (double)count;
    }
    return count > 0 ? sum : (model_price){NAN, NAN, NAN, NAN};
}

esp_err price_list_of (const config *c, price_list *out)
{
    price_list list = {0};
    list.generator_count = c ? config_section_count (c, "generator") : 0;
    list.generator_count = list.generator_count > 1 ? list.generator_count : 1;
    list.generators = esp_calloc (list.generator_count, sizeof (*list.generators));
    for (size_t i = 0; list.generators && i < list.generator_count; i++)
        list.generators[i] = price_at (c, "generator", i);
    list.prm = mean_price (c, "prm", c ? config_section_count (c, "prm") : 0);
    if (!list.generators)
        return ESP_ENOMEM;
    *out = list;
    return ESP_OK;
}

esp_err price_list_read (const char *output, price_list *out)
{
    char path[PATH_MOST];
    config *c = NULL;
    esp_err err = ESP_OK;
    if (esp_path_join (path, sizeof (path), output, "run.yaml") == ESP_OK)
        err = config_read (path, &c, NULL);
    if (err != ESP_ENOMEM)
        err = price_list_of (c, out);
    config_destroy (c);
    return err;
}

void price_list_free (price_list *list)
{
    esp_free (list->generators);
    *list = (price_list){0};
}

double price_sum (double a, double b)
{
    return isnan (a) ? b : isnan (b) ? a : a + b;
}

static uint64_t read_anew (const model_tokens *t)
{
    return t->prompt > t->cached ? t->prompt - t->cached : 0;
}

double price_money (const model_price *model, const model_tokens *tokens)
{
    double cached = isnan (model->cached) ? model->prompt : model->cached;
    double money = price_sum (model->prompt * (double)read_anew (tokens),
                              model->generated * (double)tokens->generated);
    return price_sum (money, cached * (double)tokens->cached) / PER_TOKENS;
}

double price_flops (const model_price *model, const model_tokens *tokens)
{
    return 2 * model->parameters * (double)(read_anew (tokens) + tokens->generated);
}
