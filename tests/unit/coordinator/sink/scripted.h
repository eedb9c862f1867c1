/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_COORDINATOR_SINK_SCRIPTED_H
#define ESP_TESTS_UNIT_COORDINATOR_SINK_SCRIPTED_H

/* scripted.h - a finished search whose tree a test writes down, a node a line, and what a sample format makes of it
 *
 * Node i + 1 is line i.  Everything that ended is a finished branch, in the order of lines.
 */

#include "coordinator/sink/samples.h"
#include "proto/base/option.h"
#include "proto/config/config.h"
#include "tests/unit/coordinator/search/world.h"

typedef struct line {
    uint32_t below; /* number of its parent's line, from 1; 0 = the problem */
    uint8_t mode;   /* enum ask_mode */
    const char *text;
    uint8_t finish, verdict;
    double scores[4];          /* up to the first 0 */
    uint32_t rollouts, passed; /* counted by the strategy; 0 = it says nothing */
    double q;                  /* what the strategy says otherwise; 0 = nothing */
    span token_data;
} line;

typedef struct script {
    const line *lines;
    uint32_t count;
} script;

static inline const script *script_of (const search *s)
{
    return search_strategy_options (s);
}

static inline esp_err script_next (search *s, uint32_t at)
{
    const line *l = &script_of (s)->lines[at];
    ask one = {.from = l->below, .mode = l->mode, .tag = at};
    one.verifier = l->verdict != VERDICT_NONE;
    one.scores = l->scores[0] != 0;
    return search_join (s, 0, &one, 1, NULL);
}

static inline esp_err script_open (search *s, void *me)
{
    (void)me;
    return script_next (s, 0);
}

static inline esp_err script_joined (search *s, void *me, join_id id, const item *items, size_t n)
{
    uint32_t next = (uint32_t)items[0].tag + 1;
    (void)me;
    (void)id;
    CHECK (n == 1 && items[0].node == next);
    return next < script_of (s)->count ? script_next (s, next) : ESP_OK;
}

static inline size_t script_answers (const search *s, const void *me, node_ref *out, size_t max)
{
    size_t count = 0;
    (void)me;
    for (node_ref i = 1; i < tree_size (search_tree (s)); i++)
        if (search_node (s, i)->state == NODE_GENERATED &&
            search_node (s, i)->finish != FINISH_STOP && count++ < max)
            out[count - 1] = i;
    return count;
}

static inline bool script_value (const search *s, const void *me, node_ref ref, node_value *out)
{
    const line *l = ref ? &script_of (s)->lines[ref - 1] : NULL;
    (void)me;
    if (!l || (l->rollouts == 0 && l->q == 0))
        return false;
    *out = (node_value){.q = l->q,
                        .prior = NAN,
                        .rollouts = l->rollouts,
                        .passed = l->passed,
                        .counted = l->rollouts > 0,
                        .tried = true};
    return true;
}

static const strategy script_strategy = {
    .name = "script",
    .semantics = 1,
    .paper = "a test",
    .state_bytes = 8,
    .open = script_open,
    .joined = script_joined,
    .answers = script_answers,
    .value = script_value,
};

static inline void script_answer (world *w, const task *t)
{
    node_ref about = t->kind == TASK_GENERATE ? t->child : t->node;
    const line *l = &script_of (w->s)->lines[about - 1];
    result r = {
        .id = t->id, .logprob = NAN, .mean_logprob = NAN, .share = NAN, .verdict = l->verdict};
    if (t->kind == TASK_GENERATE) {
        r.text = span_of (l->text);
        r.tokens = 1;
        r.steps = 1 + (uint32_t)span_count (r.text, span_of ("\n\n")) - span_ends (r.text, "\n\n");
        r.finish = l->finish;
        r.token_data = l->token_data;
    } else if (t->kind == TASK_SCORE) {
        r.scores = l->scores;
        while (r.score_count < 4 && l->scores[r.score_count] != 0)
            r.score_count++;
        r.score_own = r.score_count;
    }
    world_send (w, &r);
}

/* problem: its JSON row, with the id "p". */
static inline void given_scripted (world *w, const script *told, const char *json)
{
    search_setup setup = given_setup (&script_strategy, told);
    problem p = {.key = problem_key_make (0, 3), .id = span_of ("p"), .json = span_of (json)};
    setup.has_verifier = setup.keep_tokens = true;
    *w = given_world (&setup);
    w->err = search_create (&w->setup, &p, &w->s);
    if (w->err == ESP_OK)
        world_input (w, INPUT_OPEN);
    while (w->err == ESP_OK && w->queued > 0) {
        task t = w->queue[0];
        script_answer (w, &t);
    }
    CHECK (w->err == ESP_OK && search_finished (w->s) &&
           tree_size (search_tree (w->s)) == told->count + 1);
}

/* What the format makes of it; options: "until: error". */
static inline esp_err
sampled (const search *s, const char *format, const char *options, unsigned sets, esp_buf *out)
{
    sample_item one = {.format = sample_format_find (format)};
    const esp_option *tables[2] = {sample_option_rows};
    void *structs[2] = {&one.options, NULL};
    branches all = {.items = NULL};
    char yaml[400];
    esp_error error = {0};
    config *c = NULL;
    esp_err err;
    CU_ASSERT_PTR_NOT_NULL_FATAL (one.format);
    tables[1] = one.format->options;
    one.own = structs[1] = esp_calloc (1, one.format->option_bytes + 1);
    snprintf (yaml, sizeof (yaml), "samples: {format: %s%s%s}\n", format, *options ? ", " : "",
              options);
    err = one.own ? config_parse (span_of (yaml), "test", &c, &error) : ESP_ENOMEM;
    if (err == ESP_OK)
        err = config_bind (c, "samples", tables, structs, tables[1] ? 2 : 1);
    if (err == ESP_OK)
        err = config_check_unknown (c);
    if (err == ESP_OK && config_mistakes (c, NULL) > 0)
        err = ESP_EINVAL;
    if (err == ESP_OK && (err = branches_of_search (s, ANSWER_BY_VALUE, &all)) == ESP_OK &&
        (err = branches_agree (&all)) == ESP_OK)
        err = samples_plain (s, &all, &one, span_of ("\"run\":\"r\""), sets, out);
    branches_free (&all);
    config_destroy (c);
    esp_free (one.own);
    return err;
}

enum { VERIFIED_ONLY = 1 << SAMPLE_VERIFIED, UNVERIFIED_ONLY = 1 << SAMPLE_UNVERIFIED };

/* Rows without what is in all of them: from `,"prompt"` (or the first key of the format) up to meta, a line each. */
static inline bool rows_are (world *w, const char *format, const char *options, unsigned sets,
                             const char *const *expected)
{
    esp_buf out = {0};
    const char *at;
    bool same = true;
    PASS (sampled (w->s, format, options, sets, &out));
    at = esp_buf_text (&out);
    for (; *expected && same; expected++) {
        const char *end = strchr (at, '\n');
        const char *from = strstr (at, ",\"problem_id\":\"p\"");
        const char *meta = strstr (at, ",\"meta\":");
        same = end && from && meta && from < end && meta < end;
        if (!same)
            break;
        from += strlen (",\"problem_id\":\"p\",");
        same = (size_t)(meta - from) == strlen (*expected) &&
               memcmp (from, *expected, strlen (*expected)) == 0;
        at = end + 1;
    }
    if (!same || *at)
        printf ("    %s (%s):\n%s", format, options, esp_buf_text (&out));
    same = same && !*at;
    esp_buf_free (&out);
    return same;
}

/* p: its tree is played. */
static inline void
survives_every_failed_allocation (world *w, const char *format, const char *options)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err == ESP_ENOMEM && n < 2000; n++) {
        long live = esp_alloc_live ();
        esp_buf out = {0};
        esp_alloc_fail_after (n);
        err = sampled (w->s, format, options, VERIFIED_ONLY | UNVERIFIED_ONLY, &out);
        esp_alloc_fail_after (-1);
        esp_buf_free (&out);
        CHECK (esp_alloc_live () == live && (err == ESP_OK || err == ESP_ENOMEM));
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
}

#endif
