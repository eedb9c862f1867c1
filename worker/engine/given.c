/* SPDX-License-Identifier: Apache-2.0 */
/* given.c - see given.h */

#include "worker/engine/given.h"
#include <jansson.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/model/row_fields.h"
#include "worker/prompt/step_rule.h"

typedef struct solution {
    esp_buf text;
    size_t *ends; /* owned */
    size_t step_count, step_cap;
    bool listed;
} solution;

struct given {
    const struct step_rule *rule; /* borrowed while it is read */
    char *separator;              /* owned */
    solution *solutions;          /* owned */
    size_t count, cap;
};

enum { OBJECTS_DEEP = 4 }; /* a solution inside an object inside ... */

void given_destroy (given *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->count; i++) {
        esp_buf_free (&g->solutions[i].text);
        esp_free (g->solutions[i].ends);
    }
    esp_free (g->solutions);
    esp_free (g->separator);
    esp_free (g);
}

static span text_of (const json_t *value)
{
    return span_make (json_string_value (value), json_string_length (value));
}

/* ---- one solution ---- */

static esp_err new_solution (given *g, solution **out)
{
    if (g->count >= GIVEN_SOLUTIONS_MOST)
        return ESP_ETOOBIG;
    if (esp_grow (&g->solutions, &g->cap, g->count + 1, sizeof (*g->solutions)) != 0)
        return ESP_ENOMEM;
    *out = &g->solutions[g->count++];
    **out = (solution){.step_count = 0};
    return ESP_OK;
}

static esp_err end_step (solution *s, size_t at)
{
    if (s->step_count == GIVEN_STEPS_MOST) {
        s->ends[s->step_count - 1] = at;
        return ESP_OK;
    }
    if (esp_grow (&s->ends, &s->step_cap, s->step_count + 1, sizeof (*s->ends)) != 0)
        return ESP_ENOMEM;
    s->ends[s->step_count++] = at;
    return ESP_OK;
}

static esp_err cut_by_rule (const given *g, solution *s, span text)
{
    span rest = text, step;
    bool thinking = false;
    esp_err err = ESP_OK;
    while (err == ESP_OK && step_rule_next (g->rule, &thinking, &rest, &step))
        err = end_step (s, text.len - rest.len);
    if (err == ESP_OK && s->step_count > 0)
        s->ends[s->step_count - 1] = text.len; /* white space at the end */
    return err;
}

/* White space alone is no step: it belongs to the one before it. */
static esp_err cut_text (given *g, span text)
{
    solution *s;
    span mark = span_of (g->separator);
    size_t at = 0, begin = 0;
    esp_err err = new_solution (g, &s);
    if (err == ESP_OK)
        err = esp_buf_add (&s->text, text);
    if (err == ESP_OK && g->rule)
        err = cut_by_rule (g, s, text);
    while (err == ESP_OK && !g->rule && at < text.len) {
        span rest = span_make (text.ptr + at, text.len - at);
        size_t found = span_find (rest, mark);
        at += found < rest.len ? found + mark.len : rest.len;
        if (span_trim (span_make (text.ptr + begin, at - begin)).len > 0) {
            err = end_step (s, at);
            begin = at;
        } else if (s->step_count > 0) {
            s->ends[s->step_count - 1] = begin = at;
        }
    }
    if (err == ESP_OK && s->step_count == 0)
        err = end_step (s, text.len);
    return err;
}

static esp_err add_step (const given *g, solution *s, span step)
{
    esp_err err = ESP_OK;
    if (s->step_count > 0 && !span_ends (esp_buf_span (&s->text), g->separator)) {
        err = esp_buf_puts (&s->text, g->separator);
        s->ends[s->step_count - 1] = s->text.len;
    }
    if (err == ESP_OK)
        err = esp_buf_add (&s->text, step);
    return err == ESP_OK ? end_step (s, s->text.len) : err;
}

static esp_err join_steps (given *g, const json_t *steps)
{
    solution *s;
    esp_err err = new_solution (g, &s);
    if (err == ESP_OK)
        s->listed = true;
    for (size_t i = 0; i < json_array_size (steps) && err == ESP_OK; i++) {
        const json_t *step = json_array_get (steps, i);
        err = json_is_string (step) ? add_step (g, s, text_of (step)) : ESP_EFORMAT;
    }
    return err == ESP_OK && s->step_count == 0 ? end_step (s, 0) : err;
}

static const json_t *first_of (const json_t *row, const char *const *keys)
{
    for (; *keys; keys++) {
        const json_t *value = json_object_get (row, *keys);
        if (value && !json_is_null (value))
            return value;
    }
    return NULL;
}

static esp_err add_one (given *g, const json_t *value, int depth)
{
    const json_t *inside;
    if (json_is_string (value))
        return cut_text (g, text_of (value));
    if (json_is_array (value))
        return join_steps (g, value);
    if (json_is_null (value)) /* a sample that failed keeps its place */
        return cut_text (g, span_make ("", 0));
    if (!json_is_object (value) || depth >= OBJECTS_DEEP)
        return ESP_EFORMAT;
    if ((inside = json_object_get (value, "steps")) && json_is_array (inside))
        return join_steps (g, inside);
    if (!(inside = first_of (value, completion_text_fields)))
        inside = json_object_get (value, "text"); /* in a row itself that is the problem */
    return inside ? add_one (g, inside, depth + 1) : ESP_EFORMAT;
}

/* ---- PRM800K ---- */

/* The step that the labeler chose, else the human's, else the first one. */
static const json_t *chosen_step (const json_t *step, json_int_t *rating)
{
    const json_t *completions = json_object_get (step, "completions");
    const json_t *number = json_object_get (step, "chosen_completion");
    const json_t *human = json_object_get (step, "human_completion"), *one;
    json_int_t index = json_is_integer (number) ? json_integer_value (number) : 0;
    one = json_array_get (completions, index >= 0 ? (size_t)index : 0);
    if (!json_is_integer (number) && json_is_object (human))
        one = human;
    *rating = json_integer_value (json_object_get (one, "rating"));
    return json_object_get (one, "text");
}

static const json_t *rated_steps (const json_t *row)
{
    const json_t *steps = json_object_get (json_object_get (row, "label"), "steps");
    return json_is_array (steps) ? steps : NULL;
}

static esp_err join_rated (given *g, const json_t *steps)
{
    solution *s;
    esp_err err = new_solution (g, &s);
    if (err == ESP_OK)
        s->listed = true;
    for (size_t i = 0; i < json_array_size (steps) && err == ESP_OK; i++) {
        json_int_t rating;
        const json_t *text = chosen_step (json_array_get (steps, i), &rating);
        err = json_is_string (text) ? add_step (g, s, text_of (text)) : ESP_EFORMAT;
    }
    return err == ESP_OK && s->step_count == 0 ? end_step (s, 0) : err;
}

/* The chosen steps before step `last`, then this one. */
static esp_err join_alternative (given *g, const json_t *steps, size_t last, const json_t *text)
{
    solution *s;
    esp_err err = new_solution (g, &s);
    if (err == ESP_OK)
        s->listed = true;
    for (size_t i = 0; i < last && err == ESP_OK; i++) {
        json_int_t rating;
        const json_t *chosen = chosen_step (json_array_get (steps, i), &rating);
        err = json_is_string (chosen) ? add_step (g, s, text_of (chosen)) : ESP_EFORMAT;
    }
    return err == ESP_OK ? add_step (g, s, text_of (text)) : err;
}

/* ---- a row ---- */

static esp_err add_list (given *g, const json_t *row, const json_t *list)
{
    esp_err err = ESP_OK;
    if (!json_is_array (list))
        return add_one (g, list, 0);
    if (json_is_array (json_object_get (row, "labels"))) /* TRL stepwise */
        return join_steps (g, list);
    for (size_t i = 0; i < json_array_size (list) && err == ESP_OK; i++)
        err = add_one (g, json_array_get (list, i), 0);
    return err;
}

static esp_err add_all (given *g, const json_t *row)
{
    const json_t *value;
    if ((value = first_of (row, completion_list_fields)))
        return add_list (g, row, value);
    if ((value = json_object_get (row, "steps")) && json_is_array (value))
        return join_steps (g, value);
    if (rated_steps (row))
        return join_rated (g, rated_steps (row));
    value = json_object_get (json_object_get (row, "question"), "pre_generated_steps");
    if (json_is_array (value))
        return join_steps (g, value);
    value = first_of (row, completion_text_fields);
    return value ? add_one (g, value, 0) : ESP_ENOENT;
}

static esp_err load (span json, json_t **out)
{
    json_error_t why;
    *out = json_loadb (json.ptr ? json.ptr : "", json.len, JSON_ALLOW_NUL, &why);
    if (!*out)
        return json_error_code (&why) == json_error_out_of_memory ? ESP_ENOMEM : ESP_EFORMAT;
    return json_is_object (*out) ? ESP_OK : ESP_EFORMAT;
}

static esp_err say (esp_err err, esp_error *why)
{
    switch (err) {
    case ESP_ENOENT:
        return esp_error_set (why, err,
                              "brings no solution: no completions, samples, steps, generation, "
                              "completion, response, output or solution");
    case ESP_EFORMAT:
        return esp_error_set (
            why, err,
            "its solutions are no texts, lists of step texts, or objects with one "
            "of these");
    case ESP_ETOOBIG:
        return esp_error_set (why, err, "brings more than %d solutions", GIVEN_SOLUTIONS_MOST);
    default:
        return esp_error_set (why, err, "%s", esp_err_text (err));
    }
}

esp_err given_read (span json, const char *separator, const struct step_rule *rule, given **out,
                    esp_error *why)
{
    given *g = esp_calloc (1, sizeof (*g));
    json_t *row = NULL;
    esp_err err = ESP_ENOMEM;
    if (g)
        g->rule = rule;
    if (g && (g->separator = esp_strdup (separator)) && (err = load (json, &row)) == ESP_OK)
        err = add_all (g, row);
    json_decref (row);
    if (err != ESP_OK) {
        given_destroy (g);
        return say (err, why);
    }
    *out = g;
    return ESP_OK;
}

static esp_err add_alternatives (given *g, const json_t *steps)
{
    size_t bytes = 0;
    esp_err err = ESP_OK;
    for (size_t i = 0; i < json_array_size (steps) && err == ESP_OK; i++) {
        const json_t *step = json_array_get (steps, i);
        const json_t *completions = json_object_get (step, "completions");
        json_int_t rating;
        const json_t *chosen = chosen_step (step, &rating);
        for (size_t k = 0; k < json_array_size (completions) && err == ESP_OK; k++) {
            const json_t *text = json_object_get (json_array_get (completions, k), "text");
            if (text == chosen || !json_is_string (text))
                continue;
            err = join_alternative (g, steps, i, text);
            bytes += g->solutions[g->count - 1].text.len;
            if (err == ESP_OK && bytes > GIVEN_ALTERNATIVES_BYTES)
                err = ESP_ETOOBIG;
        }
    }
    return err;
}

esp_err given_add_alternatives (given *g, span json)
{
    json_t *row = NULL;
    size_t before = g->count;
    esp_err err = load (json, &row);
    if (err == ESP_OK && rated_steps (row))
        err = add_alternatives (g, rated_steps (row));
    json_decref (row);
    while (err != ESP_OK && g->count > before) { /* it is as if it had not been called */
        solution *last = &g->solutions[--g->count];
        esp_buf_free (&last->text);
        esp_free (last->ends);
    }
    return err;
}

size_t given_count (const given *g)
{
    return g->count;
}

span given_text (const given *g, size_t i)
{
    return esp_buf_span (&g->solutions[i].text);
}

bool given_is_list (const given *g, size_t i)
{
    return g->solutions[i].listed;
}

size_t given_steps (const given *g, size_t i)
{
    return g->solutions[i].step_count;
}

size_t given_step_end (const given *g, size_t i, size_t step)
{
    return g->solutions[i].ends[step];
}

/* ---- what the row says about it ---- */

static esp_err first_false (const json_t *labels, int64_t *out)
{
    for (size_t i = 0; i < json_array_size (labels); i++) {
        const json_t *label = json_array_get (labels, i);
        if (!json_is_boolean (label) && !json_is_integer (label))
            return ESP_EFORMAT;
        if (json_is_false (label) || (json_is_integer (label) && json_integer_value (label) <= 0)) {
            *out = (int64_t)i;
            return ESP_OK;
        }
    }
    *out = -1;
    return ESP_OK;
}

static esp_err first_bad_rating (const json_t *steps, int64_t *out)
{
    for (size_t i = 0; i < json_array_size (steps); i++) {
        json_int_t rating;
        (void)chosen_step (json_array_get (steps, i), &rating);
        if (rating < 0) {
            *out = (int64_t)i;
            return ESP_OK;
        }
    }
    *out = -1;
    return ESP_OK;
}

esp_err given_first_error (span json, int64_t *out)
{
    json_t *row = NULL;
    const json_t *label, *labels;
    esp_err err = load (json, &row);
    label = json_object_get (row, "label");
    labels = json_object_get (row, "labels");
    if (err == ESP_OK && json_is_integer (label) && json_integer_value (label) >= -1)
        *out = json_integer_value (label);
    else if (err == ESP_OK && json_is_array (labels))
        err = first_false (labels, out);
    else if (err == ESP_OK)
        err = rated_steps (row) ? first_bad_rating (rated_steps (row), out) : ESP_ENOENT;
    json_decref (row);
    return err;
}

esp_err given_correct (span json, bool *out)
{
    static const char *const keys[] = {"final_answer_correct", "is_correct", "correct", NULL};
    json_t *row = NULL;
    esp_err err = load (json, &row);
    const json_t *value = err == ESP_OK ? first_of (row, keys) : NULL;
    if (err == ESP_OK && !json_is_boolean (value))
        err = ESP_ENOENT;
    else if (err == ESP_OK)
        *out = json_is_true (value);
    json_decref (row);
    return err;
}
