/* SPDX-License-Identifier: Apache-2.0 */
/* tree.c - nodes in fixed chunks behind tree.h
 *
 * Why chunks: a node never moves, so pointers stay good while the tree grows, and a tree of three
 * nodes costs one small chunk.  Chunks double from 16 to 1,024 nodes; the index of a node tells its chunk by
 * its highest bit.
 *
 * Invariants:
 *   I1  node 0 is the root; every other node's parent has a smaller number
 *   I2  the children list of a node holds its ordinals 0, 1, 2, ... in order
 *   I3  path_hash = mix (parent.path_hash, ordinal)
 */

#include "coordinator/search/tree.h"
#include <assert.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"

enum {
    FIRST_SHIFT = 4, /* nodes in the first chunk: 16 */
    BIG_SHIFT = 10,  /* nodes in every later chunk once they stop doubling: 1,024 */
    SMALL_CHUNKS = BIG_SHIFT - FIRST_SHIFT + 1,                /* 16, 32, ... 1,024 */
    SMALL_NODES = (1 << (BIG_SHIFT + 1)) - (1 << FIRST_SHIFT), /* nodes in those: 2,032 */
    ARENA_CHUNK = 1024                                         /* bytes; doubles in the arena */
};

struct tree {
    esp_arena *arena;
    node *small[SMALL_CHUNKS]; /* the first chunks, one step nearer; each in the arena */
    node **big;                /* owned; the others */
    size_t chunk_count, big_cap;
    uint32_t size;
};

/* Chunk c of the first SMALL_CHUNKS holds 16 << c nodes, all later ones 1,024. */
static node *locate (const tree *t, node_ref ref)
{
    if (ref < SMALL_NODES) {
        uint32_t shifted = ref + (1U << FIRST_SHIFT);
        uint32_t top = 31U - (uint32_t)__builtin_clz (shifted);
        return &t->small[top - FIRST_SHIFT][shifted - (1U << top)];
    }
    ref -= SMALL_NODES;
    return &t->big[ref >> BIG_SHIFT][ref & ((1U << BIG_SHIFT) - 1)];
}

static uint64_t room_of (const tree *t)
{
    uint64_t room = 0;
    for (size_t c = 0; c < t->chunk_count && c < SMALL_CHUNKS; c++)
        room += 1ULL << (FIRST_SHIFT + c);
    if (t->chunk_count > SMALL_CHUNKS)
        room += (uint64_t)(t->chunk_count - SMALL_CHUNKS) << BIG_SHIFT;
    return room;
}

static esp_err make_room (tree *t)
{
    size_t nodes = t->chunk_count < SMALL_CHUNKS ? (size_t)1 << (FIRST_SHIFT + t->chunk_count)
                                                 : (size_t)1 << BIG_SHIFT;
    node *chunk;
    if (t->size < room_of (t))
        return ESP_OK;
    if (t->chunk_count >= SMALL_CHUNKS &&
        esp_grow (&t->big, &t->big_cap, t->chunk_count - SMALL_CHUNKS + 1, sizeof (*t->big)) != 0)
        return ESP_ENOMEM;
    if (!(chunk = esp_arena_alloc (t->arena, nodes * sizeof (*chunk))))
        return ESP_ENOMEM;
    if (t->chunk_count < SMALL_CHUNKS)
        t->small[t->chunk_count] = chunk;
    else
        t->big[t->chunk_count - SMALL_CHUNKS] = chunk;
    t->chunk_count++;
    return ESP_OK;
}

static node blank_node (node_ref parent, uint32_t ordinal)
{
    node n = {.parent = parent, .ordinal = ordinal};
    n.first_child = n.last_child = n.next_sibling = NODE_NONE;
    n.score = n.mean_logprob = NAN;
    return n;
}

esp_err tree_create (uint64_t root_hash, tree **out)
{
    tree *t = NULL;
    if (!out)
        return ESP_EINVAL;
    if (!(t = esp_calloc (1, sizeof (*t))))
        goto fail;
    if (esp_arena_create (ARENA_CHUNK, &t->arena) != ESP_OK || make_room (t) != ESP_OK)
        goto fail;
    t->size = 1;
    node *root = locate (t, NODE_ROOT);
    *root = blank_node (NODE_NONE, 0);
    root->path_hash = root_hash;
    root->state = NODE_GENERATED;
    root->source = SOURCE_GIVEN;
    *out = t;
    return ESP_OK;
fail:
    tree_destroy (t);
    return ESP_ENOMEM;
}

void tree_destroy (tree *t)
{
    if (!t)
        return;
    esp_arena_destroy (t->arena);
    esp_free (t->big);
    esp_free (t);
}

esp_arena *tree_arena (tree *t)
{
    return t->arena;
}

const node *tree_node (const tree *t, node_ref ref)
{
    assert (ref < t->size);
    return locate (t, ref);
}

node *tree_edit (tree *t, node_ref ref)
{
    assert (ref < t->size);
    return locate (t, ref);
}

uint32_t tree_size (const tree *t)
{
    return t->size;
}

size_t tree_bytes (const tree *t)
{
    return esp_arena_bytes (t->arena) + t->big_cap * sizeof (*t->big) + sizeof (*t);
}

esp_err tree_add (tree *t, node_ref parent, node_ref *out)
{
    node *up = tree_edit (t, parent);
    esp_err err;
    if (up->depth == UINT16_MAX || t->size >= NODE_NONE - 1)
        return ESP_ETOOBIG;
    if ((err = make_room (t)) != ESP_OK)
        return err;
    node_ref ref = t->size++;
    node *n = locate (t, ref);
    *n = blank_node (parent, up->children++);
    n->depth = (uint16_t)(up->depth + 1);
    n->path_hash = esp_hash_mix (up->path_hash, n->ordinal);
    if (up->last_child == NODE_NONE)
        up->first_child = ref;
    else
        locate (t, up->last_child)->next_sibling = ref;
    up->last_child = ref;
    *out = ref;
    return ESP_OK;
}

size_t tree_path (const tree *t, node_ref ref, node_ref *out, size_t max)
{
    size_t count = 0;
    for (node_ref r = ref; r != NODE_ROOT; r = tree_node (t, r)->parent) {
        count++;
        if (tree_node (t, r)->draft)
            break;
    }
    size_t i = count;
    for (node_ref r = ref; i > 0; r = tree_node (t, r)->parent)
        if (--i < max)
            out[i] = r;
    return count;
}

esp_err tree_path_text (const tree *t, node_ref ref, esp_buf *out)
{
    const node *n = tree_node (t, ref);
    size_t total = 0, at;
    esp_err err;
    for (const node *m = n;; m = tree_node (t, m->parent)) {
        total += m->text_len;
        if (m->draft || m->parent == NODE_NONE)
            break;
    }
    if ((err = esp_buf_reserve (out, total)) != ESP_OK)
        return err;
    at = out->len = out->len + total;
    for (const node *m = n;; m = tree_node (t, m->parent)) {
        at -= m->text_len;
        if (m->text_len)
            memcpy (out->data + at, m->text, m->text_len);
        if (m->draft || m->parent == NODE_NONE)
            break;
    }
    if (out->data)
        out->data[out->len] = 0;
    return ESP_OK;
}

esp_err tree_path_name (const tree *t, node_ref ref, esp_buf *out)
{
    uint16_t depth = tree_node (t, ref)->depth;
    uint32_t *ordinals;
    esp_err err = ESP_OK;
    if (depth == 0)
        return ESP_OK;
    if (!(ordinals = esp_reallocarray (NULL, depth, sizeof (*ordinals))))
        return ESP_ENOMEM;
    for (uint16_t i = depth; i-- > 0; ref = tree_node (t, ref)->parent)
        ordinals[i] = tree_node (t, ref)->ordinal;
    for (uint16_t i = 0; i < depth && err == ESP_OK; i++)
        if (i == 0 || (err = esp_buf_puts (out, ".")) == ESP_OK)
            err = esp_buf_u64 (out, ordinals[i]);
    esp_free (ordinals);
    return err;
}

size_t tree_path_scores (const tree *t, node_ref ref, double *out, size_t max)
{
    size_t total = 0;
    for (node_ref r = ref; r != NODE_NONE; r = tree_node (t, r)->parent) {
        const node *n = tree_node (t, r);
        total += r == ref ? n->score_count : n->score_own;
        if (n->draft)
            break;
    }
    size_t at = total;
    for (node_ref r = ref; at > 0; r = tree_node (t, r)->parent) {
        const node *n = tree_node (t, r);
        size_t count = r == ref ? n->score_count : n->score_own;
        at -= count;
        for (size_t i = 0; i < count && at + i < max; i++)
            out[at + i] = node_scores (n)[i];
    }
    return total;
}

void tree_check (const tree *t)
{
    assert (t->size >= 1 && t->size <= room_of (t));
    for (node_ref r = NODE_ROOT; r < t->size; r++) {
        const node *n = locate (t, r);
        uint32_t ordinal = 0;
        node_ref last = NODE_NONE;
        assert (r == NODE_ROOT ? n->parent == NODE_NONE : n->parent < r);
        for (node_ref c = n->first_child; c != NODE_NONE;
             last = c, c = locate (t, c)->next_sibling) {
            const node *child = locate (t, c);
            assert (child->parent == r && child->ordinal == ordinal++ &&
                    child->depth == n->depth + 1);
            assert (child->path_hash == esp_hash_mix (n->path_hash, child->ordinal));
        }
        assert (ordinal == n->children && last == n->last_child);
    }
}

/* The node above it on its path; NODE_NONE: its path begins here. */
static node_ref path_above (const tree *t, node_ref ref)
{
    const node *n = tree_node (t, ref);
    return n->draft ? NODE_NONE : n->parent;
}

uint64_t tree_path_tokens (const tree *t, node_ref ref)
{
    uint64_t total = 0;
    for (; ref != NODE_NONE; ref = path_above (t, ref))
        total += tree_node (t, ref)->tokens;
    return total;
}

uint32_t tree_path_steps (const tree *t, node_ref ref)
{
    uint32_t total = 0;
    for (; ref != NODE_NONE; ref = path_above (t, ref))
        total += tree_node (t, ref)->steps;
    return total;
}
