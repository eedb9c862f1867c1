/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CONSOLE_VIEW_H
#define ESP_CLUSTER_CONSOLE_VIEW_H

/* view.h - what an observer knows of a run: its open problems and their trees, from events
 *
 * Events set state and may come twice; what contradicts itself (a parent that is younger than its child) hangs below
 * the root.  Texts are cut to their beginning; of a text that is still being made (an event without a number) the end is kept.  Beyond VIEW_NODES_MAX nodes nothing new is shown.
 *
 * Threads: none.
 */

#include "proto/model/event.h"

enum {
    VIEW_NODES_MAX = 4 << 20, /* over all problems: about 400 MB */
    VIEW_PROBLEM_NODES_MAX = 1 << 20,
    VIEW_TEXT_MAX = 240, /* bytes of a text that are kept: a line of a wide terminal */
    VIEW_PART_MAX = 56   /* bytes of a text that is being made: what lines_node shows */
};

typedef struct view_node {
    node_ref parent, first_child, last_child, next_sibling;
    uint32_t ordinal, tokens;
    double score;     /* NaN = none yet */
    char *text, *why; /* owned; NULL = none */
    uint16_t depth;
    bool there, has_text;
    uint8_t finish, mark, verdict; /* enum node_finish, node_mark, verdict */
} view_node;

typedef struct view_problem {
    problem_key key;
    char *id;         /* owned; "" until it is known */
    view_node *nodes; /* owned; by node_ref */
    size_t node_room;
    uint32_t count, in_flight; /* nodes; those without a text */
    double best;               /* highest score; NaN = none yet */
    bool finished;
    uint8_t reason; /* enum finish_reason */
} view_problem;

typedef struct view view;

/* The end of a text that is being made, at most VIEW_PART_MAX bytes, from the start of a character on. */
span view_part (span text);

ESP_MUST_CHECK esp_err view_create (view **out);
void view_destroy (view *v); /* accepts NULL */
void view_clear (view *v);   /* before a snapshot */

/* Errors: ESP_ENOMEM (the view is as if the event had not come). */
ESP_MUST_CHECK esp_err view_apply (view *v, const event *e);
void view_drop_finished (view *v, problem_key but); /* forget finished problems, except this one */

size_t view_count (const view *v); /* problems, by rising key */
const view_problem *view_at (const view *v, size_t index);
const view_problem *view_find (const view *v, problem_key key); /* NULL: not known */
size_t view_index (const view *v, problem_key key);             /* where it is, or would be */
const view_problem *view_find_id (const view *v, span id, uint32_t repeat);

/* The node after `ref` in depth-first order, children in planned order; NODE_NONE behind the last. */
node_ref view_next (const view_problem *p, node_ref ref);
const view_node *view_node_of (const view_problem *p, node_ref ref); /* NULL: not there */
/* "2.0.7" -> node; "" or "." is the root.  NODE_NONE: there is no such node. */
node_ref view_resolve (const view_problem *p, const char *path);
/* Append "2.0.7"; "." for the root. */
ESP_MUST_CHECK esp_err view_path (const view_problem *p, node_ref ref, esp_buf *out);

#endif
