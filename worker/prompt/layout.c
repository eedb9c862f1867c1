/* SPDX-License-Identifier: Apache-2.0 */
/* layout.c - see layout.h: a layout as a run file wants it, and what all rows share */

#include "worker/prompt/layout.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "worker/prompt/layout_inner.h"

/* ---- from options to a plan ---- */

static void list_names (char *out, size_t size, const unsigned *readings)
{
    size_t len = 0;
    const layout *row;
    out[0] = 0;
    for (size_t i = 0; (row = layout_at (i)); i++) {
        bool fits = !readings;
        for (size_t k = 0; readings && readings[k]; k++)
            fits = fits || (row->readings & readings[k]);
        if (fits && len < size)
            len += (size_t)snprintf (out + len, size - len, "%s%s", len > 0 ? ", " : "", row->name);
    }
}

static esp_err
choose_reading (const char *serving, const unsigned *readings, layout_plan *plan, esp_error *why)
{
    char names[256];
    for (size_t i = 0; readings[i]; i++)
        if (plan->row->readings & readings[i]) {
            plan->reading = readings[i];
            return ESP_OK;
        }
    list_names (names, sizeof (names), readings);
    return esp_error_set (why, ESP_EUNSUPPORTED,
                          "layout: %s cannot be read through engine %s, which takes %s",
                          plan->row->name, serving, names);
}

static void set_labels (const char **out, const esp_strings *own, const char *const *of_row)
{
    size_t n = 0;
    for (size_t i = 0; i < own->count && n < LAYOUT_LABELS; i++)
        out[n++] = own->items[i];
    for (size_t i = 0; own->count == 0 && i < LAYOUT_LABELS && of_row[i]; i++)
        out[n++] = of_row[i];
    out[n] = NULL;
}

static const char *either (const char *own, const char *other)
{
    return own ? own : other;
}

static esp_err check_texts (const layout_options *o, const layout_plan *plan, esp_error *why)
{
    const char *t = plan->template;
    bool labels = plan->reading == READ_NEXT || plan->reading == READ_PATH;
    if (o->good.count > LAYOUT_LABELS || o->bad.count > LAYOUT_LABELS)
        return esp_error_set (why, ESP_EINVAL, "good, bad: at most %d spellings of a label",
                              LAYOUT_LABELS);
    if (o->tag && !o->tag[0])
        return esp_error_set (why, ESP_EINVAL, "tag: the text behind a step cannot be empty");
    if (o->split && !o->split[0])
        return esp_error_set (
            why, ESP_EINVAL,
            "split: an empty text splits nothing (split: step leaves the steps as "
            "section step cuts them)");
    if (o->template && !plan->row->template)
        return esp_error_set (why, ESP_EINVAL, "template: layout %s has none (judge has)",
                              plan->row->name);
    if (t && (!strstr (t, "{problem}") || !(strstr (t, "{step}") || strstr (t, "{steps}"))))
        return esp_error_set (why, ESP_EINVAL,
                              "template: it needs {problem}, and {step} or {steps}");
    if (labels && (o->good_id >= 0) != (o->bad_id >= 0))
        return esp_error_set (why, ESP_EINVAL, "good_id, bad_id: give both or none");
    return ESP_OK;
}

static esp_err unknown_layout (const char *name, esp_error *why)
{
    enum { MOST = 32 };
    const char *all[MOST] = {NULL}, *near;
    char names[256];
    for (size_t i = 0; i + 1 < MOST && layout_at (i); i++)
        all[i] = layout_at (i)->name;
    near = esp_nearest (name, all);
    list_names (names, sizeof (names), NULL);
    return esp_error_set (why, ESP_EUNKNOWN,
                          "layout: there is no layout %.60s%s%s%s; there are: %s", name,
                          near ? "; did you mean " : "", near ? near : "", near ? "?" : "", names);
}

esp_err layout_open (const layout_options *o, const char *serving, const char *fallback,
                     const unsigned *readings, layout_plan *out, esp_error *why)
{
    layout_plan plan = {.row = layout_find (o->name ? o->name : fallback)};
    esp_err err;
    if (!plan.row)
        return unknown_layout (o->name ? o->name : fallback, why);
    if ((err = choose_reading (serving, readings, &plan, why)) != ESP_OK)
        return err;
    plan.chat =
        o->chat > 0 ? layout_chat_at ((size_t)o->chat - 1) : layout_chat_find (plan.row->chat);
    plan.norm = o->norm > 0 ? (enum layout_norm) (o->norm - 1) : plan.row->norm;
    plan.column = o->column >= 0 ? (uint32_t)o->column : plan.row->column;
    plan.tag = either (o->tag, either (plan.row->tag, ""));
    plan.split = either (o->split, plan.row->split);
    if (plan.split && strcmp (plan.split, "step") == 0)
        plan.split = NULL;
    plan.bos = either (o->bos, either (plan.row->bos, plan.chat->bos));
    plan.system = either (o->system, either (plan.row->system, ""));
    plan.template = either (o->template, plan.row->template);
    set_labels (plan.good, &o->good, plan.row->good);
    set_labels (plan.bad, &o->bad, plan.row->bad);
    plan.tag_id = o->tag_id >= 0 ? o->tag_id : o->tag ? -1 : plan.row->tag_id;
    plan.ids_given = o->good_id >= 0 && o->bad_id >= 0;
    plan.good_id = plan.ids_given ? o->good_id : o->good.count > 0 ? -1 : plan.row->good_id;
    plan.bad_id = plan.ids_given ? o->bad_id : o->bad.count > 0 ? -1 : plan.row->bad_id;
    if ((err = check_texts (o, &plan, why)) != ESP_OK)
        return err;
    *out = plan;
    return ESP_OK;
}

/* ---- texts from outside ---- */

/* Mark i: the tag, those of the chat, those of the layout; NULL behind the last. */
static const char *mark_of (const layout_plan *plan, size_t i)
{
    const char *const *marks = plan->chat->marks;
    if (plan->tag[0] && i-- == 0)
        return plan->tag;
    for (; *marks && i > 0; marks++)
        i--;
    if (*marks)
        return *marks;
    for (marks = plan->row->marks; *marks && i > 0; marks++)
        i--;
    return *marks;
}

static bool mark_at (const layout_plan *plan, span rest)
{
    const char *mark;
    for (size_t i = 0; (mark = mark_of (plan, i)); i++)
        if (span_starts (rest, mark))
            return true;
    return false;
}

/* Most texts have none: then nothing has to be looked at byte by byte. */
static bool has_mark (const layout_plan *plan, span text)
{
    const char *mark;
    for (size_t i = 0; (mark = mark_of (plan, i)); i++)
        if (span_find (text, span_of (mark)) < text.len)
            return true;
    return false;
}

/* Bytes of the character that begins here; the input may be any bytes. */
static size_t character (span rest)
{
    size_t n = 1;
    while (n < rest.len && n < 4 && ((unsigned char)rest.ptr[n] & 0xC0) == 0x80)
        n++;
    return n;
}

esp_err layout_put (const layout_plan *plan, span text, esp_buf *out)
{
    size_t from = 0;
    esp_err err = ESP_OK;
    text = span_trim (text);
    if (!has_mark (plan, text))
        return esp_buf_add (out, text);
    for (size_t at = 0; err == ESP_OK && at < text.len;) {
        span rest = span_make (text.ptr + at, text.len - at);
        size_t width = character (rest);
        bool blank = isspace ((unsigned char)rest.ptr[0]);
        if (!mark_at (plan, rest)) {
            at += width;
            continue;
        }
        /* a mark of white space ("\n") becomes a blank; others lose their unity */
        err = esp_buf_append (out, text.ptr + from, at - from + (blank ? 0 : width));
        if (err == ESP_OK)
            err = esp_buf_puts (out, " ");
        at += blank ? strlen (plan->tag) : width;
        from = at;
    }
    return err == ESP_OK ? esp_buf_append (out, text.ptr + from, text.len - from) : err;
}

bool layout_next_step (const char *split, span *rest, span *step)
{
    while (rest->len > 0) {
        size_t end = split ? span_find (*rest, span_of (split)) : rest->len;
        size_t used = end < rest->len ? end + strlen (split) : rest->len;
        *step = span_trim (span_make (rest->ptr, end));
        *rest = span_make (rest->ptr + used, rest->len - used);
        if (step->len > 0)
            return true;
    }
    return false;
}

/* ---- what rows share ---- */

esp_err layout_system_turn (const layout_plan *plan, esp_buf *out)
{
    esp_err err;
    if (!plan->system[0])
        return ESP_OK;
    if ((err = layout_turn_open (plan, 's', out)) != ESP_OK ||
        (err = esp_buf_puts (out, plan->system)) != ESP_OK)
        return err;
    return layout_turn_end (plan, 's', out);
}

/* "Step 12:" at the beginning? */
static bool has_number (span step)
{
    size_t at = 5;
    if (!span_starts (step, "Step ") || step.len < 7 || !isdigit ((unsigned char)step.ptr[5]))
        return false;
    while (at < step.len && isdigit ((unsigned char)step.ptr[at]))
        at++;
    return at < step.len && step.ptr[at] == ':';
}

esp_err
layout_numbered (const layout_plan *plan, const layout_path *path, const char *behind, esp_buf *out)
{
    esp_err err = ESP_OK;
    for (size_t i = 0; err == ESP_OK && i < path->count; i++) {
        if (i > 0)
            err = esp_buf_puts (out, "\n");
        if (err == ESP_OK && !has_number (path->steps[i]))
            err = esp_buf_printf (out, "Step %zu: ", i + 1);
        if (err == ESP_OK)
            err = layout_put (plan, path->steps[i], out);
        if (err == ESP_OK)
            err = esp_buf_puts (out, behind);
    }
    return err;
}
