/* SPDX-License-Identifier: Apache-2.0 */
/* door.c - see door.h
 *
 * A slot goes LISTENING --request--> READY --door_take--> TAKEN --door_answer--> SENDING --sent--> LISTENING.
 * Only the callback (an nng thread) leaves LISTENING and SENDING, only the loop's thread leaves READY and TAKEN;
 * the lock covers the states and the arrival numbers.
 */

#include "coordinator/observe/door.h"
#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/supplemental/util/platform.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/log.h"
#include "proto/client/closer.h"

enum {
    REQUEST_BYTES = 2 << 20, /* largest request; only add-step needs more than 100 bytes */
    SEND_QUEUE =
        64, /* messages waiting per subscriber, then the oldest is lost: 3 s at 20 a second */
    ANSWER_MS =
        5000, /* an asker that does not read loses its answer, so that it cannot hold the slot */
    CLOSE_MS = 200
};

enum slot_state { LISTENING, READY, TAKEN, SENDING };

struct slot {
    struct door *door;
    nng_ctx ctx;
    nng_aio *aio;
    nng_msg *request; /* owned in READY and TAKEN */
    enum slot_state state;
    uint64_t arrival;
};

struct door {
    nng_socket pub, rep;
    bool pub_open, rep_open;
    int event; /* eventfd */
    atomic_int watchers;
    pthread_mutex_t lock;
    uint64_t arrivals;
    struct slot slots[DOOR_SLOTS];
    char events_url[PLACE_URL_MAX], control_url[PLACE_URL_MAX];
};

static esp_err fail (esp_error *error, const char *what, int code)
{
    return esp_error_set (error, code == NNG_ENOMEM ? ESP_ENOMEM : ESP_EIO, "%s: %s", what,
                          nng_strerror (code));
}

/* ---- callbacks, in nng's threads ---- */

static void count_watchers (nng_pipe pipe, nng_pipe_ev what, void *arg)
{
    door *d = arg;
    (void)pipe;
    atomic_fetch_add (&d->watchers, what == NNG_PIPE_EV_ADD_POST ? 1 : -1);
}

static void moved (void *arg)
{
    struct slot *s = arg;
    int result = nng_aio_result (s->aio);
    bool again = true;
    pthread_mutex_lock (&s->door->lock);
    if (s->state == LISTENING && result == 0) {
        s->request = nng_aio_get_msg (s->aio);
        s->arrival = s->door->arrivals++;
        s->state = READY;
        again = false;
    } else if (s->state == SENDING) {
        if (result != 0) { /* the asker is gone: the answer is still ours */
            nng_msg_free (nng_aio_get_msg (s->aio));
            nng_aio_set_msg (s->aio, NULL);
        }
        s->state = LISTENING;
    }
    pthread_mutex_unlock (&s->door->lock);
    if (again && result != NNG_ECLOSED && result != NNG_ECANCELED) {
        nng_aio_set_timeout (s->aio, NNG_DURATION_INFINITE);
        nng_ctx_recv (s->ctx, s->aio);
    } else if (!again) {
        door_knock (s->door);
    }
}

/* ---- life ---- */

static void urls_of (const place *p, uint16_t port, const char *host, char *events, char *control)
{
    if (p->local) {
        snprintf (events, PLACE_URL_MAX, "ipc://%s.events", p->stem);
        snprintf (control, PLACE_URL_MAX, "ipc://%s.control", p->stem);
    } else {
        snprintf (events, PLACE_URL_MAX, "ws://%s:%u/%s/events", host, port, p->token);
        snprintf (control, PLACE_URL_MAX, "ws://%s:%u/control", host, port);
    }
}

static esp_err
listen_at (nng_socket socket, const place *p, const char *url, nng_listener *l, esp_error *error)
{
    int code = nng_listener_create (l, socket, url);
    if (code == 0 && p->local)
        code = nng_listener_set_int (*l, NNG_OPT_IPC_PERMISSIONS, 0600);
    if (code == 0)
        code = nng_listener_start (*l, 0);
    return code == 0 ? ESP_OK
           : p->local
               ? fail (error, url, code)
               : esp_error_set (error, ESP_EIO, "observe.listen: cannot listen at tcp://%s:%u: %s",
                                p->host, p->port, nng_strerror (code));
}

static esp_err listen_both (door *d, const place *p, esp_error *error)
{
    nng_listener l;
    char host[256] = "localhost";
    int port = p->port;
    bool every =
        strcmp (p->host, "") == 0 || strcmp (p->host, "*") == 0 || strcmp (p->host, "0.0.0.0") == 0;
    esp_err err;
    urls_of (p, p->port, p->host, d->events_url, d->control_url);
    if ((err = listen_at (d->pub, p, d->events_url, &l, error)) != ESP_OK)
        return err;
    if (!p->local && nng_listener_get_int (l, NNG_OPT_TCP_BOUND_PORT, &port) != 0)
        return esp_error_set (error, ESP_EIO, "observe.listen: the port is not known");
    urls_of (p, (uint16_t)port, p->host, d->events_url, d->control_url);
    if ((err = listen_at (d->rep, p, d->control_url, &l, error)) != ESP_OK)
        return err;
    if (every)
        gethostname (host, sizeof (host) - 1);
    urls_of (p, (uint16_t)port, every ? host : p->host, d->events_url, d->control_url);
    return ESP_OK;
}

static esp_err open_sockets (door *d, esp_error *error)
{
    int code = nng_pub0_open (&d->pub);
    d->pub_open = code == 0;
    if (code == 0)
        code = nng_rep0_open (&d->rep);
    d->rep_open = code == 0 && d->pub_open;
    if (code != 0 || (code = nng_socket_set_int (d->pub, NNG_OPT_SENDBUF, SEND_QUEUE)) != 0 ||
        (code = nng_socket_set_size (d->rep, NNG_OPT_RECVMAXSZ, REQUEST_BYTES)) != 0 ||
        (code = nng_pipe_notify (d->pub, NNG_PIPE_EV_ADD_POST, count_watchers, d)) != 0 ||
        (code = nng_pipe_notify (d->pub, NNG_PIPE_EV_REM_POST, count_watchers, d)) != 0)
        return fail (error, "the sockets for observers", code);
    return ESP_OK;
}

static esp_err open_slots (door *d, esp_error *error)
{
    for (int i = 0; i < DOOR_SLOTS; i++) {
        struct slot *s = &d->slots[i];
        int code = nng_aio_alloc (&s->aio, moved, s);
        if (code == 0)
            code = nng_ctx_open (&s->ctx, d->rep);
        if (code != 0)
            return fail (error, "the sockets for observers", code);
        s->door = d;
    }
    return ESP_OK;
}

esp_err door_open (const place *where, door **out, esp_error *error)
{
    door *d = esp_calloc (1, sizeof (*d));
    esp_err err;
    if (!d)
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    pthread_mutex_init (&d->lock, NULL);
    if ((d->event = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0)
        err = esp_error_set (error, ESP_EIO, "no descriptor is left for observers");
    else if ((err = open_sockets (d, error)) == ESP_OK && (err = open_slots (d, error)) == ESP_OK)
        err = listen_both (d, where, error);
    if (err != ESP_OK) {
        door_close (d);
        return err;
    }
    for (int i = 0; i < DOOR_SLOTS; i++)
        nng_ctx_recv (d->slots[i].ctx, d->slots[i].aio);
    *out = d;
    return ESP_OK;
}

static bool sending (door *d)
{
    bool any = false;
    pthread_mutex_lock (&d->lock);
    for (int i = 0; i < DOOR_SLOTS; i++)
        any = any || d->slots[i].state == SENDING;
    pthread_mutex_unlock (&d->lock);
    return any;
}

void door_close (door *d)
{
    bool closed;
    if (!d)
        return;
    for (int ms = 0; ms < CLOSE_MS && (sending (d) || (ms < 20 && door_watched (d))); ms += 5)
        nng_msleep (5); /* nng drops what is queued when a socket is closed */
    for (int i = 0; i < DOOR_SLOTS; i++)
        if (d->slots[i].aio)
            nng_aio_stop (d->slots[i].aio);
    closed = !d->rep_open || closer_close (d->rep.id);
    closed = (!d->pub_open || closer_close (d->pub.id)) && closed;
    if (!closed) {
        esp_log (LOG_WARN, "OBSERVE-CLOSE", "the sockets for observers do not close; left behind");
        return; /* callbacks may still come */
    }
    for (int i = 0; i < DOOR_SLOTS; i++) {
        if (d->slots[i].aio)
            nng_aio_free (d->slots[i].aio);
        if (d->slots[i].request)
            nng_msg_free (d->slots[i].request);
    }
    if (d->event >= 0)
        close (d->event);
    pthread_mutex_destroy (&d->lock);
    esp_free (d);
}

const char *door_events_url (const door *d)
{
    return d->events_url;
}

const char *door_control_url (const door *d)
{
    return d->control_url;
}

int door_fd (const door *d)
{
    return d->event;
}

void door_knock (door *d)
{
    uint64_t one = 1;
    if (write (d->event, &one, sizeof (one)) < 0)
        return; /* full: readable already */
}

bool door_watched (const door *d)
{
    return atomic_load (&d->watchers) > 0;
}

/* ---- messages ---- */

static nng_msg *message_of (span bytes)
{
    nng_msg *m;
    if (nng_msg_alloc (&m, bytes.len) != 0)
        return NULL;
    if (bytes.len > 0)
        memcpy (nng_msg_body (m), bytes.ptr, bytes.len);
    return m;
}

void door_publish (door *d, span bytes)
{
    nng_msg *m = message_of (bytes);
    if (m && nng_sendmsg (d->pub, m, NNG_FLAG_NONBLOCK) != 0)
        nng_msg_free (m);
}

bool door_take (door *d, int *slot, span *bytes)
{
    struct slot *first = NULL;
    uint64_t count;
    if (read (d->event, &count, sizeof (count)) < 0)
        count = 0; /* nobody knocked since; a request may wait all the same */
    pthread_mutex_lock (&d->lock);
    for (int i = 0; i < DOOR_SLOTS; i++)
        if (d->slots[i].state == READY && (!first || d->slots[i].arrival < first->arrival))
            first = &d->slots[i];
    if (first)
        first->state = TAKEN;
    pthread_mutex_unlock (&d->lock);
    if (!first)
        return false;
    *slot = (int)(first - d->slots);
    *bytes = span_make (nng_msg_body (first->request), nng_msg_len (first->request));
    return true;
}

void door_answer (door *d, int slot, span bytes)
{
    struct slot *s = &d->slots[slot];
    nng_msg *m = message_of (bytes);
    nng_msg_free (s->request);
    s->request = NULL;
    pthread_mutex_lock (&d->lock);
    s->state = m ? SENDING : LISTENING; /* out of memory: the asker times out */
    pthread_mutex_unlock (&d->lock);
    if (m) {
        nng_aio_set_msg (s->aio, m);
        nng_aio_set_timeout (s->aio, ANSWER_MS);
        nng_ctx_send (s->ctx, s->aio);
    } else {
        nng_aio_set_timeout (s->aio, NNG_DURATION_INFINITE);
        nng_ctx_recv (s->ctx, s->aio);
    }
}
