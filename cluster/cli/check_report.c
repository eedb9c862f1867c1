/* SPDX-License-Identifier: Apache-2.0 */
/* check_report.c - see check_report.h */

#include "cluster/cli/check_report.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "cluster/cli/commands.h"

#define MARK "WARNING: "

/* What cannot be kept is said at once: late is better, but never is worse. */
static void keep (esp_buf *out, const char *before, span line)
{
    size_t len = out->len;
    if (esp_buf_puts (out, before) == ESP_OK && esp_buf_add (out, line) == ESP_OK &&
        esp_buf_puts (out, "\n") == ESP_OK)
        return;
    if (out->data)
        out->data[out->len = len] = 0;
    fprintf (stderr, "%s%.*s\n", before, (int)line.len, line.ptr);
}

static void keep_warning (check_report *r, span line)
{
    r->warning_count++;
    keep (&r->warnings, span_find (line, span_of (MARK)) < line.len ? "" : MARK, line);
}

void check_show (check_report *r, const char *text)
{
    if (!r->quiet || esp_buf_puts (&r->table, text) != ESP_OK)
        fputs (text, stderr);
}

void check_print (check_report *r, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start (args, format);
    (void)vsnprintf (text, sizeof (text), format, args);
    va_end (args);
    check_show (r, text);
}

void check_say (check_report *r, const char *text)
{
    check_show (r, text);
    while (*text) {
        size_t len = strcspn (text, "\n");
        span line = span_trim (span_make (text, len));
        if (span_find (line, span_of (MARK)) < line.len)
            keep_warning (r, line);
        text += len + (text[len] == '\n');
    }
}

void check_warn (check_report *r, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start (args, format);
    (void)vsnprintf (text, sizeof (text), format, args);
    va_end (args);
    keep_warning (r, span_of (text));
}

void check_mistake (check_report *r, const char *sentence)
{
    r->mistake_count++;
    keep (&r->mistakes, "espalier: ", span_of (sentence));
}

void check_mistakes (check_report *r, const char *lines)
{
    while (*lines) {
        size_t len = strcspn (lines, "\n");
        r->mistake_count++;
        keep (&r->mistakes, "", span_make (lines, len));
        lines += len + (lines[len] == '\n');
    }
}

void check_report_free (check_report *r)
{
    esp_buf_free (&r->warnings);
    esp_buf_free (&r->mistakes);
    esp_buf_free (&r->table);
    *r = (check_report){.warning_count = 0};
}

int check_report_end (check_report *r)
{
    int status = r->mistake_count > 0 ? EXIT_USAGE : EXIT_DONE;
    fputs (esp_buf_text (&r->warnings), stderr);
    fputs (esp_buf_text (&r->mistakes), stderr);
    fprintf (stderr, "espalier: check: %u mistake%s, %u warning%s; exit status %d\n",
             r->mistake_count, r->mistake_count == 1 ? "" : "s", r->warning_count,
             r->warning_count == 1 ? "" : "s", status);
    check_report_free (r);
    return status;
}
