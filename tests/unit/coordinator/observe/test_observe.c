/* SPDX-License-Identifier: Apache-2.0 */
/* test_observe.c - what coordinator/observe and proto/client promise, over ipc and tcp: where a run is, and events */
// LINK: esp_client nng::nng Threads::Threads

#include "tests/unit/coordinator/observe/others.h"
#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>
#include <sys/stat.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/client/control_file.h"

/* ---- bad calls ---- */

static void bad_calls_are_refused (void)
{
    given g = {.number = 0};
    observe_world world = {&g,        given_status, given_snapshot, given_command, given_durable,
                           given_stop};
    esp_clock clock = {given_now, &g};
    observe *o = NULL;
    esp_error error = {0};
    const char *folder = suite_folder ();
    FAILS (observe_open (NULL, NULL, &clock, &world, &o, &error), ESP_EINVAL);
    FAILS (observe_open (folder, NULL, NULL, &world, &o, &error), ESP_EINVAL);
    FAILS (observe_open (folder, NULL, &clock, NULL, &o, &error), ESP_EINVAL);
    FAILS (observe_open (folder, NULL, &clock, &world, NULL, &error), ESP_EINVAL);
    FAILS (observe_open ("/nonexistent/output", NULL, &clock, &world, &o, &error), ESP_ENOENT);
    FAILS (observe_open (folder, "http://x:1", &clock, &world, &o, &error), ESP_EFORMAT);
    FAILS (observe_open (folder, "tcp://nowhere", &clock, &world, &o, &error), ESP_EFORMAT);
    FAILS (observe_open (folder, "tcp://h:99999", &clock, &world, &o, &error), ESP_EFORMAT);
    FAILS (observe_open (folder, "tcp://h/x:1", &clock, &world, &o, &error), ESP_EFORMAT);
    FAILS (observe_open (folder, "tcp://h:1x", &clock, &world, &o, &error), ESP_EFORMAT);
    CHECK (o == NULL);
    observe_close (NULL);
    observe_events (NULL, NULL, 0);
    observe_pass (NULL);
}

static void survives_failure_of_every_allocation (void)
{
    given g = {.number = 0};
    observe_world world = {&g,        given_status, given_snapshot, given_command, given_durable,
                           given_stop};
    esp_clock clock = {given_now, &g};
    const char *folder = suite_folder ();
    long live = esp_alloc_live ();
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 200; n++) {
        observe *o = NULL;
        esp_error error = {0};
        esp_alloc_fail_after (n);
        err = observe_open (folder, NULL, &clock, &world, &o, &error);
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        observe_close (o);
        CU_ASSERT_EQUAL (esp_alloc_live (), live);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
}

/* ---- where it is ---- */

static void only_this_user_can_reach_the_sockets (void)
{
    given g = {.number = 0};
    control_file f;
    esp_error error = {0};
    struct stat s;
    char path[512];
    given_open (&g, NULL);
    PASS (control_file_read (g.output, &f, &error));
    snprintf (path, sizeof (path), "%s/control.json", g.output);
    CHECK (stat (path, &s) == 0 && (s.st_mode & 0777) == 0600);
    CHECK (strlen (f.token) == 32 && strspn (f.token, "0123456789abcdef") == 32);
    CHECK (f.pid == (long)getpid () && control_file_is_here (&f));
    for (int i = 0; i < 2; i++) {
        const char *file = (i ? f.events : f.control) + strlen ("ipc://");
        CHECK (strlen (file) <= 100);
        CHECK (stat (file, &s) == 0 && S_ISSOCK (s.st_mode) && (s.st_mode & 0777) == 0600);
        snprintf (path, sizeof (path), "%.*s", (int)(strrchr (file, '/') - file), file);
        CHECK (stat (path, &s) == 0 && (s.st_mode & 0777) == 0700 && s.st_uid == geteuid ());
    }
    given_close (&g);
    CHECK (access (f.events + strlen ("ipc://"), F_OK) != 0 &&
           access (f.control + strlen ("ipc://"), F_OK) != 0);
    FAILS (control_file_read (g.output, &f, &error), ESP_ENOENT);
}

static void a_folder_that_others_may_enter_is_refused (void)
{
    given g = {.number = 0};
    observe_world world = {&g,        given_status, given_snapshot, given_command, given_durable,
                           given_stop};
    esp_clock clock = {given_now, &g};
    const char *output = suite_folder ();
    char runtime[256], folder[300];
    observe *o = NULL;
    esp_error error = {0};
    snprintf (runtime, sizeof (runtime), "/tmp/espx%ld", (long)getpid ());
    snprintf (folder, sizeof (folder), "%s/espalier", runtime);
    CHECK (mkdir (runtime, 0700) == 0 && mkdir (folder, 0755) == 0);
    setenv ("XDG_RUNTIME_DIR", runtime, 1);
    FAILS (observe_open (output, NULL, &clock, &world, &o, &error), ESP_EPERMISSION);
    CHECK (strstr (error.text, folder) != NULL);
    rmdir (folder);
    CHECK (symlink ("/tmp", folder) == 0);
    FAILS (observe_open (output, NULL, &clock, &world, &o, &error), ESP_EPERMISSION);
    unlink (folder);
    PASS (observe_open (output, NULL, &clock, &world, &o, &error));
    observe_close (o);
    rmdir (folder);
    rmdir (runtime);
    memset (folder, 'x', 120);
    folder[0] = '/';
    folder[120] = 0;
    setenv ("XDG_RUNTIME_DIR", folder, 1);
    PASS (observe_open (output, NULL, &clock, &world, &o, &error)); /* too long: /tmp */
    observe_close (o);
    unsetenv ("XDG_RUNTIME_DIR");
}

static void control_file_of_a_dead_run_is_overwritten (void)
{
    given g = {.number = 0};
    char path[512];
    client *c;
    esp_error error = {0};
    snprintf (g.output, sizeof (g.output), "%s", suite_folder ());
    snprintf (path, sizeof (path), "%s/control.json", g.output);
    PASS (esp_file_write (
        path,
        span_of ("{\"events\":\"ipc:///tmp/no.e\",\"control\":\"ipc:///tmp/no.c\",\"token\":"
                 "\"x\",\"pid\":1,\"host\":\"h\"}"),
        0600, &error));
    FAILS (client_open (g.output, &c, &error), ESP_EPEER);
    given_open (&g, NULL);
    PASS (client_open (g.output, &c, &error));
    client_close (c);
    given_close (&g);
}

static void closes_and_opens_again_and_the_client_sees_the_end (void)
{
    given g = {.number = 0};
    client *c, *again;
    const event *events;
    size_t count;
    run_status status;
    bool gap;
    esp_error error = {0};
    esp_err err = ESP_EEMPTY;
    given_open (&g, NULL);
    PASS (client_open (g.output, &c, &error));
    observe_close (g.o);
    for (int i = 0; i < 100 && (err == ESP_EEMPTY || err == ESP_OK); i++)
        err = client_next (c, 100, &events, &count, &status, &gap);
    CU_ASSERT_EQUAL (err, ESP_EPEER);
    FAILS (client_open (g.output, &again, &error), ESP_ENOENT);
    given_open (&g, NULL);
    PASS (client_open (g.output, &again, &error));
    client_close (again);
    client_close (c);
    given_close (&g);
}

/* ---- events ---- */

static unsigned long long state_of (const given *g)
{
    return esp_hash64 (g->value, sizeof (g->value), 0);
}

static void follow_to_the_end (given *g, unsigned inputs)
{
    observer o;
    observer_start (&o, g, "follow", g->number + inputs + 1);
    for (unsigned i = 0; i < inputs; i++) {
        given_input (g, 1 + i % 16);
        if (i % 8 == 0)
            observe_pass (g->o);
        if (i % 64 == 0)
            usleep (200);
        if (i == inputs / 2) /* half of it at the latest is live */
            observer_wait_up (&o, g);
    }
    given_input (g, 1);
    observer_result (&o, g);
    CHECK (o.gaps >= 1 && o.messages >= 1);
    CHECK (o.hash == state_of (g));
    observer_end (&o, g);
}

static void snapshot_then_live_without_loss (void)
{
    static given g;
    given_open (&g, NULL);
    for (int i = 0; i < 3000; i++)
        given_input (&g, 5);
    follow_to_the_end (&g, 20000);
    given_close (&g);
}

/* Here and below, what ends an observer is in the newest message: queues drop the oldest. */
static void a_gap_is_seen_and_repaired (void)
{
    static given g = {.jump_ns = 60000000}; /* every pass publishes */
    observer o;
    given_open (&g, NULL);
    observer_start (&o, &g, "listen", 4001);
    observer_wait_up (&o, &g);
    for (int i = 0; i < 4000; i++) { /* more messages than anybody queues */
        given_input (&g, 4);
        observe_pass (g.o);
    }
    observer_go (&o);
    given_input (&g, 1);
    observe_pass (g.o);
    g.jump_ns = 1; /* now the clock stands: nothing more is published */
    observer_result (&o, &g);
    CHECK (o.gaps >= 2); /* the first message is one, too */
    CHECK (o.events < 16000);
    observer_end (&o, &g);
    g.jump_ns = 0;
    follow_to_the_end (&g, 3000);
    given_close (&g);
}

static void events_that_wait_too_long_are_dropped_with_a_gap (void)
{
    static given g = {.jump_ns = 300000000};
    static event many[1000];
    event last = {.number = 101, .kind = EVENT_PLANNED, .value = NAN};
    observer o;
    given_open (&g, NULL);
    observer_start (&o, &g, "listen", last.number);
    observer_wait_up (&o, &g);
    for (int i = 0; i < 100; i++) {
        for (int k = 0; k < 1000; k++)
            many[k] = (event){.number = (uint64_t)i + 1,
                              .index = (uint32_t)k,
                              .kind = EVENT_PLANNED,
                              .value = NAN};
        observe_events (g.o, many, 1000);
    }
    observer_go (&o);
    for (int i = 0; i < 100; i++)
        given_pass (&g);
    observe_events (g.o, &last, 1);
    observe_pass (g.o);
    g.jump_ns = 1;
    observer_result (&o, &g);
    CHECK (o.gaps >= 2 && o.events > 0 && o.events < 100000);
    observer_end (&o, &g);
    given_close (&g);
}

static void ten_observers_that_never_read_do_not_hold_the_run_up (void)
{
    static given g = {.jump_ns = 60000000};
    observer o[10];
    long live;
    given_open (&g, NULL);
    for (int i = 0; i < 10; i++)
        observer_start (&o[i], &g, "listen", 0);
    for (int i = 0; i < 10; i++)
        observer_wait_up (&o[i], &g); /* from now on they wait for a word */
    for (int i = 0; i < 1000; i++) {
        given_input (&g, 16);
        observe_pass (g.o);
    }
    live = esp_alloc_live ();
    for (int i = 0; i < 10000; i++) { /* ends: no send waits for anybody */
        given_input (&g, 16);
        observe_pass (g.o);
    }
    CHECK (esp_alloc_live () <= live + 8); /* and nothing piles up */
    for (int i = 0; i < 10; i++)
        other_end (&o[i].program);
    given_close (&g);
}

static void odd_events_do_not_stop_the_others (void)
{
    static given g = {.jump_ns = 60000000};
    static char big[200000];
    observer o;
    event last = {.number = 2, .kind = EVENT_SCORED, .value = 0.5};
    event odd[3] = {{.number = 1, .kind = EVENT_SCORED, .value = INFINITY},
                    {.number = 1, .kind = EVENT_TEXT, .value = NAN},
                    {.number = 1, .kind = EVENT_SCORED, .value = 0.5}};
    memset (big, 'x', sizeof (big));
    odd[1].text = span_make (big, sizeof (big));
    given_open (&g, NULL);
    observer_start (&o, &g, "listen", last.number);
    observer_wait_up (&o, &g);
    observer_go (&o);
    for (int i = 0; i < 20; i++) {
        observe_events (g.o, odd, 3);
        observe_progress (g.o, 7, 9, span_of ("so far"));
        given_pass (&g);
    }
    observe_events (g.o, &last, 1);
    observe_pass (g.o);
    g.jump_ns = 1;
    observer_result (&o, &g);
    CU_ASSERT_EQUAL (o.bits, 15);
    observer_end (&o, &g);
    given_close (&g);
}

/* ---- over the network ---- */

static void tcp_serves_both_sockets_on_one_port_and_hides_events_behind_the_token (void)
{
    static given g;
    control_file where;
    esp_error error = {0};
    nng_socket stranger;
    char url[1200], *slash;
    given_open (&g, "tcp://127.0.0.1:0");
    PASS (control_file_read (g.output, &where, &error));
    CHECK (strncmp (where.events, "ws://127.0.0.1:", 15) == 0 &&
           strstr (where.events, where.token) != NULL);
    CHECK (strstr (where.control, where.token) == NULL);
    CHECK (atoi (where.events + 15) == atoi (where.control + 15) && atoi (where.events + 15) > 0);
    CHECK (nng_sub0_open (&stranger) == 0);
    snprintf (url, sizeof (url), "%s", where.events);
    slash = strstr (url, where.token);
    CHECK (slash != NULL);
    if (slash)
        *slash = *slash == '0' ? '1' : '0';
    CHECK (nng_dial (stranger, url, NULL, 0) != 0);
    nng_close (stranger);
    follow_to_the_end (&g, 2000);
    given_close (&g);
}

static void an_address_that_cannot_be_had_is_said (void)
{
    given g = {.number = 0};
    observe_world world = {&g,        given_status, given_snapshot, given_command, given_durable,
                           given_stop};
    esp_clock clock = {given_now, &g};
    esp_error error = {0};
    observe *o = NULL;
    FAILS (observe_open (suite_folder (), "tcp://300.1.1.1:1", &clock, &world, &o, &error),
           ESP_EIO);
    CHECK (strstr (error.text, "observe.listen") != NULL);
}

int main (int argc, char **argv)
{
    static const struct suite_case cases[] = {
        {"bad calls are refused", bad_calls_are_refused},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {"only this user can reach the sockets", only_this_user_can_reach_the_sockets},
        {"a folder that others may enter is refused", a_folder_that_others_may_enter_is_refused},
        {"control.json of a dead run is overwritten", control_file_of_a_dead_run_is_overwritten},
        {"closes and opens again, and the client sees the end",
         closes_and_opens_again_and_the_client_sees_the_end},
        {"snapshot, then live, without loss", snapshot_then_live_without_loss},
        {"a gap is seen and repaired", a_gap_is_seen_and_repaired},
        {"events that wait too long are dropped with a gap",
         events_that_wait_too_long_are_dropped_with_a_gap},
        {"ten observers that never read do not hold the run up",
         ten_observers_that_never_read_do_not_hold_the_run_up},
        {"odd events do not stop the others", odd_events_do_not_stop_the_others},
        {"tcp serves both sockets on one port and hides events behind the token",
         tcp_serves_both_sockets_on_one_port_and_hides_events_behind_the_token},
        {"an address that cannot be had is said", an_address_that_cannot_be_had_is_said},
        {NULL, NULL},
    };
    if (argc > 1)
        return others_main (argv);
    return suite_main ("observe", cases);
}
