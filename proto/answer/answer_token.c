/* SPDX-License-Identifier: Apache-2.0 */
/* answer_token.c - see answer_token.h */

#include "proto/answer/answer_token.h"
#include <ctype.h>
#include <string.h>
#include "proto/base/alloc.h"

enum {
    TOKENS_MAX = 4096,
    DEPTH_MAX = 64 /* of braces: a bit each */
};

struct reading {
    answer_tokens *out;
    span rest;
    bool space, opens_text; /* \text was read, its brace comes */
    uint64_t in_text;       /* bit d: the brace at depth d belongs to a \text */
    unsigned depth;
};

static bool letter (span s, size_t at)
{
    return at < s.len && isalpha ((unsigned char)s.ptr[at]);
}

static bool digit (span s, size_t at)
{
    return at < s.len && isdigit ((unsigned char)s.ptr[at]);
}

static size_t digits (span s, size_t at)
{
    size_t n = 0;
    while (digit (s, at + n))
        n++;
    return n;
}

/* 1,234,567: groups of three behind one to three digits of which the first is not 0. */
static size_t thousands (span s)
{
    size_t len = digits (s, 0), start = len;
    if (len < 1 || len > 3 || s.ptr[0] == '0')
        return 0;
    while (len < s.len && s.ptr[len] == ',' && digits (s, len + 1) == 3)
        len += 4;
    if (len == start || (len < s.len && s.ptr[len] == ',' && digit (s, len + 1)))
        return 0;
    return len;
}

static size_t exponent (span s, size_t at)
{
    size_t sign, n;
    if (at >= s.len || (s.ptr[at] != 'e' && s.ptr[at] != 'E'))
        return 0;
    sign = at + 1 < s.len && (s.ptr[at + 1] == '-' || s.ptr[at + 1] == '+');
    n = digits (s, at + 1 + sign);
    return n > 0 && !letter (s, at + 1 + sign + n) ? 1 + sign + n : 0;
}

static size_t number_length (span s, bool *grouped)
{
    size_t len = thousands (s);
    *grouped = len > 0;
    if (len == 0)
        len = digits (s, 0);
    if (len < s.len && s.ptr[len] == '.' && digit (s, len + 1))
        len += 1 + digits (s, len + 1);
    return len ? len + exponent (s, len) : 0;
}

static esp_err put (struct reading *r, enum answer_token_kind kind, span text, bool grouped)
{
    answer_tokens *t = r->out;
    bool named = r->depth > 0 && (r->in_text >> (r->depth - 1) & 1);
    if (t->count >= TOKENS_MAX)
        return ESP_EUNSUPPORTED;
    if (esp_grow (&t->all, &t->cap, t->count + 1, sizeof (*t->all)) != 0)
        return ESP_ENOMEM;
    t->all[t->count++] = (answer_token){text, (uint8_t)kind, r->space, grouped, named};
    r->space = false;
    return ESP_OK;
}

/* "pi" and its like are commands however they are written. */
static enum answer_token_kind kind_of_letters (const struct reading *r, span *text)
{
    static const char *const names[][2] = {
        {"pi", "pi"}, {"sqrt", "sqrt"}, {"infinity", "infty"}, {"inf", "infty"}};
    bool named = r->depth > 0 && (r->in_text >> (r->depth - 1) & 1);
    for (size_t i = 0; i < sizeof (names) / sizeof (names[0]); i++)
        if (span_is (*text, names[i][0])) {
            *text = span_of (names[i][1]);
            return ANSWER_COMMAND;
        }
    return named || text->len > 1 ? ANSWER_WORD : ANSWER_LETTER;
}

static esp_err read_brace (struct reading *r)
{
    span text = span_make (r->rest.ptr, 1);
    bool opens = text.ptr[0] == '{', silent = opens && r->opens_text;
    r->opens_text = false;
    if (opens) {
        if (r->depth == DEPTH_MAX)
            return ESP_EUNSUPPORTED;
        r->in_text &= ~(UINT64_C (1) << r->depth);
        if (silent || (r->depth > 0 && (r->in_text >> (r->depth - 1) & 1)))
            r->in_text |= UINT64_C (1) << r->depth;
        r->depth++;
    } else if (r->depth > 0) {
        silent = r->in_text >> (r->depth - 1) & 1;
        r->depth--;
    }
    if (silent) {
        r->space = true;
        return ESP_OK;
    }
    return put (r, ANSWER_MARK, text, false);
}

static esp_err read_command (struct reading *r, size_t *used)
{
    size_t len = 0;
    span name;
    while (letter (r->rest, 1 + len))
        len++;
    *used = len ? 1 + len : r->rest.len > 1 ? 2 : 1;
    name = span_make (r->rest.ptr + 1, *used - 1);
    r->opens_text = span_is (name, "text") && r->rest.len > *used && r->rest.ptr[*used] == '{';
    return r->opens_text ? ESP_OK : put (r, ANSWER_COMMAND, name, false);
}

static esp_err read_one (struct reading *r, size_t *used)
{
    char c = r->rest.ptr[0];
    bool grouped = false;
    size_t len = 0;
    span text;
    *used = 1;
    if (c == ' ') {
        r->space = true;
        return ESP_OK;
    }
    if (c == '{' || c == '}')
        return read_brace (r);
    if (c == '\\')
        return read_command (r, used);
    if ((len = number_length (r->rest, &grouped)) > 0) {
        *used = len;
        return put (r, ANSWER_NUMBER, span_make (r->rest.ptr, len), grouped);
    }
    while (letter (r->rest, len))
        len++;
    *used = len ? len : 1;
    text = span_make (r->rest.ptr, *used);
    return put (r, len ? kind_of_letters (r, &text) : ANSWER_MARK, text, false);
}

esp_err answer_tokens_read (span text, answer_tokens *out)
{
    struct reading r = {.out = out};
    esp_err err = answer_clean (text, &out->clean);
    r.rest = esp_buf_span (&out->clean);
    while (err == ESP_OK && r.rest.len > 0) {
        size_t used;
        err = read_one (&r, &used);
        r.rest = span_make (r.rest.ptr + used, r.rest.len - used);
    }
    if (err == ESP_OK && out->count > 1 && answer_token_mark (&out->all[out->count - 1], '.'))
        out->count--; /* the end of a sentence */
    return err;
}

void answer_tokens_free (answer_tokens *t)
{
    esp_buf_free (&t->clean);
    esp_free (t->all);
    *t = (answer_tokens){0};
}

bool answer_token_is (const answer_token *t, enum answer_token_kind kind, const char *text)
{
    return t->kind == kind && span_is (t->text, text);
}

static bool needs_space (const answer_token *a, const answer_token *b)
{
    unsigned char first = (unsigned char)(b->text.len ? b->text.ptr[0] : 0);
    if (b->kind == ANSWER_COMMAND)
        return false;
    if (a->kind == ANSWER_COMMAND)
        return isalpha ((unsigned char)(a->text.len ? a->text.ptr[0] : 0)) && isalpha (first);
    return b->space && a->kind != ANSWER_MARK && b->kind != ANSWER_MARK;
}

esp_err answer_tokens_print (answer_part part, esp_buf *out)
{
    esp_err err = ESP_OK;
    for (size_t i = 0; i < part.count && err == ESP_OK; i++) {
        const answer_token *t = &part.at[i];
        if (i > 0 && needs_space (t - 1, t))
            err = esp_buf_puts (out, " ");
        if (err == ESP_OK && t->kind == ANSWER_COMMAND)
            err = esp_buf_puts (out, "\\");
        if (err == ESP_OK)
            err = esp_buf_add (out, t->text);
    }
    return err;
}
