/* SPDX-License-Identifier: Apache-2.0 */
/* config_help.c - option tables for people: --help and docs/runfile.md */

#include "proto/config/config.h"
#include <stdio.h>
#include <string.h>
#include "proto/config/config_internal.h"

/* The cells of one row; the same for both forms. */
struct cells {
    char key[CONFIG_NAME_BYTES];
    esp_buf kind, fallback, help;
};

static void cells_free (struct cells *cells)
{
    esp_buf_free (&cells->kind);
    esp_buf_free (&cells->fallback);
    esp_buf_free (&cells->help);
}

static esp_err choices_text (const char *choices, esp_buf *out)
{
    span choice;
    esp_err err = ESP_OK;
    for (size_t i = 0; err == ESP_OK && (choice = config_choice (choices, i)).ptr; i++) {
        err = esp_buf_puts (out, i ? ", " : "");
        if (err == ESP_OK)
            err = esp_buf_add (out, choice);
    }
    return err;
}

static esp_err range_text (const esp_option *row, esp_buf *out)
{
    if (row->min >= row->max)
        return ESP_OK;
    if (row->max >= CONFIG_NO_BOUND)
        return esp_buf_printf (out, ", at least %.15g", row->min);
    if (row->min <= -CONFIG_NO_BOUND)
        return esp_buf_printf (out, ", at most %.15g", row->max);
    return esp_buf_printf (out, ", %.15g to %.15g", row->min, row->max);
}

/* "whole number, 1 to 512 tokens", "last, min, prod" */
static esp_err kind_text (const esp_option *row, esp_buf *out)
{
    static const char *const names[] = {
        [ESP_OPT_BOOL] = "true or false",
        [ESP_OPT_INT] = "whole number",
        [ESP_OPT_DOUBLE] = "number",
        [ESP_OPT_STRING] = "text",
        [ESP_OPT_CHOICE] = "",
        [ESP_OPT_STRINGS] = "list of texts",
    };
    esp_err err;
    if (row->type == ESP_OPT_CHOICE)
        return choices_text (row->choices, out);
    err = esp_buf_puts (out, names[row->type]);
    if (err == ESP_OK && (row->type == ESP_OPT_INT || row->type == ESP_OPT_DOUBLE))
        err = range_text (row, out);
    if (err == ESP_OK && row->unit && *row->unit)
        err = esp_buf_printf (out, row->min < row->max ? " %s" : ", %s", row->unit);
    return err;
}

static esp_err fallback_text (const esp_option *row, esp_buf *out)
{
    if (row->required)
        return esp_buf_puts (out, "required");
    if (!row->fallback)
        return esp_buf_puts (out, "-");
    for (const char *p = row->fallback; *p; p++)
        if ((unsigned char)*p < 0x20) /* a line end would break the line: show it quoted */
            return esp_buf_json_string (out, span_of (row->fallback));
    return esp_buf_puts (out, *row->fallback ? row->fallback : "\"\"");
}

static esp_err cells_make (const char *section, const esp_option *row, struct cells *cells)
{
    esp_err err;
    (void)snprintf (cells->key, sizeof (cells->key), "%s.%s", section, row->key);
    if ((err = kind_text (row, &cells->kind)) != ESP_OK ||
        (err = fallback_text (row, &cells->fallback)) != ESP_OK)
        return err;
    return esp_buf_puts (&cells->help, row->help ? row->help : "");
}

typedef esp_err (*row_writer) (const char *section, const esp_option *row, int width, esp_buf *out);

static esp_err help_row (const char *section, const esp_option *row, int width, esp_buf *out)
{
    static const char *const notes[] = {[ESP_OPT_FIXED] = "",
                                        [ESP_OPT_FREE] = "; may change on resume",
                                        [ESP_OPT_GROWS] = "; may grow on resume"};
    struct cells cells = {0};
    esp_err err = cells_make (section, row, &cells);
    if (err == ESP_OK)
        err = esp_buf_printf (out, "  %-*s  %s\n  %-*s  (%s; %s%s%s)\n", width, cells.key,
                              esp_buf_text (&cells.help), width, "", esp_buf_text (&cells.kind),
                              row->required ? "" : "default ", esp_buf_text (&cells.fallback),
                              notes[row->change]);
    cells_free (&cells);
    return err;
}

/* A '|' would end the cell. */
static esp_err add_cell (const char *text, esp_buf *out)
{
    esp_err err = esp_buf_puts (out, "| ");
    for (const char *p = text; err == ESP_OK && *p; p++)
        err = *p == '|' ? esp_buf_puts (out, "\\|") : esp_buf_append (out, p, 1);
    return err == ESP_OK ? esp_buf_puts (out, " ") : err;
}

static esp_err markdown_row (const char *section, const esp_option *row, int width, esp_buf *out)
{
    static const char *const changes[] = {
        [ESP_OPT_FIXED] = "fixed", [ESP_OPT_FREE] = "may change", [ESP_OPT_GROWS] = "may grow"};
    struct cells cells = {0};
    esp_err err = cells_make (section, row, &cells);
    const char *texts[] = {esp_buf_text (&cells.kind), esp_buf_text (&cells.fallback),
                           changes[row->change], esp_buf_text (&cells.help)};
    (void)width;
    if (err == ESP_OK)
        err = esp_buf_printf (out, "| `%s` ", cells.key);
    for (size_t i = 0; err == ESP_OK && i < sizeof (texts) / sizeof (*texts); i++)
        err = add_cell (texts[i], out);
    cells_free (&cells);
    return err == ESP_OK ? esp_buf_puts (out, "|\n") : err;
}

static esp_err
write_rows (const char *section, const esp_option *table, row_writer write, esp_buf *out)
{
    size_t width = 0;
    esp_err err = ESP_OK;
    for (const esp_option *row = table; row->key; row++) {
        size_t len = strlen (section) + 1 + strlen (row->key);
        width = len > width ? len : width;
    }
    for (const esp_option *row = table; err == ESP_OK && row->key; row++)
        err = write (section, row, (int)width, out);
    return err;
}

/* All or nothing of head and rows. */
static esp_err write_table (const char *head, const char *section, const char *title,
                            const esp_option *table, row_writer write, esp_buf *out)
{
    size_t before;
    esp_err err;
    if (!section || !table || !out)
        return ESP_EINVAL;
    before = out->len;
    err = write == help_row
              ? esp_buf_printf (out, "%s%s%s\n", section, title ? ": " : "", title ? title : "")
              : esp_buf_printf (out, "## %s%s%s\n\n%s", section, title ? ": " : "",
                                title ? title : "", head);
    if (err == ESP_OK)
        err = write_rows (section, table, write, out);
    if (err != ESP_OK && out->data)
        out->data[out->len = before] = 0;
    return err;
}

esp_err config_help (const char *section, const char *title, const esp_option *table, esp_buf *out)
{
    return write_table ("", section, title, table, help_row, out);
}

esp_err
config_markdown (const char *section, const char *title, const esp_option *table, esp_buf *out)
{
    return write_table ("| key | type and range | default | on resume | what it is |\n"
                        "|---|---|---|---|---|\n",
                        section, title, table, markdown_row, out);
}
