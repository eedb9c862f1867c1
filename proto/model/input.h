/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_MODEL_INPUT_H
#define ESP_PROTO_MODEL_INPUT_H

/* input.h - everything that can change a search: exactly what the journal records (D3)
 *
 * The journal is the list of inputs; replaying them rebuilds every search.
 */

#include "proto/model/task.h"

enum input_kind {
    INPUT_OPEN,     /* admitted: the strategy plans its first joins */
    INPUT_RESULT,   /* one task came back */
    INPUT_DEADLINE, /* budget.seconds of this problem are over (D13) */
    INPUT_STOP,     /* run.limits reached: end this problem with what it has */
    INPUT_COMMAND,  /* an observer steers */
    INPUT_KINDS
};
extern const char *const input_kind_names[INPUT_KINDS];

enum command_kind {
    COMMAND_PRUNE,    /* node and all below: no further work */
    COMMAND_BOOST,    /* node: add `value` to the priority of everything below it (order only) */
    COMMAND_ADD_STEP, /* node: a human step (text) becomes its child */
    COMMAND_FINISH,   /* end the problem now */
    COMMAND_KINDS
};
extern const char *const command_kind_names[COMMAND_KINDS];

typedef struct command {
    uint8_t kind;  /* enum command_kind */
    node_ref node; /* NODE_NONE for the whole problem */
    double value;
    span text; /* borrowed */
} command;

typedef struct input {
    uint8_t kind; /* enum input_kind */
    problem_key problem;
    union {
        result result;
        command command;
    } u;
} input;

#endif
