/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_LOOP_PRIVATE_H
#define ESP_COORDINATOR_LOOP_PRIVATE_H

/* loop_private.h - the parts the loop holds; shared by loop*.c */

#include "coordinator/frontier/frontier.h"
#include "coordinator/loop.h"

typedef struct open_problem {
    problem_key key;
    search *search; /* owned */
    esp_buf memory; /* while it is being read */
    double priority;
    uint64_t first_sent_ns; /* 0 = nothing sent yet */
    uint64_t finished_by;   /* resume: the input that ended it; 0 = open */
    bool expired;           /* its deadline was applied */
} open_problem;

struct coordinator {
    coordinator_setup setup;
    frontier *frontier; /* owned */
    dispatch *dispatch; /* owned */
    journal *journal;   /* borrowed */
    effects effects;    /* of the last apply */
    esp_buf *rows;      /* owned; row_files of them: rows.h, then one per item of samples */
    span *row_spans;    /* owned */
    size_t row_files;
    struct open_slot { /* the key stands here, and the search: most looks need no more */
        problem_key key;
        search *search;  /* p's */
        open_problem *p; /* owned; NULL = free */
    } * open;            /* owned; hash table by key */
    size_t open_cap, open_count;
    open_problem **
        late_rows; /* owned list, resume only: finished, rows not committed, in the order they ended */
    size_t late_count, late_cap;
    key_range *admitted; /* owned; sorted: problems that earlier starts admitted */
    size_t admitted_count;
    problem_key
        *passed_over; /* owned; resume only: opened under a run file that does not fit any more */
    size_t passed_count, passed_cap;
    struct death { /* of a worker in an earlier start, with this task */
        task_id id;
        bool alone;
    } * deaths; /* owned; resume only */
    size_t death_count, death_cap;
    bool passing_over; /* the segment that is being read was written under such a run file */
    uint32_t next_repeat, next_number; /* first problem that was not looked at yet */
    bool all_admitted, stopping;
    bool unstarted; /* stopped because no worker could open its engines */
    uint64_t stop_ns, started_ns, next_check_ns;
    const char *why;
    enum coordinator_state state;
    esp_err pass_error;
    esp_error error;
    uint64_t inputs, results, total;
    uint64_t done, solved, graded, failed, done_before; /* done_before: by earlier starts */
    budget finished_used;
    uint64_t finished_scored_steps;
    uint64_t generations;      /* samples that came in this start */
    struct limits {            /* of the whole run (run.limits), all starts together */
        uint64_t asked;        /* generations: finished, or out */
        uint64_t tokens;       /* generated, or reserved for what is out */
        const char *held_back; /* the last pass could not send a generation; NULL = it could */
    } limits;
};

/* loop_open.c */
struct open_slot *find_slot_of (const coordinator *c, problem_key key); /* NULL: not open */
open_problem *find_open (const coordinator *c, problem_key key);
void place_open (struct open_slot *table, size_t cap, open_problem *p);
/* Read a problem and make its search; nothing is journaled yet. */
ESP_MUST_CHECK esp_err open_search (coordinator *c, problem_key key, open_problem **out);
void close_search (coordinator *c, open_problem *p); /* frees p; the table may move */
void close_searches (coordinator *c);                /* all, and the table: the end */

/* loop.c */
esp_err fail_loop (coordinator *c, esp_err err); /* returns err, with a sentence if there is none */
ESP_MUST_CHECK esp_err queue_tasks (coordinator *c, const open_problem *p, effects *e);
ESP_MUST_CHECK esp_err finish_problem (coordinator *c, open_problem *p, uint64_t number);
ESP_MUST_CHECK esp_err apply_input (coordinator *c, open_problem *p, const input *in);
void count_finished (coordinator *c, const row_totals *t);

/* ---- loop_limits.c ---- */

/* After resume brought back what was asked; waiting: generations among it that will be sent again. */
void limits_begin (coordinator *c, uint64_t waiting);
bool limits_take (coordinator *c, const task *t); /* may it go out?  Then it is charged. */
/* What was out came with so many tokens.  NULL = nobody waits for it: it stays charged in full. */
void limits_settle (coordinator *c, const task *t, uint64_t tokens);
void limits_check (coordinator *c, uint64_t now); /* stop the run when one is reached */
ESP_MUST_CHECK esp_err limits_deadlines (coordinator *c, uint64_t now); /* search.budget.seconds */

#endif
