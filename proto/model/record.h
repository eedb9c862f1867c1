/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_MODEL_RECORD_H
#define ESP_PROTO_MODEL_RECORD_H

/* record.h - what stands in the journal (design.md, D3; docs/journal.md)
 *
 * Spans and arrays are borrowed: by the encoder from the caller, by the decoder from the bytes or its arena.
 */

#include "proto/model/input.h"

enum {
    RECORD_FORMAT = 2,       /* journal format; raise when an old program would misread a new one */
    RECORD_FORMAT_OLDEST = 1 /* what is still read: 1 has no DEATH, all else is the same */
};

enum record_kind {
    RECORD_HEADER, /* first of every segment */
    RECORD_SYNCED, /* opens every batch: everything before byte `offset` of this segment was on disk */
    RECORD_INPUT,  /* one input of one search */
    RECORD_COMMIT, /* rows of every problem that finished up to `up_to` are in the files, up to these offsets, on disk */
    RECORD_HASH,   /* digest of the search that took the input before */
    RECORD_FOOTER, /* last of a segment that was left in order: the problems with inputs in it */
    RECORD_DEATH,  /* a worker died, or fell silent, while these tasks were with it */
    RECORD_KINDS
};
extern const char *const record_kind_names[RECORD_KINDS];

/* Problems [first, first + count) by key: finished, rows committed. */
typedef struct key_range {
    problem_key first;
    uint64_t count;
} key_range;

typedef struct file_offset {
    span name; /* "answers.jsonl": inside the output folder */
    uint64_t bytes;
} file_offset;

typedef struct record_header {
    uint32_t format;
    uint64_t run_id;    /* random, one per output folder */
    uint32_t epoch;     /* one more at each start */
    uint32_t segment;   /* counts over all epochs */
    uint64_t first;     /* number of the first input of this segment */
    uint64_t identity;  /* config_identity of the run file */
    uint32_t semantics; /* of the strategy */
    span strategy;
    span program;              /* "espalier 0.1.0" */
    span run_file;             /* resolved, for resume's comparison */
    const key_range *finished; /* when this segment was opened */
    size_t finished_count;
    const key_range *
        closed; /* segments (by number, not by problem) that resume need not read: all their problems are finished */
    size_t closed_count;
    const file_offset *files; /* committed when this segment was opened */
    size_t file_count;
} record_header;

typedef struct record {
    uint8_t kind; /* enum record_kind */
    uint64_t
        number; /* INPUT: its journal number, from 1, +1 each; others: number of the last input before */
    union {
        record_header header;
        struct {
            uint64_t offset;
        } synced;
        input input;
        struct {
            uint64_t up_to;
            const file_offset *files;
            size_t file_count;
            const problem_key
                *problems; /* those that this commit covers, in the order of their rows */
            size_t problem_count;
        } commit;
        struct {
            problem_key problem;
            uint64_t digest;
        } hash;
        struct {
            const problem_key *problems;
            size_t problem_count;
        } footer;
        struct {
            uint32_t rank;
            bool alone; /* its only task, which ran alone as a suspect */
            const task_id *tasks;
            size_t task_count;
        } death;
    } u;
} record;

#endif
