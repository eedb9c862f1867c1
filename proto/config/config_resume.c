/* SPDX-License-Identifier: Apache-2.0 */
/* config_resume.c - which run is it, and may it go on with these values? */

#include "proto/config/config.h"
#include <string.h>
#include "proto/base/hash.h"
#include "proto/config/config_internal.h"

/* --- identity --- */

static esp_err mix_bound (const config_bound *b, esp_buf *text, uint64_t *h)
{
    char name[CONFIG_NAME_BYTES];
    esp_err err;
    esp_buf_clear (text);
    if ((err = config_value_text (b->row, &b->value, text)) != ESP_OK)
        return err;
    config_entry_name (b->section, b->index, b->row->key, name, sizeof (name));
    *h = esp_hash_mix_span (*h, span_of (name));
    *h = esp_hash_mix (*h, b->value.set); /* "" and unset differ */
    *h = esp_hash_mix_span (*h, esp_buf_span (text));
    return ESP_OK;
}

esp_err config_identity (const config *c, uint64_t *out)
{
    esp_buf text = {0};
    uint64_t h = 0;
    esp_err err = c && out ? ESP_OK : ESP_EINVAL;
    for (size_t i = 0; err == ESP_OK && i < c->bound_count; i++) {
        const config_bound *b = &c->bounds[i];
        if (b->row->change == ESP_OPT_FIXED && !b->again)
            err = mix_bound (b, &text, &h);
    }
    esp_buf_free (&text);
    if (err == ESP_OK)
        *out = h;
    return err;
}

/* --- resume --- */

/* The bound value of the same name in another config, or NULL. */
static const config_bound *find_same (const config *c, const config_bound *wanted)
{
    for (size_t i = 0; i < c->bound_count; i++) {
        const config_bound *b = &c->bounds[i];
        if (b->index == wanted->index && strcmp (b->row->key, wanted->row->key) == 0 &&
            strcmp (b->section->name, wanted->section->name) == 0)
            return b;
    }
    return NULL;
}

/* 0 means no limit, so it is above every other number. */
static bool may_grow (double before, double now)
{
    return now == 0 || (before != 0 && now >= before);
}

static bool starts_with (const esp_strings *now, const esp_strings *before)
{
    for (size_t i = 0; i < before->count; i++)
        if (i >= now->count || strcmp (before->items[i], now->items[i]) != 0)
            return false;
    return true;
}

/* What has no size may change: of a file that gets more lines, others check what is in it. */
static bool grows (const config_bound *before, const config_bound *now)
{
    switch (before->row->type) {
    case ESP_OPT_INT: /* not by way of double: it would lose digits */
        return now->value.as.whole == 0 ||
               (before->value.as.whole != 0 && now->value.as.whole >= before->value.as.whole);
    case ESP_OPT_DOUBLE:
        return may_grow (before->value.as.number, now->value.as.number);
    case ESP_OPT_STRINGS:
        return starts_with (&now->value.as.texts, &before->value.as.texts);
    case ESP_OPT_BOOL:
    case ESP_OPT_CHOICE:
    case ESP_OPT_STRING:
        break;
    }
    return true;
}

static esp_err value_shown (const config_bound *b, esp_buf *out)
{
    if (!b || !b->value.set)
        return esp_buf_puts (out, "nothing");
    return config_value_text (b->row, &b->value, out);
}

static esp_err
conflict (const config_bound *before, const config_bound *now, const char *rule, esp_error *error)
{
    const config_bound *named = before ? before : now;
    esp_buf was = {0}, is = {0};
    char name[CONFIG_NAME_BYTES];
    esp_err err = value_shown (before, &was);
    if (err == ESP_OK)
        err = value_shown (now, &is);
    if (err == ESP_OK) {
        span a = esp_utf8_cut (esp_buf_span (&was), 80), b = esp_utf8_cut (esp_buf_span (&is), 80);
        config_entry_name (named->section, named->index, named->row->key, name, sizeof (name));
        err = esp_error_set (error, ESP_ECONFLICT,
                             "%s: the run was started with %.*s and cannot go on with %.*s: %s",
                             name, (int)a.len, a.ptr, (int)b.len, b.ptr, rule);
    }
    esp_buf_free (&was);
    esp_buf_free (&is);
    return err;
}

static esp_err same_value (const config_bound *before, const config_bound *now, bool *same)
{
    esp_buf was = {0}, is = {0};
    esp_err err = config_value_text (before->row, &before->value, &was);
    if (err == ESP_OK)
        err = config_value_text (now->row, &now->value, &is);
    if (err == ESP_OK)
        *same = before->value.set == now->value.set &&
                span_equal (esp_buf_span (&was), esp_buf_span (&is));
    esp_buf_free (&was);
    esp_buf_free (&is);
    return err;
}

static esp_err check_key (const config_bound *before, const config_bound *now, esp_error *error)
{
    static const char fixed[] = "this key stays as it is for the life of a run; start a new one";
    enum esp_option_change change = (before ? before : now)->row->change;
    bool same = false;
    esp_err err;
    if (change == ESP_OPT_FREE)
        return ESP_OK;
    if (!before || !now) /* an item of a list, or a strategy's key, came or went */
        return change == ESP_OPT_FIXED ? conflict (before, now, fixed, error) : ESP_OK;
    if ((err = same_value (before, now, &same)) != ESP_OK || same)
        return err;
    if (change == ESP_OPT_FIXED || before->row->type != now->row->type)
        return conflict (before, now, fixed, error);
    if (grows (before, now))
        return ESP_OK;
    return conflict (before, now, "this key may only become larger (0 = no limit is the largest)",
                     error);
}

esp_err config_may_resume (const config *before, const config *now, esp_error *error)
{
    esp_err err = before && now ? ESP_OK : ESP_EINVAL;
    for (size_t i = 0; err == ESP_OK && i < before->bound_count; i++)
        if (!before->bounds[i].again)
            err = check_key (&before->bounds[i], find_same (now, &before->bounds[i]), error);
    for (size_t i = 0; err == ESP_OK && i < now->bound_count; i++)
        if (!now->bounds[i].again && !find_same (before, &now->bounds[i]))
            err = check_key (NULL, &now->bounds[i], error);
    return err == ESP_ECONFLICT || err == ESP_OK
               ? err
               : esp_error_set (error, err, "%s", esp_err_text (err));
}
