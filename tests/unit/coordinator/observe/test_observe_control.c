/* SPDX-License-Identifier: Apache-2.0 */
/* test_observe_control.c - what coordinator/observe promises to whoever asks, over ipc */
// LINK: esp_client nng::nng Threads::Threads

#include "tests/unit/coordinator/observe/others.h"
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include "proto/base/file.h"
#include "proto/client/control_file.h"

static void a_wrong_token_is_refused (void)
{
    given g = {.number = 0};
    control_file f;
    esp_error error = {0};
    char path[512], text[4096];
    asking a = {.ask = {.kind = CONTROL_STOP}};
    given_open (&g, NULL);
    PASS (control_file_read (g.output, &f, &error));
    f.token[31] = f.token[31] == '0' ? '1' : '0';
    snprintf (path, sizeof (path), "%s", suite_folder ());
    snprintf (text, sizeof (text),
              "{\"events\":\"%s\",\"control\":\"%s\",\"token\":\"%s\",\"pid\":%ld,\"host\":\"%s\"}",
              f.events, f.control, f.token, f.pid, f.host);
    {
        char file[600];
        snprintf (file, sizeof (file), "%s/control.json", path);
        PASS (esp_file_write (file, span_of (text), 0600, &error));
    }
    asking_start (&a, path);
    asking_result (&a, &g);
    CU_ASSERT_EQUAL (a.err, ESP_ECONFLICT);
    CHECK (strstr (a.error, "token") != NULL);
    CU_ASSERT_EQUAL (g.stops, 0);
    given_close (&g);
}

static void garbage_gets_an_answer_and_harms_nothing (void)
{
    static const char *const garbage[] = {"", "x", "\x08\x01", "\x08\x63",
                                          "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"};
    given g = {.number = 0};
    control_file f;
    esp_error error = {0};
    nng_socket req;
    asking a = {.ask = {.kind = CONTROL_STATUS}};
    given_open (&g, NULL);
    PASS (control_file_read (g.output, &f, &error));
    CHECK (nng_req0_open (&req) == 0 && nng_dial (req, f.control, NULL, 0) == 0);
    for (size_t i = 0; i < sizeof (garbage) / sizeof (garbage[0]); i++) {
        char answer[1000];
        size_t len = sizeof (answer);
        int got = NNG_EAGAIN;
        CHECK (nng_send (req, (void *)(uintptr_t)garbage[i], strlen (garbage[i]), 0) == 0);
        for (int k = 0; k < 20000 && got == NNG_EAGAIN; k++) {
            given_pass (&g);
            got = nng_recv (req, answer, &len, NNG_FLAG_NONBLOCK);
        }
        CHECK (got == 0 && len > 0);
    }
    nng_close (req);
    asking_now (&a, &g);
    CHECK (a.err == ESP_OK && a.problems_total == PROBLEMS);
    given_close (&g);
}

static void a_command_is_answered_when_it_is_on_disk (void)
{
    given g = {.number = 41};
    asking a = {.ask = {.kind = CONTROL_COMMAND, .problem = 1}};
    a.ask.command = (command){
        .kind = COMMAND_ADD_STEP, .node = 7, .value = 0, .text = span_of ("a human step")};
    given_open (&g, NULL);
    asking_start (&a, g.output);
    asking_wait_command (&a, &g);
    for (int i = 0; i < 200; i++)
        given_pass (&g);
    CHECK (!other_has_spoken (&a.program));
    g.durable = 42;
    asking_result (&a, &g);
    CHECK (a.err == ESP_OK && a.number == 42 && g.commands == 1);
    CHECK (g.last.kind == COMMAND_ADD_STEP && g.last.node == 7 &&
           strcmp (g.last_text, "a human step") == 0);
    given_close (&g);
}

static void a_command_for_a_problem_that_is_not_open_is_refused (void)
{
    given g = {.number = 0};
    asking a = {.ask = {.kind = CONTROL_COMMAND, .problem = 77}},
           b = {.ask = {.kind = CONTROL_SNAPSHOT, .problem = 77}};
    given_open (&g, NULL);
    asking_now (&a, &g);
    CHECK (a.err == ESP_ECONFLICT && strstr (a.error, "not open") != NULL);
    asking_now (&b, &g);
    CHECK (b.err == ESP_ECONFLICT && strstr (b.error, "not open") != NULL);
    given_close (&g);
}

static void commands_that_wait_at_the_end_are_refused (void)
{
    given g = {.number = 0};
    asking a = {.ask = {.kind = CONTROL_COMMAND, .problem = 1}};
    given_open (&g, NULL);
    asking_start (&a, g.output);
    asking_wait_command (&a, &g);
    observe_close (g.o);
    asking_result (&a, NULL);
    CHECK (a.err == ESP_ECONFLICT && strstr (a.error, "ending") != NULL);
}

static void stop_and_status_are_answered_at_once (void)
{
    given g = {.number = 5};
    asking a = {.ask = {.kind = CONTROL_STATUS}}, b = {.ask = {.kind = CONTROL_STOP}};
    asking c = {.ask = {.kind = CONTROL_OK}};
    given_open (&g, NULL);
    asking_now (&a, &g);
    CHECK (a.err == ESP_OK && a.inputs == 5 && !a.eta_is_known);
    asking_now (&b, &g);
    CHECK (b.err == ESP_OK && g.stops == 1);
    asking_now (&c, &g);
    CHECK (c.err == ESP_ECONFLICT);
    given_close (&g);
}

static void many_observers_ask_at_once (void)
{
    static given g;
    static asking a[24];
    int answered = 0;
    given_open (&g, NULL);
    for (int i = 0; i < 24; i++) {
        a[i] = (asking){.ask = {.kind = CONTROL_COMMAND, .problem = 2}};
        asking_start (&a[i], g.output);
    }
    while (answered < 24) {
        given_pass (&g);
        if (g.commands % 8 == 0)
            g.durable = g.number;
        answered = 0;
        for (int i = 0; i < 24; i++)
            answered += other_has_spoken (&a[i].program);
    }
    for (int i = 0; i < 24; i++) {
        asking_result (&a[i], &g);
        CHECK (a[i].err == ESP_OK && a[i].number >= 1 && a[i].number <= 24);
    }
    CU_ASSERT_EQUAL (g.commands, 24);
    given_close (&g);
}

static void a_request_rings_the_bell (void)
{
    given g = {.number = 0};
    asking a = {.ask = {.kind = CONTROL_STATUS}};
    uint64_t count;
    bool rung = false;
    given_open (&g, NULL);
    CHECK (read (observe_fd (g.o), &count, sizeof (count)) < 0);
    asking_start (&a, g.output);
    while (!rung && !other_has_spoken (&a.program)) { /* no pass that might answer it */
        rung = read (observe_fd (g.o), &count, sizeof (count)) > 0;
        usleep (200);
    }
    CHECK (rung);
    asking_result (&a, &g);
    CHECK (a.err == ESP_OK);
    given_close (&g);
}

int main (int argc, char **argv)
{
    static const struct suite_case cases[] = {
        {"a wrong token is refused", a_wrong_token_is_refused},
        {"garbage gets an answer and harms nothing", garbage_gets_an_answer_and_harms_nothing},
        {"a command is answered when it is on disk", a_command_is_answered_when_it_is_on_disk},
        {"a command for a problem that is not open is refused",
         a_command_for_a_problem_that_is_not_open_is_refused},
        {"commands that wait at the end are refused", commands_that_wait_at_the_end_are_refused},
        {"stop and status are answered at once", stop_and_status_are_answered_at_once},
        {"many observers ask at once", many_observers_ask_at_once},
        {"a request rings the bell", a_request_rings_the_bell},
        {NULL, NULL},
    };
    if (argc > 1)
        return others_main (argv);
    return suite_main ("observe_control", cases);
}
