/* SPDX-License-Identifier: Apache-2.0 */
/* sample_table.c - the table of sample formats: one row each */

#include "coordinator/sink/sample.h"
#include <string.h>
#include "coordinator/sink/sample_formats.h"

static const sample_format *const table[] = {
    &sample_sft,           &sample_stepwise,     &sample_preference, &sample_rollouts,
    &sample_distill,       &sample_passrate,     &sample_defect,     &sample_prm800k,
    &sample_math_shepherd, &sample_processbench, &sample_tree,       &sample_sal,
};

const sample_format *sample_format_at (size_t index)
{
    return index < sizeof (table) / sizeof (table[0]) ? table[index] : NULL;
}

const sample_format *sample_format_find (const char *name)
{
    for (size_t i = 0; sample_format_at (i); i++)
        if (strcmp (table[i]->name, name) == 0)
            return table[i];
    return NULL;
}
