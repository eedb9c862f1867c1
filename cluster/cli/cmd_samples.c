/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_samples.c - espalier samples: the samples of a run made again; espalier fingerprint: of evaluation sets */

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cluster/cli/commands.h"
#include "cluster/cli/run_harvest.h"
#include "coordinator/harvest/eval_sets.h"
#include "coordinator/harvest/problem_text.h"
#include "coordinator/problem/line_reader.h"
#include "proto/base/file.h"
#include "proto/config/config.h"

enum { PATH_MOST = 4096, LINE_MOST = 8 << 20 };

static const char *const samples_help = "usage: espalier samples OUTPUT [key=value ...]\n\n"
                                        "Makes OUTPUT/samples again from the raw rows of a run, as "
                                        "its section samples says: duplicates, "
                                        "evaluation sets,\nwant, balance, shards.  key=value "
                                        "changes that for this time: samples.near=3, "
                                        "samples[1].want=4.\nA run does this at its end; while it "
                                        "goes on, this gives what is finished so "
                                        "far.\n";
static const char *const fingerprint_help =
    "usage: espalier fingerprint NAME FILE ...\n\n"
    "Prints the fingerprints of the problems in FILEs (JSONL, .gz, .zst), a line each, as a set "
    "called "
    "NAME: a file of them\ncan be named in samples.eval_files, and given to others who must not "
    "see the "
    "problems.\n";

static int wants_help (int argc, char **argv, int least, const char *help)
{
    for (int i = 1; i < argc; i++)
        if (strcmp (argv[i], "--help") == 0 || strcmp (argv[i], "-h") == 0) {
            printf ("%s", help);
            return EXIT_DONE;
        }
    if (argc > least)
        return -1;
    fprintf (stderr, "%s", help);
    return EXIT_USAGE;
}

static int complain (esp_err err, const esp_error *error)
{
    fprintf (stderr, "espalier: %s\n", error->text);
    return err == ESP_ENOSPC || err == ESP_EIO ? EXIT_RESUMABLE : EXIT_USAGE;
}

static int harvest_again (const run_config *c)
{
    esp_error error = {0};
    esp_err err;
    if (c->samples.count == 0) {
        fprintf (stderr,
                 "espalier: %s: this run has no section samples; 'espalier export' writes formats "
                 "from its journal\n",
                 c->run.output);
        return EXIT_USAGE;
    }
    err = run_harvest (c, NULL, &error);
    return err == ESP_OK ? EXIT_DONE : complain (err, &error);
}

/* What was written while the run went on stays as it was: `format`, not `want`. */
static esp_err
may_change (const char *path, char **overrides, const run_config *now, esp_error *error)
{
    run_config *before;
    esp_buf mistakes = {0};
    esp_err err = run_config_recall (path, overrides, 1, &before, &mistakes, error);
    esp_buf_free (&mistakes);
    if (err != ESP_OK)
        return err;
    err = config_may_resume (before->yaml, now->yaml, error);
    run_config_destroy (before);
    return err;
}

int samples_main (int argc, char **argv)
{
    char path[PATH_MOST];
    run_config *c;
    esp_buf mistakes = {0}, where = {0};
    esp_error error = {0};
    char **overrides;
    esp_err err;
    int status = wants_help (argc, argv, 1, samples_help);
    if (status >= 0)
        return status;
    if (esp_path_join (path, sizeof (path), argv[1], "run.yaml") != ESP_OK ||
        run_config_output_override (argv[1], &where) != ESP_OK)
        return EXIT_USAGE;
    overrides = argv + 1;
    overrides[0] = where.data; /* the folder may have been moved since */
    err = run_config_recall (path, overrides, (size_t)argc - 1, &c, &mistakes, &error);
    if (err == ESP_OK) {
        err = may_change (path, overrides, c, &error);
        status = err == ESP_OK ? harvest_again (c) : complain (err, &error);
        run_config_destroy (c);
    } else {
        fprintf (stderr, "%s", mistakes.len ? esp_buf_text (&mistakes) : "");
        status = error.code != ESP_OK ? complain (err, &error) : EXIT_USAGE;
    }
    esp_buf_free (&mistakes);
    esp_buf_free (&where);
    return status;
}

/* ---- fingerprint ---- */

/* A line of fingerprints is one line, its fields are separated by tabs. */
static bool can_stand (const char *id)
{
    return id && *id && !strpbrk (id, "\t\r\n");
}

static esp_err print_line (const char *set, const line *got, bool *asks)
{
    static const char *const names[] = {"id", "unique_id", "task_id", "name", NULL};
    json_t *row = json_loadb (got->text.ptr, got->text.len, 0, NULL);
    char counted[32];
    const char *id = NULL;
    words w = {NULL, 0, 0};
    esp_buf out = {0};
    esp_err err = json_is_object (row) ? words_of_problem (&w, row) : ESP_EFORMAT;
    snprintf (counted, sizeof (counted), "line-%" PRIu64, got->number);
    for (size_t i = 0; names[i] && !id; i++)
        id = json_string_value (json_object_get (row, names[i]));
    *asks = *asks || problem_asks (row);
    if (err == ESP_OK &&
        (err = eval_fingerprint (set, span_of (can_stand (id) ? id : counted), &w, &out)) == ESP_OK)
        fputs (esp_buf_text (&out), stdout);
    esp_buf_free (&out);
    words_free (&w);
    json_decref (row);
    return err;
}

static esp_err print_file (const char *set, const char *path, esp_error *error)
{
    line_reader *r;
    line got;
    bool asks = false;
    esp_err err = line_reader_open (path, LINE_MOST, &r, error);
    if (err != ESP_OK)
        return err;
    while ((err = line_reader_next (r, &got, error)) == ESP_OK) {
        if (got.too_long)
            err = ESP_EFORMAT;
        else if (span_trim (got.text).len > 0)
            err = print_line (set, &got, &asks);
        if (err != ESP_OK) {
            esp_error_set (error, err, "%s:%" PRIu64 ": %s", path, got.number,
                           got.too_long ? "longer than 8 MiB" : "not a JSON object");
            break;
        }
    }
    line_reader_close (r);
    if (err == ESP_EEMPTY && !asks)
        return esp_error_set (error, ESP_EFORMAT,
                              "%s: no row has a field that asks (" PROBLEM_ASKS ")", path);
    return err == ESP_EEMPTY ? ESP_OK : err;
}

int fingerprint_main (int argc, char **argv)
{
    esp_error error = {0};
    int status = wants_help (argc, argv, 2, fingerprint_help);
    if (status >= 0)
        return status;
    if (!*argv[1] || strpbrk (argv[1], "\t\r\n#")) {
        fprintf (stderr, "espalier: NAME may not be empty, and hold no tab, line end or #\n");
        return EXIT_USAGE;
    }
    printf ("# espalier fingerprints 1\n");
    for (int i = 2; i < argc; i++) {
        esp_err err = print_file (argv[1], argv[i], &error);
        if (err != ESP_OK)
            return complain (err, &error);
    }
    if (fflush (stdout) == 0 && !ferror (stdout))
        return EXIT_DONE;
    fprintf (stderr, "espalier: standard output: not all fingerprints could be written\n");
    return EXIT_BROKEN;
}
