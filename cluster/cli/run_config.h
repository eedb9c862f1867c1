/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_RUN_CONFIG_H
#define ESP_CLUSTER_CLI_RUN_CONFIG_H

/* run_config.h - a run file with every section bound
 *
 * The one place that knows all option tables.  Rank 0 reads the file and sends the resolved text to the
 * workers, which bind it by the same code.
 */

#include "cluster/cli/run_prompt.h"
#include "coordinator/loop.h"
#include "proto/config/config.h"
#include "worker/engine/engine_list.h"
#include "worker/loop.h"
#include "worker/server/servers.h"
#include "worker/verifier/verifier_stack.h"

typedef struct
    engine_options { /* what generator, prm and verifier have in common, and the generator's sampling */
    const char *engine; /* NULL = none */
    const char *name;   /* of an item of a list; NULL = none */
    double weight;      /* prm: in the mean of a list */
    int view;           /* prm: enum step_view */
    bool calibrate;     /* verifier: coordinator/harvest/calibrate.h */
    int stack;          /* verifier: enum stack_rule; of a list the first one's counts */
    int64_t cache_mb;   /* verifier: likewise */
    int64_t slots;      /* in flight per worker; 0 = the engine's own number */
    double temperature, top_p;
    int64_t top_k, max_step_tokens, max_tokens;
    double price_prompt, price_cached, price_generated,
        parameters; /* cluster/console/report_prices.h reads them */
} engine_options;

typedef struct run_engine { /* an item of generator, prm or verifier */
    engine_options common;
    const engine_kind *kind; /* NULL = none */
    void *own;               /* owned: the kind's own options */
    server_options server;   /* kinds that speak HTTP */
} run_engine;

typedef struct workers_options { /* section `workers`: lists of ranks, see run_workers.h */
    const char *ranks[TASK_KINDS];
} workers_options;

typedef struct observe_options { /* section `observe` */
    bool enabled;
    const char *listen; /* NULL: a socket file; else tcp://host:port */
} observe_options;

typedef struct log_options { /* section `log` */
    int level, file_level;   /* enum log_level */
} log_options;

typedef struct run_config {
    config *yaml; /* owned; every string below is borrowed from it */
    run_options run;
    problem_options problems;
    search_setup search; /* strategy and options filled */
    vote_options vote;
    run_engine *engines[TASK_KINDS]; /* owned: generator, prm, verifier; one, or a list of them */
    size_t engine_count[TASK_KINDS]; /* at least 1, all of a kind if more */
    engine_part *parts[TASK_KINDS];  /* owned: a list as workers open it */
    engine_list lists[TASK_KINDS];
    stack_options stack;               /* of the verifiers */
    engine_action *actions;            /* owned */
    struct action_means *action_means; /* owned: the same for the search */
    size_t action_count;               /* 0 = every action is plain */
    void *strategy_own;                /* owned */
    sample_plan samples;
    run_prompt prompt; /* sections `step` and `prompt` */
    workers_options workers;
    dispatch_options dispatch;
    journal_options journal;
    observe_options observe;
    log_options log;
} run_config;

/* "run.output=FOLDER" as an override: a folder may have been moved since its run file was written.
 * Errors: ESP_EFORMAT (not UTF-8), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err run_config_output_override (const char *folder, esp_buf *out);

/* Read a run file and apply overrides, and read the files that section `prompt` names; all mistakes together go to *mistakes
 * (one line each), which is empty on other errors (the sentence is in *error).  Errors: ESP_EFORMAT (mistakes), those of
 * config_read. */
ESP_MUST_CHECK esp_err run_config_load (const char *path, char *const *overrides, size_t count,
                                        run_config **out, esp_buf *mistakes, esp_error *error);
/* To look back at a run: without the files of section `prompt`, which may be gone. */
ESP_MUST_CHECK esp_err run_config_recall (const char *path, char *const *overrides, size_t count,
                                          run_config **out, esp_buf *mistakes, esp_error *error);
/* From text, such as a resolved run file from a journal; also without these files. */
ESP_MUST_CHECK esp_err run_config_parse (span text, char *const *overrides, size_t count,
                                         run_config **out, esp_buf *mistakes, esp_error *error);
void run_config_destroy (run_config *c); /* accepts NULL */

/* Open the engines a worker needs: worker_setup.open and close.  ctx: NULL: this process serves everything; else only what
 * section `workers` gives to base->rank.  Reads the files of section `prompt` here, so
 * every rank must see them under the run file's paths (relative ones start at the working folder, as problems.file). */
esp_err run_config_open_engines (void *ctx, span run_file, const engine_setup *base,
                                 worker_engines *out, esp_error *error);
void run_config_close_engines (void *ctx, worker_engines *engines);

/* The engine's own look at a problem, for problem_source_open; ctx is the run_config. */
esp_err run_config_check_problem (void *ctx, span json, esp_error *error);

/* Every option table, for --help and docs/runfile.md: calls visit (section, title, rows) in order. */
void run_config_tables (void (*visit) (void *ctx, const char *section, const char *title,
                                       const esp_option *rows),
                        void *ctx);

/* Do inputs that were recorded under this (resolved) run file plan the same under c?  Not if a budget or best_of_n's n
 * grew in between.  A text that cannot be read: false.  ctx is the run_config. */
bool run_config_replays (void *ctx, span run_file);

/* What the numbers mean: "beam: keep 4 x expand 4 = n 16; at most 640 generations a problem". */
ESP_MUST_CHECK esp_err run_config_meaning (const run_config *c, esp_buf *out);

#endif
