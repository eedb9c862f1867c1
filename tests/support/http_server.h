/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_SUPPORT_HTTP_SERVER_H
#define ESP_TESTS_SUPPORT_HTTP_SERVER_H

/* http_server.h - an HTTP server for tests that keeps to the rules: libmicrohttpd in a thread of its own
 *
 * It listens on a free port of 127.0.0.1 or on a Unix socket, with or without TLS, and asks a function of the test for
 * each answer.  Servers that break the rules: raw_server.h.
 */

#include "proto/base/text.h"

typedef struct http_server http_server;

typedef struct http_asked {
    const char *method, *path; /* path without the query */
    span body;
    unsigned number;  /* of the request, from 0 */
    void *connection; /* for http_asked_header and _query */
} http_asked;

const char *http_asked_header (const http_asked *asked, const char *name); /* NULL: not there */
const char *http_asked_query (const http_asked *asked, const char *name);

typedef struct http_reply {
    unsigned status; /* 0: 200 */
    span body;       /* borrowed until the next answer, or until the server stops */
    bool chunked;
    const char *headers[4][2]; /* name, value; NULL ends them */
} http_reply;

typedef struct http_server_setup {
    void (*answer) (void *ctx, const http_asked *asked,
                    http_reply *reply); /* in the server's thread */
    void *ctx;
    const char *socket;             /* path of a Unix socket; NULL: TCP */
    const char *cert_pem, *key_pem; /* contents of the files; NULL: no TLS */
    unsigned hold;                  /* > 1: nobody gets an answer before so many requests wait */
} http_server_setup;

http_server *
http_server_start (const http_server_setup *setup); /* a fatal check of CUnit if it cannot */
void http_server_stop (http_server *s);             /* accepts NULL */
const char *http_server_url (const http_server *s); /* "http://127.0.0.1:33333", "unix:/path" */
unsigned http_server_requests (http_server *s);
unsigned http_server_connections (http_server *s); /* accepted so far */

/* A self-signed certificate for 127.0.0.1 (openssl) into folder/cert.pem and folder/key.pem; appends their contents. */
void http_server_certificate (const char *folder, esp_buf *cert_pem, esp_buf *key_pem);

#endif
