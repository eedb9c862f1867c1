/* SPDX-License-Identifier: Apache-2.0 */
/* test_link_memory.c - what proto/link/link.h promises, kept by the in-process link */

#include "proto/link/link_memory.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

enum { RANKS = 3 };

static void given_network (link_end **ends)
{
    PASS (link_memory_open (RANKS, ends));
}

static void close_all (link_end **ends)
{
    for (int i = 0; i < RANKS; i++)
        link_close (ends[i], true);
}

static void bad_calls_are_refused (void)
{
    link_end *ends[RANKS] = {NULL};
    link_event event;
    FAILS (link_memory_open (0, ends), ESP_EINVAL);
    FAILS (link_memory_open (-1, ends), ESP_EINVAL);
    FAILS (link_memory_open (2, NULL), ESP_EINVAL);
    CHECK (ends[0] == NULL);
    given_network (ends);
    FAILS (link_send (NULL, 1, span_of ("a")), ESP_EINVAL);
    FAILS (link_send (ends[0], 0, span_of ("a")), ESP_EINVAL);
    FAILS (link_send (ends[0], -1, span_of ("a")), ESP_EINVAL);
    FAILS (link_send (ends[0], RANKS, span_of ("a")), ESP_EINVAL);
    FAILS (link_send (ends[0], 1, span_make (NULL, 1)), ESP_EINVAL);
    FAILS (link_send (ends[0], 1, span_make ("a", (size_t)LINK_MESSAGE_MAX + 1)), ESP_ETOOBIG);
    FAILS (link_poll (NULL, &event), ESP_EINVAL);
    FAILS (link_poll (ends[1], NULL), ESP_EINVAL);
    FAILS (link_poll (ends[1], &event), ESP_EEMPTY);
    CHECK (ends[0]->stats.sent_messages == 0 && ends[0]->stats.refused == 0);
    close_all (ends);
}

static void null_ends_do_nothing (void)
{
    link_wait (NULL, UINT64_MAX, NULL, 0);
    link_wake (NULL);
    CHECK (link_flushed (NULL));
    link_close (NULL, true);
}

static void ends_know_their_rank_and_say_what_they_are (void)
{
    link_end *ends[RANKS];
    given_network (ends);
    for (int i = 0; i < RANKS; i++) {
        CHECK (ends[i]->rank == i && ends[i]->size == RANKS && ends[i]->reports_deaths);
        CHECK (strlen (ends[i]->description) > 0);
    }
    close_all (ends);
}

static void messages_arrive_whole_and_in_order (void)
{
    link_end *ends[RANKS];
    link_event event;
    char text[300];
    given_network (ends);
    for (int i = 0; i < 300; i++) {
        memset (text, i, sizeof (text));
        PASS (link_send (ends[i % 2], 2, span_make (text, (size_t)i)));
    }
    CHECK (link_flushed (ends[0]));
    for (int i = 0; i < 300; i++) {
        PASS (link_poll (ends[2], &event));
        memset (text, i, sizeof (text));
        CHECK (event.kind == LINK_MESSAGE && event.rank == i % 2);
        CHECK (span_equal (event.bytes, span_make (text, (size_t)i)));
    }
    FAILS (link_poll (ends[2], &event), ESP_EEMPTY);
    CHECK (ends[0]->stats.sent_messages == 150 && ends[2]->stats.received_messages == 300);
    CHECK (ends[2]->stats.received_bytes == 299 * 300 / 2);
    CHECK (ends[0]->stats.sent_bytes + ends[1]->stats.sent_bytes == 299 * 300 / 2);
    close_all (ends);
}

static void a_full_queue_refuses_until_the_receiver_polls (void)
{
    link_end *ends[RANKS];
    link_event event;
    given_network (ends);
    for (int i = 0; i < LINK_QUEUE_MESSAGES; i++)
        PASS (link_send (ends[0], 1, span_of ("x")));
    FAILS (link_send (ends[0], 1, span_of ("x")), ESP_EFULL);
    CHECK (ends[0]->stats.refused == 1 && ends[0]->stats.sent_messages == LINK_QUEUE_MESSAGES);
    PASS (link_send (ends[0], 2, span_of ("x"))); /* the limit is of one peer */
    PASS (link_send (ends[2], 1, span_of ("x")));
    PASS (link_poll (ends[1], &event));
    PASS (link_send (ends[0], 1, span_of ("x")));
    close_all (ends);
}

static void the_queue_is_bounded_in_bytes_too (void)
{
    link_end *ends[RANKS];
    link_event event;
    size_t half = LINK_QUEUE_BYTES / 2;
    char *bytes = esp_calloc (1, (size_t)LINK_QUEUE_BYTES + 1);
    given_network (ends);
    PASS (link_send (ends[0], 1, span_make (bytes, half)));
    PASS (link_send (ends[0], 1, span_make (bytes, half)));
    FAILS (link_send (ends[0], 1, span_of ("x")), ESP_EFULL);
    PASS (link_poll (ends[1], &event));
    PASS (link_poll (ends[1], &event));
    PASS (link_send (ends[0], 1,
                     span_make (bytes, (size_t)LINK_QUEUE_BYTES + 1))); /* alone it may be larger */
    FAILS (link_send (ends[0], 1, span_of ("x")), ESP_EFULL);
    close_all (ends);
    esp_free (bytes);
}

static void a_closed_end_is_reported_once_after_its_last_words (void)
{
    link_end *ends[RANKS];
    link_event event;
    given_network (ends);
    PASS (link_send (ends[1], 0, span_of ("last words")));
    PASS (link_send (ends[0], 1, span_of ("never read")));
    link_close (ends[1], false);
    PASS (link_send (ends[0], 1, span_of ("goes nowhere")));
    PASS (link_poll (ends[0], &event));
    CHECK (event.kind == LINK_MESSAGE && span_is (event.bytes, "last words"));
    for (int i = 0; i < RANKS; i += 2) {
        PASS (link_poll (ends[i], &event));
        CHECK (event.kind == LINK_DOWN && event.rank == 1);
        FAILS (link_poll (ends[i], &event), ESP_EEMPTY);
    }
    link_close (ends[0], false);
    PASS (link_poll (ends[2], &event));
    CHECK (event.kind == LINK_DOWN && event.rank == 0);
    link_close (ends[2], true);
}

static void on_alarm (int number)
{
    (void)number;
}

static void *wake_later (void *end)
{
    usleep (20000);
    link_wake (end);
    return NULL;
}

/* Each wait would last until the suite's time limit if what is promised did not end it. */
static void waiting_ends_by_message_wake_descriptor_death_or_time (void)
{
    link_end *ends[RANKS];
    link_event event;
    pthread_t thread;
    int pipes[2];
    const uint64_t never = UINT64_MAX;
    given_network (ends);
    PASS (link_send (ends[0], 1, span_of ("x")));
    link_wait (ends[1], never, NULL, 0);
    link_wait (ends[2], never, NULL, 0); /* one thread has all ends: somebody has work */
    PASS (link_poll (ends[1], &event));
    link_wake (ends[1]);
    link_wait (ends[1], never, NULL, 0); /* a wake before the sleep is not lost */
    CHECK (pthread_create (&thread, NULL, wake_later, ends[1]) == 0);
    link_wait (ends[1], never, NULL, 0);
    pthread_join (thread, NULL);
    CHECK (pipe (pipes) == 0 && write (pipes[1], "x", 1) == 1);
    link_wait (ends[1], never, pipes, 1);
    link_wait (ends[1], 1000, NULL, 0);
    link_wait (ends[1], 0, NULL, 5); /* no descriptors whatever the count says */
    link_close (ends[2], false);
    link_wait (ends[1], never, NULL, 0);
    close (pipes[0]);
    close (pipes[1]);
    link_close (ends[0], true);
    link_close (ends[1], true);
}

static void a_signal_ends_the_wait (void)
{
    link_end *ends[RANKS];
    struct sigaction act = {.sa_handler = on_alarm}, old;
    given_network (ends);
    sigaction (SIGALRM, &act, &old);
    ualarm (20000, 0);
    link_wait (ends[0], UINT64_MAX, NULL, 0);
    sigaction (SIGALRM, &old, NULL);
    close_all (ends);
}

static void ten_thousand_ends_need_one_descriptor (void)
{
    enum { MANY = 10001 };
    link_end **ends = esp_calloc (MANY, sizeof (*ends));
    link_event event;
    PASS (link_memory_open (MANY, ends));
    for (int i = 1; i < MANY; i++)
        PASS (link_send (ends[i], 0, span_of ("ready")));
    for (int i = 1; i < MANY; i++)
        PASS (link_poll (ends[0], &event));
    CHECK (event.rank == MANY - 1);
    for (int i = 0; i < MANY; i++)
        link_close (ends[i], true);
    esp_free (ends);
}

static esp_err scenario (link_end **ends)
{
    link_event event;
    esp_err err = link_memory_open (RANKS, ends);
    int fds[40] = {0};
    if (err != ESP_OK)
        return err;
    link_wait (ends[0], 1000, fds, 0);
    link_wait (ends[0], 1000, fds, 40); /* out of memory: a short nap, no error */
    for (int i = 1; err == ESP_OK && i < RANKS; i++)
        err = link_send (ends[0], i, span_of ("some bytes"));
    if (err == ESP_OK)
        err = link_poll (ends[1], &event);
    close_all (ends);
    return err;
}

static void survives_failure_of_every_allocation (void)
{
    link_end *ends[RANKS];
    long live = esp_alloc_live ();
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 100; n++) {
        esp_alloc_fail_after (n);
        err = scenario (ends);
        esp_alloc_fail_after (-1);
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        CHECK (esp_alloc_live () == live);
    }
    CHECK (err == ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls are refused", bad_calls_are_refused},
        {"NULL ends do nothing", null_ends_do_nothing},
        {"ends know their rank and say what they are", ends_know_their_rank_and_say_what_they_are},
        {"messages arrive whole and in order", messages_arrive_whole_and_in_order},
        {"a full queue refuses until the receiver polls",
         a_full_queue_refuses_until_the_receiver_polls},
        {"the queue is bounded in bytes too", the_queue_is_bounded_in_bytes_too},
        {"a closed end is reported once, after its last words",
         a_closed_end_is_reported_once_after_its_last_words},
        {"waiting ends by message, wake, descriptor, death or time",
         waiting_ends_by_message_wake_descriptor_death_or_time},
        {"a signal ends the wait", a_signal_ends_the_wait},
        {"ten thousand ends need one descriptor", ten_thousand_ends_need_one_descriptor},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("link_memory", cases);
}
