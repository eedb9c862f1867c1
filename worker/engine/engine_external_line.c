/* SPDX-License-Identifier: Apache-2.0 */
/* engine_external_line.c - see engine_external_line.h
 *
 * Invariants:
 *   I1  the lock covers arrivals, listening and sending; nng's threads touch nothing else
 *   I2  nothing is received while MOST_WAITING messages wait: the peer is held back
 *   I3  pipe is the connection that LINE_UP was said for; what comes from another one is dropped
 */

#include "worker/engine/engine_external_line.h"
#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>
#include <nng/supplemental/util/platform.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "proto/client/closer.h"

enum {
    MOST_WAITING = 64, /* messages; more: memory, fewer: a wake more often */
    REDIAL_LEAST_MS = 50,
    REDIAL_MOST_MS = 2000
};

struct arrival {
    enum line_event_kind kind;
    uint32_t pipe;
    nng_msg *message; /* owned; MESSAGE only */
};

struct outgoing {
    struct outgoing *next;
    nng_msg *message; /* owned */
};

struct external_line {
    nng_socket socket;
    bool open;
    nng_aio *in, *out;
    int event; /* eventfd */
    pthread_mutex_t lock;
    struct arrival *arrivals; /* owned; a queue from first_arrival on */
    size_t first_arrival, arrival_count, arrival_cap;
    bool listening, sending, lost;
    /* the owner's thread only */
    uint32_t pipe;       /* 0: no connection */
    struct arrival held; /* comes next; pipe 0: none */
    nng_msg *given;      /* the message that was handed out last; owned */
    struct outgoing *first_out, **last_out;
};

/* ---- nng's threads ---- */

static void wake (external_line *l)
{
    uint64_t one = 1;
    if (write (l->event, &one, sizeof (one)) < 0)
        return; /* full: readable already */
}

/* Under the lock. */
static bool push (external_line *l, struct arrival a)
{
    if (esp_grow (&l->arrivals, &l->arrival_cap, l->arrival_count + 1, sizeof (*l->arrivals)) !=
        0) {
        l->lost = true;
        return false;
    }
    l->arrivals[l->arrival_count++] = a;
    return true;
}

static void connection (nng_pipe pipe, nng_pipe_ev what, void *arg)
{
    external_line *l = arg;
    pthread_mutex_lock (&l->lock);
    (void)push (l, (struct arrival){what == NNG_PIPE_EV_ADD_POST ? LINE_UP : LINE_DOWN,
                                    (uint32_t)nng_pipe_id (pipe), NULL});
    pthread_mutex_unlock (&l->lock);
    wake (l);
}

static void received (void *arg)
{
    external_line *l = arg;
    int code = nng_aio_result (l->in);
    nng_msg *m = code == 0 ? nng_aio_get_msg (l->in) : NULL;
    bool again = code != NNG_ECLOSED && code != NNG_ECANCELED;
    pthread_mutex_lock (&l->lock);
    if (m &&
        !push (l, (struct arrival){LINE_MESSAGE, (uint32_t)nng_pipe_id (nng_msg_get_pipe (m)), m}))
        nng_msg_free (m);
    again = again && l->arrival_count - l->first_arrival < MOST_WAITING; /* I2 */
    l->listening = again;
    pthread_mutex_unlock (&l->lock);
    if (again)
        nng_recv_aio (l->socket, l->in);
    wake (l);
}

static void sent (void *arg)
{
    external_line *l = arg;
    if (nng_aio_result (l->out) != 0) {
        nng_msg_free (nng_aio_get_msg (l->out));
        nng_aio_set_msg (l->out, NULL);
    }
    pthread_mutex_lock (&l->lock);
    l->sending = false;
    pthread_mutex_unlock (&l->lock);
    wake (l);
}

/* ---- life ---- */

static esp_err trouble (esp_error *error, const char *url, int code)
{
    return esp_error_set (error,
                          code == NNG_ENOMEM ? ESP_ENOMEM
                          : code == NNG_EADDRINVAL || code == NNG_ENOTSUP || code == NNG_EINVAL
                              ? ESP_EFORMAT
                              : ESP_EIO,
                          "%s: %s", url, nng_strerror (code));
}

static int set_up (external_line *l, size_t most_bytes)
{
    int code = nng_pair1_open (&l->socket);
    l->open = code == 0;
    if (code != 0 || (code = nng_aio_alloc (&l->in, received, l)) != 0 ||
        (code = nng_aio_alloc (&l->out, sent, l)) != 0 ||
        (code = nng_socket_set_size (l->socket, NNG_OPT_RECVMAXSZ, most_bytes)) != 0 ||
        (code = nng_socket_set_ms (l->socket, NNG_OPT_RECONNMINT, REDIAL_LEAST_MS)) != 0 ||
        (code = nng_socket_set_ms (l->socket, NNG_OPT_RECONNMAXT, REDIAL_MOST_MS)) != 0 ||
        (code = nng_pipe_notify (l->socket, NNG_PIPE_EV_ADD_POST, connection, l)) != 0)
        return code;
    return nng_pipe_notify (l->socket, NNG_PIPE_EV_REM_POST, connection, l);
}

esp_err external_line_open (const char *url, bool listen, size_t most_bytes, external_line **out,
                            esp_error *error)
{
    external_line *l = esp_calloc (1, sizeof (*l));
    int code;
    if (!l)
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    pthread_mutex_init (&l->lock, NULL);
    l->last_out = &l->first_out;
    if ((l->event = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0)
        code = NNG_ENOFILES;
    else if ((code = set_up (l, most_bytes)) == 0)
        code = listen ? nng_listen (l->socket, url, NULL, 0)
                      : nng_dial (l->socket, url, NULL, NNG_FLAG_NONBLOCK);
    if (code != 0) {
        external_line_close (l, 0);
        return trouble (error, url, code);
    }
    l->listening = true;
    nng_recv_aio (l->socket, l->in);
    *out = l;
    return ESP_OK;
}

static bool is_sending (external_line *l)
{
    bool is;
    pthread_mutex_lock (&l->lock);
    is = l->sending;
    pthread_mutex_unlock (&l->lock);
    return is;
}

static void forget_outgoing (external_line *l)
{
    while (l->first_out) {
        struct outgoing *gone = l->first_out;
        l->first_out = gone->next;
        nng_msg_free (gone->message);
        esp_free (gone);
    }
    l->last_out = &l->first_out;
}

static void send_next (external_line *l)
{
    struct outgoing *o = l->first_out;
    if (!o || is_sending (l))
        return;
    l->first_out = o->next;
    if (!o->next)
        l->last_out = &l->first_out;
    pthread_mutex_lock (&l->lock);
    l->sending = true;
    pthread_mutex_unlock (&l->lock);
    nng_aio_set_msg (l->out, o->message);
    nng_send_aio (l->socket, l->out);
    esp_free (o);
}

static void free_arrivals (external_line *l)
{
    for (size_t i = l->first_arrival; i < l->arrival_count; i++)
        if (l->arrivals[i].message)
            nng_msg_free (l->arrivals[i].message);
    esp_free (l->arrivals);
}

void external_line_close (external_line *l, int patience_ms)
{
    if (!l)
        return;
    for (int ms = 0; l->pipe && ms < patience_ms && (l->first_out || is_sending (l)); ms += 2) {
        send_next (l);
        nng_msleep (2);
    }
    if (l->pipe && patience_ms > 0)
        nng_msleep (10); /* nng drops what its own queue still holds when a socket is closed */
    if (l->in)
        nng_aio_stop (l->in);
    if (l->out)
        nng_aio_stop (l->out);
    if (l->open && !closer_close (l->socket.id)) {
        esp_log (LOG_WARN, "EXTERNAL-CLOSE", "a socket does not close; left behind");
        return; /* callbacks may still come */
    }
    if (l->in)
        nng_aio_free (l->in);
    if (l->out)
        nng_aio_free (l->out);
    forget_outgoing (l);
    free_arrivals (l);
    if (l->given)
        nng_msg_free (l->given);
    if (l->event >= 0)
        close (l->event);
    pthread_mutex_destroy (&l->lock);
    esp_free (l);
}

int external_line_fd (const external_line *l)
{
    return l->event;
}

/* ---- what came ---- */

/* Empty: receiving goes on if it was held back (I2). */
static bool take_arrival (external_line *l, struct arrival *a)
{
    bool any, start;
    if (l->held.pipe) {
        *a = l->held;
        l->held.pipe = 0;
        return true;
    }
    pthread_mutex_lock (&l->lock);
    if ((any = l->first_arrival < l->arrival_count))
        *a = l->arrivals[l->first_arrival++];
    if (l->first_arrival == l->arrival_count)
        l->first_arrival = l->arrival_count = 0;
    start = l->arrival_count == 0 && !l->listening;
    l->listening = l->listening || start;
    pthread_mutex_unlock (&l->lock);
    if (start)
        nng_recv_aio (l->socket, l->in);
    return any;
}

/* The connection ended: what was to be sent on it is void. */
static void down (external_line *l)
{
    l->pipe = 0;
    forget_outgoing (l);
    nng_aio_cancel (l->out);
}

/* True: *out says what came. */
static bool sort_out (external_line *l, const struct arrival *a, line_event *out)
{
    if (a->kind == LINE_UP &&
        l->pipe) { /* announced before the end of the old one: its end comes first */
        l->held = *a;
        down (l);
        *out = (line_event){.kind = LINE_DOWN};
        return true;
    }
    if (a->kind == LINE_UP) {
        l->pipe = a->pipe;
        *out = (line_event){.kind = LINE_UP};
        return true;
    }
    if (a->kind == LINE_DOWN) {
        if (a->pipe != l->pipe) /* refused, dropped, or known to be gone */
            return false;
        down (l);
        *out = (line_event){.kind = LINE_DOWN};
        return true;
    }
    if (a->pipe != l->pipe) { /* I3 */
        nng_msg_free (a->message);
        return false;
    }
    l->given = a->message;
    *out = (line_event){LINE_MESSAGE, {nng_msg_body (a->message), nng_msg_len (a->message)}};
    return true;
}

bool external_line_next (external_line *l, line_event *out)
{
    struct arrival a;
    uint64_t count;
    bool lost;
    if (l->given)
        nng_msg_free (l->given);
    l->given = NULL;
    if (read (l->event, &count, sizeof (count)) < 0)
        count = 0; /* nobody rang since */
    send_next (l);
    pthread_mutex_lock (&l->lock);
    lost = l->lost;
    l->lost = false;
    pthread_mutex_unlock (&l->lock);
    if (lost && l->pipe) { /* out of memory: something of this connection is missing */
        external_line_drop (l);
        *out = (line_event){.kind = LINE_DOWN};
        return true;
    }
    while (take_arrival (l, &a))
        if (sort_out (l, &a, out))
            return true;
    return false;
}

esp_err external_line_send (external_line *l, span bytes)
{
    struct outgoing *o;
    if (!l->pipe)
        return ESP_OK;
    if (!(o = esp_calloc (1, sizeof (*o))))
        return ESP_ENOMEM;
    if (nng_msg_alloc (&o->message, bytes.len) != 0) {
        esp_free (o);
        return ESP_ENOMEM;
    }
    if (bytes.len > 0)
        memcpy (nng_msg_body (o->message), bytes.ptr, bytes.len);
    *l->last_out = o;
    l->last_out = &o->next;
    send_next (l);
    return ESP_OK;
}

void external_line_drop (external_line *l)
{
    nng_pipe old = {l->pipe};
    if (!l->pipe)
        return;
    down (l);
    nng_pipe_close (old);
}

void external_line_forget (external_line *l)
{
    if (l->pipe)
        down (l);
}
