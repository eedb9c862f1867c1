/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_import.c - espalier import: arguments, files */

#include <stdio.h>
#include <string.h>
#include "cluster/cli/commands.h"
#include "cluster/cli/import.h"
#include "proto/base/alloc.h"
#include "proto/base/file.h"

enum { RECIPE_BYTES = 1 << 20 };

static const char *const import_help =
    "usage: espalier import sal RECIPE.yaml [-o RUN.yaml]\n"
    "       espalier import samples FILE.jsonl ... [--problems FILE.jsonl] [-o OUT.jsonl]\n\n"
    "sal: a recipe of search-and-learn becomes a run file; comments say what has no counterpart.\n"
    "samples: rows of samples (EvalPlus, HumanEval, NeMo-Skills, search-and-learn ...) become one "
    "row a problem with\nits `completions`, for generator.engine file.  Rows with one id (or one "
    "problem text) belong together, over\nall files; --problems: where prompt, answer and tests "
    "come from, when the samples do not have them.\n\n"
    "Without -o: standard output.  Exit status 0, or 2 (the sentence names file and line).\n";

struct import_arguments {
    const char *inputs[256];
    size_t count;
    const char *output, *problems;
};

static int usage (void)
{
    fputs (import_help, stderr);
    return EXIT_USAGE;
}

/* Returns EXIT_DONE, or the status to leave with. */
static int parse (int argc, char **argv, struct import_arguments *a)
{
    for (int i = 2; i < argc; i++) {
        const char **value = strcmp (argv[i], "-o") == 0           ? &a->output
                             : strcmp (argv[i], "--problems") == 0 ? &a->problems
                                                                   : NULL;
        if (value && i + 1 < argc)
            *value = argv[++i];
        else if (value || argv[i][0] == '-' ||
                 a->count == sizeof (a->inputs) / sizeof (a->inputs[0]))
            return usage ();
        else
            a->inputs[a->count++] = argv[i];
    }
    return a->count > 0 ? EXIT_DONE : usage ();
}

static int fail (const esp_error *error)
{
    fprintf (stderr, "espalier: %s\n", error->text);
    return error->code == ESP_ENOMEM || error->code == ESP_EIO ? EXIT_BROKEN : EXIT_USAGE;
}

static int put (const struct import_arguments *a, const esp_buf *text)
{
    esp_error error = {0};
    if (!a->output) {
        fwrite (esp_buf_text (text), 1, text->len, stdout);
        return EXIT_DONE;
    }
    return esp_file_write (a->output, esp_buf_span (text), 0644, &error) == ESP_OK ? EXIT_DONE
                                                                                   : fail (&error);
}

static int run_sal (const struct import_arguments *a)
{
    esp_buf recipe = {0}, out = {0}, notes = {0};
    esp_error error = {0};
    int status;
    esp_error why = {0};
    esp_err err = esp_file_read (a->inputs[0], RECIPE_BYTES, &recipe, &why);
    if (err != ESP_OK)
        esp_error_set (&error, err, "import sal: %s", why.text);
    else
        err = import_sal (esp_buf_span (&recipe), a->inputs[0], &out, &notes, &error);
    fputs (esp_buf_text (&notes), stderr);
    status = err == ESP_OK ? put (a, &out) : fail (&error);
    esp_buf_free (&recipe);
    esp_buf_free (&out);
    esp_buf_free (&notes);
    return status;
}

static int run_samples (const struct import_arguments *a)
{
    esp_buf out = {0};
    import_counts counts = {0};
    esp_error error = {0};
    int status;
    esp_err err = import_samples (a->inputs, a->count, a->problems, &out, &counts, &error);
    status = err == ESP_OK ? put (a, &out) : fail (&error);
    if (status == EXIT_DONE)
        fprintf (stderr, "espalier: %zu rows, %zu problems\n", counts.rows, counts.problems);
    if (status == EXIT_DONE && counts.unknown > 0)
        fprintf (stderr,
                 "espalier: %zu of them are not in %s: their rows have only what the samples say\n",
                 counts.unknown, a->problems);
    esp_buf_free (&out);
    return status;
}

int import_main (int argc, char **argv)
{
    struct import_arguments a = {.count = 0};
    int status;
    if (argc > 1 && (strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0)) {
        fputs (import_help, stdout);
        return EXIT_DONE;
    }
    if (argc < 2)
        return usage ();
    if ((status = parse (argc, argv, &a)) != EXIT_DONE)
        return status; /* it has said why */
    if (strcmp (argv[1], "sal") == 0)
        return a.count == 1 && !a.problems ? run_sal (&a) : usage ();
    return strcmp (argv[1], "samples") == 0 ? run_samples (&a) : usage ();
}
