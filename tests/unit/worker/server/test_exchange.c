/* SPDX-License-Identifier: Apache-2.0 */
/* test_exchange.c - one request on whichever server: what worker/server/servers.h promises of exchanges */

// LINK: esp_test_servers esp_http

#include <stdlib.h>
#include "tests/unit/worker/server/exchange_kit.h"

/* What a server says, and how the exchange ends on it when there is no other. */
static void ends_as (enum fake_mode mode, unsigned tries, esp_err code, const char *part)
{
    struct talk t = {0};
    struct set k;
    given (&k, 1);
    atomic_store (&f[0].work, mode);
    talk_start (&k, &t);
    while (t.dones == 0 && t.writes < tries) {
        unsigned before = t.writes;
        UNTIL (&k, t.dones == 1 || (t.writes > before && !t.e->at));
        for (int i = 0; i < 200 && !up (&k, 0); i++) { /* three failures take it out for a moment */
            skip (&k, 0.05);
            set_pass (&k);
        }
        CHECK (up (&k, 0));
        if (t.dones == 0)
            skip (&k, 12);
    }
    UNTIL (&k, t.dones == 1);
    set_passes (&k);
    CHECK (t.dones == 1 && t.code == code && t.writes == tries && has (t.text, part));
    if (t.code != code || t.writes != tries || !has (t.text, part))
        printf ("    mode %d: code %d, %u tries: %s\n", mode, t.code, t.writes, t.text);
    end (&k, 1);
}

static void a_good_answer_ends_it_once (void)
{
    ends_as (FAKE_WORKS, 1, ESP_OK, "");
}

static void what_may_go_right_later_is_tried_again (void)
{
    ends_as (FAKE_500, 5, ESP_EPEER, "status 500: broken inside");
    ends_as (FAKE_503, 5, ESP_EPEER, "status 503: Loading model");
    ends_as (FAKE_CLOSES, 5, ESP_EPEER, "http://127.0.0.1");
    ends_as (FAKE_GARBAGE, 5, ESP_EPEER, "no JSON: 'garbage'");
}

static void what_will_never_go_right_is_final (void)
{
    ends_as (FAKE_TOO_LONG, 1, ESP_ETOOBIG, "status 400: This model's maximum context length");
    ends_as (FAKE_TOO_MUCH, 1, ESP_ERANGE, "However, you requested 9 tokens");
    ends_as (FAKE_400, 1, ESP_EENGINE, "status 400: top_k must be a number");
}

static void another_server_is_tried_at_once (void)
{
    struct talk t = {0};
    struct set k;
    given (&k, 2);
    atomic_store (&f[0].work, FAKE_500);
    for (uint64_t i = 0; i < 8; i++) {
        t = (struct talk){.ask.spread = i};
        talk_whole (&k, &t); /* the clock stands: no pause is waited for */
        CHECK (t.code == ESP_OK && t.at[t.writes - 1] == 1);
    }
    end (&k, 2);
}

static void a_failed_server_rests_even_when_the_other_is_full (void)
{
    struct talk t = {0}, full = {0};
    struct set k;
    given (&k, 2);
    k.o.in_flight = 1;
    k.o.tries = 3;
    atomic_store (&f[0].work, FAKE_500);
    atomic_store (&f[1].work, FAKE_STALLS);
    servers_set_home (k.s, 11, servers_at (k.s, 1), -1);
    servers_set_home (k.s, 10, servers_at (k.s, 0), -1);
    full.ask.home = 11;
    talk_start (&k, &full);
    UNTIL (&k, full.writes == 1);
    t.ask.home = 10;
    talk_start (&k, &t);
    UNTIL (&k, t.writes == 1 && !t.e->at);
    CHECK (t.at[0] == 0 && t.e->not_before_ns > set_now (&k) - 1000000000);
    skip (&k, 1);
    UNTIL (&k, t.writes == 2 && !t.e->at); /* then it may go there again */
    CHECK (t.at[1] == 0 && t.dones == 0);
    exchange_cancel (t.e);
    exchange_cancel (full.e);
    end (&k, 2);
}

static void retry_after_holds_what_is_new (void)
{
    struct talk t = {0}, u = {0};
    struct set k;
    given (&k, 1);
    atomic_store (&f[0].work, FAKE_429);
    talk_start (&k, &t);
    UNTIL (&k, t.writes == 1 && !t.e->at);
    atomic_store (&f[0].work, FAKE_WORKS);
    CHECK (up (&k, 0)); /* busy is not broken */
    talk_start (&k, &u);
    skip (&k, 25);
    set_passes (&k);
    CHECK (u.writes == 0 && t.writes == 1);
    skip (&k, 6);
    UNTIL (&k, t.dones == 1 && u.dones == 1);
    CHECK (t.code == ESP_OK && u.code == ESP_OK);
    end (&k, 1);
}

static void a_dead_servers_requests_go_elsewhere (void)
{
    struct talk t[6] = {0};
    struct set k;
    given (&k, 2);
    atomic_store (&f[0].work, FAKE_STALLS);
    servers_set_home (k.s, 1, servers_at (k.s, 0), -1);
    for (int i = 0; i < 6; i++) {
        t[i].ask.home = 1;
        talk_start (&k, &t[i]);
    }
    UNTIL (&k, atomic_load (&f[0].works) == 6);
    raw_server_stop (f[0].s); /* closes them, and nobody listens */
    for (int i = 0; i < 6; i++) {
        UNTIL (&k, t[i].dones == 1);
        CHECK (t[i].code == ESP_OK && t[i].writes == 2 && t[i].at[1] == 1);
    }
    UNTIL (&k, state (&k, 0) == SERVER_OUT);
    CHECK (server_counts_of (servers_at (k.s, 0))->outages == 1);
    set_close (&k);
    raw_server_stop (f[1].s);
}

/* No byte and no close: a vLLM that was told to end while requests were in flight. */
static void silence_ends_when_nobody_listens_any_more (void)
{
    struct talk t = {0};
    struct set k;
    given (&k, 2);
    atomic_store (&f[0].work, FAKE_STALLS);
    servers_set_home (k.s, 1, servers_at (k.s, 0), -1);
    t.ask.home = 1;
    talk_start (&k, &t);
    UNTIL (&k, atomic_load (&f[0].works) == 1);
    skip (&k, 31);
    set_passes (&k); /* somebody is there: it may just take long */
    CHECK (up (&k, 0) && t.writes == 1);
    atomic_store (&f[0].health, FAKE_CLOSES);
    atomic_store (&f[0].models_mode, FAKE_CLOSES);
    skip (&k, 31);
    UNTIL (&k, state (&k, 0) == SERVER_OUT || state (&k, 0) == SERVER_ASKED);
    set_passes (&k);
    CHECK (t.writes == 1); /* it has a time of grace */
    skip (&k, 21);
    UNTIL (&k, t.dones == 1);
    CHECK (t.code == ESP_OK && t.writes == 2 && t.at[1] == 1);
    end (&k, 2);
}

/* Its HTTP threads hold the requests that it works on; /health waits behind those that wait. */
static void a_llamacpp_with_more_requests_than_slots_need_not_answer_health (void)
{
    struct talk t[6] = {0};
    struct set k;
    fake_start (&f[0], "llamacpp"); /* 4 slots */
    set_defaults (&k);
    set_add (&k, raw_server_url (f[0].s));
    set_open (&k);
    UNTIL (&k, up (&k, 0));
    atomic_store (&f[0].work, FAKE_STALLS);
    atomic_store (&f[0].health, FAKE_STALLS);
    for (int i = 0; i < 6; i++)
        talk_start (&k, &t[i]);
    UNTIL (&k, atomic_load (&f[0].works) == 6);
    skip (&k, 31);
    set_passes (&k);
    skip (&k, 16); /* the time of /health is over */
    set_passes (&k);
    CHECK (up (&k, 0) && t[0].writes == 1);
    for (int i = 3; i < 6; i++)
        exchange_cancel (t[i].e);
    skip (&k, 31);
    set_passes (&k);
    skip (&k, 16);
    UNTIL (&k, !up (&k, 0));
    for (int i = 0; i < 3; i++)
        exchange_cancel (t[i].e);
    end (&k, 1);
}

static void what_comes_within_the_grace_counts (void)
{
    struct talk t = {0}, u[3] = {0};
    struct set k;
    given (&k, 1);
    atomic_store (&f[0].work, FAKE_HALF);
    t.ask.chunk = talk_chunk;
    talk_start (&k, &t);
    UNTIL (&k, t.chunks == 1);
    atomic_store (&f[0].work, FAKE_500);
    atomic_store (&f[0].models_mode, FAKE_500);
    for (int i = 0; i < 3; i++)
        talk_start (&k, &u[i]);
    UNTIL (&k, !up (&k, 0));
    set_passes (&k);
    CHECK (t.e->at != NULL); /* still flies */
    skip (&k, 6);
    UNTIL (&k, u[0].dones + u[1].dones + u[2].dones == 3);
    CHECK (u[0].code == ESP_ECANCELED && t.dones == 0);
    exchange_cancel (t.e);
    end (&k, 1);
}

/* ---- ends ---- */

static void cancel_is_silent_at_every_state (void)
{
    struct talk t = {0};
    struct set k;
    given (&k, 1);
    talk_start (&k, &t);
    exchange_cancel (t.e); /* waits */
    atomic_store (&f[0].work, FAKE_STALLS);
    t = (struct talk){0};
    talk_start (&k, &t);
    UNTIL (&k, atomic_load (&f[0].works) == 1);
    exchange_cancel (t.e); /* flies */
    CHECK (raw_server_gone (f[0].s, 1));
    atomic_store (&f[0].work, FAKE_500);
    t = (struct talk){0};
    talk_start (&k, &t);
    UNTIL (&k, t.writes == 1 && !t.e->at);
    exchange_cancel (t.e); /* pauses */
    atomic_store (&f[0].work, FAKE_HALF);
    t = (struct talk){.cancel_in_chunk = true, .ask.chunk = talk_chunk};
    talk_start (&k, &t);
    UNTIL (&k, t.chunks == 1);
    set_passes (&k);
    CHECK (t.dones == 0 && t.takes == 0 && servers_at (k.s, 0)->in_flight == 0);
    end (&k, 1);
}

static void enough_is_no_failure (void)
{
    struct talk t = {.enough_in_chunk = true, .ask.chunk = talk_chunk};
    struct set k;
    given (&k, 1);
    atomic_store (&f[0].work, FAKE_HALF);
    servers_at (k.s, 0)->failures = 2;
    talk_start (&k, &t);
    UNTIL (&k, t.chunks == 1);
    CHECK (servers_at (k.s, 0)->failures == 0 && t.dones == 0 && raw_server_gone (f[0].s, 1));
    end (&k, 1);
}

static void what_is_spoiled_is_tried_again (void)
{
    struct talk t = {.spoiled_in_chunk = true, .ask.chunk = talk_chunk};
    struct set k;
    given (&k, 2);
    for (int i = 0; i < 2; i++)
        atomic_store (&f[i].work, FAKE_HALF);
    k.o.tries = 3;
    talk_start (&k, &t);
    for (int i = 0; i < 200 && t.dones == 0; i++) {
        skip (&k, 0.1);
        set_pass (&k);
    }
    CHECK (t.dones == 1 && t.chunks == 3 && t.writes == 3 && t.at[0] != t.at[1]);
    CHECK (t.code == ESP_EPEER && has (t.text, ": as the case wants it"));
    end (&k, 2);
}

static void without_any_server_it_is_handed_back (void)
{
    struct talk t = {0}, queued[2] = {0};
    struct set k;
    given (&k, 1);
    k.o.in_flight = 1;
    atomic_store (&f[0].work, FAKE_STALLS);
    fill (&k, queued, 2, 0, 0);
    skip (&k, 20);
    set_passes (&k); /* that long it waited for room, which is no outage */
    atomic_store (&f[0].models_mode, FAKE_CLOSES);
    raw_server_stop (f[0].s);
    UNTIL (&k, state (&k, 0) == SERVER_OUT || queued[0].writes > 1 || !up (&k, 0));
    UNTIL (&k, !up (&k, 0));
    talk_start (&k, &t);
    set_passes (&k);
    CHECK (t.dones == 0 && queued[1].dones == 0);
    skip (&k, 6);
    UNTIL (&k, t.dones == 1 && queued[0].dones == 1 && queued[1].dones == 1);
    CHECK (t.code == ESP_ECANCELED && has (t.text, "no server in service"));
    CHECK (queued[0].code == ESP_ECANCELED && queued[0].text[0] != 0);
    set_close (&k);
}

static void destroy_ends_all_without_a_call (void)
{
    struct talk t[6] = {0};
    struct set k;
    given (&k, 1);
    k.o.in_flight = 2;
    atomic_store (&f[0].work, FAKE_STALLS);
    fill (&k, t, 6, 0, 0);
    end (&k, 1);
    for (int i = 0; i < 6; i++)
        CHECK (t[i].dones == 0);
}

static void the_key_is_in_no_sentence_and_no_log (void)
{
    char path[512];
    esp_buf log = {0};
    struct talk t = {0};
    struct set k;
    snprintf (path, sizeof (path), "%s/log", suite_folder ());
    setenv ("ESP_TEST_KEY", "sk-secret-123", 1);
    PASS (esp_log_open (-1, LOG_ERROR, path, LOG_DEBUG));
    set_defaults (&k);
    fake_start (&f[0], "vllm");
    k.o.url = raw_server_url (f[0].s);
    k.o.api_key_env = "ESP_TEST_KEY";
    k.o.tries = 2;
    set_open (&k);
    UNTIL (&k, up (&k, 0));
    atomic_store (&f[0].work, FAKE_401); /* the server quotes it, and once half of it */
    talk_start (&k, &t);
    UNTIL (&k, t.writes == 1 && !t.e->at);
    CHECK (state (&k, 0) != SERVER_UP && has (trouble (&k, 0), "key ************* is not known"));
    CHECK (!has (trouble (&k, 0), "sk-s"));
    skip (&k, 12);
    UNTIL (&k, t.dones == 1);
    CHECK (has (t.text, "key ************* is not known") && !has (t.text, "sk-s"));
    skip (&k, 61);
    atomic_store (&f[0].work, FAKE_WORKS);
    UNTIL (&k, up (&k, 0));
    for (int final = 0; final < 2; final++) { /* what an engine says of an answer may hold it too */
        t = (struct talk){.take_err = final ? ESP_EENGINE : ESP_EPEER,
                          .says = "it says sk-secret-123!"};
        talk_start (&k, &t);
        for (int i = 0; i < 200 && t.dones == 0; i++) {
            skip (&k, 0.1);
            set_pass (&k);
        }
        CHECK (t.dones == 1 && has (t.text, "it says *************!"));
    }
    esp_log_close ();
    PASS (esp_file_read (path, 1 << 20, &log, NULL));
    CHECK (has (esp_buf_text (&log), "SERVER-RETRY") && !has (esp_buf_text (&log), "sk-s"));
    esp_buf_free (&log);
    unsetenv ("ESP_TEST_KEY");
    end (&k, 1);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a good answer ends it, once", a_good_answer_ends_it_once},
        {"what may go right later is tried again", what_may_go_right_later_is_tried_again},
        {"what will never go right is final", what_will_never_go_right_is_final},
        {"another server is tried at once", another_server_is_tried_at_once},
        {"a failed server rests even when the other is full",
         a_failed_server_rests_even_when_the_other_is_full},
        {"Retry-After holds what is new", retry_after_holds_what_is_new},
        {"a dead server's requests go elsewhere", a_dead_servers_requests_go_elsewhere},
        {"silence ends when nobody listens any more", silence_ends_when_nobody_listens_any_more},
        {"a llama.cpp with more requests than slots need not answer /health",
         a_llamacpp_with_more_requests_than_slots_need_not_answer_health},
        {"what comes within the grace counts", what_comes_within_the_grace_counts},
        {"cancel is silent at every state", cancel_is_silent_at_every_state},
        {"enough is no failure", enough_is_no_failure},
        {"what is spoiled is tried again", what_is_spoiled_is_tried_again},
        {"without any server it is handed back", without_any_server_it_is_handed_back},
        {"destroy ends all without a call", destroy_ends_all_without_a_call},
        {"the key is in no sentence and no log", the_key_is_in_no_sentence_and_no_log},
        {NULL, NULL},
    };
    return suite_main ("exchange", cases);
}
