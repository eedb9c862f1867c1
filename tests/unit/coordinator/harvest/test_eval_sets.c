/* SPDX-License-Identifier: Apache-2.0 */
/* test_eval_sets.c - problems found again whatever their layout; other texts are not */

#include "coordinator/harvest/eval_sets.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "coordinator/harvest/problem_text.h"
#include "tests/support/suite.h"

#define DUCKS                                                                                      \
    "Anna has 31 ducks on her farm by the river and each of them lays 3 eggs a day; how many "     \
    "eggs "                                                                                        \
    "does she sell in a week if she keeps 12 of them every morning?"
#define SHORT "Compute $\\sin 0$ exactly."

static char folder[PATH_MAX];

static const char *write_file (const char *name, const char *text)
{
    static char path[PATH_MAX + 64];
    FILE *f;
    snprintf (path, sizeof (path), "%s/%s", folder, name);
    CU_ASSERT_PTR_NOT_NULL_FATAL (f = fopen (path, "w"));
    fputs (text, f);
    fclose (f);
    return path;
}

static eval_sets *given_sets (void)
{
    eval_sets *e;
    esp_error error = {0};
    snprintf (folder, sizeof (folder), "%s", suite_folder ());
    PASS (eval_sets_create (&e));
    PASS (eval_sets_add (e,
                         write_file ("own.jsonl", "{\"id\": \"d1\", \"question\": \"" DUCKS
                                                  "\"}\n\n{\"problem\": \"Compute $\\\\sin 0$ "
                                                  "exactly.\"}\n"),
                         &error));
    return e;
}

static esp_err find (eval_sets *e, const char *problem, const char *all, eval_hit *hit)
{
    words p = {NULL, 0, 0}, w = {NULL, 0, 0};
    esp_err err;
    PASS (words_add (&p, span_of (problem)));
    PASS (words_add (&w, span_of (all)));
    err = eval_sets_find (e, &p, &w, hit);
    words_free (&p);
    words_free (&w);
    return err;
}

static void a_problem_is_found_whatever_stands_around_it (void)
{
    eval_sets *e = given_sets ();
    eval_hit hit = {NULL, NULL};
    PASS (find (e, DUCKS, DUCKS, &hit));
    CU_ASSERT_STRING_EQUAL (hit.set, "own.jsonl");
    CU_ASSERT_STRING_EQUAL (hit.id, "d1");
    PASS (find (e, "What?", "Solve this. " DUCKS " Think first. The answer is 7.", &hit));
    /* other name, other numbers, other layout */
    PASS (find (
        e, "x",
        "berta has 31 DUCKS on her farm, by the river, and each of them lays 4 eggs a day; how "
        "many\neggs does she sell in a week if she keeps 12 of them every morning",
        &hit));
    eval_sets_destroy (e);
}

static void a_short_problem_is_found_only_when_it_is_the_whole_problem (void)
{
    eval_sets *e = given_sets ();
    eval_hit hit;
    PASS (find (e, "compute \\sin{0} EXACTLY", "compute \\sin{0} EXACTLY so it is 0", &hit));
    CU_ASSERT_STRING_EQUAL (hit.id, "line 3");
    FAILS (find (e, "Something else", SHORT " and more", &hit), ESP_EEMPTY);
    eval_sets_destroy (e);
}

static void a_problem_too_short_for_runs_is_found_within_a_problem (void)
{
    eval_sets *e = given_sets ();
    esp_error error = {0};
    eval_hit hit;
    PASS (eval_sets_add (e,
                         write_file ("short.jsonl",
                                     "{\"id\": \"s5\", \"problem\": \"Factor a*b + 5b fully\"}\n"
                                     "{\"id\": \"s10\", \"problem\": \"What is the remainder "
                                     "of 2004 divided by 12, then?\"}\n"),
                         &error));
    PASS (find (e, "Solve this: factor $ab$? No: factor $a b+5b$ fully. Box it.", "x", &hit));
    CU_ASSERT_STRING_EQUAL (hit.id, "s5");
    PASS (find (e, "Q: What is the remainder of 2004 divided by 12, then?", "x", &hit));
    CU_ASSERT_STRING_EQUAL (hit.id, "s10");
    /* one word is another; it stands in what was answered; fewer than 5 words stand anywhere */
    FAILS (find (e, "Solve this: factor a b + 6b fully", "x", &hit), ESP_EEMPTY);
    FAILS (find (e, "Something", "Solve this: factor a b + 5b fully", &hit), ESP_EEMPTY);
    FAILS (find (e, "Solve this: " SHORT, "x", &hit), ESP_EEMPTY);
    eval_sets_destroy (e);
}

static void a_problem_is_found_in_another_typography (void)
{
    static const char *const texts[] = {
        "It\u2019s \u201cfive\u201d o\u2019clock\u2014the well\u2011known \u00abhour\u00bb.",
        "it's\u00a0\"five\"\u2003o'clock:\u3000the\u00a0well\u2013known\u202fhour",
        "\ufeffIt's five\u200b o'clock, the well-kno\u00adwn ho\u200dur",
    };
    words first = {NULL, 0, 0}, other = {NULL, 0, 0};
    PASS (words_add (&first, span_of ("It's \"five\" o'clock - the well-known hour.")));
    CU_ASSERT_EQUAL (first.count, 9);
    for (size_t i = 0; i < sizeof (texts) / sizeof (texts[0]); i++) {
        other.count = 0;
        PASS (words_add (&other, span_of (texts[i])));
        CU_ASSERT_EQUAL_FATAL (other.count, first.count);
        CU_ASSERT_EQUAL (words_gram (&other, 0, 9), words_gram (&first, 0, 9));
    }
    /* letters stay letters, whatever stands beside them, and bytes that are no UTF-8 too */
    other.count = 0;
    PASS (words_add (&other, span_of ("\u00fcber na\u00efve \u6570\u5b66\u3002 \xe2\x80 a\xff")));
    CU_ASSERT_EQUAL (other.count, 5);
    words_free (&first);
    words_free (&other);
}

static void other_texts_are_not_found (void)
{
    eval_sets *e = given_sets ();
    eval_hit hit;
    FAILS (find (e, "Use the numbers 1 1 4 6 and the operations + - * / to obtain 24.",
                 "4 - 1 = 3 (left: 1 3 6) 3 + 1 = 4 (left: 4 6) 6 * 4 = 24 (left: 24)", &hit),
           ESP_EEMPTY);
    FAILS (find (e, "", "", &hit), ESP_EEMPTY);
    /* shares one run of words with the ducks */
    FAILS (find (e, "y",
                 "Tom sold 5 pies. How many eggs does she sell in a week if she bakes twice as "
                 "many pies "
                 "as her brother who lives in the town nearby with his dog?",
                 &hit),
           ESP_EEMPTY);
    eval_sets_destroy (e);
}

static void fingerprints_do_what_the_problems_do (void)
{
    eval_sets *e;
    eval_hit hit;
    esp_error error = {0};
    words w = {NULL, 0, 0};
    esp_buf line = {0};
    size_t before;
    snprintf (folder, sizeof (folder), "%s", suite_folder ());
    PASS (esp_buf_puts (&line, "# espalier fingerprints 1\n"));
    PASS (words_add (&w, span_of (DUCKS)));
    PASS (eval_fingerprint ("Farm", span_of ("d1"), &w, &line));
    PASS (eval_sets_create (&e));
    before = eval_sets_count (e);
    PASS (eval_sets_add (e, write_file ("prints.txt", esp_buf_text (&line)), &error));
    CU_ASSERT_EQUAL (eval_sets_count (e), before + 1);
    PASS (find (e, DUCKS, DUCKS, &hit));
    CU_ASSERT_STRING_EQUAL (hit.set, "Farm");
    words_free (&w);
    esp_buf_free (&line);
    eval_sets_destroy (e);
}

static void what_cannot_be_read_is_named_with_its_line (void)
{
    static const char *const bad[] = {
        "{\"id\": \"a\", \"question\": \"b\"}\n[1]\n",
        "# espalier fingerprints 1\nSet only\n",
        "# espalier fingerprints 1\nSet\tid\t12\n",
        "# espalier fingerprints 1\nSet\tid\t00000000000000zz\n",
        "# espalier fingerprints 1\nSet\tid\t0123456789abcdef\t1\n",
    };
    eval_sets *e;
    snprintf (folder, sizeof (folder), "%s", suite_folder ());
    PASS (eval_sets_create (&e));
    for (size_t i = 0; i < sizeof (bad) / sizeof (bad[0]); i++) {
        esp_error error = {0};
        FAILS (eval_sets_add (e, write_file ("bad.txt", bad[i]), &error), ESP_EFORMAT);
        CHECK (strstr (error.text, "bad.txt:2:") != NULL);
    }
    FAILS (eval_sets_add (e, "/nowhere/set.jsonl", &(esp_error){0}), ESP_ENOENT);
    eval_sets_destroy (e);
}

/* Sets whose problems all begin with the same instructions; looking at each for each takes an hour here. */
static void many_problems_may_share_their_words (void)
{
    enum { MANY = 400000 };
    eval_sets *e = given_sets ();
    esp_error error = {0};
    eval_hit hit = {NULL, NULL};
    char path[PATH_MAX + 64];
    FILE *f;
    snprintf (path, sizeof (path), "%s/many.jsonl", folder);
    CU_ASSERT_PTR_NOT_NULL_FATAL (f = fopen (path, "w"));
    for (int i = 0; i < MANY; i++)
        fprintf (f, "{\"id\":\"m%d\",\"text\":\"a b c d e f g h i j k l\"}\n", i);
    fclose (f);
    PASS (eval_sets_add (e, path, &error));
    for (int i = 0; i < 3; i++) {
        PASS (find (e, "other", "so: a b c d e f g h i j k", &hit));
        CU_ASSERT_STRING_EQUAL (hit.id, "m0");
        PASS (find (e, "a b c d e f g h i j k l", "other", &hit));
        CU_ASSERT_STRING_EQUAL (hit.id, "m0");
        FAILS (find (e, "other", "a b c d e f g h i j ", &hit), ESP_EEMPTY);
    }
    PASS (find (e, DUCKS, DUCKS, &hit));
    eval_sets_destroy (e);
}

static void the_shipped_sets_are_there (void)
{
    eval_sets *e;
    eval_hit hit;
    PASS (eval_sets_create (&e));
    CHECK (eval_sets_count (e) > 800);
    PASS (find (
        e, "x",
        "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes "
        "muffins for her friends every day with four. She sells the remainder at the farmers' "
        "market daily for $2 per fresh duck egg. How much in dollars does she make every day at "
        "the farmers' market?",
        &hit));
    CU_ASSERT_STRING_EQUAL (hit.set, "GSM8K-test");
    eval_sets_destroy (e);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a problem is found whatever stands around it",
         a_problem_is_found_whatever_stands_around_it},
        {"a short problem is found only when it is the whole problem",
         a_short_problem_is_found_only_when_it_is_the_whole_problem},
        {"a problem is found in another typography", a_problem_is_found_in_another_typography},
        {"a problem too short for runs is found within a problem",
         a_problem_too_short_for_runs_is_found_within_a_problem},
        {"other texts are not found", other_texts_are_not_found},
        {"fingerprints do what the problems do", fingerprints_do_what_the_problems_do},
        {"what cannot be read is named with its line", what_cannot_be_read_is_named_with_its_line},
        {"many problems may share their words", many_problems_may_share_their_words},
        {"the shipped sets are there", the_shipped_sets_are_there},
        {NULL, NULL},
    };
    return suite_main ("eval_sets", cases);
}
