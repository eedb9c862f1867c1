/* SPDX-License-Identifier: Apache-2.0 */
/* test_http_faults.c - what worker/http/http.h promises, with servers that break the rules
 *
 * Time-outs are made to pass by putting the pool's clock forward: no case waits for one.
 */

// LINK: esp_test_servers

#include "worker/http/http.h"
#include <stdlib.h>
#include "tests/unit/worker/http/http_kit.h"

#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"

struct script { /* the reply to request i; the last one again for those behind it */
    unsigned count;
    raw_reply replies[4];
};

static void play (void *ctx, span request, unsigned number, raw_reply *reply)
{
    const struct script *s = ctx;
    (void)request;
    *reply = s->replies[number < s->count ? number : s->count - 1];
}

static raw_reply say (const char *bytes, enum raw_then then)
{
    return (raw_reply){.bytes = span_of (bytes), .then = then};
}

/* One request to a server that always does the same. */
static void ask_one (const raw_reply *reply, struct got *g, http_call call)
{
    struct script script = {1, {*reply}};
    raw_server *s = raw_server_start (play, &script);
    struct kit k;
    kit_open (&k, NULL);
    call.server = raw_server_url (s);
    kit_ask (&k, g, call);
    kit_close (&k);
    raw_server_stop (s);
}

static void half_a_body_is_told (void)
{
    raw_reply half =
        say ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"text\":\"ha", RAW_CLOSE);
    struct got g;
    ask_one (&half, &g, (http_call){0});
    CHECK (g.fault == HTTP_CLOSED_EARLY && g.code == ESP_EPEER && g.status == 200);
    CHECK (strcmp (g.body, "{\"text\":\"ha") == 0 && says (g.text, "after 11 bytes"));
    half =
        say ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nhalf a chunk", RAW_CLOSE);
    ask_one (&half, &g, (http_call){.chunk = kit_chunk});
    CHECK (g.fault == HTTP_CLOSED_EARLY && strcmp (g.streamed, "half a chunk") == 0);
    half = say ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", RAW_CLOSE);
    ask_one (&half, &g, (http_call){0});
    CHECK (g.fault == HTTP_CLOSED_EARLY); /* the chunk is whole, the answer is not */
}

static void a_reset_is_told (void)
{
    raw_reply reset = say ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", RAW_RESET);
    struct got g;
    ask_one (&reset, &g, (http_call){0});
    CHECK (g.fault == HTTP_CLOSED_EARLY && g.code == ESP_EPEER);
    reset.bytes.len = 0;
    ask_one (&reset, &g, (http_call){0});
    CHECK (g.fault == HTTP_CLOSED_EARLY && g.status == 0);
}

static void a_length_that_is_too_small_cuts_the_body_only (void)
{
    struct script script = {
        2,
        {say ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwholesome", RAW_KEEP),
         say (GOOD, RAW_KEEP)}};
    raw_server *s = raw_server_start (play, &script);
    struct kit k;
    struct got g;
    kit_open (&k, NULL);
    kit_ask (&k, &g, (http_call){.server = raw_server_url (s)});
    CHECK (g.fault == HTTP_FINE && strcmp (g.body, "whol") == 0);
    kit_ask (&k, &g, (http_call){.server = raw_server_url (s)});
    CHECK (g.fault == HTTP_FINE && strcmp (g.body, "ok") == 0); /* the rest is not its answer */
    kit_close (&k);
    raw_server_stop (s);
}

static void what_is_not_http_is_told (void)
{
    static const char *const bytes[] = {"SSH-2.0-OpenSSH_9.2\r\n", "\x15\x03\x01\x02\x02\x50",
                                        "<html>wrong</html>", "HTTP/9.9.9 200 OK\r\n\r\n",
                                        "\r\n\r\n\r\n"};
    for (size_t i = 0; i < sizeof (bytes) / sizeof (*bytes); i++) {
        raw_reply reply = say (bytes[i], RAW_CLOSE);
        struct got g;
        ask_one (&reply, &g, (http_call){0});
        CHECK (g.fault == HTTP_GARBAGE && g.code == ESP_EFORMAT && says (g.text, "not valid HTTP"));
    }
}

static void broken_headers_harm_nobody (void)
{
    static const char *const bytes[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx",
        "HTTP/1.1 999 \x80\xff\r\n: nothing\r\nRetry-After: soon\r\n\r\n",
        "HTTP/1.1 307 Go\r\nLocation: \x01http://\xff@@??\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nnot gzip",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200"};
    for (size_t i = 0; i < sizeof (bytes) / sizeof (*bytes); i++) {
        raw_reply reply = say (bytes[i], RAW_CLOSE);
        struct got g;
        ask_one (&reply, &g, (http_call){.limits.answer_bytes = 1000});
        CHECK (g.fault != HTTP_FINE || g.status == 999 || g.status == 307);
        CHECK (g.fault == HTTP_FINE || g.text[0]);
    }
}

static void endless_headers_are_cut_off (void)
{
    esp_buf bytes = {0};
    raw_reply reply = {.then = RAW_CLOSE};
    struct got g;
    PASS (esp_buf_puts (&bytes, "HTTP/1.1 200 OK\r\n"));
    for (int i = 0; i < 5000; i++)
        PASS (esp_buf_puts (&bytes, "X-Filler: a header that says nothing\r\n"));
    reply.bytes = esp_buf_span (&bytes);
    ask_one (&reply, &g, (http_call){0});
    CHECK (g.fault == HTTP_TOO_BIG && g.code == ESP_ETOOBIG);
    esp_buf_free (&bytes);
}

static void an_answer_may_come_drop_by_drop (void)
{
    raw_reply slow = say (GOOD, RAW_CLOSE);
    struct got g;
    slow.piece = 1;
    slow.pause_ms = 1;
    ask_one (&slow, &g, (http_call){0});
    CHECK (g.fault == HTTP_FINE && strcmp (g.body, "ok") == 0);
}

static void a_body_without_length_ends_with_the_connection (void)
{
    raw_reply reply = say ("HTTP/1.0 200 OK\r\n\r\nall of it", RAW_CLOSE);
    struct got g;
    ask_one (&reply, &g, (http_call){0});
    CHECK (g.fault == HTTP_FINE && strcmp (g.body, "all of it") == 0);
}

/* ---- silence ---- */

/* Start one, wait until the server is silent, put the clock forward by ms. */
static void
time_out (const raw_reply *reply, struct got *g, http_call call, uint64_t first_ms, uint64_t ms)
{
    struct script script = {1, {*reply}};
    raw_server *s = raw_server_start (play, &script);
    struct kit k;
    kit_open (&k, NULL);
    call.server = raw_server_url (s);
    kit_start (&k, g, call);
    for (uint64_t since = kit_now (&k);
         patient (&k, since) && (raw_server_requests (s) == 0 || (call.chunk && g->chunks == 0));)
        http_wait (k.pool, 10);
    k.ahead_ns += first_ms * 1000000;
    http_poll (k.pool);
    CHECK (g->calls == 0);
    k.ahead_ns += (ms - first_ms) * 1000000;
    kit_until (&k, &g->calls, 1);
    CHECK (g->code == ESP_ETIMEOUT && raw_server_gone (s, 1)); /* the server sees it */
    kit_close (&k);
    raw_server_stop (s);
}

static void silence_before_the_answer_has_its_limit (void)
{
    raw_reply stall = say ("", RAW_STALL);
    struct got g;
    time_out (&stall, &g, (http_call){.limits = {.connect_ms = 1000, .first_byte_ms = 50000}},
              40000, 51000);
    CHECK (g.fault == HTTP_TIMEOUT_FIRST_BYTE && says (g.text, "within 50000 ms"));
}

static void silence_inside_the_answer_has_its_limit (void)
{
    raw_reply stall = say (HEAD "\r\ndata: 1\n\n", RAW_STALL);
    struct got g;
    time_out (&stall, &g,
              (http_call){.chunk = kit_chunk, .limits = {.first_byte_ms = 1000, .idle_ms = 50000}},
              40000, 51000);
    CHECK (g.fault == HTTP_TIMEOUT_IDLE && g.status == 200 && says (g.text, "after 9 bytes"));
}

static void silence_inside_the_headers_has_its_limit (void)
{
    raw_reply stall = say ("HTTP/1.1 200 OK\r\nContent-Le", RAW_STALL);
    struct got g;
    time_out (&stall, &g, (http_call){.limits = {.first_byte_ms = 50000, .idle_ms = 50000}}, 0,
              51000);
    CHECK (g.fault == HTTP_TIMEOUT_IDLE ||
           g.fault == HTTP_TIMEOUT_FIRST_BYTE); /* if the line was not read yet */
}

static void the_whole_exchange_has_its_limit (void)
{
    raw_reply stall = say (HEAD "\r\ndata: 1\n\n", RAW_STALL);
    struct got g;
    time_out (&stall, &g, (http_call){.chunk = kit_chunk, .limits = {.total_ms = 50000}}, 40000,
              51000);
    CHECK (g.fault == HTTP_TIMEOUT_TOTAL && says (g.text, "50000 ms"));
}

/* The server takes the connection and waits for a request, the client for its part of TLS. */
static void a_connection_that_is_not_made_has_its_limit (void)
{
    struct script script = {1, {say (GOOD, RAW_CLOSE)}};
    raw_server *s = raw_server_start (play, &script);
    struct kit k;
    struct got g;
    char url[64];
    snprintf (url, sizeof (url), "https%s", raw_server_url (s) + 4);
    kit_open (&k, NULL);
    kit_start (&k, &g,
               (http_call){.server = url, .limits = {.connect_ms = 50000, .first_byte_ms = 1}});
    for (uint64_t since = kit_now (&k); patient (&k, since) && raw_server_connections (s) == 0;)
        http_wait (k.pool, 10);
    k.ahead_ns += UINT64_C (40000) * 1000000;
    http_poll (k.pool);
    CHECK (g.calls == 0);
    k.ahead_ns += UINT64_C (11000) * 1000000;
    kit_until (&k, &g.calls, 1);
    CHECK (g.fault == HTTP_TIMEOUT_CONNECT && g.code == ESP_ETIMEOUT);
    CHECK (says (g.text, "no connection within 50000 ms"));
    kit_close (&k);
    raw_server_stop (s);
}

static void a_long_silence_wakes_the_descriptor (void)
{
    raw_reply stall = say ("", RAW_STALL);
    struct got g; /* real time: a loop that sleeps on the descriptor alone must come back */
    ask_one (&stall, &g,
             (http_call){.limits = {.first_byte_ms = 30, .idle_ms = 30, .total_ms = 60}});
    CHECK (g.fault == HTTP_TIMEOUT_FIRST_BYTE);
}

/* ---- connections that die ---- */

static void reuse (enum raw_then death, unsigned waits_for_close)
{
    struct script script = {3,
                            {say (GOOD, waits_for_close ? RAW_CLOSE : RAW_KEEP), say ("", death),
                             say (GOOD, RAW_KEEP)}};
    raw_server *s = raw_server_start (play, &script);
    struct kit k;
    struct got g;
    if (waits_for_close)
        script.replies[1] = script.replies[2];
    kit_open (&k, NULL);
    kit_ask (&k, &g, (http_call){.server = raw_server_url (s), .body = span_of ("{\"n\":1}")});
    CHECK (g.fault == HTTP_FINE);
    kit_ask (&k, &g, (http_call){.server = raw_server_url (s), .body = span_of ("{\"n\":1}")});
    CHECK (g.fault == HTTP_FINE && strcmp (g.body, "ok") == 0 && raw_server_connections (s) == 2);
    CHECK (raw_server_requests (s) == (waits_for_close ? 2 : 3));
    kit_close (&k);
    raw_server_stop (s);
}

static void a_kept_connection_that_was_closed_is_replaced (void)
{
    reuse (RAW_CLOSE, 1); /* closed while idle */
    reuse (RAW_CLOSE, 0); /* closed when the next request came */
    reuse (RAW_RESET, 0);
}

static void a_fresh_connection_that_dies_is_no_second_chance (void)
{
    raw_reply reply = say ("", RAW_CLOSE);
    struct script script = {1, {reply}};
    raw_server *s = raw_server_start (play, &script);
    struct kit k;
    struct got g;
    kit_open (&k, NULL);
    kit_ask (&k, &g, (http_call){.server = raw_server_url (s)});
    CHECK (g.fault == HTTP_CLOSED_EARLY && raw_server_requests (s) == 1);
    kit_close (&k);
    raw_server_stop (s);
}

static void a_request_that_kills_every_connection_ends (void)
{
    struct script script = {2, {say (GOOD, RAW_KEEP), say ("", RAW_RESET)}};
    raw_server *s = raw_server_start (play, &script);
    struct kit k;
    struct got g;
    kit_open (&k, NULL);
    kit_ask (&k, &g, (http_call){.server = raw_server_url (s)});
    kit_ask (&k, &g, (http_call){.server = raw_server_url (s)});
    CHECK (g.fault == HTTP_CLOSED_EARLY && raw_server_requests (s) == 3);
    kit_close (&k);
    raw_server_stop (s);
}

static void a_connection_that_died_inside_an_answer_is_not_tried_again (void)
{
    struct script script = {2, {say (GOOD, RAW_KEEP), say ("HTTP/1.1 200 OK\r\n", RAW_CLOSE)}};
    raw_server *s = raw_server_start (play, &script);
    struct kit k;
    struct got g;
    kit_open (&k, NULL);
    kit_ask (&k, &g, (http_call){.server = raw_server_url (s)});
    kit_ask (&k, &g, (http_call){.server = raw_server_url (s)});
    CHECK (g.fault == HTTP_CLOSED_EARLY && raw_server_requests (s) == 2);
    kit_close (&k);
    raw_server_stop (s);
}

/* ---- cancel ---- */

static void cancel_is_seen_by_the_server (void)
{
    struct script script = {1, {say ("", RAW_STALL)}};
    raw_server *s = raw_server_start (play, &script);
    struct kit k;
    struct got g;
    kit_open (&k, NULL);
    kit_start (&k, &g, (http_call){.server = raw_server_url (s)});
    for (int i = 0; i < 1000 && raw_server_requests (s) == 0; i++)
        http_wait (k.pool, 10);
    CHECK (http_in_flight (k.pool) == 1);
    http_cancel (g.request);
    CHECK (http_in_flight (k.pool) == 0 && raw_server_gone (s, 1));
    http_wait (k.pool, 20);
    CHECK (g.calls == 0);
    kit_close (&k);
    raw_server_stop (s);
}

static void cancel_inside_a_chunk_is_seen_too (void)
{
    struct script script = {1, {say (HEAD "\r\ndata: 1\n\n", RAW_STALL)}};
    raw_server *s = raw_server_start (play, &script);
    struct kit k;
    struct got g;
    kit_open (&k, NULL);
    kit_start (&k, &g, (http_call){.server = raw_server_url (s), .chunk = kit_chunk});
    g.cancel_in_chunk = true;
    kit_until (&k, &g.chunks, 1);
    CHECK (strcmp (g.streamed, "data: 1\n\n") == 0 && http_in_flight (k.pool) == 0);
    CHECK (raw_server_gone (s, 1) && g.calls == 0);
    kit_close (&k);
    raw_server_stop (s);
}

static void cancel_before_anything_happened_asks_nobody (void)
{
    struct script script = {1, {say (GOOD, RAW_KEEP)}};
    raw_server *s = raw_server_start (play, &script);
    struct kit k;
    struct got g[2];
    kit_open (&k, NULL);
    kit_start (&k, &g[0], (http_call){.server = raw_server_url (s)});
    kit_start (&k, &g[1], (http_call){.server = "nonsense"});
    http_cancel (g[0].request);
    http_cancel (g[1].request);
    http_wait (k.pool, 20);
    CHECK (g[0].calls == 0 && g[1].calls == 0 && raw_server_requests (s) == 0);
    kit_close (&k);
    raw_server_stop (s);
}

static void chunks_come_as_they_are_sent (void)
{
    struct script script = {1,
                            {{.bytes = span_of (HEAD "\r\ndata: 1\n\ndata: 2\n\n"),
                              .piece = 7,
                              .pause_ms = 2,
                              .then = RAW_CLOSE}}};
    raw_server *s = raw_server_start (play, &script);
    struct kit k;
    struct got g;
    kit_open (&k, NULL);
    kit_ask (&k, &g, (http_call){.server = raw_server_url (s), .chunk = kit_chunk});
    CHECK (g.fault == HTTP_FINE && strcmp (g.streamed, "data: 1\n\ndata: 2\n\n") == 0 &&
           g.body_bytes == 0);
    CHECK (strcmp (g.type, "text/event-stream") == 0);
    kit_close (&k);
    raw_server_stop (s);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"half a body is told", half_a_body_is_told},
        {"a reset is told", a_reset_is_told},
        {"a length that is too small cuts the body only",
         a_length_that_is_too_small_cuts_the_body_only},
        {"what is not HTTP is told", what_is_not_http_is_told},
        {"broken headers harm nobody", broken_headers_harm_nobody},
        {"endless headers are cut off", endless_headers_are_cut_off},
        {"an answer may come drop by drop", an_answer_may_come_drop_by_drop},
        {"a body without length ends with the connection",
         a_body_without_length_ends_with_the_connection},
        {"silence before the answer has its limit", silence_before_the_answer_has_its_limit},
        {"silence inside the answer has its limit", silence_inside_the_answer_has_its_limit},
        {"silence inside the headers has its limit", silence_inside_the_headers_has_its_limit},
        {"the whole exchange has its limit", the_whole_exchange_has_its_limit},
        {"a connection that is not made has its limit",
         a_connection_that_is_not_made_has_its_limit},
        {"a long silence wakes the descriptor", a_long_silence_wakes_the_descriptor},
        {"a kept connection that was closed is replaced",
         a_kept_connection_that_was_closed_is_replaced},
        {"a fresh connection that dies is no second chance",
         a_fresh_connection_that_dies_is_no_second_chance},
        {"a request that kills every connection ends", a_request_that_kills_every_connection_ends},
        {"a connection that died inside an answer is not tried again",
         a_connection_that_died_inside_an_answer_is_not_tried_again},
        {"cancel is seen by the server", cancel_is_seen_by_the_server},
        {"cancel inside a chunk is seen too", cancel_inside_a_chunk_is_seen_too},
        {"cancel before anything happened asks nobody",
         cancel_before_anything_happened_asks_nobody},
        {"chunks come as they are sent", chunks_come_as_they_are_sent},
        {NULL, NULL},
    };
    return suite_main ("http faults", cases);
}
