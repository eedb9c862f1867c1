/* SPDX-License-Identifier: Apache-2.0 */
/* eval_sets.c - see eval_sets.h */

#include "coordinator/harvest/eval_sets.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "coordinator/harvest/eval_fingerprints.h"
#include "coordinator/harvest/problem_text.h"
#include "coordinator/problem/line_reader.h"
#include "proto/base/alloc.h"
#include "proto/base/hash.h"

enum {
    GRAMS = 8,
    GRAMS_LEAST = 4,
    SHORT_LEAST = 5, /* words; fewer stand in other problems by chance */
    SHORT_MOST = GRAM_WORDS + GRAMS_LEAST - 2,
    LINE_MOST = 8 << 20,
    HEX = 16
};
#define MARK "# espalier fingerprints 1"

typedef struct eval_item {
    uint64_t all;     /* hash of its words */
    uint32_t set, id; /* offsets in names */
    uint32_t grams;
    uint32_t seen, when; /* its grams in the text that was looked at last; which text that was */
} eval_item;

typedef struct
    gram { /* of one item; those of one hash are a list, which may be as long as there are items */
    uint32_t owner; /* item */
    uint32_t when;  /* the text in which it was counted last */
    uint32_t next;  /* gram + 1; 0 = the last one */
} gram;

typedef struct place { /* a table of these, by hash */
    uint64_t hash;
    uint32_t first; /* gram + 1; 0 = free */
} place;

struct eval_sets {
    eval_item *items; /* owned */
    size_t count, cap;
    gram *grams; /* owned */
    size_t gram_count, gram_cap;
    place *table; /* owned; power of two */
    size_t place_count, place_cap;
    esp_buf names;  /* owned; 0-terminated one after the other */
    uint32_t texts; /* looked at so far */
};

/* ---- the table ---- */

/* Where this hash stands, or could. */
static place *find (const eval_sets *e, uint64_t hash)
{
    size_t at = hash & (e->place_cap - 1);
    while (e->table[at].first && e->table[at].hash != hash)
        at = (at + 1) & (e->place_cap - 1);
    return &e->table[at];
}

static esp_err make_room (eval_sets *e)
{
    size_t before = e->place_cap;
    place *old = e->table, *larger;
    if (2 * (e->place_count + 1) <= before)
        return ESP_OK;
    if (!(larger = esp_calloc (before ? 2 * before : 1024, sizeof (*larger))))
        return ESP_ENOMEM;
    e->table = larger;
    e->place_cap = before ? 2 * before : 1024;
    for (size_t i = 0; i < before; i++)
        if (old[i].first)
            *find (e, old[i].hash) = old[i];
    esp_free (old);
    return ESP_OK;
}

/* In front of its list: no time is lost on what many items share. */
static esp_err add_gram (eval_sets *e, uint64_t hash, size_t owner)
{
    place *at;
    if (e->gram_count >= UINT32_MAX - 1 || make_room (e) != ESP_OK ||
        esp_grow (&e->grams, &e->gram_cap, e->gram_count + 1, sizeof (*e->grams)) != 0)
        return ESP_ENOMEM;
    at = find (e, hash);
    e->place_count += at->first == 0;
    e->grams[e->gram_count++] = (gram){(uint32_t)owner, 0, at->first};
    *at = (place){hash, (uint32_t)e->gram_count};
    return ESP_OK;
}

static esp_err add_name (eval_sets *e, span name, uint32_t *at)
{
    *at = (uint32_t)e->names.len;
    if (e->names.len + name.len + 1 >= UINT32_MAX)
        return ESP_ENOMEM;
    return esp_buf_add (&e->names, name) == ESP_OK ? esp_buf_append (&e->names, "", 1) : ESP_ENOMEM;
}

static esp_err
add_item (eval_sets *e, span set, span id, uint64_t all, const uint64_t *grams, size_t n)
{
    eval_item one = {.all = all, .grams = (uint32_t)n};
    bool same = e->count > 0 && span_is (set, e->names.data + e->items[e->count - 1].set);
    esp_err err = ESP_OK;
    if (e->count >= UINT32_MAX - 1 ||
        esp_grow (&e->items, &e->cap, e->count + 1, sizeof (one)) != 0)
        return ESP_ENOMEM;
    if (same)
        one.set = e->items[e->count - 1].set;
    else
        err = add_name (e, set, &one.set);
    if (err == ESP_OK)
        err = add_name (e, id, &one.id);
    if (err == ESP_OK)
        err = add_gram (e, all, e->count);
    for (size_t i = 0; i < n && err == ESP_OK; i++)
        err = add_gram (e, grams[i], e->count);
    if (err == ESP_OK)
        e->items[e->count++] = one;
    return err;
}

/* ---- fingerprints ---- */

static int by_value (const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The smallest grams of a text, each once; returns how many.  scratch: room for one per word. */
static size_t smallest (const words *w, uint64_t *scratch, uint64_t out[GRAMS])
{
    size_t n = 0, kept = 0;
    for (size_t at = 0; at + GRAM_WORDS <= w->count; at++)
        scratch[n++] = words_gram (w, at, GRAM_WORDS);
    if (n > 0)
        qsort (scratch, n, sizeof (*scratch), by_value);
    for (size_t i = 0; i < n && kept < GRAMS; i++)
        if (i == 0 || scratch[i] != scratch[i - 1])
            out[kept++] = scratch[i];
    return kept >= GRAMS_LEAST ? kept : 0;
}

/* Of a problem that is these n words. */
static uint64_t whole (const words *w, size_t at, size_t n)
{
    return words_gram (w, at, n) ^ UINT64_C (0x5bd1e9955bd1e995); /* never a gram's */
}

static esp_err make (const words *w, uint64_t *all, uint64_t grams[GRAMS], size_t *n)
{
    uint64_t *scratch = esp_reallocarray (NULL, w->count + 1, sizeof (*scratch));
    if (!scratch)
        return ESP_ENOMEM;
    *all = whole (w, 0, w->count);
    *n = smallest (w, scratch, grams);
    esp_free (scratch);
    return ESP_OK;
}

esp_err eval_fingerprint (const char *set, span id, const words *problem, esp_buf *out)
{
    uint64_t all, grams[GRAMS];
    size_t n;
    esp_err err = make (problem, &all, grams, &n);
    if (err == ESP_OK)
        err = esp_buf_printf (out, "%s\t%.*s\t%016" PRIx64, set, (int)id.len, id.ptr, all);
    for (size_t i = 0; i < n && err == ESP_OK; i++)
        err = esp_buf_printf (out, "\t%016" PRIx64, grams[i]);
    return err == ESP_OK ? esp_buf_puts (out, "\n") : err;
}

/* ---- files ---- */

static bool next_field (span *rest, span *field)
{
    const char *tab = rest->len ? memchr (rest->ptr, '\t', rest->len) : NULL;
    size_t len = tab ? (size_t)(tab - rest->ptr) : rest->len;
    *field = span_make (rest->ptr, len);
    *rest = tab ? span_make (tab + 1, rest->len - len - 1) : span_make ("", 0);
    return field->len > 0;
}

static bool read_hash (span field, uint64_t *out)
{
    char text[HEX + 1] = "", *end;
    if (field.len != HEX)
        return false;
    memcpy (text, field.ptr, HEX);
    *out = strtoull (text, &end, 16);
    return *end == 0 && text[0] != '-' && text[0] != '+' && text[0] != ' ';
}

static esp_err add_line (eval_sets *e, span text)
{
    uint64_t all, grams[GRAMS];
    span rest = span_trim (text), set, id, field;
    size_t n = 0;
    if (rest.len == 0 || rest.ptr[0] == '#')
        return ESP_OK;
    if (!next_field (&rest, &set) || !next_field (&rest, &id) || !next_field (&rest, &field) ||
        !read_hash (field, &all))
        return ESP_EFORMAT;
    while (next_field (&rest, &field))
        if (n == GRAMS || !read_hash (field, &grams[n++]))
            return ESP_EFORMAT;
    return add_item (e, set, id, all, grams, n);
}

/* *asks: it has a field that asks; else all its texts are taken. */
static esp_err add_problem (eval_sets *e, span set, span text, uint64_t number, bool *asks)
{
    static const char *const names[] = {"id", "unique_id", "task_id", "name", NULL};
    json_t *row = json_loadb (text.ptr, text.len, 0, NULL);
    char counted[24];
    const char *id = NULL;
    words w = {NULL, 0, 0};
    uint64_t all, grams[GRAMS];
    size_t n;
    esp_err err = json_is_object (row) ? words_of_problem (&w, row) : ESP_EFORMAT;
    for (size_t i = 0; names[i] && !id; i++)
        id = json_string_value (json_object_get (row, names[i]));
    snprintf (counted, sizeof (counted), "line %" PRIu64, number);
    *asks = *asks || problem_asks (row);
    if (err == ESP_OK && (err = make (&w, &all, grams, &n)) == ESP_OK && w.count > 0)
        err = add_item (e, set, span_of (id ? id : counted), all, grams, n);
    words_free (&w);
    json_decref (row);
    return err;
}

static esp_err add_lines (eval_sets *e, const char *path, line_reader *r, esp_error *error)
{
    const char *slash = strrchr (path, '/');
    span set = span_of (slash ? slash + 1 : path);
    bool prints = false, asks = false;
    line got;
    esp_err err;
    while ((err = line_reader_next (r, &got, error)) == ESP_OK) {
        prints = prints || (got.number == 1 && span_starts (got.text, MARK));
        if (got.too_long)
            err = ESP_EFORMAT;
        else if (prints)
            err = add_line (e, got.text);
        else if (span_trim (got.text).len > 0)
            err = add_problem (e, set, got.text, got.number, &asks);
        if (err == ESP_EFORMAT)
            return esp_error_set (error, err, "%s:%" PRIu64 ": %s", path, got.number,
                                  prints ? "not a line of fingerprints (SET ID HASH ...)"
                                         : "not a JSON object");
        if (err != ESP_OK)
            return esp_error_set (error, err, "%s: %s", path, esp_err_text (err));
    }
    if (err == ESP_EEMPTY && !prints && !asks)
        return esp_error_set (error, ESP_EFORMAT,
                              "%s: no row has a field that asks (" PROBLEM_ASKS
                              "), so no problem would be known by it",
                              path);
    return err == ESP_EEMPTY ? ESP_OK : err;
}

esp_err eval_sets_add (eval_sets *e, const char *path, esp_error *error)
{
    line_reader *r;
    esp_err err = line_reader_open (path, LINE_MOST, &r, error);
    if (err != ESP_OK)
        return err;
    err = add_lines (e, path, r, error);
    line_reader_close (r);
    return err;
}

esp_err eval_sets_create (eval_sets **out)
{
    eval_sets *e = esp_calloc (1, sizeof (*e));
    span rest = span_of (eval_fingerprints);
    esp_err err = e ? ESP_OK : ESP_ENOMEM;
    while (err == ESP_OK && rest.len > 0) {
        size_t end = span_find (rest, span_of ("\n"));
        err = add_line (e, span_make (rest.ptr, end));
        rest =
            end < rest.len ? span_make (rest.ptr + end + 1, rest.len - end - 1) : span_make ("", 0);
    }
    if (err != ESP_OK)
        eval_sets_destroy (e);
    else
        *out = e;
    return err;
}

void eval_sets_destroy (eval_sets *e)
{
    if (!e)
        return;
    esp_free (e->items);
    esp_free (e->grams);
    esp_free (e->table);
    esp_buf_free (&e->names);
    esp_free (e);
}

size_t eval_sets_count (const eval_sets *e)
{
    return e->count;
}

/* ---- looking ---- */

static eval_hit hit (const eval_sets *e, const eval_item *one)
{
    return (eval_hit){e->names.data + one->set, e->names.data + one->id};
}

/* Count this gram for its items; the one that is there now, or NULL. */
static const eval_item *count_gram (eval_sets *e, uint64_t hash)
{
    const eval_item *found = NULL;
    for (uint32_t at = find (e, hash)->first; at; at = e->grams[at - 1].next) {
        gram *g = &e->grams[at - 1];
        eval_item *one = &e->items[g->owner];
        if (g->when == e->texts)
            return NULL; /* it stands in the text twice */
        if (hash == one->all)
            continue;
        g->when = e->texts;
        one->seen = one->when == e->texts ? one->seen + 1 : 1;
        one->when = e->texts;
        if (one->seen >= GRAMS_LEAST && 2 * one->seen >= one->grams)
            found = one; /* the list has the last ones first */
    }
    return found;
}

static const eval_item *same_words (const eval_sets *e, uint64_t hash)
{
    const eval_item *found = NULL;
    for (uint32_t at = find (e, hash)->first; at; at = e->grams[at - 1].next)
        if (e->items[e->grams[at - 1].owner].all == hash)
            found = &e->items[e->grams[at - 1].owner];
    return found;
}

/* Those that have too few grams: all their words in a row. */
static const eval_item *short_one (const eval_sets *e, const words *problem)
{
    const eval_item *found = NULL;
    for (size_t n = SHORT_MOST; n >= SHORT_LEAST && !found; n--)
        for (size_t at = 0; at + n <= problem->count && !found; at++)
            found = same_words (e, whole (problem, at, n));
    return found;
}

esp_err eval_sets_find (eval_sets *e, const words *problem, const words *all, eval_hit *out)
{
    const eval_item *found = NULL;
    if (e->place_cap == 0)
        return ESP_EEMPTY;
    e->texts++;
    if (problem->count > 0)
        found = same_words (e, whole (problem, 0, problem->count));
    if (!found)
        found = short_one (e, problem);
    for (size_t at = 0; !found && at + GRAM_WORDS <= all->count; at++)
        found = count_gram (e, words_gram (all, at, GRAM_WORDS));
    if (!found)
        return ESP_EEMPTY;
    *out = hit (e, found);
    return ESP_OK;
}
