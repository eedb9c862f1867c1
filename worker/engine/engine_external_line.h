/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_ENGINE_EXTERNAL_LINE_H
#define ESP_WORKER_ENGINE_ENGINE_EXTERNAL_LINE_H

/* engine_external_line.h - one peer at the other end of an nng pair socket
 *
 * Connections come and go; the line says so, in order with the messages.  nng's threads only put things into a queue.
 *
 * Why pair1: it has one peer, keeps order, and holds back a sender instead of dropping what it says (a bus drops).  While a
 * connection stands a second one is refused, and when it breaks the next is taken, so a peer may die and come back.
 * What a new peer may still get from an old connection is told apart by the session number of the messages.
 *
 * Threads: one, and nng's inside.
 */

#include "proto/base/text.h"

typedef struct external_line external_line;

enum line_event_kind { LINE_UP, LINE_DOWN, LINE_MESSAGE };

typedef struct line_event {
    enum line_event_kind kind;
    span bytes; /* MESSAGE; valid until the next call of external_line_next */
} line_event;

/* Listen at a URL, or dial it and keep dialling.  Errors: ESP_EFORMAT (no URL of nng), ESP_EIO, ESP_ENOMEM, with a
 * sentence. */
ESP_MUST_CHECK esp_err external_line_open (const char *url, bool listen, size_t most_bytes,
                                           external_line **out, esp_error *error);
/* Accepts NULL.  patience_ms: how long what was sent may take to leave. */
void external_line_close (external_line *l, int patience_ms);

bool external_line_next (external_line *l, line_event *out);
/* Copied and queued; without a connection it is dropped.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err external_line_send (external_line *l, span bytes);
/* End this connection; LINE_DOWN is not said for it.  A dialled peer is dialled again. */
void external_line_drop (external_line *l);
/* The same for a peer whose process is gone: its connection ends by itself.  Better than drop where both can be: nng 1.5 may never finish
 * a connection that is closed here while a message is being read (closer.h), and then takes no other one. */
void external_line_forget (external_line *l);
int external_line_fd (const external_line *l); /* readable when external_line_next has something */

#endif
