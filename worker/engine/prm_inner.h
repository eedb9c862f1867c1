/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_PRM_INNER_H
#define ESP_WORKER_ENGINE_PRM_INNER_H

/* prm_inner.h - the inside of prm.h, for prm.c (the machine), prm_texts.c and prm_probe.c
 *
 * A job becomes an item with one or more texts.  Texts wait in one queue; some of them make a batch, which is one exchange.
 */

#include "worker/engine/prm.h"
#include "worker/server/servers.h"

struct prm_item;

typedef struct prm_reading { /* one text on its way */
    struct prm_item *item;
    prm_text text;                   /* text in item->bytes, scores in item->scores */
    struct prm_reading *next, *prev; /* in the queue */
    bool queued;
    struct prm_batch *batch; /* the one it is in; NULL = none */
} prm_reading;

typedef struct prm_item {
    const job *job; /* borrowed; NULL: ended or cancelled, waits for its batches */
    task_id id;
    uint64_t problem;
    uint32_t seed;
    uint32_t score_count, score_own;
    size_t unread; /* texts without scores */
    size_t held;   /* texts in the queue or in a batch */
    uint64_t tokens;
    const server *by;      /* who read it last; NULL = nobody yet */
    double *scores;        /* owned */
    prm_reading *readings; /* owned */
    size_t count;
    esp_buf bytes;
    bool settled;          /* scores are there without asking */
    struct prm_item *next; /* in its chain of the table */
} prm_item;

typedef struct prm_batch {
    struct prm *prm;
    exchange *ex;
    prm_reading **readings;
    prm_text *texts; /* theirs */
    size_t count;
    unsigned wrong; /* answers that made no sense */
    bool malformed; /* ... too often */
    uint64_t tokens;
    struct prm_batch *next, *prev;
} prm_batch;

typedef struct prm_known { /* of one server: its data */
    prm_labels labels;
    double right, wrong; /* scores of the example */
    bool scored;
} prm_known;

typedef struct prm_word { /* a text whose token the probe asks for */
    const char *text;
    char what; /* 't' tag, 'g' good, 'b' bad */
} prm_word;

enum { PRM_WORDS = 1 + 2 * LAYOUT_LABELS };

typedef struct prm {
    engine_setup setup;
    const prm_serving *serving;
    const prm_options *options;
    layout_plan plan;
    servers *servers;         /* owned */
    prm_item **items;         /* owned: chains by task id */
    prm_batch *batches;       /* owned */
    prm_reading *head, *tail; /* the queue */
    size_t queued, batch_count, busy_texts;
    uint64_t batch_number, failures;
    bool known; /* question and begins_thinking are those of the problem known_key */
    problem_key known_key;
    bool begins_thinking; /* its prompt or prefill opens the thinking */
    prm_word words[PRM_WORDS];
    uint32_t word_count;
    esp_buf question, shown; /* scratch */
    span *pieces;            /* scratch, owned */
    size_t piece_count, pieces_cap;
} prm;

/* Fill an item of j: texts, room for scores, what each is for.  Errors: ESP_EFORMAT, ESP_ETOOBIG, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err prm_item_fill (prm *p, prm_item *item, const job *j);
void prm_item_free (prm_item *item);
/* The texts of a path, for the probe: one step. */
ESP_MUST_CHECK esp_err prm_text_of (const prm *p, span question, const span *steps, size_t count,
                                    esp_buf *out);

/* The ask for some texts on one server. */
prm_ask prm_ask_for (const prm *p, server *s, const prm_text *texts, size_t count, uint32_t seed);

/* ---- prm_probe.c: for servers_setup ---- */

void prm_probe_plan (prm *p); /* which words to ask for */
esp_err
prm_probe_write (void *ctx, server *s, uint32_t step, esp_buf *path, esp_buf *json, esp_error *why);
esp_err prm_probe_take (void *ctx, server *s, uint32_t step, int status, span body, esp_error *why);

#endif
