/* SPDX-License-Identifier: Apache-2.0 */
/* http.c - connections, requests, the listening socket */

#include "tests/support/model_server/http_inner.h"
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "proto/base/alloc.h"

enum { BACKLOG = 1024, MOST_BODY = 64 << 20, STACK = 512 << 10 };

struct client { /* a connection */
    unsigned requests, generation;
    int fd;
};

struct exchange { /* a request that comes in */
    char *body;
    size_t len;
};

static enum MHD_Result take_part (struct exchange *x, const char *bytes, size_t *len)
{
    char *longer = x->len + *len < MOST_BODY ? realloc (x->body, x->len + *len + 1) : NULL;
    if (!longer)
        return MHD_NO;
    memcpy (longer + x->len, bytes, *len);
    x->body = longer;
    x->len += *len;
    *len = 0;
    return MHD_YES;
}

/* Faults that need no answer; false: give the connection up. */
static bool before_answer (http_side *s, struct client *c, const fault *f)
{
    if (f->what == FAULT_STALL) {
        atomic_fetch_add (&s->working, 1);
        http_wait_for_ever (s, c->fd);
        atomic_fetch_sub (&s->working, 1);
    }
    if (f->what == FAULT_RESTART) {
        pthread_mutex_lock (&s->lock);
        snprintf (s->model, sizeof (s->model), "%s", f->value[0] ? f->value : "other");
        pthread_mutex_unlock (&s->lock);
        atomic_fetch_add (&s->generation, 1);
    }
    return f->what != FAULT_STALL && f->what != FAULT_CLOSE && f->what != FAULT_RESTART &&
           !(f->what == FAULT_CLOSE_REUSED && c->requests > 1);
}

static enum MHD_Result answer_request (http_side *s, struct MHD_Connection *connection,
                                       struct client *c, const char *method, const char *path,
                                       const struct exchange *x)
{
    fault f = {0};
    wire_reply r = {0};
    const char *key = MHD_lookup_connection_value (connection, MHD_HEADER_KIND, "Authorization");
    const char *type = MHD_lookup_connection_value (connection, MHD_HEADER_KIND, "Content-Type");
    atomic_fetch_add (&s->requests, 1);
    c->requests++;
    if (c->generation != atomic_load (&s->generation))
        return MHD_NO; /* it belongs to a server that is no more */
    (void)faults_next (s->how.faults, method, path, &f);
    if (!before_answer (s, c, &f))
        return MHD_NO;
    http_answer (s, method, path, span_make (x->body ? x->body : "", x->len), key, type, &f, &r);
    if (strcmp (method, "POST") == 0 && !http_wait (s, c->fd, s->how.model.delay_ms + r.work_ms)) {
        wire_reply_free (s, &r);
        return MHD_NO;
    }
    if (f.what == FAULT_SLOW_HEADERS || f.what == FAULT_WRONG_LENGTH) {
        http_send_raw (s, c->fd, &r, &f);
        return MHD_NO;
    }
    return http_send (s, connection, c->fd, &r, &f);
}

static enum MHD_Result on_request (void *ctx, struct MHD_Connection *connection, const char *path,
                                   const char *method, const char *version, const char *bytes,
                                   size_t *len, void **mine)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info (connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct exchange *x = *mine;
    (void)version;
    if (!info || !info->socket_context)
        return MHD_NO;
    if (!x)
        return (*mine = calloc (1, sizeof (*x))) ? MHD_YES : MHD_NO;
    if (*len > 0)
        return take_part (x, bytes, len);
    return answer_request (ctx, connection, info->socket_context, method, path, x);
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
    http_side *s = ctx;
    struct client *c = *mine;
    fault f;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        free (c);
        *mine = NULL;
        return;
    }
    if (!(*mine = c = calloc (1, sizeof (*c))))
        return;
    c->fd = MHD_get_connection_info (connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    c->generation = atomic_load (&s->generation);
    atomic_fetch_add (&s->connections, 1);
    if (faults_next_connection (s->how.faults, &f)) {
        (void)send (c->fd, "not TLS at all\n", 15, MSG_NOSIGNAL);
        (void)shutdown (c->fd, SHUT_RDWR);
    }
}

static int listen_tcp (http_side *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl (INADDR_LOOPBACK),
                             .sin_port = htons ((uint16_t)s->how.port)};
    socklen_t size = sizeof (at);
    const int on = 1;
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof (on)) == 0 &&
                bind (fd, (struct sockaddr *)&at, sizeof (at)) == 0 && listen (fd, BACKLOG) == 0 &&
                getsockname (fd, (struct sockaddr *)&at, &size) == 0;
    snprintf (s->url, sizeof (s->url), "%s://127.0.0.1:%u", s->how.cert_pem ? "https" : "http",
              (unsigned)ntohs (at.sin_port));
    return good ? fd : -1;
}

static int listen_unix (http_side *s)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = snprintf (at.sun_path, sizeof (at.sun_path), "%s", s->how.socket) <
                    (int)sizeof (at.sun_path) &&
                fd >= 0 && bind (fd, (struct sockaddr *)&at, sizeof (at)) == 0 &&
                listen (fd, BACKLOG) == 0;
    snprintf (s->url, sizeof (s->url), "unix:%s", at.sun_path);
    return good ? fd : -1;
}

static struct MHD_Daemon *start_daemon (http_side *s, int fd)
{
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                     (s->how.cert_pem ? MHD_USE_TLS : 0);
    return MHD_start_daemon (
        flags, 0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, 2048U, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_CONNECTION_TIMEOUT,
        s->how.keep_alive_s, MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK,
        s->how.cert_pem ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, s->how.cert_pem,
        MHD_OPTION_HTTPS_MEM_KEY, s->how.key_pem, MHD_OPTION_END);
}

http_side *http_side_start (const http_setup *how)
{
    http_side *s = esp_calloc (1, sizeof (*s));
    int fd;
    if (!s)
        return NULL;
    s->how = *how;
    snprintf (s->model, sizeof (s->model), "%s", how->model.model);
    s->stop = eventfd (0, EFD_CLOEXEC);
    fd = how->socket ? listen_unix (s) : listen_tcp (s);
    if (fd < 0 || s->stop < 0 || pthread_mutex_init (&s->lock, NULL) != 0 ||
        !(s->daemon = start_daemon (s, fd))) {
        esp_free (s);
        return NULL;
    }
    return s;
}

const char *http_side_url (const http_side *s)
{
    return s->url;
}

void http_side_stop (http_side *s)
{
    const uint64_t one = 1;
    if (write (s->stop, &one, sizeof (one)) != sizeof (one))
        abort (); /* cannot happen to a fresh eventfd */
    MHD_stop_daemon (s->daemon);
    if (s->how.socket)
        (void)unlink (s->how.socket);
    pthread_mutex_destroy (&s->lock);
    close (s->stop);
    esp_free (s);
}
