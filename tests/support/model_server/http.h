/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_SUPPORT_MODEL_SERVER_HTTP_H
#define ESP_TESTS_SUPPORT_MODEL_SERVER_HTTP_H

/* http.h - the HTTP side of the model server: libmicrohttpd with a thread per connection, and its faults
 *
 * The library keeps to the rules; what breaks them is written to the socket behind its back (http_raw.c) or cut in the
 * callback that it takes a body from.
 */

#include "tests/support/model_server/fault.h"
#include "tests/support/model_server/kind.h"

typedef struct http_setup {
    setup model;
    faults *faults;           /* borrowed */
    unsigned port;            /* 0: a free one */
    const char *socket;       /* path of a Unix socket; NULL: TCP on 127.0.0.1 */
    char *cert_pem, *key_pem; /* contents; NULL: no TLS */
    unsigned keep_alive_s;    /* an idle connection is closed; 0: never */
} http_setup;

typedef struct http_side http_side;

http_side *http_side_start (const http_setup *how); /* NULL: it cannot listen */
const char *http_side_url (const http_side *s);
void http_side_stop (http_side *s); /* ends all stalled answers */

#endif
