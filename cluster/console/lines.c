/* SPDX-License-Identifier: Apache-2.0 */
/* lines.c - see lines.h */

#include "cluster/console/lines.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

enum { TEXT_COLUMNS = 60, INDENT_MAX = 48 };

/* ---- hostile text ---- */

/* The next character of text: how many bytes, how many columns (0: not to be shown). */
static size_t next_character (span text, int *columns)
{
    unsigned char first = (unsigned char)text.ptr[0];
    size_t len = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    wchar_t wide;
    int width;
    *columns = 0;
    if (len > text.len || !esp_utf8_valid (span_make (text.ptr, len)))
        return 1;
    if (first < 0x80) {
        *columns = first >= 0x20 && first < 0x7f;
        return 1;
    }
    mbtowc (NULL, NULL, 0);
    if (mbtowc (&wide, text.ptr, len) == (int)len && (width = wcwidth (wide)) > 0)
        *columns = width;
    return len;
}

esp_err lines_text (span text, size_t columns, esp_buf *out)
{
    esp_err err = ESP_OK;
    for (size_t used = 0; text.len > 0 && err == ESP_OK;) {
        int width;
        size_t len = next_character (text, &width);
        const char *stand = text.ptr[0] == '\n' ? "\\n" : text.ptr[0] == '\t' ? " " : "?";
        size_t wide = width > 0 ? (size_t)width : strlen (stand);
        if (used + wide > columns)
            break;
        err = width > 0 ? esp_buf_append (out, text.ptr, len) : esp_buf_puts (out, stand);
        used += wide;
        text = span_make (text.ptr + len, text.len - len);
    }
    return err;
}

/* Cut an ASCII line that was appended since `from` to its columns. */
static esp_err fit (esp_buf *out, size_t from, size_t columns)
{
    if (out->len - from > columns) {
        out->len = from + columns;
        out->data[out->len] = 0;
    }
    return ESP_OK;
}

/* ---- the head ---- */

const char *lines_time (double seconds, char *out, size_t size)
{
    unsigned long s = seconds >= 0 && seconds < 1e9 ? (unsigned long)seconds : 0;
    if (!(seconds >= 0 && seconds < 1e9))
        snprintf (out, size, "?");
    else if (s >= 86400)
        snprintf (out, size, "%lud%02luh", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        snprintf (out, size, "%luh%02lum", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf (out, size, "%lum%02lus", s / 60, s % 60);
    else
        snprintf (out, size, "%lus", s);
    return out;
}

esp_err lines_progress (const run_status *s, size_t columns, esp_buf *out)
{
    char took[32], left[32];
    size_t from = out->len;
    esp_err err =
        esp_buf_printf (out, "%" PRIu64 "/%" PRIu64 " problems done, %" PRIu64 " solved, ",
                        s->problems_done, s->problems_total, s->problems_solved);
    if (err == ESP_OK && s->problems_failed > 0)
        err = esp_buf_printf (out, "%" PRIu64 " failed, ", s->problems_failed);
    if (err == ESP_OK)
        err = esp_buf_printf (out, "%" PRIu64 " open  %s, ETA %s", s->problems_open,
                              lines_time (s->seconds, took, sizeof (took)),
                              lines_time (s->eta_s, left, sizeof (left)));
    return err == ESP_OK ? fit (out, from, columns) : err;
}

esp_err lines_work (const run_status *s, size_t columns, esp_buf *out)
{
    size_t from = out->len;
    double rate = isnan (s->generations_per_s) ? 0 : s->generations_per_s;
    esp_err err =
        esp_buf_printf (out,
                        "%" PRIu64 " generations, %.1f/s  %u worker%s, %u%% busy  %" PRIu64
                        " in flight, %" PRIu64 " queued",
                        s->generations, rate, s->workers, s->workers == 1 ? "" : "s",
                        s->workers_busy_percent, s->in_flight, s->frontier);
    return err == ESP_OK ? fit (out, from, columns) : err;
}

/* ---- problems and nodes ---- */

static const char *score_text (double score, char *out, size_t size)
{
    if (isnan (score))
        snprintf (out, size, "-");
    else
        snprintf (out, size, fabs (score) < 1000 ? "%.3f" : "%.3g", score);
    return out;
}

esp_err lines_problem (const view_problem *p, size_t columns, esp_buf *out)
{
    char best[32], tail[128];
    size_t from = out->len, tail_len, id_columns;
    esp_err err;
    int n = snprintf (tail, sizeof (tail), "  %u nodes, best %s, ", p->count,
                      score_text (p->best, best, sizeof (best)));
    if (p->finished)
        snprintf (tail + n, sizeof (tail) - (size_t)n, "%s",
                  p->reason < FINISH_REASONS ? finish_reason_names[p->reason] : "finished");
    else
        snprintf (tail + n, sizeof (tail) - (size_t)n, "%u in flight", p->in_flight);
    tail_len = strlen (tail);
    err = esp_buf_printf (out, "#%u", problem_number (p->key));
    if (err == ESP_OK && problem_repeat (p->key) > 0)
        err = esp_buf_printf (out, " (repeat %u)", problem_repeat (p->key));
    if (err == ESP_OK)
        err = esp_buf_puts (out, " ");
    id_columns = columns > out->len - from + tail_len ? columns - (out->len - from) - tail_len : 0;
    if (err == ESP_OK)
        err = lines_text (span_of (p->id), id_columns < 40 ? id_columns : 40, out);
    if (err == ESP_OK && id_columns > 0)
        return esp_buf_puts (out, tail);
    return err == ESP_OK ? fit (out, from, columns) : err;
}

static const char *mark_text (const view_node *n)
{
    if (!n->has_text)
        return "...";
    return n->mark < NODE_MARKS ? node_mark_names[n->mark] : "?";
}

esp_err lines_node (const view_problem *p, node_ref ref, size_t columns, esp_buf *out)
{
    const view_node *n = view_node_of (p, ref);
    char score[32], head[160];
    size_t indent, room;
    esp_err err;
    if (!n)
        return ESP_OK;
    if (ref == NODE_ROOT)
        return lines_text (span_of (p->id[0] ? p->id : "(the problem)"), columns, out);
    indent = 2U * (n->depth - 1U) < INDENT_MAX ? 2U * (n->depth - 1U) : INDENT_MAX;
    room = (size_t)snprintf (
        head, sizeof (head), "%*s.%u %s %s%s%s %ut  ", (int)indent, "", n->ordinal,
        score_text (n->score, score, sizeof (score)), mark_text (n), n->verdict ? " " : "",
        n->verdict && n->verdict < 4 ? verdict_names[n->verdict] : "", n->tokens);
    if (room >= columns)
        return esp_buf_append (out, head, columns);
    if ((err = esp_buf_puts (out, head)) != ESP_OK)
        return err;
    room = columns - room;
    return lines_text (span_trim (span_of (n->text)), room < TEXT_COLUMNS ? room : TEXT_COLUMNS,
                       out);
}

esp_err lines_event (const view *v, const event *e, size_t columns, esp_buf *out)
{
    const view_problem *p = view_find (v, e->problem);
    char score[32];
    size_t from = out->len, used;
    esp_err err = esp_buf_printf (out, "problem #%u", problem_number (e->problem));
    if (err == ESP_OK && p && e->node != NODE_ROOT && view_node_of (p, e->node)) {
        if ((err = esp_buf_puts (out, " ")) == ESP_OK)
            err = view_path (p, e->node, out);
    }
    if (err == ESP_OK)
        err = esp_buf_printf (out, " %s",
                              e->number == 0          ? "writes"
                              : e->kind < EVENT_KINDS ? event_kind_names[e->kind]
                                                      : "?");
    if (err == ESP_OK && e->kind == EVENT_SCORED)
        err = esp_buf_printf (out, " %s", score_text (e->value, score, sizeof (score)));
    if (err == ESP_OK && e->kind == EVENT_MARK && e->mark < NODE_MARKS)
        err = esp_buf_printf (out, " %s", node_mark_names[e->mark]);
    if (err == ESP_OK && e->kind == EVENT_VERIFIED && e->mark < 4)
        err = esp_buf_printf (out, " %s", verdict_names[e->mark]);
    if (err == ESP_OK && e->kind == EVENT_FINISHED && e->mark < FINISH_REASONS)
        err = esp_buf_printf (out, " %s", finish_reason_names[e->mark]);
    if (err != ESP_OK || e->text.len == 0)
        return err == ESP_OK ? fit (out, from, columns) : err;
    used = out->len - from + 1;
    if (used >= columns)
        return fit (out, from, columns);
    if ((err = esp_buf_puts (out, " ")) != ESP_OK)
        return err;
    return lines_text (e->number == 0 ? view_part (e->text) : e->text,
                       columns - used < TEXT_COLUMNS ? columns - used : TEXT_COLUMNS, out);
}
