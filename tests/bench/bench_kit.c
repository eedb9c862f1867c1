/* SPDX-License-Identifier: Apache-2.0 */
/* bench_kit.c - lines, commands, files; see bench.h */

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "tests/bench/bench.h"

void bench_value (const char *name, double value, const char *unit)
{
    printf ("%s %.*f %s\n", name,
            fabs (value) >= 1000 ? 0
            : fabs (value) >= 10 ? 2
                                 : 4,
            value, unit);
}

void bench_ratio (const char *name, double value, bool at_least, double target, bool valid)
{
    bool ok = at_least ? value >= target : value <= target;
    printf ("ratio %s %.3f %s%g %s\n", name, value, at_least ? ">=" : "<=", target,
            !valid || isnan (value) ? "invalid"
            : ok                    ? "ok"
                                    : "MISSED");
}

void bench_skip (const char *name, const char *why)
{
    printf ("# %s is left out: %s\n", name, why);
}

void bench_fail (const char *what)
{
    fflush (stdout);
    fprintf (stderr, "bench: %s\n", what);
    exit (1);
}

uint64_t bench_now_ns (void)
{
    esp_clock clock = esp_clock_monotonic ();
    return esp_clock_ns (&clock);
}

static int by_value (const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median (double *values, size_t count)
{
    if (count == 0)
        return NAN;
    qsort (values, count, sizeof (*values), by_value);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* ---- commands ---- */

int bench_command (char *out, size_t size, const char *format, ...)
{
    char command[4096], waste[4096];
    size_t len = 0, n;
    FILE *from;
    va_list args;
    int status;
    va_start (args, format);
    vsnprintf (command, sizeof (command), format, args);
    va_end (args);
    fflush (stdout);
    if (!(from = popen (command, "r")))
        bench_fail ("popen");
    while (size > 1 && len < size - 1 && (n = fread (out + len, 1, size - 1 - len, from)) > 0)
        len += n;
    while (fread (waste, 1, sizeof (waste), from) > 0)
        ;
    if (size > 0)
        out[len] = 0;
    status = pclose (from);
    return WIFEXITED (status) ? WEXITSTATUS (status) : 128;
}

const char *bench_mpirun (void)
{
    return "timeout 300 " BENCH_SOURCE "/cluster/local/mpirun -n 2";
}

const char *bench_espalier (void)
{
    return BENCH_ESPALIER;
}

double bench_find (const char *text, const char *name)
{
    size_t len = strlen (name);
    for (const char *line = text; line && *line;
         line = strchr (line, '\n') ? strchr (line, '\n') + 1 : NULL)
        if (strncmp (line, name, len) == 0 && line[len] == ' ')
            return strtod (line + len, NULL);
    return NAN;
}

/* ---- files ---- */

void bench_write (const bench *b, const char *name, const char *text, char *path)
{
    FILE *to;
    snprintf (path, 512, "%s/%s", b->folder, name);
    if (!(to = fopen (path, "w")) || fputs (text, to) < 0 || fclose (to) != 0)
        bench_fail (path);
}

void bench_problems (const bench *b, uint32_t count, char *path)
{
    FILE *to;
    snprintf (path, 512, "%s/problems-%u.jsonl", b->folder, count);
    if (!(to = fopen (path, "w")))
        bench_fail (path);
    for (uint32_t i = 0; i < count; i++)
        fprintf (to, "{\"id\":\"p%07u\",\"problem\":\"What is %u + %u?\"}\n", i, i, i);
    if (fclose (to) != 0)
        bench_fail (path);
}

double bench_summary (const char *output, const char *part, const char *key)
{
    char path[600];
    json_t *all;
    const json_t *at;
    double value = NAN;
    snprintf (path, sizeof (path), "%s/summary.json", output);
    if (!(all = json_load_file (path, 0, NULL)))
        return NAN;
    at = json_object_get (all, "this_start");
    if (part)
        at = json_object_get (at, part);
    at = json_object_get (at, key);
    if (json_is_number (at))
        value = json_number_value (at);
    json_decref (all);
    return value;
}
