/* SPDX-License-Identifier: Apache-2.0 */
/* task.c - names of the small enums, for journals, events and people */

#include "proto/model/task.h"
#include "proto/model/event.h"
#include "proto/model/input.h"
#include "proto/model/record.h"

const char *const task_kind_names[TASK_KINDS] = {"generate", "score", "verify"};
const char *const verdict_names[4] = {"none", "pass", "fail", "unknown"};
const char *const node_finish_names[4] = {"stop", "eos", "length", "error"};
const char *const input_kind_names[INPUT_KINDS] = {"open", "result", "deadline", "stop", "command"};
const char *const command_kind_names[COMMAND_KINDS] = {"prune", "boost", "add-step", "finish"};
const char *const event_kind_names[EVENT_KINDS] = {"opened",   "planned", "text",     "scored",
                                                   "verified", "mark",    "finished", "command"};
const char *const node_mark_names[NODE_MARKS] = {"open", "kept", "pruned", "answer", "failed"};
const char *const finish_reason_names[FINISH_REASONS] = {"running",   "answered", "budget",
                                                         "no_answer", "stopped",  "error"};
const char *const record_kind_names[RECORD_KINDS] = {"header", "synced", "input", "commit",
                                                     "hash",   "footer", "death"};
