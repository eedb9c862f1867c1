/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_PROMPT_LAYOUT_H
#define ESP_WORKER_PROMPT_LAYOUT_H

/* layout.h - how a problem and its steps become the input of a process reward model: pure, no I/O
 *
 * A PRM only works on the text it was trained on.  A layout is one file and one row of layout_table.c: what that text is, where
 * in it the scores stand, and what the numbers there mean.  How they are got out of a server is a serving's matter
 * (worker/engine/prm.h): it says which of the readings below it can do.
 *
 * Texts are hostile: a tag of the layout, or a control token of its chat template, that stands in a problem or a step gets a
 * blank behind its first character ("< extra_0>"), so that it is text and no mark.
 *
 * Threads: none.  Ownership: a plan borrows its options.
 */

#include <stdbool.h>
#include "proto/base/option.h"
#include "proto/base/text.h"

enum layout_reading {
    READ_ROWS = 1, /* one text, a tag behind each step: a head gives a row of numbers at each tag */
    READ_NEXT = 2, /* a text per step, which ends where the model says one of two labels next */
    READ_LAST = 4, /* the same texts: a head gives a row of numbers at the last token */
    READ_PATH = 8, /* one text, a label behind each step: the logprobs of its own tokens */
    READ_WHOLE = 16, /* one text, one number for all of it (outcome models) */
    READ_WORDS = 32, /* one text, behind which the model writes its judgement */
    READ_LIST = 64   /* one text; the server cuts it and gives a number per step */
};

enum layout_norm {
    NORM_PROBABILITY, /* a number in [0, 1], or a row of two that sum to 1 */
    NORM_SIGMOID,     /* any number v: 1 / (1 + exp (-v)) */
    NORM_SOFTMAX      /* a row of logits */
};

enum { LAYOUT_LABELS = 4, LAYOUT_MARKS = 4, LAYOUT_STEPS_MOST = 4096 };

typedef struct layout_options { /* keys of section `prm`; unset ones are the layout's */
    const char *name;           /* NULL: the serving's own */
    const char *tag;            /* text behind each step */
    const char *split;     /* text that ends a step inside a node; "step": as section `step` only */
    const char *bos;       /* first token's text, where the client has to send it */
    esp_strings good, bad; /* texts of the two labels, all spellings */
    int64_t tag_id, good_id, bad_id; /* -1: from the server's vocabulary, else the layout's */
    int64_t column;                  /* of a row: where P(good) stands; -1: the layout's */
    int norm;                        /* 0: the layout's, else 1 + enum layout_norm */
    int chat;                        /* 0: the layout's, else an index in LAYOUT_CHAT_NAMES */
    const char *system, *template;   /* judge: {problem}, {steps}, {before}, {step}, {number} */
} layout_options;

typedef struct layout_chat { /* how turns are written; names are in LAYOUT_CHAT_NAMES */
    const char *name, *bos, *system, *user, *assistant; /* opening of a turn */
    const char *system_end, *user_end, *assistant_end;
    const char *marks[LAYOUT_MARKS + 1]; /* what must not come from outside; NULL ends them */
} layout_chat;
#define LAYOUT_CHAT_NAMES                                                                          \
    "auto|raw|chatml|llama3|mistral|deepseek" /* choices of a run file's row */

typedef struct layout_path {
    span problem;
    const span *steps; /* without white space at their ends; may be empty texts */
    size_t count;      /* at least 1 */
} layout_path;

struct layout;
typedef struct layout_plan { /* a layout as a run uses it */
    const struct layout *row;
    const layout_chat *chat;
    enum layout_reading reading;
    enum layout_norm norm;
    uint32_t column;
    const char *tag, *split, *bos, *system, *template; /* never NULL but split and template */
    const char *good[LAYOUT_LABELS + 1], *bad[LAYOUT_LABELS + 1];
    int64_t tag_id, good_id, bad_id;
    bool ids_given; /* by the run file: the vocabulary is not asked */
} layout_plan;

typedef struct layout {
    const char *name, *about;
    unsigned readings; /* enum layout_reading, summed */
    const char *chat, *bos, *tag, *split, *system, *template;
    const char *good[LAYOUT_LABELS], *bad[LAYOUT_LABELS]; /* NULL ends them */
    const char
        *marks[LAYOUT_MARKS + 1];    /* control tokens of its model, where the chat names none */
    int64_t tag_id, good_id, bad_id; /* of the PRM it is named for; -1: none */
    uint32_t column;
    enum layout_norm norm;
    /* Append the text for the plan's reading of the path; READ_NEXT, READ_LAST: for the score of its last step. */
    esp_err (*write) (const layout_plan *plan, const layout_path *path, esp_buf *out);
    /* READ_PATH.  true: behind each step a good label stands in the text, followed by the token that ends the text; the label's
     * own place is read.  false: a tag stands there, and the place behind it is read. */
    bool label_is_written;
    /* READ_WORDS: what a text says of `count` steps, each 1, 0 or NaN (nothing).  *said: the word Yes or No of its decision about
     * the whole, inside text; len 0: none. */
    void (*words) (span text, double *steps, size_t count, span *said);
} layout;

/* Names of the rows in their order, for the help of an option (compared by a test). */
#define LAYOUT_NAMES                                                                               \
    "qwen-extra0, math-shepherd, rlhflow-deepseek, rlhflow-mistral, skywork, judge, thinkprm, "    \
    "outcome, generic"
/* The rows; NULL behind the last.  layout_find: NULL if there is none of this name. */
const layout *layout_at (size_t index);
const layout *layout_find (const char *name);

/* The first of `readings` (0 ends them) that the layout has.  serving: name, for the sentence; fallback: layout if the run
 * file names none.  Errors, with a sentence: ESP_EUNKNOWN, ESP_EUNSUPPORTED (lists what fits), ESP_EINVAL. */
ESP_MUST_CHECK esp_err layout_open (const layout_options *o, const char *serving,
                                    const char *fallback, const unsigned *readings,
                                    layout_plan *out, esp_error *why);

/* ---- for the rows ---- */

/* Append a text from outside, with the plan's marks made harmless, trimmed if `trim`. */
ESP_MUST_CHECK esp_err layout_put (const layout_plan *plan, span text, esp_buf *out);
/* A turn of the chat; role 's', 'u' or 'a'.  layout_open_turn: up to where its text begins. */
ESP_MUST_CHECK esp_err layout_turn_open (const layout_plan *plan, char role, esp_buf *out);
ESP_MUST_CHECK esp_err layout_turn_end (const layout_plan *plan, char role, esp_buf *out);

/* Take the next step off *rest at `split` (NULL: all of it); what is only white space is no step. */
bool layout_next_step (const char *split, span *rest, span *step);

#endif
