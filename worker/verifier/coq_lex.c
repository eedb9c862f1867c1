/* SPDX-License-Identifier: Apache-2.0 */
/* coq_lex.c - see coq_lex.h */

#include "worker/verifier/coq_lex.h"
#include <ctype.h>
#include <string.h>

static bool is_word (char c)
{
    return isalnum ((unsigned char)c) || c == '_' || c == '\'' || ((unsigned char)c & 0x80);
}

static bool is_space (char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool opens (span text, size_t at)
{
    return at + 1 < text.len && text.ptr[at] == '(' && text.ptr[at + 1] == '*';
}

/* Behind the quote that ends the string which begins at `at`; 0: it has no end.  Two quotes are one of its own. */
static size_t string_end (span text, size_t at)
{
    const char *quote;
    for (at++; at < text.len; at += 2) {
        if (!(quote = memchr (text.ptr + at, '"', text.len - at)))
            return 0;
        at = (size_t)(quote - text.ptr);
        if (at + 1 >= text.len || text.ptr[at + 1] != '"')
            return at + 1;
    }
    return 0;
}

/* Behind the comment that begins at `at`, with those and the strings inside; 0: it has no end. */
static size_t comment_end (span text, size_t at)
{
    size_t depth = 1;
    for (at += 2; at < text.len;) {
        if (opens (text, at)) {
            depth++;
            at += 2;
        } else if (text.ptr[at] == '*' && at + 1 < text.len && text.ptr[at + 1] == ')') {
            at += 2;
            if (--depth == 0)
                return at;
        } else if (text.ptr[at] == '"') {
            if ((at = string_end (text, at)) == 0)
                return 0;
        } else {
            at++;
        }
    }
    return 0;
}

static coq_token take (span *rest, size_t from, size_t end, enum coq_kind kind)
{
    coq_token t = {kind, span_make (rest->ptr + from, end - from)};
    *rest = span_make (rest->ptr + end, rest->len - end);
    return t;
}

static coq_token take_points (span *rest, size_t at)
{
    size_t end = at;
    bool last;
    while (end < rest->len && rest->ptr[end] == '.')
        end++;
    last = end == rest->len || is_space (rest->ptr[end]);
    return take (rest, at, end, last && end - at != 2 ? COQ_STOP : COQ_SIGN);
}

coq_token coq_next (span *rest)
{
    size_t at = 0, end;
    for (;;) {
        while (at < rest->len && is_space (rest->ptr[at]))
            at++;
        if (at == rest->len)
            return take (rest, at, at, COQ_NOTHING);
        if (!opens (*rest, at))
            break;
        if ((end = comment_end (*rest, at)) == 0)
            return take (rest, at, rest->len, COQ_OPEN);
        at = end;
    }
    if (rest->ptr[at] == '"') {
        end = string_end (*rest, at);
        return take (rest, at, end ? end : rest->len, end ? COQ_STRING : COQ_OPEN);
    }
    if (rest->ptr[at] == '.')
        return take_points (rest, at);
    for (end = at; end < rest->len && is_word (rest->ptr[end]);)
        end++;
    return end > at ? take (rest, at, end, COQ_WORD) : take (rest, at, at + 1, COQ_SIGN);
}

bool coq_sentence (span *rest, span *sentence)
{
    coq_token t = coq_next (rest);
    const char *start = t.text.ptr;
    if (t.kind == COQ_NOTHING)
        return false;
    while (t.kind != COQ_STOP && t.kind != COQ_NOTHING && t.kind != COQ_OPEN)
        t = coq_next (rest);
    *sentence = span_make (start, (size_t)(t.text.ptr + t.text.len - start));
    return true;
}
