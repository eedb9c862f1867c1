/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_SUPPORT_RAW_SERVER_H
#define ESP_TESTS_SUPPORT_RAW_SERVER_H

/* raw_server.h - a server for tests that sends any bytes and then misbehaves
 *
 * For what no HTTP library can be made to do: half a body, a wrong length, silence before or inside an answer, headers
 * drop by drop, a kept connection that dies.  It listens on a free port of 127.0.0.1; a thread per connection.
 */

#include "proto/base/text.h"

typedef struct raw_server raw_server;

enum raw_then {
    RAW_KEEP,  /* wait for the next request on this connection */
    RAW_CLOSE, /* close it */
    RAW_RESET, /* close it so that the client sees a reset */
    RAW_STALL  /* silence until the client closes; counted by raw_server_gone */
};

typedef struct raw_reply {
    span bytes;        /* status line, headers, body; borrowed until the server stops */
    size_t piece;      /* > 0: so many bytes at a time ... */
    unsigned pause_ms; /* ... with this pause behind each */
    enum raw_then then;
} raw_reply;

/* Called in a server thread for each request (headers and body by Content-Length), one at a time; number from 0. */
typedef void raw_script (void *ctx, span request, unsigned number, raw_reply *reply);

raw_server *
raw_server_start (raw_script *script, void *ctx); /* a fatal check of CUnit if it cannot */
void raw_server_stop (raw_server *s);             /* accepts NULL */
const char *raw_server_url (const raw_server *s);
unsigned raw_server_requests (raw_server *s);
unsigned raw_server_connections (raw_server *s);
/* Wait until n clients have gone from stalled connections; false after 20 s. */
bool raw_server_gone (raw_server *s, unsigned n);

#endif
