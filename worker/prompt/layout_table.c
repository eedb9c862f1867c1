/* SPDX-License-Identifier: Apache-2.0 */
/* layout_table.c - one row per layout */

#include <string.h>
#include "worker/prompt/layout_inner.h"

static const layout *const table[] = {
    &layout_qwen_extra0,     &layout_math_shepherd, &layout_rlhflow_deepseek,
    &layout_rlhflow_mistral, &layout_skywork,       &layout_judge,
    &layout_thinkprm,        &layout_outcome,       &layout_generic};

const layout *layout_at (size_t index)
{
    return index < sizeof (table) / sizeof (table[0]) ? table[index] : NULL;
}

const layout *layout_find (const char *name)
{
    const layout *row;
    for (size_t i = 0; name && (row = layout_at (i)); i++)
        if (strcmp (row->name, name) == 0)
            return row;
    return NULL;
}
