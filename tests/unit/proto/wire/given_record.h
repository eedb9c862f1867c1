/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_PROTO_WIRE_GIVEN_RECORD_H
#define ESP_TESTS_UNIT_PROTO_WIRE_GIVEN_RECORD_H

/* given_record.h - random records of the journal, and whether two are equal */

#include "tests/unit/proto/wire/given.h"

/* ---- random records ---- */

static inline const file_offset *some_files (struct given *g, size_t *count)
{
    static const char *const names[4] = {"answers.jsonl", "samples/stepwise-00000.jsonl.zst", "..a",
                                         "\xc3\xa4/b..c"};
    file_offset *files = some_array (g, sizeof (*files), count);
    for (size_t i = 0; i < *count; i++)
        files[i] = (file_offset){span_of (names[below (g, 4)]), some_u64 (g)};
    return files;
}

static inline const key_range *some_ranges (struct given *g, size_t *count)
{
    key_range *ranges = some_array (g, sizeof (*ranges), count);
    for (size_t i = 0; i < *count; i++) {
        ranges[i].first = some_u64 (g);
        ranges[i].count = below (g, 2) ? 1 : UINT64_MAX - ranges[i].first;
        ranges[i].count += ranges[i].count == 0;
    }
    return ranges;
}

static inline record_header some_header (struct given *g)
{
    record_header h = {
        .format = RECORD_FORMAT,
        .run_id = some_u64 (g),
        .epoch = some_u32 (g),
        .segment = some_u32 (g),
        .first = some_u64 (g),
        .identity = some_u64 (g),
        .semantics = some_u32 (g),
        .strategy = some_name (g),
        .program = some_name (g),
        .run_file = some_text (g),
    };
    h.finished = some_ranges (g, &h.finished_count);
    h.closed = some_ranges (g, &h.closed_count);
    h.files = some_files (g, &h.file_count);
    return h;
}

static inline input some_input (struct given *g)
{
    input in = {.kind = (uint8_t)below (g, INPUT_KINDS), .problem = some_u64 (g)};
    if (in.kind == INPUT_RESULT) {
        in.u.result = some_result (g);
        in.problem = in.u.result.id.problem;
    } else if (in.kind == INPUT_COMMAND) {
        in.u.command = some_command (g);
    }
    return in;
}

static inline const task_id *some_tasks (struct given *g, bool *alone, size_t *count)
{
    task_id *ids;
    *alone = below (g, 2);
    *count = *alone ? 1 : 1 + below (g, 40);
    ids = esp_arena_alloc (g->arena, *count * sizeof (*ids));
    for (size_t i = 0; i < *count; i++)
        ids[i] = (task_id){some_u64 (g) >> 1, some_u32 (g)};
    return ids;
}

static inline record some_record (struct given *g, enum record_kind kind)
{
    record r = {.kind = (uint8_t)kind, .number = some_u64 (g)};
    switch (kind) {
    case RECORD_HEADER:
        r.u.header = some_header (g);
        break;
    case RECORD_SYNCED:
        r.u.synced.offset = some_u64 (g);
        break;
    case RECORD_INPUT:
        r.u.input = some_input (g);
        break;
    case RECORD_COMMIT:
        r.u.commit.up_to = some_u64 (g);
        r.u.commit.files = some_files (g, &r.u.commit.file_count);
        r.u.commit.problems = some_keys (g, &r.u.commit.problem_count);
        break;
    case RECORD_HASH:
        r.u.hash.problem = some_u64 (g);
        r.u.hash.digest = some_u64 (g);
        break;
    case RECORD_FOOTER:
        r.u.footer.problems = some_keys (g, &r.u.footer.problem_count);
        break;
    case RECORD_DEATH:
        r.u.death.rank = some_u32 (g);
        r.u.death.tasks = some_tasks (g, &r.u.death.alone, &r.u.death.task_count);
        break;
    case RECORD_KINDS:
        break;
    }
    return r;
}

/* ---- comparisons ---- */

static inline bool same_files (const file_offset *a, size_t n, const file_offset *b, size_t m)
{
    bool same = n == m;
    for (size_t i = 0; same && i < n; i++)
        same = span_equal (a[i].name, b[i].name) && a[i].bytes == b[i].bytes;
    return same;
}

static inline bool same_ranges (const key_range *a, size_t n, const key_range *b, size_t m)
{
    bool same = n == m;
    for (size_t i = 0; same && i < n; i++)
        same = a[i].first == b[i].first && a[i].count == b[i].count;
    return same;
}

static inline bool same_header (const record_header *a, const record_header *b)
{
    return a->format == b->format && a->run_id == b->run_id && a->epoch == b->epoch &&
           a->segment == b->segment && a->first == b->first && a->identity == b->identity &&
           a->semantics == b->semantics && span_equal (a->strategy, b->strategy) &&
           span_equal (a->program, b->program) && span_equal (a->run_file, b->run_file) &&
           same_ranges (a->finished, a->finished_count, b->finished, b->finished_count) &&
           same_ranges (a->closed, a->closed_count, b->closed, b->closed_count) &&
           same_files (a->files, a->file_count, b->files, b->file_count);
}

static inline bool same_input (const input *a, const input *b)
{
    if (a->kind != b->kind || a->problem != b->problem)
        return false;
    if (a->kind == INPUT_RESULT)
        return same_result (&a->u.result, &b->u.result);
    return a->kind != INPUT_COMMAND || same_command (&a->u.command, &b->u.command);
}

static inline bool same_tasks (const task_id *a, size_t n, const task_id *b, size_t m)
{
    bool same = n == m;
    for (size_t i = 0; same && i < n; i++)
        same = a[i].problem == b[i].problem && a[i].number == b[i].number;
    return same;
}

static inline bool same_record (const record *a, const record *b)
{
    if (a->kind != b->kind || a->number != b->number)
        return false;
    switch ((enum record_kind)a->kind) {
    case RECORD_HEADER:
        return same_header (&a->u.header, &b->u.header);
    case RECORD_SYNCED:
        return a->u.synced.offset == b->u.synced.offset;
    case RECORD_INPUT:
        return same_input (&a->u.input, &b->u.input);
    case RECORD_COMMIT:
        return a->u.commit.up_to == b->u.commit.up_to &&
               same_files (a->u.commit.files, a->u.commit.file_count, b->u.commit.files,
                           b->u.commit.file_count) &&
               same_keys (a->u.commit.problems, a->u.commit.problem_count, b->u.commit.problems,
                          b->u.commit.problem_count);
    case RECORD_HASH:
        return a->u.hash.problem == b->u.hash.problem && a->u.hash.digest == b->u.hash.digest;
    case RECORD_FOOTER:
        return same_keys (a->u.footer.problems, a->u.footer.problem_count, b->u.footer.problems,
                          b->u.footer.problem_count);
    case RECORD_DEATH:
        return a->u.death.rank == b->u.death.rank && a->u.death.alone == b->u.death.alone &&
               same_tasks (a->u.death.tasks, a->u.death.task_count, b->u.death.tasks,
                           b->u.death.task_count);
    case RECORD_KINDS:
        break;
    }
    return false;
}

#endif
