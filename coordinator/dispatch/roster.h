/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_DISPATCH_ROSTER_H
#define ESP_COORDINATOR_DISPATCH_ROSTER_H

/* roster.h - the workers: what each can do, what it has in flight, what it holds (design.md, D6)
 *
 * A worker says how many tasks of each kind it wants in flight, again whenever that changes (0 while its servers are out); the roster finds the least loaded one with room, or the home of a
 * prefix, in constant time, however many workers there are.
 *
 * Threads: none.
 */

#include "proto/model/task.h"

enum worker_state {
    WORKER_ABSENT,  /* no HELLO yet */
    WORKER_OPENING, /* WELCOME sent, engines not open yet */
    WORKER_READY,
    WORKER_REFUSED, /* its engines cannot be opened */
    WORKER_DEAD
};
extern const char *const worker_state_names[5];

typedef struct worker {
    int rank;
    uint8_t state;              /* enum worker_state */
    bool reserved;              /* takes nothing new: a suspect runs, or will run, alone on it */
    bool draining;              /* asked to leave */
    uint32_t slots[TASK_KINDS]; /* wanted in flight; 0 = none now */
    bool can[TASK_KINDS];       /* wanted some once: its servers may come back */
    uint32_t in_flight[TASK_KINDS]; /* leases out */
    uint64_t heard_ns;              /* last message */
    uint64_t results, busy_us;
    uint32_t first_lease; /* head of its leases (lease.h), 0 = none */
    uint32_t *known;      /* direct-mapped: what it was sent; owned by the roster */
    struct {
        int before, next; /* ranks in the same load level, -1 = none */
        uint32_t level;
        bool listed;
        bool able;        /* counted among those that can do the kind */
        uint32_t counted; /* slots of it in the sum over all ready workers */
    } at[TASK_KINDS];
    uint32_t pid;
    char host[64];
} worker;

typedef struct roster roster;

/* size: ranks, 0 is the coordinator. */
ESP_MUST_CHECK esp_err roster_create (int size, roster **out);
void roster_destroy (roster *r); /* accepts NULL */

worker *roster_worker (roster *r, int rank); /* 1 <= rank < size */
int roster_size (const roster *r);

/* Call after any change of state, slots, in_flight, reserved or draining. */
void roster_update (roster *r, worker *w);

/* The worker for a task of this kind: the home of the prefix if it has room and is at most `slack` tasks busier than the least
 * loaded one, else the least loaded.  NULL: nobody has room. */
worker *
roster_pick (roster *r, enum task_kind kind, problem_key key, node_ref prefix, uint32_t slack);
bool roster_room (const roster *r, enum task_kind kind); /* somebody has room */

/* The server behind this worker holds the prefix that ends with this node. */
void roster_set_home (roster *r, problem_key key, node_ref prefix, int rank);
/* The same for a task that generates nothing: a home that is known stays, since the cache of the generator is the dearer one
 * and whoever scores may not generate at all. */
void roster_offer_home (roster *r, problem_key key, node_ref prefix, int rank);

/* Was this node's text (NODE_ROOT: the problem) sent to, or made by, this worker lately?  roster_learn notes it.
 * A guess: the worker answers MISSING when it is wrong. */
bool roster_knows (const worker *w, problem_key key, node_ref n);
void roster_learn (worker *w, problem_key key, node_ref n);
void roster_expect (const worker *w, problem_key key,
                    node_ref n);    /* one of the two comes soon: fetch what it looks at */
void roster_forget_all (worker *w); /* it answered MISSING, or started again */

uint32_t roster_in_flight (const worker *w); /* over all kinds */
uint32_t
roster_able (const roster *r, enum task_kind kind); /* ready workers that can do this kind */
/* Ready workers that can do the kind, or could before their servers went out of service. */
uint32_t roster_hopeful (const roster *r, enum task_kind kind);
uint32_t roster_count (const roster *r, enum worker_state state);
uint64_t roster_slots (const roster *r, enum task_kind kind); /* over ready workers */
/* An idle worker that can do the kind and is not reserved, or NULL. */
worker *roster_idle (roster *r, enum task_kind kind);
void roster_check (const roster *r);

#endif
