/* SPDX-License-Identifier: Apache-2.0 */
/* label_human.c - see label_human.h */

#include "coordinator/sink/label_human.h"

static span text_of (const json_t *completion)
{
    const json_t *text = json_object_get (completion, "text");
    return json_is_string (text) ? span_make (json_string_value (text), json_string_length (text))
                                 : span_make ("", 0);
}

/* What the labeler went on from; NULL = nothing. */
static const json_t *chosen_of (const json_t *step)
{
    const json_t *number = json_object_get (step, "chosen_completion");
    const json_t *human = json_object_get (step, "human_completion");
    json_int_t index = json_is_integer (number) ? json_integer_value (number) : 0;
    if (!json_is_integer (number) && json_is_object (human))
        return human;
    return json_array_get (json_object_get (step, "completions"), index >= 0 ? (size_t)index : 0);
}

enum found { FOUND_NOTHING, FOUND_BEGINNING, FOUND_STEP };

/* Is the text one of the step's completions, or the beginning of one?  The chosen one is looked at first: texts may be equal. */
static enum found look_at (const json_t *completion, span text, const json_t **match)
{
    span whole = span_trim (text_of (completion));
    if (whole.len == 0 || whole.len < text.len ||
        !span_equal (span_make (whole.ptr, text.len), text))
        return FOUND_NOTHING;
    if (whole.len > text.len)
        return FOUND_BEGINNING;
    *match = completion;
    return FOUND_STEP;
}

static enum found find (const json_t *step, span text, const json_t **match)
{
    const json_t *completions = json_object_get (step, "completions");
    enum found best = look_at (chosen_of (step), text, match), one;
    for (size_t i = 0; i <= json_array_size (completions) && best != FOUND_STEP; i++) {
        const json_t *other = i < json_array_size (completions)
                                  ? json_array_get (completions, i)
                                  : json_object_get (step, "human_completion");
        if ((one = look_at (other, text, match)) > best)
            best = one;
    }
    return best;
}

static enum label_hard label_of (const json_t *completion)
{
    const json_t *rating = json_object_get (completion, "rating");
    if (!json_is_integer (rating))
        return LABEL_UNDECIDED;
    return json_integer_value (rating) < 0 ? LABEL_BAD : LABEL_GOOD;
}

esp_err labels_add_human (const json_t *row, label_step *steps, size_t count)
{
    const json_t *rated = json_object_get (json_object_get (row, "label"), "steps"), *match = NULL;
    size_t at = 0, begin = 0; /* step of the row; first step of the branch that belongs to it */
    esp_buf text = {0};
    esp_err err = ESP_OK;
    for (size_t i = 0; i < count && at < json_array_size (rated) && err == ESP_OK; i++) {
        const json_t *step = json_array_get (rated, at);
        enum found found;
        if ((err = esp_buf_add (&text, steps[i].text)) != ESP_OK ||
            (found = find (step, span_trim (esp_buf_span (&text)), &match)) == FOUND_NOTHING)
            break;
        if (found == FOUND_BEGINNING)
            continue;
        steps[i].human = label_of (match);
        for (size_t k = begin; k < i && steps[i].human == LABEL_GOOD; k++)
            steps[k].human = LABEL_GOOD;
        if (match != chosen_of (step))
            break;
        esp_buf_clear (&text);
        begin = i + 1;
        at++;
    }
    esp_buf_free (&text);
    return err;
}
