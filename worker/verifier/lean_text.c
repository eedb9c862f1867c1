/* SPDX-License-Identifier: Apache-2.0 */
/* lean_text.c - see lean_text.h */

#include "worker/verifier/lean_text.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "worker/verifier/proof_text.h"

/* ---- words ---- */

static bool is_word (char c)
{
    return isalnum ((unsigned char)c) || c == '_' || c == '\'' || c == '!' || c == '?' ||
           ((unsigned char)c & 0x80);
}

static bool starts (span s, size_t at, const char *what)
{
    return span_starts (span_make (s.ptr + at, s.len - at), what);
}

/* Behind a comment that begins at `at`; those of the form / - may hold others. */
static size_t comment_end (span s, size_t at)
{
    size_t depth = 1;
    if (starts (s, at, "--")) {
        while (at < s.len && s.ptr[at] != '\n')
            at++;
        return at;
    }
    for (at += 2; at < s.len && depth > 0; at++) {
        if (starts (s, at, "/-"))
            depth++, at++;
        else if (starts (s, at, "-/"))
            depth--, at++;
    }
    return at;
}

static size_t string_end (span s, size_t at)
{
    for (at++; at < s.len && s.ptr[at] != '"'; at++)
        if (s.ptr[at] == '\\')
            at++;
    return at < s.len ? at + 1 : s.len;
}

/* A character such as 'x' or '\n' that begins at `at`; 0: it is none.  In names the mark comes later. */
static size_t char_end (span s, size_t at)
{
    size_t end = at + 2;
    if (at + 2 < s.len && s.ptr[at + 1] == '\\')
        for (end = at + 3; end < s.len && end < at + 10 && s.ptr[end] != '\'';)
            end++;
    else
        while (end < s.len && ((unsigned char)s.ptr[end] & 0xc0) == 0x80)
            end++;
    return end < s.len && s.ptr[end] == '\'' ? end + 1 : 0;
}

static size_t token_end (span s, size_t at)
{
    size_t end = s.ptr[at] == '\'' ? char_end (s, at) : 0;
    if (end > 0)
        return end;
    if (s.ptr[at] == '"')
        return string_end (s, at);
    end = at + (s.ptr[at] == '#');
    while (end < s.len && is_word (s.ptr[end]))
        end++;
    return end > at ? end : at + 1;
}

/* The next word (with the # in front of it), string, character or sign.  False: the end. */
static bool next_token (span *rest, span *token)
{
    size_t at = 0, end;
    while (at < rest->len) {
        if (starts (*rest, at, "--") || starts (*rest, at, "/-"))
            at = comment_end (*rest, at);
        else if (isspace ((unsigned char)rest->ptr[at]))
            at++;
        else
            break;
        at = at < rest->len ? at : rest->len;
    }
    if (at == rest->len)
        return false;
    end = token_end (*rest, at);
    *token = span_make (rest->ptr + at, end - at);
    *rest = span_make (rest->ptr + end, rest->len - end);
    return true;
}

/* Words by which a proof could add axioms, code or syntax, leave its place, or have compiled code believed. */
static const char *const forbidden[] = {"axiom",
                                        "opaque",
                                        "unsafe",
                                        "partial",
                                        "implemented_by",
                                        "extern",
                                        "csimp",
                                        "elab",
                                        "elab_rules",
                                        "macro",
                                        "macro_rules",
                                        "syntax",
                                        "notation",
                                        "infix",
                                        "infixl",
                                        "infixr",
                                        "prefix",
                                        "postfix",
                                        "run_cmd",
                                        "run_tac",
                                        "run_elab",
                                        "run_meta",
                                        "initialize",
                                        "builtin_initialize",
                                        "native_decide",
                                        "native",
                                        "import",
                                        "set_option",
                                        "namespace",
                                        "section",
                                        "end",
                                        "attribute",
                                        "reduceBool",
                                        "ofReduceBool",
                                        "trustCompiler",
                                        "sorryAx",
                                        "declare_syntax_cat",
                                        "mutual",
                                        "public",
                                        "private",
                                        "constant",
                                        NULL};

static const char *forbidden_word (span token)
{
    if (token.len > 1 && token.ptr[0] == '#')
        return "#";
    for (size_t i = 0; forbidden[i]; i++)
        if (span_is (token, forbidden[i]))
            return forbidden[i];
    return NULL;
}

/* Strings may hold terms: s!"{..}". */
static const char *forbidden_inside (span string)
{
    const char *word = NULL;
    for (size_t at = 0, end; at < string.len && !word; at = end) {
        for (end = at; end < string.len && is_word (string.ptr[end]);)
            end++;
        word = forbidden_word (span_make (string.ptr + at, end - at));
        end += end == at;
    }
    return word;
}

const char *lean_forbidden (span text)
{
    static const char quoted[] = "\xc2\xab"; /* names in guillemets, which may hold anything */
    const char *word = span_find (text, span_of (quoted)) < text.len ? quoted : NULL;
    span token;
    while (!word && next_token (&text, &token)) {
        bool opens = text.len > 0 && (text.ptr[0] == '"' || text.ptr[0] == '#');
        if (span_is (token, "r") && opens)
            word = "r\""; /* strings without escapes */
        else
            word = token.ptr[0] == '"' ? forbidden_inside (token) : forbidden_word (token);
    }
    return word;
}

/* ---- the statement ---- */

typedef struct statement {
    span before, core, name; /* core: without := by sorry at its end */
} statement;

static span cut_end (span text, const char *word)
{
    size_t n = strlen (word);
    text = span_trim (text);
    if (!span_ends (text, word) ||
        (isalpha ((unsigned char)word[0]) && text.len > n && is_word (text.ptr[text.len - n - 1])))
        return text;
    return span_trim (span_make (text.ptr, text.len - n));
}

static bool states (span token)
{
    return span_is (token, "theorem") || span_is (token, "lemma");
}

/* A name may have parts. */
static span name_at (span rest)
{
    span token;
    const char *start, *end;
    if (!next_token (&rest, &token) || !is_word (token.ptr[0]))
        return span_of ("");
    start = token.ptr;
    end = token.ptr + token.len;
    while (rest.len > 1 && rest.ptr == end && rest.ptr[0] == '.' && is_word (rest.ptr[1])) {
        rest = span_make (rest.ptr + 1, rest.len - 1);
        (void)next_token (&rest, &token);
        end = token.ptr + token.len;
    }
    return span_make (start, (size_t)(end - start));
}

static bool find_statement (span text, statement *out)
{
    span rest = text, token;
    while (next_token (&rest, &token)) {
        if (!states (token))
            continue;
        out->before = span_make (text.ptr, (size_t)(token.ptr - text.ptr));
        out->core = span_make (token.ptr, text.len - out->before.len);
        out->name = name_at (rest);
        out->core = cut_end (cut_end (cut_end (out->core, "sorry"), "by"), ":=");
        return out->name.len > 0;
    }
    return false;
}

/* Does text begin with the same words and signs as core?  *rest: what follows. */
static bool begins_with (span text, span core, span *rest)
{
    span a, c;
    while (next_token (&core, &c))
        if (!next_token (&text, &a) || !span_equal (a, c))
            return false;
    *rest = text;
    return true;
}

/* The proof in a text that may state the theorem again.  False: it states another one of that name. */
static bool find_proof (span text, const statement *s, span *proof)
{
    span rest = text, token, colon;
    *proof = text;
    while (next_token (&rest, &token)) {
        if (!states (token) || !span_equal (name_at (rest), s->name))
            continue;
        if (!begins_with (span_make (token.ptr, (size_t)(text.ptr + text.len - token.ptr)), s->core,
                          &rest) ||
            !next_token (&rest, &colon) || !span_is (colon, ":") || !next_token (&rest, &token) ||
            !span_is (token, "="))
            return false;
        *proof = rest;
        return true;
    }
    return true;
}

/* ---- the body ---- */

static esp_err add_indented (esp_buf *out, span text)
{
    bool indent = text.len > 0 && text.ptr[0] != ' ' && text.ptr[0] != '\n';
    esp_err err = ESP_OK;
    for (size_t i = 1; i < text.len && !indent; i++)
        indent = text.ptr[i - 1] == '\n' && text.ptr[i] != ' ' && text.ptr[i] != '\n';
    while (err == ESP_OK && text.len > 0) {
        const char *end = memchr (text.ptr, '\n', text.len);
        size_t n = end ? (size_t)(end - text.ptr) + 1 : text.len;
        err = indent ? esp_buf_puts (out, "  ") : ESP_OK;
        if (err == ESP_OK)
            err = esp_buf_append (out, text.ptr, n);
        text = span_make (text.ptr + n, text.len - n);
    }
    return err;
}

/* Without "by" in front, and without empty lines and spaces at the end. */
static span bare_proof (span proof)
{
    span trimmed = span_trim (proof);
    size_t end = (size_t)(trimmed.ptr - proof.ptr) + trimmed.len;
    if (span_starts (trimmed, "by") &&
        (trimmed.len == 2 || isspace ((unsigned char)trimmed.ptr[2])))
        proof = span_make (trimmed.ptr + 2, trimmed.len - 2);
    else
        proof = span_make (proof.ptr, trimmed.len > 0 ? end : 0);
    while (proof.len > 0 && (proof.ptr[0] == '\n' || proof.ptr[0] == '\r'))
        proof = span_make (proof.ptr + 1, proof.len - 1);
    return proof;
}

static esp_err write_body (const statement *s, span proof, esp_buf *out, lean_case *c)
{
    esp_err err = esp_buf_add (out, s->before);
    snprintf (c->name, sizeof (c->name), "%.*s", (int)s->name.len, s->name.ptr);
    if (err == ESP_OK)
        err = esp_buf_add (out, s->core);
    if (err == ESP_OK)
        err = esp_buf_puts (out, "\n  := by\n");
    c->by_line = proof_lines (esp_buf_span (out));
    if (err == ESP_OK)
        err = add_indented (out, bare_proof (proof));
    return err == ESP_OK ? esp_buf_printf (out, "\n\n#print axioms %s\n", c->name) : err;
}

static const char *refuse (span formal, span text, statement *s, span *proof, const char **word)
{
    if (!find_statement (formal, s))
        return "no-theorem";
    if (s->name.len >= LEAN_NAME_MOST)
        return "bad-problem";
    if (!find_proof (text, s, proof))
        return "statement-changed";
    *word = lean_forbidden (*proof);
    return *word ? "forbidden-command" : NULL;
}

esp_err lean_body (span json, span text, esp_buf *header, esp_buf *body, lean_case *out,
                   const char **reason, const char **word)
{
    static const char *const marks[] = {"lean", "lean4", "Lean", NULL};
    esp_buf formal = {0};
    statement s;
    span proof;
    esp_err err = proof_problem (json, header, &formal);
    text = proof_block (text, marks);
    *word = NULL;
    *reason = err == ESP_ENOENT                          ? "no-theorem"
              : err == ESP_EFORMAT || err == ESP_ETOOBIG ? "bad-problem"
              : text.len > PROOF_TEXT_MOST               ? "proof-too-long"
                                                         : NULL;
    if (*reason)
        err = ESP_OK;
    else if (err == ESP_OK && !(*reason = refuse (esp_buf_span (&formal), text, &s, &proof, word)))
        err = write_body (&s, proof, body, out);
    esp_buf_free (&formal);
    return err;
}
