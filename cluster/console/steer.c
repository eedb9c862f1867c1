/* SPDX-License-Identifier: Apache-2.0 */
/* steer.c - espalier steer: change a run that is going on */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cluster/cli/commands.h"
#include "cluster/console/console.h"
#include "cluster/console/view.h"
#include "proto/client/client.h"

enum { ANSWER_MS = 10000, WORDS_MAX = 8 };

static const char *const help =
    "usage: espalier steer OUTPUT prune ID NODE\n"
    "       espalier steer OUTPUT boost ID NODE [VALUE]\n"
    "       espalier steer OUTPUT add-step ID NODE TEXT\n"
    "       espalier steer OUTPUT finish ID\n"
    "       espalier steer OUTPUT stop\n\n"
    "Changes a run that is going on; every change is in its journal before this program says "
    "so.\n\n"
    "  prune      no further work on the node and all below it\n"
    "  boost      work below the node is done sooner: VALUE (1 without it) is added to its "
    "priority; never changes results\n"
    "  add-step   TEXT becomes a child of the node, as a step by a human\n"
    "  finish     end the problem now with what it has\n"
    "  stop       end the run cleanly; 'espalier resume' goes on with it\n\n"
    "ID is the problem's id, or #NUMBER.  NODE is its path as 'espalier show' and 'watch' print "
    "it, such as 2.0.7; '.'\n"
    "is the problem itself.  --repeat N: of repeat N (0 without it).  A steered problem is outside "
    "the promise that equal\n"
    "runs give equal results.  Exit status 0; 2: not done, the sentence says why.\n";

struct steering {
    client *c;
    view *v;
    const char *id;
    uint32_t repeat;
    bool out_of_memory;
};

static int complain (const esp_error *error)
{
    fprintf (stderr, "espalier: %s\n", error->text);
    return EXIT_USAGE;
}

static void take_page (void *ctx, const event *events, size_t count)
{
    struct steering *s = ctx;
    for (size_t i = 0; i < count; i++)
        if (view_apply (s->v, &events[i]) != ESP_OK)
            s->out_of_memory = true;
}

/* "#17" needs the snapshot of one problem only. */
static bool by_number (const char *id, uint32_t repeat, problem_key *key)
{
    char *end;
    unsigned long number;
    if (id[0] != '#' || id[1] < '0' || id[1] > '9')
        return false;
    number = strtoul (id + 1, &end, 10);
    *key = problem_key_make (repeat, (uint32_t)number);
    return *end == 0 && number <= UINT32_MAX;
}

static const char *nearest (const struct steering *s, char out[256])
{
    for (size_t i = 0; i < view_count (s->v); i++) {
        const char *one[2] = {view_at (s->v, i)->id, NULL};
        if (esp_nearest (s->id, one)) {
            snprintf (out, 256, "; did you mean '%.200s'?", one[0]);
            return out;
        }
    }
    return "";
}

static const view_problem *find_problem (struct steering *s, esp_error *error)
{
    problem_key key = UINT64_MAX;
    char near[256];
    uint64_t number;
    bool numbered = by_number (s->id, s->repeat, &key);
    const view_problem *p;
    if (client_snapshot (s->c, key, ANSWER_MS, take_page, s, &number, error) != ESP_OK)
        return NULL;
    p = numbered ? view_find (s->v, key) : view_find_id (s->v, span_of (s->id), s->repeat);
    if (!p)
        esp_error_set (error, s->out_of_memory ? ESP_ENOMEM : ESP_ENOENT,
                       "no open problem is called '%.80s' (repeat %u): it is finished, or was not "
                       "started yet%s",
                       s->id, s->repeat, nearest (s, near));
    return p;
}

static int send (struct steering *s, const control_message *ask, const char *done)
{
    control_message answer;
    esp_error error = {0};
    if (client_ask (s->c, ask, ANSWER_MS, &answer, &error) != ESP_OK)
        return complain (&error);
    printf ("%s", done);
    if (ask->kind == CONTROL_COMMAND)
        printf (" (input %" PRIu64 ")", answer.number);
    printf ("\n");
    return EXIT_DONE;
}

/* words: what, ID, NODE, argument */
static int steer_problem (struct steering *s, enum command_kind kind, char *const *words, int count)
{
    control_message ask = {.kind = CONTROL_COMMAND,
                           .command = {.kind = (uint8_t)kind, .node = NODE_NONE}};
    const view_problem *p;
    esp_error error = {0};
    char *end = NULL;
    s->id = words[1];
    if (!(p = find_problem (s, &error)))
        return complain (&error);
    ask.problem = p->key;
    if (count > 2 && (ask.command.node = view_resolve (p, words[2])) == NODE_NONE) {
        esp_error_set (&error, ESP_ENOENT,
                       "problem '%.80s' has no node %.80s; 'espalier show' lists them", words[1],
                       words[2]);
        return complain (&error);
    }
    if (kind == COMMAND_BOOST) {
        ask.command.value = count > 3 ? strtod (words[3], &end) : 1.0;
        if ((end && (*end || end == words[3])) || !isfinite (ask.command.value)) {
            esp_error_set (&error, ESP_EINVAL, "'%.80s' is not a number", words[3]);
            return complain (&error);
        }
    }
    if (kind == COMMAND_ADD_STEP) {
        ask.command.text = span_of (words[3]);
        if (ask.command.text.len == 0) {
            esp_error_set (&error, ESP_EINVAL, "the text of the step is empty");
            return complain (&error);
        }
    }
    return send (s, &ask, "done");
}

static int steer (struct steering *s, const char *output, char *const *words, int count)
{
    static const struct {
        const char *word;
        int kind, least, most; /* words, itself included; kind -1: stop */
    } table[] = {{"prune", COMMAND_PRUNE, 3, 3},
                 {"boost", COMMAND_BOOST, 3, 4},
                 {"add-step", COMMAND_ADD_STEP, 4, 4},
                 {"finish", COMMAND_FINISH, 2, 2},
                 {"stop", -1, 1, 1}};
    size_t row = 0, rows = sizeof (table) / sizeof (table[0]);
    esp_error error = {0};
    int status;
    while (row < rows && strcmp (table[row].word, words[0]) != 0)
        row++;
    if (row == rows || count < table[row].least || count > table[row].most) {
        fputs (help, stderr);
        return EXIT_USAGE;
    }
    if (client_open (output, &s->c, &error) != ESP_OK)
        return complain (&error);
    if (view_create (&s->v) != ESP_OK)
        status = EXIT_BROKEN;
    else if (table[row].kind < 0)
        status = send (s, &(control_message){.kind = CONTROL_STOP}, "the run is stopping");
    else
        status = steer_problem (s, (enum command_kind)table[row].kind, words, count);
    view_destroy (s->v);
    client_close (s->c);
    return status;
}

int steer_main (int argc, char **argv)
{
    struct steering s = {.repeat = 0};
    char *words[WORDS_MAX];
    int count = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp (argv[i], "--help") == 0 || strcmp (argv[i], "-h") == 0) {
            fputs (help, stdout);
            return EXIT_DONE;
        }
        if (strcmp (argv[i], "--repeat") == 0 && i + 1 < argc)
            s.repeat = (uint32_t)strtoul (argv[++i], NULL, 10);
        else if (count < WORDS_MAX)
            words[count++] = argv[i];
    }
    if (count < 2 || count == WORDS_MAX) {
        fputs (help, stderr);
        return EXIT_USAGE;
    }
    return steer (&s, words[0], words + 1, count - 1);
}
