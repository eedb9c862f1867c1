/* SPDX-License-Identifier: Apache-2.0 */
/* test_sse.c - what worker/http/sse.h promises */

#include "worker/http/sse.h"
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

static sse *given_sse (void)
{
    sse *s = NULL;
    PASS (sse_create (1000, &s));
    return s;
}

/* Each event as "name=data;" behind what is in out. */
static esp_err take_all (sse *s, char *out, size_t size)
{
    span name, data;
    esp_err err;
    while ((err = sse_next (s, &name, &data)) == ESP_OK)
        snprintf (out + strlen (out), size - strlen (out), "%.*s=%.*s;", (int)name.len, name.ptr,
                  (int)data.len, data.ptr);
    return err;
}

/* The events of a text that comes in pieces of so many bytes. */
static enum sse_end read_in_pieces (const char *text, size_t piece, char *out, size_t size)
{
    sse *s = given_sse ();
    enum sse_end end;
    out[0] = 0;
    for (size_t at = 0, n; at < strlen (text); at += n) {
        n = strlen (text) - at < piece ? strlen (text) - at : piece;
        PASS (sse_push (s, span_make (text + at, n)));
        CHECK (take_all (s, out, size) == ESP_EEMPTY);
    }
    end = sse_finish (s);
    sse_destroy (s);
    return end;
}

static void becomes (const char *text, const char *events, enum sse_end end)
{
    char out[256];
    for (size_t piece = 1; piece <= strlen (text) + 1; piece++) {
        CHECK (read_in_pieces (text, piece, out, sizeof (out)) == end);
        CHECK (strcmp (out, events) == 0);
    }
}

static void bad_calls_change_nothing (void)
{
    sse *s = NULL;
    FAILS (sse_create (1000, NULL), ESP_EINVAL);
    FAILS (sse_create (0, &s), ESP_EINVAL);
    CHECK (s == NULL);
    sse_destroy (NULL);
}

static void events_are_the_same_however_the_bytes_are_cut (void)
{
    becomes ("data: {\"a\":1}\n\ndata: zwei \xC3\xA4\n\ndata: [DONE]\n\n",
             "={\"a\":1};=zwei \xC3\xA4;", SSE_MARKED);
}

static void line_ends_of_all_three_kinds_are_known (void)
{
    becomes ("data: a\r\n\r\ndata: b\r\rdata: c\n\r\ndata: [DONE]\r\n\r\n", "=a;=b;=c;",
             SSE_MARKED);
}

static void comments_and_unknown_fields_are_passed_over (void)
{
    becomes (": ping\n\nid: 7\nretry: 5\ndata: a\n: pong\n\nnonsense\n\n:\n", "=a;", SSE_UNMARKED);
}

static void several_data_lines_are_joined (void)
{
    becomes ("data: a\ndata:b\ndata\ndata:  c\n\n", "=a\nb\n\n c;", SSE_UNMARKED);
}

static void an_event_has_its_name (void)
{
    becomes ("event: error\ndata: x\n\ndata: y\n\n", "error=x;=y;", SSE_UNMARKED);
}

static void empty_data_is_no_event (void)
{
    becomes ("data:\n\ndata: \n\nevent: x\n\n\n\ndata: a\n\n", "=a;", SSE_UNMARKED);
}

static void a_byte_order_mark_is_passed_over (void)
{
    becomes ("\xEF\xBB\xBF"
             "data: a\n\n",
             "=a;", SSE_UNMARKED);
}

static void after_done_nothing_counts (void)
{
    becomes ("data: a\n\ndata: [DONE]\n\ndata: b\n\n", "=a;", SSE_MARKED);
}

static void done_needs_no_empty_line_behind_it (void)
{
    becomes ("data: a\n\ndata: [DONE]\n", "=a;", SSE_MARKED);
    becomes ("data: a\n\ndata: [DONE]", "=a;", SSE_MARKED);
}

static void an_end_inside_an_event_is_told (void)
{
    becomes ("data: a\n\ndata: b\n", "=a;", SSE_CUT);
    becomes ("data: a\n\ndata: {\"b", "=a;", SSE_CUT);
    becomes ("data: a\n", "", SSE_CUT);
    becomes ("data: a\n\n", "=a;", SSE_UNMARKED);
    becomes ("", "", SSE_UNMARKED);
}

static void an_event_over_the_limit_is_refused_until_reset (void)
{
    const char *line = "data: 0123456789012345678901234567890123456789\n";
    char out[256] = "";
    sse *s = given_sse ();
    esp_err err = ESP_EEMPTY;
    for (int i = 0; i < 100 && err == ESP_EEMPTY; i++) {
        PASS (sse_push (s, span_of (line)));
        err = take_all (s, out, sizeof (out));
    }
    CHECK (err == ESP_ETOOBIG && sse_finish (s) == SSE_CUT);
    FAILS (sse_push (s, span_of ("\n")), ESP_ETOOBIG);
    sse_reset (s);
    PASS (sse_push (s, span_of ("data: a\n\n")));
    CHECK (take_all (s, out, sizeof (out)) == ESP_EEMPTY && strcmp (out, "=a;") == 0);
    sse_destroy (s);
}

static void a_line_that_never_ends_is_refused (void)
{
    char out[64] = "";
    sse *s = given_sse ();
    esp_err err = ESP_EEMPTY;
    for (int i = 0; i < 2000 && err == ESP_EEMPTY; i++) {
        PASS (sse_push (s, span_of ("x")));
        err = take_all (s, out, sizeof (out));
    }
    CHECK (err == ESP_ETOOBIG);
    sse_destroy (s);
}

static esp_err whole_scenario (void)
{
    sse *s = NULL;
    span name, data;
    esp_err err = sse_create (1000, &s);
    if (err == ESP_OK)
        err = sse_push (s, span_of ("event: e\ndata: a\ndata: b\n\n"));
    if (err == ESP_OK)
        err = sse_next (s, &name, &data);
    if (err == ESP_OK)
        CHECK (span_is (data, "a\nb") && span_is (name, "e"));
    else if (s)
        CHECK (sse_next (s, &name, &data) == ESP_ENOMEM);
    sse_destroy (s);
    return err;
}

static void survives_failure_of_every_allocation (void)
{
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 100; n++) {
        esp_alloc_fail_after (n);
        err = whole_scenario ();
        esp_alloc_fail_after (-1);
        CHECK (esp_alloc_live () == 0);
    }
    CHECK (err == ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls change nothing", bad_calls_change_nothing},
        {"events are the same however the bytes are cut",
         events_are_the_same_however_the_bytes_are_cut},
        {"line ends of all three kinds are known", line_ends_of_all_three_kinds_are_known},
        {"comments and unknown fields are passed over",
         comments_and_unknown_fields_are_passed_over},
        {"several data lines are joined", several_data_lines_are_joined},
        {"an event has its name", an_event_has_its_name},
        {"empty data is no event", empty_data_is_no_event},
        {"a byte order mark is passed over", a_byte_order_mark_is_passed_over},
        {"after [DONE] nothing counts", after_done_nothing_counts},
        {"[DONE] needs no empty line behind it", done_needs_no_empty_line_behind_it},
        {"an end inside an event is told", an_end_inside_an_event_is_told},
        {"an event over the limit is refused until reset",
         an_event_over_the_limit_is_refused_until_reset},
        {"a line that never ends is refused", a_line_that_never_ends_is_refused},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("sse", cases);
}
