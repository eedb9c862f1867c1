/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_HTTP_HTTP_H
#define ESP_WORKER_HTTP_HTTP_H

/* http.h - requests to servers, inside the worker's loop (libcurl multi; no thread that calls us)
 *
 * A pool keeps connections and has ONE descriptor to sleep on.  http_start() returns at once; callbacks come only from
 * inside http_poll(), where they may start and cancel any request (but not poll or destroy the pool).
 *
 * HTTP/1.1; gzip is undone; no cookies, no netrc; redirects are reported, not followed.  Connections are reused until
 * 4 s after their last use (servers close idle ones after 5 s); one that dies before the first byte of an answer is
 * replaced by itself, so a server may see a request twice.  Proxies: http_proxy, https_proxy, all_proxy and
 * no_proxy as curl has them, unless setup.proxy is given.
 *
 * Ownership: everything in a setup and a call is copied, except a body without copy_body: it is borrowed until
 *            done, or until http_cancel() returns.  What callbacks are given is borrowed for that call only.
 * Secrets:   never in a sentence or a log: no header, no user name, password or query of a URL is shown.
 * Threads:   one.  The process must ignore SIGPIPE: TLS may raise it.
 */

#include "proto/base/clock.h"
#include "proto/base/text.h"

typedef struct http http;                 /* the pool */
typedef struct http_request http_request; /* gone after its done call, or after http_cancel() */

typedef struct http_setup {
    const esp_clock *clock; /* borrowed until destroy; NULL: the system's */
    const char *ca_file;    /* PEM file of an own authority; NULL: the system's */
    const char *proxy;      /* "http://host:port"; "": none; NULL: from the environment */
    bool no_verify;         /* take any certificate: for tests on one's own machine */
} http_setup;

/* How an exchange ended.  In brackets the answer's code; EPEER, ETIMEOUT, EIO and ENOMEM are worth another try. */
enum http_fault {
    HTTP_FINE,               /* a whole answer, whatever its status (ESP_OK) */
    HTTP_BAD_URL,            /* or a header or secret with control bytes (EINVAL) */
    HTTP_NO_HOST,            /* the name is not known (EPEER) */
    HTTP_REFUSED,            /* nobody listens, no route, no such socket (EPEER) */
    HTTP_PROXY,              /* the proxy's name, nobody there, or its own refusal (EPEER) */
    HTTP_TLS,                /* certificate, CA file, or no TLS there (EPERMISSION) */
    HTTP_TIMEOUT_CONNECT,    /* name, connection, TLS (ETIMEOUT) */
    HTTP_TIMEOUT_FIRST_BYTE, /* connected, no header line (ETIMEOUT) */
    HTTP_TIMEOUT_IDLE,       /* silence inside the answer (ETIMEOUT) */
    HTTP_TIMEOUT_TOTAL,      /* (ETIMEOUT) */
    HTTP_CLOSED_EARLY,       /* closed or reset before the answer was whole (EPEER) */
    HTTP_TOO_BIG,            /* body or headers over their limit (ETOOBIG) */
    HTTP_GARBAGE,            /* not HTTP, or damaged gzip (EFORMAT) */
    HTTP_REDIRECT,           /* status 3xx with a place to go; text names it (EUNSUPPORTED) */
    HTTP_NO_MEMORY,          /* (ENOMEM) */
    HTTP_FAILED,             /* anything else, such as no descriptor left (EIO) */
    HTTP_FAULTS
};

typedef struct http_answer {
    enum http_fault fault;
    esp_err code;
    const char *text;         /* URL, what is wrong, what to do; "": fine, status < 400 */
    int status;               /* 0: no status line came */
    span body;                /* what came; empty where chunk() had it */
    const char *content_type; /* "": not said */
    bool by_proxy;            /* as far as its port tells: another one than the URL's */
    uint32_t retry_after_s;   /* 0: not said */
} http_answer;

typedef struct http_limits { /* 0: the default; for times UINT32_MAX: none */
    uint32_t connect_ms;     /* 10 s */
    uint32_t first_byte_ms;  /* 10 min: a server without streaming is silent while it generates */
    uint32_t idle_ms;        /* 1 min */
    uint32_t total_ms;       /* 30 min, from http_start() */
    size_t answer_bytes;     /* 64 MiB, after gzip is undone */
    size_t header_bytes;     /* 64 KiB, all lines */
} http_limits;

typedef struct http_call {
    const char *server; /* "http://host:8000", "https://host/prefix", "unix:/run/llm.sock" */
    const char *path;   /* behind the server's: "/v1/models", "/slots/0?action=save"; or NULL */
    const char *const *headers; /* "Name: value", NULL at the end; may be NULL */
    const char *secret;         /* sent as "Authorization: Bearer SECRET"; may be NULL */
    span body;                  /* JSON, sent by POST; ptr NULL: GET */
    bool copy_body;
    http_limits limits;
    /* The body of a 2xx answer as it comes (others are kept for done: they tell an error); NULL: kept for done. */
    void (*chunk) (void *ctx, http_request *r, span bytes);
    void (*done) (void *ctx, http_request *r, const http_answer *a); /* once, unless cancelled */
    void *ctx;
} http_call;

/* Errors: ESP_EINVAL, ESP_ENOMEM, ESP_EIO (no descriptors left). */
ESP_MUST_CHECK esp_err http_create (const http_setup *setup, http **out);
void http_destroy (http *h); /* accepts NULL; cancels what is in flight */

/* What goes wrong later is told to done.  Errors: ESP_EINVAL (no server or no done), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err http_start (http *h, const http_call *call, http_request **out);
/* No callback follows; the connection is closed, which tells the server to stop. */
void http_cancel (http_request *r);

int http_fd (const http *h); /* readable when http_poll() has work; sleep on it */
void http_poll (http *h);    /* all that can be done without waiting */
/* Sleep on the descriptor, then poll: where there is no loop. */
void http_wait (http *h, int timeout_ms);
size_t http_in_flight (const http *h); /* started, neither done nor cancelled */

/* Is this a server that http_start() would take?  Errors: ESP_EINVAL with a sentence, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err http_check_server (const char *server, esp_error *error);

#endif
