/* SPDX-License-Identifier: Apache-2.0 */
/* test_verifier_lean_kimina.c - the verifier `lean-kimina` against a stand-in for a Kimina server (tests/support/fake_kimina.py) */

// LINK: esp_engine_table esp_config

#include <signal.h>
#include <stdlib.h>
#include "tests/unit/worker/verifier/verifier_kit.h"
#include "worker/server/servers.h"

#define TWO                                                                                        \
    "{\"header\": \"import A\\nopen B\", \"formal_statement\": \"theorem t : 1 + 1 = 2 := by "     \
    "sorry\"}"

static struct fake {
    FILE *words;
    char url[64];
    int pid;
    server_options options;
    esp_clock clock;
} fake;

static bool start_fake (const char *kind)
{
    char command[1024];
    if (system ("command -v python3 >/dev/null 2>&1") != 0) {
        printf ("    skipped: no python3 here\n");
        return false;
    }
    snprintf (command, sizeof (command), "exec python3 %s/../support/fake_kimina.py %s",
              ESP_TESTS_UNIT, kind);
    CU_ASSERT_PTR_NOT_NULL_FATAL ((fake.words = popen (command, "r")));
    CU_ASSERT_EQUAL_FATAL (fscanf (fake.words, "%63s %d", fake.url, &fake.pid), 2);
    return true;
}

static void stop_fake (void)
{
    CHECK (kill (fake.pid, SIGKILL) == 0);
    CHECK (pclose (fake.words) != 0);
}

/* Until it is ready, or never will be. */
static esp_err open_engine (esp_error *why)
{
    esp_error error = {0};
    esp_err err = ESP_EEMPTY;
    signal (SIGPIPE, SIG_IGN);
    fake.options = (server_options){.url = fake.url,
                                    .verify_tls = true,
                                    .proxy = "none",
                                    .in_flight = 4,
                                    .wait_s = 60,
                                    .first_byte_s = 60,
                                    .idle_s = 60,
                                    .total_s = 60,
                                    .tries = 3};
    fake.clock = esp_clock_monotonic ();
    b.count = 0;
    FAILS (kit_open (&b.k, "lean-kimina", ENGINE_VERIFIER, NULL, &error),
           ESP_EINVAL); /* no servers yet */
    b.k.setup.server = &fake.options;
    b.k.setup.clock = &fake.clock;
    PASS (b.k.kind->open (&b.k.setup, &b.k.state, why));
    for (time_t since = 0; err == ESP_EEMPTY && patience (&since);) {
        sleep_and_poll (20);
        *why = (esp_error){0};
        err = b.k.kind->ready (b.k.state, why);
    }
    return err;
}

static void judge (const char *json, const char *text, enum verdict verdict, const char *reason)
{
    unsigned before = b.k.calls;
    ask_text (json, text);
    for (time_t since = 0; b.k.calls == before && patience (&since);)
        sleep_and_poll (20);
    CU_ASSERT_EQUAL (b.k.calls, before + 1);
    if (b.k.r.verdict != verdict || strcmp (b.k.reason, reason) != 0)
        printf ("    %s: %s %s\n", text, verdict_names[b.k.r.verdict], b.k.reason);
    CHECK (b.k.r.error == ESP_OK && b.k.r.verdict == verdict);
    CU_ASSERT_STRING_EQUAL (b.k.reason, reason);
}

static void proofs_are_judged (void)
{
    esp_error why = {0};
    if (!start_fake (""))
        return;
    PASS (open_engine (&why));
    judge (TWO, "rfl", VERDICT_PASS, "proof-checked");
    judge (TWO, "classical", VERDICT_PASS, "proof-checked");
    judge (TWO, "busy_once", VERDICT_PASS, "proof-checked");
    judge ("{\"theorem\": \"theorem t : True\"}", "fine", VERDICT_PASS, "proof-checked");
    judge (TWO, "nonsense", VERDICT_FAIL, "lean-error");
    judge (TWO, "use_axiom", VERDICT_FAIL, "axiom-not-allowed"); /* whatever is_valid says */
    judge (TWO, "admit_it", VERDICT_FAIL, "admitted");
    judge (TWO, "lies", VERDICT_FAIL, "admitted");
    judge (TWO, "macro x", VERDICT_FAIL, "forbidden-command");
    judge (TWO, "silent", VERDICT_UNKNOWN, "bad-reply");
    judge (TWO, "late", VERDICT_UNKNOWN, "timeout");
    judge (TWO, "ended", VERDICT_UNKNOWN, "repl-error");
    judge ("{\"header\": \"open B\", \"theorem\": \"theorem t : no_such_thing\"}", "rfl",
           VERDICT_UNKNOWN, "bad-problem");
    judge ("{}", "rfl", VERDICT_UNKNOWN, "no-theorem");
    kit_close (&b.k);
    stop_fake ();
}

static void answers_that_make_no_sense_are_handed_back (void)
{
    static const char *const texts[] = {"garbage", "half", "empty"};
    esp_error why = {0};
    if (!start_fake (""))
        return;
    PASS (open_engine (&why));
    for (size_t i = 0; i < 3; i++) {
        unsigned before = b.k.calls;
        ask_text (TWO, texts[i]);
        until (before + 1);
        CHECK (b.k.r.error != ESP_OK && b.k.r.verdict == VERDICT_NONE);
    }
    for (time_t since = 0; b.k.kind->slots (b.k.state) == 0 && patience (&since);)
        sleep_and_poll (20);
    judge (TWO, "rfl", VERDICT_PASS, "proof-checked"); /* it is asked again */
    kit_close (&b.k);
    stop_fake ();
}

static void many_at_once_and_cancelled (void)
{
    esp_error why = {0};
    const job *gone;
    if (!start_fake (""))
        return;
    PASS (open_engine (&why));
    gone = ask_text (TWO, "nonsense");
    for (int i = 0; i < 12; i++)
        ask_text (TWO, "rfl");
    b.k.kind->cancel (b.k.state, gone);
    until (12);
    CHECK (b.k.r.verdict == VERDICT_PASS);
    kit_do (&b.k, (task){.id = {1, 0}, .kind = TASK_SCORE}, TWO, "rfl");
    CHECK (b.k.r.error == ESP_EUNSUPPORTED);
    ask_text (TWO, "rfl");
    kit_close (&b.k); /* with one under way */
    CHECK (b.k.calls == 13);
    stop_fake ();
}

static void a_server_that_is_none_is_named (void)
{
    static const char *const kinds[] = {"deaf", "yes", "key"};
    static const char *const words[] = {"status 404", "a wrong one pass", "API key"};
    for (size_t i = 0; i < 3; i++) {
        esp_error why = {0};
        if (!start_fake (kinds[i]))
            return;
        CHECK (open_engine (&why) != ESP_OK);
        if (!strstr (why.text, words[i]))
            printf ("    %s: %s\n", kinds[i], why.text);
        CHECK (strstr (why.text, words[i]) != NULL);
        kit_close (&b.k);
        stop_fake ();
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"proofs are judged", proofs_are_judged},
        {"answers that make no sense are handed back", answers_that_make_no_sense_are_handed_back},
        {"many at once, and cancelled", many_at_once_and_cancelled},
        {"a server that is none is named", a_server_that_is_none_is_named},
        {NULL, NULL},
    };
    return suite_main ("verifier_lean_kimina", cases);
}
