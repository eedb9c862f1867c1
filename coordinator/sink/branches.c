/* SPDX-License-Identifier: Apache-2.0 */
/* branches.c - see branches.h */

#include "coordinator/sink/branches.h"
#include <math.h>
#include <stdlib.h>
#include "proto/answer/answer.h"
#include "proto/base/alloc.h"

static esp_err load (const search *s, node_ref ref, enum answer_equality equality, branch *b)
{
    const tree *t = search_tree (s);
    const node *n = search_node (s, ref);
    esp_err err;
    b->node = ref;
    b->agreement = NAN;
    b->score_count = tree_path_scores (t, ref, NULL, 0);
    if (!(b->scores = esp_reallocarray (NULL, b->score_count + 1, sizeof (double))))
        return ESP_ENOMEM;
    tree_path_scores (t, ref, b->scores, b->score_count);
    if ((err = tree_path_text (t, ref, &b->text)) != ESP_OK)
        return err;
    b->answer = node_answer (n);
    if (b->answer.len == 0 && n->verdict == VERDICT_NONE)
        (void)answer_find (esp_buf_span (&b->text), &b->answer);
    return answer_key (b->answer, equality, &b->key);
}

/* A node may stand more than once in the strategy's list. */
static esp_err count_nodes (const search *s, branches *b)
{
    bool *seen = esp_calloc (tree_size (search_tree (s)), sizeof (*seen));
    if (!seen)
        return ESP_ENOMEM;
    for (size_t i = 0; i < b->count; i++) {
        branch *one = &b->items[i];
        uint8_t verdict = search_node (s, one->node)->verdict;
        one->again = seen[one->node];
        if (one->again)
            continue;
        seen[one->node] = true;
        b->distinct++;
        b->passed += verdict == VERDICT_PASS;
        b->decided += verdict == VERDICT_PASS || verdict == VERDICT_FAIL;
    }
    esp_free (seen);
    return ESP_OK;
}

esp_err branches_of_search (const search *s, enum answer_equality equality, branches *out)
{
    size_t n = search_answers (s, NULL, 0);
    node_ref *refs = esp_reallocarray (NULL, n + 1, sizeof (*refs));
    esp_err err = ESP_OK;
    out->items = esp_calloc (n + 1, sizeof (*out->items));
    if (!refs || !out->items)
        err = ESP_ENOMEM;
    else
        search_answers (s, refs, n);
    for (size_t i = 0; err == ESP_OK && i < n; i++) {
        out->count = i + 1;
        err = load (s, refs[i], equality, &out->items[i]);
    }
    esp_free (refs);
    return err == ESP_OK ? count_nodes (s, out) : err;
}

/* ---- agreement ---- */

static int by_key (const void *a, const void *b)
{
    return span_compare (esp_buf_span (&(*(branch *const *)a)->key),
                         esp_buf_span (&(*(branch *const *)b)->key));
}

/* members: count pointers, equal keys next to each other. */
static void share_out (branch **members, size_t count, uint32_t distinct)
{
    for (size_t first = 0, last; first < count; first = last) {
        uint32_t votes = 0;
        for (last = first; last < count && by_key (&members[first], &members[last]) == 0; last++)
            votes += !members[last]->again;
        for (size_t i = first; i < last; i++)
            members[i]->agreement = (double)votes / distinct;
    }
}

esp_err branches_agree (branches *b)
{
    branch **members = esp_reallocarray (NULL, b->count + 1, sizeof (branch *));
    size_t n = 0;
    if (!members)
        return ESP_ENOMEM;
    for (size_t i = 0; i < b->count; i++)
        if (b->items[i].key.len > 0)
            members[n++] = &b->items[i];
    if (n > 0) {
        qsort (members, n, sizeof (branch *), by_key);
        share_out (members, n, b->distinct);
    }
    esp_free (members);
    return ESP_OK;
}

void branches_free (branches *b)
{
    for (size_t i = 0; i < b->count; i++) {
        esp_buf_free (&b->items[i].text);
        esp_buf_free (&b->items[i].key);
        esp_free (b->items[i].scores);
    }
    esp_free (b->items);
    *b = (branches){NULL, 0, 0, 0, 0};
}
