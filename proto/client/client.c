/* SPDX-License-Identifier: Apache-2.0 */
/* client.c - see client.h
 *
 * The subscription is dialled before anything is asked, and the first message is a gap by definition: so the
 * snapshot is younger than the subscription and nothing falls between them.
 */

#include "proto/client/client.h"
#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/req.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/clock.h"
#include "proto/client/closer.h"
#include "proto/client/control_file.h"

enum {
    QUEUE = 1024,   /* published messages kept while we are busy: 50 s of an ordinary run */
    PIECE_MS = 200, /* a long wait is cut so that the end of the run is seen */
    SILENCE_MS_REMOTE =
        10000 /* without a connection after which a run on another host counts as gone */
};

struct client {
    control_file where;
    char *output; /* owned */
    nng_socket sub, req;
    bool sub_open, req_open;
    atomic_int pipes;  /* connections of sub; counted by nng's threads */
    uint64_t alone_ns; /* since when there is none; 0 = there is one */
    wire_codec *events, *control;
    esp_buf out;
    uint64_t sequence;
    bool heard;
};

/* ---- life ---- */

static void count_pipes (nng_pipe pipe, nng_pipe_ev what, void *arg)
{
    client *c = arg;
    (void)pipe;
    atomic_fetch_add (&c->pipes, what == NNG_PIPE_EV_ADD_POST ? 1 : -1);
}

static esp_err nobody (const client *c, esp_error *error, const char *why)
{
    return esp_error_set (error, ESP_EPEER,
                          "%s: the run on %s (process %ld) does not answer (%s)%s", c->output,
                          c->where.host, c->where.pid, why,
                          control_file_is_here (&c->where) ? "; it ended, or was killed"
                          : strncmp (c->where.events, "ipc:", 4) == 0
                              ? "; its sockets are files on that host: go there, or set "
                                "observe.listen: tcp://HOST:PORT"
                              : "");
}

static esp_err open_sockets (client *c, esp_error *error)
{
    int code = nng_sub0_open (&c->sub);
    c->sub_open = code == 0;
    if (code == 0)
        code = nng_req0_open (&c->req);
    c->req_open = c->sub_open && code == 0;
    if (code != 0 || (code = nng_socket_set (c->sub, NNG_OPT_SUB_SUBSCRIBE, "", 0)) != 0 ||
        (code = nng_socket_set_int (c->sub, NNG_OPT_RECVBUF, QUEUE)) != 0 ||
        (code = nng_socket_set_size (c->sub, NNG_OPT_RECVMAXSZ, WIRE_BYTES_MAX)) != 0 ||
        (code = nng_socket_set_size (c->req, NNG_OPT_RECVMAXSZ, WIRE_BYTES_MAX)) != 0 ||
        (code = nng_socket_set_ms (c->req, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE)) != 0 ||
        (code = nng_pipe_notify (c->sub, NNG_PIPE_EV_ADD_POST, count_pipes, c)) != 0 ||
        (code = nng_pipe_notify (c->sub, NNG_PIPE_EV_REM_POST, count_pipes, c)) != 0)
        return esp_error_set (error, code == NNG_ENOMEM ? ESP_ENOMEM : ESP_EIO, "%s: %s", c->output,
                              nng_strerror (code));
    if ((code = nng_dial (c->sub, c->where.events, NULL, 0)) != 0 ||
        (code = nng_dial (c->req, c->where.control, NULL, 0)) != 0)
        return code == NNG_ENOMEM ? esp_error_set (error, ESP_ENOMEM, "out of memory")
                                  : nobody (c, error, nng_strerror (code));
    return ESP_OK;
}

esp_err client_open (const char *output, client **out, esp_error *error)
{
    client *c;
    esp_err err;
    if (!output || !out)
        return esp_error_set (error, ESP_EINVAL, "which output folder?");
    if (!(c = esp_calloc (1, sizeof (*c))))
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    if (!(c->output = esp_strdup (output)) || wire_codec_create (&c->events) != ESP_OK ||
        wire_codec_create (&c->control) != ESP_OK)
        err = esp_error_set (error, ESP_ENOMEM, "out of memory");
    else if ((err = control_file_read (output, &c->where, error)) == ESP_OK)
        err = open_sockets (c, error);
    if (err != ESP_OK) {
        client_close (c);
        return err;
    }
    *out = c;
    return ESP_OK;
}

void client_close (client *c)
{
    bool closed;
    if (!c)
        return;
    closed = !c->req_open || closer_close (c->req.id);
    closed = (!c->sub_open || closer_close (c->sub.id)) && closed;
    if (!closed)
        return; /* callbacks may still come: better lost than used after it is freed */
    wire_codec_destroy (c->events);
    wire_codec_destroy (c->control);
    esp_buf_free (&c->out);
    esp_free (c->output);
    esp_free (c);
}

/* ---- asking ---- */

static esp_err trouble (const client *c, int code, esp_error *error)
{
    if (code == NNG_ETIMEDOUT)
        return esp_error_set (error, ESP_ETIMEOUT, "%s: the run did not answer in time", c->output);
    if (code == NNG_ENOMEM)
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    return nobody (c, error, nng_strerror (code));
}

static esp_err exchange (client *c, int timeout_ms, nng_msg **answer, esp_error *error)
{
    nng_msg *m;
    int code = nng_msg_alloc (&m, c->out.len);
    if (code != 0)
        return trouble (c, NNG_ENOMEM, error);
    memcpy (nng_msg_body (m), c->out.data, c->out.len);
    nng_socket_set_ms (c->req, NNG_OPT_SENDTIMEO, timeout_ms);
    nng_socket_set_ms (c->req, NNG_OPT_RECVTIMEO, timeout_ms);
    if ((code = nng_sendmsg (c->req, m, 0)) != 0) {
        nng_msg_free (m);
        return trouble (c, code, error);
    }
    code = nng_recvmsg (c->req, answer, 0);
    return code == 0 ? ESP_OK : trouble (c, code, error);
}

esp_err client_ask (client *c, const control_message *ask, int timeout_ms, control_message *answer,
                    esp_error *error)
{
    control_message m;
    nng_msg *came;
    esp_err err;
    if (!c || !ask || !answer)
        return esp_error_set (error, ESP_EINVAL, "nothing to ask");
    m = *ask;
    m.token = span_of (c->where.token);
    esp_buf_clear (&c->out);
    if ((err = wire_control_encode (c->control, &m, &c->out)) != ESP_OK)
        return esp_error_set (error, err, "%s", esp_err_text (err));
    if ((err = exchange (c, timeout_ms, &came, error)) != ESP_OK)
        return err;
    err = wire_control_decode (c->control, span_make (nng_msg_body (came), nng_msg_len (came)), &m);
    nng_msg_free (came);
    if (err == ESP_OK && m.kind != CONTROL_OK && m.kind != CONTROL_FAILED)
        err = ESP_EFORMAT;
    if (err != ESP_OK)
        return esp_error_set (error, err, "%s: the run's answer: %s", c->output,
                              esp_err_text (err));
    if (m.kind == CONTROL_FAILED)
        return esp_error_set (error, ESP_ECONFLICT, "%.*s",
                              (int)(m.text.len < 400 ? m.text.len : 400), m.text.ptr);
    *answer = m;
    return ESP_OK;
}

esp_err client_snapshot (client *c, problem_key key, int timeout_ms,
                         void (*emit) (void *ctx, const event *events, size_t count), void *ctx,
                         uint64_t *number, esp_error *error)
{
    control_message ask = {.kind = CONTROL_SNAPSHOT, .problem = key}, page;
    char next[64];
    esp_err err;
    bool first = true;
    do {
        if ((err = client_ask (c, &ask, timeout_ms, &page, error)) != ESP_OK)
            return err;
        if (first)
            *number = page.number;
        first = false;
        emit (ctx, page.events, page.event_count);
        if (page.text.len > sizeof (next))
            return esp_error_set (error, ESP_EFORMAT, "%s: the run's answer: malformed data",
                                  c->output);
        memcpy (next, page.text.ptr, page.text.len);
        ask.text = span_make (next, page.text.len);
    } while (ask.text.len > 0);
    return ESP_OK;
}

/* ---- listening ---- */

/* Nothing came: is there still a run? */
static esp_err alone (client *c)
{
    esp_clock clock = esp_clock_monotonic ();
    uint64_t now = esp_clock_ns (&clock);
    if (atomic_load (&c->pipes) > 0) {
        c->alone_ns = 0;
        return ESP_EEMPTY;
    }
    if (c->alone_ns == 0)
        c->alone_ns = now;
    if (!control_file_is_current (c->output, &c->where))
        return ESP_EPEER;
    if (control_file_is_here (&c->where))
        return kill ((pid_t)c->where.pid, 0) != 0 && errno == ESRCH ? ESP_EPEER : ESP_EEMPTY;
    return (now - c->alone_ns) / 1000000 > SILENCE_MS_REMOTE ? ESP_EPEER : ESP_EEMPTY;
}

static esp_err receive (client *c, int timeout_ms, nng_msg **m)
{
    int left = timeout_ms, code;
    do {
        int piece = left < PIECE_MS ? left : PIECE_MS;
        esp_err err;
        nng_socket_set_ms (c->sub, NNG_OPT_RECVTIMEO, piece > 0 ? piece : 1);
        if ((code = nng_recvmsg (c->sub, m, 0)) == 0)
            return ESP_OK;
        if (code != NNG_ETIMEDOUT)
            return code == NNG_ENOMEM ? ESP_ENOMEM : ESP_EPEER;
        if ((err = alone (c)) != ESP_EEMPTY)
            return err;
        left -= piece;
    } while (left > 0);
    return ESP_EEMPTY;
}

esp_err client_next (client *c, int timeout_ms, const event **events, size_t *count,
                     run_status *status, bool *gap)
{
    nng_msg *m;
    uint64_t sequence;
    esp_err err;
    if (!c || !events || !count || !status || !gap)
        return ESP_EINVAL;
    if ((err = receive (c, timeout_ms, &m)) != ESP_OK)
        return err;
    err = wire_events_decode (c->events, span_make (nng_msg_body (m), nng_msg_len (m)), &sequence,
                              status, events, count);
    nng_msg_free (m);
    if (err != ESP_OK)
        return err;
    *gap = !c->heard || sequence != c->sequence + 1;
    c->heard = true;
    c->sequence = sequence;
    return ESP_OK;
}
