/* SPDX-License-Identifier: Apache-2.0 */
/* coq_reply.c - see coq_reply.h */

#include "worker/verifier/coq_reply.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define CLOSED "Closed under the global context"
#define AXIOMS "Axioms:"

static coq_verdict fail (const char *reason)
{
    return (coq_verdict){VERDICT_FAIL, reason};
}

static coq_verdict unknown (const char *reason)
{
    return (coq_verdict){VERDICT_UNKNOWN, reason};
}

/* Its start, without what is no UTF-8, in room. */
static span only_utf8 (span text, char *room, size_t size)
{
    text = esp_utf8_cut (text, size - 1);
    snprintf (room, size, "%.*s", (int)text.len, text.ptr);
    for (char *c = room; !esp_utf8_valid (span_of (room)) && *c; c++)
        if ((unsigned char)*c & 0x80)
            *c = '?';
    return span_of (room);
}

/* ---- assumptions ---- */

static bool take_line (span *rest, span *line)
{
    const char *end;
    if (rest->len == 0)
        return false;
    end = memchr (rest->ptr, '\n', rest->len);
    *line = span_make (rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len);
    *rest =
        span_make (rest->ptr + line->len + (end != NULL), rest->len - line->len - (end != NULL));
    return true;
}

/* Coq writes the shortest name that is clear; names of the candidate always begin with its module's. */
static bool is_allowed (span name, const char *const *allowed, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        span whole = span_of (allowed[i]);
        if (span_equal (whole, name))
            return true;
        if (name.len > 0 && name.len < whole.len && whole.ptr[whole.len - name.len - 1] == '.' &&
            span_equal (span_make (whole.ptr + whole.len - name.len, name.len), name))
            return true;
    }
    return false;
}

struct assumed {
    const coq_case *c;
    const char *const *allowed;
    size_t allowed_count;
    span own[64]; /* axioms of the statement itself */
    size_t own_count;
    unsigned blocks; /* 1: those of the statement, 2: those of the proof */
    bool open;       /* names may follow */
};

static bool is_own (const struct assumed *a, span name)
{
    for (size_t i = 0; i < a->own_count; i++)
        if (span_equal (a->own[i], name))
            return true;
    return false;
}

/* A line "NAME" or "NAME : TYPE".  What the statement itself rests on is allowed to its proof, but nothing of the candidate. */
static bool take_name (struct assumed *a, span line, span *name)
{
    size_t n = 0;
    while (n < line.len && line.ptr[n] != ' ')
        n++;
    *name = span_make (line.ptr, n);
    if (!a->open || span_starts (line, COQ_CANDIDATE) ||
        (n < line.len && !span_starts (span_make (line.ptr + n, line.len - n), " :")))
        return false;
    if (a->blocks == 1 && a->own_count < sizeof (a->own) / sizeof (a->own[0])) {
        a->own[a->own_count++] = *name;
        return true;
    }
    return is_own (a, *name) || is_allowed (*name, a->allowed, a->allowed_count);
}

static coq_verdict refuse_axiom (const struct assumed *a, span line, span name, esp_buf *seen)
{
    char own[COQ_NAME_MOST + sizeof (COQ_CANDIDATE) + 1], room[COQ_OBSERVATION_MOST - 200];
    snprintf (own, sizeof (own), COQ_CANDIDATE ".%s", a->c->name);
    if (esp_buf_puts (seen, "not proved from what is allowed: ") != ESP_OK ||
        esp_buf_add (seen, only_utf8 (line, room, sizeof (room))) != ESP_OK)
        esp_buf_clear (seen);
    return fail (span_is (name, own) ? "admitted" : "axiom-not-allowed");
}

static coq_verdict judge_assumptions (struct assumed *a, span output, esp_buf *seen)
{
    span line, name;
    while (take_line (&output, &line)) {
        if (span_is (line, CLOSED) || span_is (line, AXIOMS)) {
            a->blocks++;
            a->open = span_is (line, AXIOMS);
        } else if (line.len > 0 && line.ptr[0] != ' ' && !take_name (a, line, &name)) {
            return a->blocks == 2 ? refuse_axiom (a, line, name, seen)
                                  : unknown ("verifier-crashed");
        }
    }
    return a->blocks == 2 ? (coq_verdict){VERDICT_PASS, "proof-checked"}
                          : unknown ("verifier-crashed");
}

/* ---- errors ---- */

/* Behind `File "./NAME.v", line ` where that begins the line; false: it is another line. */
static bool names_place (span line, size_t *number, span *rest)
{
    static const char mark[] = "\", line ";
    size_t at = span_starts (line, "File \"./") ? span_find (line, span_of (mark)) : line.len;
    if (at >= line.len)
        return false;
    *rest = span_make (line.ptr + at + strlen (mark), line.len - at - strlen (mark));
    *number = 0;
    while (rest->len > 0 && rest->ptr[0] >= '0' && rest->ptr[0] <= '9' && *number < 1000000) {
        *number = *number * 10 + (size_t)(rest->ptr[0] - '0');
        *rest = span_make (rest->ptr + 1, rest->len - 1);
    }
    return true;
}

/* Where coqc found the error, 0: it does not say; *text: from behind the line's number to the end of the output.  Warnings, which a proof may
 * switch on, come first; what a message holds of this form comes later. */
static size_t error_line (span output, span *text)
{
    span rest = output, line, behind;
    size_t number, first = 0;
    *text = output;
    while (take_line (&rest, &line)) {
        if (!names_place (line, &number, &behind))
            continue;
        if (first == 0 || span_starts (rest, "Error")) {
            first = number;
            *text = span_make (behind.ptr, (size_t)(output.ptr + output.len - behind.ptr));
        }
        if (span_starts (rest, "Error"))
            break;
    }
    return first;
}

/* "line 2, characters 7-18: Error: ..."; the line counts from the branch's text. */
static esp_err show (const coq_case *c, bool check, size_t line, span error, esp_buf *seen)
{
    char room[COQ_OBSERVATION_MOST - 200];
    esp_err err = ESP_OK;
    if (check && line == c->chk_line)
        err = esp_buf_printf (seen, "%s is proved of something else", c->name);
    else if (check)
        err = esp_buf_puts (seen, "the finished proof cannot be used");
    else if (line > c->last_line)
        err = esp_buf_puts (seen, "at the end");
    else if (line >= c->first_line)
        err = esp_buf_printf (seen, "line %zu", line - c->first_line + 1);
    if (err == ESP_OK)
        err = esp_buf_add (seen, only_utf8 (span_trim (error), room, sizeof (room)));
    return err;
}

static bool has (span text, const char *words)
{
    return span_find (text, span_of (words)) < text.len;
}

/* What the system did to it, or NULL. */
static const char *limit_of (const coq_outcome *o)
{
    if (has (o->output, "Error: Out of memory") || has (o->output, "Fatal error: out of memory") ||
        has (o->output, "Fatal error: not enough memory") || has (o->output, "Out_of_memory") ||
        has (o->output, "annot allocate memory"))
        return "memory-limit";
    switch (o->status) {
    case 128 + SIGXCPU:
        return "cpu-limit";
    case 128 + SIGXFSZ:
        return "output-limit";
    default:
        return o->status > 128 ? "crashed" : NULL;
    }
}

static coq_verdict judge_error (const coq_case *c, const coq_outcome *o, size_t line)
{
    const char *limit = limit_of (o);
    if (o->status == 126 || o->status == 127)
        return unknown ("verifier-crashed");
    if (o->status == 128 + SIGKILL)
        return unknown ("killed");
    if (limit)
        return fail (limit);
    if (line == 0) /* of the whole file: "There are pending proofs", "Stack overflow" */
        return has (o->output, "Error:") ? fail ("coq-error") : unknown ("verifier-crashed");
    if (line < (o->check ? c->require_line : c->first_line))
        return unknown ("bad-problem");
    if (!o->check || line != c->chk_line)
        return fail ("coq-error");
    if (has (o->output, "was not found"))
        return fail ("theorem-missing");
    return c->new_types ? unknown ("header-types") : fail ("statement-changed");
}

esp_err coq_judge (const coq_case *c, const coq_outcome *o, const char *const *allowed,
                   size_t allowed_count, coq_verdict *out, esp_buf *observation)
{
    struct assumed a = {.c = c, .allowed = allowed, .allowed_count = allowed_count};
    size_t line;
    span error;
    if (o->end != COQ_SAID) {
        *out = unknown (o->end == COQ_TIMEOUT ? "timeout" : "verifier-crashed");
        return ESP_OK;
    }
    if (o->status == 0) {
        *out = o->check ? judge_assumptions (&a, o->output, observation)
                        : unknown ("verifier-crashed");
        return ESP_OK;
    }
    line = error_line (o->output, &error);
    *out = judge_error (c, o, line);
    return out->verdict == VERDICT_FAIL ? show (c, o->check, line, error, observation) : ESP_OK;
}
