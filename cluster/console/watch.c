/* SPDX-License-Identifier: Apache-2.0 */
/* watch.c - espalier watch: arguments, and plain lines where there is no terminal */

#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "cluster/cli/commands.h"
#include "cluster/console/console.h"
#include "cluster/console/lines.h"
#include "cluster/console/screen.h"

enum { PLAIN_COLUMNS = 200, PLAIN_MS = 1000 };

static const char *const help =
    "usage: espalier watch OUTPUT [--plain] [--events]\n\n"
    "Follows a run from another terminal: figures, open problems, and the tree of one of them as "
    "it grows.  May come\n"
    "and go at any time; the run never waits for it.  Runs on the host of the coordinator, or "
    "anywhere when the run has\n"
    "observe.listen: tcp://HOST:PORT.\n\n"
    "  up, down, j, k      select a node (page up and down, g and G: first and last)\n"
    "  left, right, h, l   select a problem\n"
    "  p b f               prune the node (asks), boost it, finish the problem (asks)\n"
    "  s                   stop the run, resumable (asks)\n"
    "  o                   hide what was pruned\n"
    "  q                   quit; the run goes on\n\n"
    "  --plain    lines instead of a screen; also when the output is no terminal\n"
    "  --events   with --plain: every event as a line\n\n"
    "Exit status 0; 2: there is no run to watch.\n";

/* ---- plain ---- */

struct plain {
    follow f;
    bool events;
    esp_buf line;
};

static void print (struct plain *p, esp_err err)
{
    if (err == ESP_OK)
        puts (esp_buf_text (&p->line));
    esp_buf_clear (&p->line);
}

static void print_event (void *ctx, const event *e)
{
    struct plain *p = ctx;
    bool ends = e->kind == EVENT_OPENED || e->kind == EVENT_FINISHED;
    if (p->events || (e->number > 0 && ends)) /* 0: a text that is still being made */
        print (p, lines_event (p->f.view, e, PLAIN_COLUMNS, &p->line));
}

static void print_figures (struct plain *p)
{
    esp_err err = lines_progress (&p->f.status, PLAIN_COLUMNS / 2, &p->line);
    if (err == ESP_OK)
        err = esp_buf_puts (&p->line, "  ");
    if (err == ESP_OK)
        err = lines_work (&p->f.status, PLAIN_COLUMNS / 2, &p->line);
    print (p, err);
}

static int run_plain (struct plain *p, int signals)
{
    struct pollfd leave = {signals, POLLIN, 0};
    p->f.seen = print_event;
    p->f.ctx = p;
    while (p->f.client && poll (&leave, 1, 0) <= 0 && !ferror (stdout)) {
        follow_step (&p->f, PLAIN_MS);
        view_drop_finished (p->f.view, UINT64_MAX);
        if (p->f.has_status)
            print_figures (p);
        fflush (stdout);
    }
    if (!p->f.client)
        printf ("the run has ended\n");
    esp_buf_free (&p->line);
    return EXIT_DONE;
}

/* ---- start ---- */

/* Signals are read from a descriptor, so that the terminal is put back whatever ends us. */
static int open_signals (void)
{
    sigset_t set;
    sigemptyset (&set);
    sigaddset (&set, SIGINT);
    sigaddset (&set, SIGTERM);
    sigaddset (&set, SIGHUP);
    sigprocmask (SIG_BLOCK, &set, NULL);
    signal (SIGPIPE, SIG_IGN);
    return signalfd (-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void choose_locale (void)
{
    if ((!setlocale (LC_CTYPE, "") || MB_CUR_MAX == 1) && !setlocale (LC_CTYPE, "C.UTF-8"))
        setlocale (LC_CTYPE, "C"); /* then all that is not ASCII is shown as '?' */
}

static int watch (const char *output, bool plain, bool events)
{
    struct plain p = {.events = events};
    esp_error error = {0};
    int signals = open_signals (), status = EXIT_DONE;
    choose_locale ();
    if (follow_open (&p.f, output, &error) != ESP_OK) {
        fprintf (stderr, "espalier: %s\n", error.text);
        status = EXIT_USAGE;
    } else {
        if (plain || !screen_run (&p.f, signals))
            status = run_plain (&p, signals);
        follow_close (&p.f);
    }
    if (signals >= 0)
        close (signals);
    return status;
}

int watch_main (int argc, char **argv)
{
    const char *output = NULL;
    bool plain = !isatty (STDOUT_FILENO) || !isatty (STDIN_FILENO), events = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp (argv[i], "--help") == 0 || strcmp (argv[i], "-h") == 0) {
            fputs (help, stdout);
            return EXIT_DONE;
        }
        if (strcmp (argv[i], "--plain") == 0)
            plain = true;
        else if (strcmp (argv[i], "--events") == 0)
            plain = events = true;
        else if (!output && argv[i][0] != '-')
            output = argv[i];
        else
            output = NULL, i = argc;
    }
    if (!output) {
        fputs (help, stderr);
        return EXIT_USAGE;
    }
    return watch (output, plain, events);
}
