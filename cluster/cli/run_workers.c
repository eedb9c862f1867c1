/* SPDX-License-Identifier: Apache-2.0 */
/* run_workers.c - see run_workers.h
 *
 * The lists stay text: they are looked at a few times in the life of a process, and never in a loop over tasks.
 */

#include "cluster/cli/run_workers.h"
#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANK_MOST = 1000000 };

const esp_option workers_option_rows[] = {
    {"generate", ESP_OPT_STRING, offsetof (workers_options, ranks[TASK_GENERATE]), "all", 0, 0,
     NULL, "",
     "ranks that generate: 5, 1-4, 5- (to the last), 1-8/4 (every fourth), with commas between; or "
     "all",
     ESP_OPT_FREE, false},
    {"score", ESP_OPT_STRING, offsetof (workers_options, ranks[TASK_SCORE]), "all", 0, 0, NULL, "",
     "ranks that score steps", ESP_OPT_FREE, false},
    {"verify", ESP_OPT_STRING, offsetof (workers_options, ranks[TASK_VERIFY]), "all", 0, 0, NULL,
     "", "ranks that verify results", ESP_OPT_FREE, false},
    ESP_OPTION_END,
};

/* ---- lists of ranks ---- */

struct range {
    int first, last; /* last 0: without end */
    int every;
};

static const char *skip_blanks (const char *at)
{
    return at + strspn (at, " \t");
}

static bool read_number (const char **at, int *out)
{
    char *end;
    long number;
    if (!isdigit ((unsigned char)**at))
        return false;
    number = strtol (*at, &end, 10);
    if (number < 1 || number > RANK_MOST)
        return false;
    *at = skip_blanks (end);
    *out = (int)number;
    return true;
}

/* One item and the comma behind it; false: it is none. */
static bool read_range (const char **text, struct range *out)
{
    const char *at = skip_blanks (*text);
    *out = (struct range){1, 0, 1};
    if (strncmp (at, "all", 3) == 0) {
        at = skip_blanks (at + 3);
    } else if (!read_number (&at, &out->first)) {
        return false;
    } else if (*at != '-') {
        out->last = out->first;
    } else {
        at = skip_blanks (at + 1);
        if (isdigit ((unsigned char)*at) && !read_number (&at, &out->last))
            return false;
    }
    if (*at == '/') {
        at = skip_blanks (at + 1);
        if (!read_number (&at, &out->every))
            return false;
    }
    if (out->last > 0 && out->last < out->first)
        return false;
    if (*at == ',' && *skip_blanks (at + 1) == 0)
        return false;
    *text = at + (*at == ',');
    return *at == ',' || *at == 0;
}

static bool is_list (const char *text)
{
    struct range r;
    do {
        if (!read_range (&text, &r))
            return false;
    } while (*text);
    return true;
}

static const char *list_of (const run_config *c, int k)
{
    return c->workers.ranks[k] ? c->workers.ranks[k] : "all";
}

bool run_workers_serves (const run_config *c, int k, int rank)
{
    const char *text = list_of (c, k);
    struct range r;
    do {
        if (!read_range (&text, &r))
            return false; /* bound with a mistake */
        if (rank >= r.first && (r.last == 0 || rank <= r.last) && (rank - r.first) % r.every == 0)
            return true;
    } while (*text);
    return false;
}

/* The first rank that a list names and that is not there, 0: none.  Of "1-8" on 4 ranks: 4. */
static int absent_rank (const char *text, int size)
{
    struct range r;
    do {
        if (!read_range (&text, &r))
            return 0;
        if (r.first >= size)
            return r.first;
        if (r.last >= size)
            return size;
    } while (*text);
    return 0;
}

int run_workers_least (const run_config *c)
{
    int largest = 1;
    for (int k = 0; k < TASK_KINDS; k++) {
        const char *text = list_of (c, k);
        struct range r;
        while (*text && read_range (&text, &r)) {
            int named = r.last > 0 ? r.last : r.first;
            largest = named > largest ? named : largest;
        }
    }
    return largest + 1;
}

/* ---- for run_config and the start ---- */

static void key_of (int k, char out[32])
{
    snprintf (out, 32, "workers.%s", workers_option_rows[k].key);
}

esp_err run_workers_bind (run_config *c)
{
    const esp_option *rows = workers_option_rows;
    void *into = &c->workers;
    char key[32];
    esp_err err = config_bind (c->yaml, "workers", &rows, &into, 1);
    for (int k = 0; k < TASK_KINDS && err == ESP_OK; k++) {
        key_of (k, key);
        if (!is_list (list_of (c, k)))
            err = config_mistake (c->yaml, key,
                                  "'%.60s' is no list of ranks; such are 5, 1-4, 5-, 1-8/4 (every "
                                  "fourth), with commas between, or all (rank 0 coordinates)",
                                  list_of (c, k));
    }
    return err;
}

static bool nobody (const run_config *c, int k, int size)
{
    for (int rank = 1; rank < size; rank++)
        if (run_workers_serves (c, k, rank))
            return false;
    return true;
}

static esp_err fit_one (run_config *c, int k, int size)
{
    int absent = absent_rank (list_of (c, k), size);
    char key[32];
    key_of (k, key);
    if (absent > 0)
        return config_mistake (c->yaml, key,
                               "'%.60s': there is no rank %d in this run of %d ranks (0 "
                               "coordinates, the workers are 1 to %d); '5-' means all from 5 on",
                               list_of (c, k), absent, size, size - 1);
    if (c->engines[k]->kind && nobody (c, k, size))
        return config_mistake (c->yaml, key, "'%.60s': none of the workers 1 to %d does this",
                               list_of (c, k), size - 1);
    return ESP_OK;
}

esp_err run_workers_fit (run_config *c, int size, esp_error *error)
{
    const char *text = "";
    esp_err err = ESP_OK;
    for (int k = 0; k < TASK_KINDS && err == ESP_OK; k++)
        err = fit_one (c, k, size);
    if (err != ESP_OK)
        return esp_error_set (error, err, "%s", esp_err_text (err));
    if (config_mistakes (c->yaml, &text) == 0)
        return ESP_OK;
    return esp_error_set (error, ESP_EINVAL, "%.*s", (int)strcspn (text, "\n"), text);
}

esp_err run_workers_meaning (const run_config *c, esp_buf *out)
{
    bool split = false;
    esp_err err = ESP_OK;
    for (int k = 0; k < TASK_KINDS; k++)
        split = split || strcmp (list_of (c, k), "all") != 0;
    for (int k = 0; k < TASK_KINDS && split && err == ESP_OK; k++)
        if (c->engines[k]->kind)
            err = esp_buf_printf (out, "%s %s %.60s", k ? "," : ":", workers_option_rows[k].key,
                                  list_of (c, k));
    return err;
}
