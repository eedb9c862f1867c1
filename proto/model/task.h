/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_MODEL_TASK_H
#define ESP_PROTO_MODEL_TASK_H

/* task.h - one sample, one score or one verdict, as it travels (design.md, D14)
 *
 * Identity is given when the search plans the task, so the same task has the same seed on
 * 1 or 1,000 workers (D4).  A task names nodes, not text; the prefix travels as node ids.
 */

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/err.h"
#include "proto/base/text.h"
#include "proto/model/problem.h"

typedef uint32_t
    node_ref; /* index in the problem's tree; 0 = the root (the problem itself, empty text) */
enum { NODE_ROOT = 0 };
#define NODE_NONE UINT32_MAX

enum task_kind { TASK_GENERATE, TASK_SCORE, TASK_VERIFY, TASK_KINDS };
extern const char *const task_kind_names[TASK_KINDS]; /* "generate", "score", "verify" */

/* One step up to the step boundary, to the end of the sequence, or a draft: a whole text that replaces what stands above it. */
enum task_mode { TASK_STEP, TASK_TO_END, TASK_DRAFT };

enum node_source { SOURCE_MODEL, SOURCE_GIVEN, SOURCE_ENVIRONMENT, SOURCE_HUMAN };
enum node_finish {
    FINISH_STOP,   /* the step boundary was reached; the branch can go on */
    FINISH_EOS,    /* the model ended the sequence: an answer */
    FINISH_LENGTH, /* max_tokens or max_steps: truncated, not an answer */
    FINISH_ERROR   /* no text: the task failed */
};
enum verdict { VERDICT_NONE, VERDICT_PASS, VERDICT_FAIL, VERDICT_UNKNOWN };
/* TASK_VERIFY, task.reading.  A verifier that knows hidden tests lets a strategy see others than those the grade is made of. */
enum verify_reading { VERIFY_ALL, VERIFY_VISIBLE };
extern const char *const verdict_names[4]; /* "none", "pass", "fail", "unknown" */
extern const char *const node_finish_names[4];

/* How to sample.  Zero-initialised fields with `set` bits clear mean: as the run file says. */
typedef struct sampling {
    double temperature; /* >= 0; 0 = greedy */
    double top_p;       /* (0, 1] */
    int64_t top_k;      /* 0 = off */
    uint32_t max_step_tokens;
} sampling;

/* K_GREEDY in task.k: a temperature-0 request, which does not count (golden README 1.2, "g"). */
#define TASK_K_GREEDY UINT32_MAX

typedef struct task_id {
    problem_key problem;
    uint32_t number; /* in the order planned, never reused */
} task_id;

typedef struct task {
    task_id id;
    uint8_t kind;    /* enum task_kind */
    uint8_t mode;    /* enum task_mode; TASK_GENERATE only */
    uint16_t engine; /* index in the run file's list of generators, prms or verifiers */
    uint16_t action; /* prompt or model variant of the strategy; 0 = plain */
    uint16_t
        reading; /* SCORE: which of several readings of one text (ToT), from 0; VERIFY: enum verify_reading */
    node_ref
        node; /* GENERATE: its path is the prompt; SCORE, VERIFY: the path up to and with this node is judged */
    node_ref child; /* GENERATE: the node that will hold the text; NODE_NONE for a lookahead step */
    uint32_t ordinal; /* GENERATE: ordinal of the child under its parent */
    uint32_t seed;    /* 31 bits: base of (run seed, problem id, path, stage) + ordinal */
    uint32_t
        k; /* how often this prompt was planned before in this problem, or TASK_K_GREEDY: fake engine only */
    uint32_t max_tokens; /* hard, for this sample */
    uint32_t max_steps;  /* TASK_TO_END: hard; 1 for a step */
    sampling how;
    /* Lookahead text that follows the node's own text (dropped later).  TASK_DRAFT: what the verifier said of the node (its
     * observation), for the prompt.  Borrowed from the search. */
    span extra;
    double priority; /* larger leaves sooner; order only */
    uint32_t chain;  /* longest expected chain of tasks behind this one; order only */
} task;

/* What came back.  Spans are borrowed: from the wire message on arrival, from the journal on replay. */
typedef struct result {
    task_id id;
    esp_err
        error; /* ESP_OK, or a permanent failure of this task (retryable ones never reach the search) */
    /* generate */
    span text;
    uint32_t tokens;     /* generated, counted by the serving model */
    uint32_t steps;      /* step boundaries met, the last piece counts too: 1 for a step */
    uint8_t finish;      /* enum node_finish */
    double logprob;      /* sum over tokens, natural log; NaN = not given */
    double mean_logprob; /* logprob / tokens as the engine computes it; NaN = not given */
    uint32_t
        prompt_tokens; /* read by the server for this sample; siblings: counted with the first (costs only) */
    uint32_t cached_tokens; /* of them found in its prefix cache (costs only) */
    span server;     /* URL of who did the work; empty = not said.  For the costs; not journaled */
    span token_data; /* ids and logprobs of its tokens (model/token_data.h); empty = not asked */
    /* score: one per step of the judged node's own text, then one per step of task.extra */
    const double *scores;
    uint32_t score_count;
    uint32_t score_own;     /* how many of them belong to the node's own text */
    uint32_t scored_tokens; /* really read by the server (summary only) */
    /* verify */
    uint8_t verdict;  /* enum verdict */
    double share;     /* part of the tests passed, in [0, 1]; NaN = not given */
    span answer;      /* canonical answer of the branch, empty = none found */
    span observation; /* test or prover output, for the children's prompt */
    span
        reason; /* stable reason code, such as "wrong-answer"; generate: how the text came about, such as "off-by-one", or why there is none */
} result;

#endif
