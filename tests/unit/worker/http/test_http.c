/* SPDX-License-Identifier: Apache-2.0 */
/* test_http.c - what worker/http/http.h promises, with servers that keep to the rules */

// LINK: esp_test_servers PkgConfig::ZLIB

#include "worker/http/http.h"
#include <stdlib.h>
#include <zlib.h>
#include "tests/unit/worker/http/http_kit.h"

enum { BODY = 8192, BIG = 50 << 20 };

static char eight_kb[BODY], zipped[4096];
static size_t zipped_len;
static char *big;

static void zip (const char *text)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)text, .avail_in = (uInt)strlen (text)};
    z.next_out = (Bytef *)zipped;
    z.avail_out = sizeof (zipped);
    CHECK (deflateInit2 (&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    CHECK (deflate (&z, Z_FINISH) == Z_STREAM_END);
    zipped_len = z.total_out;
    deflateEnd (&z);
}

static void answer_echo (const http_asked *asked, http_reply *r)
{
    static char text[1024]; /* the server's thread only */
    const char *wanted[] = {"Authorization", "Content-Type", "Expect", "X-Request-Id",
                            "User-Agent"};
    const char *q = http_asked_query (asked, "q");
    int shown = asked->body.len < 100 ? (int)asked->body.len : 100;
    int len =
        snprintf (text, sizeof (text), "%s %s q=%s bytes=%zu body=%.*s", asked->method, asked->path,
                  q ? q : "-", asked->body.len, shown, shown ? asked->body.ptr : "");
    for (size_t i = 0; i < sizeof (wanted) / sizeof (*wanted); i++)
        len += snprintf (text + len, sizeof (text) - (size_t)len, "\n%s: %s", wanted[i],
                         http_asked_header (asked, wanted[i]) ? http_asked_header (asked, wanted[i])
                                                              : "-");
    r->body = span_make (text, (size_t)len);
}

static void answer (void *ctx, const http_asked *asked, http_reply *r)
{
    (void)ctx;
    r->headers[0][0] = "Content-Type";
    r->headers[0][1] = "application/json";
    r->body = span_of ("{}");
    if (strncmp (asked->path, "/echo", 5) == 0) {
        answer_echo (asked, r);
    } else if (strcmp (asked->path, "/zip") == 0) {
        r->headers[1][0] = "Content-Encoding";
        r->headers[1][1] = "gzip";
        r->body = span_make (zipped, zipped_len);
    } else if (strcmp (asked->path, "/chunked") == 0) {
        r->body = span_make (eight_kb, 300);
        r->chunked = true;
    } else if (strcmp (asked->path, "/8k") == 0) {
        r->body = span_make (eight_kb, BODY);
    } else if (strncmp (asked->path, "/big", 4) == 0) {
        r->body = span_make (big, BIG);
        r->chunked = strcmp (asked->path, "/bigchunked") == 0;
    } else if (strcmp (asked->path, "/busy") == 0) {
        r->status = 429;
        r->headers[1][0] = "Retry-After";
        r->headers[1][1] = "7";
        r->body = span_of ("{\"error\":\"slow down\"}");
    } else if (strcmp (asked->path, "/moved") == 0) {
        r->status = 307;
        r->headers[1][0] = "Location";
        r->headers[1][1] = "https://user:pw@elsewhere:8443/v1?key=geheim";
    }
}

static http_server *given_server (void)
{
    return http_server_start (&(http_server_setup){.answer = answer});
}

/* ---- bad calls ---- */

static void bad_calls_change_nothing (void)
{
    struct kit k;
    struct got g = {0};
    http_request *r = NULL;
    http_call call = {.server = "http://127.0.0.1:1", .done = kit_done, .ctx = &g};
    kit_open (&k, NULL);
    FAILS (http_create (NULL, &k.pool), ESP_EINVAL);
    FAILS (http_create (&(http_setup){0}, NULL), ESP_EINVAL);
    FAILS (http_start (NULL, &call, &r), ESP_EINVAL);
    FAILS (http_start (k.pool, NULL, &r), ESP_EINVAL);
    FAILS (http_start (k.pool, &call, NULL), ESP_EINVAL);
    call.done = NULL;
    FAILS (http_start (k.pool, &call, &r), ESP_EINVAL);
    call = (http_call){.done = kit_done};
    FAILS (http_start (k.pool, &call, &r), ESP_EINVAL);
    http_cancel (NULL);
    http_destroy (NULL);
    http_poll (k.pool);
    CHECK (r == NULL && http_in_flight (k.pool) == 0 && g.calls == 0);
    kit_close (&k);
}

static void a_server_is_checked_with_a_sentence (void)
{
    static const char *const good[] = {"http://localhost:8000", "https://h/v1?key=1",
                                       "HTTP://[::1]:80/", "unix:/run/x", "unix:///run/x"};
    static const char *const bad[] = {"",           "localhost:8000",     "ftp://h/",
                                      "http://",    "http://h:99999",     "http://a b/",
                                      "unix:run/x", "file:///etc/passwd", "http://h:port"};
    char path[200];
    esp_error error = {0};
    for (size_t i = 0; i < sizeof (good) / sizeof (*good); i++)
        PASS (http_check_server (good[i], &error));
    for (size_t i = 0; i < sizeof (bad) / sizeof (*bad); i++) {
        error.text[0] = 0;
        FAILS (http_check_server (bad[i], &error), ESP_EINVAL);
        CHECK (error.text[0] && says (error.text, bad[i]));
    }
    FAILS (http_check_server (NULL, &error), ESP_EINVAL);
    FAILS (http_check_server ("http://me:geheim@h:99999/?key=geheim", &error), ESP_EINVAL);
    CHECK (!says (error.text, "geheim"));
    memset (path, 'x', sizeof (path));
    memcpy (path, "unix:/", 6);
    path[sizeof (path) - 1] = 0;
    FAILS (http_check_server (path, &error), ESP_EINVAL);
    CHECK (says (error.text, "at most 107 bytes"));
}

static void a_bad_url_is_told_to_done (void)
{
    struct kit k;
    struct got g;
    kit_open (&k, NULL);
    kit_ask (&k, &g, (http_call){.server = "localhost:8000", .path = "/v1"});
    CHECK (g.fault == HTTP_BAD_URL && g.code == ESP_EINVAL && g.status == 0);
    CHECK (says (g.text, "localhost:8000") && says (g.text, "http://HOST:PORT"));
    kit_close (&k);
}

static void a_secret_with_a_line_break_is_refused_and_not_shown (void)
{
    static const char *const headers[] = {"X-A: b\r\nX-C: d", NULL};
    struct kit k;
    struct got g;
    kit_open (&k, NULL);
    kit_ask (&k, &g, (http_call){.server = "http://127.0.0.1:1", .secret = "geheim\nX: y"});
    CHECK (g.fault == HTTP_BAD_URL && !says (g.text, "geheim") && says (g.text, "line break"));
    kit_ask (&k, &g, (http_call){.server = "http://127.0.0.1:1", .headers = headers});
    CHECK (g.fault == HTTP_BAD_URL);
    kit_close (&k);
}

/* ---- good answers ---- */

static void an_answer_comes_whole (void)
{
    struct kit k;
    struct got g;
    http_server *s = given_server ();
    kit_open (&k, NULL);
    kit_ask (&k, &g, (http_call){.server = http_server_url (s), .path = "/8k"});
    CHECK (g.fault == HTTP_FINE && g.code == ESP_OK && g.status == 200 && g.body_bytes == BODY);
    CHECK (strcmp (g.type, "application/json") == 0 && g.text[0] == 0 && g.retry_after_s == 0);
    kit_close (&k);
    http_server_stop (s);
}

static void a_request_carries_what_the_call_says (void)
{
    static const char *const headers[] = {"X-Request-Id: t17", NULL};
    struct kit k;
    struct got g;
    http_server *s = given_server ();
    char body[] = "{\"n\":1}";
    kit_open (&k, NULL);
    kit_start (&k, &g,
               (http_call){.server = http_server_url (s),
                           .path = "/echo",
                           .headers = headers,
                           .secret = "geheim",
                           .body = span_of (body),
                           .copy_body = true});
    memset (body, 'x', sizeof (body)); /* it was copied */
    kit_until (&k, &g.calls, 1);
    CHECK (says (g.body, "POST /echo q=- bytes=7 body={\"n\":1}") &&
           says (g.body, "Authorization: Bearer geheim"));
    CHECK (says (g.body, "Content-Type: application/json") && says (g.body, "Expect: -"));
    CHECK (says (g.body, "X-Request-Id: t17") && says (g.body, "User-Agent: espalier/"));
    kit_ask (&k, &g, (http_call){.server = http_server_url (s), .path = "/echo"});
    CHECK (says (g.body, "GET /echo q=- bytes=0 body=\n") && says (g.body, "Authorization: -") &&
           says (g.body, "Type: -"));
    kit_close (&k);
    http_server_stop (s);
}

static void a_large_body_is_sent_whole_and_without_expect (void)
{
    struct kit k;
    struct got g;
    http_server *s = given_server ();
    char *body = malloc (BIG);
    memset (body, 'x', BIG);
    kit_open (&k, NULL);
    kit_ask (&k, &g,
             (http_call){.server = http_server_url (s),
                         .path = "/echo",
                         .body = span_make (body, 3 << 20)});
    CHECK (g.fault == HTTP_FINE && says (g.body, "bytes=3145728 body=xxx"));
    kit_close (&k);
    http_server_stop (s);
    free (body);
}

static void paths_go_behind_the_servers_own (void)
{
    struct kit k;
    struct got g;
    char server[128];
    http_server *s = given_server ();
    kit_open (&k, NULL);
    snprintf (server, sizeof (server), "%s/echo/api/?q=1", http_server_url (s));
    kit_ask (&k, &g, (http_call){.server = server, .path = "/v1/models"});
    CHECK (says (g.body, "GET /echo/api/v1/models q=1 "));
    kit_ask (&k, &g, (http_call){.server = server});
    CHECK (says (g.body, "GET /echo/api/ q=1 "));
    snprintf (server, sizeof (server), "%s/", http_server_url (s));
    kit_ask (&k, &g, (http_call){.server = server, .path = "/echo/slots/0?q=save"});
    CHECK (says (g.body, "GET /echo/slots/0 q=save "));
    kit_close (&k);
    http_server_stop (s);
}

static void gzip_is_undone (void)
{
    struct kit k;
    struct got g;
    http_server *s = given_server ();
    zip ("{\"text\":\"unzipped\"}");
    kit_open (&k, NULL);
    kit_ask (&k, &g, (http_call){.server = http_server_url (s), .path = "/zip"});
    CHECK (g.fault == HTTP_FINE && strcmp (g.body, "{\"text\":\"unzipped\"}") == 0);
    kit_close (&k);
    http_server_stop (s);
}

static void damaged_gzip_is_told (void)
{
    struct kit k;
    struct got g;
    http_server *s = given_server ();
    zip ("{\"text\":\"unzipped\"}");
    memset (zipped + 12, 0xff, 8);
    kit_open (&k, NULL);
    kit_ask (&k, &g, (http_call){.server = http_server_url (s), .path = "/zip"});
    CHECK (g.fault == HTTP_GARBAGE && g.code == ESP_EFORMAT);
    kit_close (&k);
    http_server_stop (s);
}

static void a_bomb_of_gzip_stops_at_the_limit (void)
{
    struct kit k;
    struct got g;
    char *zeros = calloc (1, (1 << 20) + 1);
    http_server *s = given_server ();
    memset (zeros, '0', 1 << 20);
    zip (zeros);
    kit_open (&k, NULL);
    kit_ask (
        &k, &g,
        (http_call){.server = http_server_url (s), .path = "/zip", .limits.answer_bytes = 100000});
    CHECK (zipped_len < 4096 && g.fault == HTTP_TOO_BIG && g.body_bytes <= 100000);
    kit_close (&k);
    http_server_stop (s);
    free (zeros);
}

static void chunked_answers_are_read_and_streamed (void)
{
    struct kit k;
    struct got g;
    http_server *s = given_server ();
    kit_open (&k, NULL);
    kit_ask (&k, &g, (http_call){.server = http_server_url (s), .path = "/chunked"});
    CHECK (g.fault == HTTP_FINE && g.body_bytes == 300 && memcmp (g.body, eight_kb, 300) == 0);
    kit_ask (&k, &g,
             (http_call){.server = http_server_url (s), .path = "/chunked", .chunk = kit_chunk});
    CHECK (g.fault == HTTP_FINE && g.body_bytes == 0 && g.chunks >= 1 &&
           memcmp (g.streamed, eight_kb, 300) == 0);
    kit_close (&k);
    http_server_stop (s);
}

/* ---- answers that are no success ---- */

static void a_busy_server_says_when_to_come_back (void)
{
    struct kit k;
    struct got g;
    http_server *s = given_server ();
    kit_open (&k, NULL);
    kit_ask (&k, &g,
             (http_call){.server = http_server_url (s), .path = "/busy", .chunk = kit_chunk});
    CHECK (g.fault == HTTP_FINE && g.status == 429 && g.retry_after_s == 7 &&
           says (g.text, "status 429"));
    CHECK (g.chunks == 0 && says (g.body, "slow down")); /* an error is kept whole for done */
    kit_ask (&k, &g, (http_call){.server = http_server_url (s), .path = "/8k"});
    CHECK (g.retry_after_s == 0 && g.status == 200); /* nothing is left of the one before */
    kit_close (&k);
    http_server_stop (s);
}

static void a_redirect_is_told_not_followed (void)
{
    struct kit k;
    struct got g;
    http_server *s = given_server ();
    kit_open (&k, NULL);
    kit_ask (&k, &g,
             (http_call){.server = http_server_url (s), .path = "/moved", .secret = "geheim"});
    CHECK (g.fault == HTTP_REDIRECT && g.status == 307 && http_server_requests (s) == 1);
    CHECK (says (g.text, "https://elsewhere:8443/v1") && !says (g.text, "geheim") &&
           !says (g.text, "pw"));
    kit_close (&k);
    http_server_stop (s);
}

static void an_answer_over_the_limit_is_cut_off (void)
{
    static const char *const paths[] = {"/big", "/bigchunked"};
    struct kit k;
    struct got g;
    http_server *s = given_server ();
    big = malloc (BIG);
    memset (big, 'b', BIG);
    kit_open (&k, NULL);
    for (int i = 0; i < 2; i++) {
        kit_ask (&k, &g,
                 (http_call){.server = http_server_url (s),
                             .path = paths[i],
                             .limits.answer_bytes = 1 << 20});
        CHECK (g.fault == HTTP_TOO_BIG && g.code == ESP_ETOOBIG && g.body_bytes <= 1 << 20);
        CHECK (says (g.text, "larger than 1048576 bytes"));
    }
    kit_ask (&k, &g, (http_call){.server = http_server_url (s), .path = "/big"});
    CHECK (g.fault == HTTP_FINE && g.body_bytes == BIG); /* the default lets it through */
    kit_close (&k);
    http_server_stop (s);
    free (big);
}

static void urls_in_sentences_hide_what_is_secret (void)
{
    struct kit k;
    struct got g;
    kit_open (&k, NULL);
    kit_ask (&k, &g,
             (http_call){.server = "http://me:geheim@127.0.0.1:1/v1?key=geheim", .path = "/x"});
    CHECK (g.fault == HTTP_REFUSED && says (g.text, "http://127.0.0.1:1/v1/x") &&
           !says (g.text, "geheim"));
    kit_close (&k);
}

/* ---- callbacks ---- */

struct chain {
    struct kit *k;
    http_call call;
    unsigned left, done;
};

static void next_in_chain (void *ctx, http_request *r, const http_answer *a)
{
    struct chain *c = ctx;
    http_request *other, *dropped;
    CHECK (a->fault == HTTP_FINE);
    http_cancel (r); /* its own: nothing happens */
    c->done++;
    if (c->left > 0) {
        c->left--;
        PASS (http_start (c->k->pool, &c->call, &dropped));
        PASS (http_start (c->k->pool, &c->call, &other));
        http_cancel (dropped);
    }
}

static void callbacks_may_start_and_cancel (void)
{
    struct kit k;
    http_server *s = given_server ();
    struct chain c = {.k = &k, .left = 9};
    http_request *r;
    kit_open (&k, NULL);
    c.call =
        (http_call){.server = http_server_url (s), .path = "/8k", .done = next_in_chain, .ctx = &c};
    PASS (http_start (k.pool, &c.call, &r));
    kit_until (&k, &c.done, 10);
    kit_close (&k);
    http_server_stop (s);
}

static void a_pool_may_be_destroyed_with_requests_in_flight (void)
{
    struct kit k;
    struct got g[3];
    http_server *s = http_server_start (&(http_server_setup){.answer = answer, .hold = 100});
    kit_open (&k, NULL);
    kit_start (&k, &g[0], (http_call){.server = http_server_url (s)});
    kit_start (&k, &g[1], (http_call){.server = http_server_url (s)});
    kit_start (&k, &g[2], (http_call){.server = "nonsense"});
    http_wait (k.pool, 0);
    http_destroy (k.pool);
    CHECK (g[0].calls == 0 && g[1].calls == 0 && g[2].calls == 1);
    http_server_stop (s);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls change nothing", bad_calls_change_nothing},
        {"a server is checked with a sentence", a_server_is_checked_with_a_sentence},
        {"a bad URL is told to done", a_bad_url_is_told_to_done},
        {"a secret with a line break is refused and not shown",
         a_secret_with_a_line_break_is_refused_and_not_shown},
        {"an answer comes whole", an_answer_comes_whole},
        {"a request carries what the call says", a_request_carries_what_the_call_says},
        {"a large body is sent whole and without Expect",
         a_large_body_is_sent_whole_and_without_expect},
        {"paths go behind the server's own", paths_go_behind_the_servers_own},
        {"gzip is undone", gzip_is_undone},
        {"damaged gzip is told", damaged_gzip_is_told},
        {"a bomb of gzip stops at the limit", a_bomb_of_gzip_stops_at_the_limit},
        {"chunked answers are read and streamed", chunked_answers_are_read_and_streamed},
        {"a busy server says when to come back", a_busy_server_says_when_to_come_back},
        {"a redirect is told, not followed", a_redirect_is_told_not_followed},
        {"an answer over the limit is cut off", an_answer_over_the_limit_is_cut_off},
        {"URLs in sentences hide what is secret", urls_in_sentences_hide_what_is_secret},
        {"callbacks may start and cancel", callbacks_may_start_and_cancel},
        {"a pool may be destroyed with requests in flight",
         a_pool_may_be_destroyed_with_requests_in_flight},
        {NULL, NULL},
    };
    for (size_t i = 0; i < BODY; i++)
        eight_kb[i] = (char)('a' + i % 26);
    return suite_main ("http", cases);
}
