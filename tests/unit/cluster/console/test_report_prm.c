/* SPDX-License-Identifier: Apache-2.0 */
/* test_report_prm.c - what cluster/console/report_prm.h promises; numbers worked out by hand beside them */
// LINK: esp_report

#include "cluster/console/report_prm.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/base/rng.h"
#include "tests/support/suite.h"

enum { MOST = 64 };

struct made {
    prm_data data;
    prm_sample samples[MOST];
    double scores[8 * MOST];
};

static void add (struct made *m, uint64_t id, int64_t label, const double *scores, uint32_t n)
{
    prm_sample *s = &m->samples[m->data.count++];
    *s = (prm_sample){.id = id,
                      .order = (uint32_t)m->data.count,
                      .first = m->data.score_count,
                      .count = n,
                      .correct = label < 0 ? REPORT_RIGHT : REPORT_WRONG,
                      .labelled = true,
                      .label = label,
                      .score = n ? scores[n - 1] : NAN};
    for (uint32_t i = 0; i < n; i++)
        m->scores[m->data.score_count++] = scores[i];
    m->data.samples = m->samples;
    m->data.scores = m->scores;
}

static bool near (double a, double b)
{
    return fabs (a - b) < 1e-12;
}

/* Four solutions: first error at 1, at 0, none, none. */
static void four (struct made *m)
{
    memset (m, 0, sizeof (*m));
    add (m, 1, 1, (double[]){0.9, 0.2, 0.8}, 3);
    add (m, 2, 0, (double[]){0.3, 0.4}, 2);
    add (m, 3, -1, (double[]){0.8, 0.7}, 2);
    add (m, 4, -1, (double[]){0.6, 0.4}, 2);
}

static void f1_is_the_harmonic_mean_of_both_kinds (void)
{
    struct made m;
    prm_f1 f;
    double threshold = 0;
    four (&m);
    /* below 0.5: 1 names step 1, 2 names 0, 3 none, 4 names 1 (wrong): found 2/2, passed 1/2 */
    f = prm_f1_at (&m.data, 0.5);
    CHECK (f.erroneous == 2 && f.right == 2 && f.found == 1.0 && f.passed == 0.5);
    CHECK (near (f.f1, 2.0 / 3.0) && f.all == 0.75);
    /* below 0.25: 1 right, 2 passes an error: found 1/2, passed 2/2 */
    f = prm_f1_at (&m.data, 0.25);
    CHECK (f.found == 0.5 && f.passed == 1.0 && near (f.f1, 2.0 / 3.0));
    /* below 0.95: 1 names 0, 2 right, all others wrong */
    f = prm_f1_at (&m.data, 0.95);
    CHECK (f.found == 0.5 && f.passed == 0.0 && f.f1 == 0.0);
    /* right are: 1 in (0.2, 0.9], 2 above 0.3, 3 up to 0.7, 4 up to 0.4: all four in (0.3, 0.4] */
    PASS (prm_choose_threshold (&m.data, &threshold));
    CHECK (threshold == 0.4 && prm_f1_at (&m.data, threshold).f1 == 1.0);
}

static void one_kind_alone_has_no_threshold (void)
{
    struct made m;
    double threshold = 7;
    memset (&m, 0, sizeof (m));
    add (&m, 1, -1, (double[]){0.5}, 1);
    FAILS (prm_choose_threshold (&m.data, &threshold), ESP_EEMPTY);
    CHECK (threshold == 7 && isnan (prm_f1_at (&m.data, 0.1).f1));
    m.samples[0].labelled = false;
    CHECK (prm_f1_at (&m.data, 0.1).right == 0);
}

/* Against trying every score, and a value above all of them. */
static void the_chosen_threshold_is_the_best_of_all (void)
{
    for (uint64_t round = 0; round < 300; round++) {
        struct made m;
        double chosen = NAN, best = 0;
        uint64_t draw = 0;
        memset (&m, 0, sizeof (m));
        for (uint64_t i = 0; i < 12; i++) {
            double scores[5];
            uint32_t n = 1 + (uint32_t)(esp_draw_unit (round, draw++) * 5);
            int64_t label = (int64_t)(esp_draw_unit (round, draw++) * (n + 2)) - 2;
            for (uint32_t k = 0; k < n; k++) /* few values: many ties */
                scores[k] = floor (esp_draw_unit (round, draw++) * 8) / 8;
            add (&m, i, i == 0 ? 0 : i == 1 ? -1 : label < -1 ? -1 : label, scores, n);
        }
        PASS (prm_choose_threshold (&m.data, &chosen));
        best = prm_f1_at (&m.data, 2.0).f1;
        for (size_t i = 0; i < m.data.score_count; i++)
            best = fmax (best, prm_f1_at (&m.data, m.scores[i]).f1);
        CHECK (near (prm_f1_at (&m.data, chosen).f1, best));
    }
}

static void auc_counts_pairs_and_half_of_ties (void)
{
    /* good 0.7 0.4, bad 0.8 0.4: 0.7 beats 0.4, 0.4 ties with 0.4: 1.5 of 4 */
    prm_point points[] = {{0.7, true}, {0.8, false}, {0.4, true}, {0.4, false}};
    prm_quality q = prm_quality_of (points, 4);
    struct made m;
    CHECK (q.good == 2 && q.bad == 2 && q.auc == 0.375);
    q = prm_quality_of (points, 0);
    CHECK (isnan (q.auc) && isnan (q.ece));
    four (
        &m); /* steps: good 0.9 0.8 0.7 0.6 0.4, first errors 0.2 0.3; 0.8 and 0.4 behind them do not count */
    PASS (prm_step_quality (&m.data, &q));
    CHECK (q.good == 5 && q.bad == 2 && q.auc == 1.0);
    PASS (prm_final_quality (&m.data, &q)); /* right 0.7 0.4, wrong 0.8 0.4 */
    CHECK (q.good == 2 && q.bad == 2 && q.auc == 0.375);
}

static void calibration_weighs_the_gap_of_each_bin (void)
{
    /* [0.8, 0.9): 2, mean 0.85, half of them good: gap 0.35; [0.9, 1]: 0.95 good, 1.0 good: gap 0.025; (2 x 0.35 + 2 x 0.025) / 4 */
    prm_point points[] = {{0.85, true}, {0.85, false}, {0.95, true}, {1.0, true}};
    prm_quality q = prm_quality_of (points, 4);
    CHECK (near (q.ece, 0.1875));
    CHECK (q.bins[8].count == 2 && near (q.bins[8].mean, 0.85) && q.bins[8].share == 0.5);
    CHECK (q.bins[9].count == 2 && near (q.bins[9].mean, 0.975) && q.bins[9].share == 1.0);
    CHECK (q.bins[0].count == 0 && isnan (q.bins[0].mean));
    points[0].score = 1.5; /* no probability */
    q = prm_quality_of (points, 4);
    CHECK (isnan (q.ece) && !isnan (q.auc));
}

static void a_best_score_that_rises_while_correctness_falls_is_told (void)
{
    struct made m;
    prm_growth g;
    memset (&m, 0, sizeof (m));
    /* problem 1: right 0.5, wrong 0.6, wrong 0.2; problem 2: right 0.4, right 0.3, wrong 0.9 */
    add (&m, 1, -1, (double[]){0.5}, 1);
    add (&m, 1, 0, (double[]){0.6}, 1);
    add (&m, 1, 0, (double[]){0.2}, 1);
    add (&m, 2, -1, (double[]){0.4}, 1);
    add (&m, 2, -1, (double[]){0.3}, 1);
    add (&m, 2, 0, (double[]){0.9}, 1);
    prm_growth_of (&m.data, &g);
    CHECK (g.problems == 2 && g.levels == 3 && g.at[2].k == 3);
    CHECK (near (g.at[0].score, 0.45) && g.at[0].right == 1.0);
    CHECK (near (g.at[1].score, 0.5) && g.at[1].right == 0.5);
    CHECK (near (g.at[2].score, 0.75) && g.at[2].right == 0.0);
    CHECK (g.over && g.from == 0 && g.lost == 2 && g.won == 0);
    m.samples[1].correct = m.samples[5].correct = REPORT_RIGHT;
    prm_growth_of (&m.data, &g);
    CHECK (!g.over && g.at[2].right == 1.0);
    m.samples[0].correct = m.samples[1].correct = m.samples[2].correct = REPORT_UNKNOWN;
    prm_growth_of (&m.data, &g);
    CHECK (g.problems == 1);
    m.data.count = 0;
    prm_growth_of (&m.data, &g);
    CHECK (g.problems == 0 && !g.over);
}

/* ---- from files ---- */

static void write_file (const char *folder, const char *name, const char *text)
{
    char path[600];
    esp_error error = {0};
    PASS (esp_path_join (path, sizeof (path), folder, name));
    PASS (esp_file_write (path, span_of (text), 0644, &error));
}

static void rows_and_labels_are_read (void)
{
    const char *folder = suite_folder ();
    char run[900];
    prm_data d = {.count = 0};
    esp_error note = {0}, error = {0};
    snprintf (run, sizeof (run), "problems: {file: %s/p.jsonl}\ngenerator: {engine: file}\n",
              folder);
    write_file (folder, "run.yaml", run);
    write_file (folder, "p.jsonl",
                "{\"id\":\"a\",\"problem\":\"P\",\"steps\":[\"x\",\"y\"],\"label\":1,\"final_"
                "answer_correct\":false}\n"
                "{\"id\":\"b\",\"problem\":\"P\",\"steps\":[\"x\",\"y\"],\"label\":-1,\"final_"
                "answer_correct\":true}\n"
                "{\"id\":\"c\",\"problem\":\"P\",\"completions\":[\"x\",\"y\"],\"label\":0}\n"
                "{\"id\":\"d\",\"problem\":\"P\",\"steps\":[\"x\",\"y\"],\"label\":0}\n");
    write_file (
        folder, "candidates.jsonl",
        "{\"id\":\"b\",\"repeat\":0,\"correct\":null,\"score\":0.7,\"step_scores\":[0.6,0.7]}\n"
        "{\"id\":\"a\",\"repeat\":0,\"correct\":true,\"score\":0.2,\"step_scores\":[0.9,0.2]}\n"
        "{\"id\":\"c\",\"repeat\":0,\"correct\":false,\"score\":0.1,\"step_scores\":[0.1]}\n"
        "{\"id\":\"d\",\"repeat\":0,\"correct\":false,\"score\":0.1,\"step_scores\":[0.1]}\n");
    PASS (prm_read (folder, -1, &d, &note, &error));
    CHECK (d.count == 4 && d.score_count == 6 && d.mismatched == 1 && note.text[0] == 0);
    for (size_t i = 0; i < d.count; i++) {
        const prm_sample *s = &d.samples[i];
        if (s->score == 0.7) /* no verdict: what the row says */
            CHECK (s->labelled && s->label == -1 && s->correct == REPORT_RIGHT);
        if (s->score == 0.2) /* the verdict counts more */
            CHECK (s->labelled && s->label == 1 && s->correct == REPORT_RIGHT);
        if (s->score == 0.1) /* several solutions, or other steps: the label is of no use */
            CHECK (!s->labelled);
    }
    prm_data_free (&d);
    PASS (prm_read (folder, AGGREGATE_MIN, &d, &note, &error));
    CHECK (d.samples[0].score != 0.7 && d.samples[1].score != 0.7);
    prm_data_free (&d);
    write_file (folder, "run.yaml", "problems: {file: gone.jsonl}\ngenerator: {engine: file}\n");
    PASS (prm_read (folder, -1, &d, &note, &error)); /* no labels, and it says why */
    CHECK (strstr (note.text, "no labels: ") != NULL && strstr (note.text, "gone.jsonl") != NULL);
    prm_data_free (&d);
    write_file (folder, "candidates.jsonl",
                "{\"id\":\"b\"}\n{\"id\":\"b\",\"step_scores\":[\"x\"]}\n");
    FAILS (prm_read (folder, -1, &d, &note, &error), ESP_EFORMAT);
    CHECK (strstr (error.text, "candidates.jsonl:2: `step_scores`") != NULL);
    write_file (folder, "candidates.jsonl", "");
    FAILS (prm_read (folder, -1, &d, &note, &error), ESP_EFORMAT);
    CHECK (esp_alloc_live () == 0);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"F1 is the harmonic mean of both kinds", f1_is_the_harmonic_mean_of_both_kinds},
        {"one kind alone has no threshold", one_kind_alone_has_no_threshold},
        {"the chosen threshold is the best of all", the_chosen_threshold_is_the_best_of_all},
        {"AUC counts pairs, and half of ties", auc_counts_pairs_and_half_of_ties},
        {"calibration weighs the gap of each bin", calibration_weighs_the_gap_of_each_bin},
        {"a best score that rises while correctness falls is told",
         a_best_score_that_rises_while_correctness_falls_is_told},
        {"rows and labels are read", rows_and_labels_are_read},
        {NULL, NULL},
    };
    return suite_main ("report_prm", cases);
}
