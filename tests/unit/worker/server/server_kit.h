/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_WORKER_SERVER_SERVER_KIT_H
#define ESP_TESTS_UNIT_WORKER_SERVER_SERVER_KIT_H

/* server_kit.h - a set of servers with a clock that can be put forward, servers that say what a case wants, and exchanges
 * that remember what happened to them */

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/base/log.h"
#include "tests/support/raw_server.h"
#include "tests/support/suite.h"
#include "worker/server/servers_inner.h"

enum { KIT_PATIENCE_MS = 20000, FAKE_REPLIES = 1024, FAKE_BYTES = 1400 };

/* ---- a server ---- */

enum fake_mode {
    FAKE_WORKS,
    FAKE_500,
    FAKE_503,
    FAKE_429,      /* Retry-After: 30 */
    FAKE_400,      /* this request, never */
    FAKE_TOO_LONG, /* the prompt */
    FAKE_TOO_MUCH, /* it and the tokens behind it */
    FAKE_401,      /* its sentence quotes the key */
    FAKE_STALLS,
    FAKE_CLOSES,
    FAKE_GARBAGE, /* 200, and nobody understands it */
    FAKE_HALF     /* a stream that stays open behind its first part */
};

struct fake {
    raw_server *s;
    _Atomic (const char *) family; /* whose identification it answers; "html": none */
    _Atomic (const char *) models; /* names in JSON: "\"a\"", "\"a\",\"b\"" */
    atomic_int work, probe, who; /* enum fake_mode of /work, of /probe, and of all but /v1/models */
    atomic_int models_mode, health;
    atomic_uint works, probes, asked; /* requests */
    atomic_bool keyed;                /* the last one had "Bearer sk-secret-123" */
    char bytes[FAKE_REPLIES][FAKE_BYTES];
    unsigned used;
};

static inline void
fake_say (struct fake *f, raw_reply *r, int status, const char *header, const char *body)
{
    char *out = f->bytes[f->used++ % FAKE_REPLIES];
    snprintf (out, FAKE_BYTES, "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n%s", status, header,
              strlen (body), body);
    r->bytes = span_of (out);
}

static inline void fake_do (struct fake *f, int mode, const char *good, raw_reply *r)
{
    switch ((enum fake_mode)mode) {
    case FAKE_WORKS:
        fake_say (f, r, 200, "", good);
        return;
    case FAKE_500:
        fake_say (f, r, 500, "", "{\"error\":{\"message\":\"broken inside\"}}");
        return;
    case FAKE_503:
        fake_say (f, r, 503, "", "{\"error\":{\"message\":\"Loading model\"}}");
        return;
    case FAKE_429:
        fake_say (f, r, 429, "Retry-After: 30\r\n", "{\"error\":{\"message\":\"slow down\"}}");
        return;
    case FAKE_400:
        fake_say (f, r, 400, "", "{\"error\":{\"message\":\"top_k must be a number\"}}");
        return;
    case FAKE_TOO_LONG:
        fake_say (f, r, 400, "",
                  "{\"error\":{\"message\":\"This model's maximum context length is 8 tokens. "
                  "However, your prompt has 9 tokens\"}}");
        return;
    case FAKE_TOO_MUCH:
        fake_say (f, r, 400, "",
                  "{\"error\":{\"message\":\"This model's maximum context length is 8 tokens. "
                  "However, you requested 9 tokens\"}}");
        return;
    case FAKE_401:
        fake_say (f, r, 401, "",
                  "{\"error\":{\"message\":\"key sk-secret-123 is not known, really: sk-sec\"}}");
        return;
    case FAKE_GARBAGE:
        fake_say (f, r, 200, "", "garbage");
        return;
    case FAKE_HALF:
        r->bytes = span_of ("HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\nfirst part");
        r->then = RAW_STALL;
        return;
    case FAKE_STALLS:
        r->then = RAW_STALL;
        return;
    case FAKE_CLOSES:
        r->then = RAW_CLOSE;
        return;
    }
}

static inline bool fake_path (span request, const char *path)
{
    const char *at = memchr (request.ptr, '/', request.len);
    return at && strncmp (at, path, strlen (path)) == 0;
}

static inline void fake_models (struct fake *f, raw_reply *r)
{
    char body[1200], *names = strdup (atomic_load (&f->models)), *rest = NULL;
    size_t len = (size_t)snprintf (body, sizeof (body), "{\"data\":[");
    for (char *name = strtok_r (names, ",", &rest); name; name = strtok_r (NULL, ",", &rest))
        len += (size_t)snprintf (body + len, sizeof (body) - len, "%s{\"id\":%s}",
                                 name == names ? "" : ",", name);
    snprintf (body + len, sizeof (body) - len, "]}");
    free (names);
    fake_say (f, r, 200, "", body);
}

static inline void fake_who (struct fake *f, span request, raw_reply *r)
{
    const char *family = atomic_load (&f->family);
    if (fake_path (request, "/get_model_info") && strcmp (family, "sglang") == 0)
        fake_say (f, r, 200, "", "{\"model_path\":\"a\"}");
    else if (fake_path (request, "/version") && strcmp (family, "vllm") == 0)
        fake_say (f, r, 200, "", "{\"version\":\"0.9\"}");
    else if (fake_path (request, "/props") && strcmp (family, "llamacpp") == 0)
        fake_say (f, r, 200, "",
                  "{\"default_generation_settings\":{\"n_ctx\":2048},\"total_slots\":4,"
                  "\"build_info\":\"b1\"}");
    else if (strcmp (family, "html") == 0)
        fake_say (f, r, 200, "Content-Type: text/html\r\n", "<html>It works!</html>");
    else if (strcmp (family, "gateway") == 0)
        fake_say (f, r, 302, "Location: /login\r\n", "");
    else
        fake_say (f, r, 404, "", "{\"detail\":\"Not Found\"}");
}

static inline void fake_answer (void *ctx, span request, unsigned number, raw_reply *r)
{
    struct fake *f = ctx;
    bool html = strcmp (atomic_load (&f->family), "html") == 0;
    (void)number;
    atomic_store (&f->keyed, memmem (request.ptr, request.len, "Bearer sk-secret-123\r\n", 22));
    if (fake_path (request, "/work")) {
        atomic_fetch_add (&f->works, 1);
        fake_do (f, atomic_load (&f->work), "{\"ok\":1}", r);
        return;
    }
    if (fake_path (request, "/probe")) {
        atomic_fetch_add (&f->probes, 1);
        fake_do (f, atomic_load (&f->probe), "{\"ok\":1}", r);
        return;
    }
    if (fake_path (request, "/health")) {
        fake_do (f, atomic_load (&f->health), "ok", r);
        return;
    }
    atomic_fetch_add (&f->asked, 1);
    if (fake_path (request, "/v1/models") && atomic_load (&f->models_mode) != FAKE_WORKS)
        fake_do (f, atomic_load (&f->models_mode), "", r);
    else if (fake_path (request, "/v1/models") && !html)
        fake_models (f, r);
    else if (atomic_load (&f->who) != FAKE_WORKS)
        fake_do (f, atomic_load (&f->who), "", r);
    else
        fake_who (f, request, r);
}

static inline void fake_start (struct fake *f, const char *family)
{
    memset (f, 0, sizeof (*f));
    atomic_store (&f->family, family);
    atomic_store (&f->models, "\"a\"");
    f->s = raw_server_start (fake_answer, f);
}

/* ---- a set ---- */

struct set {
    servers *s;
    server_options o;
    servers_setup setup;
    esp_clock clock;
    uint64_t ahead_ns;
    const char *urls[8];
    bool probes; /* by a GET of /probe */
    esp_error probe_why;
    esp_error error;
};

static inline uint64_t set_now (void *ctx)
{
    esp_clock real = esp_clock_monotonic ();
    return esp_clock_ns (&real) + ((const struct set *)ctx)->ahead_ns;
}

static inline void skip (struct set *k, double seconds)
{
    k->ahead_ns += (uint64_t)(seconds * 1e9);
}

static inline esp_err
set_probe_write (void *ctx, server *s, uint32_t step, esp_buf *path, esp_buf *json, esp_error *why)
{
    const struct set *k = ctx;
    (void)s;
    (void)json;
    (void)why;
    return k->probes && step == 0 ? esp_buf_puts (path, "/probe") : ESP_EEMPTY;
}

static inline esp_err
set_probe_take (void *ctx, server *s, uint32_t step, int status, span body, esp_error *why)
{
    (void)ctx;
    (void)step;
    (void)body;
    if (status == 200)
        return ESP_OK;
    return esp_error_set (why, status >= 500 ? ESP_EPEER : ESP_EENGINE, "%s: the probe says %d",
                          server_url (s), status);
}

static inline void set_defaults (struct set *k)
{
    signal (SIGPIPE, SIG_IGN);
    memset (k, 0, sizeof (*k));
    k->o = (server_options){.model = "auto",
                            .proxy = "none",
                            .verify_tls = true,
                            .affinity = true,
                            .wait_s = 60,
                            .urls_wait_s = 600,
                            .first_byte_s = 300,
                            .idle_s = 60,
                            .total_s = 1800,
                            .tries = 5};
    k->clock = (esp_clock){set_now, k};
    k->setup = (servers_setup){.options = &k->o,
                               .section = "generator",
                               .rank = 3,
                               .local_rank = 1,
                               .clock = &k->clock,
                               .seed = 7,
                               .data_bytes = 8,
                               .probe_write = set_probe_write,
                               .probe_take = set_probe_take,
                               .ctx = k};
}

static inline void set_add (struct set *k, const char *url)
{
    k->urls[k->o.urls.count++] = url;
    k->o.urls.items = k->urls;
}

static inline void set_open (struct set *k)
{
    PASS (servers_create (&k->setup, &k->s, &k->error));
}

static inline void set_close (struct set *k)
{
    servers_destroy (k->s);
    CHECK (esp_alloc_live () == 0);
}

/* Poll until the condition holds; the case fails if it never does. */
#define UNTIL(k, condition)                                                                        \
    do {                                                                                           \
        esp_clock until_real_ = esp_clock_monotonic ();                                            \
        uint64_t until_ = esp_clock_ns (&until_real_) + (uint64_t)KIT_PATIENCE_MS * 1000000;       \
        while (!(condition) && esp_clock_ns (&until_real_) < until_)                               \
            set_pass (k);                                                                          \
        CHECK (condition);                                                                         \
    } while (0)

static inline void set_pass (struct set *k)
{
    struct pollfd watch = {.fd = servers_fd (k->s), .events = POLLIN};
    (void)poll (&watch, 1, 5);
    servers_poll (k->s);
}

/* What comes within some passes, where nothing is expected to. */
static inline void set_passes (struct set *k)
{
    for (int i = 0; i < 20; i++)
        set_pass (k);
}

static inline bool up (struct set *k, size_t index)
{
    return server_in_service (servers_at (k->s, index));
}

static inline const char *trouble (struct set *k, size_t index)
{
    return server_trouble (servers_at (k->s, index));
}

static inline enum server_state state (struct set *k, size_t index)
{
    return (enum server_state)servers_at (k->s, index)->state;
}

static inline bool has (const char *text, const char *part)
{
    return strstr (text, part) != NULL;
}

/* ---- an exchange ---- */

struct talk {
    exchange *e;
    exchange_ask ask;
    unsigned writes, chunks, takes, dones;
    unsigned at[16]; /* server of each try */
    esp_err take_err;
    const char *says; /* with it */
    esp_err code;
    char text[480];
    bool cancel_in_chunk, enough_in_chunk, spoiled_in_chunk;
};

static inline esp_err talk_write (void *ctx, server *s, esp_buf *path, esp_buf *json)
{
    struct talk *t = ctx;
    if (t->writes < 16)
        t->at[t->writes] = server_index (s);
    t->writes++;
    if (esp_buf_puts (json, "{}") != ESP_OK)
        return ESP_ENOMEM;
    return esp_buf_puts (path, "/work");
}

static inline void talk_chunk (void *ctx, server *s, span bytes)
{
    struct talk *t = ctx;
    (void)s;
    CHECK (bytes.len > 0 && t->dones == 0);
    t->chunks++;
    if (t->cancel_in_chunk)
        exchange_cancel (t->e);
    else if (t->enough_in_chunk)
        exchange_enough (t->e);
    else if (t->spoiled_in_chunk)
        exchange_spoiled (t->e, "as the case wants it");
}

static inline esp_err talk_take (void *ctx, server *s, span body, esp_error *why)
{
    struct talk *t = ctx;
    (void)s;
    t->takes++;
    if (t->take_err != ESP_OK)
        return esp_error_set (why, t->take_err, "%s", t->says ? t->says : "as the case wants it");
    if (!t->ask.chunk && !span_is (body, "{\"ok\":1}"))
        return esp_error_set (why, ESP_EFORMAT, "no JSON: '%.*s'", (int)body.len, body.ptr);
    return ESP_OK;
}

static inline void talk_done (void *ctx, esp_err code, const char *text)
{
    struct talk *t = ctx;
    t->dones++;
    t->code = code;
    snprintf (t->text, sizeof (t->text), "%s", text);
}

static inline void talk_start (struct set *k, struct talk *t)
{
    t->ask.write = talk_write;
    t->ask.take = talk_take;
    t->ask.done = talk_done;
    t->ask.ctx = t;
    PASS (exchange_start (k->s, &t->ask, &t->e));
}

/* One that goes well or badly, to its end. */
static inline void talk_whole (struct set *k, struct talk *t)
{
    talk_start (k, t);
    UNTIL (k, t->dones == 1);
}

#endif
