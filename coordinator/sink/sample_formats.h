/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SINK_SAMPLE_FORMATS_H
#define ESP_COORDINATOR_SINK_SAMPLE_FORMATS_H

/* sample_formats.h - the rows that sample_*.c add to the table of sample_table.c */

#include "coordinator/sink/sample.h"

extern const sample_format sample_defect, sample_distill, sample_math_shepherd, sample_passrate,
    sample_preference, sample_prm800k, sample_processbench, sample_rollouts, sample_sal, sample_sft,
    sample_stepwise, sample_tree;

#endif
