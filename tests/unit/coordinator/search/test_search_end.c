/* SPDX-License-Identifier: Apache-2.0 */
/* test_search_end.c - how problems end, what commands do, what observers see (search.c) */

#include "coordinator/search/search.h"
#include "coordinator/search/strategies.h"
#include "tests/unit/coordinator/search/probe.h"

/* ---- grading ---- */

static void every_candidate_is_judged_once_at_the_end (void)
{
    probe p = {.joins = 1, .asks = 4, .like = {.mode = ASK_TO_END, .scores = 1}};
    world w = given_probe (&p);
    w.setup.has_verifier = true;
    w.setup.options.grade = 1;
    world_open (&w);
    while (w.err == ESP_OK && p.seen_count == 0)
        world_answer (&w, 0);
    size_t n = search_answers (w.s, NULL, 0);
    CHECK (n > 0 && w.queued == n && !search_finished (w.s));
    for (size_t i = 0; i < n; i++)
        CHECK (w.queue[i].kind == TASK_VERIFY && w.queue[i].engine == 0 &&
               w.queue[i].child == NODE_NONE);
    world_play (&w, WORLD_REVERSE);
    CHECK (search_finished (w.s) && search_reason (w.s) == REASON_ANSWERED);
    node_ref refs[4];
    CHECK (search_answers (w.s, refs, 4) == n);
    for (size_t i = 0; i < n; i++) {
        CHECK (search_node (w.s, refs[i])->verdict != VERDICT_NONE &&
               search_node (w.s, refs[i])->mark == MARK_ANSWER);
        CHECK (strcmp (search_mark_why (w.s, refs[i]), "candidate") == 0);
    }
    world_close (&w);
}

/* A branch whose rollout was judged by VERIFY_VISIBLE or not. */
static void send_verdict (world *w, enum verdict verdict, const char *reason, double share,
                          const char *observation)
{
    const result r = {.id = w->queue[0].id,
                      .verdict = (uint8_t)verdict,
                      .reason = span_of (reason),
                      .share = share,
                      .observation = span_of (observation)};
    world_send (w, &r);
}

static void hidden_tests_grade_and_are_told_nobody (void)
{
    probe p = {.joins = 1, .asks = 1, .like = {.mode = ASK_TO_END, .verifier = 1, .steers = true}};
    world w = given_probe (&p);
    w.setup.has_verifier = w.setup.hidden_tests = true;
    w.setup.options.grade = 1;
    world_open (&w);
    world_answer (&w, 0);
    CHECK (w.queued == 1 && w.queue[0].kind == TASK_VERIFY && w.queue[0].reading == VERIFY_VISIBLE);
    send_verdict (&w, VERDICT_PASS, "tests-passed", 1.0, "seen");
    const node *n = search_node (w.s, p.seen[0].items[0].node);
    CHECK (p.seen_count == 1 && p.seen[0].items[0].verified);
    CHECK (n->verdict == VERDICT_NONE); /* nobody may call it true */
    CHECK (node_told (n) == VERDICT_PASS && node_told_share (n) == 1.0);
    CHECK (w.queued == 1 && w.queue[0].kind == TASK_VERIFY && w.queue[0].reading == VERIFY_ALL);
    send_verdict (&w, VERDICT_FAIL, "tests-failed", 0.25, "hidden");
    CHECK (search_finished (w.s) && n->verdict == VERDICT_FAIL && n->extra->share == 0.25);
    CHECK (span_is (span_make (n->extra->reason, n->extra->reason_len), "tests-failed"));
    CHECK (node_told (n) == VERDICT_PASS && node_told_share (n) == 1.0);
    CHECK (span_is (span_make (n->extra->observation, n->extra->observation_len), "seen"));
    world_close (&w);
}

static void without_hidden_tests_one_verdict_is_enough (void)
{
    for (int i = 0; i < 2; i++) {
        probe p = {
            .joins = 1, .asks = 1, .like = {.mode = ASK_TO_END, .verifier = 1, .steers = i == 0}};
        world w = given_probe (&p);
        w.setup.has_verifier = true;
        w.setup.hidden_tests = i == 1; /* the verdict is the strategy's product, as omegaprm's */
        w.setup.options.grade = 1;
        world_open (&w);
        world_answer (&w, 0);
        CHECK (w.queue[0].kind == TASK_VERIFY && w.queue[0].reading == VERIFY_ALL);
        send_verdict (&w, VERDICT_PASS, "tests-passed", 0.5, "");
        const node *n = search_node (w.s, p.seen[0].items[0].node);
        CHECK (search_finished (w.s) && n->verdict == VERDICT_PASS);
        CHECK (node_told (n) == VERDICT_PASS && node_told_share (n) == 0.5);
        world_close (&w);
    }
}

/* its_hub's beam keeps copies of finished branches: one node stands several times. */
static void a_candidate_that_stands_twice_is_judged_once (void)
{
    static const struct { /* as in strategy_beam.c */
        int64_t keep, expand, width;
        int rule;
        bool filter_duplicates, sort_completed;
    } o = {.keep = 2, .expand = 3, .width = 6, .rule = 1};
    search_setup setup = given_setup (&strategy_beam, &o);
    setup.has_verifier = true;
    setup.options.grade = 1;
    world w = given_world (&setup);
    world_open (&w);
    while (w.err == ESP_OK && w.queued > 0 && w.queue[0].kind != TASK_VERIFY)
        world_answer (&w, 0);
    node_ref refs[6];
    size_t different = 0;
    CHECK (search_answers (w.s, refs, 6) == 6);
    for (size_t i = 0; i < 6; i++) {
        size_t twin = 0;
        while (refs[twin] != refs[i])
            twin++;
        different += twin == i;
    }
    CHECK (different < 6 && w.queued == different);
    world_play (&w, WORLD_PLAN);
    CHECK (search_finished (w.s));
    world_close (&w);
}

static void nothing_is_graded_without_a_verifier_or_by_grade_none (void)
{
    for (int i = 0; i < 2; i++) {
        probe p = {.joins = 1, .asks = 2, .like = {.mode = ASK_TO_END}};
        world w = given_probe (&p);
        w.setup.has_verifier = i == 1;
        w.setup.options.grade = i == 0;
        world_open (&w);
        world_answer (&w, 0);
        world_answer (&w, 0);
        CHECK (w.out.finished && w.queued == 0);
        world_close (&w);
    }
}

static void a_verdict_of_the_search_is_not_asked_for_again (void)
{
    probe p = {.joins = 1, .asks = 2, .like = {.mode = ASK_TO_END, .verifier = 1}};
    world w = given_probe (&p);
    w.setup.has_verifier = true;
    w.setup.options.grade = 1;
    world_open (&w);
    world_play (&w, WORLD_PLAN);
    CHECK (search_finished (w.s) && w.planned == 4);
    world_close (&w);
}

/* ---- stop, deadline ---- */

static void a_stop_ends_with_what_is_there (void)
{
    for (int kind = INPUT_DEADLINE; kind <= INPUT_STOP; kind++) {
        probe p = {.joins = 2, .asks = 3, .like = {.mode = ASK_TO_END, .scores = 1}};
        world w = given_probe (&p);
        world_open (&w);
        while (search_answers (w.s, NULL, 0) == 0)
            world_answer (&w, 0);
        size_t pending = w.queued;
        world_input (&w, (enum input_kind)kind);
        CHECK (w.out.finished && search_reason (w.s) == REASON_STOPPED &&
               w.out.cancel_count == pending);
        CHECK (search_answers (w.s, NULL, 0) == 1 && p.seen_count == 0);
        CHECK (search_used (w.s).generations == 6 && search_used (w.s).generated_tokens > 0);
        world_close (&w);
    }
}

static void a_second_stop_cuts_the_grading (void)
{
    probe p = {.joins = 1, .asks = 4, .like = {.mode = ASK_TO_END}};
    world w = given_probe (&p);
    w.setup.has_verifier = true;
    w.setup.options.grade = 1;
    world_open (&w);
    world_answer (&w, 0);
    world_answer (&w, 0);
    world_input (&w, INPUT_STOP);
    size_t verdicts = w.queued;
    CHECK (!w.out.finished && verdicts > 0 && search_answers (w.s, NULL, 0) == verdicts);
    world_input (&w, INPUT_STOP);
    CHECK (w.out.finished && w.out.cancel_count == verdicts && search_pending (w.s) == 0);
    CHECK (search_reason (w.s) == REASON_STOPPED);
    world_close (&w);
}

/* ---- commands ---- */

static void a_finish_command_stops_the_problem (void)
{
    probe p = {.joins = 1, .asks = 2, .like = {.mode = ASK_STEP}};
    world w = given_probe (&p);
    world_open (&w);
    world_command (&w, COMMAND_FINISH, NODE_NONE, "");
    CHECK (w.out.finished && search_reason (w.s) == REASON_STOPPED && w.out.cancel_count == 2);
    world_close (&w);
}

static void a_prune_drops_what_is_below_delivered_or_not (void)
{
    probe p = {.joins = 2, .asks = 2, .rounds = 1, .like = {.mode = ASK_STEP}};
    world w = given_probe (&p);
    world_open (&w);
    while (p.seen_count == 0)
        world_answer (&w, 0);
    node_ref top = p.seen[0].items[0].node; /* the third join works below it */
    CHECK (w.queue[w.queued - 1].node == top);
    world_answer (&w, w.queued - 1); /* done, but its join is not */
    size_t before = w.queued;
    world_command (&w, COMMAND_PRUNE, top, "");
    CHECK (p.last_command.kind == COMMAND_PRUNE && p.last_command.node == top);
    CHECK (search_node (w.s, top)->mark == MARK_PRUNED && before > w.queued &&
           w.out.cancel_count == before - w.queued);
    world_play (&w, WORLD_PLAN);
    CHECK (search_finished (w.s) && p.seen_count == 3);
    for (size_t j = 0; j < p.seen_count; j++)
        for (size_t i = 0; i < 2; i++)
            CHECK (p.seen[j].items[i].dropped == (p.seen[j].items[i].from == top));
    world_close (&w);
}

static void a_prune_of_the_root_ends_the_problem (void)
{
    probe p = {.joins = 3, .asks = 2, .like = {.mode = ASK_STEP, .scores = 1}};
    world w = given_probe (&p);
    world_open (&w);
    world_answer (&w, 3);
    world_command (&w, COMMAND_PRUNE, NODE_ROOT, "");
    CHECK (w.out.finished && search_reason (w.s) == REASON_NO_ANSWER && p.seen_count == 3 &&
           search_pending (w.s) == 0);
    world_close (&w);
}

static void a_human_step_becomes_a_child (void)
{
    probe p = {.joins = 1, .asks = 2, .adopt = true, .like = {.mode = ASK_STEP}};
    world w = given_probe (&p);
    world_open (&w);
    uint32_t size = tree_size (search_tree (w.s));
    world_command (&w, COMMAND_ADD_STEP, p.adopted, "try this\n\n");
    const node *n = search_node (w.s, search_node (w.s, p.adopted)->last_child);
    CHECK (tree_size (search_tree (w.s)) == size + 1 && n->source == SOURCE_HUMAN &&
           n->ordinal == 2);
    CHECK (span_is (node_text (n), "try this\n\n") && n->state == NODE_GENERATED &&
           n->finish == FINISH_STOP);
    CHECK (p.last_command.kind == COMMAND_ADD_STEP);
    world_close (&w);
}

static void commands_about_what_is_not_there_have_no_effect (void)
{
    probe p = {.joins = 1, .asks = 2, .like = {.mode = ASK_TO_END}};
    world w = given_probe (&p);
    world_open (&w);
    uint32_t size = tree_size (search_tree (w.s));
    world_command (&w, COMMAND_ADD_STEP, 999, "x"); /* no such node */
    world_command (&w, COMMAND_PRUNE, 999, "");
    world_command (&w, COMMAND_ADD_STEP, NODE_NONE, "x");
    world_command (&w, COMMAND_PRUNE, NODE_NONE, "");
    world_command (&w, COMMAND_ADD_STEP, 1, "x"); /* planned: no text yet */
    world_command (&w, COMMAND_ADD_STEP, NODE_ROOT, "");
    world_answer (&w, 0);
    CHECK (node_ended (search_node (w.s, 1)));
    world_command (&w, COMMAND_ADD_STEP, 1, "x"); /* ended */
    CHECK (w.err == ESP_OK && tree_size (search_tree (w.s)) == size && w.queued == 1);
    world_play (&w, WORLD_PLAN);
    CHECK (search_finished (w.s));
    world_close (&w);
}

static void a_boost_changes_no_result (void)
{
    uint64_t rows[2];
    for (int i = 0; i < 2; i++) {
        probe p = {.joins = 2, .asks = 3, .rounds = 2, .like = {.mode = ASK_STEP, .scores = 1}};
        world w = given_probe (&p);
        world_open (&w);
        if (i)
            world_command (&w, COMMAND_BOOST, 1, "");
        world_play (&w, WORLD_PLAN);
        rows[i] = world_rows (&w);
        world_close (&w);
    }
    CHECK (rows[0] == rows[1]);
}

/* ---- events ---- */

static void events_tell_the_story_in_order (void)
{
    probe p = {.joins = 1, .asks = 1, .like = {.mode = ASK_TO_END, .scores = 1, .verifier = 1}};
    world w = given_probe (&p);
    w.setup.has_verifier = true;
    world_open (&w);
    CHECK (w.out.event_count == 2 && w.out.events[0].kind == EVENT_OPENED &&
           w.out.events[1].kind == EVENT_PLANNED);
    CHECK (span_is (w.out.events[0].text, "problem-3") && w.out.events[1].index == 1 &&
           w.out.events[1].problem == 3);
    world_answer (&w, 0);
    CHECK (w.out.event_count == 1 && w.out.events[0].kind == EVENT_TEXT &&
           w.out.events[0].text.len > 0);
    world_answer (&w, 0);
    CHECK (w.out.event_count == 1 && w.out.events[0].kind == EVENT_SCORED &&
           w.out.events[0].value > 0);
    world_answer (&w, 0);
    CHECK (w.out.event_count >= 2 && w.out.events[0].kind == EVENT_VERIFIED);
    const event *last = &w.out.events[w.out.event_count - 1];
    CHECK (last->kind == EVENT_FINISHED && last->mark == search_reason (w.s) &&
           last->index == w.out.event_count - 1);
    world_close (&w);
}

static void nobody_watching_changes_nothing (void)
{
    uint64_t rows[2];
    for (int i = 0; i < 2; i++) {
        probe p = {.joins = 2, .asks = 3, .rounds = 2, .like = {.mode = ASK_STEP, .scores = 1}};
        world w = given_probe (&p);
        w.setup.want_events = i == 0;
        world_open (&w);
        CHECK ((w.out.event_count > 0) == (i == 0));
        world_play (&w, WORLD_PLAN);
        rows[i] = world_rows (&w);
        world_close (&w);
    }
    CHECK (rows[0] == rows[1]);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"every candidate is judged once at the end", every_candidate_is_judged_once_at_the_end},
        {"hidden tests grade and are told nobody", hidden_tests_grade_and_are_told_nobody},
        {"without hidden tests one verdict is enough", without_hidden_tests_one_verdict_is_enough},
        {"a candidate that stands twice is judged once",
         a_candidate_that_stands_twice_is_judged_once},
        {"nothing is graded without a verifier or by grade: none",
         nothing_is_graded_without_a_verifier_or_by_grade_none},
        {"a verdict of the search is not asked for again",
         a_verdict_of_the_search_is_not_asked_for_again},
        {"a stop ends with what is there", a_stop_ends_with_what_is_there},
        {"a second stop cuts the grading", a_second_stop_cuts_the_grading},
        {"a finish command stops the problem", a_finish_command_stops_the_problem},
        {"a prune drops what is below, delivered or not",
         a_prune_drops_what_is_below_delivered_or_not},
        {"a prune of the root ends the problem", a_prune_of_the_root_ends_the_problem},
        {"a human step becomes a child", a_human_step_becomes_a_child},
        {"commands about what is not there have no effect",
         commands_about_what_is_not_there_have_no_effect},
        {"a boost changes no result", a_boost_changes_no_result},
        {"events tell the story in order", events_tell_the_story_in_order},
        {"nobody watching changes nothing", nobody_watching_changes_nothing},
        {NULL, NULL},
    };
    return suite_main ("search end", cases);
}
