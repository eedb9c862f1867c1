/* SPDX-License-Identifier: Apache-2.0 */
/* strategy_help.c - see strategy_help.h
 *
 * The sorts are stable, so that ties keep plan order on every machine (qsort promises nothing).
 */

#include "coordinator/search/strategy_help.h"
#include <math.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"

#define EMPTY_LINE "\n\n"

esp_err needs_prm (const void *options, const strategy_means *has, esp_error *error)
{
    (void)options;
    if (has->prm)
        return ESP_OK;
    return esp_error_set (
        error, ESP_EINVAL,
        "search.strategy: this one decides by scores and needs a PRM; add a section prm");
}

esp_err needs_level (int64_t steps, const strategy_means *has, esp_error *error)
{
    esp_err err = needs_prm (NULL, has, error);
    if (err != ESP_OK || (uint64_t)steps <= has->step_cap)
        return err;
    return esp_error_set (
        error, ESP_EINVAL,
        "search.budget: one level asks for %lld steps, the budget of a problem has "
        "%llu: no branch would get further; raise it, or search more narrowly",
        (long long)steps, (unsigned long long)has->step_cap);
}

esp_err needs_end (const char *key, int64_t limit, const strategy_means *has, esp_error *error)
{
    if (limit > 0 || has->capped)
        return ESP_OK;
    return esp_error_set (error, ESP_EINVAL,
                          "search.%s: 0 means until the budget ends, and there is none; set "
                          "search.budget.steps or another, or a number above 0",
                          key);
}

esp_err
needs_rollouts (const char *name, int64_t actions, const strategy_means *has, esp_error *error)
{
    if (!has->verifier)
        return esp_error_set (error, ESP_EINVAL,
                              "search.strategy: %s asks whether rollouts are right and needs a "
                              "verifier; add a section verifier",
                              name);
    if (has->given[actions > 1 ? 1 : 0])
        return esp_error_set (
            error, ESP_EINVAL,
            "search.strategy: %s has steps completed, and engine file only brings "
            "what is there; list a second generator, for the completions",
            name);
    return ESP_OK;
}

uint64_t most_times (uint64_t a, uint64_t b)
{
    return b > 0 && a > BUDGET_UNLIMITED / b ? BUDGET_UNLIMITED : a * b;
}

uint64_t most_limit (int64_t limit)
{
    return limit > 0 ? (uint64_t)limit : BUDGET_UNLIMITED;
}

esp_err join_affordable (search *s, uint32_t lane, const ask *asks, size_t n, size_t *asked)
{
    size_t pay = search_affordable (s, lane, asks, n);
    esp_err err =
        search_join (s, lane, asks, pay ? pay : n, NULL); /* refused whole: the core notes it */
    if (err == ESP_OK && asked)
        *asked = pay;
    return err;
}

static bool before (double a, double b, bool descending)
{
    if (isnan (a) || isnan (b))
        return descending ? !isnan (a) && isnan (b) : isnan (a) && !isnan (b);
    return descending ? a > b : a < b;
}

/* Insertion into a sorted prefix by binary search: n is at most a few thousand, and it needs no memory. */
static void sort_order (const double *values, size_t n, uint32_t *order, bool descending)
{
    for (size_t i = 0; i < n; i++) {
        size_t low = 0, high = i;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (before (values[i], values[order[middle]], descending))
                high = middle;
            else
                low = middle + 1;
        }
        memmove (order + low + 1, order + low, (i - low) * sizeof (*order));
        order[low] = (uint32_t)i;
    }
}

void order_descending (const double *values, size_t n, uint32_t *order)
{
    sort_order (values, n, order, true);
}

void order_ascending (const double *values, size_t n, uint32_t *order)
{
    sort_order (values, n, order, false);
}

esp_err path_text_hash (const search *s, node_ref ref, uint64_t *out)
{
    esp_buf text = {0};
    esp_err err = tree_path_text (search_tree (s), ref, &text);
    if (err == ESP_OK)
        *out = esp_hash64 (text.data, text.len, text.len);
    esp_buf_free (&text);
    return err;
}

size_t path_text_bytes (const search *s, node_ref ref)
{
    size_t sum = 0;
    while (ref != NODE_ROOT && ref != NODE_NONE) {
        const node *n = search_node (s, ref);
        sum += n->text_len;
        if (n->draft)
            break;
        ref = n->parent;
    }
    return sum;
}

esp_err array_room (search *s, void *array, uint32_t count, uint32_t *cap, size_t bytes)
{
    uint32_t more = *cap ? 2 * *cap : 16;
    void *old, *grown;
    if (count < *cap)
        return ESP_OK;
    if (!(grown = search_alloc (s, more * bytes)))
        return ESP_ENOMEM;
    memcpy (&old, array, sizeof (old));
    if (count)
        memcpy (grown, old, count * bytes);
    memcpy (array, &grown, sizeof (grown));
    *cap = more;
    return ESP_OK;
}

esp_err node_list_add (search *s, node_list *list, node_ref ref)
{
    esp_err err = array_room (s, &list->at, list->count, &list->cap, sizeof (*list->at));
    if (err == ESP_OK)
        list->at[list->count++] = ref;
    return err;
}

size_t node_list_copy (const node_list *list, node_ref *out, size_t max)
{
    size_t n = list->count < max ? list->count : max;
    if (n)
        memcpy (out, list->at, n * sizeof (*out));
    return list->count;
}

esp_err node_table_reach (search *s, node_table *t, node_ref ref)
{
    uint32_t need = ref / NODE_TABLE_CHUNK + 1;
    if (need > t->cap) {
        uint32_t cap = t->cap ? t->cap : 4;
        char **grown;
        while (cap < need)
            cap *= 2;
        if (!(grown = search_alloc (s, cap * sizeof (*grown))))
            return ESP_ENOMEM;
        if (t->count)
            memcpy (grown, t->chunks, t->count * sizeof (*grown));
        t->chunks = grown;
        t->cap = cap;
    }
    for (; t->count < need; t->count++)
        if (!(t->chunks[t->count] = search_alloc (s, (size_t)NODE_TABLE_CHUNK * t->bytes)))
            return ESP_ENOMEM;
    return ESP_OK;
}

void *node_table_at (const node_table *t, node_ref ref)
{
    if (ref / NODE_TABLE_CHUNK >= t->count)
        return NULL;
    return t->chunks[ref / NODE_TABLE_CHUNK] + (size_t)(ref % NODE_TABLE_CHUNK) * t->bytes;
}

esp_err
adopt_piece (search *s, node_ref parent, node_ref whole, span piece, const char *end, node_ref *out)
{
    const node *from = search_node (s, whole);
    uint64_t tokens = from->text_len ? (uint64_t)from->tokens * piece.len / from->text_len : 0;
    esp_buf text = {0};
    esp_err err = esp_buf_add (&text, piece);
    if (err == ESP_OK && !span_ends (piece, end))
        err = esp_buf_puts (&text, end);
    if (err == ESP_OK)
        err = search_adopt (s, parent, esp_buf_span (&text), FINISH_STOP,
                            (enum node_source)from->source, out);
    esp_buf_free (&text);
    if (err == ESP_OK)
        search_adopt_tokens (s, *out, tokens > 1 ? (uint32_t)tokens : 1);
    return err;
}

bool item_came (const item *i)
{
    return i->generated && !i->failed && !i->dropped;
}

bool item_open (const search *s, const item *i)
{
    const node *n = search_node (s, i->node);
    return item_came (i) && n->finish == FINISH_STOP && n->text_len > 0;
}

bool item_ended (const search *s, const item *i)
{
    return item_came (i) && !item_open (s, i);
}

bool branch_pruned (const search *s, node_ref ref)
{
    for (; ref != NODE_NONE; ref = search_node (s, ref)->parent)
        if (search_node (s, ref)->mark == MARK_PRUNED)
            return true;
    return false;
}

/* Without a rule: the default one, white space in front of the next step aside. */
static bool next_at_empty_line (const void *rule, bool *thinking, span *rest, span *step)
{
    const span separator = span_of (EMPTY_LINE);
    size_t start = 0, end;
    (void)rule;
    (void)thinking;
    while (span_starts (span_make (rest->ptr + start, rest->len - start), EMPTY_LINE))
        start += separator.len;
    if (start == rest->len)
        return false;
    end = start + span_find (span_make (rest->ptr + start, rest->len - start), separator);
    while (span_starts (span_make (rest->ptr + end, rest->len - end), EMPTY_LINE))
        end += separator.len;
    *step = span_make (rest->ptr, end);
    *rest = span_make (rest->ptr + end, rest->len - end);
    return true;
}

static const step_split *split_of (const search *s)
{
    static const step_split plain = {.next = next_at_empty_line, .end = EMPTY_LINE};
    const step_split *own = &search_setup_of (s)->split;
    return own->next ? own : &plain;
}

esp_err rollout_open (const search *s, node_ref rollout, rollout_walk *out)
{
    const step_split *split = split_of (s);
    span text = node_text (search_node (s, rollout));
    esp_buf path = {0};
    bool thinking = false;
    if (split->thinks) {
        esp_err err = tree_path_text (search_tree (s), rollout, &path);
        if (err == ESP_OK)
            thinking = split->thinks (split->rule, esp_buf_span (&path), path.len - text.len);
        esp_buf_free (&path);
        if (err != ESP_OK)
            return err;
    }
    *out = (rollout_walk){split, text, thinking};
    return ESP_OK;
}

bool rollout_next (rollout_walk *w, span *step)
{
    return w->split->next (w->split->rule, &w->thinking, &w->rest, step);
}

uint32_t rollout_count (rollout_walk w)
{
    uint32_t count = 0;
    for (span step; rollout_next (&w, &step);)
        count++;
    return count;
}

const char *rollout_end (const search *s)
{
    return split_of (s)->end;
}
