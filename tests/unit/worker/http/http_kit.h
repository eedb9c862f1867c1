/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_WORKER_HTTP_HTTP_KIT_H
#define ESP_TESTS_UNIT_WORKER_HTTP_HTTP_KIT_H

/* http_kit.h - a pool with a clock that can be put forward, and a copy of what came back */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/http_server.h"
#include "tests/support/raw_server.h"
#include "tests/support/suite.h"
#include "worker/http/http.h"

enum { KIT_PATIENCE_MS = 20000 }; /* for what must happen; over it the test fails */

struct kit {
    http *pool;
    esp_clock clock;
    uint64_t ahead_ns; /* of the system's clock */
};

struct got { /* by one request */
    http_request *request;
    unsigned calls, chunks;
    enum http_fault fault;
    esp_err code;
    int status;
    uint32_t retry_after_s;
    size_t body_bytes; /* of the answer, which may be longer than body */
    char text[480], type[80], body[512], streamed[512];
    bool cancel_in_chunk, by_proxy;
};

static inline uint64_t kit_now (void *ctx)
{
    esp_clock real = esp_clock_monotonic ();
    return esp_clock_ns (&real) + ((const struct kit *)ctx)->ahead_ns;
}

static inline void kit_open (struct kit *k, const char *ca_file)
{
    http_setup setup = {.clock = &k->clock, .ca_file = ca_file, .proxy = ""};
    signal (SIGPIPE, SIG_IGN);
    memset (k, 0, sizeof (*k));
    k->clock = (esp_clock){kit_now, k};
    PASS (http_create (&setup, &k->pool));
}

static inline void kit_close (struct kit *k)
{
    CHECK (http_in_flight (k->pool) == 0);
    http_destroy (k->pool);
}

static inline void kit_copy (char *out, size_t size, span text)
{
    snprintf (out, size, "%.*s", (int)(text.len < size ? text.len : size - 1),
              text.len ? text.ptr : "");
}

static inline void kit_done (void *ctx, http_request *r, const http_answer *a)
{
    struct got *g = ctx;
    CHECK (r == g->request);
    g->calls++;
    g->fault = a->fault;
    g->code = a->code;
    g->status = a->status;
    g->by_proxy = a->by_proxy;
    g->retry_after_s = a->retry_after_s;
    g->body_bytes = a->body.len;
    kit_copy (g->text, sizeof (g->text), span_of (a->text));
    kit_copy (g->type, sizeof (g->type), span_of (a->content_type));
    kit_copy (g->body, sizeof (g->body), a->body);
}

static inline void kit_chunk (void *ctx, http_request *r, span bytes)
{
    struct got *g = ctx;
    size_t len = strlen (g->streamed);
    CHECK (r == g->request && bytes.len > 0);
    g->chunks++;
    kit_copy (g->streamed + len, sizeof (g->streamed) - len, bytes);
    if (g->cancel_in_chunk)
        http_cancel (r);
}

static inline void kit_start (struct kit *k, struct got *g, http_call call)
{
    memset (g, 0, sizeof (*g));
    call.done = kit_done;
    call.ctx = g;
    PASS (http_start (k->pool, &call, &g->request));
}

static inline bool patient (struct kit *k, uint64_t since_ns)
{
    return kit_now (k) < since_ns + (uint64_t)KIT_PATIENCE_MS * 1000000;
}

/* Poll until *count reaches n; every case must get there. */
static inline void kit_until (struct kit *k, const unsigned *count, unsigned n)
{
    uint64_t since = kit_now (k);
    while (*count < n && patient (k, since))
        http_wait (k->pool, 100);
    CHECK (*count == n);
}

static inline void kit_ask (struct kit *k, struct got *g, http_call call)
{
    kit_start (k, g, call);
    kit_until (k, &g->calls, 1);
    CHECK (g->calls == 1);
}

static inline bool says (const char *text, const char *part)
{
    return strstr (text, part) != NULL;
}

#endif
