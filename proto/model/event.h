/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_MODEL_EVENT_H
#define ESP_PROTO_MODEL_EVENT_H

/* event.h - what observers, `show` and replay see of a search (D10)
 *
 * number = journal number of the input that caused it, index = position among the events of that
 * input: a live view and a replay agree.
 */

#include "proto/model/task.h"

enum event_kind {
    EVENT_OPENED,   /* problem admitted */
    EVENT_PLANNED,  /* node: planned under its parent (ordinal) */
    EVENT_TEXT,     /* node got its text (tokens, finish) */
    EVENT_SCORED,   /* node got its score (value = aggregate of its path) */
    EVENT_VERIFIED, /* node got a verdict */
    EVENT_MARK,     /* node was kept, pruned, ... (mark, text = why) */
    EVENT_FINISHED, /* problem ended (mark = finish reason) */
    EVENT_COMMAND,  /* a command was applied */
    EVENT_KINDS
};
extern const char *const event_kind_names[EVENT_KINDS];

enum node_mark { MARK_OPEN, MARK_KEPT, MARK_PRUNED, MARK_ANSWER, MARK_FAILED, NODE_MARKS };
extern const char *const node_mark_names[NODE_MARKS];

enum finish_reason {
    REASON_RUNNING,
    REASON_ANSWERED,  /* the strategy ended and there is a candidate */
    REASON_BUDGET,    /* an account was empty; candidates may exist */
    REASON_NO_ANSWER, /* the strategy ended without a candidate */
    REASON_STOPPED,   /* wall time, run limit or a command */
    REASON_ERROR,     /* permanent failure; see the error code */
    FINISH_REASONS
};
extern const char *const finish_reason_names[FINISH_REASONS];

typedef struct event {
    uint64_t number; /* set by the loop */
    uint32_t index;
    uint8_t kind; /* enum event_kind */
    uint8_t mark; /* enum node_mark, enum verdict or enum finish_reason, by kind */
    problem_key problem;
    node_ref node, parent;
    uint32_t ordinal;
    uint32_t tokens;
    double value;
    span text; /* borrowed until the next search_apply of this problem */
} event;

#endif
