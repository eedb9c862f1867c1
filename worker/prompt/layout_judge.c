/* SPDX-License-Identifier: Apache-2.0 */
/* layout_judge.c - any instruct model as a judge: is this step right, Yes or No?
 *
 * The score is P(Yes) / (P(Yes) + P(No)) of the first token of the answer, over all spellings.  The template is the run file's
 * (prm.template) or the one below; in it {problem}, {steps} (all of them), {before} (those before the last), {step} (the last) and {number}
 * are filled in; other braces stay.
 */

#include <string.h>
#include "worker/prompt/layout_inner.h"

static const char judge_template[] =
    "You check one step of a solution to a problem.\n\nProblem:\n{problem}\n\n"
    "Solution so far:\n{before}\n\nStep to check (step {number}):\n{step}\n\n"
    "Is this step correct, given the problem and the solution so far? Check every calculation in "
    "it. "
    "Answer with one word: Yes or No.";

static esp_err
put_steps (const layout_plan *plan, const layout_path *path, size_t count, esp_buf *out)
{
    esp_err err = ESP_OK;
    if (count == 0)
        return esp_buf_puts (out, "(nothing yet)");
    for (size_t i = 0; err == ESP_OK && i < count; i++) {
        if (i > 0)
            err = esp_buf_puts (out, "\n\n");
        if (err == ESP_OK)
            err = layout_put (plan, path->steps[i], out);
    }
    return err;
}

/* Append what stands for the word at the beginning of rest; *used: its bytes, 0: no such word. */
static esp_err
put_word (const layout_plan *plan, const layout_path *path, span rest, size_t *used, esp_buf *out)
{
    static const char *const words[] = {"{problem}", "{steps}", "{before}", "{step}", "{number}"};
    size_t i = 0;
    while (i < 5 && !span_starts (rest, words[i]))
        i++;
    *used = i < 5 ? strlen (words[i]) : 0;
    switch (i) {
    case 0:
        return layout_put (plan, path->problem, out);
    case 1:
        return put_steps (plan, path, path->count, out);
    case 2:
        return put_steps (plan, path, path->count - 1, out);
    case 3:
        return layout_put (plan, path->steps[path->count - 1], out);
    case 4:
        return esp_buf_printf (out, "%zu", path->count);
    default:
        return ESP_OK;
    }
}

static esp_err fill (const layout_plan *plan, const layout_path *path, esp_buf *out)
{
    span rest = span_of (plan->template);
    esp_err err = ESP_OK;
    while (err == ESP_OK && rest.len > 0) {
        size_t plain = span_find (rest, span_of ("{")), used = 0;
        err = esp_buf_append (out, rest.ptr, plain);
        rest = span_make (rest.ptr + plain, rest.len - plain);
        if (err != ESP_OK || rest.len == 0)
            break;
        err = put_word (plan, path, rest, &used, out);
        if (err == ESP_OK && used == 0)
            err = esp_buf_append (out, rest.ptr, used = 1);
        rest = span_make (rest.ptr + used, rest.len - used);
    }
    return err;
}

static esp_err judge_write (const layout_plan *plan, const layout_path *path, esp_buf *out)
{
    esp_err err = layout_system_turn (plan, out);
    if (err == ESP_OK)
        err = layout_turn_open (plan, 'u', out);
    if (err == ESP_OK)
        err = fill (plan, path, out);
    if (err == ESP_OK && strcmp (plan->chat->name, "raw") == 0)
        return ESP_OK; /* the template is the whole text, to its last byte */
    if (err == ESP_OK)
        err = layout_turn_end (plan, 'u', out);
    return err == ESP_OK ? layout_turn_open (plan, 'a', out) : err;
}

const layout layout_judge = {.name = "judge",
                             .about = "any instruct model: P(Yes) that the step is correct",
                             .readings = READ_NEXT | READ_LAST,
                             .chat = "chatml",
                             .template = judge_template,
                             .good = {"Yes", " Yes", "yes"},
                             .bad = {"No", " No", "no"},
                             .tag_id = -1,
                             .good_id = -1,
                             .bad_id = -1,
                             .column = 0,
                             .norm = NORM_PROBABILITY,
                             .write = judge_write};
