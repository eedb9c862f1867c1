/* SPDX-License-Identifier: Apache-2.0 */
/* http_server.c - libmicrohttpd behind http_server.h */

#include "tests/support/http_server.h"
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "proto/base/file.h"
#include "tests/support/suite.h"

enum { MOST_HELD = 4096, BACKLOG = 1024 };

struct http_server {
    http_server_setup setup;
    struct MHD_Daemon *daemon;
    char url[160];
    atomic_uint requests, connections;
    atomic_bool stopping;
    struct MHD_Connection *held[MOST_HELD]; /* suspended; the server's thread only, until stop */
    unsigned held_count;
    bool open; /* so many have come that nobody is held any more */
};

struct
    exchange { /* one request; malloc'ed: the test counts blocks of esp_alloc in its own thread */
    char *body;
    size_t len;
    bool was_held;
};

const char *http_asked_header (const http_asked *asked, const char *name)
{
    return MHD_lookup_connection_value (asked->connection, MHD_HEADER_KIND, name);
}

const char *http_asked_query (const http_asked *asked, const char *name)
{
    return MHD_lookup_connection_value (asked->connection, MHD_GET_ARGUMENT_KIND, name);
}

static ssize_t read_body (void *ctx, uint64_t at, char *out, size_t max)
{
    const span *body = ctx;
    size_t left = body->len - (size_t)at, n = left < max ? left : max;
    if (left == 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    memcpy (out, body->ptr + at, n);
    return (ssize_t)n;
}

static struct MHD_Response *make_response (const http_reply *reply)
{
    span *body;
    if (!reply->chunked)
        return MHD_create_response_from_buffer (reply->body.len, (void *)(uintptr_t)reply->body.ptr,
                                                MHD_RESPMEM_MUST_COPY);
    if (!(body = malloc (sizeof (*body))))
        return NULL;
    *body = reply->body;
    return MHD_create_response_from_callback (MHD_SIZE_UNKNOWN, 4096, read_body, body, free);
}

static enum MHD_Result send_reply (struct MHD_Connection *connection, const http_reply *reply)
{
    struct MHD_Response *response = make_response (reply);
    enum MHD_Result sent;
    if (!response)
        return MHD_NO;
    for (size_t i = 0; i < 4 && reply->headers[i][0]; i++)
        (void)MHD_add_response_header (response, reply->headers[i][0], reply->headers[i][1]);
    sent = MHD_queue_response (connection, reply->status ? reply->status : 200, response);
    MHD_destroy_response (response);
    return sent;
}

/* True: this request waits until enough others do. */
static bool hold (http_server *s, struct MHD_Connection *connection, struct exchange *x)
{
    if (x->was_held || s->open || s->setup.hold <= 1 || s->held_count == MOST_HELD)
        return false;
    x->was_held = true;
    MHD_suspend_connection (connection);
    s->held[s->held_count++] = connection;
    if (s->held_count == s->setup.hold) {
        s->open = true;
        for (unsigned i = 0; i < s->held_count; i++)
            MHD_resume_connection (s->held[i]);
        s->held_count = 0;
    }
    return true;
}

static enum MHD_Result take_part (struct exchange *x, const char *bytes, size_t *len)
{
    char *longer = realloc (x->body, x->len + *len + 1);
    if (!longer)
        return MHD_NO;
    memcpy (longer + x->len, bytes, *len);
    x->body = longer;
    x->len += *len;
    *len = 0;
    return MHD_YES;
}

static enum MHD_Result on_request (void *ctx, struct MHD_Connection *connection, const char *url,
                                   const char *method, const char *version, const char *bytes,
                                   size_t *len, void **mine)
{
    http_server *s = ctx;
    struct exchange *x = *mine;
    http_asked asked = {.method = method, .path = url, .connection = connection};
    http_reply reply = {0};
    (void)version;
    if (!x)
        return (*mine = calloc (1, sizeof (*x))) ? MHD_YES : MHD_NO;
    if (*len > 0)
        return take_part (x, bytes, len);
    if (!x->was_held)
        atomic_fetch_add (&s->requests, 1);
    if (hold (s, connection, x))
        return MHD_YES;
    if (atomic_load (&s->stopping))
        return MHD_NO;
    asked.number = atomic_load (&s->requests) - 1;
    asked.body = span_make (x->body, x->len);
    s->setup.answer (s->setup.ctx, &asked, &reply);
    return send_reply (connection, &reply);
}

static void on_completed (void *ctx, struct MHD_Connection *connection, void **mine,
                          enum MHD_RequestTerminationCode why)
{
    struct exchange *x = *mine;
    (void)ctx, (void)connection, (void)why;
    if (x)
        free (x->body);
    free (x);
    *mine = NULL;
}

static void on_connection (void *ctx, struct MHD_Connection *connection, void **mine,
                           enum MHD_ConnectionNotificationCode what)
{
    http_server *s = ctx;
    (void)connection, (void)mine;
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        atomic_fetch_add (&s->connections, 1);
}

static int listen_tcp (http_server *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof (at);
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && bind (fd, (struct sockaddr *)&at, sizeof (at)) == 0 &&
                listen (fd, BACKLOG) == 0 && getsockname (fd, (struct sockaddr *)&at, &size) == 0;
    snprintf (s->url, sizeof (s->url), "%s://127.0.0.1:%u", s->setup.cert_pem ? "https" : "http",
              (unsigned)ntohs (at.sin_port));
    return good ? fd : -1;
}

static int listen_unix (http_server *s)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = snprintf (at.sun_path, sizeof (at.sun_path), "%s", s->setup.socket) <
                    (int)sizeof (at.sun_path) &&
                fd >= 0 && bind (fd, (struct sockaddr *)&at, sizeof (at)) == 0 &&
                listen (fd, BACKLOG) == 0;
    snprintf (s->url, sizeof (s->url), "unix:%s", at.sun_path);
    return good ? fd : -1;
}

http_server *http_server_start (const http_server_setup *setup)
{
    http_server *s = calloc (1, sizeof (*s));
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
    int fd = -1;
    if (s) {
        s->setup = *setup;
        fd = setup->socket ? listen_unix (s) : listen_tcp (s);
    }
    if (s && fd >= 0)
        s->daemon = MHD_start_daemon (
            flags | (setup->cert_pem ? MHD_USE_TLS : 0), 0, NULL, NULL, on_request, s,
            MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MOST_HELD,
            MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_NOTIFY_CONNECTION,
            on_connection, s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16384,
            setup->cert_pem ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, setup->cert_pem,
            MHD_OPTION_HTTPS_MEM_KEY, setup->key_pem, MHD_OPTION_END);
    if (!s || !s->daemon)
        CU_FAIL_FATAL ("a test server cannot be started");
    return s;
}

void http_server_stop (http_server *s)
{
    if (!s)
        return;
    atomic_store (&s->stopping, true);
    MHD_quiesce_daemon (s->daemon);
    for (unsigned i = 0; i < s->held_count; i++)
        MHD_resume_connection (s->held[i]);
    MHD_stop_daemon (s->daemon);
    if (s->setup.socket)
        remove (s->setup.socket);
    free (s);
}

const char *http_server_url (const http_server *s)
{
    return s->url;
}

unsigned http_server_requests (http_server *s)
{
    return atomic_load (&s->requests);
}

unsigned http_server_connections (http_server *s)
{
    return atomic_load (&s->connections);
}

void http_server_certificate (const char *folder, esp_buf *cert_pem, esp_buf *key_pem)
{
    char command[1024], cert[512], key[512];
    snprintf (cert, sizeof (cert), "%s/cert.pem", folder);
    snprintf (key, sizeof (key), "%s/key.pem", folder);
    snprintf (
        command, sizeof (command),
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "
        "/CN=127.0.0.1 "
        "-addext subjectAltName=IP:127.0.0.1 -keyout '%s/key.pem' -out '%s/cert.pem' 2>/dev/null",
        folder, folder);
    if (system (command) != 0 || esp_file_read (cert, 1 << 20, cert_pem, NULL) != ESP_OK ||
        esp_file_read (key, 1 << 20, key_pem, NULL) != ESP_OK)
        CU_FAIL_FATAL ("openssl makes no certificate");
}
