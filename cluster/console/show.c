/* SPDX-License-Identifier: Apache-2.0 */
/* show.c - espalier show: the tree of one problem, from the journal */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cluster/cli/commands.h"
#include "cluster/console/console.h"
#include "cluster/console/rebuild.h"

static const char *const help =
    "usage: espalier show OUTPUT ID [--repeat N] [--json | --dot]\n\n"
    "Rebuilds the search of one problem from the journal and prints its tree: path of ordinals, "
    "score, tokens, how the\n"
    "step ended, what became of it and why, and the beginning of its text.  ID is the problem's "
    "id, or #NUMBER.\n"
    "Works while the run goes on.  --json: nested; --dot: for graphviz.\n";

enum form { FORM_TEXT, FORM_JSON, FORM_DOT };
enum { TEXT_WIDTH = 60 };

/* The first line of a model's text, fit for a terminal. */
static void short_text (const node *n, char out[TEXT_WIDTH + 4])
{
    span text = span_trim (node_text (n));
    span line = span_make (text.ptr, span_find (text, span_of ("\n")));
    span cut = esp_utf8_cut (line, TEXT_WIDTH);
    snprintf (out, TEXT_WIDTH + 4, "%.*s%s", (int)cut.len, cut.ptr,
              cut.len < text.len ? "..." : "");
    esp_text_scrub (out);
}

/* Next node of a depth-first walk; NODE_NONE at the end.  `left` counts levels closed on the way. */
static node_ref step_on (const search *s, node_ref at, unsigned *left)
{
    const node *n = search_node (s, at);
    *left = 0;
    if (n->first_child != NODE_NONE)
        return n->first_child;
    while (at != NODE_ROOT && search_node (s, at)->next_sibling == NODE_NONE) {
        at = search_node (s, at)->parent;
        ++*left;
    }
    if (at == NODE_ROOT)
        return NODE_NONE;
    ++*left;
    return search_node (s, at)->next_sibling;
}

static const char *state_of (const node *n)
{
    return n->state == NODE_PLANNED ? "planned" : node_finish_names[n->finish];
}

/* ---- text ---- */

static void head_text (const search *s)
{
    const problem *p = search_problem (s);
    budget used = search_used (s);
    char id[300];
    snprintf (id, sizeof (id), "%.*s", (int)p->id.len, p->id.ptr);
    esp_text_scrub (id);
    printf ("problem %s (number %u, repeat %u): %s; %" PRIu64 " generations, %" PRIu64
            " steps, %" PRIu64 " tokens generated, %" PRIu64 " scored; %u nodes\n",
            id, problem_number (p->key), problem_repeat (p->key),
            finish_reason_names[search_reason (s)], used.generations, used.steps,
            used.generated_tokens, used.scored_tokens, tree_size (search_tree (s)) - 1);
}

/* Why, too: an unknown that says nothing sends people to the log. */
static void verdict_text (const node *n)
{
    const node_extra *e = n->extra;
    if (n->verdict != VERDICT_NONE)
        printf ("  verdict %s%s%.*s%s", verdict_names[n->verdict], e && e->reason_len ? " (" : "",
                e ? (int)e->reason_len : 0, e && e->reason ? e->reason : "",
                e && e->reason_len ? ")" : "");
    if (e && e->visible)
        printf ("  visible tests %s (%.*s)", verdict_names[e->visible], (int)e->visible_reason_len,
                e->visible_reason ? e->visible_reason : "");
}

static void line_text (const search *s, node_ref ref, const char *path)
{
    const node *n = search_node (s, ref);
    char text[TEXT_WIDTH + 4], score[32] = "-";
    const char *why = search_mark_why (s, ref);
    node_value value;
    short_text (n, text);
    if (!isnan (n->score))
        snprintf (score, sizeof (score), "%.4f", n->score);
    printf ("%*s%s  %s  %u tok  %s", 2 * (n->depth < 20 ? n->depth - 1 : 20), "", path, score,
            n->tokens, state_of (n));
    if (n->mark != MARK_OPEN)
        printf ("  %s%s%s", node_mark_names[n->mark], *why ? ": " : "", why);
    verdict_text (n);
    if (search_value (s, ref, &value) && value.visits > 0)
        printf ("  Q %.4f N %.0f", value.q, value.visits);
    printf ("  | %s\n", text);
}

/* ---- JSON ---- */

static esp_err
one_verdict (const char *name, const char *reason, uint32_t len, double share, esp_buf *out)
{
    esp_err err = esp_buf_printf (out, ",\"%sreason\":", name);
    if (err == ESP_OK)
        err = esp_buf_json_string (out, span_make (reason ? reason : "", len));
    if (err == ESP_OK)
        err = esp_buf_printf (out, ",\"%sshare\":", name);
    return err == ESP_OK ? esp_buf_json_double (out, share) : err;
}

static esp_err verdict_json (const node *n, esp_buf *out)
{
    const node_extra *e = n->extra;
    esp_err err = esp_buf_printf (out, ",\"verdict\":\"%s\"", verdict_names[n->verdict]);
    if (err == ESP_OK && n->verdict != VERDICT_NONE && e)
        err = one_verdict ("", e->reason, e->reason_len, e->share, out);
    if (err == ESP_OK && e && e->visible)
        err = esp_buf_printf (out, ",\"visible_verdict\":\"%s\"", verdict_names[e->visible]);
    if (err == ESP_OK && e && e->visible)
        err = one_verdict ("visible_", e->visible_reason, e->visible_reason_len, e->visible_share,
                           out);
    return err;
}

static esp_err node_json (const search *s, node_ref ref, span path, esp_buf *out)
{
    const node *n = search_node (s, ref);
    node_value value;
    esp_err err = esp_buf_printf (out, "{\"path\":\"%.*s\",\"score\":", (int)path.len, path.ptr);
    if (err == ESP_OK)
        err = esp_buf_json_double (out, n->score);
    if (err == ESP_OK)
        err = esp_buf_printf (out,
                              ",\"tokens\":%u,\"state\":\"%s\",\"mark\":\"%s\",\"why\":", n->tokens,
                              state_of (n), node_mark_names[n->mark]);
    if (err == ESP_OK)
        err = esp_buf_json_string (out, span_of (search_mark_why (s, ref)));
    if (err == ESP_OK)
        err = verdict_json (n, out);
    if (err == ESP_OK && search_value (s, ref, &value)) {
        err = esp_buf_puts (out, ",\"q\":");
        if (err == ESP_OK)
            err = esp_buf_json_double (out, value.q);
        if (err == ESP_OK)
            err = esp_buf_printf (out, ",\"visits\":%.0f", value.visits);
    }
    if (err == ESP_OK)
        err = esp_buf_puts (out, ",\"text\":");
    if (err == ESP_OK)
        err = esp_buf_json_string (out, node_text (n));
    return err == ESP_OK ? esp_buf_puts (out, ",\"children\":[") : err;
}

static esp_err head_json (const search *s, esp_buf *out)
{
    const problem *p = search_problem (s);
    budget used = search_used (s);
    esp_err err = esp_buf_puts (out, "{\"id\":");
    if (err == ESP_OK)
        err = esp_buf_json_string (out, p->id);
    return err == ESP_OK
               ? esp_buf_printf (out,
                                 ",\"repeat\":%u,\"finish_reason\":\"%s\",\"generations\":%" PRIu64
                                 ",\"steps\":%" PRIu64 ",\"tree\":",
                                 problem_repeat (p->key), finish_reason_names[search_reason (s)],
                                 used.generations, used.steps)
               : err;
}

/* ---- the walk ---- */

static void line_dot (const search *s, node_ref ref)
{
    const node *n = search_node (s, ref);
    char text[TEXT_WIDTH + 4], score[32] = "-";
    short_text (n, text);
    if (!isnan (n->score))
        snprintf (score, sizeof (score), "%.3f", n->score);
    for (char *c = text; *c; c++)
        if (*c == '"' || *c == '\\')
            *c = '\'';
    printf ("  n%u [label=\"%u  %s\\n%s\"%s];\n", ref, n->ordinal, score, text,
            n->mark == MARK_ANSWER   ? ",style=bold"
            : n->mark == MARK_PRUNED ? ",style=dashed"
                                     : "");
    if (ref != NODE_ROOT)
        printf ("  n%u -> n%u;\n", n->parent, ref);
}

static esp_err print_tree (const search *s, enum form form)
{
    esp_buf out = {0}, path = {0};
    esp_err err = form == FORM_JSON ? head_json (s, &out) : ESP_OK;
    unsigned left = 0;
    if (form == FORM_TEXT)
        head_text (s);
    if (form == FORM_DOT)
        printf ("digraph espalier {\n  node [shape=box, fontname=monospace];\n");
    for (node_ref ref = NODE_ROOT; ref != NODE_NONE && err == ESP_OK;) {
        node_ref next;
        esp_buf_clear (&path);
        if ((err = tree_path_name (search_tree (s), ref, &path)) != ESP_OK)
            break;
        if (form == FORM_TEXT && ref != NODE_ROOT)
            line_text (s, ref, esp_buf_text (&path));
        if (form == FORM_DOT)
            line_dot (s, ref);
        if (form == FORM_JSON)
            err = node_json (s, ref, esp_buf_span (&path), &out);
        next = step_on (s, ref, &left);
        for (unsigned i = 0; form == FORM_JSON && i < left && err == ESP_OK; i++)
            err = esp_buf_puts (&out, "]}");
        if (form == FORM_JSON && left > 0 && next != NODE_NONE && err == ESP_OK)
            err = esp_buf_puts (&out, ",");
        ref = next;
    }
    if (form == FORM_JSON && err == ESP_OK)
        printf ("%s%s}\n", esp_buf_text (&out), "]}");
    if (form == FORM_DOT)
        printf ("}\n");
    esp_buf_free (&out);
    esp_buf_free (&path);
    return err;
}

static int show (const char *output, const char *id, uint32_t repeat, enum form form)
{
    rebuild r;
    search *s = NULL;
    problem_key key;
    esp_error error = {0};
    esp_err err = rebuild_open (output, &r, &error);
    if (err != ESP_OK) {
        fprintf (stderr, "espalier: %s\n", error.text);
        return EXIT_USAGE;
    }
    if ((err = rebuild_find (&r, id, repeat, &key, &error)) == ESP_OK &&
        (err = rebuild_search (&r, key, &s, &error)) == ESP_OK)
        err = print_tree (s, form);
    if (err != ESP_OK)
        fprintf (stderr, "espalier: %s\n", error.text[0] ? error.text : esp_err_text (err));
    if (r.diverged_at)
        fprintf (stderr,
                 "espalier: the replay differs from what was recorded at input %" PRIu64
                 ": this program is not the one that wrote the journal\n",
                 r.diverged_at);
    search_destroy (s);
    bool diverged = r.diverged_at != 0;
    rebuild_close (&r);
    return err == ESP_OK                            ? diverged ? EXIT_BROKEN : EXIT_DONE
           : err == ESP_ENOENT || err == ESP_EEMPTY ? EXIT_USAGE
                                                    : EXIT_BROKEN;
}

int show_main (int argc, char **argv)
{
    const char *words[2] = {NULL, NULL};
    int count = 0;
    uint32_t repeat = 0;
    enum form form = FORM_TEXT;
    for (int i = 1; i < argc; i++) {
        if (strcmp (argv[i], "--help") == 0 || strcmp (argv[i], "-h") == 0) {
            fputs (help, stdout);
            return EXIT_DONE;
        }
        if (strcmp (argv[i], "--json") == 0)
            form = FORM_JSON;
        else if (strcmp (argv[i], "--dot") == 0)
            form = FORM_DOT;
        else if (strcmp (argv[i], "--repeat") == 0 && i + 1 < argc)
            repeat = (uint32_t)strtoul (argv[++i], NULL, 10);
        else if (count < 2 && argv[i][0] != '-')
            words[count++] = argv[i];
        else
            count = 3;
    }
    if (count != 2) {
        fputs (help, stderr);
        return EXIT_USAGE;
    }
    return show (words[0], words[1], repeat, form);
}
