/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_PRM_H
#define ESP_WORKER_ENGINE_PRM_H

/* prm.h - process reward models behind HTTP servers: one machine, a row per way of serving
 *
 * A serving is one file engine_prm_*.c: it says which readings of a layout (worker/prompt/layout.h) it can get out of its
 * server, writes a request for many texts, and reads the scores out of the answer; both are pure.  The machine (prm.c) turns jobs
 * into texts, gathers those of several jobs into one request, splits a request that the server refuses because of one
 * text, and hands scores back.  Before the first job each server is probed (prm_probe.c): are tags and labels single tokens of its
 * vocabulary, and does a right step score above a wrong one?
 *
 * Threads: one, the worker's loop.  Answers are hostile.
 */

#include "worker/engine/engine.h"
#include "worker/prompt/layout.h"

typedef struct prm_options { /* section `prm`; rows below, the same for every serving */
    layout_options layout;
    int64_t batch_texts, batch_bytes; /* most of one request; a longer text goes alone */
    int64_t top_logprobs;             /* where labels are looked for among the most likely tokens */
    int64_t samples, max_tokens;      /* of a judgement in words */
    double temperature;
    const char *path;  /* http-scores: behind the URL */
    int route;         /* vllm-classify: enum prm_route */
    bool cache_prompt; /* llamacpp-logprobs */
} prm_options;
enum prm_route { ROUTE_CLASSIFY, ROUTE_SCORE };
extern const esp_option prm_option_rows[];

/* Token ids in one server's vocabulary. */
typedef struct prm_labels {
    uint32_t good[LAYOUT_LABELS], bad[LAYOUT_LABELS];
    uint8_t good_count, bad_count;
    bool has_tag;
    uint32_t tag;
} prm_labels;

typedef struct prm_text {
    span text;
    uint32_t rows;  /* steps in it, each with its tag */
    uint32_t want;  /* scores asked for: of its last steps; 1 <= want <= rows */
    double *scores; /* want of them, for read() to fill */
} prm_text;

typedef struct prm_ask { /* one request */
    const prm_options *options;
    const layout_plan *plan;
    const prm_labels *labels;
    const char *model; /* NULL: not sent */
    bool add_special;  /* the server's tokenizer adds BOS: texts bring none */
    uint32_t seed;     /* 31 bits */
    const prm_text *texts;
    size_t count;
} prm_ask;

typedef struct prm_serving {
    const char *name;     /* prm.engine */
    const char *family;   /* servers_setup.family: NULL for any, "openai" for any that generates */
    const char *layout;   /* if the run file names none */
    unsigned readings[4]; /* enum layout_reading, best first; 0 ends them */
    bool needs_labels;    /* write() and read() need the ids of both labels */
    bool likes_labels;    /* ... or can do without */
    bool caches;          /* the server reuses prefixes: a problem's texts go to one server */
    bool adds_bos;        /* always: texts must not bring one */
    bool uncached; /* the server can be told to leave its cache alone: prm_options.cache_prompt */
    bool single;   /* one text a request */
    const char *start_how; /* end of a sentence: what the server must be started with */
    /* Append path and JSON.  Errors: ESP_ENOMEM. */
    esp_err (*write) (const prm_ask *ask, esp_buf *path, esp_buf *json);
    /* A 2xx answer into the texts' scores, each in [0, 1]; *tokens: read by the server, 0 if it does not say.
     * Errors: ESP_EFORMAT with a sentence (no URL), ESP_ENOMEM. */
    esp_err (*read) (const prm_ask *ask, span json, uint64_t *tokens, esp_error *why);
} prm_serving;

/* Row `index`, NULL behind the last: for tests and docs. */
const prm_serving *prm_serving_at (size_t index);
const prm_serving *prm_serving_find (const char *name); /* NULL if there is none */

/* The members of PRM_KIND.  The kind's name is that of its serving. */
ESP_MUST_CHECK esp_err prm_open (const engine_setup *setup, void **state, esp_error *error);
/* The plan that the options make for this serving.  Errors: ESP_EUNKNOWN, ESP_EUNSUPPORTED, ESP_EINVAL; a sentence that begins
 * with its key. */
ESP_MUST_CHECK esp_err prm_plan (const prm_serving *serving, const prm_options *o, layout_plan *out,
                                 esp_error *why);
/* The same, of a kind that PRM_KIND made. */
esp_err prm_check_options (const engine_kind *kind, const void *options,
                           const struct step_rule *step, esp_error *why);
void prm_start (void *state, const job *const *jobs, size_t n);
void prm_poll (void *state);
void prm_cancel (void *state, const job *j);
size_t prm_fds (void *state, int *fds, size_t max);
void prm_close (void *state);
uint32_t prm_slots (const void *state);
esp_err prm_ready (void *state, esp_error *why);
esp_err prm_settled (void *state, esp_error *why);
esp_err prm_describe (void *state, esp_buf *out);
size_t prm_models (const void *state, engine_model *out, size_t max);

#define PRM_KIND(serving_name)                                                                     \
    {                                                                                              \
        .name = (serving_name), .roles = ENGINE_PRM, .options = prm_option_rows,                   \
        .option_bytes = sizeof (prm_options), .open = prm_open, .start = prm_start,                \
        .poll = prm_poll, .cancel = prm_cancel, .fds = prm_fds, .close = prm_close,                \
        .slots = prm_slots, .ready = prm_ready, .settled = prm_settled, .describe = prm_describe,  \
        .models = prm_models, .http = true, .check_options = prm_check_options                     \
    }

#endif
