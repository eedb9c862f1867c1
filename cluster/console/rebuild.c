/* SPDX-License-Identifier: Apache-2.0 */
/* rebuild.c - see rebuild.h */

#include "cluster/console/rebuild.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"

enum { PATH_MOST = 4096, NAMES_LOOKED_AT = 100000 };

/* With the index that the run left, or without it where it cannot be used: the file is then scanned.  The
 * engines' check must be the run's: it decides which lines count (problems.on_error: skip). */
static esp_err open_problems (rebuild *r, esp_error *error)
{
    char index[PATH_MOST];
    esp_err err = esp_path_join (index, sizeof (index), r->output, "journal/problems.idx");
    if (err == ESP_OK)
        err = problem_source_open (&r->config->problems, index, run_config_check_problem, r->config,
                                   &r->source, error);
    if (err == ESP_EIO || err == ESP_EPERMISSION || err == ESP_ENOSPC || err == ESP_ETOOBIG)
        err = problem_source_open (&r->config->problems, NULL, run_config_check_problem, r->config,
                                   &r->source, error);
    return err;
}

esp_err rebuild_open (const char *output, rebuild *r, esp_error *error)
{
    char path[PATH_MOST];
    esp_buf mistakes = {0}, key = {0};
    esp_err err;
    *r = (rebuild){.output = output};
    if ((err = esp_path_join (path, sizeof (path), output, "run.yaml")) != ESP_OK)
        return esp_error_set (error, err, "%s: the path is too long", output);
    if ((err = run_config_output_override (output, &key)) != ESP_OK)
        esp_error_set (error, err, "%s: %s", output, esp_err_text (err));
    else
        err = run_config_recall (path, &key.data, 1, &r->config, &mistakes, error);
    esp_buf_free (&key);
    if (err == ESP_ENOENT)
        esp_error_set (error, err, "%s holds no run (there is no run.yaml)", output);
    if (err == ESP_EFORMAT && mistakes.len > 0)
        esp_error_set (error, err, "%s", esp_buf_text (&mistakes));
    esp_buf_free (&mistakes);
    if (err != ESP_OK)
        return err;
    r->now = r->config;
    if ((err = open_problems (r, error)) != ESP_OK)
        rebuild_close (r);
    return err;
}

void rebuild_close (rebuild *r)
{
    problem_source_close (r->source);
    run_config_destroy (r->config);
    for (size_t i = 0; i < r->older_count; i++)
        run_config_destroy (r->older[i]);
    esp_free (r->older);
    *r = (rebuild){.output = NULL};
}

esp_err rebuild_under (rebuild *r, span run_file, esp_error *error)
{
    esp_buf mistakes = {0};
    esp_err err;
    if (run_config_replays (r->config, run_file)) {
        r->now = r->config;
        return ESP_OK;
    }
    if (r->older_count > 0 && run_config_replays (r->older[r->older_count - 1], run_file)) {
        r->now = r->older[r->older_count - 1];
        return ESP_OK;
    }
    if (esp_grow (&r->older, &r->older_cap, r->older_count + 1, sizeof (*r->older)) != 0)
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    err = run_config_parse (run_file, NULL, 0, &r->older[r->older_count], &mistakes, error);
    if (err != ESP_OK && mistakes.len > 0)
        esp_error_set (error, err, "%s/journal: the run file of an earlier start: %s", r->output,
                       esp_buf_text (&mistakes));
    esp_buf_free (&mistakes);
    if (err == ESP_OK)
        r->now = r->older[r->older_count++];
    return err;
}

static esp_err
nearest (rebuild *r, const char *id, char *const *names, size_t count, esp_error *error)
{
    const char *near = count ? esp_nearest (id, (const char *const *)names) : NULL;
    return esp_error_set (error, ESP_ENOENT, "%s has no problem '%.80s'%s%.80s%s", r->output, id,
                          near ? "; did you mean " : "; '#17' names one by its number",
                          near ? near : "", near ? "?" : "");
}

esp_err
rebuild_find (rebuild *r, const char *id, uint32_t repeat, problem_key *key, esp_error *error)
{
    uint32_t count = problem_source_count (r->source),
             looked = count < NAMES_LOOKED_AT ? count : NAMES_LOOKED_AT;
    char **names = esp_calloc (looked + 1, sizeof (*names));
    esp_buf memory = {0};
    bool found = false;
    esp_err err = names ? ESP_OK : ESP_ENOMEM;
    if (id[0] == '#') {
        char *end;
        unsigned long number = strtoul (id + 1, &end, 10);
        found = *end == 0 && end != id + 1 && number < count;
        *key = problem_key_make (repeat, (uint32_t)number);
    }
    for (uint32_t i = 0; i < count && !found && err == ESP_OK; i++) {
        problem p;
        if ((err = problem_source_get (r->source, repeat, i, &memory, &p, error)) != ESP_OK)
            break;
        found = span_is (p.id, id);
        *key = p.key;
        if (i < looked && !(names[i] = esp_strndup (p.id.ptr, p.id.len)))
            err = ESP_ENOMEM;
    }
    if (err == ESP_OK && !found)
        err = nearest (r, id, names, looked, error);
    for (uint32_t i = 0; names && i < looked; i++)
        esp_free (names[i]);
    esp_free (names);
    esp_buf_free (&memory);
    return err;
}

struct replaying {
    rebuild *r;
    const problem *row; /* borrowed */
    search *search;     /* NULL until it was opened */
    effects effects;
    uint64_t inputs;
    esp_error *error;
};

/* A second OPEN ends what was before: a budget grew, and the problem was started again. */
static esp_err open_again (struct replaying *p)
{
    search_destroy (p->search);
    p->search = NULL;
    p->inputs = 0;
    return search_create (&p->r->now->search, p->row, &p->search);
}

static esp_err visit (void *ctx, const record *found)
{
    struct replaying *p = ctx;
    esp_err err;
    if (found->kind == RECORD_HEADER)
        return rebuild_under (p->r, found->u.header.run_file, p->error);
    if (found->kind == RECORD_INPUT) {
        if (found->u.input.kind == INPUT_OPEN && (err = open_again (p)) != ESP_OK)
            return err;
        if (!p->search)
            return ESP_OK; /* its OPEN is gone (journal.keep: open) */
        p->inputs++;
        return search_apply (p->search, &found->u.input, &p->effects);
    }
    if (found->kind == RECORD_HASH && p->search &&
        found->u.hash.problem == search_problem (p->search)->key &&
        found->u.hash.digest != search_digest (p->search) && p->r->diverged_at == 0)
        p->r->diverged_at = found->number;
    return ESP_OK;
}

esp_err rebuild_search (rebuild *r, problem_key key, search **out, esp_error *error)
{
    struct replaying p = {.r = r, .error = error};
    esp_buf memory = {0};
    problem row;
    esp_err err = problem_source_get (r->source, problem_repeat (key), problem_number (key),
                                      &memory, &row, error);
    p.row = &row;
    if (err == ESP_OK)
        err = journal_walk (r->output, key, visit, &p, error);
    if (err == ESP_OK && p.inputs == 0)
        err = esp_error_set (error, ESP_EEMPTY,
                             "%s: problem %u was not begun yet (or its segments were deleted by "
                             "journal.keep: open)",
                             r->output, problem_number (key));
    effects_free (&p.effects);
    esp_buf_free (&memory);
    if (err == ESP_OK)
        *out = p.search;
    else
        search_destroy (p.search);
    return err;
}
