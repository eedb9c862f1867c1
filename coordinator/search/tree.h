/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_TREE_H
#define ESP_COORDINATOR_SEARCH_TREE_H

/* tree.h - the nodes of one problem
 *
 * A node is one step (or one draft) under its parent.  Nodes are never freed or moved
 * before the tree is; a node_ref stays valid and a const node * too.  Node 0 is the root: the problem, empty text.
 *
 * Identity (D4): a child's ordinal is given when it is planned and never reused; the path of
 * ordinals names the node in every output, whatever the order in which results came.
 *
 * Ownership: texts, scores and answers live in the tree's arena.  Threads: none.
 */

#include <math.h>
#include "proto/base/arena.h"
#include "proto/model/task.h"

typedef struct node_extra { /* what few nodes have */
    const char *answer;     /* canonical answer the verifier read, NULL = none */
    const char *
        observation; /* test or prover output for the children's prompt, NULL = none; of the visible tests where there are such */
    const char *reason;         /* the verdict's reason code */
    const char *visible_reason; /* likewise of the visible tests; NULL = none */
    const char *token_data;     /* model/token_data.h; only where search_setup.keep_tokens */
    const char
        *made; /* what the generator said of its text (an operator of bugs); NULL = nothing */
    uint32_t answer_len, observation_len, reason_len, visible_reason_len, token_data_len, made_len;
    double share, visible_share; /* part of the tests passed; NaN = not given */
    uint8_t
        visible; /* enum verdict: by the visible tests only.  It steers a search and is no verdict on the node */
} node_extra;

typedef struct node {
    const char *text; /* text_len bytes */
    union {
        double one;         /* score_count == 1 */
        const double *many; /* more */
    } scores;               /* read with node_scores */
    double score;           /* aggregate over the path with this node's scores; NaN = not scored */
    double mean_logprob;    /* NaN = not given */
    uint64_t
        path_hash; /* over run seed, problem id, repeat and the ordinals: base of the seeds below */
    const node_extra *extra; /* NULL = none */
    node_ref parent, first_child, last_child,
        next_sibling;  /* NODE_NONE = none; children in planned order */
    uint32_t ordinal;  /* under the parent */
    uint32_t children; /* planned so far = next ordinal */
    uint32_t text_len;
    uint32_t tokens;
    uint16_t depth;       /* root 0 */
    uint16_t steps;       /* step boundaries in the own text; 1 for a step */
    uint16_t score_count; /* own steps, then lookahead steps */
    uint16_t score_own;
    uint16_t action;
    bool draft : 1;      /* replaces what stands above it */
    bool graded : 1;     /* the end of the search has looked at it */
    unsigned source : 2; /* enum node_source */
    uint8_t finish;      /* enum node_finish; valid when generated */
    uint8_t verdict;     /* enum verdict */
    uint8_t mark;        /* enum node_mark */
    uint8_t why;         /* index into the search's reasons for marks; 0 = none */
    uint8_t state;       /* enum node_state */
} node;                  /* 96 bytes: there are millions */

enum node_state { NODE_PLANNED, NODE_GENERATED, NODE_FAILED };

typedef struct tree tree;

/* root_hash: base of all path hashes. */
ESP_MUST_CHECK esp_err tree_create (uint64_t root_hash, tree **out);
void tree_destroy (tree *t); /* accepts NULL */

esp_arena *tree_arena (tree *t);
const node *tree_node (const tree *t, node_ref ref); /* asserts that ref exists */
node *tree_edit (tree *t, node_ref ref);             /* for search*.c only */
uint32_t tree_size (const tree *t);                  /* nodes, the root included */
size_t tree_bytes (const tree *t);

/* Append a planned child; its ordinal is parent.children.  Errors: ESP_ENOMEM, ESP_ETOOBIG (depth 65,535 or 2^32 - 2 nodes). */
ESP_MUST_CHECK esp_err tree_add (tree *t, node_ref parent, node_ref *out);

static inline bool node_ended (const node *n) /* no step can follow */
{
    return n->state == NODE_FAILED || (n->state == NODE_GENERATED && n->finish != FINISH_STOP);
}
static inline span node_text (const node *n)
{
    return span_make (n->text ? n->text : "", n->text_len);
}
static inline span node_answer (const node *n)
{
    return n->extra && n->extra->answer ? span_make (n->extra->answer, n->extra->answer_len)
                                        : span_make ("", 0);
}
/* What a strategy is told: by the visible tests where those were asked, else the verdict. */
static inline enum verdict node_told (const node *n)
{
    return n->extra && n->extra->visible ? (enum verdict)n->extra->visible
                                         : (enum verdict)n->verdict;
}
static inline double node_told_share (const node *n)
{
    return !n->extra ? NAN : n->extra->visible ? n->extra->visible_share : n->extra->share;
}
static inline span node_token_data (const node *n) /* "" = none */
{
    return n->extra && n->extra->token_data
               ? span_make (n->extra->token_data, n->extra->token_data_len)
               : span_make ("", 0);
}
static inline span node_made (const node *n)
{
    return n->extra && n->extra->made ? span_make (n->extra->made, n->extra->made_len)
                                      : span_make ("", 0);
}
static inline const double *node_scores (const node *n)
{
    return n->score_count == 1 ? &n->scores.one : n->scores.many;
}
/* The last of the node's scores, lookahead included; NaN when there is none. */
static inline double node_last_score (const node *n)
{
    return n->score_count ? node_scores (n)[n->score_count - 1] : NAN;
}

/* Nodes from the root's first child (or the last draft) to ref, in order; at most max are written, the
 * number there is is returned. */
size_t tree_path (const tree *t, node_ref ref, node_ref *out, size_t max);

/* Append the text of the path to ref. */
ESP_MUST_CHECK esp_err tree_path_text (const tree *t, node_ref ref, esp_buf *out);

/* Append the ordinals from the root: "2.0.7"; "" for the root. */
ESP_MUST_CHECK esp_err tree_path_name (const tree *t, node_ref ref, esp_buf *out);

/* Scores along the path (own ones of the ancestors, all of ref); returns how many there are, writes at most max. */
size_t tree_path_scores (const tree *t, node_ref ref, double *out, size_t max);

/* Assert the invariants of every node: O(nodes). */
void tree_check (const tree *t);

/* Tokens and steps of the path: of a draft those of its own text. */
uint64_t tree_path_tokens (const tree *t, node_ref ref);
uint32_t tree_path_steps (const tree *t, node_ref ref);

#endif
