/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_HTTP_SSE_H
#define ESP_WORKER_HTTP_SSE_H

/* sse.h - server-sent events out of a stream of bytes that is cut anywhere
 *
 *     sse_push (s, bytes);
 *     while ((err = sse_next (s, &name, &data)) == ESP_OK)
 *         ...
 *
 * Lines end in \n, \r\n or \r; lines that begin with ':' are comments; several data lines of one event are joined by
 * \n; an event without data is none.  "data: [DONE]" ends the stream: what follows is dropped.
 *
 * Threads: none.  Errors: after ESP_ETOOBIG or ESP_ENOMEM nothing more comes until sse_reset().
 */

#include "proto/base/text.h"

typedef struct sse sse;

enum sse_end {
    SSE_MARKED,   /* [DONE] was seen */
    SSE_UNMARKED, /* ended between two events, without [DONE]: fine for servers that have no mark */
    SSE_CUT       /* ended inside an event: part of the stream is lost */
};

/* event_bytes: most bytes of one event, and of one line; at least 16.  Errors: ESP_EINVAL, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err sse_create (size_t event_bytes, sse **out);
void sse_destroy (sse *s); /* accepts NULL */
void sse_reset (sse *s);   /* a new stream */

/* Copies the bytes.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err sse_push (sse *s, span bytes);

/* The next whole event.  name: of its "event:" line, mostly empty.  Both are borrowed until the next call.
 * Errors: ESP_EEMPTY (push more), ESP_ETOOBIG, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err sse_next (sse *s, span *name, span *data);

/* After the last byte and sse_next() until ESP_EEMPTY: was it all?  A last event without its empty line counts
 * as cut, except [DONE]. */
enum sse_end sse_finish (sse *s);

#endif
