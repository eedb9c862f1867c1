/* SPDX-License-Identifier: Apache-2.0 */
/* report_plot.c - two small files and one child process
 *
 * No shell is involved, and file names are quoted for gnuplot, so a name cannot become a command.
 */

#include "cluster/console/report_plot.h"
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include "proto/base/file.h"
#include "proto/base/text.h"

extern char **environ;

static const char *const titles[REPORT_METRICS] = {"pass@k", "majority", "weighted", "best"};

/* One block a run and metric, two blank lines between: gnuplot's `index`. */
static esp_err write_data (const report *r, const char *path, esp_error *error)
{
    esp_buf out = {0};
    esp_err err = esp_buf_puts (&out, "# x value low high\n");
    for (size_t i = 0; i < r->part_count; i++)
        for (int m = 0; m < REPORT_METRICS; m++) {
            const report_section *s = &r->parts[i].sections[0];
            for (size_t k = 0; err == ESP_OK && k < s->row_count; k++) {
                const report_estimate *e = &s->rows[k].metrics[m];
                bool bare = isnan (e->low);
                if (isnan (e->value) || isnan (s->rows[k].x))
                    continue;
                err = esp_buf_printf (&out, "%.10g %.10g %.10g %.10g\n", s->rows[k].x, e->value,
                                      bare ? e->value : e->low, bare ? e->value : e->high);
            }
            if (err == ESP_OK)
                err = esp_buf_puts (&out, "\n\n");
        }
    if (err == ESP_OK)
        err = esp_file_write (path, esp_buf_span (&out), 0644, error);
    else
        esp_error_set (error, err, "%s: out of memory", path);
    esp_buf_free (&out);
    return err;
}

/* 'text' for gnuplot: a quote is doubled. */
static esp_err add_quoted (esp_buf *out, const char *text)
{
    esp_err err = esp_buf_puts (out, "'");
    for (; err == ESP_OK && *text; text++) {
        if (*text == '\'')
            err = esp_buf_puts (out, "'");
        if (err == ESP_OK)
            err = esp_buf_append (out, text, 1);
    }
    return err == ESP_OK ? esp_buf_puts (out, "'") : err;
}

static bool any_point (const report_section *s, int metric)
{
    for (size_t k = 0; k < s->row_count; k++)
        if (!isnan (s->rows[k].metrics[metric].value) && !isnan (s->rows[k].x))
            return true;
    return false;
}

static esp_err add_curves (esp_buf *out, const report *r, const char *data)
{
    const char *before = "plot ";
    esp_err err = ESP_OK;
    for (size_t i = 0; i < r->part_count; i++)
        for (int m = 0; err == ESP_OK && m < REPORT_METRICS; m++) {
            if (!any_point (&r->parts[i].sections[0], m))
                continue;
            err = esp_buf_puts (out, before);
            if (err == ESP_OK)
                err = add_quoted (out, data);
            if (err == ESP_OK)
                err = esp_buf_printf (
                    out, " index %zu using 1:2:3:4 with yerrorlines lw 1.5 lc %d dt %zu title ",
                    i * REPORT_METRICS + (size_t)m, m + 1, i + 1);
            if (err == ESP_OK && r->part_count > 1)
                err = add_quoted (out, r->parts[i].run->output);
            if (err == ESP_OK)
                err = esp_buf_printf (out, "%s'%s' noenhanced", r->part_count > 1 ? ".' '." : "",
                                      titles[m]);
            before = ", \\\n     ";
        }
    return err == ESP_OK ? esp_buf_puts (out, "\n") : err;
}

static esp_err write_script (const report *r, const char *file, const char *data, const char *path,
                             esp_error *error)
{
    esp_buf out = {0};
    esp_err err = esp_buf_puts (
        &out, "set terminal svg size 800,500 dynamic background 'white'\nset output ");
    if (err == ESP_OK)
        err = add_quoted (&out, file);
    if (err == ESP_OK)
        err = esp_buf_printf (
            &out,
            "\nset xlabel '%s per problem'\nset ylabel 'share of problems solved'\n"
            "set yrange [0:1]\nset logscale x 2\nset grid\nset key outside\n",
            r->settings->axis == AXIS_N ? "candidates" : report_axis_names[r->settings->axis]);
    if (err == ESP_OK)
        err = add_curves (&out, r, data);
    if (err == ESP_OK)
        err = esp_file_write (path, esp_buf_span (&out), 0644, error);
    else
        esp_error_set (error, err, "%s: out of memory", path);
    esp_buf_free (&out);
    return err;
}

static esp_err run_gnuplot (const char *script, esp_error *error)
{
    char program[] = "gnuplot", argument[PATH_MAX];
    char *argv[] = {program, argument, NULL};
    pid_t child;
    int status = 0, rc;
    /* "./" keeps a name that begins with '-' from being an option */
    snprintf (argument, sizeof (argument), "%s%.4000s", script[0] == '/' ? "" : "./", script);
    rc = posix_spawnp (&child, program, NULL, NULL, argv, environ);
    if (rc != 0)
        return esp_error_set (
            error, ESP_EUNSUPPORTED,
            "gnuplot does not start (%s); install it (apt install gnuplot-nox) and run: gnuplot %s",
            strerror (rc), script);
    while (waitpid (child, &status, 0) < 0)
        if (errno != EINTR)
            return esp_error_set (error, ESP_EIO, "gnuplot was lost: %s", strerror (errno));
    if (!WIFEXITED (status) || WEXITSTATUS (status) != 0)
        return esp_error_set (error, ESP_EIO, "gnuplot %s failed; what it said stands above",
                              script);
    return ESP_OK;
}

esp_err report_plot (const report *r, const char *file, esp_error *error)
{
    char data[PATH_MAX], script[PATH_MAX];
    bool points = false;
    esp_err err;
    for (const char *c = file; *c; c++)
        if ((unsigned char)*c < 0x20)
            return esp_error_set (error, ESP_EINVAL,
                                  "--plot: control characters in the name of the file");
    if (strlen (file) == 0 || strlen (file) > 3900)
        return esp_error_set (error, ESP_EINVAL,
                              "--plot: the name of the file is empty or too long");
    for (size_t i = 0; i < r->part_count; i++)
        for (int m = 0; m < REPORT_METRICS; m++)
            points |= any_point (&r->parts[i].sections[0], m);
    if (!points)
        return esp_error_set (error, ESP_EEMPTY, "--plot %s: there is nothing to draw: no verdicts",
                              file);
    snprintf (data, sizeof (data), "%s.dat", file);
    snprintf (script, sizeof (script), "%s.gp", file);
    if ((err = write_data (r, data, error)) != ESP_OK ||
        (err = write_script (r, file, data, script, error)) != ESP_OK)
        return err;
    return run_gnuplot (script, error);
}
