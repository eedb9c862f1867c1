/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_HTTP_HTTP_INNER_H
#define ESP_WORKER_HTTP_HTTP_INNER_H

/* http_inner.h - what the files behind http.h share; for them only
 *
 * http.c (pool, lists, time) > http_request.c (one request and its easy handle) > http_url.c, http_fault.c
 */

#include <curl/curl.h>
#include <sys/un.h>
#include "worker/http/http.h"

typedef struct http_url {
    char *text; /* owned; for libcurl */
    uint16_t port;
    char socket[sizeof (((struct sockaddr_un *)0)->sun_path)]; /* path of a Unix socket, "": TCP */
} http_url;

enum http_phase { PHASE_CONNECT, PHASE_FIRST_BYTE, PHASE_BODY, PHASE_OVER };

struct http_request {
    http *pool;                 /* borrowed */
    http_request *prev, *next;  /* http.c, I1 */
    http_request **list;        /* head of the list it is in; NULL: none */
    CURL *easy;                 /* owned; used again */
    struct curl_slist *headers; /* owned */
    http_url url;               /* owned */
    char *copy;                 /* owned; of the body sent */
    http_call call;             /* of its pointers only ctx, done and chunk are still valid */
    enum http_phase phase;
    uint64_t start_ns, phase_ns; /* phase_ns: last sign of life in this phase */
    esp_buf body;                /* of the answer; what chunk() has not had */
    size_t body_bytes, header_bytes;
    bool head_whole;       /* the empty line behind the headers came */
    bool by_proxy;         /* connected, or tried to, at another port than the URL's */
    enum http_fault fault; /* found by us, or HTTP_FINE */
    char detail[CURL_ERROR_SIZE];
};

/* http.c, called from inside libcurl */
void http_enter_phase (http_request *r, enum http_phase phase);
void http_sign_of_life (http_request *r, bool news); /* news: bytes for chunk() */

/* A request in no list.  NULL: out of memory. */
http_request *http_request_create (http *pool, const http_setup *setup);
void http_request_destroy (http_request *r); /* accepts NULL; not while libcurl has it */
/* Everything of one call into the request.  Errors: ESP_EINVAL (a sentence in r->detail), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err http_request_set (http_request *r, const http_call *call);
void http_request_end (http_request *r, CURLcode code); /* libcurl's result into r->fault */
void http_request_clear (http_request *r);              /* forget what belongs to one call */
/* Its answer, for done; *error holds the sentence. */
http_answer http_request_answer (http_request *r, esp_error *error);

/* server + path.  Errors: ESP_EINVAL with a sentence, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err http_url_make (const char *server, const char *path, http_url *out,
                                      esp_error *error);
void http_url_free (http_url *url);

enum { HTTP_SHOWN_BYTES = 160 }; /* of a URL in a sentence; two may stand in one */

/* A URL as people may see it: no user, password, query, fragment.  socket "": TCP.  Returns out. */
const char *http_url_show (const char *text, const char *socket, char out[HTTP_SHOWN_BYTES]);

/* What a result of libcurl means. */
enum http_fault http_fault_of (CURLcode code);

typedef struct http_facts { /* what the sentence of a fault may need */
    const char *url;        /* shown; NULL: could not be made, detail says all */
    const char *detail;     /* libcurl's own words */
    const char *target;     /* of a redirect, shown */
    const http_limits *limits;
    int status;
    size_t got_bytes;
} http_facts;

/* Fill *error with code and sentence of the fault; ESP_OK and "" for a fine one with status < 400. */
void http_fault_tell (enum http_fault fault, const http_facts *facts, esp_error *error);

#endif
