/* SPDX-License-Identifier: Apache-2.0 */
/* report.c - options, then read, compute, print */

#include "cluster/console/report.h"
#include <argp.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "cluster/console/report_plot.h"
#include "cluster/console/report_print.h"
#include "cluster/console/report_prm.h"
#include "proto/base/alloc.h"
#include "proto/base/text.h"

enum { EXIT_OK = 0, EXIT_INPUT = 2, EXIT_BROKEN = 4 }; /* design.md, section 9 */
enum { MOST_ROUNDS = 1000000 };                        /* of the bootstrap: hours, not weeks */

enum { KEY_USAGE = 1 << 20, KEY_PRM, KEY_THRESHOLD }; /* no letters */

enum format { FORMAT_TABLE, FORMAT_CSV, FORMAT_JSON };

struct arguments {
    const char *outputs[2];
    size_t output_count;
    report_reading reading;
    report_settings settings;
    enum format format;
    const char *plot;
    bool help, prm;
    double threshold; /* --prm; NaN = the best one */
};

static const struct argp_option option_rows[] = {
    {"aggregate", 'a', "last|min|prod|mean|max", 0,
     "Score of a candidate from its step scores (default: the score in its row)", 0},
    {"power", 'p', "P", 0, "Weighted vote: sum of score^P (default 1)", 0},
    {"bootstrap", 'b', "N", 0, "Rounds of the 95 % intervals; 0 = none (default 1000)", 0},
    {"seed", 's', "N", 0, "Of the bootstrap (default 0)", 0},
    {"by", 'B', "FIELD", 0,
     "Also one section for each value of this field of the problem rows (level, subject, ...)", 0},
    {"x", 'x', "n|generations|steps|tokens", 0,
     "What to count as compute (default n, the candidates)", 0},
    {"format", 'f', "table|csv|json", 0, "Default table", 0},
    {"prm", KEY_PRM, NULL, 0,
     "How good the PRM's scores are: ProcessBench F1, AUC, calibration, over-optimisation", 0},
    {"threshold", KEY_THRESHOLD, "T", 0,
     "--prm: a step is wrong when its score is below T (default: the best T of the first OUTPUT)",
     0},
    {"plot", 'P', "FILE.svg", 0, "Also draw the curves (needs gnuplot)", 0},
    {"help", '?', NULL, 0, "Give this help list", -1},
    {"usage", KEY_USAGE, NULL, 0, "Give a short usage message", -1},
    {0},
};

static const char *const aggregates[] = {"last", "min", "prod", "mean", "max", NULL};
static const char *const axes[] = {"n", "generations", "steps", "tokens", NULL};
static const char *const formats[] = {"table", "csv", "json", NULL};

/* Says on stderr what is wrong; parsing then ends. */
static error_t
refuse (struct argp_state *state, const char *option, const char *arg, const char *rule)
{
    argp_error (state, "--%s %s: %s", option, arg, rule);
    return EINVAL;
}

static error_t choose (struct argp_state *state, const char *option, const char *arg,
                       const char *const *names, int *out)
{
    char rule[120];
    const char *near = esp_nearest (arg, names);
    for (int i = 0; names[i]; i++)
        if (strcmp (names[i], arg) == 0) {
            *out = i;
            return 0;
        }
    snprintf (rule, sizeof (rule), near ? "is not known; did you mean %s?" : "is not known", near);
    return refuse (state, option, arg, rule);
}

static error_t
whole (struct argp_state *state, const char *option, const char *arg, uint64_t max, uint64_t *out)
{
    char *end;
    unsigned long long value;
    errno = 0;
    value = strtoull (arg, &end, 10);
    if (errno != 0 || end == arg || *end || arg[0] == '-' || value > max)
        return refuse (state, option, arg, "must be a whole number, not too large");
    *out = value;
    return 0;
}

static error_t set_power (struct argp_state *state, const char *arg, double *out)
{
    char *end;
    double value = strtod (arg, &end);
    if (end == arg || *end || !(value >= 0 && value <= 1000)) /* not NaN either */
        return refuse (state, "power", arg, "must be a number from 0 to 1000");
    *out = value;
    return 0;
}

static error_t set_number (struct argp_state *state, const char *arg, double *out)
{
    char *end;
    double value = strtod (arg, &end);
    if (end == arg || *end || !isfinite (value))
        return refuse (state, "threshold", arg, "must be a number");
    *out = value;
    return 0;
}

static error_t set_positional (struct argp_state *state, struct arguments *a, const char *arg)
{
    if (a->output_count == 2) {
        argp_error (state, "two output folders at most");
        return EINVAL;
    }
    a->outputs[a->output_count++] = arg;
    return 0;
}

/* argp's own would leave the process or go on to miss the folder. */
static error_t show_help (struct argp_state *state, struct arguments *a, unsigned what)
{
    argp_state_help (state, stdout, what);
    a->help = true;
    state->next = state->argc;
    return 0;
}

/* Longer than our usual 40 lines: one short case an option. */
static error_t parse_key (int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    uint64_t rounds = a->settings.rounds;
    int chosen = 0;
    error_t rc = 0;
    switch (key) {
    case 'a':
        return choose (state, "aggregate", arg, aggregates, &a->reading.aggregate);
    case 'p':
        return set_power (state, arg, &a->settings.power);
    case 'b':
        rc = whole (state, "bootstrap", arg, MOST_ROUNDS, &rounds);
        a->settings.rounds = (uint32_t)rounds;
        return rc;
    case 's':
        return whole (state, "seed", arg, UINT64_MAX, &a->settings.seed);
    case 'B':
        a->reading.by = arg;
        return 0;
    case 'x':
        rc = choose (state, "x", arg, axes, &chosen);
        a->settings.axis = (enum report_axis)chosen;
        return rc;
    case 'f':
        rc = choose (state, "format", arg, formats, &chosen);
        a->format = (enum format)chosen;
        return rc;
    case 'P':
        a->plot = arg;
        return 0;
    case KEY_PRM:
        a->prm = true;
        return 0;
    case KEY_THRESHOLD:
        return set_number (state, arg, &a->threshold);
    case '?':
        return show_help (state, a, ARGP_HELP_STD_HELP);
    case KEY_USAGE:
        return show_help (state, a, ARGP_HELP_USAGE);
    case ARGP_KEY_ARG:
        return set_positional (state, a, arg);
    case ARGP_KEY_END:
        if (a->output_count > 0 || a->help)
            return 0;
        argp_error (state, "name the output folder of a run");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    option_rows,
    parse_key,
    "OUTPUT [OUTPUT2]",
    "Accuracy against compute of a run, from its rows; two runs are compared pair by pair."
    "\vEverything is computed from OUTPUT/answers.jsonl and candidates.jsonl: nothing is run "
    "again.  "
    "Exit status: 0 done, 2 wrong usage or input.",
    NULL,
    NULL,
    NULL,
};

static int fail (const esp_error *error)
{
    fprintf (stderr, "espalier report: %s\n", error->text);
    switch (error->code) {
    case ESP_ENOMEM:
    case ESP_EIO:
    case ESP_ENOSPC:
        return EXIT_BROKEN;
    default:
        return EXIT_INPUT;
    }
}

static esp_err make_part (const report_run *run, const report_settings *settings, report_part *out)
{
    size_t count = 1 + run->group_count;
    esp_err err = ESP_OK;
    out->run = run;
    if (!(out->sections = esp_calloc (count, sizeof (*out->sections))))
        return ESP_ENOMEM;
    for (size_t i = 0; err == ESP_OK && i < count; i++) {
        report_section *made = &out->sections[out->section_count];
        err = report_section_make (run, (int)i - 1, settings, made);
        if (err == ESP_OK && i > 0 && made->items == 0)
            report_section_free (made); /* a value that no problem of this run has */
        else
            out->section_count += err == ESP_OK;
    }
    return err;
}

/* A run of an older program has none. */
static esp_err add_costs (const char *output, report_part *part, esp_error *error)
{
    esp_err err = report_costs_read (output, &part->costs, error);
    part->has_costs = err == ESP_OK;
    if (err == ESP_ENOENT)
        *error = (esp_error){0};
    return err == ESP_ENOENT ? ESP_OK : err;
}

static void free_part (report_part *part)
{
    for (size_t i = 0; i < part->section_count; i++)
        report_section_free (&part->sections[i]);
    esp_free (part->sections);
}

static esp_err print (const struct arguments *a, const report *r, esp_error *error)
{
    esp_err err = ESP_OK;
    if (a->format == FORMAT_CSV)
        report_print_csv (stdout, r);
    else if (a->format == FORMAT_JSON)
        err = report_print_json (stdout, r);
    else
        report_print_table (stdout, r);
    if (err != ESP_OK)
        return esp_error_set (error, err, "out of memory");
    if (fflush (stdout) != 0 || ferror (stdout))
        return esp_error_set (error, ESP_EIO, "standard output cannot be written: %s",
                              strerror (errno));
    return a->plot ? report_plot (r, a->plot, error) : ESP_OK;
}

static esp_err
compute_and_print (const struct arguments *a, const report_run *runs, esp_error *error)
{
    report_part parts[2] = {{0}};
    report_versus versus;
    report r = {parts, a->output_count, NULL, &a->settings, a->reading.by};
    esp_err err = ESP_OK;
    for (size_t i = 0; err == ESP_OK && i < a->output_count; i++)
        err = add_costs (a->outputs[i], &parts[i], error);
    for (size_t i = 0; err == ESP_OK && i < a->output_count; i++)
        err = make_part (&runs[i], &a->settings, &parts[i]);
    if (err == ESP_OK && a->output_count == 2) {
        err = report_compare (&runs[0], &runs[1], &a->settings, &versus);
        r.versus = &versus;
    }
    if (err == ESP_OK)
        err = print (a, &r, error);
    else if (error->code == ESP_OK)
        esp_error_set (error, err, "out of memory");
    free_part (&parts[0]);
    free_part (&parts[1]);
    return err;
}

/* ---- --prm ---- */

static esp_err prm_figures_print (const struct arguments *a, const prm_data *data, esp_error *error)
{
    prm_figures figures[2];
    double threshold = a->threshold;
    esp_err err = ESP_OK;
    for (size_t i = 0; err == ESP_OK && i < a->output_count; i++) {
        err = prm_figures_of (a->outputs[i], &data[i], threshold, &figures[i]);
        if (err == ESP_OK && figures[i].has_f1)
            threshold = figures[i].f1.threshold; /* chosen on the first, used for the second */
    }
    for (size_t i = 0; err == ESP_OK && a->format == FORMAT_TABLE && i < a->output_count; i++)
        prm_print_table (stdout, &figures[i]);
    if (err == ESP_OK && a->format == FORMAT_JSON)
        err = prm_print_json (stdout, figures, a->output_count);
    return err == ESP_OK ? err : esp_error_set (error, err, "out of memory");
}

static int prm_main (const struct arguments *a)
{
    prm_data data[2] = {{.count = 0}};
    esp_error error = {0};
    esp_err err = ESP_OK;
    if (a->format == FORMAT_CSV || a->plot || a->reading.by)
        err = esp_error_set (&error, ESP_EINVAL,
                             "--prm: prints a table or --format json; no csv, --plot or --by");
    for (size_t i = 0; err == ESP_OK && i < a->output_count; i++) {
        esp_error note = {0};
        err = prm_read (a->outputs[i], a->reading.aggregate, &data[i], &note, &error);
        if (err == ESP_OK && note.text[0])
            fprintf (stderr, "espalier report: %s\n", note.text);
    }
    if (err == ESP_OK)
        err = prm_figures_print (a, data, &error);
    prm_data_free (&data[0]);
    prm_data_free (&data[1]);
    return err == ESP_OK ? EXIT_OK : fail (&error);
}

/* argp and getopt take the name for their messages from argv[0]. */
static bool parse (int argc, char **argv, struct arguments *a)
{
    char name[] = "espalier report", *given = argc > 0 ? argv[0] : NULL;
    error_t rc;
    if (!given)
        return false;
    argv[0] = name;
    rc = argp_parse (&parser, argc, argv, ARGP_NO_EXIT | ARGP_NO_HELP, NULL, a);
    argv[0] = given;
    return rc == 0;
}

int report_main (int argc, char **argv)
{
    struct arguments a = {
        .reading = {.aggregate = -1}, .settings = {.power = 1, .rounds = 1000}, .threshold = NAN};
    report_run runs[2] = {{0}};
    esp_error error = {0};
    esp_err err = ESP_OK;
    if (!parse (argc, argv, &a))
        return EXIT_INPUT;
    if (a.help)
        return EXIT_OK;
    if (a.prm)
        return prm_main (&a);
    for (size_t i = 0; err == ESP_OK && i < a.output_count; i++) {
        err = report_read (a.outputs[i], &a.reading, &runs[i], &error);
        if (err == ESP_OK && runs[i].orphans > 0)
            fprintf (stderr,
                     "espalier report: %s: %zu candidates of problems without an answer (yet) were "
                     "left out\n",
                     a.outputs[i], runs[i].orphans);
    }
    if (err == ESP_OK)
        err = compute_and_print (&a, runs, &error);
    report_run_free (&runs[0]);
    report_run_free (&runs[1]);
    return err == ESP_OK ? EXIT_OK : fail (&error);
}
