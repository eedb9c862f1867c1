/* SPDX-License-Identifier: Apache-2.0 */
/* journal_dump.c - espalier journal dump: every record as one JSON line */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "cluster/cli/commands.h"
#include "cluster/console/console.h"
#include "coordinator/journal/journal.h"

static const char *const help = "usage: espalier journal dump OUTPUT\n\n"
                                "Prints every record of the run's journal as one JSON line: "
                                "header, synced, input, commit, hash, footer, death.  Works while\n"
                                "the run goes on.  docs/journal.md explains the fields.\n";

/* The first error is kept, so that a record is written as one expression. */
struct line {
    esp_buf text;
    esp_err err;
};

static void raw (struct line *l, const char *text)
{
    if (l->err == ESP_OK)
        l->err = esp_buf_puts (&l->text, text);
}

static void number (struct line *l, const char *key, uint64_t value)
{
    if (l->err == ESP_OK)
        l->err = esp_buf_printf (&l->text, ",\"%s\":%" PRIu64, key, value);
}

static void string (struct line *l, const char *key, span value)
{
    if (l->err == ESP_OK)
        l->err = esp_buf_printf (&l->text, ",\"%s\":", key);
    if (l->err == ESP_OK)
        l->err = esp_buf_json_string (&l->text, value);
}

static void real (struct line *l, const char *key, double value)
{
    if (l->err == ESP_OK)
        l->err = esp_buf_printf (&l->text, ",\"%s\":", key);
    if (l->err == ESP_OK)
        l->err = esp_buf_json_double (&l->text, value);
}

static void problem_of (struct line *l, problem_key key)
{
    number (l, "problem", problem_number (key));
    number (l, "repeat", problem_repeat (key));
}

static void result_line (struct line *l, const result *r)
{
    number (l, "task", r->id.number);
    if (r->error != ESP_OK)
        string (l, "error", span_of (esp_err_name (r->error)));
    if (r->text.len > 0 || r->tokens > 0) {
        string (l, "text", r->text);
        number (l, "tokens", r->tokens);
        string (l, "finish", span_of (node_finish_names[r->finish]));
        if (!isnan (r->logprob))
            real (l, "logprob", r->logprob);
    }
    if (r->score_count > 0) {
        raw (l, ",\"scores\":[");
        for (uint32_t i = 0; i < r->score_count && l->err == ESP_OK; i++) {
            raw (l, i ? "," : "");
            if (l->err == ESP_OK)
                l->err = esp_buf_json_double (&l->text, r->scores[i]);
        }
        raw (l, "]");
        number (l, "own", r->score_own);
    }
    if (r->verdict != VERDICT_NONE) {
        string (l, "verdict", span_of (verdict_names[r->verdict]));
        string (l, "answer", r->answer);
        string (l, "reason", r->reason);
    }
}

static void input_line (struct line *l, const input *in)
{
    string (l, "input", span_of (input_kind_names[in->kind]));
    problem_of (l, in->problem);
    if (in->kind == INPUT_RESULT)
        result_line (l, &in->u.result);
    if (in->kind != INPUT_COMMAND)
        return;
    string (l, "command", span_of (command_kind_names[in->u.command.kind]));
    if (in->u.command.node != NODE_NONE)
        number (l, "node", in->u.command.node);
    real (l, "value", in->u.command.value);
    string (l, "text", in->u.command.text);
}

static void files_line (struct line *l, const file_offset *files, size_t count)
{
    raw (l, ",\"files\":{");
    for (size_t i = 0; i < count; i++) {
        raw (l, i ? "," : "");
        if (l->err == ESP_OK)
            l->err = esp_buf_json_string (&l->text, files[i].name);
        if (l->err == ESP_OK)
            l->err = esp_buf_printf (&l->text, ":%" PRIu64, files[i].bytes);
    }
    raw (l, "}");
}

/* As [repeat, number] pairs. */
static void problems_line (struct line *l, const problem_key *keys, size_t count)
{
    raw (l, ",\"problems\":[");
    for (size_t i = 0; i < count && l->err == ESP_OK; i++)
        l->err = esp_buf_printf (&l->text, "%s[%u,%u]", i ? "," : "", problem_repeat (keys[i]),
                                 problem_number (keys[i]));
    raw (l, "]");
}

/* The tasks as [repeat, number, task] triples. */
static void death_line (struct line *l, const record *r)
{
    const task_id *ids = r->u.death.tasks;
    number (l, "rank", r->u.death.rank);
    raw (l, r->u.death.alone ? ",\"alone\":true" : ",\"alone\":false");
    raw (l, ",\"tasks\":[");
    for (size_t i = 0; i < r->u.death.task_count && l->err == ESP_OK; i++)
        l->err =
            esp_buf_printf (&l->text, "%s[%u,%u,%u]", i ? "," : "", problem_repeat (ids[i].problem),
                            problem_number (ids[i].problem), ids[i].number);
    raw (l, "]");
}

static void header_line (struct line *l, const record_header *h)
{
    number (l, "format", h->format);
    if (l->err == ESP_OK)
        l->err = esp_buf_printf (&l->text,
                                 ",\"run_id\":\"%016" PRIx64 "\",\"identity\":\"%016" PRIx64 "\"",
                                 h->run_id, h->identity);
    number (l, "epoch", h->epoch);
    number (l, "segment", h->segment);
    number (l, "first", h->first);
    string (l, "strategy", h->strategy);
    number (l, "semantics", h->semantics);
    string (l, "program", h->program);
    number (l, "finished_ranges", h->finished_count);
    files_line (l, h->files, h->file_count);
    string (l, "run_file", h->run_file);
}

static esp_err dump_one (void *ctx, const record *r)
{
    struct line l = {.err = ESP_OK};
    FILE *out = ctx;
    l.err = esp_buf_printf (&l.text, "{\"record\":\"%s\",\"number\":%" PRIu64,
                            record_kind_names[r->kind], r->number);
    switch ((enum record_kind)r->kind) {
    case RECORD_HEADER:
        header_line (&l, &r->u.header);
        break;
    case RECORD_SYNCED:
        number (&l, "offset", r->u.synced.offset);
        break;
    case RECORD_INPUT:
        input_line (&l, &r->u.input);
        break;
    case RECORD_COMMIT:
        number (&l, "up_to", r->u.commit.up_to);
        files_line (&l, r->u.commit.files, r->u.commit.file_count);
        problems_line (&l, r->u.commit.problems, r->u.commit.problem_count);
        break;
    case RECORD_HASH:
        problem_of (&l, r->u.hash.problem);
        if (l.err == ESP_OK)
            l.err = esp_buf_printf (&l.text, ",\"digest\":\"%016" PRIx64 "\"", r->u.hash.digest);
        break;
    case RECORD_FOOTER:
        problems_line (&l, r->u.footer.problems, r->u.footer.problem_count);
        break;
    case RECORD_DEATH:
        death_line (&l, r);
        break;
    case RECORD_KINDS:
        break;
    }
    raw (&l, "}\n");
    if (l.err == ESP_OK && fputs (esp_buf_text (&l.text), out) < 0)
        l.err = ESP_EIO;
    esp_buf_free (&l.text);
    return l.err;
}

int journal_main (int argc, char **argv)
{
    esp_error error = {0};
    esp_err err;
    if (argc >= 2 &&
        (strcmp (argv[argc - 1], "--help") == 0 || strcmp (argv[argc - 1], "-h") == 0)) {
        fputs (help, stdout);
        return EXIT_DONE;
    }
    if (argc != 3 || strcmp (argv[1], "dump") != 0) {
        fputs (help, stderr);
        return EXIT_USAGE;
    }
    err = journal_walk (argv[2], UINT64_MAX, dump_one, stdout, &error);
    if (err == ESP_OK && fflush (stdout) != 0)
        err = esp_error_set (&error, ESP_EIO, "standard output cannot be written");
    if (err == ESP_OK)
        return EXIT_DONE;
    fprintf (stderr, "espalier: %s\n", error.text[0] ? error.text : esp_err_text (err));
    return err == ESP_ENOENT ? EXIT_USAGE : EXIT_BROKEN;
}
