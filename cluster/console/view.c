/* SPDX-License-Identifier: Apache-2.0 */
/* view.c - see view.h
 *
 * Invariants:
 *   I1  problems are ordered by key, each once
 *   I2  a node's parent has a smaller number and is there, so walks end
 */

#include "cluster/console/view.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"

struct view {
    view_problem **problems; /* owned */
    size_t count, cap;
    size_t nodes; /* over all problems */
};

/* ---- problems ---- */

static void free_problem (view *v, view_problem *p)
{
    for (size_t i = 0; i < p->node_room; i++) {
        esp_free (p->nodes[i].text);
        esp_free (p->nodes[i].why);
    }
    v->nodes -= p->count;
    esp_free (p->nodes);
    esp_free (p->id);
    esp_free (p);
}

esp_err view_create (view **out)
{
    view *v = esp_calloc (1, sizeof (*v));
    if (!v)
        return ESP_ENOMEM;
    *out = v;
    return ESP_OK;
}

void view_clear (view *v)
{
    for (size_t i = 0; i < v->count; i++)
        free_problem (v, v->problems[i]);
    v->count = 0;
}

void view_destroy (view *v)
{
    if (!v)
        return;
    view_clear (v);
    esp_free (v->problems);
    esp_free (v);
}

size_t view_count (const view *v)
{
    return v->count;
}

const view_problem *view_at (const view *v, size_t index)
{
    return index < v->count ? v->problems[index] : NULL;
}

size_t view_index (const view *v, problem_key key)
{
    size_t low = 0, high = v->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (v->problems[middle]->key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static view_problem *find (const view *v, problem_key key)
{
    size_t at = view_index (v, key);
    return at < v->count && v->problems[at]->key == key ? v->problems[at] : NULL;
}

const view_problem *view_find (const view *v, problem_key key)
{
    return find (v, key);
}

const view_problem *view_find_id (const view *v, span id, uint32_t repeat)
{
    for (size_t i = 0; i < v->count; i++)
        if (span_is (id, v->problems[i]->id) && problem_repeat (v->problems[i]->key) == repeat)
            return v->problems[i];
    return NULL;
}

static esp_err get_problem (view *v, problem_key key, view_problem **out)
{
    size_t at = view_index (v, key);
    view_problem *p;
    if ((*out = find (v, key)))
        return ESP_OK;
    if (esp_grow (&v->problems, &v->cap, v->count + 1, sizeof (*v->problems)) != 0)
        return ESP_ENOMEM;
    if (!(p = esp_calloc (1, sizeof (*p))) || !(p->id = esp_strdup (""))) {
        esp_free (p);
        return ESP_ENOMEM;
    }
    p->key = key;
    p->best = NAN;
    memmove (&v->problems[at + 1], &v->problems[at], (v->count - at) * sizeof (*v->problems));
    v->problems[at] = p;
    v->count++;
    *out = p;
    return ESP_OK;
}

void view_drop_finished (view *v, problem_key but)
{
    size_t kept = 0;
    for (size_t i = 0; i < v->count; i++) {
        view_problem *p = v->problems[i];
        if (p->finished && p->key != but)
            free_problem (v, p);
        else
            v->problems[kept++] = p;
    }
    v->count = kept;
}

/* ---- nodes ---- */

const view_node *view_node_of (const view_problem *p, node_ref ref)
{
    return ref < p->node_room && p->nodes[ref].there ? &p->nodes[ref] : NULL;
}

static void place (view *v, view_problem *p, node_ref ref, const event *e)
{
    view_node *n = &p->nodes[ref];
    node_ref above = e->parent < ref && view_node_of (p, e->parent) ? e->parent : NODE_ROOT;
    *n = (view_node){.parent = ref == NODE_ROOT ? NODE_NONE : above,
                     .first_child = NODE_NONE,
                     .last_child = NODE_NONE,
                     .next_sibling = NODE_NONE,
                     .ordinal = e->ordinal,
                     .score = NAN,
                     .there = true};
    v->nodes++;
    p->count++;
    if (ref == NODE_ROOT) {
        n->has_text = true;
        return;
    }
    p->in_flight++;
    n->depth =
        (uint16_t)(p->nodes[above].depth < UINT16_MAX ? p->nodes[above].depth + 1 : UINT16_MAX);
    if (p->nodes[above].last_child == NODE_NONE)
        p->nodes[above].first_child = ref;
    else
        p->nodes[p->nodes[above].last_child].next_sibling = ref;
    p->nodes[above].last_child = ref;
}

/* The node, made if it is new (the root with the first one).  *out NULL: over the limit. */
static esp_err get_node (view *v, view_problem *p, node_ref ref, const event *e, view_node **out)
{
    size_t room = p->node_room ? p->node_room : 16;
    *out = NULL;
    if (ref >= VIEW_PROBLEM_NODES_MAX || (!view_node_of (p, ref) && v->nodes >= VIEW_NODES_MAX))
        return ESP_OK;
    while (room <= ref)
        room *= 2;
    if (room > p->node_room) {
        view_node *grown = esp_reallocarray (p->nodes, room, sizeof (*grown));
        if (!grown)
            return ESP_ENOMEM;
        memset (grown + p->node_room, 0, (room - p->node_room) * sizeof (*grown));
        p->nodes = grown;
        p->node_room = room;
    }
    if (!p->nodes[NODE_ROOT].there)
        place (v, p, NODE_ROOT, e);
    if (!p->nodes[ref].there)
        place (v, p, ref, e);
    *out = &p->nodes[ref];
    return ESP_OK;
}

static esp_err replace (char **text, span with)
{
    span cut = esp_utf8_cut (with, VIEW_TEXT_MAX);
    char *copy = NULL;
    if (cut.len > 0 && !(copy = esp_strndup (cut.ptr, cut.len)))
        return ESP_ENOMEM;
    esp_free (*text);
    *text = copy;
    return ESP_OK;
}

static void got_text (view_problem *p, view_node *n, const event *e)
{
    if (!n->has_text)
        p->in_flight--;
    n->has_text = true;
    n->finish = e->mark;
    n->tokens = e->tokens;
}

static esp_err apply_to_node (view *v, view_problem *p, const event *e)
{
    view_node *n;
    esp_err err = get_node (v, p, e->node, e, &n);
    if (err != ESP_OK || !n)
        return err;
    switch ((enum event_kind)e->kind) {
    case EVENT_TEXT:
        if ((err = replace (&n->text, e->text)) == ESP_OK)
            got_text (p, n, e);
        break;
    case EVENT_SCORED:
        n->score = e->value;
        if (!isnan (e->value) && !(e->value <= p->best))
            p->best = e->value;
        break;
    case EVENT_VERIFIED:
        n->verdict = e->mark;
        break;
    case EVENT_MARK:
        if ((err = replace (&n->why, e->text)) == ESP_OK)
            n->mark = e->mark;
        if (n->mark == MARK_FAILED && !n->has_text)
            got_text (p, n, &(event){.mark = FINISH_ERROR});
        break;
    case EVENT_OPENED:
    case EVENT_PLANNED:
    case EVENT_FINISHED:
    case EVENT_COMMAND:
    case EVENT_KINDS:
        break;
    }
    return err;
}

span view_part (span text)
{
    size_t skip = text.len > VIEW_PART_MAX ? text.len - VIEW_PART_MAX : 0;
    while (skip > 0 && skip < text.len && ((unsigned char)text.ptr[skip] & 0xc0) == 0x80)
        skip++;
    return skip > 0 ? span_make (text.ptr + skip, text.len - skip) : text;
}

/* A text that is being made: its end, behind dots. */
static esp_err apply_part (const view *v, const event *e)
{
    view_problem *p = find (v, e->problem);
    view_node *n = p && view_node_of (p, e->node) ? &p->nodes[e->node] : NULL;
    span end = view_part (e->text);
    char part[VIEW_PART_MAX + 8];
    if (!n || n->has_text || e->kind != EVENT_TEXT || e->text.len == 0)
        return ESP_OK;
    snprintf (part, sizeof (part), "...%.*s", (int)end.len, end.ptr);
    return replace (&n->text, span_of (part));
}

esp_err view_apply (view *v, const event *e)
{
    view_problem *p;
    esp_err err;
    if (e->number == 0)
        return apply_part (v, e);
    if (e->kind == EVENT_COMMAND || (e->kind == EVENT_FINISHED && !find (v, e->problem)))
        return ESP_OK;
    if ((err = get_problem (v, e->problem, &p)) != ESP_OK)
        return err;
    if (e->kind == EVENT_FINISHED) {
        p->finished = true;
        p->reason = e->mark;
        return ESP_OK;
    }
    return e->kind == EVENT_OPENED ? replace (&p->id, e->text) : apply_to_node (v, p, e);
}

/* ---- walks ---- */

node_ref view_next (const view_problem *p, node_ref ref)
{
    const view_node *n = view_node_of (p, ref);
    if (!n)
        return NODE_NONE;
    if (n->first_child != NODE_NONE)
        return n->first_child;
    while (n && n->next_sibling == NODE_NONE)
        n = n->parent == NODE_NONE ? NULL : view_node_of (p, n->parent);
    return n ? n->next_sibling : NODE_NONE;
}

node_ref view_resolve (const view_problem *p, const char *path)
{
    node_ref at = NODE_ROOT;
    if (path[0] == 0 || strcmp (path, ".") == 0)
        return view_node_of (p, NODE_ROOT) ? NODE_ROOT : NODE_NONE;
    while (path) {
        char *end;
        unsigned long ordinal = strtoul (path, &end, 10);
        const view_node *n = view_node_of (p, at);
        if (path[0] < '0' || path[0] > '9' || (*end && *end != '.') || !n)
            return NODE_NONE;
        for (at = n->first_child; at != NODE_NONE && p->nodes[at].ordinal != ordinal;
             at = p->nodes[at].next_sibling)
            ;
        if (at == NODE_NONE)
            return NODE_NONE;
        path = *end ? end + 1 : NULL;
    }
    return at;
}

esp_err view_path (const view_problem *p, node_ref ref, esp_buf *out)
{
    const view_node *n = view_node_of (p, ref);
    size_t depth = n ? n->depth : 0;
    esp_err err = ESP_OK;
    if (!n || ref == NODE_ROOT)
        return esp_buf_puts (out, ".");
    for (size_t level = 1; level <= depth && err == ESP_OK; level++) {
        const view_node *at = n;
        for (size_t up = depth; up > level; up--)
            at = &p->nodes[at->parent];
        err = esp_buf_printf (out, level > 1 ? ".%u" : "%u", at->ordinal);
    }
    return err;
}
