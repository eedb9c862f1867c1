/* SPDX-License-Identifier: Apache-2.0 */
/* sample_tree.c - format `tree`, for `espalier export`: a problem's whole tree, a line a problem
 *
 * The nested process trees of OpenR's math-aps: {"text","mc_value","children":[...]}, with the problem at the root, and what we know besides:
 * rollouts, passed, score, verdict.  mc_value: passed / rollouts, or the strategy's value, or null.  It tells what was searched, and
 * says nothing of truth: every tree is written.  A tree of n steps is nested n deep; many readers stop at about a thousand.
 */

#include "coordinator/sink/sample_formats.h"

static void open_node (json_row *r, const sample_view *v, node_ref ref)
{
    const node *n = search_node (v->search, ref);
    const label *known = &v->labels[ref];
    row_string (r, "{\"text\":", ref == NODE_ROOT ? v->prompt : node_text (n));
    row_number (r, ",\"mc_value\":", known->value);
    row_count (r, ",\"rollouts\":", known->rollouts);
    row_count (r, ",\"passed\":", known->passed);
    row_number (r, ",\"score\":", n->score);
    row_string (r, ",\"verdict\":", span_of (verdict_names[n->verdict]));
    if (ref == NODE_ROOT) {
        row_string (r, ",\"question_id\":", v->problem->id);
        row_string_or_null (r, ",\"final_answer\":", v->gold);
    }
    row_raw (r, ",\"children\":[");
}

/* From `at` on, the first sibling with a text. */
static node_ref with_text (const sample_view *v, node_ref at)
{
    while (at != NODE_NONE && search_node (v->search, at)->state != NODE_GENERATED)
        at = search_node (v->search, at)->next_sibling;
    return at;
}

static esp_err write_problem (const sample_view *v, const void *options, sample_writer *w)
{
    json_row *r = sample_begin (w, SAMPLE_VERIFIED, NODE_ROOT, NULL);
    node_ref at = NODE_ROOT;
    (void)options;
    open_node (r, v, at);
    while (at != NODE_NONE && r->err == ESP_OK) {
        node_ref next = with_text (v, search_node (v->search, at)->first_child);
        while (next == NODE_NONE && at != NODE_ROOT) {
            row_raw (r, "]}");
            next = with_text (v, search_node (v->search, at)->next_sibling);
            if (next != NODE_NONE)
                row_raw (r, ",");
            at = search_node (v->search, at)->parent;
        }
        if (next != NODE_NONE)
            open_node (r, v, next);
        at = next;
    }
    row_raw (r, "]}");
    return sample_end (w);
}

const sample_format sample_tree = {
    .name = "tree",
    .what = "the whole tree of a problem, nested",
    .needs = SAMPLE_NEEDS_LABELS,
    .text = true,
    .shows_all = true,
    .write = write_problem,
};
