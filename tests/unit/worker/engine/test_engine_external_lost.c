/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_external_lost.c - a program as an engine that dies, is silent, talks garbage or never answers */

// LINK: esp_engine_table esp_client nng::nng PkgConfig::JANSSON

#include "tests/unit/worker/engine/external_kit.h"
#include "worker/engine/engine_external.h"

/* nng 1.5 now and then loses a pipe (2 kB) that is being dialled again when its socket is closed; ours are counted by alloc. */
const char *__lsan_default_suppressions (void);
const char *__lsan_default_suppressions (void)
{
    return "leak:libnng\n";
}

static struct kit k;

static void a_peer_that_dies_gets_its_tasks_again_when_it_is_back (void)
{
    given_engine (&k, ENGINE_VERIFIER, PRM_HELLO);
    for (size_t i = 0; i < 3; i++)
        kit_job (&k, i, TASK_VERIFY);
    kit_start (&k, 0, 3);
    UNTIL (&k, tasks_at (&k.peer) == 3);
    answer (&k.peer, 1, "\"verdict\":\"pass\"");
    UNTIL (&k, k.done == 1);
    peer_close (&k.peer);
    for (int i = 0; i < 50; i++)
        kit_poll (&k);
    CHECK (k.done == 1);
    peer_open (&k.peer, k.url, PRM_HELLO);
    UNTIL (&k, tasks_at (&k.peer) == 2);
    answer (&k.peer, 0, "\"verdict\":\"pass\"");
    answer (&k.peer, 1, "\"verdict\":\"fail\"");
    UNTIL (&k, k.done == 3);
    CHECK (k.got[0].r.verdict == VERDICT_PASS && k.got[2].r.verdict == VERDICT_FAIL);
    kit_end (&k);
}

static void a_silent_peer_is_let_go_and_greeted_again (void)
{
    esp_error error = {0};
    kit_prepare (&k);
    peer_open (&k.peer, k.url, PRM_HELLO);
    k.o.url = k.url;
    k.o.timeout_s = 1e6;
    PASS (kit_open (&k, ENGINE_VERIFIER, &error));
    kit_job (&k, 0, TASK_VERIFY);
    kit_start (&k, 0, 1);
    UNTIL (&k, tasks_at (&k.peer) == 1);
    k.ahead_ns += 1500ULL * 1000000000; /* a heartbeat is due, it is not silent yet */
    UNTIL (&k, heartbeats_at (&k.peer) > 0);
    for (int i = 0; i < 20; i++)
        kit_poll (&k);
    atomic_store (&k.peer.mute, true);
    k.ahead_ns += 3100ULL * 1000000000;
    for (int i = 0; i < 100; i++)
        kit_poll (&k);
    CHECK (k.done == 0 && tasks_at (&k.peer) == 1);
    atomic_store (&k.peer.mute, false);
    k.ahead_ns += 3100ULL * 1000000000; /* for the greeting that it did not hear */
    UNTIL (&k, tasks_at (&k.peer) == 2);
    answer (&k.peer, 1, "\"verdict\":\"pass\"");
    UNTIL (&k, k.done == 1);
    CHECK (k.got[0].error == ESP_OK);
    kit_end (&k);
}

/* Answer the newest task until that is heard: what is said while a connection breaks is lost. */
static void answer_newest (const char *fields, unsigned done)
{
    size_t seen = tasks_at (&k.peer);
    for (int round = 0; round < 200 && k.done < done; round++) {
        for (int i = 0; i < 100 && tasks_at (&k.peer) == seen && k.done < done; i++)
            kit_poll (&k);
        if ((seen = tasks_at (&k.peer)) > 0 && k.done < done)
            answer (&k.peer, seen - 1, fields);
    }
}

/* Whom a word reaches depends on when connections break, so given tasks are counted at the engine: the peer may miss one. */
static void garbage_ends_the_connection_and_a_task_that_brings_it_every_time_is_poisoned (void)
{
    const external *e;
    size_t seen = 0;
    given_engine (&k, ENGINE_VERIFIER, PRM_HELLO);
    e = k.state;
    kit_job (&k, 0, TASK_VERIFY);
    kit_start (&k, 0, 1);
    for (int round = 0; round < 200 && k.done == 0; round++) {
        for (int i = 0; i < 100 && tasks_at (&k.peer) == seen && k.done == 0; i++)
            kit_poll (&k);
        seen = tasks_at (
            &k.peer); /* nng may lose what is said while a connection breaks: again, then */
        if (k.done == 0)
            peer_send (&k.peer, "{\"type\":\"results\",\"results\":[{\"id\":1,\"scores\":[NaN]}]}");
    }
    CHECK (seen >= 1 && k.done == 1);
    CHECK (e->next_number == 1 + 4); /* lost twice, and twice alone */
    CHECK (k.got[0].error == ESP_EPOISONED);
    kit_job (&k, 1, TASK_VERIFY);
    kit_start (&k, 1, 1);
    answer_newest ("\"verdict\":\"pass\"", 2);
    CHECK (k.done == 2 && k.got[1].error == ESP_OK);
    kit_end (&k);
}

static void a_task_without_a_result_goes_elsewhere (void)
{
    given_engine (&k, ENGINE_VERIFIER, PRM_HELLO);
    kit_job (&k, 0, TASK_VERIFY);
    kit_job (&k, 1, TASK_VERIFY);
    kit_start (&k, 0, 2);
    UNTIL (&k, tasks_at (&k.peer) == 2);
    answer (&k.peer, 1, "\"verdict\":\"pass\"");
    UNTIL (&k, k.done == 1);
    k.ahead_ns += 301ULL * 1000000000;
    UNTIL (&k, k.done == 2);
    CHECK (k.got[0].error == ESP_ETIMEOUT);
    UNTIL (&k, cancels_at (&k.peer) == 1);
    kit_end (&k);
}

static void without_a_peer_waiting_tasks_go_elsewhere_in_the_end (void)
{
    given_engine (&k, ENGINE_VERIFIER, PRM_HELLO);
    peer_close (&k.peer);
    for (int i = 0; i < 50; i++)
        kit_poll (&k);
    kit_job (&k, 0, TASK_VERIFY);
    kit_start (&k, 0, 1);
    for (int i = 0; i < 20; i++)
        kit_poll (&k);
    CHECK (k.done == 0);
    k.ahead_ns += 301ULL * 1000000000;
    UNTIL (&k, k.done == 1);
    CHECK (k.got[0].error == ESP_EPEER);
    engine_external.close (k.state);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a peer that dies gets its tasks again when it is back",
         a_peer_that_dies_gets_its_tasks_again_when_it_is_back},
        {"a silent peer is let go and greeted again", a_silent_peer_is_let_go_and_greeted_again},
        {"garbage ends the connection, and a task that brings it every time is poisoned",
         garbage_ends_the_connection_and_a_task_that_brings_it_every_time_is_poisoned},
        {"a task without a result goes elsewhere", a_task_without_a_result_goes_elsewhere},
        {"without a peer waiting tasks go elsewhere in the end",
         without_a_peer_waiting_tasks_go_elsewhere_in_the_end},
        {NULL, NULL},
    };
    return suite_main ("engine_external_lost", cases);
}
