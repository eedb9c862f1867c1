/* SPDX-License-Identifier: Apache-2.0 */
/* problem_doubts.c - see problem_doubts.h */

#include "coordinator/problem/problem_doubts.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static problem_doubt *kind_of (problem_doubts *d, const char *what)
{
    for (size_t i = 0; i < d->count; i++)
        if (strncmp (d->kinds[i].what, what, DOUBT_BYTES - 1) == 0)
            return &d->kinds[i];
    if (d->count == DOUBT_KINDS) {
        snprintf (d->kinds[DOUBT_KINDS - 1].what, DOUBT_BYTES, "are not as they should be");
        return &d->kinds[DOUBT_KINDS - 1];
    }
    snprintf (d->kinds[d->count].what, DOUBT_BYTES, "%s", what);
    return &d->kinds[d->count++];
}

void problem_doubts_add (problem_doubts *d, const char *what, uint64_t line)
{
    problem_doubt *k = kind_of (d, what);
    if (k->count < DOUBT_LINES)
        k->lines[k->count] = line;
    k->count++;
}

esp_err
problem_doubt_text (const problem_doubt *d, const char *file, uint32_t problems, esp_buf *out)
{
    size_t before = out->len, shown = d->count < DOUBT_LINES ? d->count : DOUBT_LINES;
    esp_err err = esp_buf_printf (out, "%s:%" PRIu64 ": %u of %u problems %s", file, d->lines[0],
                                  d->count, problems, d->what);
    for (size_t i = 0; i < shown && d->count > 1 && err == ESP_OK; i++)
        err = esp_buf_printf (out, "%s%" PRIu64,
                              i > 0               ? ", "
                              : d->count == shown ? "; in lines "
                                                  : "; the first in lines ",
                              d->lines[i]);
    if (err != ESP_OK)
        out->len = before;
    return err;
}
