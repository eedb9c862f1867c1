/* SPDX-License-Identifier: Apache-2.0 */
/* test_external_process.c - a program beside the worker: what it gets, what it says, how it ends */

#include "worker/engine/external_process.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

enum { PATIENCE_MS = 20000 };

static const char *const nothing[] = {NULL};

struct heard {
    char text[4096];
    unsigned lines;
    size_t longest;
};

static void hear (void *ctx, const char *text)
{
    struct heard *h = ctx;
    h->lines++;
    if (strlen (text) > h->longest)
        h->longest = strlen (text);
    snprintf (h->text + strlen (h->text), sizeof (h->text) - strlen (h->text), "%s|", text);
}

static void a_little (void)
{
    const struct timespec t = {0, 2000000};
    nanosleep (&t, NULL);
}

static external_process *given (const char *command, const char *const *variables)
{
    external_process *p = NULL;
    esp_error error = {0};
    PASS (external_process_start (command, variables, &p, &error));
    return p;
}

/* Until it has ended; what it said. */
static void run (const char *command, const char *const *variables, struct heard *h, char end[32])
{
    external_process *p = given (command, variables);
    memset (h, 0, sizeof (*h));
    for (int ms = 0; ms < PATIENCE_MS && external_process_poll (p, hear, h); ms += 2)
        a_little ();
    snprintf (end, 32, "%s", external_process_end (p));
    external_process_stop (p, 0);
}

static void lines_and_status_come (void)
{
    struct heard h;
    char end[32];
    run ("echo one; echo two >&2; printf 'three\\033[31m'; exit 7", nothing, &h, end);
    CHECK (strcmp (h.text, "one|two|three?[31m|") == 0 && strcmp (end, "status 7") == 0);
    run ("kill -9 $$", nothing, &h, end);
    CHECK (strcmp (end, "signal 9") == 0 && h.lines == 0);
}

static void a_plain_command_needs_no_shell_and_another_one_has_it (void)
{
    struct heard h;
    char end[32];
    run ("printf  %s-%s a b", nothing, &h, end);
    CHECK (strcmp (h.text, "a-b|") == 0 && strcmp (end, "status 0") == 0);
    run ("A=5 printf \"%s\" '$A b'", nothing, &h, end);
    CHECK (strcmp (h.text, "$A b|") == 0);
    run ("A=5; echo $A", nothing, &h, end);
    CHECK (strcmp (h.text, "5|") == 0);
}

static void it_gets_its_variables_no_input_and_no_descriptors (void)
{
    static const char *const variables[] = {"ESP_TEST=x y", "HOME=/elsewhere", NULL};
    struct heard h;
    char end[32];
    run ("echo $ESP_TEST $HOME; cat; ls /proc/self/fd | tr '\\n' ' '", variables, &h, end);
    CHECK (strncmp (h.text, "x y /elsewhere|", 15) == 0);
    CHECK (strstr (h.text, "0 1 2 3 |") != NULL); /* 3 is the folder that ls reads */
}

static void signals_are_as_at_home (void)
{
    struct heard h;
    char end[32];
    sigset_t all, old;
    sigfillset (&all);
    sigprocmask (SIG_BLOCK, &all, &old);
    run ("kill -TERM $$; sleep 100", nothing, &h, end);
    sigprocmask (SIG_SETMASK, &old, NULL);
    CHECK (strcmp (end, "signal 15") == 0);
}

static void long_lines_are_cut_and_floods_do_not_stop_us (void)
{
    struct heard h;
    char end[32];
    run ("head -c 1000 /dev/zero | tr '\\0' x; echo; yes | head -c 300000", nothing, &h, end);
    CHECK (h.longest == 400 && h.lines == 3 + 150000);
}

static void the_last_lines_are_kept (void)
{
    struct heard h = {.lines = 0};
    external_process *p = given ("seq 1 20", nothing);
    for (int ms = 0; ms < PATIENCE_MS && external_process_poll (p, hear, &h); ms += 2)
        a_little ();
    CHECK (strcmp (external_process_said (p, 0), "20") == 0);
    CHECK (strcmp (external_process_said (p, 7), "13") == 0 && !external_process_said (p, 8));
    external_process_stop (p, 0);
}

static bool is_gone (pid_t pid)
{
    for (int ms = 0; ms < PATIENCE_MS; ms += 2) {
        if (kill (pid, 0) != 0 && errno == ESRCH)
            return true;
        a_little ();
    }
    return false;
}

static void what_it_started_ends_with_it (void)
{
    struct heard h = {.lines = 0};
    external_process *p = given ("trap '' TERM; sleep 1000 & echo $!; wait; wait", nothing);
    pid_t child;
    for (int ms = 0; ms < PATIENCE_MS && h.lines == 0; ms += 2) {
        (void)external_process_poll (p, hear, &h);
        a_little ();
    }
    child = (pid_t)atol (h.text);
    CU_ASSERT_FATAL (child > 1);
    external_process_stop (p, 20);
    CHECK (is_gone (child) || waitpid (child, NULL, WNOHANG) == child);
}

/* The worker is a child of ours, killed hard: its program must not outlive it. */
static void it_dies_with_the_worker (void)
{
    int report[2];
    long program = 0;
    pid_t worker;
    CU_ASSERT_FATAL (pipe (report) == 0);
    worker = fork ();
    if (worker == 0) {
        external_process *p = NULL;
        esp_error error = {0};
        if (external_process_start ("sleep 1000", nothing, &p, &error) == ESP_OK)
            program = external_process_id (p);
        if (write (report[1], &program, sizeof (program)) < 0)
            _exit (1);
        pause ();
        _exit (0);
    }
    CHECK (read (report[0], &program, sizeof (program)) == (ssize_t)sizeof (program));
    CU_ASSERT_FATAL (program > 1);
    kill (worker, SIGKILL);
    waitpid (worker, NULL, 0);
    CHECK (is_gone ((pid_t)program));
    close (report[0]);
    close (report[1]);
}

static void what_cannot_be_started_is_said (void)
{
    external_process *p = NULL;
    esp_error error = {0};
    FAILS (external_process_start ("/no/such/program x", nothing, &p, &error), ESP_ENOENT);
    CHECK (strstr (error.text, "/no/such/program") && !p);
    FAILS (external_process_start ("/dev/null", nothing, &p, &error), ESP_EPERMISSION);
    FAILS (external_process_start ("", nothing, &p, &error), ESP_EINVAL);
    external_process_stop (NULL, 0);
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 20; n++) {
        external_process *p = NULL;
        esp_error error = {0};
        esp_alloc_fail_after (n);
        err = external_process_start ("true", nothing, &p, &error);
        esp_alloc_fail_after (-1);
        external_process_stop (p, 0);
        CHECK (esp_alloc_live () == 0);
    }
    CHECK (err == ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"lines and status come", lines_and_status_come},
        {"a plain command needs no shell and another one has it",
         a_plain_command_needs_no_shell_and_another_one_has_it},
        {"it gets its variables, no input and no descriptors",
         it_gets_its_variables_no_input_and_no_descriptors},
        {"signals are as at home", signals_are_as_at_home},
        {"long lines are cut and floods do not stop us",
         long_lines_are_cut_and_floods_do_not_stop_us},
        {"the last lines are kept", the_last_lines_are_kept},
        {"what it started ends with it", what_it_started_ends_with_it},
        {"it dies with the worker", it_dies_with_the_worker},
        {"what cannot be started is said", what_cannot_be_started_is_said},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("external_process", cases);
}
