/* SPDX-License-Identifier: Apache-2.0 */
/* http_answer.c - from a request's bytes to a reply's: key, route, model, faults of contents */

#include "tests/support/model_server/http_inner.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/model_server/damage.h"

static void own_page (http_side *s, answer *a)
{
    answer_json (a, json_pack ("{s:i, s:i, s:i, s:i, s:I}", "requests", atomic_load (&s->requests),
                               "connections", atomic_load (&s->connections), "gone",
                               atomic_load (&s->gone), "faults", faults_fired (s->how.faults),
                               "generated_tokens", (json_int_t)atomic_load (&s->generated)));
}

static bool status_fault (http_side *s, const fault *f, const asked *q, answer *a)
{
    switch (f->what) {
    case FAULT_STATUS_429:
        answer_refuse (q, a, 429, "RateLimitError", NULL, "Rate limit reached");
        return true;
    case FAULT_STATUS_500:
        answer_refuse (
            q, a, 500, "InternalServerError", NULL,
            "EngineCore encountered an issue. See stack trace (above) for the root cause.");
        return true;
    case FAULT_STATUS_503:
        answer_refuse (q, a, 503, "unavailable_error", NULL, "Loading model");
        return true;
    case FAULT_401_STRING:
        a->status = 401;
        answer_json (a, json_pack ("{s:s}", "error", "Unauthorized"));
        return true;
    case FAULT_HTML:
        a->status = f->value[0] ? (unsigned)strtoul (f->value, NULL, 10) : 200;
        a->text =
            text_copy (span_of ("<!DOCTYPE html><html><body><h1>It works!</h1></body></html>\n"));
        a->type = "text/html";
        return true;
    case FAULT_REDIRECT:
        a->status = 307;
        a->text = text_copy (span_of (""));
        return true;
    default:
        (void)s;
        return false;
    }
}

static bool key_fits (const setup *server, const char *path, const char *authorization)
{
    if (!server->api_key || !server->kind->guarded (path))
        return true;
    return authorization && strncmp (authorization, "Bearer ", 7) == 0 &&
           strcmp (authorization + 7, server->api_key) == 0;
}

static const route *
find_route (const setup *server, const char *method, const char *path, bool *other_method)
{
    *other_method = false;
    for (const route *r = server->kind->routes; r->method; r++) {
        if (strcmp (r->path, path) != 0 || !(r->serves & server->serves))
            continue;
        if (strcmp (r->method, method) == 0)
            return r;
        *other_method = true;
    }
    return NULL;
}

/* The body as an object, or the answer says what is wrong with it. */
static bool read_body (asked *q, const char *content_type, span body, answer *a)
{
    json_error_t error = {0};
    if (strcmp (q->method, "POST") != 0)
        return true;
    if (q->server->kind == &kind_vllm && content_type &&
        strncmp (content_type, "application/json", 16) != 0) {
        answer_refuse (
            q, a, 400, "Bad Request", NULL,
            "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed");
        return false;
    }
    q->body = json_loadb (body.ptr, body.len, JSON_ALLOW_NUL, &error);
    if (json_is_object (q->body))
        return true;
    q->server->kind->bad_body (a, body.len == 0 ? "" : q->body ? "[" : "{", &error);
    a->status = a->status ? a->status : 400;
    return false;
}

static void ask_model (http_side *s, asked *q, span body, const char *authorization,
                       const char *content_type, answer *a)
{
    bool other_method;
    const route *r = find_route (q->server, q->method, q->path, &other_method);
    if (strcmp (q->path, "/stats") == 0)
        own_page (s, a);
    else if (!key_fits (q->server, q->path, authorization))
        q->server->kind->unauthorized (a);
    else if (!r)
        q->server->kind->no_route (a, other_method);
    else if (read_body (q, content_type, body, a))
        r->handle (q, a);
}

/* All frames in one body. */
static void join_frames (const answer *a, wire_reply *out)
{
    size_t *ends = malloc ((a->frame_count + 1) * sizeof (*ends)), len = 0;
    if (!ends)
        out_of_memory ();
    for (size_t i = 0; i < a->frame_count; i++)
        ends[i] = len += strlen (a->frames[i]);
    if (!(out->body = malloc (len + 1)))
        out_of_memory ();
    for (size_t i = 0, at = 0; i < a->frame_count; at = ends[i++])
        memcpy (out->body + at, a->frames[i], strlen (a->frames[i]) + 1);
    out->len = len;
    out->pieces = ends;
    out->piece_count = a->frame_count;
    out->type = "text/event-stream";
}

/* Faults of contents in a stream: each event by itself. */
static void damage_frames (answer *a, const fault *f)
{
    for (size_t i = 0; i < a->frame_count && f->stage == FAULT_JSON; i++) {
        json_t *event = json_loads (a->frames[i] + strlen ("data: "), JSON_DISABLE_EOF_CHECK, NULL);
        char *text, *dumped;
        size_t len;
        if (!event)
            continue; /* [DONE] */
        damage_json (event, f);
        dumped = json_dumps (event, JSON_COMPACT);
        if (!dumped || asprintf (&text, "data: %s\n\n", dumped) < 0)
            out_of_memory ();
        free (dumped);
        len = strlen (text);
        damage_text (text, &len);
        esp_free (a->frames[i]);
        a->frames[i] = text_copy (span_of (text));
        free (text);
        json_decref (event);
    }
}

static void huge_body (const fault *f, wire_reply *out)
{
    size_t megabytes = f->value[0] ? strtoul (f->value, NULL, 10) : 50,
           len = (megabytes < 1024 ? megabytes : 1024) << 20;
    free (out->body);
    free (out->pieces);
    out->pieces = NULL;
    if (!(out->body = malloc (len)))
        out_of_memory ();
    memset (out->body, 'x', len);
    memcpy (out->body, "{\"choices\":\"", 12);
    memcpy (out->body + len - 2, "\"}", 2);
    out->len = len;
}

static void to_bytes (answer *a, const fault *f, wire_reply *out)
{
    damage_frames (a, f);
    if (a->frame_count > 0)
        join_frames (a, out);
    else if (a->json) {
        damage_json (a->json, f);
        if (!(out->body = json_dumps (a->json, JSON_COMPACT)))
            out_of_memory ();
        out->len = strlen (out->body);
        damage_text (out->body, &out->len);
    } else {
        if (!(out->body = strdup (a->text ? a->text : "")))
            out_of_memory ();
        out->len = strlen (out->body);
    }
    out->type = a->type          ? a->type
                : a->frame_count ? "text/event-stream"
                : a->json        ? "application/json"
                                 : "text/plain";
    if (f->what == FAULT_HUGE)
        huge_body (f, out);
    if (f->what == FAULT_BROKEN_JSON)
        out->len /= 2;
}

void http_answer (http_side *s, const char *method, const char *path, span body,
                  const char *authorization, const char *content_type, const fault *f,
                  wire_reply *out)
{
    char model[sizeof (s->model)];
    answer a = {0};
    asked q = {.server = &s->how.model,
               .method = method,
               .path = path,
               .model = model,
               .working = atomic_load (&s->working),
               .too_many_tokens = f->what == FAULT_TOO_MANY_TOKENS};
    pthread_mutex_lock (&s->lock);
    memcpy (model, s->model, sizeof (model));
    pthread_mutex_unlock (&s->lock);
    if (!status_fault (s, f, &q, &a))
        ask_model (s, &q, body, authorization, content_type, &a);
    *out = (wire_reply){.status = a.status ? a.status : 200, .piece_ms = s->how.model.token_ms};
    to_bytes (&a, f, out);
    if (f->what == FAULT_STATUS_429) {
        out->headers[0][0] = "Retry-After";
        out->headers[0][1] = f->value[0] ? f->value : "1";
    }
    if (f->what == FAULT_REDIRECT) {
        out->headers[0][0] = "Location";
        out->headers[0][1] = f->value[0] ? f->value : "/elsewhere";
    }
    if ((out->counted = strcmp (method, "POST") == 0))
        atomic_fetch_add (&s->working, 1);
    out->work_ms = a.frame_count ? 0 : (unsigned)a.longest * s->how.model.token_ms;
    atomic_fetch_add (&s->generated, a.generated);
    json_decref (q.body);
    answer_free (&a);
}
