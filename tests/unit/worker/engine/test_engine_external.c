/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_external.c - a program in any language as an engine: tasks, results, credits, time */

// LINK: esp_engine_table esp_client nng::nng PkgConfig::JANSSON

#include <math.h>
#include "tests/unit/worker/engine/external_kit.h"

/* nng 1.5 now and then loses a pipe (2 kB) that is being dialled again when its socket is closed; ours are counted by alloc. */
const char *__lsan_default_suppressions (void);
const char *__lsan_default_suppressions (void)
{
    return "leak:libnng\n";
}

static struct kit k;

/* ---- what a peer gets and gives ---- */

static void a_generator_gets_prompt_and_sampling_and_gives_text (void)
{
    given_engine (&k, ENGINE_GENERATOR, PRM_HELLO);
    kit_job (&k, 0, TASK_GENERATE)->task.mode = TASK_TO_END;
    kit_start (&k, 0, 1);
    UNTIL (&k, tasks_at (&k.peer) == 1);
    CHECK (task_number (&k.peer, 0, "seed") == 100 && task_number (&k.peer, 0, "n") == 1);
    CHECK (task_number (&k.peer, 0, "max_tokens") == 20);
    CHECK (strcmp (json_string_value (json_object_get (k.peer.tasks[0], "mode")), "to_end") == 0);
    CHECK (json_array_size (json_object_get (k.peer.tasks[0], "steps")) == 2);
    CHECK (json_is_object (json_object_get (k.peer.tasks[0], "problem")));
    answer (&k.peer, 0,
            "\"text\":\"8 \\u00e9\\n\\nso 8\",\"logprob\":-2.0,\"tokens\":4,\"what\":{}");
    UNTIL (&k, k.done == 1);
    CHECK (k.got[0].error == ESP_OK && strcmp (k.got[0].text, "8 \xc3\xa9\n\nso 8") == 0);
    CHECK (k.got[0].r.tokens == 4 && k.got[0].r.steps == 2 && k.got[0].r.finish == FINISH_EOS);
    CHECK (fabs (k.got[0].r.mean_logprob + 0.5) < 1e-12);
    kit_end (&k);
}

static void siblings_are_one_task_where_the_peer_can_do_that (void)
{
    given_engine (&k, ENGINE_GENERATOR, PRM_HELLO);
    for (size_t i = 0; i < 6; i++)
        kit_job (&k, i, TASK_GENERATE);
    k.jobs[5].task.node = 9;
    kit_start (&k, 0, 6);
    UNTIL (&k, tasks_at (&k.peer) == 3);
    CHECK (task_number (&k.peer, 0, "n") == 4 && task_number (&k.peer, 1, "n") == 1);
    answer (&k.peer, 0,
            "\"samples\":[{\"text\":\"a\"},{\"text\":\"b\"},{\"text\":\"c\",\"finish\":\"length\"},"
            "{\"text\":\"d\"}]");
    answer (&k.peer, 1, "\"samples\":[{\"text\":\"e\"}]");
    answer (&k.peer, 2, "\"text\":\"f\"");
    UNTIL (&k, k.done == 6);
    for (size_t i = 0; i < 6; i++)
        CHECK (k.got[i].error == ESP_OK && k.got[i].text[0] == (char)('a' + i));
    CHECK (k.got[2].r.finish == FINISH_LENGTH && k.got[1].r.finish == FINISH_STOP);
    kit_end (&k);
}

static void a_prm_gets_steps_and_gives_a_score_for_each (void)
{
    given_engine (&k, ENGINE_PRM, PRM_HELLO);
    kit_job (&k, 0, TASK_SCORE)->task.extra = span_of ("next\n\nand more");
    kit_job (&k, 1, TASK_SCORE);
    kit_start (&k, 0, 2);
    UNTIL (&k, tasks_at (&k.peer) == 2);
    CHECK (json_array_size (json_object_get (k.peer.tasks[0], "steps")) == 4);
    CHECK (task_number (&k.peer, 0, "from") == 1);
    answer (&k.peer, 1, "\"scores\":[0.75],\"tokens\":12"); /* in any order, or only what is new */
    answer (&k.peer, 0, "\"scores\":[0.1,0.2,0.3,0.4]");
    UNTIL (&k, k.done == 2);
    CHECK (k.got[0].r.score_count == 3 && k.got[0].r.score_own == 1);
    CHECK (k.got[0].scores[0] > 0.19 && k.got[0].scores[2] > 0.39 && k.got[0].scores[2] < 0.41);
    CHECK (k.got[1].r.score_count == 1 && k.got[1].r.scored_tokens == 12);
    kit_end (&k);
}

static void a_verifier_gives_a_verdict_with_reason_and_answer (void)
{
    given_engine (&k, ENGINE_VERIFIER, PRM_HELLO);
    kit_job (&k, 0, TASK_VERIFY);
    kit_job (&k, 1, TASK_VERIFY);
    kit_start (&k, 0, 2);
    UNTIL (&k, tasks_at (&k.peer) == 2);
    answer (&k.peer, 0,
            "\"verdict\":\"fail\",\"reason\":\"wrong-answer\",\"answer\":\"9\",\"share\":0.5");
    answer (&k.peer, 1, "\"verdict\":\"unknown\"");
    UNTIL (&k, k.done == 2);
    CHECK (k.got[0].r.verdict == VERDICT_FAIL && strcmp (k.got[0].answer, "9") == 0);
    CHECK (strcmp (k.got[0].reason, "wrong-answer") == 0 && k.got[0].r.share > 0.4);
    CHECK (k.got[1].r.verdict == VERDICT_UNKNOWN && isnan (k.got[1].r.share));
    kit_end (&k);
}

/* ---- hostile answers ---- */

static void a_bad_result_is_an_error_of_that_task_that_may_go_away (void)
{
    static const char *const bad[] = {"\"scores\":[0.5]",
                                      "\"scores\":[0.5,0.5,0.5,0.5,0.5]",
                                      "\"scores\":[0.1,\"x\",0.1,0.1]",
                                      "\"scores\":[0.1,null,0.1,0.1]",
                                      "\"scores\":7",
                                      "\"tokens\":1"};
    enum { BAD = sizeof (bad) / sizeof (bad[0]) };
    given_engine (&k, ENGINE_PRM, PRM_HELLO);
    for (size_t i = 0; i < BAD; i++)
        kit_job (&k, i, TASK_SCORE)->task.extra = span_of ("next\n\nand more");
    kit_start (&k, 0, BAD);
    UNTIL (&k, tasks_at (&k.peer) == BAD);
    for (size_t i = 0; i < BAD; i++)
        answer (&k.peer, i, bad[i]);
    UNTIL (&k, k.done == BAD);
    for (size_t i = 0; i < BAD; i++)
        CHECK (k.got[i].error == ESP_EIO);
    kit_end (&k);
}

static void wrong_ids_and_second_answers_are_left_out (void)
{
    char out[200];
    given_engine (&k, ENGINE_VERIFIER, PRM_HELLO);
    kit_job (&k, 0, TASK_VERIFY);
    kit_start (&k, 0, 1);
    UNTIL (&k, tasks_at (&k.peer) == 1);
    snprintf (
        out, sizeof (out),
        "{\"type\":\"results\",\"session\":%lld,\"results\":[{\"id\":99,\"verdict\":\"pass\"},"
        "{\"id\":\"1\"},{\"id\":-1},{},7,null]}",
        (long long)k.peer.session);
    peer_send (&k.peer, out);
    snprintf (
        out, sizeof (out),
        "{\"type\":\"results\",\"session\":%lld,\"results\":[{\"id\":1,\"verdict\":\"pass\"}]}",
        (long long)k.peer.session - 1); /* of another session */
    peer_send (&k.peer, out);
    answer (&k.peer, 0, "\"verdict\":\"fail\"");
    answer (&k.peer, 0, "\"verdict\":\"pass\"");
    UNTIL (&k, k.done == 1);
    for (int i = 0; i < 20; i++)
        kit_poll (&k);
    CHECK (k.got[0].calls == 1 && k.got[0].r.verdict == VERDICT_FAIL);
    kit_end (&k);
}

static void errors_are_retryable_or_not_as_the_peer_says (void)
{
    char out[200];
    given_engine (&k, ENGINE_VERIFIER, PRM_HELLO);
    for (size_t i = 0; i < 3; i++)
        kit_job (&k, i, TASK_VERIFY);
    kit_start (&k, 0, 3);
    UNTIL (&k, tasks_at (&k.peer) == 3);
    answer (&k.peer, 0, "\"error\":{\"message\":\"later\",\"retryable\":true}");
    answer (&k.peer, 1, "\"error\":{\"message\":\"never\"}");
    UNTIL (&k, k.done == 2);
    CHECK (k.got[0].error == ESP_EIO && k.got[1].error == ESP_EENGINE);
    snprintf (out, sizeof (out),
              "{\"type\":\"error\",\"session\":%lld,\"message\":\"all of it\",\"retryable\":true}",
              (long long)k.peer.session);
    peer_send (&k.peer, out);
    UNTIL (&k, k.done == 3);
    CHECK (k.got[2].error == ESP_EIO);
    kit_end (&k);
}

/* ---- credits, cancel ---- */

static void a_peer_never_gets_more_than_it_asked_for (void)
{
    given_engine (&k, ENGINE_VERIFIER,
                  "\"version\":1,\"roles\":[\"verifier\"],\"credits\":3,\"batch\":2");
    CHECK (engine_external.slots (k.state) == 3);
    for (size_t i = 0; i < 9; i++)
        kit_job (&k, i, TASK_VERIFY);
    kit_start (&k, 0, 9);
    UNTIL (&k, tasks_at (&k.peer) == 3);
    for (size_t i = 0; i < 9; i++) {
        size_t most = i + 3 < 9 ? i + 3 : 9;
        UNTIL (&k, tasks_at (&k.peer) >= most);
        for (int p = 0; p < 5; p++)
            kit_poll (&k);
        CHECK (tasks_at (&k.peer) == most);
        answer (&k.peer, i, "\"verdict\":\"pass\"");
        UNTIL (&k, k.done == i + 1);
    }
    CHECK (k.peer.largest == 2);
    kit_end (&k);
}

static void siblings_count_each_for_itself (void)
{
    given_engine (&k, ENGINE_GENERATOR,
                  "\"version\":1,\"roles\":[\"generator\"],\"credits\":3,\"n\":8");
    for (size_t i = 0; i < 4; i++)
        kit_job (&k, i, TASK_GENERATE);
    kit_start (&k, 0, 4);
    UNTIL (&k, tasks_at (&k.peer) == 1);
    for (int p = 0; p < 5; p++)
        kit_poll (&k);
    CHECK (tasks_at (&k.peer) == 1 && task_number (&k.peer, 0, "n") == 3);
    answer (&k.peer, 0, "\"samples\":[{\"text\":\"a\"},{\"text\":\"b\"},{\"text\":\"c\"}]");
    UNTIL (&k, tasks_at (&k.peer) == 2);
    answer (&k.peer, 1, "\"text\":\"d\"");
    UNTIL (&k, k.done == 4);
    kit_end (&k);
}

static void a_cancelled_task_keeps_its_room_until_it_is_answered (void)
{
    given_engine (&k, ENGINE_VERIFIER, "\"version\":1,\"roles\":[\"verifier\"],\"credits\":1");
    for (size_t i = 0; i < 3; i++)
        kit_job (&k, i, TASK_VERIFY);
    kit_start (&k, 0, 3);
    UNTIL (&k, tasks_at (&k.peer) == 1);
    engine_external.cancel (k.state, &k.jobs[0]);
    engine_external.cancel (k.state,
                            &k.jobs[2]); /* still waiting here: the peer hears nothing of it */
    engine_external.cancel (k.state, &k.jobs[7]); /* not ours */
    UNTIL (&k, cancels_at (&k.peer) == 1);
    CHECK (tasks_at (&k.peer) == 1 && k.peer.cancelled[0] == task_number (&k.peer, 0, "id"));
    answer (&k.peer, 0, "\"verdict\":\"pass\"");
    UNTIL (&k, tasks_at (&k.peer) == 2);
    answer (&k.peer, 1, "\"verdict\":\"pass\"");
    UNTIL (&k, k.done == 1);
    CHECK (k.got[0].calls == 0 && k.got[1].calls == 1 && k.got[2].calls == 0);
    kit_end (&k);
}

static void one_of_siblings_can_be_cancelled (void)
{
    given_engine (&k, ENGINE_GENERATOR, PRM_HELLO);
    kit_job (&k, 0, TASK_GENERATE);
    kit_job (&k, 1, TASK_GENERATE);
    kit_start (&k, 0, 2);
    UNTIL (&k, tasks_at (&k.peer) == 1);
    engine_external.cancel (k.state, &k.jobs[0]);
    answer (&k.peer, 0, "\"samples\":[{\"text\":\"a\"},{\"text\":\"b\"}]");
    UNTIL (&k, k.done == 1);
    CHECK (k.got[0].calls == 0 && k.got[1].text[0] == 'b' && cancels_at (&k.peer) == 0);
    kit_end (&k);
}

/* ---- at the start ---- */

static void refused (const char *hello, unsigned role, esp_err code, const char *words)
{
    esp_error error = {0};
    kit_prepare (&k);
    peer_open (&k.peer, k.url, hello);
    k.o.url = k.url;
    FAILS (kit_open (&k, role, &error), code);
    CHECK (strstr (error.text, words) != NULL);
    if (!strstr (error.text, words))
        printf ("    it says: %s\n", error.text);
    peer_close (&k.peer);
}

static void what_cannot_work_is_refused_at_the_start_with_a_sentence (void)
{
    refused ("\"version\":2,\"roles\":[\"prm\"]", ENGINE_PRM, ESP_EVERSION, "version 2");
    refused ("\"version\":1,\"roles\":[\"prm\"],\"name\":\"my model\"", ENGINE_GENERATOR,
             ESP_EUNSUPPORTED, "'my model' is there, but it is no generator");
    refused ("\"version\":1,\"type\":\"error\",\"message\":\"no GPU is left\"", ENGINE_PRM,
             ESP_EENGINE, "no GPU is left");
}

static void url_and_command_are_looked_at (void)
{
    esp_error error = {0};
    kit_prepare (&k);
    FAILS (kit_open (&k, ENGINE_PRM, &error), ESP_EINVAL);
    CHECK (strstr (error.text, "prm.command") != NULL);
    k.o.url = "http://localhost:80";
    FAILS (kit_open (&k, ENGINE_PRM, &error), ESP_EFORMAT);
    k.o.url = "tcp://localhost:{port}";
    FAILS (kit_open (&k, ENGINE_PRM, &error), ESP_EFORMAT);
    CHECK (strstr (error.text, "{local_rank}") != NULL);
    k.o.url = k.url;
    k.o.start_s = 0.05;
    FAILS (kit_open (&k, ENGINE_PRM, &error), ESP_EPEER);
    CHECK (strstr (error.text, "nobody answers") != NULL);
}

static void a_command_that_ends_at_once_is_refused_with_its_last_words (void)
{
    esp_error error = {0};
    kit_prepare (&k);
    k.o.command = "echo loading; echo no such model >&2; exit 3";
    FAILS (kit_open (&k, ENGINE_PRM, &error), ESP_EPEER);
    CHECK (strstr (error.text, "status 3") && strstr (error.text, "no such model"));
    k.o.command = "esp-no-such-program --at all";
    FAILS (kit_open (&k, ENGINE_PRM, &error), ESP_ENOENT);
    CHECK (strstr (error.text, "prm.command") != NULL);
    k.o.command = "   ";
    FAILS (kit_open (&k, ENGINE_PRM, &error), ESP_EINVAL);
}

static void a_command_that_never_speaks_makes_its_tasks_go_elsewhere (void)
{
    esp_error error = {0};
    kit_prepare (&k);
    k.o.command = "sleep 1000";
    k.o.start_s = 0.05;
    PASS (kit_open (&k, ENGINE_VERIFIER, &error));
    CHECK (engine_external.slots (k.state) == 0);
    kit_job (&k, 0, TASK_VERIFY);
    kit_start (&k, 0, 1);
    kit_poll (&k);
    CHECK (k.done == 0);
    k.ahead_ns += 301ULL * 1000000000;
    UNTIL (&k, k.done == 1);
    CHECK (k.got[0].error == ESP_EPEER);
    engine_external.close (k.state);
}

static void a_command_that_dies_again_and_again_makes_its_tasks_go_elsewhere (void)
{
    esp_error error = {0};
    kit_prepare (&k);
    k.o.command = "sleep 0.2; exit 1";
    k.o.start_s = 0.05;
    k.o.starts = 3;
    PASS (kit_open (&k, ENGINE_VERIFIER, &error));
    kit_job (&k, 0, TASK_VERIFY);
    kit_start (&k, 0, 1);
    UNTIL (&k, k.done == 1);
    CHECK (k.got[0].error == ESP_EPEER);
    engine_external.close (k.state);
}

static void survives_failure_of_every_allocation (void)
{
    for (long n = 0; n < 12; n++) {
        long before = esp_alloc_live ();
        esp_error error = {0};
        esp_err err;
        kit_prepare (&k);
        k.o.command = "sleep 1000";
        k.o.start_s = 0.01;
        esp_alloc_fail_after (n);
        err = kit_open (&k, ENGINE_VERIFIER, &error);
        esp_alloc_fail_after (-1);
        if (err == ESP_OK)
            engine_external.close (k.state);
        else
            CHECK (err == ESP_ENOMEM);
        CHECK (esp_alloc_live () == before);
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a generator gets prompt and sampling and gives text",
         a_generator_gets_prompt_and_sampling_and_gives_text},
        {"siblings are one task where the peer can do that",
         siblings_are_one_task_where_the_peer_can_do_that},
        {"a PRM gets steps and gives a score for each",
         a_prm_gets_steps_and_gives_a_score_for_each},
        {"a verifier gives a verdict with reason and answer",
         a_verifier_gives_a_verdict_with_reason_and_answer},
        {"a bad result is an error of that task that may go away",
         a_bad_result_is_an_error_of_that_task_that_may_go_away},
        {"wrong ids and second answers are left out", wrong_ids_and_second_answers_are_left_out},
        {"errors are retryable or not as the peer says",
         errors_are_retryable_or_not_as_the_peer_says},
        {"a peer never gets more than it asked for", a_peer_never_gets_more_than_it_asked_for},
        {"siblings count each for itself", siblings_count_each_for_itself},
        {"a cancelled task keeps its room until it is answered",
         a_cancelled_task_keeps_its_room_until_it_is_answered},
        {"one of siblings can be cancelled", one_of_siblings_can_be_cancelled},
        {"what cannot work is refused at the start with a sentence",
         what_cannot_work_is_refused_at_the_start_with_a_sentence},
        {"url and command are looked at", url_and_command_are_looked_at},
        {"a command that ends at once is refused with its last words",
         a_command_that_ends_at_once_is_refused_with_its_last_words},
        {"a command that never speaks makes its tasks go elsewhere",
         a_command_that_never_speaks_makes_its_tasks_go_elsewhere},
        {"a command that dies again and again makes its tasks go elsewhere",
         a_command_that_dies_again_and_again_makes_its_tasks_go_elsewhere},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("engine_external", cases);
}
