/* SPDX-License-Identifier: Apache-2.0 */
/* label.c - see label.h
 *
 * A child's number is larger than its parent's, so one walk from the last node to the first backs everything up.
 * What the strategy counted is put over the backed-up counts of a node after these went to its parent.
 */

#include "coordinator/sink/label.h"
#include "coordinator/search/rollout.h"
#include "proto/base/alloc.h"
#include "proto/base/wilson.h"

/* Sums over everything below; true: the strategy labels nodes. */
static bool back_up (const search *s, label *all, uint32_t count)
{
    bool labels = false;
    for (uint32_t i = count; i-- > 0;) {
        const node *n = search_node (s, i);
        label *l = &all[i];
        node_value v = {.counted = false};
        l->rollouts += rollout_decided (n);
        l->passed += rollout_passed (n);
        labels = labels || (search_value (s, i, &v) && v.counted);
        if (i == NODE_ROOT)
            continue;
        all[n->draft ? NODE_ROOT : n->parent].rollouts += l->rollouts;
        all[n->draft ? NODE_ROOT : n->parent].passed += l->passed;
    }
    return labels;
}

static enum label_hard hard_of (const node *n, const label *l, bool labels, const node_value *v)
{
    bool finished = n->verdict == VERDICT_FAIL && n->finish == FINISH_EOS;
    bool enough = v->counted ? v->tried : finished || (!labels && l->rollouts >= LABEL_ENOUGH);
    if (l->passed > 0 || v->passed > 0)
        return LABEL_GOOD;
    return enough ? LABEL_BAD : LABEL_UNDECIDED;
}

static void finish_label (const search *s, node_ref ref, bool labels, label *l)
{
    node_value v = {.q = NAN};
    bool valued = search_value (s, ref, &v);
    l->hard = hard_of (search_node (s, ref), l, labels, &v);
    if (v.counted) {
        l->rollouts = v.rollouts;
        l->passed = v.passed;
        l->strategy = true;
    }
    l->value = l->rollouts ? (double)l->passed / l->rollouts : NAN;
    if (l->rollouts == 0 && valued && !v.counted)
        l->value = v.q;
    esp_wilson (l->passed, l->rollouts, &l->low, &l->high);
}

esp_err labels_of_search (const search *s, label **out)
{
    uint32_t count = tree_size (search_tree (s));
    label *all = esp_calloc (count, sizeof (*all));
    bool labels;
    if (!all)
        return ESP_ENOMEM;
    labels = back_up (s, all, count);
    for (uint32_t i = 0; i < count; i++)
        finish_label (s, i, labels, &all[i]);
    *out = all;
    return ESP_OK;
}
