/* SPDX-License-Identifier: Apache-2.0 */
/* layout_thinkprm.c - ThinkPRM: the model writes a critique of each step, then whether all is correct
 *
 * Khalifa et al., "Process Reward Models That Think", arXiv 2504.16828: \boxed{correct} or \boxed{incorrect} (also with
 * \text inside) for each step in their order, then "Is the solution correct? Yes" or No.  A critique may stop at the first
 * step that is wrong: what follows it is wrong too.
 */

#include <math.h>
#include <string.h>
#include <strings.h>
#include "worker/prompt/layout_inner.h"

static const char ask_for[] = "You are given a math problem and a proposed step-by-step solution:\n"
                              "\n[Math Problem]\n\n";
static const char and_then[] =
    "\n\nReview and critique each step in the proposed solution to determine whether each step is "
    "correct. "
    "If the solution is incomplete, only verify the provided steps\n";

static esp_err thinkprm_write (const layout_plan *plan, const layout_path *path, esp_buf *out)
{
    esp_err err = layout_system_turn (plan, out);
    if (err == ESP_OK)
        err = layout_turn_open (plan, 'u', out);
    if (err == ESP_OK)
        err = esp_buf_puts (out, ask_for);
    if (err == ESP_OK)
        err = layout_put (plan, path->problem, out);
    if (err == ESP_OK)
        err = esp_buf_puts (out, "\n\n[Solution]\n\n");
    if (err == ESP_OK)
        err = layout_numbered (plan, path, "", out);
    if (err == ESP_OK)
        err = esp_buf_puts (out, and_then);
    if (err == ESP_OK)
        err = layout_turn_end (plan, 'u', out);
    if (err == ESP_OK)
        err = layout_turn_open (plan, 'a', out);
    return err == ESP_OK ? esp_buf_puts (out, "\nLet's verify step by step:") : err;
}

static bool begins (span text, const char *word)
{
    return text.len >= strlen (word) && strncasecmp (text.ptr, word, strlen (word)) == 0;
}

static span behind (span text, size_t bytes)
{
    return span_make (text.ptr + bytes, text.len - bytes);
}

/* What the box that begins here says: 1, 0 or NaN. */
static double box (span content)
{
    if (begins (content, "\\text{"))
        content = behind (content, 6);
    content = span_trim (content);
    return begins (content, "correct") ? 1 : begins (content, "incorrect") ? 0 : NAN;
}

static void find_decision (span text, span *said)
{
    static const char question[] = "Is the solution correct?";
    size_t at = span_find_last (text, span_of (question));
    *said = span_make (text.ptr, 0);
    if (at >= text.len)
        return;
    text = behind (text, at + strlen (question));
    while (text.len > 0 && strchr (" \n\t*:", text.ptr[0]))
        text = behind (text, 1);
    if (begins (text, "yes"))
        *said = span_make (text.ptr, 3);
    else if (begins (text, "no"))
        *said = span_make (text.ptr, 2);
}

static void thinkprm_words (span text, double *steps, size_t count, span *said)
{
    static const char opening[] = "\\boxed{";
    bool wrong = false;
    span rest = text;
    size_t n = 0, at;
    while (n < count && (at = span_find (rest, span_of (opening))) < rest.len) {
        rest = behind (rest, at + strlen (opening));
        steps[n] = box (rest);
        wrong = wrong || steps[n] == 0;
        n += isnan (steps[n]) ? 0u : 1u;
    }
    for (; n < count; n++)
        steps[n] = wrong ? 0 : NAN;
    find_decision (text, said);
}

const layout layout_thinkprm = {.name = "thinkprm",
                                .about = "ThinkPRM: a written critique, Yes or No at its end",
                                .readings = READ_WORDS,
                                .chat = "deepseek",
                                .split = "\n\n",
                                .good = {"Yes", " Yes"},
                                .bad = {"No", " No"},
                                .tag_id = -1,
                                .good_id = -1,
                                .bad_id = -1,
                                .column = 0,
                                .norm = NORM_PROBABILITY,
                                .write = thinkprm_write,
                                .words = thinkprm_words};
