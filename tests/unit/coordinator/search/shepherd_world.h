/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_COORDINATOR_SEARCH_SHEPHERD_WORLD_H
#define ESP_TESTS_UNIT_COORDINATOR_SEARCH_SHEPHERD_WORLD_H

/* shepherd_world.h - a world whose n-th rollout of a text is always the same, whoever asks
 *
 * A solution has HERD_STEPS steps "a" to "d".  Right is one without an "x" whose letters add up to a multiple of 3; an "x"
 * comes once in a while and spoils all that follows.  So every text has a chance of its own, and plain k per step can be had without a search.
 */

#include "coordinator/search/strategies.h"
#include "proto/base/hash.h"
#include "proto/base/rng.h"
#include "tests/unit/coordinator/search/strategies.h"

enum { HERD_STEPS = 4, HERD_TEXT = 64, HERD_NODES = 100000 };

typedef struct herd {
    player p;
    uint64_t key;
    const char *const
        *given; /* the solutions, then the completions in the order asked; NULL = as above */
    size_t given_used;
    uint8_t finish;  /* of every text */
    uint8_t verdict; /* of every text; VERDICT_NONE: the true one */
    uint32_t scores; /* per text; 0 = one a step */
    uint32_t *asked; /* owned: of each node */
    size_t verdicts, scored, by_action[2];
} herd;

static inline bool herd_right (const char *text)
{
    uint32_t sum = 0, steps = 0;
    for (; *text; text++) {
        if (*text == 'x')
            return false;
        sum += *text >= 'a' ? (uint32_t)(*text - 'a') : 0;
        steps += *text >= 'a';
    }
    return steps == HERD_STEPS && sum % 3 == 0;
}

/* The n-th completion of a text: what follows it. */
static inline void herd_rollout (uint64_t key, const char *prefix, uint32_t n, char out[HERD_TEXT])
{
    char whole[2 * HERD_TEXT];
    size_t from = strlen (prefix);
    uint32_t steps = 0;
    snprintf (whole, sizeof (whole), "%s", prefix);
    for (const char *c = prefix; *c; c++)
        steps += *c >= 'a';
    for (uint64_t i = 0; steps < HERD_STEPS; steps++, i++) {
        uint64_t at = esp_hash_mix_span (esp_hash_mix (key, n), span_make (prefix, from));
        char letter = "aabbccddx"[esp_draw_below (at, i, 9)];
        size_t len = strlen (whole);
        snprintf (whole + len, sizeof (whole) - len, "%s%c", steps ? "\n\n" : "", letter);
    }
    if (from > 0 && strncmp (whole + from, "\n\n", 2) == 0 && whole[from - 1] == '\n')
        memmove (whole + from, whole + from + 2, strlen (whole + from + 2) + 1);
    snprintf (out, HERD_TEXT, "%s", whole + from);
}

static inline void herd_generate (herd *h, const task *t, const char *path, char text[HERD_TEXT])
{
    uint32_t n = h->asked[t->node]++;
    h->by_action[t->action & 1]++;
    if (h->given)
        snprintf (text, HERD_TEXT, "%s", h->given[h->given_used++]);
    else
        herd_rollout (h->key, path, n, text);
}

static inline void herd_answer (herd *h, size_t at)
{
    double scores[HERD_STEPS + 1] = {0.25, 0.5, 0.75, 1.0, 0.125};
    char text[HERD_TEXT] = "";
    task t = h->p.w.queue[at];
    esp_buf path = {0};
    result r = {.id = t.id, .tokens = 1, .mean_logprob = NAN, .share = NAN, .finish = h->finish};
    PASS (tree_path_text (search_tree (h->p.w.s), t.node, &path));
    if (t.kind == TASK_GENERATE) {
        herd_generate (h, &t, esp_buf_text (&path), text);
        r.text = span_of (text);
        r.steps = (uint32_t)span_count (r.text, span_of ("\n\n")) + 1;
    } else if (t.kind == TASK_SCORE) {
        uint32_t steps =
            (uint32_t)span_count (node_text (search_node (h->p.w.s, t.node)), span_of ("\n\n"));
        bool one = span_ends (node_text (search_node (h->p.w.s, t.node)), "\n\n");
        r.scores = scores;
        r.score_own = r.score_count = h->scores ? h->scores : steps + !one;
        h->scored++;
    } else {
        h->verdicts++;
        r.verdict = h->verdict                          ? h->verdict
                    : herd_right (esp_buf_text (&path)) ? VERDICT_PASS
                                                        : VERDICT_FAIL;
    }
    world_send (&h->p.w, &r);
    esp_buf_free (&path);
}

/* h must not move after this. */
static inline void given_herd (herd *h, const char *section, uint64_t key)
{
    *h = (herd){.key = key, .finish = FINISH_EOS};
    PASS (player_read (&h->p, section));
    h->p.w.setup.has_prm = false;
    PASS ((h->asked = esp_calloc (HERD_NODES, sizeof (*h->asked))) ? ESP_OK : ESP_ENOMEM);
}

static inline void herd_play (herd *h)
{
    world_open (&h->p.w);
    while (h->p.w.err == ESP_OK && h->p.w.queued > 0 && !search_finished (h->p.w.s))
        herd_answer (h, 0);
    CHECK (h->p.w.err == ESP_OK && search_finished (h->p.w.s));
}

static inline void herd_close (herd *h)
{
    esp_free (h->asked);
    player_close (&h->p);
}

static inline uint64_t herd_generations (const herd *h)
{
    return search_used (h->p.w.s).generations;
}

/* The step with this path that stands in a chain; NODE_NONE: there is none. */
static inline node_ref herd_find (const herd *h, const char *text)
{
    for (node_ref r = 1; r < tree_size (search_tree (h->p.w.s)); r++) {
        esp_buf path = {0};
        node_value v;
        bool same = search_value (h->p.w.s, r, &v) &&
                    tree_path_text (search_tree (h->p.w.s), r, &path) == ESP_OK &&
                    strcmp (esp_buf_text (&path), text) == 0;
        esp_buf_free (&path);
        if (same)
            return r;
    }
    return NODE_NONE;
}

static inline bool herd_step (const herd *h, const char *text, node_value *out)
{
    node_ref r = herd_find (h, text);
    return r != NODE_NONE && search_value (h->p.w.s, r, out);
}

#endif
