/* SPDX-License-Identifier: Apache-2.0 */
/* raw_server.c - sockets and threads behind raw_server.h */

#include "tests/support/raw_server.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/support/suite.h"

enum { MOST_CONNECTIONS = 256, REQUEST_BYTES = 1 << 20, PATIENCE_MS = 20000 };

struct line {
    raw_server *server;
    pthread_t thread;
    int fd;
};

struct raw_server {
    raw_script *script;
    void *ctx;
    int listener, stop; /* stop: an eventfd that stays readable */
    pthread_t thread;
    pthread_mutex_t one_at_a_time; /* around script */
    atomic_uint requests, connections, gone;
    struct line lines[MOST_CONNECTIONS];
    char url[64];
};

/* Readable within the time, and the server not stopping? */
static bool wait_for (raw_server *s, int fd, int ms)
{
    struct pollfd watch[2] = {{.fd = s->stop, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    return poll (watch, 2, ms) > 0 && !watch[0].revents && watch[1].revents;
}

static bool stopping (raw_server *s, int ms)
{
    struct pollfd watch = {.fd = s->stop, .events = POLLIN};
    return poll (&watch, 1, ms) > 0;
}

static bool whole (const char *bytes, size_t len)
{
    const char *end = strstr (bytes, "\r\n\r\n"),
               *length = strcasestr (bytes, "\r\nContent-Length:");
    size_t body = length && length < end ? strtoul (length + 17, NULL, 10) : 0;
    return end && len >= (size_t)(end - bytes) + 4 + body;
}

/* One request into buffer; 0: the client is gone, or the server stops. */
static size_t read_request (struct line *l, char *buffer)
{
    size_t len = 0;
    buffer[0] = 0;
    while (!whole (buffer, len)) {
        ssize_t n = wait_for (l->server, l->fd, -1)
                        ? recv (l->fd, buffer + len, REQUEST_BYTES - 1 - len, 0)
                        : 0;
        if (n <= 0)
            return 0;
        len += (size_t)n;
        buffer[len] = 0;
    }
    return len;
}

static bool send_reply (struct line *l, const raw_reply *r)
{
    for (size_t at = 0, n; at < r->bytes.len; at += n) {
        size_t left = r->bytes.len - at;
        ssize_t sent = send (l->fd, r->bytes.ptr + at,
                             r->piece && r->piece < left ? r->piece : left, MSG_NOSIGNAL);
        if (sent <= 0 || (r->pause_ms > 0 && stopping (l->server, (int)r->pause_ms)))
            return false;
        n = (size_t)sent;
    }
    return true;
}

static void stall (struct line *l)
{
    char byte;
    while (wait_for (l->server, l->fd, -1))
        if (recv (l->fd, &byte, 1, 0) <= 0) {
            atomic_fetch_add (&l->server->gone, 1);
            return;
        }
}

static void *serve (void *ctx)
{
    struct line *l = ctx;
    raw_server *s = l->server;
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    char *buffer = malloc (REQUEST_BYTES);
    raw_reply r = {.then = RAW_KEEP};
    size_t len;
    while (buffer && r.then == RAW_KEEP && (len = read_request (l, buffer)) > 0) {
        r = (raw_reply){0};
        pthread_mutex_lock (&s->one_at_a_time);
        s->script (s->ctx, span_make (buffer, len), atomic_fetch_add (&s->requests, 1), &r);
        pthread_mutex_unlock (&s->one_at_a_time);
        if (!send_reply (l, &r))
            break;
        if (r.then == RAW_STALL)
            stall (l);
        if (r.then == RAW_RESET)
            (void)setsockopt (l->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof (hard));
    }
    free (buffer);
    close (l->fd);
    return NULL;
}

static void *accept_all (void *ctx)
{
    raw_server *s = ctx;
    int on = 1;
    while (wait_for (s, s->listener, -1)) {
        unsigned n = atomic_load (&s->connections);
        struct line *l = &s->lines[n];
        if (n == MOST_CONNECTIONS || (l->fd = accept4 (s->listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
            break;
        (void)setsockopt (l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof (on));
        l->server = s;
        atomic_store (&s->connections, n + 1); /* before the client can have an answer */
        if (pthread_create (&l->thread, NULL, serve, l) != 0) {
            atomic_store (&s->connections, n);
            break;
        }
    }
    return NULL;
}

raw_server *raw_server_start (raw_script *script, void *ctx)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof (at);
    raw_server *s = calloc (1, sizeof (*s));
    bool good = s != NULL;
    if (good) {
        s->script = script;
        s->ctx = ctx;
        s->stop = eventfd (0, EFD_CLOEXEC);
        s->listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        good = s->stop >= 0 && s->listener >= 0 &&
               bind (s->listener, (struct sockaddr *)&at, size) == 0 &&
               listen (s->listener, MOST_CONNECTIONS) == 0 &&
               getsockname (s->listener, (struct sockaddr *)&at, &size) == 0 &&
               pthread_mutex_init (&s->one_at_a_time, NULL) == 0;
        snprintf (s->url, sizeof (s->url), "http://127.0.0.1:%u", (unsigned)ntohs (at.sin_port));
        good = good && pthread_create (&s->thread, NULL, accept_all, s) == 0;
    }
    if (!good)
        CU_FAIL_FATAL ("a raw server cannot be started");
    return s;
}

void raw_server_stop (raw_server *s)
{
    const uint64_t one = 1;
    if (!s)
        return;
    if (write (s->stop, &one, sizeof (one)) != sizeof (one))
        abort (); /* cannot happen to a fresh eventfd */
    pthread_join (s->thread, NULL);
    for (unsigned i = 0; i < atomic_load (&s->connections); i++)
        pthread_join (s->lines[i].thread, NULL);
    pthread_mutex_destroy (&s->one_at_a_time);
    close (s->listener);
    close (s->stop);
    free (s);
}

const char *raw_server_url (const raw_server *s)
{
    return s->url;
}

unsigned raw_server_requests (raw_server *s)
{
    return atomic_load (&s->requests);
}

unsigned raw_server_connections (raw_server *s)
{
    return atomic_load (&s->connections);
}

bool raw_server_gone (raw_server *s, unsigned n)
{
    for (int waited = 0; waited < PATIENCE_MS && atomic_load (&s->gone) < n; waited += 5)
        poll (NULL, 0, 5);
    return atomic_load (&s->gone) >= n;
}
