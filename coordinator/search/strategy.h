/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SEARCH_STRATEGY_H
#define ESP_COORDINATOR_SEARCH_STRATEGY_H

/* strategy.h - what a search algorithm is, and what it may ask of the core (design.md, section 5)
 *
 * A strategy is one file and one row of strategy_table.c.  It says what it wants done with branches
 * (asks, in joins) and is told the results of a whole join at once, items in the order asked.  The core
 * generates, extends, scores and verifies each ask on its own: no ask of a join waits for another.
 *
 * Same answers (D4): joins of one lane are delivered in the order opened (deterministic: true), so a strategy that decides from
 * what it was delivered, its own state and its draws plans the same on 1 or 1,000 workers.  It never sees time, workers or arrival order.
 *
 * State: `me` is state_bytes, zeroed, flat: it may hold pointers into the problem's arena only if select() never writes
 * through them (speculation runs select on copies).
 * Threads: none.  Errors of callbacks: ESP_ENOMEM ends the run; ESP_EBUDGET from search_join may be handed back, the core then finishes the
 * problem with REASON_BUDGET once nothing is open; any other (ESP_ETOOBIG: the tree is full) ends the problem with REASON_ERROR.
 */

#include "coordinator/search/budget.h"
#include "coordinator/search/tree.h"
#include "proto/base/option.h"
#include "proto/model/event.h"
#include "proto/model/input.h"

struct search_options; /* search.h */
typedef struct search search;
typedef uint32_t join_id;

enum ask_mode {
    ASK_STEP,   /* one step below `from` */
    ASK_TO_END, /* to the end of the sequence below `from` */
    ASK_DRAFT,  /* a whole new text that replaces what stands above it */
    ASK_NOTHING /* no generation: only score or verify `from` */
};

typedef struct ask {    /* one branch; zero-initialise */
    node_ref from;      /* its path is the prompt */
    uint8_t mode;       /* enum ask_mode */
    bool greedy;        /* temperature 0, whatever `how` says */
    uint16_t lookahead; /* greedy steps shown to the PRM, then dropped (DVTS) */
    uint16_t scores;    /* readings of the PRM; 0 = not scored; > 1: their sum is the score (ToT) */
    uint16_t verifier;  /* 1 + index of the verifier; 0 = none */
    bool
        steers; /* the verdict steers: where there are hidden tests it sees the visible ones only (node_told) */
    uint16_t action;     /* prompt or model variant (AB-MCTS, repair) */
    const sampling *how; /* NULL = the run file's; must outlive the ask (the strategy's options) */
    double priority;     /* send order only, never a result */
    uint64_t tag;        /* the strategy's own mark, comes back in the item */
} ask;

typedef struct item { /* what became of one ask */
    node_ref
        node; /* the new child, or `from` for ASK_NOTHING; its text, scores, verdict are in the tree */
    node_ref from;
    uint64_t tag;
    double
        score; /* aggregate over the path (search.aggregate), lookahead included; NaN = not scored */
    double last; /* last step score (or the sum of the readings); NaN = not scored */
    uint16_t action;
    bool generated; /* there is a new text */
    bool scored, verified;
    bool failed; /* a permanent error: no text (or no score); counts as asked */
    bool
        dropped; /* cancelled by enough(), search_drop or prune: holds nothing, is charged in full */
    bool missing; /* sure() and speculation only: not known yet */
} item;

typedef struct node_value { /* what the strategy thinks of a node: labels, watch, samples */
    double q;               /* mean backed-up value, NaN = none */
    double visits;
    double prior; /* NaN = none */
    /* Strategies that label steps: what rollouts from this very node said. */
    uint32_t rollouts, passed; /* with a decided verdict; a truncated one is no pass */
    bool counted;              /* these two are set */
    bool tried;                /* enough of them for "bad" when none passed */
} node_value;

typedef struct strategy_means { /* what a run gives to its searches */
    bool prm, verifier;
    bool given
        [2]; /* the generator of action 0, 1 only brings texts that are there already (one generator: of both) */
    bool capped;       /* some budget ends every search */
    uint64_t step_cap; /* most steps of a problem, by any budget; BUDGET_UNLIMITED = no cap */
} strategy_means;

typedef struct strategy_most { /* generations of one problem; BUDGET_UNLIMITED = no end */
    uint64_t steps;            /* of one step each, lookahead too */
    uint64_t texts;            /* to the end, or whole drafts */
    bool deep;                 /* texts may begin below the root */
} strategy_most;

typedef struct strategy {
    const char *name;
    uint32_t
        semantics; /* raise when equal inputs may plan otherwise: resume refuses another number */
    const char *paper;         /* one line for docs and --help */
    const esp_option *options; /* own rows of section `search`; may be NULL */
    size_t option_bytes;
    size_t state_bytes;
    /* Look over the bound options together ("keep must divide n").  May change them (presets).  Errors: ESP_EINVAL with a sentence
     * that begins with the key ("search.keep: ..."). */
    esp_err (*fit) (void *options, esp_error *error);
    /* Can it do its work with what the run has?  NULL = with anything.  Errors as fit's. */
    esp_err (*suits) (const void *options, const strategy_means *has, esp_error *error);
    /* What a problem can cost without any budget, for `espalier check`; never too little.  NULL = there is no such bound. */
    void (*most) (const void *options, const struct search_options *core, strategy_most *out);
    esp_err (*open) (search *s, void *me); /* admitted: lanes, first joins */
    esp_err (*more) (
        search *s, void *me,
        uint32_t
            lane); /* while open joins < in_flight: the next descent; ESP_EEMPTY = nothing now */
    /* After each item in plan order, items[0..n) known: true = the rest of the join is not needed.  Pure: from the items and options alone. */
    bool (*enough) (const search *s, const void *me, const item *items, size_t n);
    bool
        enough_by_rule; /* enough() only answers for search_setup.stop: not called without a rule */
    /* Exactly once per join, failures and drops marked: back up, undo virtual loss, then what follows. */
    esp_err (*joined) (search *s, void *me, join_id id, const item *items, size_t n);
    /* The tree part (marks, cancels) is done by the core; drop own references. */
    esp_err (*command) (search *s, void *me, const command *c);
    /* Pure: the asks that follow from these items; joined() uses it, speculation too (on copies of `me` and completed copies of the
     * items).  NULL = no speculation.  Returns how many asks there are; writes at most max. */
    size_t (*select) (const search *s, void *me_copy, const item *items, size_t n, ask *asks,
                      size_t max);
    /* Pure: asks that joined() will make for these items whatever the missing ones bring.  *most = as many as it can make at all.  Asked
     * as items come; NULL = nothing is certain before the last.  Returns how many asks there are; writes at most max.
     * items == NULL: n items are missing; 0 = then nothing is certain, whatever the others are. */
    size_t (*sure) (const search *s, const void *me, const item *items, size_t n, ask *asks,
                    size_t max, size_t *most);
    /* Candidates in the algorithm's order (a node may stand more than once); returns how many there are, writes at most max. */
    size_t (*answers) (const search *s, const void *me, node_ref *out, size_t max);
    bool (*value) (const search *s, const void *me, node_ref n, node_value *out);
    void (*check) (
        const search *s,
        const void *me); /* asserts its invariants; ESP_CHECK builds, after every input */
} strategy;

/* The row with this name, or NULL. */
const strategy *strategy_find (const char *name);
/* Row `index` of the table, NULL behind the last: for names, --help and docs. */
const strategy *strategy_at (size_t index);

/* ---- what a strategy may call, only from inside its callbacks ---- */

/* Split the problem into n independent parts, each with its own account (even shares), draws and order of delivery.
 * Once, in open(), before any join.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err search_lanes (search *s, uint32_t n);

/* Open a join: reserve the budget of all asks, give the children their identity, plan the tasks.  All or nothing.
 * Errors: ESP_EBUDGET, ESP_ENOMEM.  n >= 1. */
ESP_MUST_CHECK esp_err search_join (search *s, uint32_t lane, const ask *asks, size_t n,
                                    join_id *out);

/* How many of these asks the lane's account can still pay for, from the first on. */
size_t search_affordable (const search *s, uint32_t lane, const ask *asks, size_t n);

/* Cancel a join; joined() still comes, in its turn, with every item dropped, also those that had come: which ones had
 * is a matter of time (D4). */
void search_drop (search *s, join_id id);

/* A node without a generation: a piece of a rollout that is split, a proposed thought, a human step.
 * finish: STOP, or EOS when the text ends an answer.  Errors: ESP_ENOMEM, ESP_ETOOBIG. */
ESP_MUST_CHECK esp_err search_adopt (search *s, node_ref parent, span text, enum node_finish finish,
                                     enum node_source source, node_ref *out);
/* Give an adopted node scores that are known (a split rollout).  count values, copied. */
ESP_MUST_CHECK esp_err search_adopt_scores (search *s, node_ref n, const double *scores,
                                            size_t count);
/* Give an adopted node its part of the tokens of the text that it was cut from (0 until then). */
void search_adopt_tokens (search *s, node_ref n, uint32_t tokens);
/* An adopted node ends the text of `whole`: its finish, its verdict and what the verifier said of it are the node's too. */
ESP_MUST_CHECK esp_err search_adopt_end (search *s, node_ref n, node_ref whole);

double search_draw (search *s, uint32_t lane); /* next uniform of the lane, in [0, 1) */
double search_draw_at (const search *s, uint32_t lane,
                       uint64_t i); /* the one i further on; changes nothing */

budget search_left (const search *s, uint32_t lane);

/* Nothing more in this lane; the problem ends when every lane ended and no join is open. */
void search_lane_end (search *s, uint32_t lane);
/* End the problem now: open joins are cancelled and forgotten, joined() does not come for them.  One-lane strategies only. */
void search_finish (search *s, enum finish_reason reason);

/* Say what became of a node, for show and watch; why: static text, such as "below the cut". */
void search_mark (search *s, node_ref n, enum node_mark mark, const char *why);

/* Memory that lives as long as the problem; NULL = out. */
void *search_alloc (search *s, size_t bytes);

/* ---- what anyone may look at ----
 *
 * While other joins are open a strategy must read only nodes that it was delivered (or adopted): text and scores of the others come
 * when they come. */

const node *search_node (const search *s, node_ref n);
const tree *search_tree (const search *s);
const void *search_strategy_options (const search *s);
uint32_t search_max_steps (const search *s); /* search.max_steps */
uint32_t search_lane_count (const search *s);
uint32_t
search_join_lane (const search *s, join_id id); /* also of the join that joined() is called for */
size_t search_open_joins (const search *s, uint32_t lane);
bool search_has_prm (const search *s); /* or another source of scores (search.score) */
/* search.in_flight, at least 1 */
uint32_t search_in_flight (const search *s);
/* Aggregate of n step scores as search.aggregate says (aggregate.h). */
double search_aggregate (const search *s, const double *scores, size_t n);

#endif
