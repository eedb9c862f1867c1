/* SPDX-License-Identifier: Apache-2.0 */
/* test_loop.c - what coordinator/loop.h promises about resume, limits and deadlines
 *
 * best_of_n with two completions a problem, one worker that answers at once (or is mute), a clock moved by hand.  What whole
 * runs give is tested in tests/sim.
 */

#include "tests/unit/coordinator/loop_kit.h"

/* ---- promises ---- */

static void a_run_ends_when_every_problem_has_its_row (void)
{
    struct run r;
    prepare (&r, 5);
    start (&r, false);
    CHECK (drive (&r, 1000) == COORDINATOR_DONE);
    CHECK (rows_with (&r, "\n") == 5 && rows_with (&r, "\"correct\":") == 5);
    for (int i = 0; i < 5; i++)
        CHECK (r.done[i] == 2);
    stop (&r);
}

static void late_rows_are_written_once_and_not_admitted_again (void)
{
    struct run r;
    prepare (&r, 3);
    given_journal (&r, 2); /* problem 0 ended with its last result; then the power failed */
    start (&r, true);
    CHECK (drive (&r, 1000) == COORDINATOR_DONE);
    CHECK (r.done[0] == 0 && r.done[1] == 2 && r.done[2] == 2);
    CHECK (rows_with (&r, "\n") == 3 && rows_with (&r, "\"id\":\"p0\"") == 1);
    stop (&r);
}

/* The row of problem 0 reached its file, and half of another one, but no commit says so. */
static void rows_without_a_commit_are_made_again (void)
{
    struct run r;
    char path[4100];
    esp_error error = {0};
    prepare (&r, 2);
    given_journal (&r, 2);
    snprintf (path, sizeof (path), "%s/answers.jsonl", r.folder);
    PASS (esp_file_write (path, span_of ("{\"id\":\"p0\"}\n{\"id\":\"p"), 0644, &error));
    start (&r, true);
    CHECK (drive (&r, 1000) == COORDINATOR_DONE);
    CHECK (rows_with (&r, "\n") == 2 && rows_with (&r, "\"id\":\"p0\"") == 1 &&
           rows_with (&r, "\"correct\":") == 2);
    stop (&r);
}

static void a_problem_brought_back_and_finished_is_not_admitted_again (void)
{
    struct run r;
    prepare (&r, 3);
    given_journal (&r, 1);
    start (&r, true);
    CHECK (drive (&r, 1000) == COORDINATOR_DONE);
    CHECK (r.done[0] == 1 && r.done[1] == 2 && r.done[2] == 2);
    CHECK (rows_with (&r, "\n") == 3 && rows_with (&r, "\"id\":\"p0\"") == 1);
    stop (&r);
}

static void committed_problems_are_not_admitted_again (void)
{
    struct run r;
    prepare (&r, 3);
    start (&r, false);
    CHECK (drive (&r, 1000) == COORDINATOR_DONE);
    stop (&r);
    memset (r.done, 0, sizeof (r.done));
    start (&r, true);
    CHECK (drive (&r, 1000) == COORDINATOR_DONE);
    CHECK (r.done[0] == 0 && r.done[1] == 0 && r.done[2] == 0 && rows_with (&r, "\n") == 3);
    stop (&r);
}

static void a_journal_of_another_story_is_damage (void)
{
    struct run r;
    journal_run run = its_journal ();
    input in = {.kind = INPUT_RESULT, .u.result = answer_to ((task_id){0, 1})};
    coordinator_setup setup;
    const key_range *finished;
    size_t count;
    esp_error error = {0};
    prepare (&r, 1);
    PASS (journal_create (r.folder, &journal_how, &run, row_file_names, ROW_FILES, &r.j, &error));
    PASS (journal_input (r.j, &in, NULL)); /* of a problem that was never opened */
    PASS (journal_sync (r.j));
    journal_close (r.j);
    PASS (link_memory_open (2, r.ends));
    PASS (problem_source_open (&r.problem, NULL, NULL, NULL, &r.source, &error));
    setup = setup_of (&r);
    PASS (coordinator_create (&setup, &r.c, &error));
    FAILS (journal_resume (r.folder, &journal_how, &run, row_file_names, ROW_FILES,
                           coordinator_visit, r.c, &finished, &count, &r.j, &error),
           ESP_EDAMAGE);
    CHECK (strstr (coordinator_error (r.c)->text, "never opened") != NULL);
    r.j = NULL;
    stop (&r);
}

static void limits_stop_the_run (void)
{
    struct run r;
    prepare (&r, 200);
    r.options.limit_generations = 20;
    r.now_ns = SECOND;
    start (&r, false);
    for (bool busy;
         coordinator_state (r.c) == COORDINATOR_RUNNING && r.now_ns < 600 * (uint64_t)SECOND;
         r.now_ns += SECOND / 10) { /* limits are looked at twenty times a second */
        PASS (coordinator_pass (r.c, &busy));
        work (&r);
    }
    CHECK (coordinator_state (r.c) == COORDINATOR_STOPPED);
    CHECK (strstr (coordinator_why (r.c), "run.limits.generations") != NULL);
    CHECK (dispatch_statistics (coordinator_dispatch (r.c))->sent == 20); /* hard: not one more */
    stop (&r);
    prepare (&r, 3);
    r.options.limit_seconds = 50;
    r.mute = true;
    start (&r, false);
    CHECK (drive (&r, 49) == COORDINATOR_RUNNING);
    CHECK (drive (&r, 20) == COORDINATOR_STOPPED);
    CHECK (strstr (coordinator_why (r.c), "run.limits.seconds") != NULL);
    stop (&r);
}

/* Every sample may have 64 tokens, and has 3: what is reserved comes back, and the cap still holds. */
static void a_limit_of_tokens_counts_what_is_out (void)
{
    struct run r;
    uint64_t sent;
    prepare (&r, 200);
    r.options.limit_generated_tokens = 200;
    start (&r, false);
    CHECK (drive (&r, 100) == COORDINATOR_STOPPED);
    CHECK (strstr (coordinator_why (r.c), "run.limits.generated_tokens") != NULL);
    sent = dispatch_statistics (coordinator_dispatch (r.c))->sent;
    CHECK (sent > (200 - 64) / 3 && sent <= 200 / 3);
    stop (&r);
}

/* Leases run out, the tasks wait to be sent again, and then the late answers come: each is charged and settled once. */
static void late_answers_are_settled_once (void)
{
    struct run r;
    bool busy;
    prepare (&r, 4);
    r.options.limit_generated_tokens =
        4 * 64 + 8 * 3; /* for all that is out, and all that may come */
    r.options.limit_generations = 8;
    r.dispatch.lease_s = 10;
    start (&r, false);
    for (int i = 0; i < 4 && dispatch_in_flight (coordinator_dispatch (r.c)) == 0; i++) {
        work (&r);
        PASS (coordinator_pass (r.c, &busy));
    }
    CHECK (dispatch_in_flight (coordinator_dispatch (r.c)) == 4);
    r.now_ns += 20 * (uint64_t)SECOND;
    PASS (coordinator_pass (r.c, &busy));
    CHECK (dispatch_statistics (coordinator_dispatch (r.c))->expired == 4);
    CHECK (drive (&r, 100) == COORDINATOR_DONE);
    CHECK (dispatch_statistics (coordinator_dispatch (r.c))->late > 0);
    stop (&r);
}

static void a_run_without_workers_stops_after_a_while (void)
{
    struct run r;
    prepare (&r, 3);
    r.mute = true;
    start (&r, false);
    CHECK (drive (&r, 30) == COORDINATOR_RUNNING);
    link_close (r.ends[1], false);
    r.ends[1] = NULL;
    CHECK (drive (&r, 59) == COORDINATOR_RUNNING);
    CHECK (drive (&r, 10) == COORDINATOR_STOPPED);
    CHECK (strstr (coordinator_why (r.c), "dispatch.no_worker_s") != NULL);
    stop (&r);
}

/* The worker takes its tasks and dies; nobody is left. */
static void run_until_nobody_is_left (struct run *r, bool resume)
{
    start (r, resume);
    CHECK (drive (r, 5) == COORDINATOR_RUNNING);
    link_close (r->ends[1], false);
    r->ends[1] = NULL;
    CHECK (drive (r, 70) == COORDINATOR_STOPPED);
}

/* Every task was at the deaths of two starts.  The third runs one after the other, alone. */
static void deaths_are_remembered_by_later_starts (void)
{
    struct run r;
    prepare (&r, 2);
    r.mute = true;
    for (int n = 0; n < 2; n++) {
        run_until_nobody_is_left (&r, n > 0);
        CHECK (dispatch_suspects (coordinator_dispatch (r.c)) == (n == 0 ? 0 : 4));
        stop (&r);
    }
    start (&r, true);
    CHECK (drive (&r, 5) == COORDINATOR_RUNNING);
    CHECK (dispatch_in_flight (coordinator_dispatch (r.c)) == 1);
    CHECK (dispatch_suspects (coordinator_dispatch (r.c)) == 3);
    link_close (r.ends[1], false); /* with the one that ran alone: its problem is at its end */
    r.ends[1] = NULL;
    CHECK (drive (&r, 70) == COORDINATOR_STOPPED);
    CHECK (rows_with (&r, "\"error\":\"poisoned\"") == 1 && rows_with (&r, "\n") == 1);
    stop (&r);
    r.mute = false;
    start (&r, true);
    CHECK (drive (&r, 5) == COORDINATOR_DONE);
    CHECK (rows_with (&r, "\n") == 2 && rows_with (&r, "\"error\":\"poisoned\"") == 1);
    stop (&r);
}

static void tasks_that_were_at_deaths_are_charged_once (void)
{
    struct run r;
    prepare (&r, 6);
    r.options.limit_generations = 5;
    r.mute = true;
    for (int n = 0; n < 2; n++) {
        run_until_nobody_is_left (&r, n > 0);
        stop (&r);
    }
    r.mute = false;
    start (&r, true);
    CHECK (drive (&r, 30) == COORDINATOR_STOPPED);
    CHECK (strcmp (coordinator_why (r.c), "run.limits.generations reached") == 0);
    CHECK (dispatch_statistics (coordinator_dispatch (r.c))->results <= 5);
    stop (&r);
}

/* Who ends a run ends its workers too: that says nothing of what they had. */
static void deaths_while_the_run_stops_are_not_remembered (void)
{
    struct run r;
    prepare (&r, 2);
    r.mute = true;
    for (int n = 0; n < 3; n++) {
        start (&r, n > 0);
        CHECK (drive (&r, 5) == COORDINATOR_RUNNING);
        CHECK (dispatch_in_flight (coordinator_dispatch (r.c)) == 4);
        coordinator_stop (r.c, 2.0, "asked");
        link_close (r.ends[1], false);
        r.ends[1] = NULL;
        CHECK (drive (&r, 10) == COORDINATOR_STOPPED);
        stop (&r);
    }
}

static void a_deadline_ends_the_problem_with_what_it_has (void)
{
    struct run r;
    prepare (&r, 2);
    r.search.options.budget_seconds = 5;
    r.mute = true;
    start (&r, false);
    CHECK (drive (&r, 4) == COORDINATOR_RUNNING);
    CHECK (drive (&r, 60) == COORDINATOR_DONE);
    CHECK (rows_with (&r, "\n") == 2 && rows_with (&r, "\"answer\":null") == 2);
    CHECK (rows_with (&r, "\"finish_reason\":\"stopped\"") == 2);
    stop (&r);
}

static void count_one (void *ctx, const search *s)
{
    (void)s;
    ((struct run *)ctx)->visited++;
}

static void a_command_reaches_open_problems_only (void)
{
    struct run r;
    command finish = {.kind = COMMAND_FINISH, .node = NODE_NONE};
    uint64_t number = 0;
    prepare (&r, 2);
    r.mute = true;
    start (&r, false);
    FAILS (coordinator_command (r.c, 0, &finish, &number), ESP_ENOENT);
    CHECK (drive (&r, 2) == COORDINATOR_RUNNING);
    coordinator_each (r.c, count_one, &r);
    CHECK (r.visited == 2 && coordinator_search (r.c, 0) != NULL &&
           coordinator_search (r.c, 7) == NULL);
    PASS (coordinator_command (r.c, 0, &finish, &number));
    CHECK (number == coordinator_inputs (r.c) && coordinator_search (r.c, 0) == NULL);
    FAILS (coordinator_command (r.c, 0, &finish, &number), ESP_ENOENT);
    CHECK (drive (&r, 2) == COORDINATOR_RUNNING && rows_with (&r, "\"id\":\"p0\"") == 1);
    stop (&r);
}

static void a_failed_start_leaves_nothing (void)
{
    struct run r;
    coordinator_setup setup;
    esp_error error = {0};
    esp_err err = ESP_ENOMEM;
    long before;
    prepare (&r, 1);
    PASS (link_memory_open (2, r.ends));
    PASS (problem_source_open (&r.problem, NULL, NULL, NULL, &r.source, &error));
    setup = setup_of (&r);
    before = esp_alloc_live ();
    for (long n = 0; err != ESP_OK && n < 100; n++) {
        r.c = NULL;
        esp_alloc_fail_after (n);
        err = coordinator_create (&setup, &r.c, &error);
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || (err == ESP_ENOMEM && esp_alloc_live () == before));
    }
    CHECK (err == ESP_OK);
    stop (&r);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a run ends when every problem has its row", a_run_ends_when_every_problem_has_its_row},
        {"late rows are written once and not admitted again",
         late_rows_are_written_once_and_not_admitted_again},
        {"rows without a commit are made again", rows_without_a_commit_are_made_again},
        {"a problem brought back and finished is not admitted again",
         a_problem_brought_back_and_finished_is_not_admitted_again},
        {"committed problems are not admitted again", committed_problems_are_not_admitted_again},
        {"a journal of another story is damage", a_journal_of_another_story_is_damage},
        {"limits stop the run", limits_stop_the_run},
        {"a limit of tokens counts what is out", a_limit_of_tokens_counts_what_is_out},
        {"late answers are settled once", late_answers_are_settled_once},
        {"a run without workers stops after a while", a_run_without_workers_stops_after_a_while},
        {"deaths are remembered by later starts", deaths_are_remembered_by_later_starts},
        {"tasks that were at deaths are charged once", tasks_that_were_at_deaths_are_charged_once},
        {"deaths while the run stops are not remembered",
         deaths_while_the_run_stops_are_not_remembered},
        {"a deadline ends the problem with what it has",
         a_deadline_ends_the_problem_with_what_it_has},
        {"a command reaches open problems only", a_command_reaches_open_problems_only},
        {"a failed start leaves nothing", a_failed_start_leaves_nothing},
        {NULL, NULL},
    };
    if (esp_log_open (-1, LOG_ERROR, NULL, LOG_ERROR) != ESP_OK)
        return 1;
    return suite_main ("coordinator_loop", cases);
}
