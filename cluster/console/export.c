/* SPDX-License-Identifier: Apache-2.0 */
/* export.c - espalier export: samples of every finished problem, made from the journal
 *
 * One walk over the journal rebuilds the searches side by side, as many as the run had open; a finished one is written and freed.  A
 * problem that was opened a second time (a budget grew) is void until it ends again.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>
#include "cluster/cli/commands.h"
#include "cluster/console/console.h"
#include "cluster/console/ordered_lines.h"
#include "cluster/console/rebuild.h"
#include "coordinator/sink/rows.h"
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/config/config.h"

enum { PATH_MOST = 4096, SAY_EVERY = 100 /* finished problems */ };

struct asked { /* on the command line */
    const char *output, *format, *file, *id;
    bool unverified;
    char **options;
    int option_count;
};

struct open_search {
    problem_key key;
    search *search; /* owned */
};

struct exporting {
    const struct asked *asked;
    rebuild r;
    sample_item item;
    config *config;           /* owned: texts of the item's options */
    struct open_search *open; /* owned; by key */
    size_t count, cap;
    bool one; /* only problem `number` */
    uint32_t number;
    effects effects;
    esp_buf lines;
    ordered_lines *done; /* owned */
    uint64_t finished;   /* searches, for progress */
    uint64_t problems, written;
    FILE *to;
    ZSTD_CCtx *pack; /* owned; NULL: lines as they are */
    esp_error error;
};

/* ---- searches ---- */

/* Where the key stands, or would. */
static size_t place_of (const struct exporting *e, problem_key key)
{
    size_t low = 0, high = e->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (e->open[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static search **find (struct exporting *e, problem_key key)
{
    size_t at = place_of (e, key);
    return at < e->count && e->open[at].key == key ? &e->open[at].search : NULL;
}

static void drop (struct exporting *e, problem_key key)
{
    size_t at = place_of (e, key);
    search_destroy (e->open[at].search);
    e->count--;
    memmove (&e->open[at], &e->open[at + 1], (e->count - at) * sizeof (*e->open));
}

static esp_err begin (struct exporting *e, problem_key key)
{
    esp_buf memory = {0};
    problem row;
    size_t at;
    search *made = NULL;
    esp_err err = problem_source_get (e->r.source, problem_repeat (key), problem_number (key),
                                      &memory, &row, &e->error);
    if (err == ESP_OK && find (e, key))
        drop (e, key);
    if (err == ESP_OK)
        err = ordered_lines_void (e->done, key, &e->error);
    if (err == ESP_OK)
        err = search_create (&e->r.now->search, &row, &made);
    esp_buf_free (&memory);
    if (err != ESP_OK)
        return err;
    if (esp_grow (&e->open, &e->cap, e->count + 1, sizeof (*e->open)) != 0) {
        search_destroy (made);
        return ESP_ENOMEM;
    }
    at = place_of (e, key);
    memmove (&e->open[at + 1], &e->open[at], (e->count - at) * sizeof (*e->open));
    e->open[at] = (struct open_search){key, made};
    e->count++;
    return ESP_OK;
}

static void say_progress (const struct exporting *e)
{
    if (e->finished % SAY_EVERY == 0 && isatty (STDERR_FILENO))
        fprintf (stderr, "\rexport: %" PRIu64 " problems", e->finished);
}

static esp_err end (struct exporting *e, problem_key key)
{
    const search *s = *find (e, key);
    unsigned sets = e->asked->unverified ? 1U << SAMPLE_UNVERIFIED : 1U << SAMPLE_VERIFIED;
    branches all = {.items = NULL};
    esp_err err = branches_of_search (s, (enum answer_equality)e->r.config->vote.equal, &all);
    esp_buf_clear (&e->lines);
    if (err == ESP_OK && (err = branches_agree (&all)) == ESP_OK)
        err = samples_plain (s, &all, &e->item, esp_buf_span (&e->r.config->samples.origin), sets,
                             &e->lines);
    branches_free (&all);
    if (err == ESP_OK)
        err = ordered_lines_put (e->done, key, esp_buf_span (&e->lines), &e->error);
    drop (e, key);
    e->finished++;
    say_progress (e);
    return err;
}

/* ---- the journal ---- */

static esp_err take_header (struct exporting *e, span run_file)
{
    esp_err err = rebuild_under (&e->r, run_file, &e->error);
    bool tokens = e->item.format->needs & SAMPLE_NEEDS_TOKENS;
    e->r.config->search.keep_tokens = tokens;
    for (size_t i = 0; i < e->r.older_count; i++)
        e->r.older[i]->search.keep_tokens = tokens;
    return err;
}

static esp_err take_input (struct exporting *e, const input *in)
{
    search **s;
    esp_err err;
    if (e->one && problem_number (in->problem) != e->number)
        return ESP_OK;
    if (in->kind == INPUT_OPEN && (err = begin (e, in->problem)) != ESP_OK)
        return err;
    if (!(s = find (e, in->problem)))
        return ESP_OK; /* its OPEN is gone (journal.keep: open) */
    if ((err = search_apply (*s, in, &e->effects)) != ESP_OK)
        return err;
    return e->effects.finished ? end (e, in->problem) : ESP_OK;
}

static esp_err visit (void *ctx, const record *found)
{
    struct exporting *e = ctx;
    search **s;
    switch (found->kind) {
    case RECORD_HEADER:
        return take_header (e, found->u.header.run_file);
    case RECORD_INPUT:
        return take_input (e, &found->u.input);
    case RECORD_HASH:
        s = find (e, found->u.hash.problem);
        if (s && search_digest (*s) != found->u.hash.digest)
            return esp_error_set (&e->error, ESP_EDIVERGED,
                                  "%s: the replay differs from what was recorded at input %" PRIu64
                                  ": this program is not the one that wrote the journal",
                                  e->asked->output, found->number);
        return ESP_OK;
    default:
        return ESP_OK;
    }
}

/* ---- the file ---- */

static esp_err cannot_write (struct exporting *e)
{
    return esp_error_set (&e->error, esp_err_of_errno (errno), "%s: cannot be written: %s",
                          e->asked->file ? e->asked->file : "standard output", strerror (errno));
}

static esp_err write_packed (struct exporting *e, span lines, ZSTD_EndDirective how)
{
    char bytes[1 << 16];
    ZSTD_inBuffer in = {lines.ptr, lines.len, 0};
    size_t left;
    do {
        ZSTD_outBuffer out = {bytes, sizeof (bytes), 0};
        left = ZSTD_compressStream2 (e->pack, &out, &in, how);
        if (ZSTD_isError (left))
            return esp_error_set (&e->error, ESP_ENOMEM, "%s: %s", e->asked->file,
                                  ZSTD_getErrorName (left));
        if (out.pos > 0 && fwrite (bytes, 1, out.pos, e->to) != out.pos)
            return cannot_write (e);
    } while (in.pos < in.size || (how == ZSTD_e_end && left > 0));
    return ESP_OK;
}

static esp_err write_lines (void *ctx, span lines, esp_error *error)
{
    struct exporting *e = ctx;
    (void)error; /* e->error */
    e->written += span_count (lines, span_of ("\n"));
    if (e->pack)
        return write_packed (e, lines, ZSTD_e_continue);
    return fwrite (lines.ptr, 1, lines.len, e->to) == lines.len ? ESP_OK : cannot_write (e);
}

/* To FILE.tmp first: FILE is whole or not there. */
static esp_err write_all (struct exporting *e)
{
    const char *file = e->asked->file;
    char partly[PATH_MOST];
    esp_err err;
    e->to = stdout;
    if (!file)
        return ordered_lines_all (e->done, write_lines, e, &e->problems, &e->error);
    if (snprintf (partly, sizeof (partly), "%s.tmp", file) >= (int)sizeof (partly))
        return esp_error_set (&e->error, ESP_ETOOBIG, "%.80s...: the path is too long", file);
    if (!(e->to = fopen (partly, "w")))
        return cannot_write (e);
    if (span_ends (span_of (file), ".zst") && !(e->pack = ZSTD_createCCtx ()))
        err = esp_error_set (&e->error, ESP_ENOMEM, "out of memory");
    else
        err = ordered_lines_all (e->done, write_lines, e, &e->problems, &e->error);
    if (err == ESP_OK && e->pack)
        err = write_packed (e, span_make ("", 0), ZSTD_e_end);
    if ((fclose (e->to) != 0 || (err == ESP_OK && rename (partly, file) != 0)) && err == ESP_OK)
        err = cannot_write (e);
    if (err != ESP_OK)
        unlink (partly);
    return err;
}

/* ---- the command ---- */

static void help (FILE *to)
{
    fprintf (to, "usage: espalier export OUTPUT FORMAT [key=value ...] [-o FILE] [--unverified] "
                 "[--id ID]\n\n"
                 "Writes the samples of every finished problem, made anew from the journal, in the "
                 "order of the problems.\n"
                 "Works while the run goes on.  Nothing is compared between problems: duplicates "
                 "and evaluation sets are\n"
                 "the business of the files in OUTPUT/samples.\n\n"
                 "  -o FILE        instead of standard output; FILE.zst is packed\n"
                 "  --unverified   what no verifier decided, instead of what one did\n"
                 "  --id ID        of one problem (or #NUMBER)\n"
                 "  key=value      options of the format; docs/samples.md\n\n");
    for (size_t i = 0; sample_format_at (i); i++)
        fprintf (to, "  %-14s %s\n", sample_format_at (i)->name, sample_format_at (i)->what);
}

/* 0 = go on; else the exit status + 1. */
static int read_words (int argc, char **argv, struct asked *a)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp (argv[i], "--help") == 0 || strcmp (argv[i], "-h") == 0) {
            help (stdout);
            return EXIT_DONE + 1;
        }
        if (strcmp (argv[i], "--unverified") == 0)
            a->unverified = true;
        else if (strcmp (argv[i], "-o") == 0 && i + 1 < argc)
            a->file = argv[++i];
        else if (strcmp (argv[i], "--id") == 0 && i + 1 < argc)
            a->id = argv[++i];
        else if (argv[i][0] != '-' && !a->output)
            a->output = argv[i];
        else if (argv[i][0] != '-' && !a->format)
            a->format = argv[i];
        else if (argv[i][0] != '-' && strchr (argv[i], '='))
            a->options[a->option_count++] = argv[i];
        else {
            fprintf (stderr, "espalier: export: '%s' is not understood\n\n", argv[i]);
            help (stderr);
            return EXIT_USAGE + 1;
        }
    }
    if (a->format)
        return 0;
    help (stderr);
    return EXIT_USAGE + 1;
}

static esp_err find_format (struct exporting *e)
{
    const char *names[64] = {NULL}, *near;
    for (size_t i = 0; i < 63 && sample_format_at (i); i++)
        names[i] = sample_format_at (i)->name;
    if (!(e->item.format = sample_format_find (e->asked->format))) {
        near = esp_nearest (e->asked->format, names);
        return esp_error_set (
            &e->error, ESP_EUNKNOWN, "export: there is no format '%.60s'%s%s%s; --help names them",
            e->asked->format, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    }
    if (e->asked->unverified && e->item.format->shows_all)
        return esp_error_set (&e->error, ESP_EINVAL,
                              "export: %s writes what was searched, true or not: leave "
                              "--unverified out",
                              e->asked->format);
    return ESP_OK;
}

/* The option rows of the format, as section `samples` reads them. */
static esp_err bind_options (struct exporting *e)
{
    static const esp_option no_rows[] = {ESP_OPTION_END}, *const none = no_rows;
    const sample_format *f = e->item.format;
    const char *mistakes = "";
    char text[400];
    esp_err err = config_parse (span_of ("samples: {}\n"), "export", &e->config, &e->error);
    for (int i = 0; i < e->asked->option_count && err == ESP_OK; i++)
        if (snprintf (text, sizeof (text), "samples.%s", e->asked->options[i]) >=
            (int)sizeof (text))
            err = esp_error_set (&e->error, ESP_ETOOBIG, "export: '%.40s...' is too long",
                                 e->asked->options[i]);
        else
            err = config_override (e->config, text, &e->error);
    if (err == ESP_OK && !(e->item.own = esp_calloc (1, f->option_bytes + 1)))
        err = ESP_ENOMEM;
    if (err == ESP_OK)
        err = config_bind (e->config, "samples", f->options ? &f->options : &none, &e->item.own, 1);
    if (err == ESP_OK)
        err = config_check_unknown (e->config);
    if (err == ESP_OK && config_mistakes (e->config, &mistakes) > 0)
        err = esp_error_set (&e->error, ESP_EFORMAT, "export %s: %.*s", f->name,
                             (int)strcspn (mistakes, "\n"), mistakes);
    return err;
}

static esp_err open_all (struct exporting *e)
{
    char folder[PATH_MOST] = "";
    const char *slash = e->asked->file ? strrchr (e->asked->file, '/') : NULL;
    problem_key key;
    esp_err err = rebuild_open (e->asked->output, &e->r, &e->error);
    if (err != ESP_OK)
        return err;
    if (e->asked->id) {
        if ((err = rebuild_find (&e->r, e->asked->id, 0, &key, &e->error)) != ESP_OK)
            return err;
        e->one = true;
        e->number = problem_number (key);
    }
    if (slash)
        snprintf (folder, sizeof (folder), "%.*s", (int)(slash - e->asked->file + 1),
                  e->asked->file);
    return ordered_lines_create (!e->asked->file ? NULL
                                 : slash         ? folder
                                                 : ".",
                                 &e->done, &e->error);
}

static void close_all (struct exporting *e)
{
    while (e->count > 0)
        search_destroy (e->open[--e->count].search);
    esp_free (e->open);
    effects_free (&e->effects);
    esp_buf_free (&e->lines);
    ordered_lines_destroy (e->done);
    ZSTD_freeCCtx (e->pack); /* accepts NULL */
    esp_free (e->item.own);
    config_destroy (e->config);
    rebuild_close (&e->r);
}

static int run_export (const struct asked *a)
{
    struct exporting e = {.asked = a};
    bool begun = false;
    esp_err err = find_format (&e);
    if (err == ESP_OK && (err = bind_options (&e)) == ESP_OK && (err = open_all (&e)) == ESP_OK) {
        begun = true;
        err = journal_walk (a->output, UINT64_MAX, visit, &e, &e.error);
    }
    if (begun && isatty (STDERR_FILENO))
        fprintf (stderr, "\r\033[K");
    if (err == ESP_OK)
        err = write_all (&e);
    if (err == ESP_OK)
        fprintf (stderr, "espalier: export: %" PRIu64 " lines of %" PRIu64 " finished problems%s\n",
                 e.written, e.problems, e.count > 0 ? "; others are open" : "");
    else
        fprintf (stderr, "espalier: %s\n", e.error.text[0] ? e.error.text : esp_err_text (err));
    close_all (&e);
    return err == ESP_OK ? EXIT_DONE : begun ? EXIT_BROKEN : EXIT_USAGE;
}

int export_main (int argc, char **argv)
{
    struct asked a = {.output = NULL};
    int status;
    if (!(a.options = esp_calloc ((size_t)argc + 1, sizeof (*a.options))))
        return EXIT_BROKEN;
    if ((status = read_words (argc, argv, &a)) == 0)
        status = run_export (&a) + 1;
    esp_free (a.options);
    return status - 1;
}
