/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_CODE_DESK_H
#define ESP_WORKER_VERIFIER_CODE_DESK_H

/* code_desk.h - the inside of code_pool, shared by code_pool.c (jobs, clock, life) and code_desk.c (one desk's processes and words) */

#include "worker/verifier/code_pool.h"
#include "worker/verifier/process_watch.h"

enum {
    CODE_START_MS = 60 * 1000, /* from start to ready; cold disks take several seconds */
    CODE_MS = 1000000          /* ns */
};

enum judge_state { JUDGE_OFF, JUDGE_STARTING, JUDGE_IDLE, JUDGE_BUSY, JUDGE_DYING };

typedef struct code_desk {
    enum judge_state state;
    line_process *judge;     /* owned; NULL when OFF */
    line_process *candidate; /* owned; NULL: none yet */
    line_process *last;      /* owned: the one before, killed, not reaped yet; NULL: none */
    const job *job;          /* BUSY; NULL: cancelled, its reply is dropped */
    bool up;                 /* the candidate's process said that it is there */
    bool asked;              /* the judge waits for the candidate */
    bool ended;              /* the candidate is at its end: how is told when it is reaped */
    uint64_t deadline_ns;    /* of the judge: STARTING, BUSY */
    uint64_t up_by_ns;       /* of the candidate, until it is up */
    bool judge_full, candidate_full; /* epoll looks for room to write */
    bool listening;                  /* epoll looks at the candidate */
} code_desk;

struct code_pool {
    code_pool_setup setup;
    code_desk desks[CODE_MOST];
    process_watch watch;
    int runner;   /* code_runner.py as this Python compiles it; -1: it is compiled each time */
    esp_buf line; /* scratch */
};

static inline uint64_t code_now (const code_pool *c)
{
    return esp_clock_ns (c->setup.clock);
}

/* Start what is missing at a desk. */
void code_desk_bring_back (code_pool *c, code_desk *d);
/* First start of a judge, waited for by the caller.  Errors as sandbox_start's. */
ESP_MUST_CHECK esp_err code_desk_start_judge (code_pool *c, code_desk *d, esp_error *error);
/* The judge is no use any more: its job is unknown, both processes end. */
void code_desk_judge_failed (code_pool *c, code_desk *d, const char *what);
/* Listen, pass on, keep the deadlines. */
void code_desk_look_after (code_pool *c, code_desk *d);
/* After something was said to the judge. */
void code_desk_watch_writing (code_pool *c, code_desk *d);

#endif
