/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_SEARCH_PRIVATE_H
#define ESP_COORDINATOR_SEARCH_SEARCH_PRIVATE_H

/* search_private.h - the inside of a search, shared by search*.c only
 *
 *   search.c         life, inputs, the end of a problem
 *   search_join.c    joins: reserve, complete, deliver in order
 *   search_early.c   what certainly follows from a join that is not complete
 *   search_plan.c    asks -> tasks
 *   search_take.c    what a result or a cancellation does to its ask
 *   search_look.c    what strategies and others may ask about
 */

#include "coordinator/search/search.h"

/* Where an ask stands.  Scores and a verdict may be out at the same time. */
enum ask_stage { STAGE_GENERATE, STAGE_LOOKAHEAD, STAGE_JUDGE, STAGE_DONE };

typedef struct ask_state {
    ask want;
    item got;
    uint8_t stage;          /* enum ask_stage */
    uint16_t looked;        /* lookahead steps that came */
    uint16_t readings_left; /* scores that are out */
    bool verdict_out;
    uint32_t max_tokens;             /* per generation of this ask */
    uint32_t max_steps;              /* of a TO_END generation; UINT32_MAX = no cap */
    uint32_t first_task, task_count; /* the tasks of the present stage have consecutive numbers */
    span look;                       /* lookahead text so far, in the arena */
    double *readings; /* in the arena; more than one reading: kept to be summed in their order */
    uint32_t look_tokens;
    uint32_t read_tokens; /* scored for the first time: charged */
    budget held;          /* this ask's part of the join's hold */
} ask_state;

typedef struct join {
    join_id id;
    uint32_t lane;
    size_t count, done; /* asks; those in STAGE_DONE */
    size_t checked;     /* items that enough() has seen */
    item *heard;        /* owned: those, one behind the other */
    size_t heard_cap;
    bool dropped;
    size_t looked;      /* done when sure() was asked last */
    struct join *early; /* owned: asks that follow for certain, for the next join; a list */
    struct join *next;  /* in the lane's queue, in the order opened; in a list of early ones */
    ask_state asks[];
} join;

typedef struct lane {
    account account;
    uint64_t draws; /* used so far */
    uint64_t draw_key;
    join *first, *last; /* open joins */
    size_t open;
    bool ended;   /* search_lane_end */
    bool starved; /* a join was refused for want of budget */
} lane;

/* Which ask a task belongs to: open addressing, keyed by task number. */
typedef struct task_slot {
    uint32_t number; /* 0 = free; task numbers start at 1 */
    uint32_t index;  /* of the ask; of the candidate while grading */
    join *owner;     /* NULL while grading */
    uint32_t cell;   /* of the task in search.planned */
    node_ref node;   /* task.node, task.kind, task.reading: what its result needs to know */
    uint16_t reading;
    uint8_t kind;
} task_slot;

typedef struct prompt_count { /* golden README 1.2: the sample number k of a prompt */
    uint64_t hash;
    uint32_t count, used;
} prompt_count;

enum search_phase { PHASE_WAITING, PHASE_SEARCHING, PHASE_GRADING, PHASE_FINISHED };

struct search {       /* in the order of use: what every result touches comes first */
    task_slot *slots; /* owned; power of two */
    size_t slot_cap, slot_used;
    uint32_t next_task;
    uint32_t planned_free;
    union task_cell {
        task task;     /* as it left */
        uint32_t next; /* free cells: index + 1 of the next free one, 0 = none */
    } * planned;       /* owned */
    tree *tree;
    const search_setup *setup;
    lane *lanes; /* owned */
    uint32_t lane_count;
    join_id next_join;
    const join *handing; /* the join that joined() is running for */
    void *me;            /* strategy state, in the arena */
    uint8_t phase;       /* enum search_phase */
    uint8_t reason;      /* enum finish_reason: what the strategy or an input said */
    bool finish_asked;
    bool lanes_fixed; /* a join was opened: search_lanes may not be called any more */
    bool delivering;  /* callbacks are running */
    uint8_t why_count;
    esp_err error;    /* first permanent failure of a task */
    uint32_t grading; /* verdicts out */
    effects *out;     /* of the apply that is running */
    const input *now; /* the input that is being applied */
    uint64_t digest;
    uint64_t scored_steps;
    problem problem; /* id and json in the arena */
    size_t planned_cap, planned_used;
    prompt_count *prompts; /* owned; power of two */
    size_t prompt_cap, prompt_used;
    const char *why[32]; /* static texts of marks; 0 = none */
    span said[16];       /* reasons of verdicts, in the arena: each is kept once */
    uint8_t said_count;
    search_costs spent;
    generator_costs *spent_on; /* owned; by generator; NULL where there is one: spent.all */
};

/* search_plan.c */
ESP_MUST_CHECK esp_err plan_ask (search *s, join *j,
                                 size_t index); /* next task(s) of the ask, or STAGE_DONE */
ESP_MUST_CHECK esp_err plan_verdict (search *s, node_ref node, uint16_t verifier,
                                     enum verify_reading reading, join *owner, uint32_t index);
task_slot *find_slot (const search *s, uint32_t number);
void free_slot (search *s, task_slot *slot);
void free_slots (search *s); /* all of them, and their memory */

/* search_take.c */
ESP_MUST_CHECK esp_err take_result (search *s, const task_slot *slot, const result *r);
/* Add what the result cost; the slot is still there. */
void note_costs (search *s, const task_slot *slot, const result *r);
/* Its tasks are no longer wanted; the item is dropped.  forget: the node too is as if nothing had come, so that nothing
 * depends on when this was; false keeps what came (a stop ends the problem with what it has). */
void cancel_ask (search *s, join *j, size_t index, bool forget);
budget charge_of_ask (const search *s, const ask_state *a);
ESP_MUST_CHECK esp_err store_scores (search *s, node_ref ref, const double *scores, size_t count,
                                     size_t own);
/* The node of the ask has its scores: to the item, and to observers. */
ESP_MUST_CHECK esp_err tell_score (search *s, ask_state *a);

/* search_join.c */
ESP_MUST_CHECK esp_err deliver_joins (search *s); /* until nothing moves; then more() */
void ask_done (search *s, join *j, size_t index); /* call when the ask reached STAGE_DONE */
join *find_join (const search *s, join_id id);
void drop_rest (search *s, join *j, size_t from);
void free_joins (search *s);
void cancel_all (search *s, bool forget);
esp_err
settle_error (search *s,
              esp_err err); /* what a strategy handed back: only ESP_ENOMEM goes on upwards */

ESP_MUST_CHECK esp_err plant_child (search *s, ask_state *a);
/* Asks that belong to no join yet and hold nothing; NULL: out of memory. */
join *new_early (search *s, uint32_t lane_index, const ask *asks, size_t n);

/* search_early.c */
ESP_MUST_CHECK esp_err ask_early (search *s); /* call when nothing can be delivered */
/* Does an early ask of the join that is handed over stand for this one?  Then it is this one now. */
bool take_early (search *s, join *j, size_t index);
void drop_early (search *s, join *j, bool forget); /* what nobody took over; as cancel_ask */

/* search.c */
ESP_MUST_CHECK esp_err emit_event (search *s, event e);
void mix_digest (search *s, uint64_t a, uint64_t b);

#endif
