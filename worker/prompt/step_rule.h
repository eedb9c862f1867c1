/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_PROMPT_STEP_RULE_H
#define ESP_WORKER_PROMPT_STEP_RULE_H

/* step_rule.h - where a step ends (section `step` of the run file): pure
 *
 *     step: {separator: "\n\n"}                 the default; a list of texts is allowed
 *     step: {separator: "\n", every: 3}         three separators make a step
 *     step: {regex: "\n(?=Step \\d+:)"}         a step ends where the pattern matched (PCRE2, with limits)
 *     step: {tokens: 512}                       fixed chunks
 *     step: {whole: true}                       all in one step
 *     step: {min_chars: 20}                     a shorter step is joined with what follows
 *     step: {think: {open: "<think>", close: "</think>", max_tokens: 4096, tokens: 512}}
 *
 * Inside the thinking other rules and another budget hold than behind it; a path is inside when its last `open` (in the
 * prompt or in the steps) has no `close` behind it.  At think.max_tokens the closing tag is forced (budget forcing).
 *
 * Threads: none.  Input is hostile: any bytes.
 */

#include <stdbool.h>
#include "proto/base/option.h"
#include "proto/base/text.h"

enum { STEP_STOPS_MOST = 4 }; /* vLLM takes no more stop texts */

typedef struct step_cut { /* one rule: outside the thinking, or inside it */
    esp_strings separator;
    const char *regex;
    int64_t every, tokens, min_chars;
    bool whole;
} step_cut;

typedef struct step_options {
    step_cut answer, think;
    const char *think_open, *think_close, *think_force; /* forced text: default "\n" close "\n\n" */
    int64_t think_max_tokens;                           /* 0 = no limit */
    int think_view;                                     /* what a PRM sees: enum step_view */
} step_options;
enum step_view { VIEW_BOTH, VIEW_ANSWER, VIEW_THINKING };
extern const esp_option step_option_rows[]; /* section `step` */

typedef struct step_rule step_rule; /* compiled */
/* Errors: ESP_EINVAL with a sentence "step.regex: ..." (a bad pattern, too many separators, rules that exclude each other), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err step_rule_create (const step_options *o, step_rule **out, esp_error *error);
void step_rule_destroy (step_rule *r); /* accepts NULL */

/* What the next piece of a path may be.  root: the rendered prompt (it may open the thinking); steps: the texts so far;
 * think_tokens: generated inside the thinking so far. */
typedef struct step_plan {
    bool thinking;           /* the piece begins inside the thinking */
    const char *const *stop; /* stop texts to send; borrowed from the rule */
    size_t stop_count;
    uint32_t
        most_tokens; /* the rule's own length; UINT32_MAX = none.  Reaching it is a step's end, not a cut */
    uint32_t
        think_left; /* tokens until the thinking is closed by force; UINT32_MAX = no limit, or not thinking */
    bool
        force_close; /* thinking tokens are used up: append step_rule_force() and go on behind it */
} step_plan;
void step_rule_plan (const step_rule *r, bool thinking, uint32_t think_tokens, span so_far,
                     step_plan *out);
bool step_rule_thinks (const step_rule *r, bool before,
                       span text); /* inside the thinking behind this text? */
span step_rule_force (const step_rule *r);

/* A piece was generated, `so_far` is all of the step's text: is the step complete?  ended_by_stop: its last bytes are a stop text
 * of the plan; at_length: the plan's most_tokens were reached.  *cut (regex only): bytes of so_far that belong to the step. */
bool step_rule_complete (const step_rule *r, bool thinking, span so_far, bool ended_by_stop,
                         bool at_length, size_t *cut);

/* Take the next step of a text of several (a rollout) off *rest; steps together are the text; nothing but white space is no step.
 * *thinking is carried along: set it to false, or to what the text before says. */
bool step_rule_next (const step_rule *r, bool *thinking, span *rest, span *step);
uint32_t step_rule_count (const step_rule *r, bool thinking, span text);

#endif
