/* SPDX-License-Identifier: Apache-2.0 */
/* test_http_ways.c - what worker/http/http.h promises of the ways to a server, and of many requests at once */

// LINK: esp_test_servers

#include "worker/http/http.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "proto/base/file.h"
#include "tests/unit/worker/http/http_kit.h"

enum { MANY = 500, BODY = 8192 };

static char eight_kb[BODY];

static void answer (void *ctx, const http_asked *asked, http_reply *r)
{
    static char text[128]; /* the server's thread only */
    (void)ctx;
    r->body = span_make (eight_kb, BODY);
    if (strcmp (asked->path, "/8k") != 0) {
        snprintf (text, sizeof (text), "%s %.100s", asked->method, asked->path);
        r->body = span_of (text);
    }
    if (strcmp (asked->path, "/busy") == 0)
        r->status = 429;
}

static http_server *given_server (void)
{
    return http_server_start (&(http_server_setup){.answer = answer});
}

/* ---- ways ---- */

static void nobody_there_is_told (void)
{
    struct kit k;
    struct got g;
    kit_open (&k, NULL);
    kit_ask (&k, &g, (http_call){.server = "http://127.0.0.1:1"});
    CHECK (g.fault == HTTP_REFUSED && g.code == ESP_EPEER && g.status == 0 &&
           says (g.text, "start the server") && !says (g.text, " ms")); /* the same each time */
    kit_ask (&k, &g, (http_call){.server = "unix:/nowhere/at/all"});
    CHECK (g.fault == HTTP_REFUSED && says (g.text, "unix:/nowhere/at/all"));
    kit_ask (&k, &g, (http_call){.server = "http://no-such-host.invalid"});
    CHECK (g.fault == HTTP_NO_HOST && g.code == ESP_EPEER && says (g.text, "no-such-host.invalid"));
    kit_close (&k);
}

static void unix_sockets_work (void)
{
    struct kit k;
    struct got g;
    char path[108];
    http_server *s;
    snprintf (path, sizeof (path), "/tmp/esp-http-%d",
              (int)getpid ()); /* a folder's path may be too long */
    s = http_server_start (&(http_server_setup){.answer = answer, .socket = path});
    kit_open (&k, NULL);
    kit_ask (&k, &g, (http_call){.server = http_server_url (s), .path = "/echo"});
    CHECK (g.fault == HTTP_FINE && says (g.body, "GET /echo"));
    kit_ask (&k, &g, (http_call){.server = http_server_url (s), .path = "/busy"});
    CHECK (says (g.text, path) && says (g.text, "/busy"));
    kit_close (&k);
    http_server_stop (s);
}

static void tls_needs_a_certificate_that_is_known (void)
{
    struct kit k;
    struct got g;
    esp_buf cert = {0}, key = {0};
    char ca[512], folder[400];
    http_server *s, *plain = given_server ();
    snprintf (folder, sizeof (folder), "%.390s", suite_folder ());
    http_server_certificate (folder, &cert, &key);
    snprintf (ca, sizeof (ca), "%s/cert.pem", folder);
    s = http_server_start (
        &(http_server_setup){.answer = answer, .cert_pem = cert.data, .key_pem = key.data});
    kit_open (&k, NULL);
    kit_ask (&k, &g, (http_call){.server = http_server_url (s), .path = "/echo"});
    CHECK (g.fault == HTTP_TLS && g.code == ESP_EPERMISSION && says (g.text, "CA file") &&
           http_server_requests (s) == 0);
    kit_close (&k);
    kit_open (&k, ca);
    kit_ask (&k, &g, (http_call){.server = http_server_url (s), .path = "/echo"});
    CHECK (g.fault == HTTP_FINE && says (g.body, "GET /echo"));
    snprintf (folder, sizeof (folder), "https%s", http_server_url (plain) + 4);
    kit_ask (&k, &g, (http_call){.server = folder, .path = "/echo"});
    CHECK (g.fault == HTTP_TLS && says (g.text, "http://"));
    snprintf (folder, sizeof (folder), "http%s", http_server_url (s) + 5);
    kit_ask (&k, &g, (http_call){.server = folder, .path = "/echo"});
    CHECK (g.fault != HTTP_FINE || g.status != 200);
    kit_close (&k);
    kit_open (&k, "/no/such/file.pem");
    kit_ask (&k, &g, (http_call){.server = http_server_url (s), .path = "/echo"});
    CHECK (g.fault == HTTP_TLS && says (g.text, "/no/such/file.pem"));
    kit_close (&k);
    http_server_stop (s);
    http_server_stop (plain);
    esp_buf_free (&cert);
    esp_buf_free (&key);
}

static void certificates_may_be_taken_unseen (void)
{
    esp_buf cert = {0}, key = {0};
    struct kit k;
    struct got g;
    http_server *s;
    http_server_certificate (suite_folder (), &cert, &key);
    s = http_server_start (
        &(http_server_setup){.answer = answer, .cert_pem = cert.data, .key_pem = key.data});
    kit_open (&k, NULL);
    http_destroy (k.pool);
    PASS (http_create (&(http_setup){.no_verify = true, .proxy = ""}, &k.pool));
    kit_ask (&k, &g, (http_call){.server = http_server_url (s), .path = "/echo"});
    CHECK (g.fault == HTTP_FINE);
    kit_close (&k);
    http_server_stop (s);
    esp_buf_free (&cert);
    esp_buf_free (&key);
}

static void a_proxy_is_asked_instead (void)
{
    struct kit k;
    struct got g;
    http_server *s = given_server ();
    kit_open (&k, NULL);
    http_destroy (k.pool);
    PASS (http_create (&(http_setup){.proxy = http_server_url (s)}, &k.pool));
    kit_ask (&k, &g, (http_call){.server = "http://far-away.invalid", .path = "/echo"});
    CHECK (g.fault == HTTP_FINE && http_server_requests (s) == 1 && g.by_proxy);
    kit_ask (&k, &g, (http_call){.server = "http://far-away.invalid", .path = "/echo"});
    CHECK (g.by_proxy); /* on a kept connection too */
    http_destroy (k.pool);
    setenv ("http_proxy", http_server_url (s), 1);
    PASS (http_create (&(http_setup){0}, &k.pool));
    kit_ask (&k, &g, (http_call){.server = "http://far-away.invalid", .path = "/echo"});
    CHECK (g.fault == HTTP_FINE && http_server_requests (s) == 3);
    http_destroy (k.pool);
    setenv ("http_proxy", "http://127.0.0.1:1", 1);
    PASS (http_create (&(http_setup){0}, &k.pool));
    kit_ask (&k, &g, (http_call){.server = http_server_url (s), .path = "/echo"});
    CHECK (g.fault == HTTP_PROXY && says (g.text, "the proxy on the way to it fails"));
    http_destroy (k.pool);
    PASS (http_create (&(http_setup){.proxy = ""}, &k.pool));
    kit_ask (&k, &g, (http_call){.server = http_server_url (s), .path = "/echo"});
    CHECK (g.fault == HTTP_FINE && !g.by_proxy && http_server_requests (s) == 4);
    kit_ask (&k, &g, (http_call){.server = "http://far-away.invalid", .path = "/echo"});
    CHECK (g.fault == HTTP_NO_HOST && http_server_requests (s) == 4);
    unsetenv ("http_proxy");
    kit_close (&k);
    http_server_stop (s);
}

static void connections_are_used_again (void)
{
    struct kit k;
    struct got g;
    http_server *s = given_server ();
    kit_open (&k, NULL);
    for (int i = 0; i < 20; i++)
        kit_ask (&k, &g, (http_call){.server = http_server_url (s), .path = "/8k"});
    CHECK (http_server_requests (s) == 20 && http_server_connections (s) == 1);
    kit_close (&k);
    http_server_stop (s);
}

/* ---- many ---- */

static long resident_kb (void)
{
    esp_buf text = {0};
    long kb = 0;
    if (esp_file_read ("/proc/self/status", 1 << 20, &text, NULL) == ESP_OK &&
        strstr (text.data, "VmRSS:"))
        kb = strtol (strstr (text.data, "VmRSS:") + 6, NULL, 10);
    esp_buf_free (&text);
    return kb;
}

/* A server that holds its answers until MANY have asked, in a process of its own; it ends with this one. */
static pid_t start_elsewhere (char *url, size_t size)
{
    int ends[2];
    pid_t child;
    ssize_t n;
    CHECK (pipe2 (ends, O_CLOEXEC) == 0);
    if ((child = fork ()) == 0) {
        http_server *s = http_server_start (&(http_server_setup){.answer = answer, .hold = MANY});
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        if (write (ends[1], http_server_url (s), strlen (http_server_url (s))) > 0)
            pause ();
        _exit (1);
    }
    close (ends[1]);
    n = read (ends[0], url, size - 1);
    CHECK (child > 0 && n > 0);
    url[n > 0 ? n : 0] = 0;
    close (ends[0]);
    return child;
}

static void many_done (void *ctx, http_request *r, const http_answer *a)
{
    unsigned *good = ctx;
    (void)r;
    CHECK (a->fault == HTTP_FINE && a->body.len == BODY);
    ++*good;
}

/* Nobody is answered before all have asked.  The server is another process: its memory and descriptors do not count. */
static void five_hundred_are_in_flight_at_once_within_64_mb (void)
{
    struct kit k;
    char body[BODY], url[64];
    pid_t server = start_elsewhere (url, sizeof (url));
    http_call call = {.server = url,
                      .path = "/8k",
                      .body = span_make (body, BODY),
                      .copy_body = true,
                      .done = many_done};
    unsigned good = 0;
    long before = resident_kb (), after;
    memset (body, 'q', sizeof (body));
    kit_open (&k, NULL);
    call.ctx = &good;
    for (int i = 0; i < MANY; i++) {
        http_request *r;
        PASS (http_start (k.pool, &call, &r));
    }
    CHECK (http_in_flight (k.pool) == MANY);
    kit_until (&k, &good, MANY);
    after = resident_kb ();
    printf ("    (%ld kB)\n", after - before);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&                             \
    !defined(__clang__) /* clang does not say */
    CHECK (after - before < 64 * 1024);
#endif
    kit_close (&k);
    kill (server, SIGKILL);
    CHECK (waitpid (server, NULL, 0) == server);
}

static void a_lack_of_descriptors_is_told (void)
{
    struct kit k;
    struct got g;
    struct rlimit before, none;
    http_server *s = given_server ();
    kit_open (&k, NULL);
    CHECK (getrlimit (RLIMIT_NOFILE, &before) == 0);
    none = before;
    none.rlim_cur = (rlim_t)http_fd (k.pool); /* all from here on */
    CHECK (setrlimit (RLIMIT_NOFILE, &none) == 0);
    kit_ask (&k, &g, (http_call){.server = http_server_url (s), .path = "/8k"});
    CHECK (g.fault == HTTP_FAILED && g.code == ESP_EIO && says (g.text, "ulimit -n"));
    CHECK (setrlimit (RLIMIT_NOFILE, &before) == 0);
    kit_ask (&k, &g, (http_call){.server = http_server_url (s), .path = "/8k"});
    CHECK (g.fault == HTTP_FINE);
    kit_close (&k);
    http_server_stop (s);
}

/* ---- memory ---- */

static enum http_fault one_exchange (const char *url)
{
    http *pool = NULL;
    http_request *r = NULL;
    struct got g = {0};
    http_call call = {.server = url,
                      .path = "/8k",
                      .secret = "geheim",
                      .body = span_of ("{}"),
                      .copy_body = true,
                      .done = kit_done,
                      .ctx = &g};
    esp_err err = http_create (&(http_setup){.ca_file = "/x", .proxy = ""}, &pool);
    if (err == ESP_OK)
        err = http_start (pool, &call, &r);
    g.request = r;
    while (err == ESP_OK && g.calls == 0)
        http_wait (pool, 1000);
    http_destroy (pool);
    CHECK (err == ESP_OK || err == ESP_ENOMEM);
    return err == ESP_OK ? g.fault : HTTP_NO_MEMORY;
}

static void survives_failure_of_every_allocation (void)
{
    http_server *s = given_server ();
    enum http_fault fault = HTTP_NO_MEMORY;
    for (long n = 0; fault != HTTP_FINE && n < 100; n++) {
        esp_alloc_fail_after (n);
        fault = one_exchange (http_server_url (s));
        esp_alloc_fail_after (-1);
        CHECK (fault == HTTP_FINE || fault == HTTP_NO_MEMORY);
        CHECK (esp_alloc_live () == 0);
    }
    CHECK (fault == HTTP_FINE);
    http_server_stop (s);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"nobody there is told", nobody_there_is_told},
        {"Unix sockets work", unix_sockets_work},
        {"TLS needs a certificate that is known", tls_needs_a_certificate_that_is_known},
        {"certificates may be taken unseen", certificates_may_be_taken_unseen},
        {"a proxy is asked instead", a_proxy_is_asked_instead},
        {"connections are used again", connections_are_used_again},
        {"500 are in flight at once within 64 MB", five_hundred_are_in_flight_at_once_within_64_mb},
        {"a lack of descriptors is told", a_lack_of_descriptors_is_told},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    memset (eight_kb, '8', sizeof (eight_kb));
    return suite_main ("http ways", cases);
}
