/* SPDX-License-Identifier: Apache-2.0 */
/* external_write.c - the writing half of external_message.h
 *
 * The list `steps` of a task, joined, is always the exact text so far.  A PRM gets it cut at the separator, with the lookahead
 * text at its end; the other roles get the texts of the nodes as they are, the lookahead text as one more.
 */

#include "worker/engine/external_message.h"
#include <string.h>

/* ---- pieces of JSON; the first error is kept ---- */

struct writer {
    esp_buf *out;
    esp_err err;
};

static void raw (struct writer *w, const char *text)
{
    if (w->err == ESP_OK)
        w->err = esp_buf_puts (w->out, text);
}

static void number (struct writer *w, const char *key, uint64_t value)
{
    raw (w, key);
    if (w->err == ESP_OK)
        w->err = esp_buf_u64 (w->out, value);
}

static void real (struct writer *w, const char *key, double value)
{
    raw (w, key);
    if (w->err == ESP_OK)
        w->err = esp_buf_json_double (w->out, value);
}

static void words (struct writer *w, const char *key, span text)
{
    raw (w, key);
    if (w->err == ESP_OK)
        w->err = esp_buf_json_string (w->out, text);
}

/* ---- small messages ---- */

esp_err external_write_hello (esp_buf *out, const external_greeting *g)
{
    struct writer w = {out, ESP_OK};
    number (&w, "{\"type\":\"hello\",\"version\":", EXTERNAL_VERSION);
    number (&w, ",\"session\":", g->session);
    words (&w, ",\"role\":", span_of (external_role_name (g->role)));
    number (&w, ",\"rank\":", (uint64_t)(g->rank > 0 ? g->rank : 0));
    real (&w, ",\"heartbeat_s\":", g->heartbeat_s);
    real (&w, ",\"silence_s\":", g->silence_s);
    number (&w, ",\"most_bytes\":", EXTERNAL_BYTES_MAX);
    words (&w, ",\"program\":", span_of ("espalier " ESP_VERSION));
    raw (&w, "}");
    return w.err;
}

esp_err external_write_plain (esp_buf *out, const char *type, uint64_t session)
{
    struct writer w = {out, ESP_OK};
    words (&w, "{\"type\":", span_of (type));
    number (&w, ",\"session\":", session);
    raw (&w, "}");
    return w.err;
}

esp_err external_write_cancel (esp_buf *out, uint64_t session, uint64_t id)
{
    struct writer w = {out, ESP_OK};
    number (&w, "{\"type\":\"cancel\",\"session\":", session);
    number (&w, ",\"ids\":[", id);
    raw (&w, "]}");
    return w.err;
}

/* ---- tasks ---- */

esp_err external_write_begin (esp_buf *out, uint64_t session)
{
    struct writer w = {out, ESP_OK};
    number (&w, "{\"type\":\"tasks\",\"session\":", session);
    raw (&w, ",\"tasks\":[");
    return w.err;
}

esp_err external_write_end (esp_buf *out)
{
    return esp_buf_puts (out, "]}");
}

/* The part of text up to and with its first separator that stands behind something, and the white space at the very end. */
static span first_piece (span text, const char *separator)
{
    size_t len = strlen (separator), at = 0, before;
    do {
        span rest = span_make (text.ptr + at, text.len - at);
        size_t found = len > 0 ? span_find (rest, span_of (separator)) : rest.len;
        before = at;
        at += found < rest.len ? found + len : found;
    } while (at < text.len && span_trim (span_make (text.ptr + before, at - before)).len == 0);
    if (span_trim (span_make (text.ptr + at, text.len - at)).len == 0)
        at = text.len;
    return span_make (text.ptr, at);
}

/* A text as pieces of the list; returns how many. */
static uint32_t pieces (struct writer *w, span text, const char *separator, bool *any)
{
    uint32_t count = 0;
    while (text.len > 0 && w->err == ESP_OK) {
        span piece = first_piece (text, separator);
        words (w, *any ? "," : "", piece);
        *any = true;
        count++;
        text = span_make (text.ptr + piece.len, text.len - piece.len);
    }
    return count;
}

static void
scored_steps (struct writer *w, const job *j, const char *separator, external_asked *asked)
{
    bool any = false;
    raw (w, ",\"steps\":[");
    for (size_t i = 0; i < j->step_count; i++) {
        uint32_t made = pieces (w, j->steps[i], separator, &any);
        if (i + 1 == j->step_count)
            asked->from = asked->steps;
        if (i + 1 == j->step_count && made == 0) { /* an empty step is judged too */
            raw (w, any ? ",\"\"" : "\"\"");
            any = true;
            made = 1;
        }
        asked->steps += made;
    }
    asked->own = asked->steps - asked->from;
    asked->steps += pieces (w, j->task.extra, separator, &any);
    number (w, "],\"from\":", asked->from);
    number (w, ",\"reading\":", j->task.reading);
}

static void plain_steps (struct writer *w, const job *j)
{
    raw (w, ",\"steps\":[");
    for (size_t i = 0; i < j->step_count; i++)
        words (w, i ? "," : "", j->steps[i]);
    if (job_lookahead (j).len > 0)
        words (w, j->step_count ? "," : "", job_lookahead (j));
    raw (w, "]");
}

static void sampling_of (struct writer *w, const job *const *jobs, uint32_t n)
{
    static const char *const modes[] = {"step", "to_end", "draft"};
    const task *t = &jobs[0]->task;
    words (w, ",\"mode\":", span_of (modes[t->mode <= TASK_DRAFT ? t->mode : 0]));
    if (t->mode == TASK_DRAFT && t->extra.len > 0)
        words (w, ",\"observation\":", t->extra);
    number (w, ",\"n\":", n);
    number (w, ",\"seed\":", t->seed);
    for (uint32_t i = 0; i < n; i++)
        number (w, i ? "," : ",\"seeds\":[", jobs[i]->task.seed);
    number (w, "],\"max_tokens\":", t->max_tokens);
    number (w, ",\"max_steps\":", t->max_steps);
    number (w, ",\"max_step_tokens\":", t->how.max_step_tokens);
    real (w, ",\"temperature\":", t->how.temperature);
    real (w, ",\"top_p\":", t->how.top_p);
    number (w, ",\"top_k\":", (uint64_t)(t->how.top_k > 0 ? t->how.top_k : 0));
    number (w, ",\"action\":", t->action);
}

esp_err external_write_task (esp_buf *out, uint64_t id, const job *const *jobs, uint32_t n,
                             const char *separator, bool first, external_asked *asked)
{
    static const char *const kinds[TASK_KINDS] = {"generate", "score", "verify"};
    struct writer w = {out, ESP_OK};
    const job *j = jobs[0];
    asked->steps = asked->from = asked->own = 0;
    number (&w, first ? "{\"id\":" : ",{\"id\":", id);
    words (&w, ",\"kind\":", span_of (kinds[j->task.kind]));
    raw (&w, ",\"problem\":");
    if (w.err == ESP_OK)
        w.err = esp_buf_add (out, j->problem.len ? j->problem : span_of ("{}"));
    if (j->task.kind == TASK_SCORE)
        scored_steps (&w, j, separator, asked);
    else
        plain_steps (&w, j);
    if (j->task.kind == TASK_GENERATE)
        sampling_of (&w, jobs, n);
    raw (&w, "}");
    return w.err;
}
