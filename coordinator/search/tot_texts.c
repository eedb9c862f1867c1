/* SPDX-License-Identifier: Apache-2.0 */
/* tot_texts.c - see tot_texts.h; at most half full, so that a free place ends every look */

#include "coordinator/search/tot_texts.h"

enum { FIRST_CAPACITY = 64 };

static tot_text *place_of (tot_text *texts, uint32_t cap, uint64_t text)
{
    uint32_t at = (uint32_t)text & (cap - 1);
    while (texts[at].step && texts[at].text != text)
        at = (at + 1) & (cap - 1);
    return &texts[at];
}

tot_text *tot_texts_find (const tot_texts *t, uint64_t text)
{
    return place_of (t->at, t->cap, text);
}

static esp_err grow (search *s, tot_texts *t)
{
    uint32_t cap = t->cap ? 2 * t->cap : FIRST_CAPACITY;
    tot_text *grown = search_alloc (s, cap * sizeof (*grown));
    if (!grown)
        return ESP_ENOMEM;
    for (uint32_t i = 0; i < t->cap; i++)
        if (t->at[i].step)
            *place_of (grown, cap, t->at[i].text) = t->at[i];
    t->at = grown;
    t->cap = cap;
    return ESP_OK;
}

esp_err tot_texts_add (search *s, tot_texts *t, uint64_t text, tot_text **out)
{
    tot_text *place;
    if (2 * (t->count + 1) > t->cap && grow (s, t) != ESP_OK)
        return ESP_ENOMEM;
    place = tot_texts_find (t, text);
    t->count += place->step == 0;
    place->text = text;
    *out = place;
    return ESP_OK;
}
