/* SPDX-License-Identifier: Apache-2.0 */
/* step_cut.c - a compiled step rule on texts: the end of a step, its phases, what a PRM sees
 *
 * One walk serves generating and reading, so what was cut while it grew is cut alike when it is read back.  The walk
 * goes from mark to mark (tag, separator, match, end of a chunk), each searched from the one before:
 *
 *     text    "\n\n" "First we add." "\n\n" "<think>" "Hm" "</think>" ...
 *     mark      s                      S       t             T           a step ends at capitals
 *
 * Linear time: stop texts are short and few; a pattern is tried on windows that double, each from the place where the
 * last mark was, so a far-away tag or a text without matches is not read once for each step.  In a text that grows each
 * look begins where the one before found the first place that more text decides (step_watch.h).
 */

#include "worker/prompt/step_watch.h"
#include <string.h>
#include "worker/prompt/step_inner.h"

enum {
    WINDOW_BYTES = 256, /* first look of a pattern */
    LOOK_AGAIN = 8      /* larger: open text is read oftener; smaller: its end is seen later */
};

enum mark_kind { MARK_NONE, MARK_TAG, MARK_SEPARATOR, MARK_MATCH, MARK_CHUNK };

typedef struct mark {
    enum mark_kind kind;
    size_t start, end;
} mark;

typedef step_watch walk; /* over one step, from its begin */

static bool is_white (char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Begins a character that is no white space. */
static bool is_content (char c)
{
    return !is_white (c) && ((unsigned char)c & 0xC0) != 0x80;
}

/* At most `most`: more makes no difference. */
static uint64_t count_content (const char *text, size_t len, uint64_t most)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < len && sum < most; i++)
        sum += is_content (text[i]);
    return sum;
}

static bool stands_at (span text, size_t at, const char *needle)
{
    size_t len = strlen (needle);
    return text.len - at >= len && memcmp (text.ptr + at, needle, len) == 0;
}

/* The stop text of the phase that begins first in [from, to), or none; it may end behind `to`. */
static mark find_stop (const step_phase *p, span text, size_t from, size_t to)
{
    mark first = {.kind = MARK_NONE};
    for (size_t k = 0; k < p->stop_count; k++)
        for (size_t i = from; i < to; i++) {
            const char *at = memchr (text.ptr + i, p->stops[k][0], to - i);
            i = at ? (size_t)(at - text.ptr) : to;
            if (at && stands_at (text, i, p->stops[k])) {
                first = (mark){k < p->separator_count ? MARK_SEPARATOR : MARK_TAG, i,
                               i + strlen (p->stops[k])};
                to = i; /* the others must begin before it */
            }
        }
    return first;
}

/* ---- patterns ---- */

/* Where the next look begins; stop texts are searched from the last mark on. */
static size_t look_from (const walk *w)
{
    return w->rule->phase[w->thinking].stop_count > 0 ? w->at : w->from;
}

/* Without the character at its end that is not whole yet. */
static span whole_characters (span text)
{
    for (size_t back = 1; back <= 3 && back <= text.len; back++) {
        unsigned char c = (unsigned char)text.ptr[text.len - back];
        size_t need = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
        if ((c & 0xC0) != 0x80)
            return span_make (text.ptr, need > back ? text.len - back : text.len);
    }
    return text;
}

/* Of a phase with a pattern the only stop text is the tag; a match ends before the tag begins. */
static mark find_match (walk *w, const step_phase *p)
{
    size_t tag_most = p->stop_count > 0 ? STOP_BYTES_MOST : 0, begin = w->from;
    for (size_t size = WINDOW_BYTES;; size *= 2) {
        bool last = size >= w->text.len - begin;
        span seen = !last     ? esp_utf8_cut (w->text, begin + size)
                    : w->more ? whole_characters (w->text)
                              : w->text;
        mark tag = find_stop (p, seen, w->at, seen.len), m = {.kind = MARK_MATCH};
        enum regex_found found;
        size_t room = tag.kind ? tag.start : last ? seen.len : seen.len - tag_most;
        if (tag.kind)
            seen.len = tag.end;
        if (w->from > seen.len) /* a character that is not whole yet */
            return tag;
        w->read_bytes += seen.len - look_from (w);
        found = step_regex_find (p->regex, seen, &w->from, !tag.kind && (!last || w->more),
                                 &m.start, &m.end);
        if (found == REGEX_MATCH && m.end <= room)
            return m;
        if (tag.kind || last)
            return tag;
    }
}

/* ---- chunks ---- */

/* Where a chunk that is full at byte `full` is cut: behind the last white space of its last bytes, else at a whole character. */
static size_t chunk_end (span text, size_t from, size_t full)
{
    size_t least = full - from > STOP_BYTES_MOST ? full - STOP_BYTES_MOST : from;
    for (size_t i = full; i > least; i--)
        if (is_white (text.ptr[i - 1]))
            return i;
    full = esp_utf8_cut (text, full).len;
    return full > from ? full : from + 1;
}

static mark find_mark (walk *w)
{
    const step_phase *p = &w->rule->phase[w->thinking];
    size_t full = w->text.len;
    bool chunked =
        p->tokens > 0 && w->by_bytes && (w->text.len - w->chunk) / STEP_TOKEN_BYTES >= p->tokens;
    mark m;
    if (p->regex)
        return find_match (w, p);
    if (chunked) {
        full = w->chunk + (size_t)p->tokens * STEP_TOKEN_BYTES;
        full = full < w->text.len ? chunk_end (w->text, w->chunk, full) : full;
    }
    m = find_stop (p, w->text, w->at, full);
    if (m.kind || !chunked || full >= w->text.len)
        return m;
    full = full > w->at ? full : w->at; /* the last mark may have ended behind it */
    return (mark){MARK_CHUNK, full, full};
}

/* ---- the walk ---- */

static walk walk_from (const step_rule *r, bool thinking, span text)
{
    walk w = {.rule = r, .text = text, .thinking = thinking && r->tag[false]};
    if (w.thinking &&
        stands_at (text, 0, r->force)) { /* thinking that was closed by force before it began */
        w.thinking = false;
        w.at = w.from = w.chunk = strlen (r->force);
    }
    return w;
}

static void add_content (walk *w, size_t to)
{
    uint64_t least = w->rule->phase[0].least, other = w->rule->phase[1].least;
    uint64_t n = count_content (w->text.ptr + w->at, to - w->at, least > other ? least : other);
    w->length += n;
    w->piece += n;
}

/* Pass one mark; true: a step ends at w->at. */
static bool pass (walk *w, const mark *m)
{
    const step_phase *p = &w->rule->phase[w->thinking];
    add_content (w, m->kind == MARK_MATCH ? m->end : m->start);
    w->at = w->from = m->end;
    if (m->kind == MARK_TAG) {
        w->thinking = !w->thinking;
        w->chunk = w->at;
        w->met = w->piece = 0;
        return w->length > 0;
    }
    if (m->kind == MARK_CHUNK)
        w->chunk = w->at;
    else if (w->piece > 0)
        w->met++;
    if (m->kind != MARK_CHUNK)
        w->piece = 0;
    return w->length >= p->least && (m->kind == MARK_CHUNK || w->met >= p->every);
}

/* To the end of the step; false: the text ends before, w->at is behind its last mark. */
static bool walk_marks (walk *w)
{
    while (w->at < w->text.len) {
        mark m = find_mark (w);
        if (!m.kind)
            return false;
        if (pass (w, &m))
            return true;
    }
    return false;
}

/* The same, else to the end of the text. */
static bool walk_step (walk *w)
{
    if (walk_marks (w))
        return true;
    add_content (w, w->text.len);
    w->at = w->text.len;
    return false;
}

/* Is there no content from w->at on?  Then go to the end. */
static bool walk_blank (walk *w)
{
    walk end = *w;
    while (end.at < end.text.len) {
        const step_phase *p = &end.rule->phase[end.thinking];
        mark m = find_stop (p, end.text, end.at, end.at + 1);
        if (!m.kind && is_content (end.text.ptr[end.at]))
            return false;
        if (!m.kind)
            m.end = end.at + 1;
        end.at = m.end;
        end.thinking ^= m.kind == MARK_TAG;
    }
    *w = end;
    return true;
}

/* ---- to generate ---- */

/* Does the text end inside the tag that would leave the phase? */
static bool inside_tag (const walk *w)
{
    const char *tag = w->rule->tag[w->thinking];
    span text = w->text;
    size_t len = tag ? strlen (tag) : 0;
    for (size_t n = 1; n < len && n <= text.len; n++)
        if (memcmp (text.ptr + text.len - n, tag, n) == 0)
            return true;
    return false;
}

bool step_rule_complete (const step_rule *r, bool thinking, span so_far, enum piece_end how,
                         size_t *cut)
{
    walk w = walk_from (r, thinking, so_far);
    w.more = how != PIECE_ENDED;
    *cut = so_far.len;
    if (walk_step (&w)) {
        if (how != PIECE_FORCED && !(how == PIECE_ENDED && walk_blank (&w)))
            *cut = w.at;
        return true;
    }
    if (how == PIECE_AT_MOST)
        return w.length >= r->phase[w.thinking].least && !inside_tag (&w);
    return how == PIECE_ENDED;
}

bool step_watch_look (step_watch *w, const step_rule *r, bool thinking, span so_far)
{
    if (w->done || so_far.len < w->next_bytes)
        return w->done;
    if (!w->rule || (r->force && w->text.len < strlen (r->force))) {
        uint64_t read_bytes = w->read_bytes;
        *w = walk_from (r, thinking, so_far);
        w->read_bytes = read_bytes;
    }
    w->more = true;
    w->text = so_far;
    w->done = walk_marks (w);
    w->next_bytes = so_far.len + (so_far.len - look_from (w)) / LOOK_AGAIN;
    w->text.ptr = NULL; /* not ours behind this call */
    return w->done;
}

/* ---- to read ---- */

bool step_rule_next (const step_rule *r, bool *thinking, span *rest, span *step)
{
    walk w = walk_from (r, *thinking, *rest);
    w.by_bytes = true;
    (void)walk_step (&w);
    if (w.length == 0)
        return false;
    (void)walk_blank (&w);
    *step = span_make (rest->ptr, w.at);
    *rest = span_make (rest->ptr + w.at, rest->len - w.at);
    *thinking = w.thinking;
    return true;
}

uint32_t step_rule_count (const step_rule *r, bool thinking, span text)
{
    uint32_t count = 0;
    span step;
    while (step_rule_next (r, &thinking, &text, &step))
        count++;
    return count;
}

/* ---- phases ---- */

/* The part of *rest up to the next border, without its tag, which is taken off too. */
static span take_phase (const step_rule *r, bool *thinking, span *rest)
{
    span tag = span_of (r->tag[*thinking]), part;
    size_t at = tag.len > 0 ? span_find (*rest, tag) : rest->len;
    part = span_make (rest->ptr, at);
    if (at == rest->len) {
        *rest = span_make (rest->ptr + rest->len, 0);
        return part;
    }
    *thinking = !*thinking;
    *rest = span_make (rest->ptr + at + tag.len, rest->len - at - tag.len);
    return part;
}

size_t step_rule_walk (const step_rule *r, bool *thinking, span text)
{
    size_t inside = 0;
    *thinking = *thinking && r->tag[false];
    while (text.len > 0) {
        bool phase = *thinking;
        span part = take_phase (r, thinking, &text);
        inside += phase ? part.len : 0;
    }
    return inside;
}

bool step_rule_thinks (const step_rule *r, bool before, span text)
{
    (void)step_rule_walk (r, &before, text);
    return before;
}

bool step_rule_begins (const step_rule *r, span prompt, span prefill)
{
    const char *open = r->tag[false];
    bool opened = prompt.len > 0 ? open && span_ends (span_trim (prompt), open) : r->opened;
    return open && step_rule_thinks (r, opened, prefill);
}

bool step_rule_began (const step_rule *r, span path)
{
    span open = span_of (r->tag[false]), close = span_of (r->tag[true]);
    size_t closes = r->tag[false] ? span_find (path, close) : path.len,
           opens = r->tag[false] ? span_find (path, open) : path.len;
    return closes == opens ? r->opened : closes < opens; /* equal: neither is there */
}

esp_err
step_rule_show (const step_rule *r, enum step_view view, bool *thinking, span step, esp_buf *out)
{
    esp_err err = ESP_OK;
    if (view == VIEW_BOTH || !r->tag[false]) {
        (void)step_rule_walk (r, thinking, step);
        return esp_buf_add (out, step);
    }
    while (step.len > 0 && err == ESP_OK) {
        bool phase = *thinking;
        span part = take_phase (r, thinking, &step);
        if (phase == (view == VIEW_THINKING))
            err = esp_buf_add (out, part);
    }
    return err;
}
