/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SINK_SAMPLE_H
#define ESP_COORDINATOR_SINK_SAMPLE_H

/* sample.h - what a format of training samples is
 *
 * A format is one file and one row of sample_table.c.  It looks at one finished problem and writes samples: flat JSON
 * objects, one a line, as trainers read them.
 *
 *     row = sample_begin (w, SAMPLE_VERIFIED, leaf, NULL);
 *     row_string (row, ",\"prompt\":", v->prompt);
 *     ...
 *     return sample_end (w);
 *
 * sample_begin writes id, problem_id, repeat, candidate; sample_end writes `meta`, the provenance.  A format is a pure
 * function of the view and its options: no time, no host, no draw, so that a resumed run writes the same bytes.
 * "Verified" is said only of what a verifier decided; all else, also what agrees by majority, is unverified and goes to files of its own.
 *
 * Threads: none.  Errors of write: ESP_ENOMEM.
 */

#include <jansson.h>
#include "coordinator/sink/branches.h"
#include "coordinator/sink/json_row.h"
#include "coordinator/sink/label.h"
#include "proto/base/option.h"

typedef struct sample_view { /* one finished problem; all borrowed */
    const search *search;
    const tree *tree;
    const problem *problem;
    const json_t *row; /* the problem's JSON object; numbers keep their type */
    span
        prompt; /* its question as text; a problem of messages: the last user message; without any: the row, less its answers */
    span messages;            /* JSON list; "" = the problem is a plain text */
    span gold;                /* reference answer as text; "" = none */
    const branches *branches; /* finished branches, agreement filled */
    const label *labels;      /* one per node; NULL where the format does not need them */
} sample_view;

typedef struct sample_writer sample_writer; /* samples.c */

enum sample_set { SAMPLE_VERIFIED, SAMPLE_UNVERIFIED, SAMPLE_SETS };

enum sample_needs {
    SAMPLE_NEEDS_VERIFIER = 1, /* the run file must have one: else nothing could ever be written */
    SAMPLE_NEEDS_LABELS = 2,
    SAMPLE_NEEDS_TOKENS = 4, /* token ids and logprobs of every node (model/token_data.h) */
    SAMPLE_NEEDS_LOGPROBS =
        8 /* and alternatives of each token: an engine that cannot is an error at the start */
};

typedef struct sample_format {
    const char *name; /* samples.format, also in file names */
    const char *what; /* one line for docs and --help */
    unsigned needs;   /* enum sample_needs */
    bool
        text; /* lines as they are for another program: no meta, not for `samples`, only for `espalier export` */
    bool shows_all; /* it writes what was searched and says nothing of truth: one set */
    bool places;    /* rows stand for attempts, not for what they say: equal ones are all kept */
    /* Fields that say how much or how sure, not what: rows that differ in nothing else are equal (harvest.h).  NULL-terminated; may be NULL. */
    const char *const *measured;
    bool by_passes; /* a distinct completion that passed is a sample: `want` of them are enough */
    /* The own options say a band of pass rates: a problem is enough when it is certain on which side it is.  May be NULL. */
    bool (*band) (const void *options, double *low, double *high);
    const esp_option *options; /* own rows of an item of `samples`; may be NULL */
    size_t option_bytes;
    esp_err (*write) (const sample_view *v, const void *options, sample_writer *w);
} sample_format;

/* The row with this name, or NULL. */
const sample_format *sample_format_find (const char *name);
/* Row `index` of the table, NULL behind the last. */
const sample_format *sample_format_at (size_t index);

/* Open a sample about the branch that ends with node `about`; suffix (may be NULL) makes ids differ where a format writes several of one branch.
 * Formats of plain text get a row with nothing written.  Returns where to write, never NULL. */
json_row *sample_begin (sample_writer *w, enum sample_set set, node_ref about, const char *suffix);
/* Close it: meta, the end of the line.  Errors: ESP_ENOMEM, that of an earlier call too. */
ESP_MUST_CHECK esp_err sample_end (sample_writer *w);

/* ---- helps for formats ---- */

/* `key` and the id of a sample about the branch that ends with node `about`: problem, repeat, path. */
void sample_id (json_row *r, const char *key, const sample_view *v, node_ref about,
                const char *suffix);
/* ,"prompt": text, or the list of messages. */
void sample_prompt (json_row *r, const sample_view *v);
/* A verdict decides: pass or fail. */
static inline bool sample_passed (const sample_view *v, node_ref n)
{
    return search_node (v->search, n)->verdict == VERDICT_PASS;
}
/* Pass or fail. */
static inline bool sample_decided (const sample_view *v, node_ref n)
{
    uint8_t verdict = search_node (v->search, n)->verdict;
    return verdict == VERDICT_PASS || verdict == VERDICT_FAIL;
}
/* It ended by itself: an answer, not cut by a limit. */
static inline bool sample_complete (const sample_view *v, node_ref n)
{
    return search_node (v->search, n)->finish == FINISH_EOS;
}

#endif
