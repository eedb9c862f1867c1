/* SPDX-License-Identifier: Apache-2.0 */
/* test_servers.c - who a server is, whether it is in service: what worker/server/servers.h promises
 *
 * Pauses are made to pass by putting the clock forward.
 */

// LINK: esp_test_servers esp_http

#include "tests/support/model_server.h"
#include "tests/unit/worker/server/server_kit.h"

static struct fake f, g;

/* A set of one server that is expected to be refused with this sentence. */
static void refused_for (const char *family, const char *model, const char *part)
{
    struct set k;
    set_defaults (&k);
    k.o.url = raw_server_url (f.s);
    k.o.model = model;
    k.setup.family = family;
    set_open (&k);
    UNTIL (&k, servers_ready (k.s, &k.error) == ESP_EENGINE);
    CHECK (state (&k, 0) == SERVER_REFUSED && has (k.error.text, part));
    if (!has (k.error.text, part))
        printf ("    said: %s\n", k.error.text);
    set_close (&k);
}

static void in_service_as (const char *family, const char *model, enum server_family as)
{
    struct set k;
    set_defaults (&k);
    k.o.url = raw_server_url (f.s);
    k.o.model = model;
    k.setup.family = family;
    set_open (&k);
    FAILS (servers_ready (k.s, &k.error), ESP_EEMPTY);
    CHECK (servers_slots (k.s) == 0);
    UNTIL (&k, servers_ready (k.s, &k.error) == ESP_OK);
    CHECK (server_facts_of (servers_at (k.s, 0))->family == as);
    set_close (&k);
}

static void each_family_is_recognised (void)
{
    static const struct {
        const char *name;
        enum server_family family;
    } rows[] = {{"vllm", FAMILY_VLLM},
                {"sglang", FAMILY_SGLANG},
                {"llamacpp", FAMILY_LLAMACPP},
                {"openai", FAMILY_OPENAI}};
    for (size_t i = 0; i < 4; i++) {
        fake_start (&f, rows[i].name);
        in_service_as (rows[i].name, "auto", rows[i].family);
        in_service_as ("openai", "auto", rows[i].family); /* they all speak that */
        in_service_as (NULL, "auto", rows[i].family);
        raw_server_stop (f.s);
    }
}

static void facts_of_real_shapes_are_read (void)
{
    static const char *const kinds[] = {"vllm", "sglang", "llamacpp", "openai"};
    for (size_t i = 0; i < 4; i++) {
        model_server *m =
            model_server_start ((const char *[]){"--kind", kinds[i], "--model", "org/m-7b",
                                                 "--max-model-len", "777", "--slots", "3", NULL});
        const server_facts *facts;
        struct set k;
        set_defaults (&k);
        k.o.url = model_server_url (m);
        k.setup.family = kinds[i];
        set_open (&k);
        UNTIL (&k, up (&k, 0));
        facts = server_facts_of (servers_at (k.s, 0));
        CHECK (strcmp (facts->model, "org/m-7b") == 0 || i == 2);
        CHECK (i == 3 || facts->context_tokens == 777);
        CHECK (servers_slots (k.s) == (i == 2 ? 6 : 64));
        k.o.in_flight = 5;
        CHECK (servers_slots (k.s) == 5);
        set_close (&k);
        model_server_stop (m);
    }
}

static void a_server_of_another_kind_is_refused (void)
{
    fake_start (&f, "sglang");
    refused_for ("vllm", "auto", "is a server of kind sglang, but generator.engine says vllm");
    atomic_store (&f.family, "html");
    refused_for ("openai", "auto",
                 "answers, but not as a model server does (no /v1/models): another port?");
    refused_for ("llamacpp", "auto", "answers, but not as a model server does");
    raw_server_stop (f.s);
}

static void an_unknown_model_names_those_that_exist (void)
{
    fake_start (&f, "vllm");
    atomic_store (&f.models, "\"a\",\"b\"");
    refused_for ("vllm", "c", "has no model 'c'; generator.model may be: a, b");
    in_service_as ("vllm", "b", FAMILY_VLLM);
    in_service_as ("vllm", "auto",
                   FAMILY_VLLM); /* the first is the base, the others are adapters */
    raw_server_stop (f.s);
}

static void several_models_want_a_name (void)
{
    fake_start (&f, "openai");
    atomic_store (&f.models, "\"a\",\"b\"");
    refused_for ("openai", "auto", "has several models; generator.model must be one of: a, b");
    raw_server_stop (f.s);
}

static void a_model_behind_a_long_list_is_found (void)
{
    static char names[1000];
    size_t len = 0;
    for (int i = 0; i < 60; i++)
        len += (size_t)snprintf (names + len, sizeof (names) - len, "\"model-%02d\",", i);
    snprintf (names + len, sizeof (names) - len, "\"last\"");
    fake_start (&f, "openai");
    atomic_store (&f.models, names);
    in_service_as ("openai", "last", FAMILY_OPENAI);
    refused_for ("openai", "none", "generator.model may be: model-00, model-01");
    raw_server_stop (f.s);
}

static void a_server_that_still_loads_is_no_other_kind (void)
{
    struct set k;
    fake_start (&f, "llamacpp");
    atomic_store (&f.who, FAKE_503); /* all but /v1/models */
    set_defaults (&k);
    k.o.url = raw_server_url (f.s);
    k.setup.family = "llamacpp";
    set_open (&k);
    for (int i = 0; i < 5; i++) {
        UNTIL (&k, state (&k, 0) == SERVER_OUT);
        FAILS (servers_ready (k.s, &k.error), ESP_EEMPTY);
        CHECK (has (k.error.text, "is busy or still loading (status 503)"));
        skip (&k, 8);
        UNTIL (&k, state (&k, 0) != SERVER_OUT);
    }
    atomic_store (&f.who, FAKE_WORKS);
    skip (&k, 23);
    UNTIL (&k, up (&k, 0));
    CHECK (server_facts_of (servers_at (k.s, 0))->family == FAMILY_LLAMACPP);
    set_close (&k);
    raw_server_stop (f.s);
}

static void a_gateway_that_fails_for_unknown_paths_is_taken_in_the_end (void)
{
    struct set k;
    fake_start (&f, "openai");
    atomic_store (&f.who, FAKE_500);
    set_defaults (&k);
    k.o.url = raw_server_url (f.s);
    k.setup.family = "openai";
    set_open (&k);
    for (int i = 0; i < 2; i++) {
        UNTIL (&k, state (&k, 0) == SERVER_OUT);
        skip (&k, 2);
        UNTIL (&k, state (&k, 0) != SERVER_OUT);
    }
    UNTIL (&k, up (&k, 0));
    set_close (&k);
    atomic_store (&f.who, FAKE_WORKS);
    atomic_store (&f.family, "gateway"); /* redirects what it does not know */
    in_service_as ("openai", "auto", FAMILY_OPENAI);
    raw_server_stop (f.s);
}

static void a_key_that_is_wanted_is_asked_for (void)
{
    fake_start (&f, "vllm");
    atomic_store (&f.models_mode, FAKE_401);
    refused_for ("vllm", "auto",
                 "wants an API key (status 401): generator.api_key_env or generator.api_key_file");
    raw_server_stop (f.s);
    fake_start (&f, "llamacpp"); /* /v1/models is open, the rest is not */
    atomic_store (&f.who, FAKE_401);
    refused_for ("llamacpp", "auto", "wants an API key (status 401)");
    raw_server_stop (f.s);
}

static void refused_is_asked_again_rarely_and_may_come_up (void)
{
    struct set k;
    unsigned asked;
    fake_start (&f, "vllm");
    set_defaults (&k);
    k.o.url = raw_server_url (f.s);
    k.o.model = "b";
    set_open (&k);
    UNTIL (&k, state (&k, 0) == SERVER_REFUSED);
    asked = atomic_load (&f.asked);
    skip (&k, 50);
    set_passes (&k);
    CHECK (atomic_load (&f.asked) == asked);
    atomic_store (&f.models, "\"b\"");
    skip (&k, 11);
    UNTIL (&k, up (&k, 0));
    set_close (&k);
    raw_server_stop (f.s);
}

static void pauses_grow_up_to_their_limit (void)
{
    struct set k;
    double sum = 0, longest = 0;
    fake_start (&f, "vllm");
    atomic_store (&f.models_mode, FAKE_503);
    set_defaults (&k);
    k.o.url = raw_server_url (f.s);
    set_open (&k);
    for (int i = 0; i < 12; i++) {
        double pause;
        UNTIL (&k, state (&k, 0) == SERVER_OUT);
        pause = ((double)servers_at (k.s, 0)->next_ns - (double)set_now (&k)) / 1e9;
        sum += pause;
        longest = pause > longest ? pause : longest;
        skip (&k, pause + 0.01);
        UNTIL (&k, state (&k, 0) != SERVER_OUT);
    }
    CHECK (longest > 7 && longest <= 22.5); /* 15 s, half to one and a half */
    CHECK (sum > 40 && sum < 180);
    set_close (&k);
    raw_server_stop (f.s);
}

static void the_first_answer_is_waited_for_as_long_as_the_run_says (void)
{
    struct set k;
    fake_start (&f, "vllm");
    raw_server_stop (f.s);
    set_defaults (&k);
    k.o.url = "http://127.0.0.1:1";
    k.o.wait_s = 10;
    set_open (&k);
    UNTIL (&k, state (&k, 0) == SERVER_OUT);
    FAILS (servers_ready (k.s, &k.error), ESP_EEMPTY);
    CHECK (has (k.error.text, "http://127.0.0.1:1") && has (k.error.text, "cannot be reached"));
    skip (&k, 10.5);
    FAILS (servers_ready (k.s, &k.error), ESP_ETIMEOUT);
    CHECK (has (k.error.text, "generator.wait_s"));
    set_close (&k);
}

static void every_server_has_its_time_to_show_what_it_is (void)
{
    struct set k;
    fake_start (&f, "vllm");
    set_defaults (&k);
    set_add (&k, raw_server_url (f.s));
    set_add (&k, "http://127.0.0.1:1");
    k.o.wait_s = 10;
    set_open (&k);
    FAILS (servers_settled (k.s, &k.error), ESP_EEMPTY);
    CHECK (has (k.error.text, "has not answered yet"));
    UNTIL (&k, up (&k, 0) && state (&k, 1) == SERVER_OUT);
    PASS (servers_ready (k.s, &k.error));
    FAILS (servers_settled (k.s, &k.error), ESP_EEMPTY);
    CHECK (has (k.error.text, "http://127.0.0.1:1") && has (k.error.text, "cannot be reached"));
    skip (&k, 10.5);
    PASS (servers_settled (k.s, &k.error));
    set_close (&k);
    raw_server_stop (f.s);
}

static void a_probe_decides (void)
{
    struct set k;
    fake_start (&f, "vllm");
    atomic_store (&f.probe, FAKE_500);
    set_defaults (&k);
    k.o.url = raw_server_url (f.s);
    k.probes = true;
    set_open (&k);
    UNTIL (&k, state (&k, 0) == SERVER_OUT);
    CHECK (has (trouble (&k, 0), "the probe says 500"));
    atomic_store (&f.probe, FAKE_400);
    skip (&k, 1);
    UNTIL (&k, state (&k, 0) == SERVER_REFUSED);
    CHECK (has (trouble (&k, 0), "the probe says 400"));
    atomic_store (&f.probe, FAKE_WORKS);
    skip (&k, 61);
    UNTIL (&k, up (&k, 0));
    CHECK (trouble (&k, 0)[0] == 0);
    set_close (&k);
    raw_server_stop (f.s);
}

/* Three failures in a row; then it is identified anew, and the model is another one. */
static void another_model_after_a_restart_is_refused (void)
{
    const char *model, *url;
    struct set k;
    struct talk t = {0};
    fake_start (&f, "vllm");
    set_defaults (&k);
    k.o.url = raw_server_url (f.s);
    k.o.tries = 4;
    set_open (&k);
    CHECK (!servers_chosen (k.s, &model, &url));
    UNTIL (&k, up (&k, 0));
    CHECK (servers_chosen (k.s, &model, &url) && strcmp (model, "a") == 0 &&
           strcmp (url, server_url (servers_at (k.s, 0))) == 0);
    memset (server_data (servers_at (k.s, 0)), 1, 8);
    atomic_store (&f.models, "\"other\"");
    atomic_store (&f.work, FAKE_CLOSES);
    talk_start (&k, &t);
    for (int i = 0; i < 3; i++) {
        UNTIL (&k, t.writes == (unsigned)i + 1 && !t.e->at);
        skip (&k, 12);
    }
    UNTIL (&k, state (&k, 0) == SERVER_REFUSED);
    CHECK (has (trouble (&k, 0), "has the model 'other', but this run began with 'a'"));
    CHECK (!servers_chosen (k.s, &model, &url)); /* nobody is in service */
    CHECK (server_counts_of (servers_at (k.s, 0))->outages == 1);
    skip (&k, 6);
    UNTIL (&k, t.dones == 1);
    CHECK (t.code == ESP_ECANCELED);
    atomic_store (&f.models, "\"a\"");
    skip (&k, 61);
    UNTIL (&k, up (&k, 0));
    CHECK (((char *)server_data (servers_at (k.s, 0)))[0] == 0); /* the engine's facts are new */
    set_close (&k);
    raw_server_stop (f.s);
}

static void a_model_that_the_run_names_was_not_chosen_by_servers (void)
{
    const char *model, *url;
    struct set k;
    fake_start (&f, "vllm");
    set_defaults (&k);
    k.o.url = raw_server_url (f.s);
    k.o.model = "a";
    set_open (&k);
    UNTIL (&k, up (&k, 0));
    CHECK (!servers_chosen (k.s, &model, &url));
    set_close (&k);
    raw_server_stop (f.s);
}

static void servers_of_one_set_have_one_model (void)
{
    struct set k;
    fake_start (&f, "vllm");
    fake_start (&g, "vllm");
    atomic_store (&g.models, "\"b\"");
    set_defaults (&k);
    set_add (&k, raw_server_url (f.s));
    set_add (&k, raw_server_url (g.s));
    set_open (&k);
    UNTIL (&k, up (&k, 0) + up (&k, 1) == 1 &&
                   (state (&k, 0) == SERVER_REFUSED || state (&k, 1) == SERVER_REFUSED));
    PASS (servers_ready (k.s, &k.error));
    CHECK (servers_slots (k.s) == 64);
    set_close (&k);
    raw_server_stop (f.s);
    raw_server_stop (g.s);
}

/* A probe of the engine's own that goes on until both servers are identified. */
static esp_err
probe_until_both (void *ctx, server *s, uint32_t step, esp_buf *path, esp_buf *json, esp_error *why)
{
    const struct set *k = ctx;
    (void)s;
    (void)step;
    (void)json;
    (void)why;
    for (size_t i = 0; i < 2; i++)
        if (!servers_at (k->s, i)->identified)
            return esp_buf_puts (path, "/probe");
    return ESP_EEMPTY;
}

static void servers_that_are_probed_at_the_same_time_have_one_model_too (void)
{
    struct set k;
    fake_start (&f, "vllm");
    fake_start (&g, "vllm");
    atomic_store (&g.models, "\"b\"");
    set_defaults (&k);
    k.setup.probe_write = probe_until_both;
    set_add (&k, raw_server_url (f.s));
    set_add (&k, raw_server_url (g.s));
    set_open (&k);
    UNTIL (&k, (up (&k, 0) && state (&k, 1) == SERVER_REFUSED) ||
                   (up (&k, 1) && state (&k, 0) == SERVER_REFUSED));
    CHECK (has (trouble (&k, up (&k, 0)), "but this run began with"));
    set_close (&k);
    raw_server_stop (f.s);
    raw_server_stop (g.s);
}

static void survives_failure_of_every_allocation (void)
{
    fake_start (&f, "vllm");
    for (long n = 0; n < 60; n++) {
        struct set k;
        struct talk t = {0};
        esp_err err;
        set_defaults (&k);
        k.o.url = raw_server_url (f.s);
        k.probes = true;
        set_open (&k);
        esp_alloc_fail_after (n);
        for (int i = 0; i < 10; i++)
            set_pass (&k);
        esp_alloc_fail_after (-1);
        for (int i = 0; i < 4 && !up (&k, 0); i++) {
            skip (&k, 61);
            set_passes (&k);
        }
        UNTIL (&k, up (&k, 0));
        t.ask =
            (exchange_ask){.write = talk_write, .take = talk_take, .done = talk_done, .ctx = &t};
        esp_alloc_fail_after (n % 12);
        err = exchange_start (k.s, &t.ask, &t.e);
        for (int i = 0; i < 10 && err == ESP_OK && t.dones == 0; i++)
            set_pass (&k);
        esp_alloc_fail_after (-1);
        if (err == ESP_OK)
            UNTIL (&k, t.dones == 1);
        CHECK (err == ESP_ENOMEM || t.code == ESP_OK || t.code == ESP_ENOMEM);
        set_close (&k);
    }
    raw_server_stop (f.s);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"each family is recognised", each_family_is_recognised},
        {"facts of real shapes are read", facts_of_real_shapes_are_read},
        {"a server of another kind is refused", a_server_of_another_kind_is_refused},
        {"an unknown model names those that exist", an_unknown_model_names_those_that_exist},
        {"several models want a name", several_models_want_a_name},
        {"a model behind a long list is found", a_model_behind_a_long_list_is_found},
        {"a server that still loads is no other kind", a_server_that_still_loads_is_no_other_kind},
        {"a gateway that fails for unknown paths is taken in the end",
         a_gateway_that_fails_for_unknown_paths_is_taken_in_the_end},
        {"a key that is wanted is asked for", a_key_that_is_wanted_is_asked_for},
        {"refused is asked again rarely, and may come up",
         refused_is_asked_again_rarely_and_may_come_up},
        {"pauses grow up to their limit", pauses_grow_up_to_their_limit},
        {"the first answer is waited for as long as the run says",
         the_first_answer_is_waited_for_as_long_as_the_run_says},
        {"every server has its time to show what it is",
         every_server_has_its_time_to_show_what_it_is},
        {"a probe decides", a_probe_decides},
        {"another model after a restart is refused", another_model_after_a_restart_is_refused},
        {"a model that the run names was not chosen by servers",
         a_model_that_the_run_names_was_not_chosen_by_servers},
        {"servers of one set have one model", servers_of_one_set_have_one_model},
        {"servers that are probed at the same time have one model too",
         servers_that_are_probed_at_the_same_time_have_one_model_too},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("servers", cases);
}
