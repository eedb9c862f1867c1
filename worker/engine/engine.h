/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_ENGINE_H
#define ESP_WORKER_ENGINE_ENGINE_H

/* engine.h - what does the work on a worker: a generator, a PRM or a verifier
 *
 * An engine is one file and one row of the table in engine_table.c.  It is asynchronous: start()
 * takes jobs and returns at once; results come through the done callback, which is called only
 * from inside start() or poll().  A quick engine may finish jobs inside start().
 *
 * Same answers (D4): what an engine returns depends on the job alone (problem, prefix, task fields),
 * never on time, order or other jobs - as far as the server behind it allows.
 *
 * Ownership: a job is borrowed and stays valid until its done call, or until cancel() returns.
 * The result passed to done is borrowed by the callee for that call only.
 * Threads: all calls come from the worker's loop thread.  The done and progress callbacks call no engine.
 */

#include <stdbool.h>
#include "proto/base/clock.h"
#include "proto/base/option.h"
#include "proto/model/task.h"

struct server_options; /* worker/server/servers.h */
struct step_rule;      /* worker/prompt/step_rule.h */
struct chat;           /* worker/prompt/chat.h */

struct engine_kind; /* below */

enum engine_role { ENGINE_GENERATOR = 1, ENGINE_PRM = 2, ENGINE_VERIFIER = 4 };

/* One task with everything that is needed to do it. */
typedef struct job {
    task
        task; /* task.extra: lookahead text so far; a generator appends behind it, a PRM scores it too */
    span problem;      /* JSON object of the problem, valid JSON */
    const span *steps; /* node texts from the root's first child (or the last draft) to task.node */
    size_t step_count; /* 0: the prompt is the problem alone */
    const uint32_t *step_tokens; /* generated tokens of each step; NULL = not known */
    void *owner;                 /* the loop's; engines leave it alone */
} job;

/* The lookahead text behind the steps; task.extra of a draft is something else. */
static inline span job_lookahead (const job *j)
{
    bool draft = j->task.kind == TASK_GENERATE && j->task.mode == TASK_DRAFT;
    return draft ? span_make (NULL, 0) : j->task.extra;
}

/* A variant of prompt or model, which task.action names (run file: the list `actions`).  Its temperature is in task.how. */
typedef struct engine_action {
    uint16_t generator; /* index in the list of generators */
    const char *system; /* instead of prompt.system; NULL = that one */
} engine_action;

typedef struct engine_setup {
    const struct engine_kind *kind; /* the row that is opened: for files with several rows */
    const void *options;            /* struct filled from the kind's rows; valid until close */
    unsigned role;  /* one of engine_role: an engine with two roles is opened once for each */
    int rank;       /* for messages, and {rank} in URLs */
    int local_rank; /* among the ranks of this host: {local_rank} */
    uint64_t run_seed;
    const struct server_options *server; /* kinds with `http`: section keys of every such engine */
    const struct step_rule *step; /* where steps end; NULL in tests of engines that ignore it */
    const struct chat *chat;      /* from a problem to a prompt; NULL likewise */
    int view; /* of PRMs, which phase of texts that think: enum step_view (step_rule.h) */
    const engine_action *actions; /* action_count of them; none = every action is plain */
    size_t action_count;
    double
        temperature; /* generators: the highest that the run asks for, so that it can be refused at once */
    const char *model_name; /* of a named generator or PRM, for messages; NULL = the only one */
    const esp_clock *clock;
    void (*done) (void *ctx, const job *j,
                  const result *r); /* result.id is set by the engine from j->task.id */
    /* Partial text of a generation, for observers; cheap to call often.  May be NULL. */
    void (*progress) (void *ctx, const job *j, span text);
    /* For `espalier try`: what was sent ("prompt", "PRM input"), as it was sent.  May be NULL. */
    void (*trace) (void *trace_ctx, const char *what, span text);
    void *trace_ctx;
    void *ctx;
} engine_setup;

/* A model that the servers chose: the run file says auto. */
typedef struct engine_model {
    const char *name;           /* engine_setup.model_name; NULL = the only one */
    const char *model, *server; /* as it calls itself; URL of one server that has it */
} engine_model;

enum engine_tokens {
    TOKENS_LOGPROBS = 1, /* one of each token, and those of its alternatives */
    TOKENS_IDS = 2
};

typedef struct engine_kind engine_kind;
struct engine_kind {
    const char *name;          /* generator.engine, prm.engine or verifier.kind in the run file */
    unsigned roles;            /* the engine_role bits it can play */
    const esp_option *options; /* own rows; may be NULL */
    size_t option_bytes;
    /* Errors: any, with a sentence that names the key, file or URL. */
    esp_err (*open) (const engine_setup *setup, void **state, esp_error *error);
    /* Take n jobs (siblings stand together).  A job that cannot be taken is finished through done with an error.  */
    void (*start) (void *state, const job *const *jobs, size_t n);
    /* Make progress without blocking; NULL if everything finishes in start(). */
    void (*poll) (void *state);
    /* Forget a job if it has not finished; no done call follows.  NULL if nothing is ever pending. */
    void (*cancel) (void *state, const job *j);
    /* File descriptors to sleep on; returns how many of max were written.  NULL: none. */
    size_t (*fds) (void *state, int *fds, size_t max);
    void (*close) (void *state); /* accepts NULL */
    /* How many jobs it wants in flight now (credits, D6); asked often; 0 = none while its servers are out; NULL: 64. */
    uint32_t (*slots) (const void *state);
    /* May jobs come?  ESP_OK; ESP_EEMPTY: not yet, poll on; else never, with a sentence (wrong key, no such model).  NULL: at once. */
    esp_err (*ready) (void *state, esp_error *why);
    /* For `espalier check`, after ready(): ESP_EEMPTY, with a sentence, while one of several servers may still show what it is
     * (the time of wait_s); then ESP_OK, whatever they showed.  NULL: there is nothing more to wait for. */
    esp_err (*settled) (void *state, esp_error *why);
    /* For `espalier check`: append lines about what was found; one that holds "WARNING: " is told again at the end.  NULL:
     * nothing to say. */
    esp_err (*describe) (void *state, esp_buf *out);
    /* Tokens of a prompt and its answer together where jobs of this action go, the least of the servers there; 0 = not known.
     * NULL: not known. */
    uint32_t (*context) (const void *state, uint16_t action);
    /* Which models its servers chose; returns how many of max were written, borrowed until poll().  NULL: none. */
    size_t (*models) (const void *state, engine_model *out, size_t max);
    /* Generators: what samples tell of their tokens under these options, enum engine_tokens; NULL: nothing. */
    unsigned (*tokens) (const engine_kind *kind, const void *options);
    uint32_t
        version; /* of a verifier, counted from 0: raise when equal branches may get another verdict; in every sample */
    bool http;   /* speaks HTTP: the keys of server_option_rows are its too */
    /* Can it work on this problem at all ("field numbers is not there")?  Asked of every line before a run starts.  NULL: yes. */
    esp_err (*check_problem) (span json, esp_error *error);
    /* What makes every verdict on this problem unknown, as can be seen at once: "have no tests (no-tests)", said of problems.  Asked of
     * every line before a run starts.  NULL, or it returns NULL: nothing. */
    const char *(*doubt) (span json);
    /* With these options a verifier judges VERIFY_VISIBLE by fewer tests than VERIFY_ALL.  NULL: all tasks alike. */
    bool (*hidden_tests) (const void *options);
    /* What its rows cannot say of the options ("layout: there is no ..."), before anything is opened.  step: the run's rule,
     * NULL where that has a mistake.  NULL: nothing. */
    esp_err (*check_options) (const engine_kind *kind, const void *options,
                              const struct step_rule *step, esp_error *why);
};

/* The kind with this name that can play the role, or NULL. */
const engine_kind *engine_find (const char *name, unsigned role);
/* Row `index` of the table, NULL behind the last: for names, --help and docs. */
const engine_kind *engine_at (size_t index);

#endif
