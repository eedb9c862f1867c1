/* SPDX-License-Identifier: Apache-2.0 */
// LINK: esp_config
/* test_verifier_stack.c - lists of verifiers that say what the test wants, at once or later */

#include "worker/verifier/verifier_stack.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "tests/support/suite.h"
#include "worker/verifier/verdict_cache.h"

enum { MOST = 32 };

/* A verifier that answers what the branch says of it: its letter at its place, p f u or e, or P F U: without an answer; later, when told. */
static struct part {
    engine_setup setup;
    size_t at; /* place in the text */
    const job *waiting[MOST];
    size_t count, asked;
    bool open;
} parts[3];

static bool at_once;

static void say (struct part *p, const job *j)
{
    char said = j->steps[0].ptr[p->at], what = (char)tolower (said), reason[8], answer[8];
    result r = {.id = j->task.id, .share = NAN, .logprob = NAN, .mean_logprob = NAN};
    snprintf (reason, sizeof (reason), "%c%zu", what, p->at);
    r.verdict = what == 'p' ? VERDICT_PASS : what == 'f' ? VERDICT_FAIL : VERDICT_UNKNOWN;
    r.error = what == 'e' ? ESP_EENGINE : ESP_OK;
    r.reason = span_of (reason);
    snprintf (answer, sizeof (answer), "a%zu", p->at);
    r.answer = span_of (said == what ? answer : "");
    p->setup.done (p->setup.ctx, j, &r);
}

static esp_err fake_open (const engine_setup *setup, void **state, esp_error *error)
{
    struct part *p = &parts[(size_t)(uintptr_t)setup->options];
    (void)error;
    *p = (struct part){.setup = *setup, .at = (size_t)(uintptr_t)setup->options, .open = true};
    *state = p;
    return ESP_OK;
}

static void fake_start (void *state, const job *const *jobs, size_t n)
{
    struct part *p = state;
    for (size_t i = 0; i < n; i++) {
        p->asked++;
        if (at_once)
            say (p, jobs[i]);
        else
            p->waiting[p->count++] = jobs[i];
    }
}

/* The oldest is answered. */
static void fake_poll (void *state)
{
    struct part *p = state;
    const job *first = p->count ? p->waiting[0] : NULL;
    if (!first)
        return;
    memmove (p->waiting, p->waiting + 1, --p->count * sizeof (*p->waiting));
    say (p, first);
}

static void fake_cancel (void *state, const job *j)
{
    struct part *p = state;
    for (size_t i = 0; i < p->count; i++)
        if (p->waiting[i] == j) {
            memmove (p->waiting + i, p->waiting + i + 1, (p->count - i - 1) * sizeof (*p->waiting));
            p->count--;
            return;
        }
}

static void fake_close (void *state)
{
    ((struct part *)state)->open = false;
}

static const engine_kind fake = {.name = "fake",
                                 .roles = ENGINE_VERIFIER,
                                 .open = fake_open,
                                 .start = fake_start,
                                 .poll = fake_poll,
                                 .cancel = fake_cancel,
                                 .close = fake_close};

static struct bench {
    engine_part list[3];
    stack_options options;
    void *state;
    job jobs[MOST];
    span texts[MOST];
    uint8_t verdicts[MOST];
    esp_err errors[MOST];
    char reasons[MOST][8], said[MOST][8];
    unsigned count, answers;
} b;

static void took (void *ctx, const job *j, const result *r)
{
    unsigned i = (unsigned)(j - b.jobs);
    (void)ctx;
    CHECK (r->id.number == i && b.verdicts[i] == 9);
    b.verdicts[i] = r->verdict;
    b.errors[i] = r->error;
    snprintf (b.reasons[i], sizeof (b.reasons[i]), "%.*s", (int)r->reason.len, r->reason.ptr);
    snprintf (b.said[i], sizeof (b.said[i]), "%.*s", (int)r->answer.len, r->answer.ptr);
    b.answers++;
}

static void given (int rule, size_t count, size_t cache_bytes)
{
    engine_setup setup = {.done = took, .role = ENGINE_VERIFIER};
    esp_error error = {0};
    memset (&b, 0, sizeof (b));
    memset (b.verdicts, 9, sizeof (b.verdicts));
    for (size_t i = 0; i < 3; i++)
        b.list[i] = (engine_part){.kind = &fake, .name = "f", .options = (void *)(uintptr_t)i};
    b.options = (stack_options){{b.list, count}, rule, cache_bytes};
    setup.options = &b.options;
    PASS (engine_stack.open (&setup, &b.state, &error));
}

static unsigned ask (const char *text)
{
    unsigned i = b.count++;
    const job *const one[] = {&b.jobs[i]};
    b.texts[i] = span_of (text);
    b.jobs[i] = (job){.task = {.id = {1, i}, .kind = TASK_VERIFY},
                      .problem = span_of ("{}"),
                      .steps = &b.texts[i],
                      .step_count = 1};
    engine_stack.start (b.state, one, 1);
    return i;
}

static void settle (void)
{
    for (int i = 0; i < 200; i++)
        engine_stack.poll (b.state);
}

static void end (void)
{
    engine_stack.close (b.state);
    CHECK (!parts[0].open);
}

/* ---- rules ---- */

static uint8_t expected (int rule, const char *text)
{
    bool pass = strchr (text, 'p'), fail = strchr (text, 'f'), unknown = strchr (text, 'u');
    for (const char *c = text; rule == STACK_FIRST && *c; c++)
        if (*c != 'u')
            return *c == 'p' ? VERDICT_PASS : VERDICT_FAIL;
    if (rule == STACK_ALL)
        return fail ? VERDICT_FAIL : unknown ? VERDICT_UNKNOWN : VERDICT_PASS;
    if (rule == STACK_ANY)
        return pass ? VERDICT_PASS : unknown ? VERDICT_UNKNOWN : VERDICT_FAIL;
    return VERDICT_UNKNOWN;
}

static void every_rule_over_every_three_verdicts (void)
{
    static char texts[27][4];
    for (int rule = STACK_FIRST; rule <= STACK_ANY; rule++)
        for (int later = 0; later < 2; later++) {
            at_once = !later;
            given (rule, 3, 0);
            for (int i = 0; i < 27; i++) {
                snprintf (texts[i], 4, "%c%c%c", "pfu"[i % 3], "pfu"[i / 3 % 3], "pfu"[i / 9]);
                ask (texts[i]);
            }
            settle ();
            CU_ASSERT_EQUAL (b.answers, 27);
            for (int i = 0; i < 27; i++)
                CHECK (b.verdicts[i] == expected (rule, texts[i]) && b.errors[i] == ESP_OK);
            end ();
        }
}

static void those_behind_are_asked_only_when_it_matters_and_reasons_are_those_that_count (void)
{
    at_once = true;
    given (STACK_ALL, 3, 0);
    ask ("fpp");
    CHECK (parts[1].asked == 0);
    CU_ASSERT_STRING_EQUAL (b.reasons[0], "f0");
    ask ("ppf");
    CU_ASSERT_STRING_EQUAL (b.reasons[1], "f2");
    ask ("puu");
    CU_ASSERT_STRING_EQUAL (b.reasons[2], "u1");
    ask ("ppp");
    CU_ASSERT_STRING_EQUAL (b.reasons[3], "p0");
    ask ("pep");
    CHECK (b.errors[4] == ESP_EENGINE);
    end ();
}

/* Tests give no answer, and what a program does is one: votes need it. */
static void the_answer_is_that_of_whoever_gives_one (void)
{
    static const struct {
        int rule;
        const char *says, *answer;
        enum verdict verdict;
    } rows[] = {
        {STACK_FIRST, "UuU", "a1", VERDICT_UNKNOWN}, {STACK_FIRST, "uPp", "a0", VERDICT_PASS},
        {STACK_FIRST, "upp", "a1", VERDICT_PASS},    {STACK_FIRST, "uuu", "a0", VERDICT_UNKNOWN},
        {STACK_ALL, "PPp", "a2", VERDICT_PASS},      {STACK_ALL, "pUu", "a0", VERDICT_UNKNOWN},
        {STACK_ALL, "ppF", "a0", VERDICT_FAIL},      {STACK_ANY, "FfU", "a1", VERDICT_UNKNOWN},
        {STACK_ANY, "FUU", "", VERDICT_UNKNOWN},     {STACK_ANY, "fUP", "a0", VERDICT_PASS},
    };
    for (size_t i = 0; i < 2 * sizeof (rows) / sizeof (rows[0]); i++) {
        at_once = i % 2;
        given (rows[i / 2].rule, 3, 0);
        ask (rows[i / 2].says);
        settle ();
        CU_ASSERT_STRING_EQUAL (b.said[0], rows[i / 2].answer);
        CU_ASSERT_EQUAL (b.verdicts[0], rows[i / 2].verdict);
        end ();
    }
}

/* ---- equal content ---- */

static void equal_branches_are_judged_once (void)
{
    at_once = false;
    given (STACK_FIRST, 1, 1 << 20);
    ask ("p--");
    ask ("p--");
    ask ("f--");
    ask ("p--");
    CHECK (parts[0].asked == 2);
    settle ();
    CHECK (b.answers == 4 && b.verdicts[1] == VERDICT_PASS && b.verdicts[3] == VERDICT_PASS);
    ask ("p--");
    CHECK (b.answers == 5 && parts[0].asked == 2); /* from the cache */
    CU_ASSERT_STRING_EQUAL (b.reasons[4], "p0");
    ask ("u--");
    settle ();
    ask ("u--");
    CHECK (parts[0].asked == 4); /* unknown is asked again */
    settle ();
    end ();
}

static void another_problem_or_reading_is_other_content (void)
{
    content_key one, two;
    span text = span_of ("x");
    job j = {.problem = span_of ("{}"), .steps = &text, .step_count = 1};
    one = content_of_job (&j);
    j.task.reading = 1;
    two = content_of_job (&j);
    CHECK (!content_equal (one, two));
    j.task.reading = 0;
    j.problem = span_of ("{\"a\":1}");
    CHECK (!content_equal (one, content_of_job (&j)));
    j.problem = span_of ("{}");
    CHECK (content_equal (one, content_of_job (&j)));
}

static void a_full_cache_lets_the_oldest_go (void)
{
    static char texts[20][40];
    at_once = true;
    given (STACK_FIRST, 1, 3000);
    for (int i = 0; i < 20; i++) {
        snprintf (texts[i], sizeof (texts[i]), "p--%d", i);
        ask (texts[i]);
    }
    ask (texts[19]);
    CHECK (parts[0].asked == 20);
    ask (texts[0]);
    CHECK (parts[0].asked == 21 && b.answers == 22);
    end ();
}

/* ---- cancelling ---- */

static void whoever_is_cancelled_hears_nothing_and_the_others_do (void)
{
    at_once = false;
    given (STACK_ALL, 2, 1 << 20);
    ask ("pp-");
    ask ("pp-");
    ask ("pp-");
    engine_stack.cancel (b.state, &b.jobs[0]); /* leads */
    CHECK (parts[0].asked == 2);
    engine_stack.cancel (b.state, &b.jobs[1]); /* one of these follows, the other leads */
    settle ();
    CHECK (b.answers == 1 && b.verdicts[2] == VERDICT_PASS);
    ask ("pf-");
    engine_stack.poll (b.state); /* is at the second one */
    CHECK (parts[1].count == 1);
    engine_stack.cancel (b.state, &b.jobs[3]);
    settle ();
    CHECK (b.answers == 1 && parts[1].count == 0);
    ask ("pp-x");
    ask ("pp-x");
    end (); /* with jobs out */
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"every rule over every three verdicts", every_rule_over_every_three_verdicts},
        {"those behind are asked only when it matters, and reasons are those that count",
         those_behind_are_asked_only_when_it_matters_and_reasons_are_those_that_count},
        {"the answer is that of whoever gives one", the_answer_is_that_of_whoever_gives_one},
        {"equal branches are judged once", equal_branches_are_judged_once},
        {"another problem or reading is other content",
         another_problem_or_reading_is_other_content},
        {"a full cache lets the oldest go", a_full_cache_lets_the_oldest_go},
        {"whoever is cancelled hears nothing, and the others do",
         whoever_is_cancelled_hears_nothing_and_the_others_do},
        {NULL, NULL},
    };
    return suite_main ("verifier_stack", cases);
}
