/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_PROMPT_STEP_INNER_H
#define ESP_WORKER_PROMPT_STEP_INNER_H

/* step_inner.h - a compiled rule, for step_rule.c (from options; plans) and step_cut.c (on texts) only */

#include "worker/prompt/step_regex.h"
#include "worker/prompt/step_rule.h"

enum { STOP_BYTES_MOST = 64 }; /* of a separator or tag: what looking for one costs at each byte */

typedef struct step_phase { /* the answer, or the thinking */
    const char *stops[STEP_STOPS_MOST];
    size_t stop_count, separator_count; /* a tag stands behind the separators */
    step_regex *regex;                  /* owned; NULL = none */
    uint64_t every, tokens, least; /* least: characters of content, >= 1; tokens 0 = no chunks */
} step_phase;

struct step_rule {
    step_phase phase[2]; /* [true] = the thinking */
    char *texts;         /* owned; all stop texts and `force`, 0-terminated */
    const char *tag[2];  /* [thinking] = the tag that leaves it: open, close; NULL = no phases */
    const char *force;
    uint64_t think_most; /* tokens; 0 = no limit */
    bool opened;         /* by the server's template */
};

#endif
