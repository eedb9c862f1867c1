/* SPDX-License-Identifier: Apache-2.0 */
/* conformance.c - run every golden file of a folder through the search core
 *
 *     conformance [--shuffle SEED] [--only TEXT] [--skip-missing] DIR
 *
 * Exit status: 0 everything passed, 1 something failed, 2 wrong usage or no such folder, 77 (--skip-missing) no folder.
 */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/base/fmath.h"
#include "tests/conformance/conf.h"

enum {
    FILE_MOST = 256 << 20, /* bytes */
    USAGE = 2,
    SKIPPED = 77
};

typedef struct settings {
    const char *folder, *only;
    bool shuffle, skip_missing;
    uint64_t seed;
} settings;

typedef struct tally {
    size_t passed, failed, skipped;
} tally;

/* ---- one case ---- */

static void show (const char *file, const char *id, const outcome *o, tally *sum)
{
    if (o->failed)
        printf ("FAILED %s %s: %s\n", file, id, o->why);
    else if (o->tolerated[0])
        printf ("tolerated %s %s: %s\n", file, id, o->tolerated);
    sum->failed += o->failed;
    sum->passed += !o->failed;
}

/* In plan order; with --shuffle also in reverse and shuffled: nothing may change. */
static void
run_case (const conf_row *row, const json_t *body, const settings *set, const char *id, outcome *o)
{
    static const char *const names[] = {"plan order", "reverse order", "shuffled"};
    for (int order = ORDER_PLAN;
         order <= (set->shuffle ? ORDER_SHUFFLED : ORDER_PLAN) && !o->failed; order++) {
        golden_case c = {
            .body = body, .id = id, .order = (enum driver_order)order, .seed = set->seed};
        outcome one = {0};
        row->run (&c, &one);
        if (one.failed && order != ORDER_PLAN)
            outcome_fail (o, "answered in %s: %s", names[order], one.why);
        else if (one.failed)
            outcome_fail (o, "%s", one.why);
        if (one.tolerated[0])
            outcome_tolerate (o, one.tolerated);
    }
}

static void run_cases (const char *file, const conf_row *row, const json_t *cases,
                       const settings *set, tally *sum)
{
    char id[160];
    size_t i;
    json_t *body;
    json_array_foreach (cases, i, body)
    {
        const char *name = json_string_value (json_object_get (body, "id"));
        outcome o = {0};
        snprintf (id, sizeof (id), "%s", name ? name : "");
        if (!name)
            snprintf (id, sizeof (id), "case %zu", i);
        esp_text_scrub (id);
        if (set->only && !strstr (id, set->only))
            continue;
        if (!json_is_object (body))
            outcome_fail (&o, "malformed: the case is not an object");
        else if (!row)
            outcome_fail (&o, "no strategy yet");
        else
            run_case (row, body, set, id, &o);
        show (file, id, &o, sum);
    }
}

static void run_checks (const char *file, const conf_row *row, const json_t *root,
                        const settings *set, tally *sum)
{
    size_t n = row->count (root);
    for (size_t i = 0; i < n; i++) {
        char id[160] = "";
        outcome o = {0};
        row->check (root, i, id, sizeof (id), &o);
        if (!set->only || strstr (id, set->only))
            show (file, id, &o, sum);
    }
}

/* ---- one file ---- */

static void whole_file_failed (const char *file, const char *why, tally *sum)
{
    outcome o = {0};
    outcome_fail (&o, "%s", why);
    show (file, "(file)", &o, sum);
}

static void run_golden (const char *file, const json_t *root, const settings *set, tally *sum)
{
    const json_t *schema = json_object_get (root, "schema"),
                 *cases = json_object_get (root, "cases");
    const char *algorithm = json_string_value (json_object_get (root, "algorithm"));
    const conf_row *row = algorithm ? conf_find (algorithm) : NULL;
    char why[300];
    if (schema &&
        (!json_is_string (schema) || strcmp (json_string_value (schema), "search-golden/1") != 0))
        whole_file_failed (file, "malformed: schema is not search-golden/1", sum);
    else if (!algorithm)
        whole_file_failed (file, "malformed: algorithm is missing, so this is no golden file", sum);
    else if (row && !row->run && row->count (root) > 0)
        run_checks (file, row, root, set, sum);
    else if (json_is_array (cases) && json_array_size (cases) > 0 && !(row && !row->run))
        run_cases (file, row, cases, set, sum);
    else {
        snprintf (why, sizeof (why), "malformed: nothing to check in a file of algorithm '%.100s'",
                  algorithm);
        whole_file_failed (file, why, sum);
    }
}

static void run_file (const settings *set, const char *name, tally *sum)
{
    char path[4096], why[700];
    esp_buf bytes = {0};
    esp_error error = {0};
    json_error_t at;
    json_t *root = NULL;
    tally here = {0};
    esp_err err = esp_path_join (path, sizeof (path), set->folder, name);
    if (err == ESP_OK)
        err = esp_file_read (path, FILE_MOST, &bytes, &error);
    if (err != ESP_OK)
        whole_file_failed (name, error.text[0] ? error.text : esp_err_text (err), &here);
    else if (!(root = json_loadb (esp_buf_text (&bytes), bytes.len, 0, &at))) {
        snprintf (why, sizeof (why), "malformed: line %d, column %d: %s", at.line, at.column,
                  at.text);
        whole_file_failed (name, why, &here);
    } else
        run_golden (name, root, set, &here);
    json_decref (root);
    esp_buf_free (&bytes);
    printf ("%-28s %zu passed, %zu failed, %zu skipped\n", name, here.passed, here.failed,
            here.skipped);
    fflush (stdout);
    sum->passed += here.passed;
    sum->failed += here.failed;
    sum->skipped += here.skipped;
}

/* ---- the folder ---- */

static int is_json (const struct dirent *entry)
{
    return entry->d_name[0] != '.' && span_ends (span_of (entry->d_name), ".json");
}

static int run_folder (const settings *set)
{
    struct dirent **names;
    tally sum = {0};
    int n = scandir (set->folder, &names, is_json, alphasort);
    if (n < 0 && set->skip_missing) {
        printf ("%s: %s\n0 passed, 0 failed, 0 skipped\n", set->folder, strerror (errno));
        return SKIPPED;
    }
    if (n < 0) {
        fprintf (stderr, "conformance: %s: %s; give a folder of golden files\n", set->folder,
                 strerror (errno));
        return USAGE;
    }
    for (int i = 0; i < n; i++) {
        run_file (set, names[i]->d_name, &sum);
        free (names[i]);
    }
    free (names);
    if (n == 0)
        fprintf (stderr, "conformance: %s: no *.json in it; give a folder of golden files\n",
                 set->folder);
    printf ("%zu passed, %zu failed, %zu skipped\n", sum.passed, sum.failed, sum.skipped);
    esp_fmath_thread_done ();
    return n == 0 ? USAGE : sum.failed > 0 ? 1 : 0;
}

int main (int argc, char **argv)
{
    settings set = {0};
    bool good = true;
    for (int i = 1; i < argc && good; i++)
        if (strcmp (argv[i], "--shuffle") == 0 && i + 1 < argc) {
            char *end;
            set.shuffle = true;
            set.seed = strtoull (argv[++i], &end, 10);
            good = *argv[i] != 0 && *end == 0;
        } else if (strcmp (argv[i], "--only") == 0 && i + 1 < argc)
            set.only = argv[++i];
        else if (strcmp (argv[i], "--skip-missing") == 0)
            set.skip_missing = true;
        else if (argv[i][0] != '-' && !set.folder)
            set.folder = argv[i];
        else
            good = false;
    if (!good || !set.folder) {
        fprintf (stderr,
                 "usage: conformance [--shuffle SEED] [--only TEXT] [--skip-missing] DIR\n");
        return USAGE;
    }
    return run_folder (&set);
}
