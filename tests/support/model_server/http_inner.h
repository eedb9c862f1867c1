/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_SUPPORT_MODEL_SERVER_HTTP_INNER_H
#define ESP_TESTS_SUPPORT_MODEL_SERVER_HTTP_INNER_H

/* http_inner.h - what the files behind http.h share */

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include "tests/support/model_server/http.h"

struct http_side {
    http_setup how;
    struct MHD_Daemon *daemon;
    char url[160];
    int stop; /* an eventfd that becomes readable */
    atomic_uint requests, connections, gone, generation, working;
    atomic_ulong generated;
    pthread_mutex_t lock; /* around model */
    char model[128];      /* a restart changes it */
};

typedef struct wire_reply { /* a whole reply before it goes out */
    unsigned status;
    const char *type;
    const char *headers[2][2];
    char *body; /* owned, malloc */
    size_t len;
    size_t *pieces; /* owned, malloc: ends of the parts of a stream; NULL: one part */
    size_t piece_count;
    unsigned piece_ms; /* pause behind each part */
    bool counted;      /* in working, until it is out */
    unsigned work_ms;  /* before a reply that is no stream */
} wire_reply;

void wire_reply_free (http_side *s, wire_reply *r);

/* Wait; false: the client has gone (counted), or the server stops. */
bool http_wait (http_side *s, int fd, unsigned ms);
void http_wait_for_ever (http_side *s, int fd);

/* Hand the reply to the library; f may cut the body.  Takes r. */
enum MHD_Result
http_send (http_side *s, struct MHD_Connection *connection, int fd, wire_reply *r, const fault *f);

/* Write it ourselves, wrongly.  The connection must be given up afterwards.  Takes r. */
void http_send_raw (http_side *s, int fd, wire_reply *r, const fault *f);

/* The answer of the model, or of a fault, to a request; the reply is owned by the caller. */
void http_answer (http_side *s, const char *method, const char *path, span body,
                  const char *authorization, const char *content_type, const fault *f,
                  wire_reply *out);

#endif
