/* SPDX-License-Identifier: Apache-2.0 */
/* http_send.c - replies on their way out: in parts, half, never, wrongly */

#include "tests/support/model_server/http_inner.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct sending {
    http_side *server;
    int fd;
    char *body;
    size_t len, stop_at; /* stop_at: the fault cuts here */
    size_t *pieces, piece_count, piece;
    unsigned piece_ms;
    bool cut, stall, counted;
};

bool http_wait (http_side *s, int fd, unsigned ms)
{
    struct pollfd watch[2] = {{.fd = s->stop, .events = POLLIN}, {.fd = fd, .events = POLLRDHUP}};
    if (ms == 0)
        return true;
    if (poll (watch, 2, ms == (unsigned)-1 ? -1 : (int)ms) == 0)
        return true;
    if (watch[1].revents)
        atomic_fetch_add (&s->gone, 1);
    return false;
}

void http_wait_for_ever (http_side *s, int fd)
{
    (void)http_wait (s, fd, (unsigned)-1);
}

/* How much may go out now, from `at`; 0 at the end of a part whose pause the client did not wait for. */
static size_t allowed (struct sending *x, size_t at)
{
    size_t end = x->len;
    if (x->pieces && x->piece < x->piece_count) {
        while (x->piece < x->piece_count && x->pieces[x->piece] <= at) {
            x->piece++;
            if (x->piece < x->piece_count && !http_wait (x->server, x->fd, x->piece_ms))
                return 0;
        }
        end = x->piece < x->piece_count ? x->pieces[x->piece] : x->len;
    }
    if (x->cut && end > x->stop_at)
        end = x->stop_at;
    return end - at;
}

static ssize_t read_body (void *ctx, uint64_t at, char *out, size_t max)
{
    struct sending *x = ctx;
    size_t n;
    if (at >= x->len)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (x->cut && at >= x->stop_at) {
        if (x->stall)
            http_wait_for_ever (x->server, x->fd);
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if ((n = allowed (x, (size_t)at)) == 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    n = n < max ? n : max;
    memcpy (out, x->body + at, n);
    return (ssize_t)n;
}

static void end_sending (void *ctx)
{
    struct sending *x = ctx;
    if (x->counted)
        atomic_fetch_sub (&x->server->working, 1);
    free (x->body);
    free (x->pieces);
    free (x);
}

void wire_reply_free (http_side *s, wire_reply *r)
{
    if (r->counted)
        atomic_fetch_sub (&s->working, 1);
    r->counted = false;
    free (r->body);
    free (r->pieces);
    r->body = NULL;
    r->pieces = NULL;
}

static struct sending *make_sending (http_side *s, int fd, wire_reply *r, const fault *f)
{
    struct sending *x = calloc (1, sizeof (*x));
    if (!x)
        out_of_memory ();
    *x = (struct sending){.server = s,
                          .fd = fd,
                          .body = r->body,
                          .len = r->len,
                          .pieces = r->pieces,
                          .piece_count = r->piece_count,
                          .piece_ms = r->piece_ms,
                          .cut = f->what == FAULT_HALF_BODY || f->what == FAULT_STALL_BODY,
                          .stall = f->what == FAULT_STALL_BODY,
                          .counted = r->counted,
                          .stop_at = r->len / 2};
    r->counted = false;
    r->body = NULL;
    r->pieces = NULL;
    return x;
}

enum MHD_Result
http_send (http_side *s, struct MHD_Connection *connection, int fd, wire_reply *r, const fault *f)
{
    uint64_t size = r->pieces ? MHD_SIZE_UNKNOWN : r->len;
    struct sending *x = make_sending (s, fd, r, f);
    struct MHD_Response *response =
        MHD_create_response_from_callback (size, 16384, read_body, x, end_sending);
    enum MHD_Result sent;
    if (!response)
        out_of_memory ();
    (void)MHD_add_response_header (response, "Content-Type", r->type);
    for (unsigned i = 0; i < 2 && r->headers[i][0]; i++)
        (void)MHD_add_response_header (response, r->headers[i][0], r->headers[i][1]);
    sent = MHD_queue_response (connection, r->status, response);
    MHD_destroy_response (response);
    return sent;
}

static bool send_all (int fd, const char *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = send (fd, bytes + at, len - at, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

void http_send_raw (http_side *s, int fd, wire_reply *r, const fault *f)
{
    char head[256];
    bool slow = f->what == FAULT_SLOW_HEADERS, good = true;
    unsigned ms = f->value[0] ? (unsigned)strtoul (f->value, NULL, 10) : 20;
    size_t claimed = f->what == FAULT_WRONG_LENGTH && r->len > 10 ? r->len - 10 : r->len;
    int n = snprintf (head, sizeof (head),
                      "HTTP/1.1 %u OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                      r->status, r->type, claimed);
    for (int i = 0; slow && i < n && good; i++)
        good = send_all (fd, head + i, 1) && http_wait (s, fd, ms);
    if (good && (slow || send_all (fd, head, (size_t)n)) && send_all (fd, r->body, r->len))
        (void)http_wait (s, fd, 200); /* a client that reads on sees more than it was told */
    wire_reply_free (s, r);
}
