/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_PROMPT_STEP_RULE_H
#define ESP_WORKER_PROMPT_STEP_RULE_H

/* step_rule.h - where a step ends (section `step` of the run file): pure; docs/prompts.md explains it to users
 *
 *     step: {separator: "\n\n"}                 the default; up to four texts, none inside another
 *     step: {separator: "\n", every: 3}         three separators make a step
 *     step: {regex: "\n(?=Step \\d+:)"}         a step ends where a match ends (PCRE2, with limits)
 *     step: {tokens: 512}                       fixed chunks; with separator: whichever comes first
 *     step: {whole: true}                       all in one step
 *     step: {min_chars: 20}                     a shorter step is joined with what follows
 *     step: {think: {max_tokens: 4096, tokens: 512}}
 *
 * Thinking is a phase with own rule and budget: it begins behind `open`, ends behind `close`, and a step never
 * crosses that border.  At think.max_tokens a text that closes it is forced (budget forcing).
 *
 * Content is what is no white space, separator or tag.  A piece without content is no step of its own: it belongs to
 * the next one, at the end of a text to the last one.  So steps together are the text, byte for byte.
 *
 * Threads: one (a rule holds scratch memory).  Input is hostile: any bytes; time is linear in the text.
 */

#include <stdbool.h>
#include "proto/base/option.h"
#include "proto/base/text.h"

enum {
    STEP_STOPS_MOST = 4
}; /* vLLM takes no more stop texts; with thinking one of them is a tag */
enum { STEP_TOKEN_BYTES = 4 }; /* a token, where a text is cut of which only the bytes are known */

typedef struct step_cut { /* one rule: outside the thinking, or inside it */
    esp_strings separator;
    const char *regex;
    int64_t every, tokens, min_chars;
    bool whole;
} step_cut;

typedef struct step_options {
    step_cut answer, think; /* nothing set in think: as in the answer */
    /* NULL: "<think>", "</think>", "\n" + close + "\n\n".  There are phases if any key of think is set. */
    const char *think_open, *think_close, *think_force;
    bool think_opened;        /* the server's chat template ends with think_open */
    int64_t think_max_tokens; /* 0 = no limit */
} step_options;
extern const esp_option step_option_rows[]; /* section `step` */

enum step_view { VIEW_BOTH, VIEW_ANSWER, VIEW_THINKING }; /* what a PRM sees: prm.view */
#define STEP_VIEW_CHOICES "both|answer|thinking"

typedef struct step_rule step_rule; /* compiled; owns copies of what it needs */
/* Errors: ESP_EINVAL with a sentence "step.regex: ..." (a bad pattern, too many separators, rules that exclude each
 * other), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err step_rule_create (const step_options *o, step_rule **out, esp_error *error);
void step_rule_destroy (step_rule *r); /* accepts NULL */

bool step_rule_has_phases (const step_rule *r); /* is there thinking beside the answer? */
bool step_rule_opened (const step_rule *r);     /* step.think.opened */

/* ---- where a path stands (without phases: never inside the thinking) ---- */

/* Does an answer begin inside the thinking?  Only if the rendered prompt ends with the opening tag (where only the server
 * has it, prompt is empty: step.think.opened), or the prefill has one: a tag that a problem quotes opens nothing. */
bool step_rule_begins (const step_rule *r, span prompt, span prefill);
/* The same of a path of which only the text is known: its first tag tells; without one step.think.opened. */
bool step_rule_began (const step_rule *r, span path);
/* Walk over a text (the steps so far, whole: a tag may lie across two): *thinking is carried along.  Returns how many of its bytes
 * stand inside the thinking, tags excluded (STEP_TOKEN_BYTES make a token where nobody counted). */
size_t step_rule_walk (const step_rule *r, bool *thinking, span text);
/* The same, asking only where it ends. */
bool step_rule_thinks (const step_rule *r, bool before, span text);

/* ---- to generate ---- */

typedef struct step_place {
    bool thinking;         /* the next piece begins inside the thinking */
    bool to_end;           /* a rollout: only the thinking's budget stops it */
    uint32_t step_tokens;  /* generated for the step that is not complete yet */
    uint32_t think_tokens; /* generated inside the thinking, on the whole path */
} step_place;

typedef struct step_plan {
    const char *const *stop; /* stop texts to send, to be kept at the end; borrowed from the rule */
    size_t stop_count;       /* at most STEP_STOPS_MOST; 0: none */
    uint32_t most_tokens;    /* of the next piece; UINT32_MAX = no limit of the rule's */
    /* Reaching most_tokens is a step's end (PIECE_AT_MOST); else thinking tokens are used up then: plan again. */
    bool length_ends;
    /* They are used up: append step_rule_force() to the step, which may be complete then (PIECE_FORCED); go on behind the thinking. */
    bool force_close;
} step_plan;
void step_rule_plan (const step_rule *r, const step_place *at, step_plan *out);
span step_rule_force (const step_rule *r); /* holds the closing tag once */

enum piece_end {
    PIECE_STOPPED, /* at a stop text, or it still runs */
    PIECE_AT_MOST, /* at the plan's most_tokens, and length_ends */
    PIECE_FORCED,  /* step_rule_force() was appended: all of it belongs to the step */
    PIECE_ENDED    /* the sequence is over: the step is complete whatever it is */
};

/* so_far is all of the step's text, `thinking` where that begins.  True: the step is complete, *cut bytes of so_far belong
 * to it (a server that knows no stop texts, and regexes, which none knows, leave something behind it).  False: go on with
 * a new plan.  A text that only grows gives the same step at each length. */
bool step_rule_complete (const step_rule *r, bool thinking, span so_far, enum piece_end how,
                         size_t *cut);

/* What a step of the answer ends with for certain: the only separator; else "". */
const char *step_rule_end (const step_rule *r);

/* ---- to read ---- */

/* Take the next step of a text of several (a rollout) off *rest; false: no content is left, nothing changed.
 * *thinking is carried along: set it to where the text begins.  Chunks are cut by bytes here. */
bool step_rule_next (const step_rule *r, bool *thinking, span *rest, span *step);
uint32_t step_rule_count (const step_rule *r, bool thinking, span text);

/* Append what is to be seen of a step: all of it, or the bytes of one phase without the tags - perhaps none.  *thinking is
 * carried along.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err step_rule_show (const step_rule *r, enum step_view view, bool *thinking,
                                       span step, esp_buf *out);

#endif
