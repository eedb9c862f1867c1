/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_CONFORMANCE_DRIVER_H
#define ESP_TESTS_CONFORMANCE_DRIVER_H

/* driver.h - one problem through the real search core, answered by the fake rules
 *
 * The driver binds a run-file section, makes the search, keeps a queue of planned tasks and
 * answers them in the order asked for: with deterministic: true (the default) that order must not change
 * anything.  It remembers every generation as a request, as the golden traces name them.
 *
 * Ownership: what a driver hands out is valid until driver_close.
 * Errors: sentences, in *error.
 */

#include "coordinator/search/search.h"
#include "tests/conformance/fake_answers.h"

enum driver_order { ORDER_PLAN, ORDER_REVERSE, ORDER_SHUFFLED };

typedef struct driver driver;

typedef struct driver_hook {
    /* Answer a task in another way than the fake rules; false = use the rules.  Spans in *r must
     * live until driver_close (driver_keep); r->id is set. */
    bool (*answer) (void *ctx, driver *d, const task *t, result *r);
    void *ctx;
    bool verifier; /* the search has one; without an answer of the hook a verdict is "unknown" */
    bool no_prm;
    fake_world
        world; /* which fake models (actions, thought); question and lm are filled in by golden_search */
} driver_hook;

typedef struct driver_setup {
    fake_world world;
    const char *section; /* flow YAML: "strategy: beam, keep: 2" */
    driver_hook hook;
    enum driver_order order;
    uint64_t seed; /* of ORDER_SHUFFLED */
} driver_setup;

typedef struct request { /* one generation */
    task planned;  /* planned.k is the sample number; planned.child the node that holds the text */
    node_ref node; /* = planned.child; NODE_NONE for a lookahead step */
    uint32_t
        wave; /* counts the inputs that planned at least one (no lookahead); a level of a one-lane search */
    span prompt; /* question|A|text so far */
    span text;
    bool eos;
    bool answered; /* false: cancelled */
} request;

/* Run a problem to its end. */
ESP_MUST_CHECK esp_err driver_run (const driver_setup *setup, driver **out, esp_error *error);
void driver_close (driver *d); /* accepts NULL */

const search *driver_search (const driver *d);
const void *driver_options (const driver *d); /* the strategy's bound options */

/* All generations in the order planned, lookahead left out. */
const request *driver_requests (const driver *d, size_t *count);
uint32_t driver_waves (const driver *d);
const request *
driver_wave (const driver *d, uint32_t wave, size_t *count);       /* they stand together */
const request *driver_lookaheads (const driver *d, size_t *count); /* in the order planned */
const request *driver_request_of (const driver *d, node_ref ref);  /* NULL: none made it */

/* strategy.answers, all of them.  NULL when memory is out. */
const node_ref *driver_answers (driver *d, size_t *count);
/* Text of the path to a node, kept; empty when memory is out. */
span driver_text (driver *d, node_ref n);
/* Step scores of the path; NULL when memory is out. */
const double *driver_scores (driver *d, node_ref n, size_t *count);
span driver_keep (driver *d, span text); /* a copy that lives as long as the driver */

#endif
