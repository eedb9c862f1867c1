/* SPDX-License-Identifier: Apache-2.0 */
/* defect.c - see defect.h */

#include "coordinator/sink/defect.h"
#include <string.h>
#include "proto/base/alloc.h"

struct pieces {
    span text;
    size_t *ends; /* owned; rising, the last one is text.len */
    size_t count, cap;
};

static esp_err add_end (struct pieces *p, size_t end)
{
    if (esp_grow (&p->ends, &p->cap, p->count + 1, sizeof (*p->ends)) != 0)
        return ESP_ENOMEM;
    p->ends[p->count++] = end;
    return ESP_OK;
}

static esp_err cut_at (struct pieces *p, const char *mark)
{
    size_t at = 0, len = strlen (mark);
    esp_err err = ESP_OK;
    while (at < p->text.len && err == ESP_OK) {
        span rest = span_make (p->text.ptr + at, p->text.len - at);
        size_t found = span_find (rest, span_of (mark));
        at += found < rest.len ? found + len : rest.len;
        err = add_end (p, at);
    }
    return err;
}

static esp_err cut (struct pieces *p, enum defect_unit unit, const step_split *split)
{
    span rest = p->text, step;
    bool thinking = false;
    esp_err err = ESP_OK;
    if (unit == DEFECT_LINE)
        return cut_at (p, "\n");
    if (!split || !split->next)
        return cut_at (p, "\n\n");
    while (err == ESP_OK && split->next (split->rule, &thinking, &rest, &step))
        err = add_end (p, p->text.len - rest.len);
    if (err == ESP_OK && p->count > 0)
        p->ends[p->count - 1] = p->text.len; /* white space at the end */
    return err == ESP_OK && p->count == 0 && p->text.len > 0 ? add_end (p, p->text.len) : err;
}

/* Pieces [from, to). */
static span range (const struct pieces *p, size_t from, size_t to)
{
    size_t begin = from > 0 ? p->ends[from - 1] : 0, end = to > 0 ? p->ends[to - 1] : 0;
    return span_make (p->text.ptr + begin, end - begin);
}

static void compare (const struct pieces *a, const struct pieces *b, defect *out)
{
    size_t first = 0, a_end = a->count, b_end = b->count;
    while (first < a->count && first < b->count &&
           span_equal (range (a, first, first + 1), range (b, first, first + 1)))
        first++;
    while (a_end > first && b_end > first &&
           span_equal (range (a, a_end - 1, a_end), range (b, b_end - 1, b_end)))
        a_end--, b_end--;
    *out = (defect){.differs = true,
                    .begin = first,
                    .before_end = a_end,
                    .after_end = b_end,
                    .before = range (a, first, a_end),
                    .after = range (b, first, b_end)};
}

esp_err defect_between (span original, span mutated, enum defect_unit unit, const step_split *split,
                        defect *out)
{
    struct pieces a = {.text = span_make (original.ptr ? original.ptr : "", original.len)},
                  b = {.text = span_make (mutated.ptr ? mutated.ptr : "", mutated.len)};
    esp_err err = cut (&a, unit, split);
    if (err == ESP_OK)
        err = cut (&b, unit, split);
    if (err == ESP_OK && span_equal (original, mutated))
        *out = (defect){.differs = false};
    else if (err == ESP_OK)
        compare (&a, &b, out);
    esp_free (a.ends);
    esp_free (b.ends);
    return err;
}

/* ---- a block of code ---- */

static bool is_python (span language)
{
    return language.len == 0 || span_is (language, "python") || span_is (language, "python3") ||
           span_is (language, "py");
}

span defect_program (span text)
{
    const span fence = span_of ("```");
    span rest = text, found = text;
    for (size_t at = span_find (rest, fence); at < rest.len; at = span_find (rest, fence)) {
        span inside = span_make (rest.ptr + at + fence.len, rest.len - at - fence.len);
        size_t line = span_find (inside, span_of ("\n")), end;
        span body = line < inside.len ? span_make (inside.ptr + line + 1, inside.len - line - 1)
                                      : span_make (inside.ptr + inside.len, 0);
        end = span_find (body, fence);
        if (is_python (span_trim (span_make (inside.ptr, line))) && body.len > 0)
            found = span_make (body.ptr, end);
        if (end >= body.len)
            break;
        rest = span_make (body.ptr + end + fence.len, body.len - end - fence.len);
    }
    return found;
}
