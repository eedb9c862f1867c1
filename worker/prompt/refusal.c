/* SPDX-License-Identifier: Apache-2.0 */
/* refusal.c - error bodies: {"error": {"message"}}, {"error": text}, {"object": "error", "message"}, {"detail"}, HTML, text, nothing
 *
 * The sentences are those of vLLM 0.9 to 0.32, SGLang, llama.cpp, TGI, Ollama and OpenAI (engines.md A.1 to A.5).
 * A status says what kind of trouble it is; sentences only tell apart what shares a status.
 */

#include "worker/prompt/refusal.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "worker/prompt/shape_inner.h"

enum {
    BODY_BYTES = 64 * 1024, /* of an error body that are looked at */
    SENTENCE_BYTES = 2048,  /* of a sentence */
    DETAILS = 4             /* of a list of mistakes that are told */
};

/* ---- the sentence ---- */

typedef struct says {
    char *text;
    size_t size, len;
    bool space; /* before the next word */
    bool full;
} says;

/* White space of any kind, and bytes of 0, become one space. */
static void say (says *out, span text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool white = memchr (" \t\n\v\f\r", text.ptr[i], sizeof (" \t\n\v\f\r")) != NULL;
        out->space = out->space || (white && out->len > 0);
        out->full = out->full || out->len + 3 > out->size;
        if (white || out->full)
            continue;
        if (out->space)
            out->text[out->len++] = ' ';
        out->space = false;
        out->text[out->len++] = text.ptr[i];
    }
}

/* Without the beginning of a character that say() cut; what else is no UTF-8 is scrubbed. */
static void say_end (says *out)
{
    size_t tail = 0;
    while (tail < 3 && tail < out->len &&
           ((unsigned char)out->text[out->len - 1 - tail] & 0xC0) == 0x80)
        tail++;
    if (out->full && tail < out->len &&
        !esp_utf8_valid (span_make (out->text + out->len - 1 - tail, tail + 1)))
        out->len -= tail + 1;
    out->text[out->len] = 0;
    esp_text_scrub (out->text);
}

static void say_detail (says *out, const json_t *detail)
{
    say (out, reply_span (detail));
    for (size_t i = 0; i < json_array_size (detail) && i < DETAILS; i++) {
        const json_t *one = json_array_get (detail, i);
        span text = reply_span (json_is_string (one) ? one : json_object_get (one, "msg"));
        if (out->len > 0 && text.len > 0)
            say (out, span_of ("; "));
        say (out, text);
    }
    say (out, reply_span (json_object_get (detail, "message")));
}

static void say_json (says *out, const json_t *root)
{
    static const char *const names[] = {"error", "message", "detail", "error_description"};
    for (size_t i = 0; out->len == 0 && i < sizeof (names) / sizeof (names[0]); i++)
        say_detail (out, json_object_get (root, names[i]));
    if (out->len == 0)
        say (out, reply_span (root));
}

static size_t find_word (span text, const char *word)
{
    size_t len = strlen (word);
    for (size_t i = 0; i + len <= text.len; i++)
        if (strncasecmp (text.ptr + i, word, len) == 0)
            return i;
    return text.len;
}

/* The title of a page, else its words. */
static void say_page (says *out, span page)
{
    size_t title = find_word (page, "<title>"), end = find_word (page, "</title>");
    bool tag = false;
    if (title + 7 <= end && end < page.len)
        page = span_make (page.ptr + title + 7, end - title - 7);
    for (size_t i = 0; i < page.len; i++) {
        bool was = tag;
        tag = page.ptr[i] == '<' || (tag && page.ptr[i] != '>');
        if (!tag)
            say (out, was ? span_of (" ") : span_make (page.ptr + i, 1));
    }
}

void refusal_says (const json_t *root, char *text, size_t size)
{
    says out = {.text = text, .size = size};
    say_json (&out, root);
    say_end (&out);
}

/* ---- what it means ---- */

typedef struct refused {
    int status;
    span code, type, param; /* of the error object */
    const char *text;       /* its sentence */
} refused;

static bool has (const refused *r, const char *words)
{
    return strcasestr (r->text, words) != NULL;
}

static bool is_too_long (const refused *r)
{
    static const char *const sentences[] = {
        "maximum context length",          /* vLLM, SGLang, OpenAI, Ollama */
        "longer than the model's context", /* SGLang */
        "exceeds the available context",   /* llama.cpp */
        "exceed context",
        "input is too large to process",     /* llama.cpp, a status of 500 */
        "longer than the maximum model len", /* vLLM before 0.9 */
        "prompt is too long",
        "`inputs` must have less than", /* TGI */
    };
    if (span_is (r->type, "exceed_context_size_error") ||
        span_is (r->code, "context_length_exceeded") || span_is (r->param, "input_tokens"))
        return true;
    /* vLLM: the prompt fills the context to the last token */
    if (span_is (r->param, "max_tokens") && has (r, "must be at least 1, got 0"))
        return true;
    for (size_t i = 0; i < sizeof (sentences) / sizeof (sentences[0]); i++)
        if (has (r, sentences[i]))
            return true;
    return false;
}

/* The words of vLLM before 0.11, OpenAI (twice); SGLang; TGI; vLLM, and before 0.19 with chat. */
static bool is_too_much (const refused *r)
{
    static const char *const sentences[] = {
        "However, you requested",
        "Requested token count exceeds",
        "`inputs` tokens + `max_new_tokens`",
        "cannot be greater than max_model_len",
    };
    if (span_is (r->param, "input_tokens"))
        return false;
    for (size_t i = 0; i < sizeof (sentences) / sizeof (sentences[0]); i++)
        if (has (r, sentences[i]))
            return true;
    return has (r, "max_tokens") && has (r, "is too large");
}

static bool is_model (const refused *r)
{
    bool missing = has (r, "does not exist") || has (r, "not found") || has (r, "unknown model");
    return span_is (r->code, "model_not_found") || span_is (r->param, "model") ||
           (missing && has (r, "model"));
}

static enum server_refusal of_key (const refused *r)
{
    bool path = span_is (r->type, "PermissionDeniedError") && has (r, "--enable"); /* vLLM */
    return path ? REFUSAL_PATH : REFUSAL_KEY;
}

static enum server_refusal of_request (const refused *r)
{
    if (is_too_much (r))
        return REFUSAL_TOO_MUCH;
    if (is_too_long (r))
        return REFUSAL_TOO_LONG;
    return is_model (r) ? REFUSAL_MODEL : REFUSAL_REQUEST;
}

/* llama.cpp calls bad JSON its own fault. */
static enum server_refusal of_server (const refused *r)
{
    if (has (r, "[json.exception."))
        return REFUSAL_REQUEST;
    return is_too_long (r) ? REFUSAL_TOO_LONG : REFUSAL_RETRY;
}

static enum server_refusal classify (const refused *r)
{
    switch (r->status) {
    case 401:
    case 402:
    case 403:
    case 407:
        return of_key (r);
    case 404:
    case 410:
        return is_model (r) ? REFUSAL_MODEL : REFUSAL_PATH;
    case 405:
    case 501:
        return REFUSAL_PATH;
    case 408:
    case 409:
    case 424: /* TGI: the generation failed */
    case 425:
    case 499:
        return REFUSAL_RETRY;
    case 429:
        return span_is (r->code, "insufficient_quota") ? REFUSAL_KEY : REFUSAL_RETRY;
    case 413:
        return REFUSAL_TOO_LONG;
    default:
        break;
    }
    if (r->status >= 300 && r->status < 400)
        return REFUSAL_PATH;
    if (r->status >= 400 && r->status < 500)
        return of_request (r);
    return r->status == 500 ? of_server (r) : REFUSAL_RETRY;
}

static void read_error (const json_t *root, refused *r)
{
    const json_t *error = json_object_get (root, "error");
    const json_t *object = json_is_object (error) ? error : root;
    json_int_t code = json_integer_value (json_object_get (object, "code"));
    r->code = reply_span (json_object_get (object, "code"));
    r->type = reply_span (json_object_get (object, "type"));
    r->param = reply_span (json_object_get (object, "param"));
    if (r->status >= 200 && r->status < 300 && code >= 400 && code < 600)
        r->status = (int)code;
}

enum server_refusal refusal_of (int status, span body, char *text, size_t size)
{
    char sentence[SENTENCE_BYTES];
    refused r = {.status = status, .text = sentence};
    says out = {.text = sentence, .size = sizeof (sentence)}, cut = {.text = text, .size = size};
    span trimmed = span_trim (span_make (body.ptr, body.len < BODY_BYTES ? body.len : BODY_BYTES));
    json_t *root = json_loadb (trimmed.len > 0 ? trimmed.ptr : "", trimmed.len,
                               JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
    enum server_refusal means;
    if (root)
        say_json (&out, root);
    else
        say_page (&out, trimmed);
    say_end (&out);
    say (&cut, span_of (sentence));
    say_end (&cut);
    read_error (root, &r);
    means = classify (&r);
    json_decref (root);
    return means;
}
