/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_ENGINE_LIST_H
#define ESP_WORKER_ENGINE_ENGINE_LIST_H

/* engine_list.h - several engines that stand in one place: a list of generators, a list of PRMs
 *
 * engine_choice    each job goes to one generator: that of its action (engine_setup.actions; without: action i = generator i)
 * engine_ensemble  each job goes to every PRM; a score is the mean of theirs by weight, after each one's own normalisation.
 *                  The job fails when one of them fails, with the error of the first in the list.
 *
 * Both are engine kinds, so whoever feeds engines knows of none of this; but no rows of the table, since their options are
 * not keys of a run file: engine_setup.options is an engine_list, valid until close.
 *
 * Threads and ownership: as engine.h.
 */

#include "worker/engine/engine.h"

enum { ENGINE_LIST_MOST = 64 };

typedef struct engine_part {
    const engine_kind *kind;
    const char *name;                    /* "small": engine_setup.model_name */
    const void *options;                 /* of its kind */
    const struct server_options *server; /* kinds with `http` */
    uint32_t slots;     /* jobs in flight by the run file; 0 = the engine's own number */
    double weight;      /* ensemble: > 0 */
    int view;           /* ensemble: engine_setup.view */
    double temperature; /* choice: engine_setup.temperature */
} engine_part;

typedef struct engine_list {
    const engine_part *parts;
    size_t count; /* 1 ... ENGINE_LIST_MOST */
} engine_list;

extern const engine_kind engine_choice, engine_ensemble;

/* ---- what the two share: the parts, opened ---- */

typedef struct opened_parts {
    const engine_list *list;
    void *states[ENGINE_LIST_MOST];
    size_t count; /* of states */
} opened_parts;

/* Open every part; base has done and ctx for all of them, or ctx_of says what ctx part i gets.  Errors: the part's, with
 * its name in front; nothing is open then. */
ESP_MUST_CHECK esp_err parts_open (opened_parts *p, const engine_setup *base,
                                   void *(*ctx_of) (void *ctx, size_t part), esp_error *error);
void parts_close (opened_parts *p); /* accepts a zeroed struct */
void parts_poll (opened_parts *p);
void parts_cancel (opened_parts *p, size_t part, const job *j);
size_t parts_fds (opened_parts *p, int *fds, size_t max);
uint32_t parts_slots (const opened_parts *p, size_t part);
ESP_MUST_CHECK esp_err parts_ready (opened_parts *p, esp_error *why);
size_t parts_models (const opened_parts *p, engine_model *out, size_t max);
ESP_MUST_CHECK esp_err parts_settled (opened_parts *p, esp_error *why);
ESP_MUST_CHECK esp_err parts_describe (opened_parts *p, esp_buf *out);

/* A result that is nothing but this error. */
result parts_failed (const job *j, esp_err error);

#endif
