/* SPDX-License-Identifier: Apache-2.0 */
/* test_lines.c - what cluster/console/lines.h promises */

#include "cluster/console/lines.h"
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/rng.h"
#include "tests/support/suite.h"

static const char *shown (span text, size_t columns, char *out, size_t size)
{
    esp_buf b = {0};
    PASS (lines_text (text, columns, &b));
    snprintf (out, size, "%s", esp_buf_text (&b));
    esp_buf_free (&b);
    return out;
}

static void ordinary_text_is_shown_as_it_is (void)
{
    char out[200];
    CU_ASSERT_STRING_EQUAL (shown (span_of ("x + y = 3"), 60, out, sizeof (out)), "x + y = 3");
    CU_ASSERT_STRING_EQUAL (
        shown (span_of ("na\xc3\xafve \xe2\x88\x91 \xf0\x9d\x94\xb8"), 60, out, sizeof (out)),
        "na\xc3\xafve \xe2\x88\x91 \xf0\x9d\x94\xb8");
    CU_ASSERT_STRING_EQUAL (shown (span_of (""), 60, out, sizeof (out)), "");
    CU_ASSERT_STRING_EQUAL (shown (span_of ("one\ntwo\tthree"), 60, out, sizeof (out)),
                            "one\\ntwo three");
}

static void hostile_text_cannot_reach_the_terminal (void)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *shown;
    } table[] = {
        {"\x1b[2J\x1b]0;owned\x07", 14, "?[2J?]0;owned?"},
        {"a\0b", 3, "a?b"},
        {"\r\x08\x7f", 3, "???"},
        {"\xc2\x9b"
         "31m",
         5, "?31m"},                /* CSI as one C1 character */
        {"\xff\xfe\x80", 3, "???"}, /* not UTF-8 */
        {"\xe2\x80\xae"
         "evil",
         7, "?evil"}, /* right-to-left override: no width */
        {"\xe2\x80\x8b"
         "x",
         4, "?x"},                  /* zero width space */
        {"\xed\xa0\x80", 3, "???"}, /* surrogate */
        {"\xe2\x82", 2, "??"},      /* cut character */
        {"\xc0\xaf", 2, "??"},      /* overlong */
    };
    for (size_t i = 0; i < sizeof (table) / sizeof (table[0]); i++) {
        char out[200];
        CU_ASSERT_STRING_EQUAL (
            shown (span_make (table[i].bytes, table[i].len), 60, out, sizeof (out)),
            table[i].shown);
    }
}

static void random_bytes_give_printable_lines_that_fit (void)
{
    for (uint64_t round = 0; round < 2000; round++) {
        char bytes[64], out[400];
        size_t columns = esp_draw_below (9, round, 40);
        for (uint64_t i = 0; i < sizeof (bytes); i++)
            bytes[i] = (char)esp_draw_below (round, i, 256);
        shown (span_make (bytes, sizeof (bytes)), columns, out, sizeof (out));
        CHECK (esp_utf8_valid (span_of (out)));
        for (const char *c = out; *c; c++)
            CHECK ((unsigned char)*c >= 0x20 && *c != 0x7f);
    }
}

static void text_is_cut_by_columns_not_by_bytes (void)
{
    char out[200];
    CU_ASSERT_STRING_EQUAL (shown (span_of ("abcdef"), 4, out, sizeof (out)), "abcd");
    CU_ASSERT_STRING_EQUAL (
        shown (span_of ("\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"), 2, out, sizeof (out)),
        "\xe2\x82\xac\xe2\x82\xac");
    CU_ASSERT_STRING_EQUAL (shown (span_of ("\xe6\xbc\xa2\xe5\xad\x97"), 3, out, sizeof (out)),
                            "\xe6\xbc\xa2"); /* 2 wide */
    CU_ASSERT_STRING_EQUAL (shown (span_of ("ab\ncd"), 3, out, sizeof (out)), "ab");
    CU_ASSERT_STRING_EQUAL (shown (span_of ("ab"), 0, out, sizeof (out)), "");
}

static void times_are_short (void)
{
    char out[32];
    CU_ASSERT_STRING_EQUAL (lines_time (0, out, sizeof (out)), "0s");
    CU_ASSERT_STRING_EQUAL (lines_time (59.9, out, sizeof (out)), "59s");
    CU_ASSERT_STRING_EQUAL (lines_time (185, out, sizeof (out)), "3m05s");
    CU_ASSERT_STRING_EQUAL (lines_time (3725, out, sizeof (out)), "1h02m");
    CU_ASSERT_STRING_EQUAL (lines_time (90000, out, sizeof (out)), "1d01h");
    CU_ASSERT_STRING_EQUAL (lines_time (NAN, out, sizeof (out)), "?");
    CU_ASSERT_STRING_EQUAL (lines_time (-1, out, sizeof (out)), "?");
    CU_ASSERT_STRING_EQUAL (lines_time (1e300, out, sizeof (out)), "?");
}

static void figures_of_the_run (void)
{
    run_status s = {.problems_total = 100,
                    .problems_done = 12,
                    .problems_solved = 8,
                    .problems_open = 4,
                    .generations = 1234,
                    .workers = 4,
                    .workers_busy_percent = 87,
                    .in_flight = 128,
                    .frontier = 64,
                    .seconds = 61,
                    .generations_per_s = 56.71,
                    .eta_s = NAN};
    esp_buf b = {0};
    PASS (lines_progress (&s, 100, &b));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&b),
                            "12/100 problems done, 8 solved, 4 open  1m01s, ETA ?");
    esp_buf_clear (&b);
    s.problems_failed = 2;
    PASS (lines_progress (&s, 40, &b));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&b), "12/100 problems done, 8 solved, 2 failed");
    esp_buf_clear (&b);
    PASS (lines_work (&s, 200, &b));
    CU_ASSERT_STRING_EQUAL (
        esp_buf_text (&b),
        "1234 generations, 56.7/s  4 workers, 87% busy  128 in flight, 64 queued");
    esp_buf_free (&b);
}

static event about (uint8_t kind, node_ref node, node_ref parent, uint32_t ordinal)
{
    return (event){.number = 1,
                   .kind = kind,
                   .problem = 3,
                   .node = node,
                   .parent = parent,
                   .ordinal = ordinal,
                   .value = NAN};
}

static view *given_problem (void)
{
    view *v = NULL;
    event all[] = {about (EVENT_OPENED, 0, NODE_NONE, 0), about (EVENT_PLANNED, 1, 0, 0),
                   about (EVENT_TEXT, 1, 0, 0),           about (EVENT_SCORED, 1, 0, 0),
                   about (EVENT_MARK, 1, 0, 0),           about (EVENT_PLANNED, 2, 1, 4),
                   about (EVENT_VERIFIED, 1, 0, 0)};
    all[0].text = span_of ("gsm8k-17\x1b[31m");
    all[2].text = span_of ("First\nwe add.");
    all[2].tokens = 9;
    all[3].value = 0.8125;
    all[4].mark = MARK_KEPT;
    all[6].mark = VERDICT_PASS;
    PASS (view_create (&v));
    for (size_t i = 0; i < sizeof (all) / sizeof (all[0]); i++)
        PASS (view_apply (v, &all[i]));
    return v;
}

static void a_text_that_is_being_made_shows_its_end (void)
{
    view *v = given_problem ();
    event part = about (EVENT_TEXT, 2, NODE_NONE, 0);
    esp_buf b = {0};
    char text[100];
    part.number = 0;
    memset (text, 'x', sizeof (text));
    memcpy (text + sizeof (text) - 4, " end", 4);
    part.text = span_make (text, sizeof (text));
    PASS (lines_event (v, &part, 120, &b));
    CHECK (strncmp (esp_buf_text (&b), "problem #3 0.4 writes xxx", 25) == 0);
    CHECK (b.len == 22 + VIEW_PART_MAX && strcmp (esp_buf_text (&b) + b.len - 4, " end") == 0);
    esp_buf_free (&b);
    view_destroy (v);
}

static void problems_and_nodes (void)
{
    view *v = given_problem ();
    const view_problem *p = view_find (v, 3);
    esp_buf b = {0};
    PASS (lines_problem (p, 80, &b));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&b),
                            "#3 gsm8k-17?[31m  3 nodes, best 0.812, 1 in flight");
    esp_buf_clear (&b);
    PASS (lines_node (p, 0, 80, &b));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&b), "gsm8k-17?[31m");
    esp_buf_clear (&b);
    PASS (lines_node (p, 1, 80, &b));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&b), ".0 0.812 kept pass 9t  First\\nwe add.");
    esp_buf_clear (&b);
    PASS (lines_node (p, 2, 80, &b));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&b), "  .4 - ... 0t  ");
    esp_buf_clear (&b);
    PASS (lines_node (p, 77, 80, &b));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&b), "");
    esp_buf_free (&b);
    view_destroy (v);
}

static void no_line_is_wider_than_asked (void)
{
    view *v = given_problem ();
    const view_problem *p = view_find (v, 3);
    event mark = about (EVENT_MARK, 1, 0, 0);
    mark.text = span_of ("below the cut");
    for (size_t columns = 0; columns < 90; columns++) {
        esp_buf b = {0};
        run_status s = {.seconds = 1};
        PASS (lines_problem (p, columns, &b));
        CHECK (b.len <= columns);
        esp_buf_clear (&b);
        PASS (lines_node (p, 1, columns, &b));
        CHECK (b.len <= columns);
        esp_buf_clear (&b);
        PASS (lines_event (v, &mark, columns, &b));
        CHECK (b.len <= columns);
        esp_buf_clear (&b);
        PASS (lines_progress (&s, columns, &b));
        PASS (lines_work (&s, columns, &b));
        CHECK (b.len <= 2 * columns);
        esp_buf_free (&b);
    }
    view_destroy (v);
}

static void events_as_lines (void)
{
    view *v = given_problem ();
    event score = about (EVENT_SCORED, 2, 1, 4), mark = about (EVENT_MARK, 2, 1, 4),
          odd = about (250, 9, 1, 4);
    event finished = about (EVENT_FINISHED, 0, NODE_NONE, 0);
    esp_buf b = {0};
    score.value = 0.5;
    mark.mark = MARK_PRUNED;
    mark.text = span_of ("below the cut");
    finished.mark = REASON_BUDGET;
    PASS (lines_event (v, &score, 80, &b));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&b), "problem #3 0.4 scored 0.500");
    esp_buf_clear (&b);
    PASS (lines_event (v, &mark, 80, &b));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&b), "problem #3 0.4 mark pruned below the cut");
    esp_buf_clear (&b);
    PASS (lines_event (v, &finished, 80, &b));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&b), "problem #3 finished budget");
    esp_buf_clear (&b);
    PASS (lines_event (v, &odd, 80, &b));
    CU_ASSERT_STRING_EQUAL (esp_buf_text (&b), "problem #3 ?");
    esp_buf_free (&b);
    view_destroy (v);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"ordinary text is shown as it is", ordinary_text_is_shown_as_it_is},
        {"hostile text cannot reach the terminal", hostile_text_cannot_reach_the_terminal},
        {"random bytes give printable lines that fit", random_bytes_give_printable_lines_that_fit},
        {"text is cut by columns, not by bytes", text_is_cut_by_columns_not_by_bytes},
        {"times are short", times_are_short},
        {"figures of the run", figures_of_the_run},
        {"problems and nodes", problems_and_nodes},
        {"a text that is being made shows its end", a_text_that_is_being_made_shows_its_end},
        {"no line is wider than asked", no_line_is_wider_than_asked},
        {"events as lines", events_as_lines},
        {NULL, NULL},
    };
    if (!setlocale (LC_CTYPE, "C.UTF-8"))
        return 1;
    return suite_main ("lines", cases);
}
