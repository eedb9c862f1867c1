/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - espalier: which subcommand */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cluster/cli/commands.h"
#include "cluster/console/console.h"
#include "proto/base/text.h"

static const struct subcommand {
    const char *name;
    int (*run) (int argc, char **argv);
    const char *arguments, *help;
} table[] = {
    {"run", run_main, "RUN.yaml [key=value ...] [--resume]",
     "search; under mpirun or srun, or alone in one process"},
    {"resume", resume_main, "OUTPUT [key=value ...]", "go on from the journal"},
    {"check", check_main, "RUN.yaml [key=value ...]",
     "every mistake with file and line; the resolved run file"},
    {"try", try_main, "RUN.yaml [key=value ...] [--problem ID]",
     "one problem through everything, with everything shown"},
    {"import", import_main, "sal RECIPE.yaml | samples FILE ... [-o OUT]",
     "recipes and samples of other programs as run files and problem rows"},
    {"options", options_main, "[SECTION] [--markdown]",
     "every key of the run file with default, range and meaning"},
    {"report", report_main, "OUTPUT [OUTPUT2]", "accuracy against compute; two runs compared"},
    {"show", show_main, "OUTPUT ID [--json | --dot]", "the tree of one problem"},
    {"watch", watch_main, "OUTPUT", "follow a run from another terminal"},
    {"steer", steer_main, "OUTPUT prune|boost|finish|add-step|stop ...",
     "change a run that is going on"},
    {"replay", replay_main, "OUTPUT",
     "rebuild every search from the journal and compare with the rows"},
    {"samples", samples_main, "OUTPUT [key=value ...]",
     "the training samples of a run made again, with other settings"},
    {"fingerprint", fingerprint_main, "NAME FILE ...",
     "fingerprints of evaluation problems, for samples.eval_files"},
    {"export", export_main, "OUTPUT FORMAT [-o FILE] [key=value ...]",
     "training samples and other programs' files, from the journal"},
    {"journal", journal_main, "dump OUTPUT", "the journal as JSON lines"},
};
enum { SUBCOMMANDS = sizeof (table) / sizeof (table[0]) };

static void usage (FILE *to)
{
    fprintf (to,
             "espalier %s - process-reward-model-guided tree search over MPI\n\n"
             "usage: espalier COMMAND ...\n\n",
             ESP_VERSION);
    for (int i = 0; i < SUBCOMMANDS; i++)
        fprintf (to, "  %-11s %-45s %s\n", table[i].name, table[i].arguments, table[i].help);
    fprintf (to, "\nespalier COMMAND --help tells more.  First run: cluster/local/demo; by hand:\n"
                 "  mpirun -n 4 espalier run my.yaml search.keep=8\n");
}

static int unknown (const char *word)
{
    const char *names[SUBCOMMANDS + 1] = {NULL}, *near;
    for (int i = 0; i < SUBCOMMANDS; i++)
        names[i] = table[i].name;
    near = esp_nearest (word, names);
    fprintf (stderr, "espalier: there is no command '%s'", word);
    if (near)
        fprintf (stderr, "; did you mean '%s'?", near);
    fprintf (stderr, "\nTry 'espalier --help'.\n");
    return EXIT_USAGE;
}

/* Where one of 0, 1, 2 is closed, the next file opened would get its number, and messages for people would land in it. */
static bool streams_are_open (void)
{
    int fd;
    do
        fd = open ("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close (fd);
    return fd >= 0;
}

/* A full disk behind standard output must not look like success. */
static int said (int status)
{
    if (fflush (stdout) == 0 && !ferror (stdout))
        return status;
    fprintf (stderr, "espalier: standard output cannot be written\n");
    return status == EXIT_DONE ? EXIT_BROKEN : status;
}

int main (int argc, char **argv)
{
    if (!streams_are_open ())
        return EXIT_USAGE;
    if (argc < 2) {
        usage (stderr);
        return EXIT_USAGE;
    }
    if (strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0 ||
        strcmp (argv[1], "help") == 0) {
        usage (stdout);
        return EXIT_DONE;
    }
    if (strcmp (argv[1], "--version") == 0) {
        printf ("espalier %s\n", ESP_VERSION);
        return EXIT_DONE;
    }
    for (int i = 0; i < SUBCOMMANDS; i++)
        if (strcmp (argv[1], table[i].name) == 0)
            return said (table[i].run (argc - 1, argv + 1));
    return unknown (argv[1]);
}
