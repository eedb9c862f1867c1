/* SPDX-License-Identifier: Apache-2.0 */
/* replay.c - espalier replay: rebuild every search from the journal and compare with what was recorded and written
 *
 * Digests must agree, and the rows of finished problems, made anew, must be those of the row files.  What stands
 * in a file is known from the journal alone: a COMMIT names the problems whose rows end at its offsets, in their
 * order.  So rows that were not committed (a crash, a run that goes on) are not looked for, and problems whose
 * inputs are gone (journal.keep: open) are passed over.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cluster/cli/commands.h"
#include "cluster/console/console.h"
#include "cluster/console/rebuild.h"
#include "proto/base/alloc.h"
#include "proto/base/file.h"

static const char *const help =
    "usage: espalier replay OUTPUT\n\n"
    "Rebuilds every search from the journal, compares the digests that "
    "the run recorded, makes the rows anew and compares\n"
    "them with answers.jsonl, candidates.jsonl and costs.jsonl.  Exit status 0, or "
    "4 with the first difference.\n";

struct slot {
    problem_key key;
    uint64_t
        opened; /* number of its last OPEN: what was recorded before is void (a budget grew, it was started again) */
    search *search; /* NULL: not opened yet, or finished and gone */
    char
        *rows[ROW_FILES]; /* owned: of a finished problem that was not committed yet; NULL = none */
    size_t row_bytes[ROW_FILES];
};

struct replaying {
    rebuild *r;
    struct slot *slots; /* owned; by key */
    size_t count, cap;
    effects effects;
    FILE *files[ROW_FILES];
    uint64_t at[ROW_FILES]; /* committed so far */
    esp_buf rows[ROW_FILES];
    uint64_t last; /* input that the first walk saw: a run that goes on writes more meanwhile */
    uint64_t inputs, digests, finished, compared, passed_over;
    esp_error *error;
};

static int by_key (const void *a, const void *b)
{
    const struct slot *x = a, *y = b;
    return x->key != y->key ? (x->key > y->key) - (x->key < y->key)
                            : (x->opened > y->opened) - (x->opened < y->opened);
}

/* First walk: every OPEN. */
static esp_err note_open (void *ctx, const record *r)
{
    struct replaying *p = ctx;
    if (r->kind == RECORD_INPUT)
        p->last = r->number;
    if (r->kind != RECORD_INPUT || r->u.input.kind != INPUT_OPEN)
        return ESP_OK;
    if (esp_grow (&p->slots, &p->cap, p->count + 1, sizeof (*p->slots)) != 0)
        return esp_error_set (p->error, ESP_ENOMEM, "out of memory");
    p->slots[p->count++] = (struct slot){.key = r->u.input.problem, .opened = r->number};
    return ESP_OK;
}

/* One slot a problem, with its last OPEN. */
static void order_slots (struct replaying *p)
{
    size_t kept = 0;
    if (p->count > 0)
        qsort (p->slots, p->count, sizeof (*p->slots), by_key);
    for (size_t i = 0; i < p->count; i++)
        if (i + 1 == p->count || p->slots[i + 1].key != p->slots[i].key)
            p->slots[kept++] = p->slots[i];
    p->count = kept;
}

static struct slot *slot_of (struct replaying *p, problem_key key)
{
    size_t low = 0, high = p->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (p->slots[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < p->count && p->slots[low].key == key ? &p->slots[low] : NULL;
}

static esp_err open_slot (struct replaying *p, struct slot *slot)
{
    esp_buf memory = {0};
    problem row;
    esp_err err = problem_source_get (p->r->source, problem_repeat (slot->key),
                                      problem_number (slot->key), &memory, &row, p->error);
    if (err == ESP_OK)
        err = search_create (&p->r->now->search, &row, &slot->search);
    esp_buf_free (&memory);
    return err;
}

static void drop_rows (struct slot *slot)
{
    for (int f = 0; f < ROW_FILES; f++) {
        esp_free (slot->rows[f]);
        slot->rows[f] = NULL;
    }
}

static esp_err finish_slot (struct replaying *p, struct slot *slot)
{
    esp_err err;
    for (int f = 0; f < ROW_FILES; f++)
        esp_buf_clear (&p->rows[f]);
    err = rows_of_search (slot->search, &p->r->config->vote, NULL, p->rows, NULL);
    for (int f = 0; f < ROW_FILES && err == ESP_OK; f++) {
        slot->row_bytes[f] = p->rows[f].len;
        if (!(slot->rows[f] = esp_strndup (esp_buf_text (&p->rows[f]), p->rows[f].len)))
            err = ESP_ENOMEM;
    }
    search_destroy (slot->search);
    slot->search = NULL;
    p->finished++;
    return err;
}

/* ---- the row files ---- */

static esp_err differs (struct replaying *p, int f, uint64_t at, const char *what)
{
    return esp_error_set (p->error, ESP_EDIVERGED, "%s/%s: at byte %" PRIu64 " %s", p->r->output,
                          row_file_names[f], at, what);
}

/* Rows of one problem must stand at `at`. */
static esp_err compare_rows (struct replaying *p, int f, const struct slot *slot, uint64_t at)
{
    size_t len = slot->row_bytes[f];
    char *there = esp_malloc (len + 1), what[160];
    bool same;
    if (!there)
        return ESP_ENOMEM;
    same = p->files[f] && fseeko (p->files[f], (off_t)at, SEEK_SET) == 0 &&
           fread (there, 1, len, p->files[f]) == len && memcmp (there, slot->rows[f], len) == 0;
    esp_free (there);
    if (same)
        return ESP_OK;
    snprintf (what, sizeof (what),
              "the rows of problem %u (repeat %u) are not what the journal gives",
              problem_number (slot->key), problem_repeat (slot->key));
    return differs (p, f, at, what);
}

static const file_offset *find_file (int f, const file_offset *files, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (span_is (files[i].name, row_file_names[f]))
            return &files[i];
    return NULL; /* written by an older program, which knew no such file */
}

static uint64_t offset_of (int f, const file_offset *files, size_t count)
{
    const file_offset *found = find_file (f, files, count);
    return found ? found->bytes : 0;
}

static esp_err commit_file (struct replaying *p, int f, const record *r)
{
    uint64_t at = p->at[f], end = offset_of (f, r->u.commit.files, r->u.commit.file_count);
    esp_err err = ESP_OK;
    if (!find_file (f, r->u.commit.files, r->u.commit.file_count))
        return ESP_OK;
    for (size_t i = 0; i < r->u.commit.problem_count && err == ESP_OK; i++) {
        const struct slot *slot = slot_of (p, r->u.commit.problems[i]);
        err = compare_rows (p, f, slot, at);
        at += slot->row_bytes[f];
    }
    return err == ESP_OK && at != end
               ? differs (p, f, at, "rows end that end elsewhere in the journal")
               : err;
}

static esp_err commit (struct replaying *p, const record *r)
{
    bool all = true;
    esp_err err = ESP_OK;
    for (size_t i = 0; i < r->u.commit.problem_count; i++) {
        const struct slot *slot = slot_of (p, r->u.commit.problems[i]);
        all = all && slot && slot->rows[ROW_ANSWERS];
    }
    for (int f = 0; f < ROW_FILES; f++) {
        if (all && err == ESP_OK)
            err = commit_file (p, f, r);
        p->at[f] = offset_of (f, r->u.commit.files, r->u.commit.file_count);
    }
    *(all ? &p->compared : &p->passed_over) += r->u.commit.problem_count;
    for (size_t i = 0; i < r->u.commit.problem_count; i++) {
        struct slot *slot = slot_of (p, r->u.commit.problems[i]);
        if (slot)
            drop_rows (slot);
    }
    return err;
}

/* A new segment says what was committed when it was begun: earlier ones may be gone. */
static esp_err begin_segment (struct replaying *p, const record_header *h)
{
    for (int f = 0; f < ROW_FILES; f++)
        p->at[f] = offset_of (f, h->files, h->file_count);
    return rebuild_under (p->r, h->run_file, p->error);
}

/* ---- the walk ---- */

static esp_err visit (void *ctx, const record *r)
{
    struct replaying *p = ctx;
    struct slot *slot;
    esp_err err;
    if (r->number > p->last)
        return ESP_OK;
    if (r->kind == RECORD_HEADER)
        return begin_segment (p, &r->u.header);
    if (r->kind == RECORD_COMMIT)
        return commit (p, r);
    if (r->kind == RECORD_HASH) {
        slot = slot_of (p, r->u.hash.problem);
        p->digests++;
        if (slot && slot->search && search_digest (slot->search) != r->u.hash.digest)
            return esp_error_set (p->error, ESP_EDIVERGED,
                                  "the replay differs from what was recorded at input %" PRIu64,
                                  r->number);
        return ESP_OK;
    }
    if (r->kind != RECORD_INPUT)
        return ESP_OK;
    p->inputs++;
    slot = slot_of (p, r->u.input.problem);
    if (!slot || r->number < slot->opened) /* its OPEN is gone; void */
        return ESP_OK;
    if (r->number == slot->opened && (err = open_slot (p, slot)) != ESP_OK)
        return err;
    if (!slot->search)
        return ESP_OK;
    if ((err = search_apply (slot->search, &r->u.input, &p->effects)) != ESP_OK)
        return err;
    return p->effects.finished ? finish_slot (p, slot) : ESP_OK;
}

static void open_files (struct replaying *p)
{
    char path[4096];
    for (int f = 0; f < ROW_FILES; f++)
        if (esp_path_join (path, sizeof (path), p->r->output, row_file_names[f]) == ESP_OK)
            p->files[f] = fopen (path, "r");
}

static void close_all (struct replaying *p)
{
    for (size_t i = 0; i < p->count; i++) {
        search_destroy (p->slots[i].search);
        drop_rows (&p->slots[i]);
    }
    esp_free (p->slots);
    effects_free (&p->effects);
    for (int f = 0; f < ROW_FILES; f++) {
        if (p->files[f])
            fclose (p->files[f]);
        esp_buf_free (&p->rows[f]);
    }
}

static void say (const struct replaying *p)
{
    printf ("replayed %" PRIu64 " inputs of %zu problems, %" PRIu64
            " finished: the rows of %" PRIu64 " are those of the files, %" PRIu64
            " digests agree\n",
            p->inputs, p->count, p->finished, p->compared, p->digests);
    if (p->passed_over > 0)
        printf (
            "rows of %" PRIu64
            " problems were not compared: their inputs are gone (journal.keep: open), or those of "
            "others in the same commit\n",
            p->passed_over);
}

int replay_main (int argc, char **argv)
{
    rebuild r;
    esp_error error = {0};
    struct replaying p = {.r = &r, .error = &error};
    esp_err err;
    if (argc == 2 && (strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0)) {
        fputs (help, stdout);
        return EXIT_DONE;
    }
    if (argc != 2) {
        fputs (help, stderr);
        return EXIT_USAGE;
    }
    if ((err = rebuild_open (argv[1], &r, &error)) != ESP_OK) {
        fprintf (stderr, "espalier: %s\n", error.text);
        return EXIT_USAGE;
    }
    open_files (&p);
    if ((err = journal_walk (argv[1], UINT64_MAX, note_open, &p, &error)) == ESP_OK) {
        order_slots (&p);
        err = journal_walk (argv[1], UINT64_MAX, visit, &p, &error);
    }
    if (err == ESP_OK)
        say (&p);
    else
        fprintf (stderr, "espalier: %s\n", error.text[0] ? error.text : esp_err_text (err));
    close_all (&p);
    rebuild_close (&r);
    return err == ESP_OK ? EXIT_DONE : EXIT_BROKEN;
}
