/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_beam_sure.c - which survivors of a beam are certain before their level is complete
 *
 * tiled, fixed: one that stays among the best `keep` even if every missing branch comes before it.  tiled: with filter_duplicates also only
 * where no missing branch before it can have the same text; of its children those that it gets however many survive.
 */

#include <math.h>
#include "coordinator/search/strategy_beam.h"
#include "proto/base/alloc.h"

/* What is known of a level that is not complete; blocked: a missing branch before it may have the same text. */
struct level {
    double *scores;
    size_t *bytes; /* of the whole text */
    uint32_t *live, *order;
    bool *blocked;
    size_t count, missing;
};

/* Texts of different lengths differ: few are hashed. */
static bool has_twin (const search *s, const item *items, const struct level *k)
{
    uint64_t mine, other;
    for (size_t t = 0; t < k->count; t++)
        if (k->bytes[t] == k->bytes[k->count] &&
            (path_text_hash (s, items[k->live[t]].node, &other) != ESP_OK ||
             path_text_hash (s, items[k->live[k->count]].node, &mine) != ESP_OK || mine == other))
            return true;
    return false;
}

static void know_level (const search *s, const item *items, size_t n, struct level *k)
{
    bool filter = beam_options_of (s)->filter_duplicates, unknown = false;
    for (size_t i = 0; i < n; i++) {
        k->missing += items[i].missing;
        unknown = unknown || (items[i].missing && !items[i].generated);
        if (!item_open (s, &items[i]))
            continue;
        k->live[k->count] = (uint32_t)i;
        k->bytes[k->count] = path_text_bytes (s, items[i].node);
        if (filter && has_twin (s, items, k))
            continue;
        k->scores[k->count] = items[i].missing ? NAN : items[i].score;
        k->blocked[k->count++] = filter && unknown;
    }
}

/* A survivor for certain: even if all missing ones came before it. */
static size_t sure_tiled (const search *s, const beam *me, const item *items, size_t n, ask *asks,
                          size_t max, size_t *most)
{
    const beam_options *o = beam_options_of (s);
    size_t count = 0, keep = (size_t)o->keep, copies = (size_t)(o->width / o->keep);
    beam next = {.level = me->level + 1};
    struct level k = {.scores = esp_reallocarray (NULL, n, sizeof (double)),
                      .bytes = esp_reallocarray (NULL, n, sizeof (size_t)),
                      .live = esp_reallocarray (NULL, n, sizeof (uint32_t)),
                      .order = esp_reallocarray (NULL, n, sizeof (uint32_t)),
                      .blocked = esp_reallocarray (NULL, n, sizeof (bool))};
    *most = (size_t)o->width;
    if (k.scores && k.bytes && k.live && k.order && k.blocked && !beam_last_level (s, me)) {
        know_level (s, items, n, &k);
        order_ascending (k.scores, k.count, k.order);
        for (size_t r = 0; r < k.count && r + k.missing < keep; r++) { /* the best first */
            uint32_t i = k.order[k.count - 1 - r];
            for (size_t c = 0; c < copies && !k.blocked[i] && !isnan (k.scores[i]); c++)
                if (count++ < max)
                    asks[count - 1] = beam_step (s, &next, items[k.live[i]].node, k.live[i]);
        }
    }
    esp_free (k.scores);
    esp_free (k.bytes);
    esp_free (k.live);
    esp_free (k.order);
    esp_free (k.blocked);
    return count;
}

/* The same list before all items came: refs and scores of what is known, NaN else; at[i]: the item at place i.  Returns how many are missing. */
static size_t fixed_known (const search *s, const beam *me, const item *items, size_t n,
                           node_ref *refs, double *scores, size_t *at)
{
    size_t missing = 0, next = 0;
    beam_fixed_candidates (s, me, items, n, refs, scores);
    for (uint32_t i = 0; i < me->frontier.count; i++) {
        at[i] = next;
        if (beam_fixed_ended (s, me->frontier.at[i]))
            continue;
        if (next < n && items[next].missing) {
            missing++;
            scores[i] = NAN;
        }
        next++;
    }
    return missing;
}

/* A known candidate stays when it would even if all missing ones came before it. */
static size_t sure_fixed (const search *s, const beam *me, const item *items, size_t n, ask *asks,
                          size_t max, size_t *most)
{
    const beam_options *o = beam_options_of (s);
    size_t have = me->frontier.count, keep = (size_t)o->keep, count = 0, missing;
    beam next = {.level = me->level + 1};
    node_ref *refs = esp_reallocarray (NULL, have, sizeof (*refs));
    double *scores = esp_reallocarray (NULL, have, sizeof (*scores));
    uint32_t *order = esp_reallocarray (NULL, have, sizeof (*order));
    size_t *at = esp_reallocarray (NULL, have, sizeof (*at));
    *most = (have < keep ? have : keep) * (size_t)o->expand;
    if (refs && scores && order && at &&
        (missing = fixed_known (s, me, items, n, refs, scores, at)) < keep) {
        order_descending (scores, have, order);
        for (size_t r = 0; r < have && r + missing < keep && scores[order[r]] > -INFINITY; r++)
            for (int64_t copy = 0; copy < o->expand && !beam_fixed_ended (s, refs[order[r]]);
                 copy++)
                if (count++ < max)
                    asks[count - 1] = beam_step (s, &next, refs[order[r]], at[order[r]]);
    }
    esp_free (refs);
    esp_free (scores);
    esp_free (order);
    esp_free (at);
    return count;
}

size_t beam_sure (const search *s, const void *state, const item *items, size_t n, ask *asks,
                  size_t max, size_t *most)
{
    const beam *me = state;
    if (!items)
        return n < (size_t)beam_options_of (s)->keep;
    switch ((enum beam_rule)beam_options_of (s)->rule) {
    case RULE_TILED:
        return sure_tiled (s, me, items, n, asks, max, most);
    case RULE_FIXED:
        return sure_fixed (s, me, items, n, asks, max, most);
    case RULE_HEAP:
        break; /* finished ones narrow the beam: nothing is certain before the last */
    }
    return 0;
}
