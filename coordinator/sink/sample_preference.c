/* SPDX-License-Identifier: Apache-2.0 */
/* sample_preference.c - format `preference`: two continuations of one text, of which the first is better
 *
 * TRL's preference with an explicit prompt (docs/source/dataset_formats.md): texts, or lists of messages where the problem is one; the
 * steps above the two stand in the prompt, as the beginning of the assistant's message.
 *
 * Pairs are children of one node.  Verified: a rollout below the chosen one passed, and the verified rate (label.h) below
 * the rejected one is strictly lower.  Children without verified rollouts are compared by the score of the PRM: unverified.  What a
 * limit cut is neither chosen nor rejected; a step is not compared with a whole text, nor with a draft.
 *
 * Of a parent only the `pairs` best and worst children can be in one of the first `pairs` pairs: any other pair has that many before it.
 * Order: the tree's, which does not depend on the order of answers as the numbers of nodes do.
 */

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "coordinator/sink/sample_formats.h"
#include "proto/base/alloc.h"

enum level { LEVEL_BRANCH, LEVEL_STEP };
enum { PAIRS_MOST = 1000 };

typedef struct preference_options {
    int level;
    int64_t pairs;
    double score_margin;
    const char *join;
} preference_options;

static const esp_option preference_rows[] = {
    {"level", ESP_OPT_CHOICE, offsetof (preference_options, level), "branch", 0, 0, "branch|step",
     "", "compare whole completions from the common parent, or the two steps alone", ESP_OPT_FIXED,
     false},
    {"pairs", ESP_OPT_INT, offsetof (preference_options, pairs), "4", 1, PAIRS_MOST, NULL, "pairs",
     "per problem, largest margin first", ESP_OPT_FIXED, false},
    {"score_margin", ESP_OPT_DOUBLE, offsetof (preference_options, score_margin), "0.2", 0, 1e9,
     NULL, "",
     "smallest difference of PRM scores where no verdict decides (unverified); 0 = no such pairs",
     ESP_OPT_FIXED, false},
    {"join", ESP_OPT_STRING, offsetof (preference_options, join), "\n\n", 0, 0, NULL, "",
     "stands between the problem and the steps above the pair, in a prompt that is a text",
     ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

typedef struct
    leaves { /* finished branches below a node, the first of each kind; NODE_NONE = none */
    node_ref passed, failed, open;
} leaves;

typedef struct candidate {
    double value; /* verified rate, or score */
    uint32_t place;
    node_ref child;
} candidate;

typedef struct pair {
    double margin;
    node_ref parent, better, worse; /* the children */
    node_ref chosen, rejected;      /* where the texts end */
} pair;

struct pairing {
    const sample_view *v;
    const preference_options *options;
    leaves *below;         /* owned, by node; level: branch */
    candidate *candidates; /* owned */
    size_t candidate_cap;
    pair *pairs[SAMPLE_SETS]; /* owned; best first */
    size_t count[SAMPLE_SETS];
};

/* ---- which branches stand below ---- */

static void note_leaf (struct pairing *p, const branch *b)
{
    const search *s = p->v->search;
    uint8_t verdict = search_node (s, b->node)->verdict;
    for (node_ref up = b->node; up != NODE_ROOT; up = search_node (s, up)->parent) {
        leaves *l = &p->below[up];
        node_ref *kind = verdict == VERDICT_PASS   ? &l->passed
                         : verdict == VERDICT_FAIL ? &l->failed
                                                   : &l->open;
        if (*kind == NODE_NONE)
            *kind = b->node;
        if (search_node (s, up)->draft)
            break;
    }
}

static void note_leaves (struct pairing *p)
{
    const branches *all = p->v->branches;
    for (uint32_t i = 0; i < tree_size (p->v->tree); i++)
        p->below[i] = (leaves){NODE_NONE, NODE_NONE, NODE_NONE};
    for (size_t i = 0; i < all->count; i++)
        if (!all->items[i].again && sample_complete (p->v, all->items[i].node))
            note_leaf (p, &all->items[i]);
}

/* ---- the children of one node ---- */

enum child_kind { KIND_STEP, KIND_WHOLE, KIND_DRAFT, KINDS };

static enum child_kind kind_of (const struct pairing *p, const node *n)
{
    if (n->draft)
        return KIND_DRAFT;
    return p->options->level == LEVEL_STEP && n->steps > 1 ? KIND_WHOLE : KIND_STEP;
}

static bool is_candidate (const struct pairing *p, node_ref ref, enum child_kind kind,
                          enum sample_set set, double *value)
{
    const node *n = search_node (p->v->search, ref);
    const label *known = &p->v->labels[ref];
    if (n->state != NODE_GENERATED || n->finish == FINISH_LENGTH || n->text_len == 0 ||
        kind_of (p, n) != kind || (known->rollouts > 0) != (set == SAMPLE_VERIFIED))
        return false;
    *value = set == SAMPLE_VERIFIED ? known->value : n->score;
    return !isnan (*value);
}

static esp_err gather (struct pairing *p, node_ref parent, enum child_kind kind,
                       enum sample_set set, size_t *count)
{
    const search *s = p->v->search;
    uint32_t place = 0;
    *count = 0;
    for (node_ref c = search_node (s, parent)->first_child; c != NODE_NONE;
         c = search_node (s, c)->next_sibling, place++) {
        double value;
        if (!is_candidate (p, c, kind, set, &value))
            continue;
        if (esp_grow (&p->candidates, &p->candidate_cap, *count + 1, sizeof (candidate)) != 0)
            return ESP_ENOMEM;
        p->candidates[(*count)++] = (candidate){value, place, c};
    }
    return ESP_OK;
}

static int best_first (const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    return x->value != y->value ? (x->value < y->value) - (x->value > y->value)
                                : (x->place > y->place) - (x->place < y->place);
}

static int worst_first (const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    return x->value != y->value ? (x->value > y->value) - (x->value < y->value)
                                : (x->place > y->place) - (x->place < y->place);
}

/* Where the texts end; false: there is no such branch, or they are equal. */
static bool find_texts (const struct pairing *p, enum sample_set set, pair *one)
{
    one->chosen = one->better;
    one->rejected = one->worse;
    if (p->options->level == LEVEL_BRANCH) {
        const leaves *good = &p->below[one->better], *bad = &p->below[one->worse];
        one->chosen = set == SAMPLE_VERIFIED ? good->passed : good->open;
        one->rejected = set == SAMPLE_VERIFIED ? bad->failed : bad->open;
    }
    return one->chosen != NODE_NONE && one->rejected != NODE_NONE &&
           !(one->chosen == one->better && one->rejected == one->worse &&
             span_equal (node_text (search_node (p->v->search, one->better)),
                         node_text (search_node (p->v->search, one->worse))));
}

/* Behind all that are not worse. */
static void keep (struct pairing *p, enum sample_set set, const pair *one)
{
    pair *list = p->pairs[set];
    size_t at = p->count[set], most = (size_t)p->options->pairs;
    if (at == most && !(one->margin > list[most - 1].margin))
        return;
    at -= at == most;
    for (; at > 0 && list[at - 1].margin < one->margin; at--)
        list[at] = list[at - 1];
    list[at] = *one;
    p->count[set] += p->count[set] < most;
}

static bool is_pair (const struct pairing *p, enum sample_set set, const pair *one)
{
    if (set == SAMPLE_VERIFIED)
        return one->margin > 0 && p->v->labels[one->better].passed > 0;
    return p->options->score_margin > 0 && one->margin >= p->options->score_margin;
}

static esp_err
pair_up (struct pairing *p, node_ref parent, enum child_kind kind, enum sample_set set)
{
    size_t n, most = (size_t)p->options->pairs;
    candidate *best, *worst;
    esp_err err = gather (p, parent, kind, set, &n);
    if (err != ESP_OK || n < 2)
        return err;
    most = n < most ? n : most;
    if (esp_grow (&p->candidates, &p->candidate_cap, n + most, sizeof (candidate)) != 0)
        return ESP_ENOMEM;
    worst = p->candidates;
    best = worst + n;
    qsort (worst, n, sizeof (candidate), best_first);
    memcpy (best, worst, most * sizeof (candidate));
    qsort (worst, n, sizeof (candidate), worst_first);
    for (size_t i = 0; i < most; i++)
        for (size_t k = 0; k < most; k++) {
            pair one = {.margin = best[i].value - worst[k].value,
                        .parent = parent,
                        .better = best[i].child,
                        .worse = worst[k].child};
            if (is_pair (p, set, &one) && find_texts (p, set, &one))
                keep (p, set, &one);
        }
    return ESP_OK;
}

/* ---- rows ---- */

static void said (json_row *r, const char *key, const sample_view *v, span text)
{
    row_raw (r, key);
    if (v->messages.len > 0)
        row_raw (r, "[{\"role\":\"assistant\",\"content\":");
    row_string (r, "", text);
    if (v->messages.len > 0)
        row_raw (r, "}]");
}

static void prompt_with (json_row *r, const struct pairing *p, span prefix, esp_buf *scratch)
{
    const sample_view *v = p->v;
    if (prefix.len == 0) {
        sample_prompt (r, v);
    } else if (v->messages.len > 0) {
        row_span (r, ",\"prompt\":", span_make (v->messages.ptr, v->messages.len - 1));
        row_string (r,
                    v->messages.len > 2 ? ",{\"role\":\"assistant\",\"content\":"
                                        : "{\"role\":\"assistant\",\"content\":",
                    prefix);
        row_raw (r, "}]");
    } else {
        esp_buf_clear (scratch);
        if (r->err == ESP_OK && ((r->err = esp_buf_add (scratch, v->prompt)) != ESP_OK ||
                                 (r->err = esp_buf_puts (scratch, p->options->join)) != ESP_OK))
            return;
        if (r->err == ESP_OK && (r->err = esp_buf_add (scratch, prefix)) == ESP_OK)
            row_string (r, ",\"prompt\":", esp_buf_span (scratch));
    }
}

static void known_of (json_row *r, const sample_view *v, const char *const keys[4], node_ref child)
{
    const label *known = &v->labels[child];
    row_number (r, keys[0], known->rollouts ? known->value : NAN);
    row_count (r, keys[1], known->rollouts);
    row_count (r, keys[2], known->passed);
    row_number (r, keys[3], search_node (v->search, child)->score);
}

/* The text of the path to `end` behind that of the parent. */
static esp_err
text_behind (const sample_view *v, node_ref end, size_t prefix, esp_buf *out, span *text)
{
    esp_err err;
    esp_buf_clear (out);
    if ((err = tree_path_text (v->tree, end, out)) == ESP_OK)
        *text = span_make (out->data + prefix, out->len - prefix);
    return err;
}

static esp_err write_texts (json_row *r, const struct pairing *p, const pair *one, esp_buf text[2])
{
    const sample_view *v = p->v;
    bool draft = search_node (v->search, one->better)->draft;
    span prefix, said_now;
    if (r->err == ESP_OK && !draft)
        r->err = tree_path_text (v->tree, one->parent, &text[0]);
    prefix = esp_buf_span (&text[0]);
    prompt_with (r, p, prefix, &text[1]);
    row_string (r, ",\"prefix\":", prefix);
    if (r->err == ESP_OK &&
        (r->err = text_behind (v, one->chosen, prefix.len, &text[1], &said_now)) == ESP_OK)
        said (r, ",\"chosen\":", v, said_now);
    if (r->err == ESP_OK &&
        (r->err = text_behind (v, one->rejected, prefix.len, &text[1], &said_now)) == ESP_OK)
        said (r, ",\"rejected\":", v, said_now);
    return r->err;
}

static esp_err
write_pair (const struct pairing *p, enum sample_set set, const pair *one, sample_writer *w)
{
    static const char *const chosen[4] = {
        ",\"chosen_rate\":", ",\"chosen_rollouts\":", ",\"chosen_passed\":", ",\"chosen_score\":"};
    static const char *const rejected[4] = {",\"rejected_rate\":", ",\"rejected_rollouts\":",
                                            ",\"rejected_passed\":", ",\"rejected_score\":"};
    esp_buf suffix = {0}, text[2] = {{0}, {0}};
    esp_err err = esp_buf_puts (&suffix, "-");
    json_row *r;
    if (err == ESP_OK && (err = tree_path_name (p->v->tree, one->rejected, &suffix)) == ESP_OK) {
        r = sample_begin (w, set, one->chosen, esp_buf_text (&suffix));
        (void)write_texts (r, p, one, text);
        row_number (r, ",\"margin\":", one->margin);
        known_of (r, p->v, chosen, one->better);
        known_of (r, p->v, rejected, one->worse);
        err = sample_end (w);
    }
    esp_buf_free (&suffix);
    esp_buf_free (&text[0]);
    esp_buf_free (&text[1]);
    return err;
}

/* ---- a problem ---- */

static esp_err pair_children (struct pairing *p, node_ref parent)
{
    esp_err err = ESP_OK;
    if (search_node (p->v->search, parent)->children < 2)
        return ESP_OK;
    for (int set = 0; set < SAMPLE_SETS; set++)
        for (int kind = 0; kind < KINDS && err == ESP_OK; kind++)
            err = pair_up (p, parent, (enum child_kind)kind, (enum sample_set)set);
    return err;
}

static node_ref after (const search *s, node_ref at)
{
    if (search_node (s, at)->first_child != NODE_NONE)
        return search_node (s, at)->first_child;
    while (at != NODE_ROOT && search_node (s, at)->next_sibling == NODE_NONE)
        at = search_node (s, at)->parent;
    return at == NODE_ROOT ? NODE_NONE : search_node (s, at)->next_sibling;
}

static esp_err pair_all (struct pairing *p, sample_writer *w)
{
    esp_err err = ESP_OK;
    note_leaves (p);
    for (node_ref at = NODE_ROOT; at != NODE_NONE && err == ESP_OK; at = after (p->v->search, at))
        err = pair_children (p, at);
    for (int set = 0; set < SAMPLE_SETS; set++)
        for (size_t i = 0; i < p->count[set] && err == ESP_OK; i++)
            err = write_pair (p, (enum sample_set)set, &p->pairs[set][i], w);
    return err;
}

static esp_err write_problem (const sample_view *v, const void *options, sample_writer *w)
{
    struct pairing p = {.v = v, .options = options};
    esp_err err = ESP_ENOMEM;
    p.below = esp_reallocarray (NULL, tree_size (v->tree), sizeof (*p.below));
    for (int set = 0; set < SAMPLE_SETS; set++)
        p.pairs[set] = esp_reallocarray (NULL, (size_t)p.options->pairs, sizeof (pair));
    if (p.below && p.pairs[SAMPLE_VERIFIED] && p.pairs[SAMPLE_UNVERIFIED])
        err = pair_all (&p, w);
    for (int set = 0; set < SAMPLE_SETS; set++)
        esp_free (p.pairs[set]);
    esp_free (p.below);
    esp_free (p.candidates);
    return err;
}

static const char *const measured[] = {
    "margin",        "chosen_rate",       "chosen_rollouts", "chosen_passed",  "chosen_score",
    "rejected_rate", "rejected_rollouts", "rejected_passed", "rejected_score", NULL};

const sample_format sample_preference = {
    .name = "preference",
    .what = "two continuations of one text, the chosen one with the higher verified rate (TRL)",
    .needs = SAMPLE_NEEDS_LABELS,
    .options = preference_rows,
    .option_bytes = sizeof (preference_options),
    .measured = measured,
    .write = write_problem,
};
